from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debias.metrics.mover import mover_ratio, mover_sum

counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


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
