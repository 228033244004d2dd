"""Joint rarity is seen where no single dimension shows it, and beside a homogeneous set."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from debias.audit.coverage import Coverage, CoverageSettings, latent_coverage, whitened_latents
from debias.errors import DataError
from debias.resampling.settings import ResamplingSettings
from debias.resampling.weights import sampling_weights

Floats = NDArray[np.float64]


def cover(mu: Floats, log_var: Floats | None = None, **changes: object) -> Coverage:
    return latent_coverage(
        mu,
        log_var,
        rows=10 * np.arange(len(mu)),
        persons=changes.pop("persons", None),  # type: ignore[arg-type]
        settings=CoverageSettings(**changes),  # type: ignore[arg-type]
        generator=np.random.default_rng(5),
    )


def joint_gap(num_images: int = 1500, *, num_rare: int = 40) -> tuple[Floats, NDArray[np.bool_]]:
    """Two latents that go together, but for a few images in which they oppose each other."""
    generator = np.random.default_rng(0)
    mu = generator.normal(size=(num_images, 4))
    mu[:, 1] = mu[:, 0] + 0.05 * mu[:, 1]
    mu[:num_rare, 0] = generator.uniform(1.0, 2.0, size=num_rare)
    mu[:num_rare, 1] = -generator.uniform(1.0, 2.0, size=num_rare)
    return mu, np.arange(num_images) < num_rare


def test_a_joint_gap_is_found_that_single_dimensions_do_not_show() -> None:
    mu, rare = joint_gap()
    found = cover(mu)
    assert roc_auc_score(rare, found.rarity) > 0.95
    assert roc_auc_score(rare, found.weights.probabilities) < 0.85
    (finding,) = found.findings
    assert (finding.kind, finding.severity) == ("latent-gap", "note")
    flagged = finding.images.rows // 10
    assert rare[flagged].mean() > 0.9
    assert finding.num_images == found.sparse.num_successes
    np.testing.assert_array_equal(finding.images.values, found.rarity[flagged])


def test_a_homogeneous_set_has_no_gap_at_any_scale_or_correlation() -> None:
    turn = np.random.default_rng(9).normal(size=(6, 6))
    for seed in range(5):
        mu = np.random.default_rng(seed).normal(size=(600, 6)) @ turn * 100.0
        found = cover(mu)
        assert found.findings == ()
        assert found.sparse.value < 0.015


def test_the_rare_lie_in_one_region_whose_centre_is_theirs() -> None:
    mu, rare = joint_gap()
    found = cover(mu)
    purest = max(found.regions, key=lambda region: float(rare[region.rows // 10].mean()))
    members = purest.rows // 10
    assert rare[members].mean() > 0.9
    np.testing.assert_allclose(purest.centre, mu[members].mean(axis=0))
    sizes = [len(region.rows) for region in found.regions]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == round(0.05 * len(mu))
    rarity = found.rarity[members]
    assert (np.diff(rarity) <= 0).all()


def test_the_weights_are_those_of_resampling() -> None:
    mu, _ = joint_gap()
    resampling = ResamplingSettings(target_ess=0.3)
    found = cover(mu, resampling=resampling, num_shown=7)
    expected = sampling_weights(mu, settings=resampling).probabilities
    np.testing.assert_array_equal(found.weights.probabilities, expected)
    order = np.argsort(-expected, kind="stable")
    assert [each.row for each in found.rarest] == (10 * order[:7]).tolist()
    assert [each.row for each in found.most_common] == (10 * order[::-1][:7]).tolist()


def test_each_latent_says_how_it_is_used() -> None:
    mu = np.random.default_rng(0).normal(size=(400, 3)) * [1.0, 0.01, 2.0]
    log_var = np.log(np.broadcast_to([0.1, 1.0, 0.5], mu.shape))
    found = cover(mu, log_var)
    assert found.active == (0, 2)
    assert [use.is_active for use in found.latents] == [True, False, True]
    first = found.latents[0]
    counts, edges = np.histogram(mu[:, 0], bins=10)
    np.testing.assert_allclose(first.masses, counts / 400)
    np.testing.assert_allclose(first.edges, edges)
    expected = 0.5 * (mu[:, 0] ** 2 + 0.1 - 1 - np.log(0.1)).mean()
    assert first.kl == pytest.approx(expected)
    assert (first.mean, first.deviation) == pytest.approx((mu[:, 0].mean(), mu[:, 0].std()))


def test_few_faces_are_not_judged() -> None:
    found = cover(np.random.default_rng(0).normal(size=(150, 2)))
    assert np.isnan(found.rarity).all()
    assert np.isnan(found.sparse.value)
    assert found.regions == ()
    assert found.findings == ()


def test_a_latent_space_that_carries_nothing_gives_uniform_weights() -> None:
    found = cover(np.ones((300, 2)))
    assert found.active == ()
    assert found.weights.health.nothing_to_balance
    assert found.findings == ()


def test_rare_pictures_of_one_person_are_no_gap() -> None:
    mu, rare = joint_gap()
    persons = np.where(rare, 0, np.arange(len(mu)))
    found = cover(mu, persons=np.unique(persons, return_inverse=True)[1])
    assert found.sparse.design_effect > 5
    assert found.findings == ()
    assert found.num_persons is not None
    assert found.num_persons < found.sparse.num_successes


def test_whitened_latents_have_the_identity_as_covariance() -> None:
    generator = np.random.default_rng(0)
    mu = generator.normal(size=(500, 3)) @ generator.normal(size=(3, 3)) + 4.0
    doubled = np.concatenate([mu, mu[:, :1]], axis=1)
    for values in (mu, doubled):
        white = whitened_latents(values)
        np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(3), atol=1e-6)


def test_latents_that_are_not_finite_are_refused() -> None:
    mu = np.zeros((300, 2))
    mu[3, 1] = np.nan
    with pytest.raises(DataError, match="row 3"):
        cover(mu)
