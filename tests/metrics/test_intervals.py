from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from debias.metrics.intervals import (
    design_effect,
    mover_ratio,
    mover_sum,
    newcombe,
    paired_difference,
    rate,
    wilson,
)

counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
levels = st.sampled_from([0.8, 0.95, 0.99])


@settings(deadline=None)
@given(counts, levels)
def test_wilson_is_that_of_statsmodels(count: tuple[int, int], level: float) -> None:
    low, high = wilson(num_successes=count[0], num_trials=count[1], confidence=level)
    expected = proportion_confint(*count, alpha=1 - level, method="wilson")
    assert (low, high) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(counts, levels, st.floats(1.0, 1e6))
def test_wilson_holds_the_rate_and_stays_in_range(
    count: tuple[int, int], level: float, effect: float
) -> None:
    found = rate(
        num_successes=count[0], num_trials=count[1], confidence=level, design_effect=effect
    )
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0
    assert found.low == 0.0 or count[0] > 0
    assert found.high == 1.0 or count[0] < count[1]
    narrow = rate(num_successes=count[0], num_trials=count[1], confidence=level)
    assert found.high - found.low >= narrow.high - narrow.low - 1e-12


def test_without_trials_a_rate_is_not_estimable() -> None:
    found = rate(num_successes=0, num_trials=0)
    assert np.isnan([found.value, found.low, found.high]).all()


def test_one_cluster_says_nothing() -> None:
    assert rate(num_successes=40, num_trials=40, design_effect=np.inf).low == 0.0
    found = rate(num_successes=20, num_trials=40, design_effect=np.inf)
    assert (found.low, found.high) == (0.0, 1.0)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="number of successes"):
        wilson(num_successes=3, num_trials=2)


@pytest.mark.parametrize("num_trials", [10, 30, 100, 1000])
def test_mean_coverage_of_wilson_is_nominal(num_trials: int) -> None:
    """Coverage is enumerated exactly: the chance of all outcomes whose interval holds p."""
    successes = np.arange(num_trials + 1)
    low, high = wilson(num_successes=successes, num_trials=num_trials)
    p = np.linspace(0.0005, 0.9995, 1000)[:, None]
    chance = stats.binom.pmf(successes, num_trials, p)
    coverage = np.sum(chance * ((low <= p) & (p <= high)), axis=1)
    assert 0.94 <= coverage.mean() <= 0.97
    assert coverage.min() > 0.8


@settings(deadline=None)
@given(counts, counts, levels)
def test_newcombe_is_that_of_statsmodels(
    first: tuple[int, int], second: tuple[int, int], level: float
) -> None:
    low, high = newcombe(
        num_successes=(first[0], second[0]),
        num_trials=(first[1], second[1]),
        confidence=level,
    )
    expected = confint_proportions_2indep(
        *first, *second, method="newcomb", compare="diff", alpha=1 - level
    )
    assert (low, high) == pytest.approx(expected, abs=1e-9)
    difference = first[0] / first[1] - second[0] / second[1]
    assert low <= difference + 1e-12
    assert high >= difference - 1e-12


def test_newcombe_of_a_group_without_trials_is_not_estimable() -> None:
    limits = newcombe(num_successes=(0, 3), num_trials=(0, 10))
    assert np.isnan(limits).all()


def test_newcombe_known_answer() -> None:
    """56/70 against 48/80, table II of Newcombe (1998), method 10."""
    low, high = newcombe(num_successes=(56, 48), num_trials=(70, 80))
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


@pytest.mark.parametrize(("num_pairs", "both"), [(30, 0.0), (30, 0.05), (200, 0.02), (200, 0.2)])
def test_coverage_of_paired_difference(num_pairs: int, both: float) -> None:
    """Enumerated over gained and lost, both with the same chance: the true difference is 0."""
    gained = np.arange(num_pairs + 1)
    covered = total = 0.0
    for lost in range(num_pairs + 1):
        more = gained[: num_pairs - lost + 1]
        rest = num_pairs - lost - more
        chance = stats.multinomial.pmf(
            np.stack([more, np.full_like(more, lost), rest], axis=-1),
            num_pairs,
            [both, both, 1 - 2 * both],
        )
        for k in np.flatnonzero(chance > 1e-7):
            low, high = paired_difference(
                num_gained=float(more[k]), num_lost=lost, num_pairs=num_pairs
            )
            covered += chance[k] * (low <= 0 <= high)
            total += chance[k]
    assert total > 0.999
    assert 0.94 <= covered / total <= 1.0


def test_paired_difference_never_collapses() -> None:
    low, high = paired_difference(num_gained=0, num_lost=0, num_pairs=50)
    assert low < -0.02
    assert high > 0.02
    assert paired_difference(num_gained=5, num_lost=0, num_pairs=5)[1] == 1.0
    assert paired_difference(num_gained=1, num_lost=0, num_pairs=9, design_effect=np.inf) == (
        -1.0,
        1.0,
    )
    assert np.isnan(paired_difference(num_gained=0, num_lost=0, num_pairs=0)).all()


