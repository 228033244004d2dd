"""Every two groups beside each other: their difference, its limits, its tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias.metrics.intervals import FloatArray, Rate, newcombe
from debias.metrics.score_tests import difference_p_values, equivalence_p_values, two_rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two groups beside each other.

    Attributes:
        first: position of the first group.
        second: position of the second group.
        difference: rate of the first minus rate of the second.
        low: lower limit of the Newcombe interval.
        high: upper limit of the Newcombe interval.
        p_value: of the two-sided score test, not corrected for the number of pairs; see
            :func:`debias.metrics.score_tests.difference_p_values`.
        family_low: lower limit that holds for all pairs together (Bonferroni).
        family_high: upper limit that holds for all pairs together.
        equivalence_p_value: of "they differ by the margin or more", see
            :func:`debias.metrics.score_tests.equivalence_p_values`.
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    p_value: float
    family_low: float
    family_high: float
    equivalence_p_value: float


def pairs(
    *, rates: Sequence[Rate], margin: float = 0.02, confidence: float = 0.95
) -> tuple[Pair, ...]:
    """Return every pair of groups with its Newcombe intervals and its tests.

    The tests are those of :mod:`debias.metrics.score_tests`, on the rows that
    :func:`rows_for_tests` leaves. Two rates that are both 0 or both 1 have a p-value of 1.

    Args:
        rates: of groups with trials.
        margin: a difference that would matter, in (0, 1).
        confidence: of each interval by itself, and of all family limits together, in (0, 1).
    """
    (first, second), low, high = pair_limits(rates, confidence=confidence)
    _, family_low, family_high = pair_limits(
        rates, confidence=family_confidence(len(rates), confidence), is_family=True
    )
    k, n = _columns(rates)
    m = rows_for_tests(num_trials=n, design_effect=[group.design_effect for group in rates])
    difference = k[first] / n[first] - k[second] / n[second]
    both = two_rates(
        rates=(k[first] / n[first], k[second] / n[second]),
        num_effective=(m[first], m[second]),
    )
    p_values = difference_p_values(both)
    equivalence = equivalence_p_values(both, margin=margin)
    return tuple(
        Pair(
            first=int(first[i]),
            second=int(second[i]),
            difference=float(difference[i]),
            low=float(low[i]),
            high=float(high[i]),
            p_value=float(p_values[i]),
            family_low=float(family_low[i]),
            family_high=float(family_high[i]),
            equivalence_p_value=float(equivalence[i]),
        )
        for i in range(first.size)
    )


def rows_for_tests(*, num_trials: ArrayLike, design_effect: ArrayLike) -> FloatArray:
    """Return how many independent rows of each group the tests of pairs may count on.

    The design effect of a group of few persons is a rough guess, and the pairs with the luckiest
    guesses would look different: with 60 persons of five rows and four like groups, tests at 5 %
    find something in 11 % of cases. So no design effect counts for less than the mean of all
    groups (weighted by their rows), which makes that 4 %.

    Args:
        num_trials: rows of each group, shape (..., group).
        design_effect: of each group, of the same shape; infinite ones do not enter the mean.
    """
    rows, effect = np.broadcast_arrays(
        np.asarray(num_trials, dtype=np.float64), np.asarray(design_effect, dtype=np.float64)
    )
    known = np.isfinite(effect)
    total = np.where(known, rows, 0.0).sum(axis=-1, keepdims=True)
    spent = np.where(known, rows * np.where(known, effect, 1.0), 0.0).sum(axis=-1, keepdims=True)
    mean = spent / np.maximum(total, 1.0)
    return np.asarray(rows / np.maximum(effect, mean), dtype=np.float64)


def holm(p_values: ArrayLike) -> FloatArray:
    """Return Holm's adjusted p-values: the chance of any false finding in the family is bounded.

    With the m p-values in ascending order, the i-th (from 0) becomes the largest of
    (m - j) p_j over j <= i, at most 1.

    Args:
        p_values: of one family of tests, shape (test,).

    References:
        [Holm1979] A simple sequentially rejective multiple test procedure. Scand. J. Statistics.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    steps = raw[order] * np.arange(raw.size, 0, -1)
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def family_confidence(num_groups: int, confidence: float) -> float:
    """Return the confidence of one pair that leaves ``confidence`` for all pairs together.

    Args:
        num_groups: that are paired.
        confidence: of all together, in (0, 1).
    """
    num_pairs = max(1, num_groups * (num_groups - 1) // 2)
    return 1.0 - (1.0 - confidence) / num_pairs


def _columns(rates: Sequence[Rate]) -> tuple[FloatArray, FloatArray]:
    """Return successes and trials of all groups."""
    table = [(group.num_successes, group.num_trials) for group in rates]
    k, n = np.array(table, dtype=np.float64).reshape(-1, 2).T
    return k, n


def pair_limits(
    rates: Sequence[Rate], *, confidence: float, is_family: bool = False
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], FloatArray, FloatArray]:
    """Return the positions of all pairs, and the lower and upper Newcombe limits of each.

    Args:
        rates: of groups with trials.
        confidence: of each interval, in (0, 1); design effects are those for it.
        is_family: whether they are to hold together; then no design effect counts for less than
            the mean, as in tests. See :func:`rows_for_tests`.
    """
    k, n = _columns(rates)
    effect = np.array([group.design_effect_at(confidence) for group in rates])
    if is_family:
        with np.errstate(divide="ignore"):  # rows of one person are worth none
            effect = n / rows_for_tests(num_trials=n, design_effect=effect)
    first, second = np.triu_indices(len(rates), 1)
    low, high = newcombe(
        num_successes=(k[first], k[second]),
        num_trials=(n[first], n[second]),
        confidence=confidence,
        design_effect=(effect[first], effect[second]),
    )
    return (first, second), low, high
