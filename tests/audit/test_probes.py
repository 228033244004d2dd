"""What a latent carries is found, what it does not carry is not, and persons are kept apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.metrics import mutual_info_score

from debias.audit.information import latent_bins, mutual_information
from debias.audit.probes import (
    AttributeProbe,
    ProbeSettings,
    probe_latents,
)

QUICK = ProbeSettings(num_permutations=199, num_repeats=2)
NUM_IMAGES = 900


def images() -> tuple[NDArray[np.float64], pd.DataFrame]:
    """Latent 1 carries gender, latents 0 and 2 tone together; nothing carries ``noise``."""
    generator = np.random.default_rng(0)
    mu = generator.normal(size=(NUM_IMAGES, 4))
    tone = generator.integers(3, size=NUM_IMAGES)
    female = generator.random(NUM_IMAGES) < 0.4
    mu[:, 1] += 3.0 * female
    mu[:, 0] += tone
    mu[:, 2] += 1.0 * (tone == 1)
    table = pd.DataFrame(
        {
            "gender": np.where(female, "female", "male"),
            "tone": np.array(["light", "medium", "dark"])[tone],
            "noise": generator.choice(["a", "b"], NUM_IMAGES),
        }
    )
    return mu, table


def probe(
    mu: NDArray[np.float64],
    table: pd.DataFrame,
    *,
    persons: NDArray[np.intp] | None = None,
    settings: ProbeSettings = QUICK,
) -> dict[str, AttributeProbe]:
    found = probe_latents(
        mu,
        table,
        persons=np.arange(len(mu)) if persons is None else persons,
        settings=settings,
        generator=np.random.default_rng(3),
    )
    return {each.attribute: each for each in found}


def test_mutual_information_is_that_of_scikit_learn() -> None:
    mu, table = images()
    bins = latent_bins(mu, 10)
    y = np.unique(table["tone"].to_numpy(dtype=np.str_), return_inverse=True)[1]
    expected = [mutual_info_score(y, bins[:, latent]) for latent in range(4)]
    assert mutual_information(bins, y).tolist() == pytest.approx(expected, abs=1e-6)


def test_bins_hold_equally_many_images_and_equal_values_share_one() -> None:
    mu = np.random.default_rng(0).normal(size=(1000, 2))
    mu[:, 1] = 5.0
    bins = latent_bins(mu, 10)
    assert np.bincount(bins[:, 0]).tolist() == [100] * 10
    assert np.unique(bins[:, 1]).size == 1


def test_what_is_carried_is_found_and_what_is_not_is_not() -> None:
    found = probe(*images())
    gender = found["gender"]
    assert gender.values == ("female", "male")
    assert gender.latents[0].latent == 1
    assert gender.latents[0].adjusted_p_value <= 0.02
    assert gender.latents[0].share > 0.3
    assert gender.balanced_accuracy > 0.9
    assert gender.lowest <= gender.balanced_accuracy <= gender.highest
    assert gender.highest_by_chance < 0.6
    assert all(each.adjusted_p_value > 0.05 for each in gender.latents[1:])
    noise = found["noise"]
    assert noise.chance == 0.5
    assert abs(noise.balanced_accuracy - 0.5) < 0.08
    assert all(each.adjusted_p_value > 0.05 for each in noise.latents)
    assert found["tone"].balanced_accuracy > 0.55


def test_information_by_chance_is_said() -> None:
    latents = probe(*images())["noise"].latents
    expected = (10 - 1) * (2 - 1) / (2 * NUM_IMAGES)  # the bias of a table of independent counts
    assert np.mean([each.by_chance for each in latents]) == pytest.approx(expected, rel=0.15)


def test_p_values_are_for_all_attributes_together() -> None:
    found = probe(*images())
    assert found["gender"].latents[0].p_value == pytest.approx(1 / 200)
    assert found["gender"].latents[0].adjusted_p_value == pytest.approx(3 / 200)
    for each in found.values():
        assert all(part.adjusted_p_value >= part.p_value for part in each.latents)


def test_latents_that_know_persons_do_not_know_what_their_persons_are() -> None:
    generator = np.random.default_rng(0)
    persons = np.repeat(np.arange(40), 15)
    mu = 5.0 * generator.normal(size=(40, 30))[persons] + generator.normal(size=(600, 30))
    table = pd.DataFrame({"gender": np.array(["f", "m"])[(np.arange(40) % 2)[persons]]})
    apart = probe(mu, table, persons=persons)["gender"]
    mixed = probe(mu, table)["gender"]
    assert mixed.balanced_accuracy > 0.85
    assert apart.balanced_accuracy < 0.75
    assert mixed.latents[0].p_value < 0.01
    assert apart.latents[0].p_value > 0.01
    assert (apart.num_persons, apart.num_images) == (40, 600)


def test_unknown_and_rare_values_are_counted_and_left_out() -> None:
    mu, table = images()
    table.loc[:49, "gender"] = None
    table.loc[50:55, "gender"] = "other"
    found = probe(mu, table)["gender"]
    assert (found.num_unknown, found.num_left_out, found.num_images) == (50, 6, NUM_IMAGES - 56)
    assert found.values == ("female", "male")


def test_what_cannot_be_probed_says_why() -> None:
    mu, table = images()
    table["same"] = "x"
    table["id"] = [str(i // 30) for i in range(NUM_IMAGES)]
    table["unknown"] = None
    persons = np.where(table["noise"] == "a", 0, np.arange(NUM_IMAGES) + 1)
    found = probe(mu, table, persons=persons)
    for name in ("same", "id", "unknown", "noise"):
        assert found[name].reason
        assert found[name].values == ()
        assert np.isnan(found[name].balanced_accuracy)
    assert "one person" in found["noise"].reason


def test_many_images_are_sampled() -> None:
    settings = ProbeSettings(num_permutations=19, num_repeats=1, most_images=300)
    assert probe(*images(), settings=settings)["gender"].num_images == 300


def rare_value(num_rare: int, num_images: int = 20_000) -> pd.DataFrame:
    """A table of two common values, and one that few images have."""
    tone = np.random.default_rng(1).choice(["dark", "light"], num_images).astype(object)
    tone[:num_rare] = "very dark"
    return pd.DataFrame({"tone": tone})


def noise(num_images: int = 20_000) -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=(num_images, 4))


@pytest.mark.parametrize("num_rare", [20, 60])
def test_noise_does_not_tell_a_value_that_is_rare_among_those_drawn(num_rare: int) -> None:
    settings = ProbeSettings(num_permutations=9, num_repeats=1, most_images=400)
    found = probe(noise(), rare_value(num_rare), settings=settings)["tone"]
    assert found.values == ("dark", "light", "very dark")
    assert found.chance == pytest.approx(1 / 3)
    assert (found.num_images, found.num_left_out) == (400, 0)
    assert found.p_value > 0.05
    assert not found.is_told


def test_a_value_that_is_not_drawn_often_enough_is_left_out() -> None:
    settings = ProbeSettings(num_permutations=9, num_repeats=1, most_images=400, kept_images=5)
    found = probe(noise(), rare_value(60), settings=settings)["tone"]
    assert (found.values, found.chance) == (("dark", "light"), 0.5)
    assert found.num_left_out == 60
    assert not found.is_told


def test_why_it_is_not_probed_is_true_of_what_was_looked_at() -> None:
    settings = ProbeSettings(num_permutations=9, num_repeats=1, most_images=300)
    # The rare value's images are of one person but for one, which is not drawn.
    persons = np.arange(20_000)
    persons[1:1_000] = 1
    found = probe(noise(), rare_value(1_000), persons=persons, settings=settings)["tone"]
    assert found.reason == "a value is drawn of one person only"
    table = pd.DataFrame({"id": [str(k % 200) for k in range(20_000)]})
    assert "more than 20 values" in probe(noise(), table, settings=settings)["id"].reason


def test_what_a_shuffled_attribute_reaches_too_is_not_told() -> None:
    gender = probe(*images())["gender"]
    assert gender.is_told
    assert not replace(gender, highest_by_chance=gender.balanced_accuracy).is_told


def test_what_is_sure_is_said_to_be_carried() -> None:
    found = probe(*images())
    gender, noise = found["gender"], found["noise"]
    assert gender.is_told
    assert not noise.is_told
    assert gender.most_telling == gender.latents[0]
    assert gender.most_telling is not None
    assert gender.most_telling.is_sure
    assert gender.carried_by(1) == gender.latents[0]
    assert gender.carried_by(0) is None
    assert all(noise.carried_by(latent) is None for latent in range(4))