def test_independent_rows_have_no_design_effect() -> None:
    values = [0, 1, 1, 0]
    assert design_effect(values=values, clusters=None) == 1.0
    assert design_effect(values=values, clusters=[3, 1, 2, 7]) == 1.0
    assert design_effect(values=[], clusters=[]) == 1.0


def test_copies_of_rows_are_worth_the_rows() -> None:
    """Each of 400 rows twice: the design effect is 2 but for what few clusters cost."""
    values = np.repeat(np.random.default_rng(0).integers(0, 2, 400), 2)
    clusters = np.repeat(np.arange(400), 2)
    assert design_effect(values=values, clusters=clusters) == pytest.approx(2.0, rel=0.02)


def test_design_effect_known_answer() -> None:
    """Three pairs: 2/(6/4) = 4/3 for clusters, 3/2 for there being three, and t for normal."""
    found = design_effect(values=[1, 1, 0, 0, 1, 0], clusters=[0, 0, 1, 1, 2, 2])
    few = stats.t.ppf(0.975, 2) / stats.norm.ppf(0.975)
    assert found == pytest.approx(4 / 3 * 3 / 2 * few**2)


def test_where_all_rows_agree_each_cluster_counts_as_one() -> None:
    assert design_effect(values=np.ones(6), clusters=[0, 0, 1, 1, 2, 2]) == pytest.approx(2.0)
    assert design_effect(values=np.ones(6), clusters=np.zeros(6, dtype=int)) == np.inf


@pytest.mark.parametrize(("num_clusters", "correlation"), [(20, 0.3), (100, 0.0), (100, 0.5)])
def test_intervals_of_clustered_rows_cover(num_clusters: int, correlation: float) -> None:
    generator = np.random.default_rng(num_clusters)
    truth, num_repeats = 0.85, 600
    covered = naive = 0
    for _ in range(num_repeats):
        sizes = 1 + generator.geometric(0.25, num_clusters)
        chance = np.full(num_clusters, truth)
        if correlation:
            strength = 1 / correlation - 1
            chance = generator.beta(truth * strength, (1 - truth) * strength, num_clusters)
        clusters = np.repeat(np.arange(num_clusters), sizes)
        values = generator.random(clusters.size) < chance[clusters]
        effect = design_effect(values=values, clusters=clusters)
        low, high = wilson(num_successes=values.sum(), num_trials=values.size, design_effect=effect)
        covered += int(low <= truth <= high)
        low, high = wilson(num_successes=values.sum(), num_trials=values.size)
        naive += int(low <= truth <= high)
    assert covered / num_repeats >= 0.91
    if correlation:
        assert naive / num_repeats < 0.85


def test_mover_sum_known_answer() -> None:
    low, high = mover_sum(values=(0.5, 0.25), low=(0.2, 0.21), high=(0.7, 0.30))
    assert (low, high) == pytest.approx((0.75 - np.hypot(0.3, 0.04), 0.75 + np.hypot(0.2, 0.05)))


@settings(deadline=None)
@given(counts, counts)
def test_mover_ratio_upside_down(first: tuple[int, int], second: tuple[int, int]) -> None:
    """The interval of the other ratio is the reciprocal one, and ends where MOVER's meets 0."""
    (k1, n1), (k2, n2) = first, second
    low, high = mover_ratio(num_successes=(k1, k2), num_trials=(n1, n2))
    low_back, high_back = mover_ratio(num_successes=(k2, k1), num_trials=(n2, n1))
    with np.errstate(divide="ignore"):
        assert (low, high) == pytest.approx((1 / high_back, 1 / low_back), rel=1e-9)
    assert 0.0 <= low <= high
    if k2:
        assert low - 1e-12 <= (k1 / n1) / (k2 / n2) <= high + 1e-12
    else:
        assert np.isinf(high)


@pytest.mark.parametrize(("p1", "p2", "size"), [(0.9, 0.9, 30), (0.5, 0.8, 30), (0.99, 0.97, 100)])
def test_mover_ratio_covers(p1: float, p2: float, size: int) -> None:
    generator = np.random.default_rng(0)
    k1, k2 = generator.binomial(size, p1, 20_000), generator.binomial(size, p2, 20_000)
    low, high = mover_ratio(num_successes=(k1, k2), num_trials=(size, size))
    assert 0.93 <= np.mean((low <= p1 / p2) & (p1 / p2 <= high)) <= 0.99


def test_mover_ratio_known_answers() -> None:
    assert np.isnan(mover_ratio(num_successes=(0, 0), num_trials=(0, 5))).all()
    assert np.isnan(mover_ratio(num_successes=(0, 0), num_trials=(5, 0))).all()
    low, high = mover_ratio(num_successes=(0, 5), num_trials=(10, 10))
    assert low == 0.0
    assert high == pytest.approx(1 / mover_ratio(num_successes=(5, 0), num_trials=(10, 10))[0])
    low, high = mover_ratio(num_successes=(3, 4), num_trials=(5, 5), design_effect=(np.inf, 1.0))
    assert low == 0.0
    assert 1.0 < high < np.inf
    wide = mover_ratio(num_successes=(80, 90), num_trials=(100, 100), design_effect=(2, 2))
    halved = mover_ratio(num_successes=(40, 45), num_trials=(50, 50))
    np.testing.assert_allclose(wide, halved)
