from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from debias.metrics.intervals import Rate, rate
from debias.metrics.shrinkage import shrunken_rates

count = st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def rates_of(*counts: tuple[int, int], design_effect: float = 1.0) -> list[Rate]:
    return [rate(num_successes=k, num_trials=n, design_effect=design_effect) for k, n in counts]


def values(*counts: tuple[int, int], design_effect: float = 1.0) -> list[float]:
    rates = rates_of(*counts, design_effect=design_effect)
    return [group.value for group in shrunken_rates(rates=rates)]


def test_groups_that_are_all_alike_have_the_pooled_rate() -> None:
    found = values(*[(900, 1000)] * 6)
    assert found == pytest.approx([0.9] * 6, abs=1e-3)
    unequal = values((45, 50), (900, 1000), (450, 500))
    assert unequal == pytest.approx([0.9] * 3, abs=2e-3)


def test_groups_as_unlike_as_chance_makes_them_are_drawn_nearly_together() -> None:
    counts = [(int(k), 100) for k in np.random.default_rng(0).binomial(100, 0.9, 30)]
    assert np.ptp(values(*counts)) < 0.5 * np.ptp([k / n for k, n in counts])


def test_huge_groups_keep_their_rates() -> None:
    found = values((900_000, 1_000_000), (990_000, 1_000_000), (950_000, 1_000_000))
    assert found == pytest.approx([0.9, 0.99, 0.95], abs=1e-5)
    for group, truth in zip(
        shrunken_rates(rates=rates_of((900_000, 1_000_000), (990_000, 1_000_000))),
        (0.9, 0.99),
        strict=True,
    ):
        assert group.high - group.low < 0.0013
        assert group.low < truth < group.high


def test_an_empty_group_has_the_mean_of_the_others_and_their_spread() -> None:
    others = [(900, 1000), (850, 1000), (950, 1000), (910, 1000)]
    empty, *rest = shrunken_rates(rates=rates_of((0, 0), *others))
    assert empty.value == pytest.approx(0.9, abs=0.01)
    assert empty.low < 0.85
    assert empty.high > 0.94
    assert [group.value for group in rest] == pytest.approx(values(*others), abs=1e-3)


def test_no_trials_at_all_are_not_estimable() -> None:
    for group in shrunken_rates(rates=rates_of((0, 0), (0, 0))):
        assert np.isnan([group.value, group.low, group.high]).all()
    one_person = rates_of((40, 50), (30, 50), design_effect=float("inf"))
    assert all(np.isnan(group.value) for group in shrunken_rates(rates=one_person))
    assert shrunken_rates(rates=[]) == ()


def test_the_smaller_of_two_groups_is_drawn_further() -> None:
    small, large, *_ = values((7, 10), (700, 1000), (95, 100), (96, 100), (94, 100), (95, 100))
    assert 0.7 < large < 0.71
    assert small > large + 0.03


def test_a_design_effect_draws_further() -> None:
    counts = [(350, 500), (450, 500), (460, 500), (470, 500)]
    free, shared = (values(*counts, design_effect=effect) for effect in (1.0, 10.0))
    assert shared[0] > free[0] + 0.01
    fewer = values(*((k // 10, n // 10) for k, n in counts))
    assert shared == pytest.approx(fewer)


@settings(deadline=None, max_examples=60)
@given(st.lists(count, min_size=1, max_size=8))
def test_values_lie_within_their_limits(counts: list[tuple[int, int]]) -> None:
    found = shrunken_rates(rates=rates_of(*counts))
    if sum(n for _, n in counts) == 0:
        return
    for group in found:
        assert 0.0 <= group.low <= group.value <= group.high <= 1.0
    misses = shrunken_rates(rates=rates_of(*((n - k, n) for k, n in counts)))
    for group, other in zip(found, misses, strict=True):
        assert group.value == pytest.approx(1.0 - other.value, abs=1e-9)
        assert group.low == pytest.approx(1.0 - other.high, abs=1e-6)


@pytest.mark.parametrize("counts", [[(50, 50)] * 3, [(0, 50)] * 3, [(0, 10), (10, 10)], [(1, 1)]])
def test_limits_hold_at_the_ends(counts: list[tuple[int, int]]) -> None:
    for group, (k, n) in zip(shrunken_rates(rates=rates_of(*counts)), counts, strict=True):
        assert np.isfinite([group.value, group.low, group.high]).all()
        assert group.high - group.low > 0.01
        assert abs(group.value - k / n) < 0.35


def test_more_confidence_is_wider() -> None:
    rates = rates_of((90, 100), (85, 100), (97, 100))
    narrow, wide = (shrunken_rates(rates=rates, confidence=level)[0] for level in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.value == wide.value < narrow.high < wide.high


@pytest.mark.parametrize(
    ("num_groups", "mean", "precision"),
    [(2, 0.95, 50.0), (6, 0.95, 50.0), (6, 0.99, 100.0), (20, 0.95, 50.0), (6, 0.95, np.inf)],
)
def test_intervals_cover_and_values_err_less(
    num_groups: int, mean: float, precision: float
) -> None:
    """Groups drawn from the model: as often as promised, and nearer to the truth than raw rates."""
    generator = np.random.default_rng(0)
    covered, errors = [], []
    for _ in range(250):
        truth = np.full(num_groups, mean)
        if np.isfinite(precision):
            truth = generator.beta(mean * precision, (1.0 - mean) * precision, num_groups)
        sizes = generator.integers(10, 200, num_groups)
        hits = generator.binomial(sizes, truth)
        groups = shrunken_rates(rates=rates_of(*zip(hits.tolist(), sizes.tolist(), strict=True)))
        covered += [group.low <= p <= group.high for group, p in zip(groups, truth, strict=True)]
        errors.append(
            [
                np.mean((np.array([group.value for group in groups]) - truth) ** 2),
                np.mean((hits / sizes - truth) ** 2),
            ]
        )
    assert np.mean(covered) >= 0.925
    ours, raw = np.mean(errors, axis=0)
    assert ours < raw


def test_one_group_has_about_its_own_rate() -> None:
    (alone,) = shrunken_rates(rates=rates_of((900, 1000)))
    low, high = stats.beta.ppf([0.025, 0.975], 900.5, 100.5)
    assert alone.value == pytest.approx(0.9, abs=2e-3)
    assert (alone.low, alone.high) == pytest.approx((low, high), abs=2e-3)


def test_limits_allow_for_groups_that_may_be_alike_or_not() -> None:
    """With three groups nobody knows how far to draw the odd one: its interval has both ends."""
    odd, *_ = shrunken_rates(rates=rates_of((17, 20), (490, 500), (485, 500)))
    assert odd.low < 0.76
    assert odd.high > 0.978
    assert odd.value == pytest.approx(0.9, abs=0.01)
