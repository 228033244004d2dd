"""Figures from counts by cell, label, decision and bin; see :mod:`debias.metrics.score_counts`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from debias.metrics.areas import Area, Part
from debias.metrics.intervals import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BinnedAuc:
    """The area under the ROC curve, from bins of scores.

    Attributes:
        value: ties within a bin count one half, in [0, 1]; NaN without positives or negatives.
        low: what it is at least, however scores lie within their bins.
        high: what it is at most. The three agree where each bin holds one distinct score.
        num_positives: shape (...).
        num_negatives: the same.
        variance_of_positives: what positives bring to DeLong's variance, ties within a bin counted
            alike; infinite for one alone.
        variance_of_negatives: what negatives bring.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    num_positives: FloatArray
    num_negatives: FloatArray
    variance_of_positives: FloatArray
    variance_of_negatives: FloatArray

    def areas(self) -> list[Area | None]:
        """Return each as :mod:`debias.metrics.ranking` has it, which gives its interval.

        Returns:
            None where there are no positives or no negatives.
        """
        columns = (
            self.value,
            self.num_positives,
            self.num_negatives,
            self.variance_of_positives,
            self.variance_of_negatives,
        )
        rows = zip(*(np.ravel(column).tolist() for column in columns), strict=True)
        return [
            Area(
                value=value,
                positives=Part(variance=of_p, num_clusters=num_p, num_effective=num_p),
                negatives=Part(variance=of_n, num_clusters=num_n, num_effective=num_n),
                covariance=0.0,
            )
            if num_p and num_n
            else None
            for value, num_p, num_n, of_p, of_n in rows
        ]


def binned_auc(
    *, positives: ArrayLike, negatives: ArrayLike, is_exact: ArrayLike = False
) -> BinnedAuc:
    """Return the probability that a positive scores above a negative, ties counted one half.

    Args:
        positives: in each bin of ascending scores, shape (..., bin).
        negatives: the same; one pool for all groups has shape (bin,).
        is_exact: whether a bin holds one distinct score, shape (bin,).

    References:
        [DeLong1988] Comparing the areas under two or more correlated receiver operating
        characteristic curves. Biometrics 44.
    """
    p, n = np.broadcast_arrays(
        np.asarray(positives, dtype=np.float64), np.asarray(negatives, dtype=np.float64)
    )
    num_p, num_n = p.sum(axis=-1), n.sum(axis=-1)
    below = np.cumsum(n, axis=-1) - n / 2.0
    above = num_p[..., None] - np.cumsum(p, axis=-1) + p / 2.0
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (p * below).sum(axis=-1) / (num_p * num_n)
        spread = (p * n * ~np.asarray(is_exact, dtype=np.bool_)).sum(axis=-1)
        bound = spread / (2.0 * num_p * num_n)
        of_p = (p * (below / num_n[..., None] - value[..., None]) ** 2).sum(axis=-1)
        of_n = (n * (above / num_p[..., None] - value[..., None]) ** 2).sum(axis=-1)
        of_p = np.where(num_p > 1, of_p / (num_p * (num_p - 1.0)), np.inf)
        of_n = np.where(num_n > 1, of_n / (num_n * (num_n - 1.0)), np.inf)
    return BinnedAuc(
        value=np.asarray(value),
        low=np.asarray(value - bound),
        high=np.asarray(value + bound),
        num_positives=num_p,
        num_negatives=num_n,
        variance_of_positives=of_p,
        variance_of_negatives=of_n,
    )
