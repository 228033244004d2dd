"""What scores say whatever the threshold, of rows that are counted in bins of scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from debias.metrics.counted_calibration import (
    ScoreSums,
    counted_calibration,
    counted_group_calibrations,
)
from debias.metrics.measures import Measure, Negatives
from debias.metrics.ranking import POOLED_AUC, area_measure, no_area
from debias.metrics.score_counts import IntArray, ScoreCounts
from debias.metrics.score_figures import binned_auc
from debias.metrics.score_measures import ScoreMeasures


def counted_score_measures(
    counts: ScoreCounts,
    sums: ScoreSums,
    *,
    columns: Sequence[Sequence[str]],
    negatives: Negatives,
    confidence: float = 0.95,
) -> ScoreMeasures:
    """Return what :func:`debias.metrics.score_measures.score_measures` does of independent rows.

    Areas are those of the bins, rows of a bin counting as tied; calibration is that of
    :func:`debias.metrics.counted_calibration.counted_group_calibrations`.

    Args:
        counts: of the rows.
        sums: of the same.
        columns: the attributes of each grouping.
        negatives: whether they are one pool, or belong to groups.
        confidence: of the intervals, in (0, 1).
    """
    by_cell = counts.counts.transpose(1, 0, 2)  # (cell, label, bin)
    everybody = by_cell.sum(axis=0)[None]
    pooled = negatives == "pool"
    aucs, calibrations = [], []
    for names in columns:
        table = counts.marginal(names, by_cell, faces_only=pooled).counts
        others = everybody[:, 0] if pooled else table[:, 0]
        reason = POOLED_AUC if pooled else None
        aucs.append(_areas(counts, table[:, 1], others, reason=reason, confidence=confidence))
        calibrations.append(
            counted_group_calibrations(
                counts,
                sums,
                grouping=counts.grouping(names, faces_only=pooled),
                negatives=negatives,
                confidence=confidence,
            )
        )
    (auc,) = _areas(counts, everybody[:, 1], everybody[:, 0], reason=None, confidence=confidence)
    return ScoreMeasures(
        auc=auc,
        calibration=counted_calibration(counts, sums, confidence=confidence),
        aucs=tuple(aucs),
        calibrations=tuple(calibrations),
    )


def _areas(
    counts: ScoreCounts,
    positives: IntArray,
    negatives: IntArray,
    *,
    reason: str | None,
    confidence: float,
) -> tuple[Measure, ...]:
    """Return the area of each group; positives are of shape (group, bin)."""
    areas = binned_auc(positives=positives, negatives=negatives, is_exact=counts.is_exact).areas()
    negatives = np.broadcast_to(negatives, positives.shape)
    sizes = zip(positives.sum(axis=-1).tolist(), negatives.sum(axis=-1).tolist(), strict=True)
    return tuple(
        no_area(num_positives=num_positives, num_negatives=num_negatives)
        if area is None
        else area_measure(
            area, num_rows=num_positives + num_negatives, reason=reason, confidence=confidence
        )
        for area, (num_positives, num_negatives) in zip(areas, sizes, strict=True)
    )
