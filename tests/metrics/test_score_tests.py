from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.proportion import score_test_proportions_2indep

from debias.metrics.score_tests import (
    TwoRates,
    difference_p_values,
    equivalence_p_values,
    restricted_rates,
    score_statistic,
    two_rates,
)

count = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
margins = st.sampled_from([0.005, 0.02, 0.1, 0.4])


def one_pair(first: tuple[float, float], second: tuple[float, float]) -> TwoRates:
    (k1, n1), (k2, n2) = first, second
    return two_rates(rates=([k1 / n1], [k2 / n2]), num_effective=([n1], [n2]))


def every_table(n1: int, n2: int) -> TwoRates:
    k1, k2 = (k.ravel() for k in np.meshgrid(np.arange(n1 + 1), np.arange(n2 + 1), indexing="ij"))
    sizes = (np.full(k1.size, n1), np.full(k2.size, n2))
    return two_rates(rates=(k1 / n1, k2 / n2), num_effective=sizes)


def rejection_rates(p_values: np.ndarray, n1: int, n2: int, p1: float, p2: float) -> float:
    """Return how often p-values of :func:`every_table` are at most 5 %."""
    rejected = (p_values <= 0.05).reshape(n1 + 1, n2 + 1)
    first, second = (stats.binom.pmf(np.arange(n + 1), n, p) for n, p in ((n1, p1), (n2, p2)))
    return float(first @ rejected @ second)


@settings(deadline=None)
@given(count, count, margins)
def test_restricted_rates_have_the_largest_likelihood(
    first: tuple[int, int], second: tuple[int, int], difference: float
) -> None:
    (k1, n1), (k2, n2) = first, second

    def loss(p2: float) -> float:
        return -float(stats.binom.logpmf(k1, n1, p2 + difference) + stats.binom.logpmf(k2, n2, p2))

    p1, p2 = restricted_rates(
        first=k1 / n1, second=k2 / n2, num_first=n1, num_second=n2, difference=difference
    )
    assert p1 - p2 == pytest.approx(difference)
    assert 0.0 <= float(p2) <= 1.0 - difference + 1e-12
    found = optimize.minimize_scalar(
        loss, bounds=(0.0, 1.0 - difference), method="bounded", options={"xatol": 1e-10}
    )
    best = min(found.fun, loss(0.0), loss(1.0 - difference))
    inside = float(np.clip(p2, 0.0, 1.0 - difference))
    assert loss(inside) <= best + 1e-6


