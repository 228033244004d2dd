"""The rule ``margin``: the dimensions that the classifier finds hard, on their hard side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from debias.errors import DataError
from debias.resampling.bins import bin_indices
from debias.resampling.histogram import build_histograms
from debias.resampling.margin import low_margin_scores, margin_factors
from debias.resampling.settings import ResamplingSettings
from debias.resampling.weights import SamplingWeights, sampling_weights

Floats = NDArray[np.float64]
NUM_FACES, NUM_RARE = 4000, 120


def weigh(mu: Floats, margins: Floats | None, **settings: Any) -> SamplingWeights:
    chosen = ResamplingSettings(rule="margin", **settings)
    return sampling_weights(mu, settings=chosen, margins=margins)


@pytest.fixture(scope="module")
def two_rarities() -> tuple[Floats, Floats]:
    """Two dimensions with as rare a cluster each; only that of the first has low margins."""
    generator = np.random.default_rng(0)
    mu = generator.normal(size=(NUM_FACES, 2)) * 0.3
    mu[:NUM_RARE, 0] += 4
    mu[-NUM_RARE:, 1] += 4
    margins = generator.normal(6, 1, size=NUM_FACES)
    margins[:NUM_RARE] -= 5
    return mu, margins


def test_the_rare_are_drawn_where_they_are_hard_and_not_elsewhere(
    two_rarities: tuple[Floats, Floats],
) -> None:
    mu, margins = two_rarities
    weights = weigh(mu, margins, target_ess=0.5)
    plain = sampling_weights(mu, settings=ResamplingSettings(rule="product", target_ess=0.5))
    share = NUM_RARE / NUM_FACES
    best = share + math.sqrt(share * (1 - share))  # what half the sample size allows
    assert weights.probabilities[:NUM_RARE].sum() > 0.95 * best
    assert weights.probabilities[-NUM_RARE:].sum() == pytest.approx(share, rel=0.5)
    # The product cannot tell the two apart.
    assert plain.probabilities[:NUM_RARE].sum() < 0.8 * best
    assert plain.probabilities[:NUM_RARE].sum() == pytest.approx(
        plain.probabilities[-NUM_RARE:].sum(), rel=0.1
    )


def test_the_easy_side_of_a_dimension_is_drawn_as_the_common(
    two_rarities: tuple[Floats, Floats],
) -> None:
    mu, margins = two_rarities
    easy = 12 - margins  # those apart in the first dimension are now the easiest
    weights = weigh(mu, easy, target_ess=0.5)
    assert weights.probabilities[:NUM_RARE].mean() <= weights.probabilities.mean()


def test_a_single_hard_face_among_easy_ones_is_not_drawn_more_than_its_neighbours() -> None:
    """A wrong label has a low margin too; what counts is the mean of a bin."""
    generator = np.random.default_rng(1)
    mu = generator.normal(size=(2000, 3))
    margins = 6 + mu[:, 0]
    middle = np.abs(mu).max(axis=1).argsort()[:200]
    wrong, neighbours = middle[0], middle[1:]
    margins[wrong] = -20
    weights = weigh(mu, margins, unexplained=False).probabilities
    assert weights[wrong] == pytest.approx(np.median(weights[neighbours]), rel=0.5)


@pytest.fixture(scope="module")
def hidden() -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Latents that explain half of the margin, and a kind of face that they say nothing of."""
    generator = np.random.default_rng(5)
    mu = generator.normal(size=(NUM_FACES, 3))
    margins = 6 + mu[:, 0] + generator.normal(size=NUM_FACES)
    kind = np.arange(NUM_FACES) < NUM_RARE
    margins[kind] -= 5
    return mu, margins, kind


def test_what_no_latent_explains_the_margin_itself_counts_for(
    hidden: tuple[Floats, Floats, NDArray[np.bool_]],
) -> None:
    mu, margins, kind = hidden
    whole, latents = weigh(mu, margins), weigh(mu, margins, unexplained=False)
    assert latents.probabilities[kind].sum() < 1.5 * kind.mean()
    assert whole.probabilities[kind].sum() > 3 * kind.mean()
    factors = margin_factors(mu, build_histograms(mu), margins)
    assert whole.health.unexplained == pytest.approx(1 - factors.max(axis=1).sum())
    assert 0.5 < whole.health.unexplained < 0.9
    assert latents.health.unexplained == 0


