"""Whether a group's values lie above or below all others': no mean, no normal distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from debias.metrics.areas import LabelRows, area_of_shares
from debias.metrics.intervals import FloatArray
from debias.metrics.ranking import area_measure
from debias.metrics.tally import as_codes, as_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Superiority:
    """A group's values against those of all other rows.

    Attributes:
        value: the chance that a value of the group is larger than one of the others, ties counting
            half, in [0, 1]; 0.5 is no difference, and 2 ``value`` - 1 is Cliff's delta. NaN where
            the group or the others have no rows.
        low: lower limit of its interval; NaN where it is.
        high: upper limit.
        p_value: two-sided, of the same distribution in both; 1 where there is nothing to test.
        num_rows: of the group.
        num_others: the other rows.
    """

    value: float
    low: float
    high: float
    p_value: float
    num_rows: int
    num_others: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankedRows:
    """Rows by ascending value, to be held against any number of groupings.

    Attributes:
        order: the place of each among the rows as they were given, shape (row,).
        first: the first row of the same value as each, shape (row,).
        last: one beyond the last such row, shape (row,).
        scores: the ranks, those of the same value being alike, of mean 0 and variance 1; zeros
            where all values are the same. Shape (row,).
        clusters: the person or picture of each as integers from 0, shape (row,); None when rows
            are independent.
    """

    order: NDArray[np.intp]
    first: NDArray[np.intp]
    last: NDArray[np.intp]
    scores: FloatArray
    clusters: NDArray[np.intp] | None

    def __len__(self) -> int:
        return len(self.order)


def rank_rows(*, values: ArrayLike, clusters: ArrayLike | None = None) -> RankedRows:
    """Return rows by ascending value.

    Args:
        values: finite, of any scale, shape (row,); 0 and 1 for the shares of groups.
        clusters: the person or picture of each row as integers, shape (row,); None when rows are
            independent.

    Raises:
        ValueError: shapes differ, or a value is not finite.
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = as_rows(numbers, name="values", num_rows=numbers.size).astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("values must be finite throughout")
    units: NDArray[np.intp] | None = None
    if clusters is not None:
        persons = as_rows(clusters, name="clusters", num_rows=numbers.size)
        units = np.unique(persons, return_inverse=True)[1].astype(np.intp)
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    is_new = np.ones(ordered.size, dtype=np.bool_)
    is_new[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(is_new)
    of_run = np.cumsum(is_new) - 1
    first, last = starts[of_run], np.append(starts[1:], ordered.size)[of_run]
    ranks = (first + last) / 2.0
    ranks -= ranks.mean() if ranks.size else 0.0
    spread = math.sqrt(float(ranks @ ranks) / max(ranks.size, 1))
    return RankedRows(
        order=order,
        first=first,
        last=last,
        scores=np.asarray(ranks / spread if spread > 0.0 else ranks, dtype=np.float64),
        clusters=None if units is None else units[order],
    )


def superiorities(
    rows: RankedRows, *, codes: ArrayLike, num_groups: int, confidence: float = 0.95
) -> tuple[Superiority, ...]:
    """Return, for each group, whether its values are larger or smaller than all others.

    The value is the area under the ROC curve of the group against the others, with the interval of
    :func:`debias.metrics.ranking.group_aucs` (DeLong's variance, of cluster sums).

    The test is that of Mann and Whitney: the sum of the group's ranks, each less the mean, over
    its deviation. The variance is the larger of two: the one of shuffled groups, and the sum of
    squares of what each cluster (each row, where there are none) brings. The latter grows with
    clusters that agree within themselves and with values that few rows have, such as a flaw of
    three pictures in a thousand, where a normal distribution would find chance impossible. The
    ratio is held against Student's distribution with the clusters that count, (sum n_c)^2 /
    sum n_c^2, less 1, degrees of freedom.

    Args:
        rows: the values.
        codes: the group of each row from 0, as the rows were given, shape (row,).
        num_groups: how many groups.
        confidence: of the intervals, in (0, 1).

    Raises:
        ValueError: shapes differ, or a code is of no group.

    References:
        [MannWhitney1947] On a test of whether one of two random variables is stochastically
        larger than the other. Annals of Mathematical Statistics 18.
        [RosnerGrove1999] Use of the Mann-Whitney U-test for clustered data. Statistics in
        Medicine 18.
    """
    groups = _codes(codes, rows, num_groups)
    p_values = _p_values(rows, groups, num_groups)
    return tuple(
        _of_group(rows, groups == code, p_value, confidence)
        for code, p_value in enumerate(p_values)
    )


def shift_p_values(rows: RankedRows, *, codes: ArrayLike, num_groups: int) -> tuple[float, ...]:
    """Return the p-values of :func:`superiorities` alone, at a fraction of the time.

    Args:
        rows: as there.
        codes: as there.
        num_groups: as there.

    Raises:
        ValueError: as there.
    """
    return _p_values(rows, _codes(codes, rows, num_groups), num_groups)


def _codes(codes: ArrayLike, rows: RankedRows, num_groups: int) -> NDArray[np.intp]:
    """Return the checked group of each row, in the order of the ranked ones."""
    groups = as_codes(codes, num_rows=len(rows), num_groups=num_groups)
    if groups.size and groups.min() < 0:
        raise ValueError("codes must be those of a group")
    return groups[rows.order]


def _of_group(
    rows: RankedRows, inside: NDArray[np.bool_], p_value: float, confidence: float
) -> Superiority:
    num_rows = int(np.count_nonzero(inside))
    num_others = len(rows) - num_rows
    if not num_rows or not num_others:
        return Superiority(
            value=math.nan,
            low=math.nan,
            high=math.nan,
            p_value=p_value,
            num_rows=num_rows,
            num_others=num_others,
        )
    # Rows of the group below each row, those of the same value counting half.
    passed = np.concatenate([[0], np.cumsum(inside)])
    of_group = (passed[rows.first] + passed[rows.last]) / 2.0
    chosen, rest = np.flatnonzero(inside), np.flatnonzero(~inside)
    of_others = (rows.first[chosen] + rows.last[chosen]) / 2.0 - of_group[chosen]
    found = area_measure(
        area_of_shares(
            _part(rows, chosen),
            _part(rows, rest),
            below=of_others / num_others,
            above=1.0 - of_group[rest] / num_rows,
        ),
        num_rows=len(rows),
        confidence=confidence,
    )
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    return Superiority(
        value=found.value,
        low=found.low,
        high=found.high,
        p_value=p_value,
        num_rows=num_rows,
        num_others=num_others,
    )


def _part(rows: RankedRows, chosen: NDArray[np.intp]) -> LabelRows:
    """Return some of the rows, which stay in order."""
    return LabelRows(
        scores=rows.scores[chosen],
        codes=np.zeros(chosen.size, dtype=np.intp),
        clusters=None if rows.clusters is None else rows.clusters[chosen],
        weights=np.ones(chosen.size),
    )


def _p_values(rows: RankedRows, codes: NDArray[np.intp], num_groups: int) -> tuple[float, ...]:
    """Return the p-value of no difference of each group; see :func:`superiorities`."""
    num_rows, scores = len(rows), rows.scores
    shuffled = num_rows**2 / (num_rows - 1.0) * float(np.mean(scores**2)) if num_rows > 1 else 0.0
    num_clusters = float(num_rows)
    every = scores
    if rows.clusters is not None:
        every = np.bincount(rows.clusters, weights=scores).astype(np.float64)
        sizes = np.bincount(rows.clusters).astype(np.float64)
        num_clusters = num_rows**2 / max(float(sizes @ sizes), 1.0)
    return tuple(
        _p_value(rows, codes == code, every, shuffled=shuffled, num_clusters=num_clusters)
        for code in range(num_groups)
    )


def _p_value(
    rows: RankedRows,
    inside: NDArray[np.bool_],
    every: FloatArray,
    *,
    shuffled: float,
    num_clusters: float,
) -> float:
    """Return the p-value of a group.

    Args:
        rows: all.
        inside: which of them are the group's, shape (row,).
        every: the sums of all scores by cluster, shape (cluster,); the scores of independent rows.
        shuffled: the variance that shuffled groups give.
        num_clusters: that count.
    """
    num_inside = int(np.count_nonzero(inside))
    if not 0 < num_inside < len(rows):
        return 1.0
    share = num_inside / len(rows)
    own = rows.scores * inside
    if rows.clusters is not None:
        own = np.bincount(rows.clusters, weights=own, minlength=every.size).astype(np.float64)
    terms = (own - share * every) / math.sqrt(share * (1.0 - share))
    variance = max(shuffled, float(terms @ terms))
    if variance <= 0.0 or num_clusters <= 1.0:
        return 1.0
    ratio = float(terms.sum()) / math.sqrt(variance)
    return float(2.0 * special.stdtr(num_clusters - 1.0, -abs(ratio)))
