from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from debias.errors import ConfigError, DataError
from debias.resampling.histogram import LatentHistograms, build_histograms
from debias.resampling.settings import ResamplingSettings, WeightRule
from debias.resampling.weights import SamplingWeights, sampling_weights

Matrix = NDArray[np.float64]

RULES: tuple[WeightRule, ...] = ("uniform", "max", "paper", "product")


def gaussian(num_images: int, num_latents: int, *, seed: int = 0) -> Matrix:
    return np.random.default_rng(seed).normal(size=(num_images, num_latents))


def planted(num_images: int = 1000, *, num_rare: int = 30) -> Matrix:
    """One dimension: the first ``num_rare`` images near 1, the others near 0."""
    return np.where(np.arange(num_images) < num_rare, 1.0, 0.0)[:, np.newaxis]


def weigh(mu: Matrix, kl: NDArray[Any] | None = None, **settings: Any) -> SamplingWeights:
    return sampling_weights(mu, settings=ResamplingSettings(**settings), kl_per_latent=kl)


def masses_by_loop(latents: Matrix, num_bins: int) -> Matrix:
    masses = np.empty(latents.shape)
    for latent in range(latents.shape[1]):
        counts, edges = np.histogram(latents[:, latent], bins=num_bins)
        for image in range(len(latents)):
            place = sum(latents[image, latent] >= cut for cut in edges[1:-1])
            masses[image, latent] = counts[place] / len(latents)
    return masses


def lab_rule(latents: Matrix, *, num_bins: int, alpha: float) -> Matrix:
    """The teaching lab's rule, on densities, with the smoothing that ``alpha`` amounts to."""
    largest = np.zeros(len(latents))
    for values in latents.T:
        density, edges = np.histogram(values, bins=num_bins, density=True)
        density = density + alpha / (edges[1] - edges[0])
        density = density / density.sum()
        edges[0], edges[-1] = -np.inf, np.inf
        inverse = 1.0 / density[np.digitize(values, edges) - 1]
        largest = np.maximum(largest, inverse / inverse.sum())
    total: Matrix = largest / largest.sum()
    return total


@pytest.mark.parametrize("rule", ["paper", "max"])
@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.1])
def test_a_planted_rare_cluster_gets_the_share_of_the_formula(
    rule: WeightRule, alpha: float
) -> None:
    weights = weigh(planted(), rule=rule, alpha=alpha)
    rare, common = 0.03 / (0.03 + alpha), 0.97 / (0.97 + alpha)
    assert weights.probabilities[:30].sum() == pytest.approx(rare / (rare + common), rel=1e-9)


def test_a_planted_rare_cluster_gets_what_the_target_allows() -> None:
    # Untempered its share would be 0.43; at half the sample size it is f + sqrt(f (1 - f)).
    weights = weigh(planted(), rule="product", target_ess=0.5)
    share = 0.03 + math.sqrt(0.03 * 0.97)
    assert weights.probabilities[:30].sum() == pytest.approx(share, rel=1e-6)
    assert 0 < weights.health.temper < 1
    # A target that the product meets as it is leaves it untempered.
    free = weigh(planted(), rule="product", target_ess=0.05)
    assert free.health.temper == 1.0
    np.testing.assert_allclose(free.probabilities, weigh(planted(), rule="paper").probabilities)


@pytest.mark.parametrize(("num_images", "num_latents"), [(300, 1), (300, 8), (50, 40)])
def test_paper_agrees_with_a_plain_loop(num_images: int, num_latents: int) -> None:
    latents = gaussian(num_images, num_latents)
    expected = np.prod(1 / (masses_by_loop(latents, 10) + 0.01), axis=1)
    found = weigh(latents, rule="paper").probabilities
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-9)


