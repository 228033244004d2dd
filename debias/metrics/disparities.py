"""From the rates of groups to how unequal they are, and how unequal chance alone would make them.

All functions take the groups that are to be ranked: known values, and rows enough to say
something. Which ones those are is decided by :func:`ranked_groups`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias.metrics.counts import Grouping
from debias.metrics.intervals import (
    FloatArray,
    Rate,
    cluster_units,
    design_effect,
    design_effects,
    newcombe,
    rate,
    wilson,
)
from debias.metrics.score_tests import difference_p_values, equivalence_p_values, two_rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The largest rate minus the smallest.

    Attributes:
        value: in [0, 1].
        low: lower limit, simultaneous over all pairs.
        high: upper limit, simultaneous over all pairs.
        worst: position of the smallest rate.
        best: position of the largest rate.
    """

    value: float
    low: float
    high: float
    worst: int
    best: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstRate:
    """The smallest rate of several groups.

    Attributes:
        value: in [0, 1].
        low: lower limit of the smallest true rate, whichever group has it.
        high: upper limit of it.
        group: position of the group that has the smallest observed rate.
    """

    value: float
    low: float
    high: float
    group: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NullGap:
    """The gap that chance alone gives when every group has the pooled rate.

    Attributes:
        median: half of the gaps by chance are larger.
        percentile_95: one in twenty gaps by chance is larger.
        p_value: the share of gaps by chance that are at least the observed one.
    """

    median: float
    percentile_95: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracies:
    """The summary of group accuracies in [Amini2019].

    Attributes:
        mean_of_groups: E[A], each group counted once; in [0, 1].
        mean_of_images: E[A], each group weighted by its images; in [0, 1].
        variance: Var[A], the sample variance (n - 1) in squared percentage points; NaN for a
            single group.
    """

    mean_of_groups: float
    mean_of_images: float
    variance: float


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


def rates_by_group(
    *,
    hits: ArrayLike,
    grouping: Grouping,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
) -> tuple[Rate, ...]:
    """Return the share of hits of each group, in the order of ``grouping.groups``.

    Args:
        hits: whether each row was answered rightly, shape (row,). With faces only this is recall.
        grouping: the groups of the same rows.
        clusters: the person or picture of each row as integers from 0; None when independent.
        confidence: of the intervals.
    """
    answers = np.asarray(hits).astype(np.bool_)
    codes, num_groups = grouping.codes, len(grouping.groups)
    effects = design_effects(
        values=answers,
        codes=codes,
        num_groups=num_groups,
        units=None if clusters is None else cluster_units(codes=codes, clusters=clusters),
        confidence=confidence,
    )
    num_hits = np.bincount(codes[answers], minlength=num_groups)
    return tuple(
        rate(
            num_successes=int(num_hits[code]),
            num_trials=int(num_rows),
            confidence=confidence,
            design_effect=float(effects[code]),
        )
        for code, num_rows in enumerate(grouping.num_rows)
    )


def pooled_rate(
    *, hits: ArrayLike, clusters: ArrayLike | None = None, confidence: float = 0.95
) -> Rate:
    """Return the share of hits among all rows, with the design effect of their clusters.

    Args:
        hits: whether each row was answered "face", shape (row,).
        clusters: the person or picture of each row as integers from 0; None when independent.
        confidence: of the interval.
    """
    answers = np.asarray(hits).astype(np.bool_)
    return rate(
        num_successes=int(answers.sum()),
        num_trials=answers.size,
        confidence=confidence,
        design_effect=design_effect(values=answers, clusters=clusters, confidence=confidence),
    )


def ranked_groups(*, grouping: Grouping, min_group_size: int) -> NDArray[np.intp]:
    """Return the positions of the groups that may be called worst or best.

    They have known values only and at least ``min_group_size`` rows (and never none). The others
    are shown beside them, unranked.
    """
    enough = grouping.num_rows >= max(1, min_group_size)
    return np.flatnonzero(grouping.known & enough)


def gap(*, rates: Sequence[Rate], confidence: float = 0.95) -> Gap:
    """Return the largest rate minus the smallest, and which groups have them.

    The interval comes from the Newcombe intervals of all pairs, each at the level that makes them
    hold together (Bonferroni): the gap is at least the largest lower limit of any pair and at
    most the largest upper one. So it also holds though worst and best were picked by looking.

    Args:
        rates: of at least two groups, each with trials.
        confidence: of the interval, in (0, 1).
    """
    values = np.array([group.value for group in rates])
    worst, best = int(values.argmin()), int(values.argmax())
    _, low, high = _all_pairs(
        rates, confidence=_family_confidence(len(rates), confidence), is_family=True
    )
    return Gap(
        value=float(values[best] - values[worst]),
        low=float(max(0.0, low.max(), (-high).max())),
        high=float(max(high.max(), (-low).max())),
        worst=worst,
        best=best,
    )


