"""Whether a disparity is shown, whether one that matters is ruled out, and what it would take.

Two questions are asked of all pairs of groups together. Is some pair different (Holm-adjusted
score tests)? And is every pair shown to differ by less than the margin (two one-sided tests, which
must all pass and so need no correction within a grouping; several groupings are Holm-adjusted)? The
answers make four verdicts:

===================  ====================  =============================
verdict              some pair different   all within the margin
===================  ====================  =============================
disparity            yes                   no
below_margin         yes                   yes
none_beyond_margin   no                    yes
inconclusive         no                    no
===================  ====================  =============================

Where all groups are alike, either of the first two comes up in at most 1 - confidence of cases;
where a pair differs by the margin, either of the middle two does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy import special, stats

from debias.metrics.intervals import Rate
from debias.metrics.pairs import Pair
from debias.metrics.score_tests import restricted_rates

VerdictWord = Literal["disparity", "below_margin", "none_beyond_margin", "inconclusive"]

POWER = 0.8
"""The chance that as many faces as :attr:`Verdict.needed_per_group` settle the case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the pairs of one grouping show together.

    Attributes:
        verdict: see the table above.
        margin: a difference that would matter, in (0, 1).
        num_pairs: pairs of ranked groups.
        num_different: those whose adjusted p-value is at most 1 - confidence.
        equivalence_p_value: the largest of all pairs, adjusted for other groupings if there are.
        needed_per_group: independent faces in each group that would settle an inconclusive case;
            None for another verdict.
    """

    verdict: VerdictWord
    margin: float
    num_pairs: int
    num_different: int
    equivalence_p_value: float
    needed_per_group: int | None


def verdict(
    *,
    pairs: Sequence[Pair],
    adjusted_p_values: Sequence[float],
    rates: Sequence[Rate],
    adjusted_equivalence_p_value: float | None = None,
    num_tests: int | None = None,
    margin: float = 0.02,
    confidence: float = 0.95,
) -> Verdict:
    """Return the verdict on the groups of one grouping.

    Args:
        pairs: of all ranked groups, tested against the same margin.
        adjusted_p_values: of the pairs, over whatever family they belong to.
        rates: of the ranked groups, each with trials.
        adjusted_equivalence_p_value: the largest of the pairs, adjusted for other groupings; None
            where there are none.
        num_tests: pairs in the whole family; None where these are all.
        margin: a difference that would matter, in (0, 1).
        confidence: one minus the level of the tests.
    """
    alpha = 1.0 - confidence
    num_different = sum(p <= alpha for p in adjusted_p_values)
    equivalence = adjusted_equivalence_p_value
    if equivalence is None:
        equivalence = max(pair.equivalence_p_value for pair in pairs)
    word: VerdictWord
    if num_different:
        word = "below_margin" if equivalence <= alpha else "disparity"
    else:
        word = "none_beyond_margin" if equivalence <= alpha else "inconclusive"
    needed = None
    if word == "inconclusive":
        needed = needed_per_group(
            rates=rates, num_tests=num_tests, margin=margin, confidence=confidence
        )
    return Verdict(
        verdict=word,
        margin=margin,
        num_pairs=len(pairs),
        num_different=num_different,
        equivalence_p_value=equivalence,
        needed_per_group=needed,
    )


def needed_per_group(
    *,
    rates: Sequence[Rate],
    num_tests: int | None = None,
    margin: float = 0.02,
    confidence: float = 0.95,
) -> int:
    """Return how many independent faces a group would settle an inconclusive case.

    The larger of two numbers, each for a power of :data:`POWER` and groups of equal size: so many
    that one pair which differs by the margin is found, at the level that Bonferroni leaves it in
    the whole family; and so many that all pairs are shown to lie within the margin, if all groups
    are alike. Where the groups have as many already, the difference may lie between 0 and the
    margin; then it is the number that settles it for the largest difference as observed.

    Rates are taken about the pooled one, drawn a little towards one half (the centre of its Wilson
    interval), so that it is neither 0 nor 1: 200 of 200 count as 99.1 %. The formulas are those
    of normal approximations; simulated for 2 to 12 groups and rates of 0.5 to 0.9999, the tests
    have a power of 79 to 100 % at the larger of the two numbers.

    Args:
        rates: of at least two groups, each with trials.
        num_tests: pairs in the family that the tests are corrected for; None where it is those of
            these groups.
        margin: a difference that would matter, in (0, 1).
        confidence: one minus the level of the tests.
    """
    alpha = 1.0 - confidence
    num_groups = len(rates)
    num_pairs = num_tests or num_groups * (num_groups - 1) // 2
    effective = np.array([group.num_effective for group in rates])
    values = np.array([group.value for group in rates])
    z = _quantile(alpha / 2.0)
    total = float(effective.sum())
    pooled = (float(effective @ values) + z**2 / 2.0) / (total + z**2)
    needed = _to_settle(
        pooled, num_groups=num_groups, num_pairs=num_pairs, margin=margin, alpha=alpha
    )
    if needed <= effective.min():
        observed = float(np.ptp(values))
        needed = min(
            _to_find(pooled, difference=observed, alpha=alpha / num_pairs),
            _to_rule_out(pooled, difference=observed, margin=margin, alpha=alpha),
        )
        needed = max(needed, float(effective.min()) + 1.0)
    return math.ceil(needed)


def planned_per_group(
    *, recall: float, num_groups: int, margin: float = 0.02, confidence: float = 0.95
) -> int:
    """Return how many independent faces a group a test needs, before there are any answers.

    As :func:`needed_per_group`, for a recall that is expected of all groups.

    Args:
        recall: expected, in (0, 1).
        num_groups: at least 2.
        margin: a difference that would matter, in (0, 1).
        confidence: one minus the level of the tests.
    """
    num_pairs = num_groups * (num_groups - 1) // 2
    return math.ceil(
        _to_settle(
            recall,
            num_groups=num_groups,
            num_pairs=num_pairs,
            margin=margin,
            alpha=1.0 - confidence,
        )
    )


def _to_settle(
    pooled: float, *, num_groups: int, num_pairs: int, margin: float, alpha: float
) -> float:
    """Return the size of each group in which the margin is found, and equality shown."""
    to_find = _to_find(pooled, difference=margin, alpha=alpha / num_pairs)
    return max(to_find, _to_rule_out_all(pooled, margin=margin, num_groups=num_groups, alpha=alpha))


def _to_find(pooled: float, *, difference: float, alpha: float) -> float:
    """Return the size of each of two groups in which a score test finds a difference.

    References:
        [Fleiss1981] Statistical methods for rates and proportions, 2nd edition, section 3.2.
    """
    if difference <= 0.0:
        return math.inf
    high = min(1.0, pooled + difference / 2.0)
    low = max(0.0, high - difference)
    mean = (high + low) / 2.0
    under_null = math.sqrt(2.0 * mean * (1.0 - mean))
    apart = math.sqrt(high * (1.0 - high) + low * (1.0 - low))
    root = _quantile(alpha / 2.0) * under_null + _quantile(1.0 - POWER) * apart
    return (root / difference) ** 2


def _to_rule_out(pooled: float, *, difference: float, margin: float, alpha: float) -> float:
    """Return the size of each of two groups that differ by less than the margin, to show it."""
    if difference >= margin:
        return math.inf
    high = min(1.0, pooled + difference / 2.0)
    low = max(0.0, high - difference)
    apart = math.sqrt(high * (1.0 - high) + low * (1.0 - low))
    root = _quantile(alpha) * _error_at_margin(low, high, margin) + _quantile(1.0 - POWER) * apart
    return (root / (margin - difference)) ** 2


def _to_rule_out_all(pooled: float, *, margin: float, num_groups: int, alpha: float) -> float:
    """Return the size of each of several like groups, to show that all lie within the margin.

    All pairs pass if the range of the rates is at most the margin minus z standard errors of a
    difference; the range of so many normal deviates is the studentised range.
    """
    root = _quantile(alpha) * _error_at_margin(pooled, pooled, margin)
    root += _range_quantile(num_groups) * math.sqrt(pooled * (1.0 - pooled))
    return (root / margin) ** 2


def _error_at_margin(low: float, high: float, margin: float) -> float:
    """Return the standard error that the score test takes, times the root of the group size.

    References:
        [FarringtonManning1990], see :func:`debias.metrics.score_tests.restricted_rates`.
    """
    p1, p2 = restricted_rates(first=low, second=high, num_first=1, num_second=1, difference=-margin)
    return math.sqrt(p1 * (1.0 - p1) + p2 * (1.0 - p2))


@cache
def _range_quantile(num_groups: int) -> float:
    """Return what the range of as many normal deviates stays below with the power."""
    return float(stats.studentized_range.ppf(POWER, num_groups, np.inf))


def _quantile(tail: float) -> float:
    """Return the point of the normal distribution above which its upper tail lies."""
    return -float(special.ndtri(tail))