@pytest.mark.parametrize("num_bins", [5, 10, 60])
def test_max_is_the_rule_of_the_lab_but_for_density(num_bins: int) -> None:
    latents = gaussian(400, 12) * np.geomspace(0.01, 100, 12)
    found = weigh(latents, rule="max", num_bins=num_bins, alpha=0.02).probabilities
    expected = lab_rule(latents, num_bins=num_bins, alpha=0.02)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_product_agrees_with_a_plain_bisection() -> None:
    latents = gaussian(300, 20)
    scores = -np.log(masses_by_loop(latents, 10) + 0.01).sum(axis=1)
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        raw = np.exp(middle * (scores - scores.max()))
        low, high = (middle, high) if raw.sum() ** 2 / (raw**2).sum() > 150 else (low, middle)
    weights = weigh(latents, rule="product", target_ess=0.5, cap=math.inf)
    assert weights.health.temper == pytest.approx(low, rel=1e-6)
    np.testing.assert_allclose(weights.probabilities, raw / raw.sum(), rtol=1e-6)
    shifted = weights.log_weights - weights.log_weights.max()
    np.testing.assert_allclose(shifted, scores - scores.max(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("target", [0.25, 0.5, 0.9])
@pytest.mark.parametrize("cap", [10.0, math.inf])
@pytest.mark.parametrize("num_latents", [8, 64, 300])
def test_product_meets_its_target_and_cap(target: float, cap: float, num_latents: int) -> None:
    weights = weigh(gaussian(2000, num_latents), rule="product", target_ess=target, cap=cap)
    assert weights.health.effective_sample_size == pytest.approx(target * 2000, rel=1e-3)
    assert weights.health.largest_over_mean <= cap * (1 + 1e-9)
    at_cap = weights.probabilities * 2000 > cap * (1 - 1e-6)
    assert weights.health.num_capped == at_cap.sum()


def test_the_cap_binds_on_outliers() -> None:
    latents = gaussian(2000, 20)
    latents[:5] = 8.0
    free = weigh(latents, rule="product", cap=math.inf)
    held = weigh(latents, rule="product", cap=5.0)
    assert free.health.largest_over_mean > 5
    assert held.health.largest_over_mean == pytest.approx(5.0)
    assert held.health.num_capped >= 5
    assert held.health.temper > free.health.temper  # what the outliers lose, the others may use


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("num_latents", [1, 100, 1000])
@pytest.mark.parametrize("magnitude", [1e-30, 1.0, 1e30])
def test_any_magnitude_and_width(rule: WeightRule, num_latents: int, magnitude: float) -> None:
    latents = gaussian(200, num_latents)
    scaled = weigh(latents * magnitude, rule=rule).probabilities
    assert (scaled > 0).all()
    assert scaled.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(scaled, weigh(latents, rule=rule).probabilities, rtol=1e-6)


@given(
    rule=st.sampled_from(RULES),
    shift=st.floats(-100, 100),
    scale=st.floats(0.01, 100),
    seed=st.integers(0, 5),
)
def test_scale_and_shift_of_a_latent_change_nothing(
    rule: WeightRule, shift: float, scale: float, seed: int
) -> None:
    latents = gaussian(150, 4, seed=seed)
    moved = latents.copy()
    moved[:, 1] = moved[:, 1] * scale + shift
    np.testing.assert_allclose(
        weigh(moved, rule=rule).probabilities, weigh(latents, rule=rule).probabilities, rtol=1e-6
    )


@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_images_and_dimensions_does_not_matter(rule: WeightRule) -> None:
    latents = gaussian(300, 10)
    kl = np.linspace(0, 0.5, 10)
    weights = weigh(latents, kl, rule=rule)
    generator = np.random.default_rng(1)
    images, dimensions = generator.permutation(300), generator.permutation(10)
    moved = weigh(latents[images][:, dimensions], kl[dimensions], rule=rule)
    np.testing.assert_allclose(moved.probabilities, weights.probabilities[images], rtol=1e-6)
    np.testing.assert_array_equal(
        weigh(latents[images], kl, rule=rule).drivers, weights.drivers[images]
    )


@pytest.mark.parametrize("rule", ["max", "product"])
def test_inactive_dimensions_are_left_out(rule: WeightRule) -> None:
    latents = gaussian(500, 6)
    kl = np.array([0.5, 0.0, 0.3, 0.09, 0.1, 0.0])
    weights = weigh(latents, kl, rule=rule)
    assert weights.health.active == weights.health.balanced == (0, 2, 4)
    assert weights.health.num_active == 3
    alone = weigh(latents[:, [0, 2, 4]], rule=rule)
    np.testing.assert_array_equal(weights.probabilities, alone.probabilities)
    assert not np.isin(weights.drivers, [1, 3, 5]).any()
    assert (weights.probabilities != weigh(latents, rule=rule).probabilities).any()


def test_paper_takes_all_dimensions() -> None:
    latents = gaussian(500, 6)
    weights = weigh(latents, np.zeros(6), rule="paper")
    assert weights.health.balanced == tuple(range(6))
    assert weights.health.active == ()
    assert weights.health.temper == 1.0
    np.testing.assert_array_equal(weights.probabilities, weigh(latents, rule="paper").probabilities)


@pytest.mark.parametrize("rule", ["max", "product", "paper"])
def test_an_explicit_list_is_balanced_and_nothing_else(rule: WeightRule) -> None:
    latents = gaussian(500, 6)
    kl = np.array([0.5, 0.0, 0.3, 0.0, 0.4, 0.0])
    weights = weigh(latents, kl, rule=rule, latents=(4, 1))
    alone = weigh(latents[:, [4, 1]], rule=rule)
    assert weights.health.balanced == (4, 1)
    assert weights.health.active == (0, 2, 4)
    np.testing.assert_array_equal(weights.probabilities, alone.probabilities)
    assert np.isin(weights.drivers, [-1, 1, 4]).all()


@pytest.mark.parametrize("rule", ["max", "product"])
@pytest.mark.parametrize("collapsed", ["by divergence", "constant"])
def test_without_an_active_dimension_weights_are_uniform_and_say_so(
    rule: WeightRule, collapsed: str
) -> None:
    constant = collapsed == "constant"
    latents = np.full((40, 3), 0.7) if constant else gaussian(40, 3)
    weights = weigh(latents, None if constant else np.full(3, 1e-4), rule=rule)
    np.testing.assert_allclose(weights.probabilities, 1 / 40)
    assert weights.health.nothing_to_balance
    assert weights.health.effective_sample_size == pytest.approx(40)
    assert weights.drivers.shape == (40, 0)
    assert weights.health.top_drivers == ()


def test_uniform() -> None:
    weights = weigh(gaussian(40, 3), rule="uniform")
    np.testing.assert_allclose(weights.probabilities, 1 / 40)
    assert not weights.health.nothing_to_balance
    assert weights.health.largest_over_mean == pytest.approx(1)
    assert weights.health.active == (0, 1, 2)


@pytest.mark.parametrize("rule", RULES)
def test_one_image_is_drawn_always(rule: WeightRule) -> None:
    assert weigh(gaussian(1, 5), rule=rule).probabilities.tolist() == [1.0]


@pytest.mark.parametrize("rule", ["max", "product", "paper"])
def test_drivers_name_the_dimension_that_makes_an_image_rare(rule: WeightRule) -> None:
    latents = np.random.default_rng(0).uniform(0, 0.4, size=(600, 5))
    latents[:20, 3] = 1.0  # rare in dimension 3
    latents[10:20, 1] = 1.0  # rarer still in dimension 1
    weights = weigh(latents, rule=rule)
    assert (weights.drivers[:10, 0] == 3).all()
    assert (weights.drivers[10:20, 0] == 1).all()
    assert (weights.drivers[10:20, 1] == 3).all()
    assert weights.probabilities[:20].min() > weights.probabilities[20:].max()


def test_drivers_end_where_nothing_raises_an_image() -> None:
    weights = weigh(np.column_stack([planted(), np.ones(1000)]), rule="paper")
    assert weights.drivers[:30].tolist() == [[0, -1]] * 30
    assert weights.drivers[30:].tolist() == [[-1, -1]] * 970
    assert weights.health.top_drivers == (0,)
    share = weights.probabilities[:30].sum()
    assert weights.health.top_driver_shares == pytest.approx((share,))


def test_top_drivers_are_in_order_of_the_draws_they_drive() -> None:
    weights = weigh(gaussian(2000, 12), rule="max")
    shares = np.array(weights.health.top_driver_shares)
    assert len(shares) == 5
    assert (np.diff(shares) <= 0).all()
    for latent, share in zip(weights.health.top_drivers, shares, strict=True):
        driven = weights.drivers[:, 0] == latent
        assert weights.probabilities[driven].sum() == pytest.approx(share)


def test_health_is_that_of_the_probabilities() -> None:
    weights = weigh(gaussian(500, 12), rule="max")
    probabilities = weights.probabilities
    assert weights.health.num_images == 500
    assert weights.health.effective_sample_size == pytest.approx(1 / (probabilities**2).sum())
    assert weights.health.largest_over_mean == pytest.approx(probabilities.max() * 500)
    assert weights.health.num_capped == 0


@pytest.mark.parametrize("rule", ["max", "product", "paper"])
def test_given_histograms_take_the_place_of_the_images_own(rule: WeightRule) -> None:
    latents = gaussian(400, 3)
    settings = ResamplingSettings(rule=rule)
    own = build_histograms(latents)
    first = sampling_weights(latents, settings=settings)
    again = sampling_weights(latents, settings=settings, histograms=own.scaled(0.1))
    np.testing.assert_allclose(again.probabilities, first.probabilities, rtol=1e-9)
    flat = LatentHistograms(edges=own.edges, counts=np.ones_like(own.counts))
    level = sampling_weights(latents, settings=settings, histograms=flat)
    np.testing.assert_allclose(level.probabilities, 1 / 400)


def test_an_image_in_a_bin_that_was_empty_keeps_a_finite_weight() -> None:
    histograms = LatentHistograms(edges=np.array([[0.0, 1, 2]]), counts=np.array([[5.0, 0.0]]))
    settings = ResamplingSettings(rule="paper", alpha=0.01)
    latents = np.array([[0.5], [1.5]])
    weights = sampling_weights(latents, settings=settings, histograms=histograms)
    assert weights.probabilities[1] / weights.probabilities[0] == pytest.approx(1.01 / 0.01)


def test_the_same_latents_give_the_same_bits() -> None:
    latents = gaussian(300, 20)
    first, second = weigh(latents), weigh(latents.copy(order="F"))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)


def test_latents_and_divergences_that_do_not_fit_are_refused() -> None:
    latents = gaussian(20, 3)
    with pytest.raises(DataError, match="3 latent dimensions"):
        weigh(latents, np.ones(4))
    with pytest.raises(DataError, match="NaN"):
        weigh(latents, np.array([1, np.nan, 1]))
    with pytest.raises(DataError, match="2 latent dimensions"):
        sampling_weights(
            latents[:, :2], settings=ResamplingSettings(), histograms=build_histograms(latents)
        )
    with pytest.raises(ConfigError, match=r"resampling\.latents.*dimension 3.*0 to 2"):
        weigh(latents, latents=(0, 3))
    latents[7, 1] = np.nan
    with pytest.raises(DataError, match="row 7"):
        weigh(latents)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rule", "products"),
        ("alpha", 0.0),
        ("alpha", math.nan),
        ("alpha", math.inf),
        ("num_bins", 1),
        ("target_ess", 0.0),
        ("target_ess", 1.1),
        ("cap", 0.9),
        ("cap", math.nan),
        ("activity_threshold", -0.1),
        ("latents", (1, 1)),
        ("latents", (-1,)),
        ("refresh", 0),
        ("warmup", -1),
    ],
)
def test_settings_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    arguments: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError, match=rf"resampling\.{name}: "):
        ResamplingSettings(**arguments)


def test_an_unknown_rule_is_answered_with_the_nearest() -> None:
    arguments: dict[str, Any] = {"rule": "produkt"}
    with pytest.raises(ConfigError, match="'product'"):
        ResamplingSettings(**arguments)


def test_refresh_after_warmup_every_so_many_epochs() -> None:
    settings = ResamplingSettings(warmup=2, refresh=3)
    assert [epoch for epoch in range(10) if settings.refresh_due(epoch)] == [2, 5, 8]
    assert ResamplingSettings(warmup=0).refresh_due(0)
