from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import recall_score
from statsmodels.stats.multitest import multipletests

from debias.metrics.counts import group_rows
from debias.metrics.disparities import (
    accuracies,
    gap,
    holm,
    null_gap,
    pairs,
    ranked_groups,
    rates_by_group,
    rows_for_tests,
    worst_rate,
)
from debias.metrics.intervals import Rate, newcombe, rate
from debias.metrics.score_tests import difference_p_values, equivalence_p_values, two_rates

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


def test_accuracies_known_answer() -> None:
    """Rates of 90, 80 and 70 %: the sample variance in squared points is 100."""
    found = accuracies(rates=rates_of((90, 100), (8, 10), (70, 100)))
    assert found.mean_of_groups == pytest.approx(0.8)
    assert found.mean_of_images == pytest.approx(168 / 210)
    assert found.variance == pytest.approx(100.0)


def test_accuracies_of_too_few_groups_are_not_estimable() -> None:
    assert np.isnan(accuracies(rates=rates_of((9, 10))).variance)
    assert accuracies(rates=rates_of((9, 10))).mean_of_groups == 0.9
    none = accuracies(rates=[])
    assert np.isnan([none.mean_of_groups, none.mean_of_images, none.variance]).all()


def test_large_groups_have_the_p_values_of_the_chi_square_test() -> None:
    counts = [(4000, 5000), (4100, 5000), (5600, 7000), (9000, 12_000)]
    for pair in pairs(rates=rates_of(*counts)):
        (k1, n1), (k2, n2) = counts[pair.first], counts[pair.second]
        table = np.array([[k1, n1 - k1], [k2, n2 - k2]])
        expected = stats.chi2_contingency(table, correction=False).pvalue
        assert pair.p_value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("first", "second"), [((7, 12), (3, 14)), ((48, 50), (40, 50))])
def test_small_groups_have_p_values_up_to_those_of_barnard(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    """Barnard's test takes the rate that makes its p-value largest (by a search), ours the
    likely one.
    """
    (pair,) = pairs(rates=rates_of(first, second))
    table = np.array([[first[0], second[0]], [first[1] - first[0], second[1] - second[0]]])
    largest = stats.barnard_exact(table, pooled=True, n=64).pvalue
    assert 0.8 * largest <= pair.p_value <= 1.005 * largest


@settings(deadline=None, max_examples=50)
@given(several)
def test_pairs_lie_in_their_intervals(counts: list[tuple[int, int]]) -> None:
    rates = rates_of(*counts)
    found = pairs(rates=rates)
    for pair in found:
        assert pair.low - 1e-12 <= pair.difference <= pair.high + 1e-12
        assert pair.family_low <= pair.low + 1e-12
        assert pair.family_high >= pair.high - 1e-12
        assert 0.0 <= pair.p_value <= 1.0
        assert 0.0 <= pair.equivalence_p_value <= 1.0
    widest = max(max(pair.family_high, -pair.family_low) for pair in found)
    assert gap(rates=rates).high == pytest.approx(widest)


def test_perfect_groups_do_not_differ() -> None:
    for pair in pairs(rates=rates_of((50, 50), (9, 9))):
        assert pair.p_value == 1.0


def test_family_limits_are_newcombe_with_bonferroni() -> None:
    found = pairs(rates=rates_of((40, 50), (90, 100), (70, 80)))
    low, high = newcombe(num_successes=(40, 70), num_trials=(50, 80), confidence=1.0 - 0.05 / 3.0)
    assert (found[1].family_low, found[1].family_high) == pytest.approx((low, high))
    (alone,) = pairs(rates=rates_of((40, 50), (90, 100)))
    assert (alone.family_low, alone.family_high) == (alone.low, alone.high)


def test_equivalence_depends_on_the_margin_and_on_effective_rows() -> None:
    def p_value(margin: float, design_effect: float = 1.0) -> float:
        rates = rates_of((970, 1000), (972, 1000), design_effect=design_effect)
        return pairs(rates=rates, margin=margin)[0].equivalence_p_value

    assert p_value(0.005) > p_value(0.01) > p_value(0.02) > p_value(0.05)
    assert p_value(0.02) < 0.05 < p_value(0.02, design_effect=4.0)
    assert pairs(rates=rates_of((970, 1000), (972, 1000)))[0].equivalence_p_value == p_value(0.02)


def test_every_two_groups_are_paired_once() -> None:
    found = pairs(rates=rates_of((1, 2), (2, 3), (3, 4), (4, 5)))
    assert [(pair.first, pair.second) for pair in found] == [
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 2),
        (1, 3),
        (2, 3),
    ]


