"""How far two measurements of the same images go together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from debias.metrics.intervals import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCorrelation:
    """Spearman's rank correlation.

    Attributes:
        value: in [-1, 1]; NaN where either measurement is the same for all images.
        low: lower limit; NaN where ``value`` is, or is in every sample.
        high: upper limit; NaN where ``low`` is.
        largest: what it would be if both put the images in the same order. Below 1 where one has
            ties that the other has not.
    """

    value: float
    low: float
    high: float
    largest: float


def rank_correlation(
    *,
    first: ArrayLike,
    second: ArrayLike,
    generator: np.random.Generator,
    num_replicates: int = 1000,
    confidence: float = 0.95,
) -> RankCorrelation:
    """Return Spearman's correlation: Pearson's, of the ranks; tied values share their mean rank.

    The interval is that of percentiles over samples of the images with replacement.

    Args:
        first: shape (image,), finite.
        second: shape (image,), finite.
        generator: draws the samples.
        num_replicates: how many samples.
        confidence: of the interval, in (0, 1).

    Raises:
        ValueError: the shapes differ or are not (image,), or a value is not finite.

    References:
        [Spearman1904] The proof and measurement of association between two things. Am. J. Psych.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.ndim != 1 or one.shape != other.shape:
        raise ValueError(
            f"the measurements are of shapes {one.shape} and {other.shape}, and must be of the "
            "same images"
        )
    pair = np.stack([one, other])
    if not np.isfinite(pair).all():
        raise ValueError("the measurements must be finite, every one")
    ranks = stats.rankdata(pair, axis=1)
    value = _correlation(ranks)
    if math.isnan(value):
        return RankCorrelation(value=value, low=value, high=value, largest=value)
    num_images = pair.shape[1]
    drawn = np.array(
        [
            _correlation(stats.rankdata(pair[:, rows], axis=1))
            for rows in generator.integers(num_images, size=(num_replicates, num_images))
        ]
    )
    estimable = drawn[np.isfinite(drawn)]
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(estimable, [tail, 1.0 - tail]) if estimable.size else (math.nan,) * 2
    return RankCorrelation(
        value=value,
        low=float(low),
        high=float(high),
        largest=_correlation(np.sort(ranks, axis=1)),
    )


def _correlation(ranks: FloatArray) -> float:
    """Return Pearson's correlation of two rows; NaN where one of them is constant."""
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    spread = math.sqrt(float((centred[0] ** 2).sum()) * float((centred[1] ** 2).sum()))
    return float(centred[0] @ centred[1]) / spread if spread > 0 else math.nan
