from __future__ import annotations

import time

import numpy as np
import pytest
from statsmodels.stats.proportion import power_proportions_2indep

from debias.metrics.intervals import Rate, rate
from debias.metrics.pairs import holm, pairs
from debias.metrics.score_tests import difference_p_values, equivalence_p_values, two_rates
from debias.metrics.verdicts import POWER, Verdict, needed_per_group, verdict


def rates_of(*counts: tuple[int, int], design_effect: float = 1.0) -> list[Rate]:
    return [rate(num_successes=k, num_trials=n, design_effect=design_effect) for k, n in counts]


def judge(
    *counts: tuple[int, int],
    margin: float = 0.02,
    confidence: float = 0.95,
    design_effect: float = 1.0,
) -> Verdict:
    rates = rates_of(*counts, design_effect=design_effect)
    found = pairs(rates=rates, margin=margin, confidence=confidence)
    adjusted = holm([pair.p_value for pair in found])
    return verdict(
        pairs=found,
        adjusted_p_values=adjusted.tolist(),
        rates=rates,
        margin=margin,
        confidence=confidence,
    )


def p_values(high: np.ndarray, low: np.ndarray, size: int, *, equivalence: bool) -> np.ndarray:
    """Return the p-values of pairs of counts out of ``size``; equal pairs are worked out once."""
    unique, inverse = np.unique(np.stack([high, low]), axis=1, return_inverse=True)
    num = np.full(unique.shape[1], size)
    both = two_rates(rates=(unique[0] / size, unique[1] / size), num_effective=(num, num))
    found = equivalence_p_values(both, margin=0.02) if equivalence else difference_p_values(both)
    return found[inverse.ravel()]


def test_the_four_verdicts() -> None:
    disparity = judge((950, 1000), (850, 1000))
    assert (disparity.verdict, disparity.num_pairs, disparity.num_different) == ("disparity", 1, 1)
    assert disparity.needed_per_group is None
    below = judge((99_000, 100_000), (98_500, 100_000))
    assert (below.verdict, below.num_different) == ("below_margin", 1)
    assert below.equivalence_p_value < 1e-6
    none = judge((9_800, 10_000), (9_803, 10_000), (9_799, 10_000))
    assert (none.verdict, none.num_pairs, none.num_different) == ("none_beyond_margin", 3, 0)
    assert none.needed_per_group is None
    unknown = judge((95, 100), (93, 100))
    assert unknown.verdict == "inconclusive"
    assert unknown.needed_per_group is not None
    assert unknown.needed_per_group > 100


def test_one_pair_that_fails_spoils_the_whole() -> None:
    """Equivalence takes all pairs; a difference takes one."""
    good = (49_000, 50_000)
    assert judge(good, good).verdict == "none_beyond_margin"
    small = judge(good, good, (49, 50))
    assert small.verdict == "inconclusive"
    worst = max(pair.equivalence_p_value for pair in pairs(rates=rates_of(good, good, (49, 50))))
    assert small.equivalence_p_value == worst
    far = judge(good, good, (40_000, 50_000))
    assert (far.verdict, far.num_different) == ("disparity", 2)


def test_margin_and_confidence_decide() -> None:
    counts = ((985, 1000), (980, 1000))
    assert judge(*counts).verdict == "none_beyond_margin"
    assert judge(*counts, margin=0.01).verdict == "inconclusive"
    assert judge(*counts, confidence=0.999).verdict == "inconclusive"
    assert judge(*counts, margin=0.01).margin == 0.01
    assert judge(*counts, design_effect=8.0).verdict == "inconclusive"
    apart = ((970, 1000), (950, 1000))
    assert judge(*apart).verdict == "disparity"
    assert judge(*apart, confidence=0.99).verdict == "inconclusive"
    assert judge(*apart, margin=0.2).verdict == "below_margin"


def test_a_p_value_of_just_the_level_counts() -> None:
    rates = rates_of((60, 100), (50, 100))
    (pair,) = pairs(rates=rates)
    found = verdict(pairs=[pair], adjusted_p_values=[1.0 - 0.95], rates=rates)
    assert found.verdict == "disparity"
    found = verdict(pairs=[pair], adjusted_p_values=[0.0501], rates=rates)
    assert found.verdict == "inconclusive"