def test_a_design_effect_weakens_the_score_test() -> None:
    """Four rows worth one: as if there were a quarter of them."""
    alone, shared, few = (
        pairs(rates=rates)[0]
        for rates in (
            rates_of((280, 400), (360, 400)),
            rates_of((280, 400), (360, 400), design_effect=4.0),
            rates_of((70, 100), (90, 100)),
        )
    )
    assert alone.p_value < 1e-8 < shared.p_value
    assert shared.p_value == pytest.approx(few.p_value)
    assert shared.equivalence_p_value == pytest.approx(few.equivalence_p_value)
    assert shared.low < alone.low < alone.high < shared.high


def test_no_design_effect_counts_for_less_than_the_mean_of_all() -> None:
    rows = rows_for_tests(num_trials=[100, 300, 200], design_effect=[1.0, 2.0, 5.0])
    assert rows == pytest.approx([100 / (17 / 6), 300 / (17 / 6), 40])
    assert rows_for_tests(num_trials=[50, 80], design_effect=1.0).tolist() == [50.0, 80.0]
    alone = rows_for_tests(num_trials=[100, 50, 100], design_effect=[1.0, np.inf, 3.0])
    assert alone == pytest.approx([50.0, 0.0, 100 / 3])
    assert rows_for_tests(num_trials=[9, 9], design_effect=np.inf).tolist() == [0.0, 0.0]


def test_tests_take_the_mean_design_effect() -> None:
    rates = [rate(num_successes=90, num_trials=100)]
    rates.append(rate(num_successes=80, num_trials=100, design_effect=3.0))
    (found,) = pairs(rates=rates, margin=0.2)
    as_if = [rate(num_successes=90, num_trials=100, design_effect=2.0), rates[1]]
    both = two_rates(rates=([0.9], [0.8]), num_effective=([50], [100 / 3]))
    assert found.p_value == pytest.approx(difference_p_values(both)[0])
    assert found.equivalence_p_value == pytest.approx(equivalence_p_values(both, margin=0.2)[0])
    assert found.low > pairs(rates=as_if)[0].low


@settings(max_examples=15, deadline=None)  # statsmodels takes a tenth of a second each
@given(st.lists(st.floats(0.0, 1.0), max_size=20))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    expected = multipletests(p_values, method="holm")[1] if p_values else []
    assert holm(p_values) == pytest.approx(np.asarray(expected), abs=1e-12)


def test_small_unknown_and_empty_groups_are_not_ranked() -> None:
    tone = ["dark"] * 30 + ["light"] * 29 + [None] * 50
    gender = ["f"] * 59 + ["m"] * 50
    table = pd.DataFrame({"tone": tone, "gender": gender})
    grouping = group_rows(sensitive_features=table, columns=["tone"])
    assert ranked_groups(grouping=grouping, min_group_size=30).tolist() == [0]
    both = group_rows(sensitive_features=table, columns=["tone", "gender"])
    ranked = ranked_groups(grouping=both, min_group_size=0)
    assert [both.groups[code] for code in ranked] == [("dark", "f"), ("light", "f")]


def test_persons_widen_the_interval_of_their_group_alone() -> None:
    generator = np.random.default_rng(0)
    tone = np.repeat(["dark", "light"], 200)
    persons = np.r_[np.repeat(np.arange(20), 10), 20 + np.arange(200)]
    hits = generator.random(220)[persons] < 0.8
    grouping = group_rows(sensitive_features=pd.DataFrame({"tone": tone}), columns=["tone"])
    dark, light = rates_by_group(hits=hits, grouping=grouping, clusters=persons)
    assert dark.design_effect > 8.0
    assert light.design_effect == 1.0


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


def test_means_may_be_weighted() -> None:
    rates = rates_of((50, 100), (90, 100))
    assert accuracies(rates=rates).mean_of_images == pytest.approx(0.7)
    assert accuracies(rates=rates, weights=[100, 1000]).mean_of_images == pytest.approx(0.95 / 1.1)
