"""Weights even out what is uneven, count a picture once, and leave out what cannot be used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from debias.audit.suggested_weights import (
    SuggestedWeights,
    UsableImages,
    WeightSettings,
    suggested_weights,
)
from debias.errors import DataError
from debias.resampling.histogram import kl_per_latent
from debias.resampling.settings import ResamplingSettings
from debias.resampling.tempering import effective_sample_size
from debias.resampling.weights import sampling_weights

Mask = NDArray[np.bool_]


def usable_images(
    number: int,
    *,
    weighted: Mask | None = None,
    usable: Mask | None = None,
    pictures: NDArray[np.intp] | None = None,
    persons: NDArray[np.intp] | None = None,
) -> UsableImages:
    everything = np.ones(number, dtype=np.bool_)
    return UsableImages(
        weighted=everything if weighted is None else weighted,
        usable=everything if usable is None else usable,
        pictures=np.arange(number) if pictures is None else pictures,
        persons=persons,
    )


def suggest(
    images: UsableImages,
    attributes: pd.DataFrame,
    *,
    groups: tuple[str, ...] = (),
    mu: NDArray[np.float64] | None = None,
    log_var: NDArray[np.float64] | None = None,
    **settings: float,
) -> SuggestedWeights:
    most = settings.pop("most_copies", 3.0)
    return suggested_weights(
        images,
        attributes=attributes,
        groups=groups,
        mu=mu,
        log_var=log_var,
        settings=WeightSettings(
            resampling=ResamplingSettings(**settings),  # type: ignore[arg-type]
            most_copies=most,
        ),
        generator=np.random.default_rng(0),
    )


def tones(number: int = 100, *, dark: int = 20) -> pd.DataFrame:
    return pd.DataFrame({"tone": np.where(np.arange(number) < dark, "dark", "light")})


def test_groups_get_equal_shares_where_the_effective_sample_size_allows() -> None:
    found = suggest(usable_images(100), tones(), groups=("tone",), target_ess=0.1)
    assert found.base == "groups"
    np.testing.assert_allclose(found.weights, np.where(np.arange(100) < 20, 2.5, 0.625))
    assert found.temper == 1.0
    dark, light = found.shares
    assert (dark.value, dark.num_images, dark.before) == ("dark", 20, 0.2)
    assert [dark.after, light.after] == pytest.approx([0.5, 0.5])
    assert found.largest_over_mean == pytest.approx(2.5)
    assert found.effective_sample_size == pytest.approx(100**2 / (20 * 2.5**2 + 80 * 0.625**2))


def test_the_target_of_the_effective_sample_size_is_kept() -> None:
    found = suggest(usable_images(1000), tones(1000, dark=5), groups=("tone",), target_ess=0.8)
    assert found.effective_sample_size == pytest.approx(800, rel=1e-6)
    assert 0 < found.temper < 1


def test_intersections_are_balanced_and_the_unknown_keep_their_share() -> None:
    table = pd.DataFrame(
        {
            "tone": ["dark"] * 10 + ["light"] * 70 + ["light"] * 10 + [None] * 10,
            "gender": ["f"] * 10 + ["m"] * 70 + ["f"] * 10 + ["m"] * 10,
        }
    )
    found = suggest(usable_images(100), table, groups=("tone", "gender"), target_ess=0.01)
    weights = found.weights
    assert weights[:10].sum() == pytest.approx(30)
    assert weights[10:80].sum() == pytest.approx(30)
    assert weights[80:90].sum() == pytest.approx(30)
    assert weights[90:].sum() == pytest.approx(10)
    unknown = next(share for share in found.shares if share.value == "unknown")
    assert [unknown.before, unknown.after] == pytest.approx([0.1, 0.1])


def test_latents_win_over_groups_and_are_the_resampling_rule() -> None:
    generator = np.random.default_rng(0)
    mu = generator.normal(size=(300, 3)) * [1.0, 1.0, 0.01]
    log_var = np.zeros((300, 3)) + np.log([0.2, 0.2, 1.0])
    found = suggest(usable_images(300), tones(300), groups=("tone",), mu=mu, log_var=log_var)
    expected = sampling_weights(
        mu, settings=ResamplingSettings(), kl_per_latent=kl_per_latent(mu, log_var)
    )
    assert found.base == "latents"
    np.testing.assert_allclose(found.weights, 300 * expected.probabilities)


def test_rows_that_are_not_used_are_never_read() -> None:
    mu = np.random.default_rng(0).normal(size=(50, 2))
    mu[7] = np.nan
    usable = np.arange(50) != 7
    found = suggest(usable_images(50, usable=usable), tones(50), mu=mu)
    assert found.weights[7] == 0
    assert found.copies[7] == 0
    assert (found.num_kept, found.num_excluded) == (49, 1)


def test_without_model_or_groups_all_are_alike() -> None:
    found = suggest(usable_images(10), tones(10))
    assert found.base == "uniform"
    np.testing.assert_allclose(found.weights, 1.0)
    assert found.copies.tolist() == [1] * 10


@pytest.mark.parametrize("base", ["uniform", "groups", "latents"])
def test_copies_of_a_picture_share_what_one_would_get(base: str) -> None:
    """Four copies of image 0 weigh together what it would weigh alone; the list holds one."""
    generator = np.random.default_rng(1)
    number = 60
    once = generator.normal(size=(number, 2))
    rows = np.concatenate([np.zeros(3, dtype=np.intp), np.arange(number)])
    groups = ("tone",) if base == "groups" else ()
    alone = suggest(
        usable_images(number),
        tones(number, dark=6),
        groups=groups,
        mu=once if base == "latents" else None,
        target_ess=0.01,
    )
    copied = suggest(
        usable_images(number + 3, pictures=rows),
        tones(number, dark=6).iloc[rows].reset_index(drop=True),
        groups=groups,
        mu=once[rows] if base == "latents" else None,
        target_ess=0.01,
    )
    shares = np.bincount(rows, weights=copied.weights) / copied.weights.sum()
    np.testing.assert_allclose(shares, alone.weights / alone.weights.sum(), rtol=1e-9)
    assert (copied.copies[0], copied.copies[1:4].tolist()) == (copied.copies[0], [0, 0, 0])
    assert copied.copies[0] >= 1
    assert (copied.num_kept, copied.num_pictures) == (number + 3, number)


def test_images_that_are_not_drawn_by_weight_stay_as_they_are() -> None:
    weighted = np.arange(100) < 60
    usable = np.arange(100) != 99
    images = usable_images(100, weighted=weighted, usable=usable)
    found = suggest(images, tones(), groups=("tone",), target_ess=0.1)
    assert (found.weights[60:99] == 1).all()
    assert (found.copies[60:99] == 1).all()
    assert (found.weights[99], found.copies[99]) == (0, 0)
    assert found.weights[:60].mean() == pytest.approx(1.0)
    assert sum(share.num_images for share in found.shares) == 60


def test_a_rebalanced_list_leaves_nobody_out_and_has_the_shares_of_the_weights() -> None:
    found = suggest(usable_images(1000), tones(1000, dark=250), groups=("tone",), target_ess=0.1)
    assert found.copies.min() == 1
    assert found.num_listed == found.copies.sum() == pytest.approx(1500, abs=1)
    dark, light = found.shares
    assert dark.listed == pytest.approx(0.5, abs=0.01)
    assert light.listed == pytest.approx(0.5, abs=0.01)


def test_a_rebalanced_list_is_not_longer_than_told() -> None:
    found = suggest(
        usable_images(1000),
        tones(1000, dark=5),
        groups=("tone",),
        target_ess=0.001,
        cap=1000.0,
        most_copies=1.2,
    )
    assert found.copies.min() == 1
    assert (found.copies[5:] == 1).all()
    assert found.copies[:5].sum() == pytest.approx(600, abs=1)


def test_shares_count_persons() -> None:
    persons = np.repeat(np.arange(20), 5)
    found = suggest(usable_images(100, persons=persons), tones())
    assert [share.num_persons for share in found.shares] == [4, 16]
    assert suggest(usable_images(100), tones()).shares[0].num_persons is None


def test_health_is_that_of_the_weights() -> None:
    mu = np.random.default_rng(0).normal(size=(200, 3))
    pictures = np.arange(200) // 2
    found = suggest(usable_images(200, pictures=pictures), tones(200), mu=mu)
    assert found.effective_sample_size == pytest.approx(effective_sample_size(found.weights))
    assert found.weights.mean() == pytest.approx(1.0)


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(DataError, match="no image is left"):
        suggest(usable_images(3, usable=np.zeros(3, dtype=np.bool_)), tones(3))