@pytest.mark.parametrize("truth", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("size", [100, 400])
@pytest.mark.parametrize("num_groups", [2, 4])
def test_like_groups_are_found_unlike_in_at_most_one_of_twenty(
    truth: float, size: int, num_groups: int
) -> None:
    """Holm finds something just when the smallest p-value is below alpha over the pairs."""
    hits = np.random.default_rng(0).binomial(size, truth, size=(4000, num_groups))
    first, second = np.triu_indices(num_groups, 1)
    found = p_values(hits[:, first].ravel(), hits[:, second].ravel(), size, equivalence=False)
    smallest = found.reshape(4000, -1).min(axis=1)
    assert np.mean(smallest <= 0.05 / first.size) <= 0.05 + 2.0 * np.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize("high", [1.0, 0.99, 0.9])
@pytest.mark.parametrize(("size", "num_groups"), [(149, 2), (500, 2), (500, 4)])
def test_a_gap_of_the_margin_is_ruled_out_in_at_most_one_of_twenty(
    high: float, size: int, num_groups: int
) -> None:
    truth = np.full(num_groups, high)
    truth[0] -= 0.02
    hits = np.random.default_rng(0).binomial(size, truth, size=(4000, num_groups))
    # With groups of one size the widest pair has the largest p-value.
    largest = p_values(hits.max(axis=1), hits.min(axis=1), size, equivalence=True)
    assert np.mean(largest <= 0.05) <= 0.05 + 2.0 * np.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize("truth", [0.6, 0.9, 0.97])
@pytest.mark.parametrize("num_groups", [2, 5])
def test_needed_faces_to_find_are_those_of_statsmodels(truth: float, num_groups: int) -> None:
    """A small margin and a level that finding needs more faces for than ruling out does."""
    num_pairs = num_groups * (num_groups - 1) // 2
    rates = rates_of(*[(round(truth * 10**8), 10**8)] * num_groups)
    needed = needed_per_group(rates=rates, margin=0.02)
    power = power_proportions_2indep(
        diff=0.02, prop2=truth - 0.01, nobs1=needed, ratio=1, alpha=0.05 / num_pairs
    )
    assert float(power.power if hasattr(power, "power") else power) >= POWER - 0.001


@pytest.mark.parametrize(
    ("truth", "num_groups"), [(0.999, 2), (0.99, 2), (0.99, 6), (0.97, 4), (0.9, 3), (0.6, 2)]
)
def test_needed_faces_have_the_power_that_they_are_for(truth: float, num_groups: int) -> None:
    num_pairs = num_groups * (num_groups - 1) // 2
    pilot = rates_of(*[(round(truth * 2000), 2000)] * num_groups)
    # As if there were fewer faces so far, which is when the number is asked for.
    few = [rate(num_successes=r.num_successes, num_trials=2000, design_effect=40) for r in pilot]
    pooled = (truth * 50 * num_groups + 1.92) / (50 * num_groups + 3.84)
    needed = needed_per_group(rates=few, margin=0.02)
    generator = np.random.default_rng(1)
    high = min(1.0, pooled + 0.01)
    hits = generator.binomial(needed, [high, high - 0.02], size=(3000, 2))
    found = p_values(hits[:, 0], hits[:, 1], needed, equivalence=False) <= 0.05 / num_pairs
    alike = generator.binomial(needed, pooled, size=(3000, num_groups))
    passed = p_values(alike.max(axis=1), alike.min(axis=1), needed, equivalence=True) <= 0.05
    weaker = min(found.mean(), passed.mean())
    assert weaker >= POWER - 0.03
    if pooled < 0.98:  # nearer to 1 one of the two questions takes far more faces
        assert weaker <= POWER + 0.03


def test_more_faces_are_needed_for_more_groups_and_a_smaller_margin() -> None:
    def needed(num_groups: int = 2, margin: float = 0.02, confidence: float = 0.95) -> int:
        rates = rates_of(*[(95, 100)] * num_groups)
        return needed_per_group(rates=rates, margin=margin, confidence=confidence)

    assert needed() < needed(3) < needed(12)
    assert needed(margin=0.01) > 3.5 * needed(margin=0.02)
    assert needed(confidence=0.99) > needed()


@pytest.mark.parametrize("counts", [(0, 50), (50, 50), (1, 1)])
def test_needed_faces_of_perfect_groups_are_few_but_not_none(counts: tuple[int, int]) -> None:
    needed = needed_per_group(rates=rates_of(counts, counts))
    assert 388 <= needed <= 11_000
    mirrored = (counts[1] - counts[0], counts[1])
    assert needed_per_group(rates=rates_of(mirrored, mirrored)) == pytest.approx(needed, rel=0.01)


def test_groups_that_are_large_enough_need_what_their_gap_needs() -> None:
    """A true difference between 0 and the margin takes longer to place."""
    # With 1,400 faces each, a difference of 0 or of the margin would mostly have been settled.
    rates = rates_of((1_358, 1_400), (1_370, 1_400))
    assert needed_per_group(rates=rates[:1] * 2) == 1_401
    needed = needed_per_group(rates=rates)
    assert 2_000 < needed < 10_000
    # It is the number that rules out the margin if the observed 0.86 points are the truth.
    generator = np.random.default_rng(0)
    hits = generator.binomial(needed, [r.value for r in rates], size=(2000, 2))
    passed = p_values(hits[:, 0], hits[:, 1], needed, equivalence=True) <= 0.05
    assert passed.mean() == pytest.approx(POWER, abs=0.04)


def test_rows_of_one_person_say_nothing() -> None:
    rates = rates_of((50, 50), (45, 50), design_effect=float("inf"))
    found = pairs(rates=rates)
    assert (found[0].p_value, found[0].equivalence_p_value) == (1.0, 1.0)
    judged = verdict(pairs=found, adjusted_p_values=[1.0], rates=rates)
    assert judged.verdict == "inconclusive"
    assert judged.needed_per_group is not None


def test_a_verdict_on_many_groups_is_quick() -> None:
    generator = np.random.default_rng(0)
    sizes = generator.integers(100, 2000, 40)
    counts = list(zip(generator.binomial(sizes, 0.96).tolist(), sizes.tolist(), strict=True))
    started = time.process_time()
    assert judge(*counts).num_pairs == 780
    assert time.process_time() - started < 6.0
