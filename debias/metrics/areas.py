"""The area under the ROC curve, and where its variance comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from debias.metrics.intervals import FloatArray
from debias.metrics.tally import as_binary, as_codes, as_rows, as_weights


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelRows:
    """The rows of one label, by ascending score.

    Attributes:
        scores: shape (row,).
        codes: the group of each row, shape (row,).
        clusters: shape (row,); None when rows are independent.
        weights: positive, shape (row,).
    """

    scores: FloatArray
    codes: NDArray[np.intp]
    clusters: NDArray[np.intp] | None
    weights: FloatArray

    def of_group(self, code: int) -> LabelRows:
        """Return the rows of one group."""
        inside = np.flatnonzero(self.codes == code)
        return LabelRows(
            scores=self.scores[inside],
            codes=self.codes[inside],
            clusters=None if self.clusters is None else self.clusters[inside],
            weights=self.weights[inside],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What the rows of one label bring to the variance of an area.

    Attributes:
        variance: of the mean of their shares; infinite for one row or one cluster alone.
        num_clusters: clusters that count, G = W^2 / sum W_c^2; rows where there are no clusters.
        num_effective: independent rows that would say as much: Kish's of the weights over the
            design effect of the clusters, which is at least 1; G where all shares are the same.
    """

    variance: float
    num_clusters: float
    num_effective: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """An area under the ROC curve and where its variance comes from.

    Attributes:
        value: in [0, 1].
        positives: what the positives bring.
        negatives: what the negatives bring.
        covariance: twice that of the two, through clusters that hold rows of either label.
    """

    value: float
    positives: Part
    negatives: Part
    covariance: float

    @property
    def variance(self) -> float:
        """The variance of the value, at least 0."""
        return max(0.0, self.positives.variance + self.negatives.variance + self.covariance)

    def num_effective(self, *, confidence: float) -> float:
        """Return how many independent trials would say as much.

        See :func:`debias.metrics.ranking.group_aucs`.

        Args:
            confidence: of the interval that they are for, in (0, 1).
        """
        parts = self.positives, self.negatives
        fewest = min(part.num_effective for part in parts)
        if math.isinf(self.variance):
            return 0.0
        if self.variance == 0.0:
            return fewest
        # Satterthwaite: the degrees of freedom of a variance that is the sum of two.
        freedom = sum(part.variance for part in parts) ** 2 / sum(
            part.variance**2 / (part.num_clusters - 1.0) for part in parts
        )
        tail = (1.0 - confidence) / 2.0
        few = float(special.stdtrit(max(freedom, 1.0), tail) / special.ndtri(tail))
        return min(self.value * (1.0 - self.value) / (self.variance * few**2), 2.0 * fewest)


