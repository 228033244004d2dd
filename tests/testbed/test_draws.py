from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from debias.testbed.draws import NUM_COLUMNS, Draws

NUM = 4000


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    return Draws.of(0, "people", np.arange(NUM)).table


@pytest.fixture
def draws(table: np.ndarray) -> Draws:
    return Draws(table)


def test_a_row_depends_on_seed_name_and_number_alone(table: np.ndarray) -> None:
    some = Draws.of(0, "people", np.array([7, 3, 3999, 7])).table
    np.testing.assert_array_equal(some, table[[7, 3, 3999, 7]])
    for other in (Draws.of(1, "people", np.array([7])), Draws.of(0, "cats", np.array([7]))):
        assert (other.table != table[7]).all()
    assert Draws.of(0, "people", np.array([], dtype=np.int64)).table.shape == (0, NUM_COLUMNS)


def test_columns_are_even_and_unrelated(table: np.ndarray) -> None:
    for k in range(0, NUM_COLUMNS, 16):
        assert stats.kstest(table[:, k], "uniform").pvalue > 1e-3
    # 191 correlations of columns, and one of neighbouring rows: none beyond 4.5 deviations.
    near = [np.corrcoef(table[:, k], table[:, k + 1])[0, 1] for k in range(NUM_COLUMNS - 1)]
    near.append(np.corrcoef(table[1:, 0], table[:-1, 0])[0, 1])
    assert np.abs(near).max() < 4.5 / np.sqrt(NUM)


def test_each_call_takes_another_column(draws: Draws, table: np.ndarray) -> None:
    np.testing.assert_array_equal(draws.even(0, 1), table[:, 0])
    np.testing.assert_allclose(draws.even(-2, 4), 6 * table[:, 1] - 2)
    draws.next_column = NUM_COLUMNS - 1
    draws.even(0, 1)
    with pytest.raises(AssertionError, match="more random columns"):
        draws.even(0, 1)


def test_normal_columns_are_normal_and_cut_off(draws: Draws) -> None:
    column = draws.normal(3, 0.5)
    assert stats.kstest(column, stats.norm(3, 0.5).cdf).pvalue > 0.01
    tails = Draws(np.repeat([[0.0], [1e-9], [1 - 1e-9]], NUM_COLUMNS, axis=1)).normal(3, 0.5)
    np.testing.assert_allclose(tails, [1, 1, 5])


def test_chances_are_for_all_or_each(draws: Draws) -> None:
    assert draws.below(0.2).mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / NUM))
    assert draws.below(1.0).all()
    assert not draws.below(0.0).any()
    half = np.arange(NUM) < NUM / 2
    np.testing.assert_array_equal(draws.below(half.astype(float)), half)


def test_choices_follow_their_weights(draws: Draws) -> None:
    weights = {"a": 1.0, "never": 0.0, "b": 3.0, "c": 4.0}
    chosen = draws.choice(weights)
    counts = [(chosen == name).sum() for name in ("a", "b", "c")]
    assert sum(counts) == NUM
    assert stats.chisquare(counts, np.array([1, 3, 4]) / 8 * NUM).pvalue > 0.01
    edges = Draws(np.repeat([[0.0], [np.nextafter(1, 0)]], NUM_COLUMNS, axis=1))
    assert edges.choice({"never": 0.0, "a": 0.1, "b": 0.2, "nor": 0.0}).tolist() == ["a", "b"]
