from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from debias.metrics.intervals import wilson
from debias.metrics.stratified import mean_rate_interval


def wilson_limits(hits: int, size: int) -> tuple[float, float]:
    low, high = wilson(num_successes=hits, num_trials=size)
    return float(low), float(high)


group = st.tuples(st.integers(1, 500), st.floats(0.0, 1.0), st.floats(0.01, 10.0))


@settings(deadline=None, max_examples=60)
@given(st.lists(group, min_size=1, max_size=6), st.sampled_from([0.8, 0.95, 0.99]))
def test_limits_hold_the_mean_and_mirror(
    groups: list[tuple[int, float, float]], level: float
) -> None:
    sizes, shares, weights = (np.array(column) for column in zip(*groups, strict=True))
    values = np.round(shares * sizes) / sizes
    low, high = mean_rate_interval(
        values=values, num_effective=sizes, weights=weights, confidence=level
    )
    mean = float(weights @ values / weights.sum())
    assert 0.0 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= 1.0
    assert low < high
    mirrored = mean_rate_interval(
        values=1.0 - values, num_effective=sizes, weights=weights, confidence=level
    )
    assert (1.0 - mirrored[1], 1.0 - mirrored[0]) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize("hits", [0, 1, 50, 99, 100])
def test_one_rate_has_wilsons_interval(hits: int) -> None:
    found = mean_rate_interval(values=[hits / 100], num_effective=[100], weights=[7.0])
    assert found == pytest.approx(wilson_limits(hits, 100), abs=1e-9)


def test_like_rates_of_one_weight_a_row_are_one_rate() -> None:
    found = mean_rate_interval(values=[0.9] * 3, num_effective=[30, 50, 20], weights=[30, 50, 20])
    assert found == pytest.approx(wilson_limits(90, 100), abs=1e-9)


def test_a_score_test_just_rejects_the_limits() -> None:
    """The likeliest rates of a given mean, found by a general optimiser, give the statistic."""
    hits, sizes, weights = np.array([45, 20]), np.array([50, 30]), np.array([0.3, 0.7])
    found = float(weights @ (hits / sizes))

    def statistic(mean: float) -> float:
        def misfit(first: float) -> float:
            rates = np.array([first, (mean - weights[0] * first) / weights[1]])
            return -float(stats.binom.logpmf(hits, sizes, rates).sum())

        ends = np.clip([(mean - weights[1]) / weights[0], mean / weights[0]], 1e-9, 1.0 - 1e-9)
        first = optimize.minimize_scalar(
            misfit, bounds=tuple(ends), method="bounded", options={"xatol": 1e-10}
        ).x
        rates = np.array([first, (mean - weights[0] * first) / weights[1]])
        variance = np.sum(weights**2 * rates * (1.0 - rates) / sizes)
        return float((found - mean) ** 2 / variance)

    low, high = mean_rate_interval(values=hits / sizes, num_effective=sizes, weights=weights)
    assert low < found < high
    for limit in (low, high):
        assert statistic(limit) == pytest.approx(stats.chi2.ppf(0.95, 1), rel=1e-3)


def test_perfect_groups_are_as_uncertain_as_all_their_rows() -> None:
    found = mean_rate_interval(values=[1.0] * 4, num_effective=[25] * 4, weights=[1.0] * 4)
    assert found == pytest.approx(wilson_limits(100, 100), abs=1e-9)
    nobody = mean_rate_interval(values=[0.0] * 4, num_effective=[25] * 4, weights=[1.0] * 4)
    assert nobody == pytest.approx(wilson_limits(0, 100), abs=1e-9)


def test_of_what_is_not_known_any_value_may_be() -> None:
    low, high = mean_rate_interval(values=[0.5, 0.9], num_effective=[0, 100], weights=[1, 3])
    own = wilson_limits(90, 100)
    assert (low, high) == pytest.approx((0.75 * own[0], 0.75 * own[1] + 0.25), abs=1e-9)
    assert mean_rate_interval(values=[0.9], num_effective=[0], weights=[1]) == (0.0, 1.0)
    assert np.isnan(mean_rate_interval(values=[], num_effective=[], weights=[])).all()
