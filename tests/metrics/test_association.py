from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import stats

from debias.metrics.association import RankCorrelation, rank_correlation

VALUES = st.lists(st.integers(0, 9), min_size=2, max_size=30)


def correlation(first: object, second: object, *, num_replicates: int = 50) -> RankCorrelation:
    return rank_correlation(
        first=np.asarray(first),
        second=np.asarray(second),
        generator=np.random.default_rng(0),
        num_replicates=num_replicates,
    )


def test_known_answers() -> None:
    assert correlation([1, 2, 3, 4], [10, 20, 30, 40]).value == pytest.approx(1)
    assert correlation([1, 2, 3, 4], [4, 3, 2, 1]).value == pytest.approx(-1)
    # 1 - 6 sum d^2 / (n (n^2 - 1)), where nothing is tied: d = 1, 1, 1, -3.
    assert correlation([1, 2, 3, 4], [2, 3, 4, 1]).value == pytest.approx(1 - 6 * 12 / 60)


def test_ties_limit_what_can_be_reached() -> None:
    """Of two values alone, half each, the best is sqrt(1 - 2 m (m^2 - 1) / (n (n^2 - 1)))."""
    found = correlation(np.arange(100), np.repeat([0, 1], 50))
    assert found.value == found.largest
    assert found.largest == pytest.approx(np.sqrt(1 - 2 * 50 * 2499 / (100 * 9999)))
    backwards = correlation(-np.arange(100), np.repeat([0, 1], 50))
    assert backwards.value == -found.largest
    assert backwards.largest == found.largest


@given(pairs=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=30))
def test_it_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs).T
    found = correlation(first, second, num_replicates=5)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert np.isnan([found.value, found.low, found.high, found.largest]).all()
        return
    assert found.value == pytest.approx(stats.spearmanr(first, second).statistic)
    assert -1 - 1e-9 <= found.value <= found.largest + 1e-9 <= 1 + 2e-9
    assert found.low <= found.high or np.isnan([found.low, found.high]).all()


@given(values=VALUES, seed=st.integers(0, 99))
def test_only_the_order_counts(values: list[int], seed: int) -> None:
    first = np.array(values, dtype=np.float64)
    second = np.random.default_rng(seed).permutation(first)
    one, other = correlation(first, second), correlation(np.exp(first), second**3)
    np.testing.assert_equal(one, other)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of normal pairs with correlation r, Spearman's is 6 / pi asin(r / 2)."""
    generator, r = np.random.default_rng(1), 0.5
    truth, held = 6 / np.pi * np.arcsin(r / 2), 0
    for _ in range(200):
        x, noise = generator.normal(size=(2, 80))
        found = rank_correlation(
            first=x,
            second=r * x + np.sqrt(1 - r**2) * noise,
            generator=generator,
            num_replicates=200,
        )
        held += found.low <= truth <= found.high
    assert 0.88 <= held / 200 <= 0.99


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ([1.0, 2.0], r"of shapes \(3,\) and \(2,\)"),
        ([], r"of shapes \(3,\) and \(0,\)"),
        (2.0, r"of shapes \(3,\) and \(\)"),
        ([[1.0, 2.0, 3.0]], r"of shapes \(3,\) and \(1, 3\)"),
        ([1.0, np.nan, 2.0], "must be finite"),
        ([1.0, np.inf, 2.0], "must be finite"),
    ],
)
def test_what_cannot_be_ranked_is_refused(second: ArrayLike, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rank_correlation(first=[1, 2, 3], second=second, generator=np.random.default_rng(0))
