from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from debias.metrics.counts import group_rows
from debias.metrics.disparities import gap, null_gap, worst_rate
from debias.metrics.group_rates import rates_by_group
from debias.metrics.intervals import Rate, newcombe, rate

count = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
several = st.lists(count, min_size=2, max_size=6)


def rates_of(*counts: tuple[int, int], design_effect: float = 1.0) -> list[Rate]:
    return [rate(num_successes=k, num_trials=n, design_effect=design_effect) for k, n in counts]


def test_gap_is_that_of_fairlearn() -> None:
    generator = np.random.default_rng(0)
    tone = pd.DataFrame({"tone": generator.choice(["a", "b", "c"], 500)})
    hits = generator.random(500) < 0.8
    grouping = group_rows(sensitive_features=tone, columns=["tone"])
    rates = rates_by_group(hits=hits, grouping=grouping)
    frame = MetricFrame(
        metrics=recall_score,
        y_true=np.ones(500),
        y_pred=hits,
        sensitive_features=tone["tone"],
    )
    found = gap(rates=rates)
    assert found.value == pytest.approx(frame.difference())
    assert rates[found.worst].value == pytest.approx(frame.group_min())


@settings(deadline=None)
@given(several, st.randoms(use_true_random=False))
def test_gap_lies_in_its_interval_and_ignores_the_order(  # type: ignore[no-untyped-def]
    counts: list[tuple[int, int]], random
) -> None:
    found = gap(rates=rates_of(*counts))
    assert 0.0 <= found.low <= found.value + 1e-12
    assert found.value <= found.high + 1e-12
    assert found.high <= 1.0
    random.shuffle(counts)
    again = gap(rates=rates_of(*counts))
    assert (again.value, again.low, again.high) == pytest.approx(
        (found.value, found.low, found.high), abs=1e-12
    )


def test_gap_of_two_groups_has_the_newcombe_interval() -> None:
    found = gap(rates=rates_of((40, 50), (90, 100)))
    low, high = newcombe(num_successes=(90, 40), num_trials=(100, 50))
    assert (found.low, found.high) == pytest.approx((max(low, 0.0), high))
    assert (found.worst, found.best) == (0, 1)


@pytest.mark.parametrize("truth", [[0.9] * 6, [0.6, 0.9, 0.9, 0.95]])
def test_interval_of_the_gap_covers_the_true_one(truth: list[float]) -> None:
    generator = np.random.default_rng(0)
    num_repeats, size = 400, 60
    covered = 0
    for _ in range(num_repeats):
        found = gap(rates=rates_of(*((int(k), size) for k in generator.binomial(size, truth))))
        covered += int(found.low <= np.ptp(truth) <= found.high)
    assert covered / num_repeats >= 0.94


def test_null_gap_of_equal_groups_is_what_chance_gives() -> None:
    """The p-values of gaps that are due to chance alone are below 5 % in some 5 % of cases."""
    generator = np.random.default_rng(0)
    p_values = []
    for _ in range(400):
        drawn = generator.binomial(200, 0.8, size=4)
        rates = rates_of(*((int(k), 200) for k in drawn))
        found = null_gap(rates=rates, generator=generator, num_replicates=500)
        p_values.append(found.p_value)
        assert 0.0 <= found.median <= found.percentile_95
    assert 0.02 <= np.mean(np.array(p_values) <= 0.05) <= 0.08
    assert 0.4 <= np.mean(p_values) <= 0.65


def test_null_gap_grows_with_groups_and_shrinks_with_rows() -> None:
    def median(num_groups: int, size: int, design_effect: float = 1.0) -> float:
        rates = rates_of(*[(size * 4 // 5, size)] * num_groups, design_effect=design_effect)
        return null_gap(rates=rates, generator=np.random.default_rng(0)).median

    assert median(2, 100) < median(8, 100)
    assert median(4, 1000) < median(4, 100)
    assert median(4, 1000, design_effect=10.0) == pytest.approx(median(4, 100), abs=0.005)


def test_null_gap_known_answer() -> None:
    """Two groups of one row each at one half: the gap is 0 or 1, each half of the time."""
    found = null_gap(
        rates=rates_of((1, 1), (0, 1)), generator=np.random.default_rng(0), num_replicates=20_000
    )
    assert found.percentile_95 == 1.0
    assert found.p_value == pytest.approx(0.5, abs=0.02)


def test_null_gap_of_perfect_groups_is_nothing() -> None:
    found = null_gap(rates=rates_of((50, 50), (9, 9)), generator=np.random.default_rng(0))
    assert (found.median, found.percentile_95, found.p_value) == (0.0, 0.0, 1.0)


def test_the_worst_rate_allows_for_its_being_picked() -> None:
    """Of twelve like groups, the smallest observed rate is far below what each has."""
    generator = np.random.default_rng(0)
    covered = alone = 0
    for _ in range(400):
        rates = rates_of(*((int(k), 200) for k in generator.binomial(200, 0.9, size=12)))
        found = worst_rate(rates=rates)
        assert found.value == min(each.value for each in rates) == rates[found.group].value
        covered += found.low <= 0.9 <= found.high
        alone += rates[found.group].low <= 0.9 <= rates[found.group].high
    assert covered / 400 > 0.93
    assert alone / 400 < 0.85


def test_one_group_has_its_own_interval_as_the_worst() -> None:
    (only,) = rates_of((90, 100))
    found = worst_rate(rates=[only])
    assert (found.value, found.low, found.high) == pytest.approx((only.value, only.low, only.high))
