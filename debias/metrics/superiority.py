"""Whether a group's values lie above or below all others': no mean, no normal distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from debias.metrics.areas import LabelRows, area
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


def superiorities(
    *,
    values: ArrayLike,
    codes: ArrayLike,
    num_groups: int,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
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
        values: finite, of any scale, shape (row,).
        codes: the group of each row from 0, shape (row,).
        num_groups: how many groups.
        clusters: the person or picture of each row as integers, shape (row,); None when rows are
            independent.
        confidence: of the intervals, in (0, 1).

    Raises:
        ValueError: shapes differ, a value is not finite, or a code is of no group.

    References:
        [MannWhitney1947] On a test of whether one of two random variables is stochastically
        larger than the other. Annals of Mathematical Statistics 18.
        [RosnerGrove1999] Use of the Mann-Whitney U-test for clustered data. Statistics in
        Medicine 18.
    """
    ordered = _ordered(values, codes, num_groups, clusters)
    scores = _scores(ordered.scores)
    return tuple(_of_group(code, ordered, scores, confidence) for code in range(num_groups))


def shift_p_values(
    *,
    values: ArrayLike,
    codes: ArrayLike,
    num_groups: int,
    clusters: ArrayLike | None = None,
) -> tuple[float, ...]:
    """Return the p-values of :func:`superiorities` alone, at a fraction of the time.

    Args:
        values: as there; 0 and 1 for the shares of groups.
        codes: as there.
        num_groups: as there.
        clusters: as there.

    Raises:
        ValueError: as there.
    """
    ordered = _ordered(values, codes, num_groups, clusters)
    scores = _scores(ordered.scores)
    counts = np.bincount(ordered.codes, minlength=num_groups)
    return tuple(
        _p_value(ordered.codes == code, scores, ordered.clusters)
        if 0 < counts[code] < counts.sum()
        else 1.0
        for code in range(num_groups)
    )


def _ordered(
    values: ArrayLike, codes: ArrayLike, num_groups: int, clusters: ArrayLike | None
) -> LabelRows:
    """Return checked rows by ascending value."""
    numbers = np.asarray(values, dtype=np.float64)
    numbers = as_rows(numbers, name="values", num_rows=numbers.size).astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("values must be finite throughout")
    groups = as_codes(codes, num_rows=numbers.size, num_groups=num_groups)
    if groups.size and groups.min() < 0:
        raise ValueError("codes must be those of a group")
    units: NDArray[np.intp] | None = None
    if clusters is not None:
        persons = as_rows(clusters, name="clusters", num_rows=numbers.size)
        units = np.unique(persons, return_inverse=True)[1].astype(np.intp)
    order = np.argsort(numbers, kind="stable")
    return LabelRows(
        scores=numbers[order],
        codes=groups[order],
        clusters=None if units is None else units[order],
        weights=np.ones(numbers.size),
    )


def _scores(ordered: FloatArray) -> FloatArray:
    """Return ranks of mean 0 and variance 1; zeros where all values are the same."""
    ranks = stats.rankdata(ordered)
    ranks -= ranks.mean() if ranks.size else 0.0
    spread = math.sqrt(float(ranks @ ranks) / max(ranks.size, 1))
    return np.asarray(ranks / spread if spread > 0.0 else ranks, dtype=np.float64)


def _of_group(code: int, rows: LabelRows, scores: FloatArray, confidence: float) -> Superiority:
    inside = rows.codes == code
    first, others = _part(rows, inside), _part(rows, ~inside)
    num_rows, num_others = first.scores.size, others.scores.size
    if not num_rows or not num_others:
        return Superiority(
            value=math.nan,
            low=math.nan,
            high=math.nan,
            p_value=1.0,
            num_rows=num_rows,
            num_others=num_others,
        )
    found = area_measure(area(first, others), num_rows=num_rows + num_others, confidence=confidence)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    return Superiority(
        value=found.value,
        low=found.low,
        high=found.high,
        p_value=_p_value(inside, scores, rows.clusters),
        num_rows=num_rows,
        num_others=num_others,
    )


def _part(rows: LabelRows, chosen: NDArray[np.bool_]) -> LabelRows:
    """Return some of the rows, which stay in order."""
    return LabelRows(
        scores=rows.scores[chosen],
        codes=rows.codes[chosen],
        clusters=None if rows.clusters is None else rows.clusters[chosen],
        weights=rows.weights[chosen],
    )


def _p_value(
    inside: NDArray[np.bool_], scores: FloatArray, clusters: NDArray[np.intp] | None
) -> float:
    """Return the p-value of no difference; see :func:`superiorities`."""
    num_rows, share = inside.size, float(inside.mean())
    contrast = (inside - share) / math.sqrt(share * (1.0 - share))
    terms = contrast * scores
    num_clusters = float(num_rows)
    shuffled = num_rows**2 / (num_rows - 1.0) * float(np.mean(scores**2))
    if clusters is not None:
        terms = np.bincount(clusters, weights=terms).astype(np.float64)
        sizes = np.bincount(clusters).astype(np.float64)
        num_clusters = num_rows**2 / float(sizes @ sizes)
    variance = max(shuffled, float(terms @ terms))
    if variance <= 0.0 or num_clusters <= 1.0:
        return 1.0
    ratio = float(terms.sum()) / math.sqrt(variance)
    return float(2.0 * special.stdtr(num_clusters - 1.0, -abs(ratio)))
