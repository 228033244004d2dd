from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from debias.metrics.counts import group_rows
from debias.metrics.design_effects import cluster_units, design_effects
from debias.metrics.disparities import gap, worst_rate
from debias.metrics.group_rates import rates_by_group
from debias.metrics.intervals import Rate, newcombe, rate, wilson
from debias.metrics.pairs import holm, pairs, rows_for_tests
from debias.metrics.score_tests import difference_p_values, equivalence_p_values, two_rates

count = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
several = st.lists(count, min_size=2, max_size=6)


def rates_of(*counts: tuple[int, int], design_effect: float = 1.0) -> list[Rate]:
    return [rate(num_successes=k, num_trials=n, design_effect=design_effect) for k, n in counts]


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


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_family_limits_take_student_for_their_own_confidence(confidence: float) -> None:
    """Few persons a group: at the level of one of three pairs, t is farther from normal."""
    generator = np.random.default_rng(0)
    tones = np.repeat(["a", "b", "c"], 60)
    persons = np.repeat(np.arange(36), 5)
    hits = generator.random(180) < np.repeat(generator.beta(4, 1, 36), 5)
    grouping = group_rows(sensitive_features=pd.DataFrame({"tone": tones}), columns=["tone"])
    rates = rates_by_group(hits=hits, grouping=grouping, clusters=persons, confidence=confidence)
    level = 1.0 - (1.0 - confidence) / 3.0
    effects = design_effects(
        values=hits,
        codes=grouping.codes,
        num_groups=3,
        units=cluster_units(codes=grouping.codes, clusters=persons),
        confidence=level,
    ).values
    assert (effects > 1.0).all()
    low, high = wilson(
        num_successes=[each.num_successes for each in rates],
        num_trials=60,
        confidence=level,
        design_effect=effects,
    )
    found = worst_rate(rates=rates, confidence=confidence)
    assert (found.low, found.high) == pytest.approx((low.min(), high.min()))
    effects = np.maximum(effects, effects.mean())
    family = pairs(rates=rates, confidence=confidence)
    for pair in family:
        first, second = pair.first, pair.second
        expected = newcombe(
            num_successes=(rates[first].num_successes, rates[second].num_successes),
            num_trials=(60, 60),
            confidence=level,
            design_effect=(effects[first], effects[second]),
        )
        assert (pair.family_low, pair.family_high) == pytest.approx(expected)
    widest = max(max(pair.family_high, -pair.family_low) for pair in family)
    assert gap(rates=rates, confidence=confidence).high == pytest.approx(widest)