def test_where_latents_are_named_only_they_count(
    hidden: tuple[Floats, Floats, NDArray[np.bool_]],
) -> None:
    mu, margins, kind = hidden
    named = weigh(mu, margins, latents=(0,))
    assert named.health.unexplained == 0
    assert named.probabilities[kind].sum() < 1.5 * kind.mean()


def test_scores_of_low_margins_known_answer() -> None:
    margins = np.r_[np.full(8, 10.0), 0.0, 20.0]
    scores = low_margin_scores(margins, num_bins=2, alpha=0.1)
    rare, common = -np.log(0.1 + 0.1), -np.log(0.9 + 0.1)
    # Two bins, [0, 10) and [10, 20]: one margin and nine.
    expected = np.zeros(10)
    expected[8] = rare - (rare + 9 * common) / 10
    np.testing.assert_allclose(scores, expected, atol=1e-15)


def test_the_factors_are_the_adjusted_share_of_variance_that_regression_on_the_bins_explains() -> (
    None
):
    generator = np.random.default_rng(2)
    mu = generator.normal(size=(3000, 4))
    margins = 2 * mu[:, 0] + np.abs(mu[:, 1]) + generator.normal(size=3000)
    histograms = build_histograms(mu, num_bins=8)
    factors = margin_factors(mu, histograms, margins)
    bins = bin_indices(histograms.edges, mu.T.copy())
    for latent in (0, 1):
        dummies = np.eye(8)[bins[latent]]
        fitted = sm.OLS(margins, dummies[:, dummies.any(axis=0)]).fit()
        assert factors[latent].max() == pytest.approx(fitted.rsquared_adj, rel=1e-9)
        counts = np.bincount(bins[latent], minlength=8)
        sums = np.bincount(bins[latent], weights=margins - margins.mean(), minlength=8)
        low = sums < -np.sqrt(fitted.mse_resid * counts)
        np.testing.assert_array_equal(factors[latent] > 0, low)
    np.testing.assert_array_equal(factors[2:], 0)
    assert factors[0].max() > 5 * factors[1].max() > 0


@pytest.mark.parametrize("num_faces", [200, 3000])
def test_margins_that_have_nothing_to_do_with_the_latents_leave_uniform_draws(
    num_faces: int,
) -> None:
    generator = np.random.default_rng(3)
    touched = 0
    for _ in range(100):
        mu = generator.normal(size=(num_faces, 16))
        factors = margin_factors(mu, build_histograms(mu), generator.normal(6, 2, size=num_faces))
        touched += bool(factors.any())
    assert touched <= 5  # 1 % of the time a dimension counts by chance


def test_margins_all_alike_leave_uniform_draws(two_rarities: tuple[Floats, Floats]) -> None:
    weights = weigh(two_rarities[0], np.full(NUM_FACES, 3.0))
    np.testing.assert_allclose(weights.probabilities, 1 / NUM_FACES)


def test_it_meets_its_target_and_its_cap(two_rarities: tuple[Floats, Floats]) -> None:
    mu, margins = two_rarities
    for target in (0.7, 0.3):
        health = weigh(mu, margins, target_ess=target, cap=30).health
        assert health.effective_sample_size / NUM_FACES == pytest.approx(target, rel=1e-6)
    assert weigh(mu, margins, target_ess=0.01, cap=5).health.largest_over_mean <= 5 * (1 + 1e-9)


def test_it_moves_and_scales_with_the_margins(two_rarities: tuple[Floats, Floats]) -> None:
    mu, margins = two_rarities
    np.testing.assert_allclose(
        weigh(mu, margins).probabilities, weigh(mu, 3 * margins - 7).probabilities, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("margins", "says"),
    [
        (None, "needs the margins"),
        (np.zeros(7), "as many finite margins"),
        (np.full(NUM_FACES, np.nan), "as many finite margins"),
    ],
)
def test_margins_that_cannot_be_are_refused(
    two_rarities: tuple[Floats, Floats], margins: Floats | None, says: str
) -> None:
    with pytest.raises(DataError, match=says):
        weigh(two_rarities[0], margins)