def worst_rate(*, rates: Sequence[Rate], confidence: float = 0.95) -> WorstRate:
    """Return the smallest rate, with limits that hold though it was picked by looking.

    They are the smallest lower and the smallest upper limit of Wilson intervals that hold for all
    groups together (Bonferroni).

    Args:
        rates: of at least one group, each with trials.
        confidence: of the interval, in (0, 1).
    """
    values = np.array([group.value for group in rates])
    low, high = wilson(
        num_successes=[group.num_successes for group in rates],
        num_trials=[group.num_trials for group in rates],
        confidence=1.0 - (1.0 - confidence) / len(rates),
        design_effect=[group.design_effect for group in rates],
    )
    worst = int(values.argmin())
    return WorstRate(
        value=float(values[worst]), low=float(low.min()), high=float(high.min()), group=worst
    )


def null_gap(
    *, rates: Sequence[Rate], generator: np.random.Generator, num_replicates: int = 10_000
) -> NullGap:
    """Return the distribution of the gap when all groups have the pooled rate, by simulation.

    Each group draws from a binomial with its effective number of rows. The gap is positive even
    then, and the larger the more and the smaller the groups are.

    Args:
        rates: of at least two groups, each with trials.
        generator: draws the replicates.
        num_replicates: how many gaps to draw.
    """
    pooled = sum(group.num_successes for group in rates) / sum(group.num_trials for group in rates)
    sizes = np.array([max(1, round(group.num_effective)) for group in rates])
    drawn = generator.binomial(sizes, pooled, size=(num_replicates, len(rates))) / sizes
    gaps = np.ptp(drawn, axis=1)
    observed = np.ptp([group.value for group in rates])
    at_least = int(np.count_nonzero(gaps >= observed - 1e-12))
    return NullGap(
        median=float(np.median(gaps)),
        percentile_95=float(np.quantile(gaps, 0.95)),
        p_value=(at_least + 1) / (num_replicates + 1),
    )


def accuracies(*, rates: Sequence[Rate], weights: ArrayLike | None = None) -> Accuracies:
    """Return E[A] and Var[A] of the group accuracies; NaN where there is nothing to average.

    Args:
        rates: of the groups.
        weights: of the images of each group, shape (group,); None counts images.

    References:
        [Amini2019], tables 1 and 2. The "accuracy" of a group of faces is its recall.
    """
    values = np.array([group.value for group in rates])
    if weights is None:
        weights = [group.num_trials for group in rates]
    shares = np.asarray(weights, dtype=np.float64)
    total = float(shares.sum())
    return Accuracies(
        mean_of_groups=float(values.mean()) if values.size else float("nan"),
        mean_of_images=float(values @ shares / total) if total else float("nan"),
        variance=float(np.var(100.0 * values, ddof=1)) if values.size > 1 else float("nan"),
    )


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
    (first, second), low, high = _all_pairs(rates, confidence=confidence)
    _, family_low, family_high = _all_pairs(
        rates, confidence=_family_confidence(len(rates), confidence), is_family=True
    )
    k, n, _ = _columns(rates)
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


def _family_confidence(num_groups: int, confidence: float) -> float:
    """Return the confidence of one pair that leaves ``confidence`` for all pairs together."""
    num_pairs = max(1, num_groups * (num_groups - 1) // 2)
    return 1.0 - (1.0 - confidence) / num_pairs


def _columns(rates: Sequence[Rate]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return successes, trials and effective trials of all groups."""
    table = [(group.num_successes, group.num_trials, group.num_effective) for group in rates]
    k, n, m = np.array(table, dtype=np.float64).reshape(-1, 3).T
    return k, n, m


def _all_pairs(
    rates: Sequence[Rate], *, confidence: float, is_family: bool = False
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], FloatArray, FloatArray]:
    """Return the positions of all pairs and their Newcombe limits.

    Limits of a family take design effects as the tests do; see :func:`rows_for_tests`.
    """
    k, n, _ = _columns(rates)
    effect = np.array([group.design_effect for group in rates])
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
