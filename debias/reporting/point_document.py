"""What is found at one threshold to the plain data of ``report.json``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from debias.metrics.calibration_bins import Calibration
from debias.metrics.evaluation import Evaluation, GroupingResult
from debias.metrics.measures import Measure, Measures
from debias.metrics.score_measures import ScoreMeasures
from debias.reporting.measure_document import finite, group_name, measure_json, rate_json, statuses
from debias.reporting.measure_schema import MeasuresJson
from debias.reporting.point_schema import (
    GapJson,
    GroupingJson,
    GroupJson,
    OperatingPointJson,
    PairJson,
    PointSource,
    ShrunkenJson,
    VerdictJson,
    WorstRecallJson,
)


def operating_point_json(
    evaluation: Evaluation,
    *,
    scored: ScoreMeasures,
    source: PointSource,
    target_fpr: float | None,
    threshold: float | None,
) -> OperatingPointJson:
    """Return what was found at one threshold as plain data.

    Args:
        evaluation: of the answers.
        scored: what the scores say whatever the threshold, of the same groupings.
        source: where the threshold comes from.
        target_fpr: that it was set for, if it was.
        threshold: None where it is not known, or not the same for all rows.
    """
    return {
        "source": source,
        "target_fpr": target_fpr,
        "status": "estimated",
        "reason": None,
        "threshold": threshold,
        "fpr": rate_json(evaluation.fpr),
        "expected_false_positives": None
        if target_fpr is None
        else target_fpr * evaluation.fpr.num_effective,
        "recall": rate_json(evaluation.recall),
        "measures": _measures_json(evaluation.measures, scored.auc, scored.calibration),
        "groupings": [
            _grouping_json(result, aucs=aucs, calibrations=calibrations)
            for result, aucs, calibrations in zip(
                evaluation.groupings, scored.aucs, scored.calibrations, strict=True
            )
        ],
    }


def refused_json(*, target_fpr: float, reason: str) -> OperatingPointJson:
    """Return the entry of a target that the data cannot resolve."""
    return {
        "source": "test",
        "target_fpr": target_fpr,
        "status": "refused",
        "reason": reason,
        "threshold": None,
        "fpr": None,
        "expected_false_positives": None,
        "recall": None,
        "measures": None,
        "groupings": [],
    }


def _measures_json(measures: Measures, auc: Measure, calibration: Calibration) -> MeasuresJson:
    return {
        "recall": measure_json(measures.recall),
        "fpr": measure_json(measures.fpr),
        "precision": measure_json(measures.precision),
        "accuracy": measure_json(measures.accuracy),
        "balanced_accuracy": measure_json(measures.balanced_accuracy),
        "selection_rate": measure_json(measures.selection_rate),
        "auc": measure_json(auc),
        "ece": measure_json(calibration.error),
    }


def _grouping_json(
    result: GroupingResult, *, aucs: Sequence[Measure], calibrations: Sequence[Calibration]
) -> GroupingJson:
    ranked = [result.groups[position] for position in result.ranked]
    num_faces = np.array([rate.num_trials for rate in result.recall], dtype=np.int64)
    status = statuses(result.groups, num_faces, result.ranked)
    negatives = result.num_negatives
    groups: list[GroupJson] = [
        {
            "name": group_name(values),
            "values": list(values),
            "recall": rate_json(result.recall[code]),
            "status": status[code],
            "effective_size": float(result.effective_sizes[code]),
            "num_negatives": None if negatives is None else int(negatives[code]),
            "measures": _measures_json(result.measures[code], aucs[code], calibrations[code]),
            "shrunken_recall": _shrunken_json(result, code),
        }
        for code, values in enumerate(result.groups)
    ]
    gap, chance = _gap_json(result, ranked), result.accuracies.null_variance
    return {
        "name": group_name(result.columns),
        "columns": list(result.columns),
        "within": dict(result.within),
        "groups": groups,
        "num_ranked": len(ranked),
        "worst": None if gap is None else gap["worst"],
        "worst_recall": _worst_recall_json(result, ranked),
        "gap": gap,
        "mean_of_groups": finite(result.accuracies.mean_of_groups.value),
        "mean_of_groups_low": finite(result.accuracies.mean_of_groups.low),
        "mean_of_groups_high": finite(result.accuracies.mean_of_groups.high),
        "mean_of_images": finite(result.accuracies.mean_of_images.value),
        "mean_of_images_low": finite(result.accuracies.mean_of_images.low),
        "mean_of_images_high": finite(result.accuracies.mean_of_images.high),
        "variance": finite(result.accuracies.variance.value),
        "variance_low": finite(result.accuracies.variance.low),
        "variance_high": finite(result.accuracies.variance.high),
        "variance_null_median": None if chance is None else chance.median,
        "variance_null_percentile_95": None if chance is None else chance.percentile_95,
        "variance_null_p_value": None if chance is None else chance.p_value,
        "pairs": _pairs_json(result, ranked),
        "verdict": _verdict_json(result),
        "disparities": [
            {
                "name": item.name,
                "kind": item.kind,
                "method": item.method,
                "status": item.status,
                "value": finite(item.value),
                "low": finite(item.low),
                "high": finite(item.high),
                "null_median": finite(item.null_median),
                "reason": item.reason,
            }
            for item in result.disparities
        ],
    }


def _shrunken_json(result: GroupingResult, code: int) -> ShrunkenJson | None:
    shrunken = result.shrunken[code]
    if not math.isfinite(shrunken.value):
        return None
    return {"value": shrunken.value, "low": shrunken.low, "high": shrunken.high}


def _worst_recall_json(
    result: GroupingResult, ranked: Sequence[tuple[str, ...]]
) -> WorstRecallJson | None:
    found = result.worst_recall
    if found is None:
        return None
    values = ranked[found.group]
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "group": group_name(values),
        "values": list(values),
    }


def _pairs_json(result: GroupingResult, ranked: Sequence[tuple[str, ...]]) -> list[PairJson]:
    return [
        {
            "first": group_name(ranked[pair.first]),
            "first_values": list(ranked[pair.first]),
            "second": group_name(ranked[pair.second]),
            "second_values": list(ranked[pair.second]),
            "difference": pair.difference,
            "low": pair.low,
            "high": pair.high,
            "p_value": pair.p_value,
            "adjusted_p_value": adjusted,
            "family_low": pair.family_low,
            "family_high": pair.family_high,
            "equivalence_p_value": pair.equivalence_p_value,
        }
        for pair, adjusted in zip(result.pairs, result.adjusted_p_values, strict=True)
    ]


def _verdict_json(result: GroupingResult) -> VerdictJson | None:
    found = result.verdict
    if found is None:
        return None
    return {
        "verdict": found.verdict,
        "margin": found.margin,
        "num_pairs": found.num_pairs,
        "num_different": found.num_different,
        "equivalence_p_value": found.equivalence_p_value,
        "needed_per_group": found.needed_per_group,
    }


def _gap_json(result: GroupingResult, ranked: Sequence[tuple[str, ...]]) -> GapJson | None:
    if result.gap is None or result.null_gap is None:
        return None
    worst, best = ranked[result.gap.worst], ranked[result.gap.best]
    return {
        "value": result.gap.value,
        "low": result.gap.low,
        "high": result.gap.high,
        "worst": group_name(worst),
        "worst_values": list(worst),
        "best": group_name(best),
        "best_values": list(best),
        "null_median": result.null_gap.median,
        "null_percentile_95": result.null_gap.percentile_95,
        "null_p_value": result.null_gap.p_value,
    }
