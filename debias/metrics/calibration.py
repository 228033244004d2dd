"""Whether scores are the probabilities that they look like.

A score is calibrated where, of the rows that have it, as large a share is positive. That is a
statement about scores in [0, 1] and about the mix of positives and negatives that was judged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias.metrics.calibration_bins import (
    NO_PROBABILITIES,
    NUM_BINS,
    POOLED_CALIBRATION,
    Calibration,
    calibration_of_bins,
    no_calibration,
    not_calibrated,
    parts_of_equal_mass,
)
from debias.metrics.design_effects import cluster_units, design_effects
from debias.metrics.intervals import FloatArray
from debias.metrics.measures import Negatives
from debias.metrics.tally import as_binary, as_codes, as_rows, as_weights


def calibration(
    *,
    y_true: ArrayLike,
    y_score: ArrayLike,
    num_bins: int = NUM_BINS,
    clusters: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Calibration:
    """Return the reliability bins of all rows and their expected calibration error.

    Bins hold the same number of rows as far as ties allow, which are never split. The error is
    sum over bins of w |y - s|, w the bin's weight, y its share of positives and s its mean score.
    It is the error of the bins as they are: within a bin, over- and underconfidence cancel.

    Chance alone makes it positive: the value is left as it was found, and ``expected_by_chance``
    stands beside it. With se the standard error of y - s (by clusters where there are any, never
    below that of a calibrated bin), |y - s| is too large by sqrt(2 / pi) se at most, so the
    interval is [E - sqrt(2 / pi) sum w se - z sqrt(sum (w se)^2), E + z sqrt(sum (w se)^2)],
    within [0, 1]. It is conservative: for 200 to 5,000 rows, calibrated or not, it covers 97 to
    100 %.

    Args:
        y_true: 1 for a positive and 0 for a negative, shape (row,).
        y_score: probabilities of a positive, finite, shape (row,).
        num_bins: how many bins, at least 1.
        clusters: the person or picture of each row as integers, shape (row,); None when rows are
            independent.
        sample_weight: finite, not negative, shape (row,); None when all rows count the same.
        confidence: of the intervals, in (0, 1).

    Returns:
        With status "not_applicable" where a score lies outside [0, 1] or all rows have one label,
        and "not_estimable" where there are no rows.

    Raises:
        ValueError: shapes differ, or a label, score or weight is not what it must be.

    References:
        [Guo2017] On calibration of modern neural networks. ICML.
        [Nixon2019] Measuring calibration in deep learning. CVPR workshops.
    """
    return group_calibrations(
        y_true=y_true,
        y_score=y_score,
        codes=None,
        num_groups=1,
        negatives="grouped",
        num_bins=num_bins,
        clusters=clusters,
        sample_weight=sample_weight,
        confidence=confidence,
    )[0]


def group_calibrations(
    *,
    y_true: ArrayLike,
    y_score: ArrayLike,
    codes: ArrayLike | None,
    num_groups: int,
    negatives: Negatives,
    num_bins: int = NUM_BINS,
    clusters: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> tuple[Calibration, ...]:
    """Return the calibration of each group, each with bins of its own; see :func:`calibration`.

    Args:
        y_true: see :func:`calibration`.
        y_score: see there.
        codes: the group of each row from 0, -1 for none, shape (row,); None puts all rows in one.
        num_groups: how many groups.
        negatives: with a "pool", calibration by group is not applicable.
        num_bins: see :func:`calibration`.
        clusters: see there.
        sample_weight: see there.
        confidence: of the intervals.

    Raises:
        ValueError: as :func:`calibration`, or a code is not of a group.
    """
    if num_bins < 1:
        raise ValueError(f"{num_bins} bins; there must be at least 1")
    labels = as_binary(y_true, name="y_true")
    scores = as_rows(y_score, name="y_score", num_rows=labels.size).astype(np.float64)
    if not np.isfinite(scores).all():
        raise ValueError("y_score must be finite throughout")
    groups = as_codes(codes, num_rows=labels.size, num_groups=num_groups)
    weights = as_weights(sample_weight, num_rows=labels.size)
    persons = None
    if clusters is not None:
        persons = as_rows(clusters, name="clusters", num_rows=labels.size)
    if negatives == "pool":
        return (not_calibrated("not_applicable", POOLED_CALIBRATION),) * num_groups
    if scores.size and (scores.min() < 0.0 or scores.max() > 1.0):
        return (not_calibrated("not_applicable", NO_PROBABILITIES),) * num_groups
    inside = np.ones(labels.size, dtype=np.bool_) if weights is None else weights > 0
    found = []
    for code in range(num_groups):
        rows = np.flatnonzero((groups == code) & inside)
        found.append(
            _calibration(
                labels[rows],
                scores[rows],
                num_bins=num_bins,
                clusters=None if persons is None else persons[rows],
                weights=None if weights is None else weights[rows],
                confidence=confidence,
            )
        )
    return tuple(found)


def _calibration(
    labels: NDArray[np.bool_],
    scores: FloatArray,
    *,
    num_bins: int,
    clusters: NDArray[np.integer] | None,
    weights: FloatArray | None,
    confidence: float,
) -> Calibration:
    """Return the calibration of the rows of one group, their scores in [0, 1]."""
    nothing = no_calibration(num_rows=labels.size, num_positives=int(np.count_nonzero(labels)))
    if nothing is not None:
        return nothing
    codes = _equal_mass(scores, num_bins)
    size = int(codes.max()) + 1
    w = np.ones(labels.size) if weights is None else weights
    total = np.bincount(codes, weights=w)
    n = np.bincount(codes)
    share, claim = (np.bincount(codes, weights=w * x) / total for x in (labels, scores))
    units = None if clusters is None else cluster_units(codes=codes, clusters=clusters)
    effects = design_effects(
        values=labels,
        codes=codes,
        num_groups=size,
        units=units,
        weights=weights,
        confidence=confidence,
    ).values
    return calibration_of_bins(
        num_rows=n,
        num_positives=np.bincount(codes, weights=labels),
        weight=total,
        share=share,
        mean_score=claim,
        squared_error=np.bincount(codes, weights=w * (labels - scores) ** 2) / total,
        variance=np.bincount(codes, weights=w * scores * (1.0 - scores)) / total,
        effects=effects,
        confidence=confidence,
    )


def _equal_mass(scores: FloatArray, num_bins: int) -> NDArray[np.intp]:
    """Return the bin of each row, from 0 without gaps: equal parts of the mid-ranks."""
    _, values, counts = np.unique(scores, return_inverse=True, return_counts=True)
    return parts_of_equal_mass(counts, num_parts=num_bins)[values]
