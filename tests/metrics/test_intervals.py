from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from debias.metrics.intervals import newcombe, paired_difference, rate, wilson

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
