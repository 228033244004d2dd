"""What a report finds at each threshold, and over all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from debias.data.predictions import Decisions
from debias.errors import TooFewNegativesError
from debias.jobs.report_rows import JudgedRows
from debias.metrics.evaluation import evaluate
from debias.metrics.intervals import FloatArray
from debias.metrics.operating_point import operating_point
from debias.metrics.score_measures import ScoreMeasures, no_score_measures, score_measures
from debias.metrics.sweep import sweep
from debias.reporting.point_document import operating_point_json, refused_json
from debias.reporting.point_schema import OperatingPointJson, PointSource
from debias.reporting.score_document import sweep_json
from debias.reporting.score_schema import SweepJson
from debias.reporting.settings import ReportSettings
from debias.seeding import numpy_generator

OR_THRESHOLD = ", or give the threshold itself (--threshold)"
"""What else a refused target leaves, after what the refusal advises."""
NO_SCORES = "There are decisions, but no scores."
SEVERAL_MODELS = "The scores of several models are not on one scale."


def scored(judged: JudgedRows, settings: ReportSettings) -> ScoreMeasures:
    """Return what the scores say whatever the threshold."""
    if not judged.table.has_scores or judged.several_models:
        reason = SEVERAL_MODELS if judged.table.has_scores else NO_SCORES
        return no_score_measures(
            groupings=[item.grouping for item in judged.groupings], reason=reason
        )
    return score_measures(
        y_true=judged.y_true,
        y_score=judged.scores,
        groupings=judged.groupings,
        negatives=judged.negatives,
        clusters=judged.clusters,
        sample_weight=judged.sample_weight,
        confidence=settings.confidence,
    )


def operating_points(
    judged: JudgedRows,
    decisions: Decisions | None,
    scores: ScoreMeasures,
    settings: ReportSettings,
) -> list[OperatingPointJson]:
    """Return what is found at the threshold that came along, then at each target."""
    points = []
    if decisions is not None:
        points.append(
            _at_threshold(
                judged,
                decisions.answers,
                scores,
                settings,
                source=decisions.source,
                target_fpr=decisions.target_fpr,
                threshold=decisions.threshold,
            )
        )
    return points + [_at_target(judged, target, scores, settings) for target in settings.target_fpr]


def threshold_sweep(
    judged: JudgedRows, points: Sequence[OperatingPointJson], settings: ReportSettings
) -> SweepJson | None:
    """Return how rates move with the threshold, by way of those of the operating points.

    None without scores, with those of several models, and where rows have weights.
    """
    if not judged.table.has_scores or judged.several_models or judged.sample_weight is not None:
        return None
    faces, negatives = judged.y_true, ~judged.y_true
    found = sweep(
        face_scores=judged.scores[faces],
        negative_scores=judged.scores[negatives],
        groupings=[judged.part_of(item, faces) for item in judged.of_everybody],
        negative_groupings=None
        if judged.negatives == "pool"
        else [judged.part_of(item, negatives) for item in judged.of_everybody],
        generator=numpy_generator(settings.seed, "sweep"),
        operating_points=[point["threshold"] for point in points if point["threshold"] is not None],
        face_clusters=judged.clusters[faces],
        num_thresholds=settings.num_sweep,
        min_group_size=settings.min_group_size,
        confidence=settings.confidence,
        min_false_positives=settings.min_false_positives,
    )
    return None if found is None else sweep_json(found)


def target_thresholds(
    judged: JudgedRows, target_fpr: float, settings: ReportSettings
) -> FloatArray:
    """Return the threshold of each row, shape (row,): each trained model has its own."""
    table = judged.table.table
    thresholds = np.empty(len(table))
    seeds = table["seed"].to_numpy() if judged.table.seeds else np.zeros(len(table))
    for seed in judged.table.seeds or (0.0,):
        rows = seeds == seed
        thresholds[rows] = operating_point(
            y_score_negatives=judged.scores[rows & ~judged.y_true],
            y_score_faces=judged.scores[rows & judged.y_true],
            target_fpr=target_fpr,
            min_false_positives=settings.min_false_positives,
        ).threshold
    return thresholds


def _at_target(
    judged: JudgedRows, target_fpr: float, scores: ScoreMeasures, settings: ReportSettings
) -> OperatingPointJson:
    """Return what the thresholds give that these negatives set for a false-positive rate."""
    if not judged.table.has_scores:
        return refused_json(target_fpr=target_fpr, reason="there are decisions, but no scores")
    try:
        thresholds = target_thresholds(judged, target_fpr, settings)
    except TooFewNegativesError as error:
        return refused_json(target_fpr=target_fpr, reason=f"{error}{OR_THRESHOLD}")
    return _at_threshold(
        judged,
        judged.scores >= thresholds,
        scores,
        settings,
        source="test",
        target_fpr=target_fpr,
        threshold=None if judged.several_models else float(thresholds[0]),
    )


def _at_threshold(
    judged: JudgedRows,
    answers: NDArray[np.bool_],
    scores: ScoreMeasures,
    settings: ReportSettings,
    *,
    source: PointSource,
    target_fpr: float | None,
    threshold: float | None,
) -> OperatingPointJson:
    name = "decisions" if source != "test" else f"target {target_fpr!r}"
    found = evaluate(
        y_true=judged.y_true,
        y_pred=answers,
        groupings=judged.groupings,
        negatives=judged.negatives,
        clusters=judged.clusters,
        sample_weight=judged.sample_weight,
        generator=numpy_generator(settings.seed, "report", name),
        min_group_size=settings.min_group_size,
        margin=settings.margin,
        confidence=settings.confidence,
    )
    return operating_point_json(
        found,
        scored=scores,
        source=source,
        target_fpr=target_fpr,
        threshold=threshold,
    )
