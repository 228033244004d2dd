"""What scores say whatever the threshold: areas under the ROC curve, and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from debias.metrics.calibration import calibration, group_calibrations
from debias.metrics.calibration_bins import Calibration, not_calibrated
from debias.metrics.counts import Grouping
from debias.metrics.evaluation import GroupedRows
from debias.metrics.measures import Measure, Negatives
from debias.metrics.ranking import group_aucs, overall_auc


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreMeasures:
    """What scores say whatever the threshold.

    Attributes:
        auc: of all rows.
        calibration: of all rows.
        aucs: for each grouping, of each group.
        calibrations: the same.
    """

    auc: Measure
    calibration: Calibration
    aucs: tuple[tuple[Measure, ...], ...]
    calibrations: tuple[tuple[Calibration, ...], ...]


def score_measures(
    *,
    y_true: ArrayLike,
    y_score: ArrayLike,
    groupings: Sequence[GroupedRows],
    negatives: Negatives,
    clusters: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> ScoreMeasures:
    """Return areas and calibration, of all rows and by group.

    Args:
        y_true: 1 for a face and 0 for a negative, shape (row,).
        y_score: larger is more like a face, shape (row,).
        groupings: who belongs where.
        negatives: whether they are one pool, or belong to groups.
        clusters: the person or picture of each row as integers, shape (row,).
        sample_weight: of each row, shape (row,).
        confidence: of the intervals, in (0, 1).
    """
    labels = np.asarray(y_true)
    aucs, calibrations = [], []
    for item in groupings:
        codes = np.full(labels.size, -1, dtype=np.intp)
        codes[item.rows] = item.grouping.codes
        num_groups = len(item.grouping.groups)
        aucs.append(
            group_aucs(
                y_true=labels,
                y_score=y_score,
                codes=codes,
                num_groups=num_groups,
                negatives=negatives,
                clusters=clusters,
                sample_weight=sample_weight,
                confidence=confidence,
            )
        )
        calibrations.append(
            group_calibrations(
                y_true=labels,
                y_score=y_score,
                codes=codes,
                num_groups=num_groups,
                negatives=negatives,
                clusters=clusters,
                sample_weight=sample_weight,
                confidence=confidence,
            )
        )
    return ScoreMeasures(
        auc=overall_auc(
            y_true=labels,
            y_score=y_score,
            clusters=clusters,
            sample_weight=sample_weight,
            confidence=confidence,
        ),
        calibration=calibration(
            y_true=labels,
            y_score=y_score,
            clusters=clusters,
            sample_weight=sample_weight,
            confidence=confidence,
        ),
        aucs=tuple(aucs),
        calibrations=tuple(calibrations),
    )


def no_score_measures(*, groupings: Sequence[Grouping], reason: str) -> ScoreMeasures:
    """Return that nothing of the kind is applicable, and why.

    Args:
        groupings: who belongs where.
        reason: a sentence.
    """
    auc = Measure(status="not_applicable", reason=reason)
    calibrated = not_calibrated("not_applicable", reason)
    sizes = [len(item.groups) for item in groupings]
    return ScoreMeasures(
        auc=auc,
        calibration=calibrated,
        aucs=tuple((auc,) * size for size in sizes),
        calibrations=tuple((calibrated,) * size for size in sizes),
    )