def delong(
    *,
    y_true: ArrayLike,
    y_score: ArrayLike,
    clusters: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> Area:
    """Return the area of all rows with its variance, in O(n log n).

    Each positive has the share of negatives below it, each negative the share of positives above
    it. The variance of either's mean, of cluster sums where rows share clusters, adds up to that
    of the area; rows without clusters or weights give DeLong's. With W the sum of weights and
    G = W^2 / sum W_c^2 the clusters that count (the number of clusters where they are of one
    size), each part is G/(G - 1) sum over clusters of (sum of w (share - A) / W)^2.

    Args:
        y_true: as in :func:`by_label`, with positives and negatives.
        y_score: as there.
        clusters: as there.
        sample_weight: as there.

    Raises:
        ValueError: as there, or one of the labels is missing.

    References:
        [DeLong1988] Comparing the areas under two or more correlated receiver operating
        characteristic curves. Biometrics 44.
        [Obuchowski1997] Nonparametric analysis of clustered ROC curve data. Biometrics 53.
    """
    positives, negatives = by_label(
        y_true=y_true,
        y_score=y_score,
        codes=None,
        num_groups=1,
        clusters=clusters,
        sample_weight=sample_weight,
    )
    if positives.scores.size == 0 or negatives.scores.size == 0:
        raise ValueError("an area needs positives and negatives")
    return area(positives, negatives)


def by_label(
    *,
    y_true: ArrayLike,
    y_score: ArrayLike,
    codes: ArrayLike | None,
    num_groups: int,
    clusters: ArrayLike | None,
    sample_weight: ArrayLike | None,
) -> tuple[LabelRows, LabelRows]:
    """Return the checked positives and negatives, each by ascending score.

    Args:
        y_true: 1 for a positive and 0 for a negative, shape (row,).
        y_score: larger is more like a positive; finite, of any scale, shape (row,).
        codes: the group of each row from 0, -1 for none, shape (row,); None puts all rows in one.
        num_groups: how many groups.
        clusters: the person or picture of each row as integers, shape (row,); None when rows are
            independent.
        sample_weight: finite, not negative, shape (row,); None when all rows count the same.

    Raises:
        ValueError: shapes differ, or a label, code, score or weight is not what it must be.
    """
    labels = as_binary(y_true, name="y_true")
    scores = as_rows(y_score, name="y_score", num_rows=labels.size).astype(np.float64)
    if not np.isfinite(scores).all():
        raise ValueError("y_score must be finite throughout")
    groups = as_codes(codes, num_rows=labels.size, num_groups=num_groups)
    weights = as_weights(sample_weight, num_rows=labels.size)
    weights = np.ones(labels.size) if weights is None else weights
    persons = None
    if clusters is not None:
        persons = as_rows(clusters, name="clusters", num_rows=labels.size)
        persons = np.unique(persons, return_inverse=True)[1].astype(np.intp)

    def sorted_rows(chosen: NDArray[np.bool_]) -> LabelRows:
        rows = np.flatnonzero(chosen & (weights > 0))
        rows = rows[np.argsort(scores[rows], kind="stable")]
        return LabelRows(
            scores=scores[rows],
            codes=groups[rows],
            clusters=None if persons is None else persons[rows],
            weights=weights[rows],
        )

    return sorted_rows(labels), sorted_rows(~labels)


def area(positives: LabelRows, negatives: LabelRows) -> Area:
    """Return the area of positives against negatives, at least one of each."""
    below = _shares_below(positives.scores, negatives)
    above = 1.0 - _shares_below(negatives.scores, positives)
    return area_of_shares(positives, negatives, below=below, above=above)


def area_of_shares(
    positives: LabelRows, negatives: LabelRows, *, below: FloatArray, above: FloatArray
) -> Area:
    """Return the area of positives against negatives whose ranks are known.

    Args:
        positives: at least one.
        negatives: at least one.
        below: the share of negatives below each positive, ties counting half, shape (positive,).
        above: the share of positives above each negative, likewise, shape (negative,).
    """
    value = float((positives.weights * below).sum() / positives.weights.sum())
    first, second = _by_cluster(positives, below - value), _by_cluster(negatives, above - value)
    covariance = 0.0
    if positives.clusters is not None and negatives.clusters is not None:
        width = min(first.size, second.size)
        every = np.concatenate([positives.clusters, negatives.clusters])
        num_clusters = int(np.count_nonzero(np.bincount(every)))
        covariance = 2.0 * _unbiased(float(first[:width] @ second[:width]), num_clusters)
    return Area(
        value=value,
        positives=_part(positives, below - value, first),
        negatives=_part(negatives, above - value, second),
        covariance=covariance,
    )


def _shares_below(scores: FloatArray, rows: LabelRows) -> FloatArray:
    """Return the share of ``rows`` below each score, ties counting half."""
    weight = np.concatenate([[0.0], np.cumsum(rows.weights)])
    left = weight[np.searchsorted(rows.scores, scores, side="left")]
    right = weight[np.searchsorted(rows.scores, scores, side="right")]
    return np.asarray((left + right) / (2.0 * weight[-1]), dtype=np.float64)


def _by_cluster(rows: LabelRows, values: FloatArray) -> FloatArray:
    """Return the rows' terms of the weighted mean of ``values``, summed by cluster."""
    terms: FloatArray = rows.weights * values / rows.weights.sum()
    if rows.clusters is None:
        return terms
    return np.asarray(np.bincount(rows.clusters, weights=terms), dtype=np.float64)


def _part(rows: LabelRows, residuals: FloatArray, sums: FloatArray) -> Part:
    """Return what rows bring to the variance, from their residuals and the sums by cluster."""
    weights = rows.weights / rows.weights.sum()
    num_rows = 1.0 / float(weights @ weights)
    share = _by_cluster(rows, np.ones(weights.size))
    num_clusters = 1.0 / float(share @ share)
    variance = _unbiased(float(sums @ sums), num_clusters)
    independent = _unbiased(float(np.sum((weights * residuals) ** 2)), num_rows)
    num_effective = num_clusters
    if 0.0 < independent < math.inf:
        num_effective = num_rows / max(1.0, variance / independent)
    return Part(variance=variance, num_clusters=num_clusters, num_effective=num_effective)


def _unbiased(squares: float, number: float) -> float:
    """Return a sum of squares times G/(G - 1); infinite for a single one."""
    return squares * number / (number - 1.0) if number > 1.0 + 1e-9 else math.inf