@settings(deadline=None, max_examples=50)
@given(count, count)
def test_statistic_of_equality_is_that_of_statsmodels(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    """Other differences are left to the test above: there statsmodels 0.14 is a little off."""
    (k1, n1), (k2, n2) = first, second
    if k1 + k2 in (0, n1 + n2):
        return
    expected = score_test_proportions_2indep(
        k1, n1, k2, n2, value=0, compare="diff", correction=False
    ).statistic
    found = score_statistic(
        first=k1 / n1, second=k2 / n2, num_first=n1, num_second=n2, difference=0.0
    )
    assert float(found) == pytest.approx(expected, abs=1e-9)


def listed_tail(n1: int, n2: int, difference: float) -> np.ndarray:
    """Return the tail probability of each table at its restricted rates, by listing all tables."""
    tables = every_table(n1, n2)
    statistic = tables.statistic(difference)
    k1, k2 = np.arange(n1 + 1), np.arange(n2 + 1)
    return np.array(
        [
            stats.binom.pmf(k1, n1, a)
            @ (statistic >= z - 1e-9).reshape(n1 + 1, n2 + 1)
            @ stats.binom.pmf(k2, n2, b)
            for z, a, b in zip(statistic, *tables.restricted(difference), strict=True)
        ]
    )


@pytest.mark.parametrize(("n1", "n2"), [(30, 30), (15, 50)])
@pytest.mark.parametrize("margin", [0.02, 0.1])
def test_p_values_are_what_listing_all_tables_gives(n1: int, n2: int, margin: float) -> None:
    tables = every_table(n1, n2)
    upper = listed_tail(n1, n2, -margin)
    lower = listed_tail(n2, n1, -margin).reshape(n2 + 1, n1 + 1).T.ravel()
    z = np.minimum(tables.statistic(-margin), tables.swapped.statistic(-margin))
    found = equivalence_p_values(tables, margin=margin)
    decisive = (z > 0.8) & (z < 6.0)
    assert decisive.sum() > 10 or margin == 0.02
    assert found[decisive] == pytest.approx(np.maximum(upper, lower)[decisive], abs=1e-8)
    assert np.all(found[~decisive & (z < 0.8)] > 0.2)


def test_larger_counts_are_listed_far_enough() -> None:
    """Of the whole table of 401 x 401 outcomes, for p-values of some 1e-5."""
    n, counts = 400, np.arange(401)

    def listed(pair: TwoRates, difference: float, *, two_sided: bool) -> float:
        statistic = score_statistic(
            first=counts[:, None] / n,
            second=counts / n,
            num_first=n,
            num_second=n,
            difference=difference,
        )
        if two_sided:
            statistic = np.abs(statistic)
        extreme = statistic >= np.abs(pair.statistic(difference)) - 1e-9
        first, second = (stats.binom.pmf(counts, n, p) for p in pair.restricted(difference))
        return float(first @ extreme @ second)

    apart = one_pair((230, n), (290, n))
    assert difference_p_values(apart)[0] == pytest.approx(
        listed(apart, 0.0, two_sided=True), rel=1e-4
    )
    close = one_pair((278, n), (282, n))
    assert equivalence_p_values(close, margin=0.15)[0] == pytest.approx(
        listed(close, -0.15, two_sided=False), rel=1e-4
    )


@pytest.mark.parametrize(("n1", "n2"), [(50, 50), (40, 110)])
def test_equivalence_has_the_right_size_near_rates_of_one(n1: int, n2: int) -> None:
    """At the margin, each one-sided test passes in at most 5 % of cases (and a rounding)."""
    p_values = equivalence_p_values(every_table(n1, n2), margin=0.02)
    for high in (1.0, 0.999, 0.995, 0.99, 0.98, 0.95, 0.9, 0.7, 0.51):
        size = rejection_rates(p_values, n1, n2, high - 0.02, high)
        assert size <= 0.0515
        assert rejection_rates(p_values, n1, n2, high, high - 0.02) <= 0.0515


def test_the_normal_approximation_would_not() -> None:
    """133 hits of 133 twice: a true rate of 0.98 gives that in 6.8 % of cases."""
    pair = one_pair((133, 133), (133, 133))
    assert stats.norm.sf(float(pair.statistic(-0.02)[0])) < 0.05
    assert equivalence_p_values(pair, margin=0.02)[0] == pytest.approx(0.98**133, abs=1e-6)
    assert equivalence_p_values(one_pair((149, 149), (149, 149)), margin=0.02)[0] < 0.05


@pytest.mark.parametrize(("n1", "n2"), [(50, 50), (40, 110)])
def test_difference_has_the_right_size(n1: int, n2: int) -> None:
    p_values = difference_p_values(every_table(n1, n2))
    for rate in (0.999, 0.99, 0.98, 0.95, 0.9, 0.8, 0.6, 0.5):
        assert rejection_rates(p_values, n1, n2, rate, rate) <= 0.0515
    assert rejection_rates(p_values, n1, n2, 0.8, 0.8) >= 0.04


@settings(deadline=None, max_examples=50)
@given(count, count, margins)
def test_order_and_hits_for_misses_change_nothing(
    first: tuple[int, int], second: tuple[int, int], margin: float
) -> None:
    pair = one_pair(first, second)
    expected = equivalence_p_values(pair, margin=margin)
    for same in (pair.swapped, pair.of_misses):
        assert equivalence_p_values(same, margin=margin) == pytest.approx(expected, abs=1e-7)
        assert difference_p_values(same) == pytest.approx(difference_p_values(pair), abs=1e-7)
    assert 0.0 <= expected[0] <= 1.0


def test_a_pair_has_the_same_p_value_in_any_company() -> None:
    generator = np.random.default_rng(0)
    sizes = generator.integers(30, 20_000, 60)
    hits = generator.binomial(sizes, generator.choice([0.99, 0.95], 60))
    i, j = np.triu_indices(60, 1)
    rates = hits / sizes
    together = two_rates(rates=(rates[i], rates[j]), num_effective=(sizes[i], sizes[j]))
    p_values = difference_p_values(together), equivalence_p_values(together, margin=0.02)
    for position in range(0, i.size, 97):
        alone = together[np.array([position])]
        assert difference_p_values(alone)[0] == pytest.approx(p_values[0][position])
        assert equivalence_p_values(alone, margin=0.02)[0] == pytest.approx(p_values[1][position])


def test_exact_and_normal_p_values_meet() -> None:
    """Large counts: where either applies they agree, so that nothing jumps between them."""
    for size, low in ((4_000, 0.93), (4_600, 0.93)):
        pair = one_pair((low * size, size), ((low + 0.008) * size, size))
        normal = stats.norm.sf(float(pair.swapped.statistic(-0.02)[0]))
        other = stats.norm.sf(float(pair.statistic(-0.02)[0]))
        expected = max(normal, other)
        assert equivalence_p_values(pair, margin=0.02)[0] == pytest.approx(expected, rel=0.05)


def test_trials_are_rounded_down_and_none_says_nothing() -> None:
    pair = two_rates(rates=([1.0, 0.9], [1.0, 0.8]), num_effective=([149.9, 0.0], [149.2, 50.0]))
    assert pair.num_first.tolist() == [149, 0]
    assert equivalence_p_values(pair, margin=0.02) == pytest.approx([0.98**149, 1.0], abs=1e-6)
    assert difference_p_values(pair).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("margin", [0.0, -0.02, 1.0])
def test_a_margin_is_a_difference_that_can_be(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        equivalence_p_values(one_pair((9, 10), (9, 10)), margin=margin)


def test_no_pairs_have_no_p_values() -> None:
    nothing = two_rates(rates=([], []), num_effective=([], []))
    assert difference_p_values(nothing).size == 0
    assert equivalence_p_values(nothing, margin=0.02).size == 0
