"""Results of ``debias.metrics`` to the plain data of ``report.json``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from debias.data.joining import FaceAttributes, NegativesMode
from debias.data.predictions import Predictions
from debias.metrics.calibration import Calibration
from debias.metrics.comparison import (
    Comparison,
    Difference,
    GroupingComparison,
    MovedThreshold,
)
from debias.metrics.counts import UNKNOWN, attribute_values
from debias.metrics.evaluation import Evaluation, GroupingResult
from debias.metrics.intervals import Rate
from debias.metrics.measures import Measure, Measures
from debias.metrics.score_measures import ScoreMeasures
from debias.metrics.seeds import SeedFigure
from debias.metrics.sweep import Sweep
from debias.reporting.schema import (
    AttributeJson,
    CalibrationJson,
    ComparisonPointJson,
    DifferenceJson,
    GapJson,
    GroupingComparisonJson,
    GroupingJson,
    GroupJson,
    JoinJson,
    MeasureJson,
    MeasuresJson,
    MovedThresholdJson,
    OperatingPointJson,
    PairJson,
    RateJson,
    RowsJson,
    SeedFigureJson,
    ShrunkenJson,
    SweepJson,
    VerdictJson,
    WorstRecallJson,
)

Status = Literal["ranked", "small", "empty", "unknown"]


def group_name(values: Sequence[str]) -> str:
    """Return how a group or grouping is called: its parts with an x between."""
    return " x ".join(values) if values else "all"


def rate_json(rate: Rate) -> RateJson:
    """Return a rate as plain data."""
    return {
        "num_successes": rate.num_successes,
        "num_trials": rate.num_trials,
        "value": _finite(rate.value),
        "low": _finite(rate.low),
        "high": _finite(rate.high),
        "design_effect": _finite(rate.design_effect),
    }


def measure_json(measure: Measure) -> MeasureJson:
    """Return a measure as plain data."""
    return {
        "status": measure.status,
        "value": _finite(measure.value),
        "low": _finite(measure.low),
        "high": _finite(measure.high),
        "num_successes": measure.num_successes,
        "num_trials": measure.num_trials,
        "reason": measure.reason,
    }


def operating_point_json(
    evaluation: Evaluation,
    *,
    scored: ScoreMeasures,
    source: Literal["stored", "decisions", "test"],
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


def calibration_json(calibration: Calibration) -> CalibrationJson:
    """Return whether scores are probabilities as plain data."""
    estimated = calibration.error.status == "estimated"
    return {
        "status": "estimated" if estimated else "not_applicable",
        "reason": None if estimated else calibration.error.reason,
        "bins": [
            {
                "num_rows": item.num_rows,
                "mean_score": item.mean_score,
                "share": rate_json(item.share),
            }
            for item in calibration.bins
        ],
    }


def moved_threshold_json(moved: MovedThreshold | None) -> MovedThresholdJson | None:
    """Return what a moved threshold alone would bring as plain data."""
    if moved is None:
        return None
    return {
        "fpr": moved.fpr[0],
        "other_fpr": moved.fpr[1],
        "gain": moved.gain,
        "gain_at_same_fpr": moved.gain_at_same_fpr,
    }


def sweep_json(found: Sweep) -> SweepJson:
    """Return a threshold sweep as plain data."""
    return {
        "thresholds": found.thresholds.tolist(),
        "fpr": found.fpr.tolist(),
        "recall": found.recall.tolist(),
        "groupings": [
            {
                "name": group_name(item.columns),
                "columns": list(item.columns),
                "groups": [
                    {
                        "name": group_name(group.values),
                        "values": list(group.values),
                        "num_faces": group.num_faces,
                        "recall": group.recall.tolist(),
                        "low": group.low.tolist(),
                        "high": group.high.tolist(),
                        "fpr": None if group.fpr is None else group.fpr.tolist(),
                    }
                    for group in item.groups
                ],
                "worst_recall": item.worst_recall.tolist(),
                "gap": item.gap.tolist(),
                "null_median": item.null_median.tolist(),
            }
            for item in found.groupings
            if len(item.groups) > 1
        ],
    }


def seed_figure_json(figure: SeedFigure) -> SeedFigureJson:
    """Return a figure over several trained models as plain data."""
    return {
        "name": figure.name,
        "columns": list(figure.columns),
        "values": list(figure.values),
        "mean": figure.mean,
        "standard_deviation": _finite(figure.standard_deviation),
        "low": _finite(figure.low),
        "high": _finite(figure.high),
    }


def comparison_json(comparison: Comparison, *, target_fpr: float) -> ComparisonPointJson:
    """Return what two models do at one false-positive rate as plain data."""
    first, second = comparison.fpr
    return {
        "target_fpr": target_fpr,
        "status": "estimated",
        "reason": None,
        "fpr": rate_json(first),
        "other_fpr": rate_json(second),
        "groupings": [_grouping_comparison_json(result) for result in comparison.groupings],
    }


def refused_comparison_json(*, target_fpr: float, reason: str) -> ComparisonPointJson:
    """Return the entry of a target that the common non-faces cannot resolve."""
    return {
        "target_fpr": target_fpr,
        "status": "refused",
        "reason": reason,
        "fpr": None,
        "other_fpr": None,
        "groupings": [],
    }


def rows_json(table: Predictions, *, negatives: NegativesMode) -> RowsJson:
    """Return which images the predictions are of.

    Args:
        table: the predictions.
        negatives: whether negatives belong to groups.
    """
    return {
        "chosen": table.rows,
        "num_in_file": table.num_rows,
        "num_unlabelled": table.num_unlabelled,
        "seen_splits": list(table.seen_splits),
        "num_faces": len(table.faces),
        "num_faces_identified": table.num_identified,
        "num_persons": table.num_persons if table.num_identified else None,
        "num_negatives": len(table.negatives),
        "num_pictures": table.negatives["cluster"].nunique(),
        "negatives": negatives,
        "has_weights": table.has_weights,
    }


def attributes_json(known: FaceAttributes) -> list[AttributeJson]:
    """Return what the attributes are and how often they are unknown."""
    return [
        {
            "name": name,
            "provenance": known.provenance[name],
            "num_unknown": int(np.sum(attribute_values(known.table[name]) == UNKNOWN)),
        }
        for name in known.table.columns
    ]


def join_json(known: FaceAttributes) -> JoinJson:
    """Return how predictions and attributes met."""
    return {
        "num_faces_matched": known.num_faces_matched,
        "num_faces_unmatched": len(known.table) - known.num_faces_matched,
        "num_negatives_known": known.num_negatives_known,
        "num_attributes_unmatched": known.num_attributes_unmatched,
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


def _grouping_comparison_json(result: GroupingComparison) -> GroupingComparisonJson:
    status = _statuses(result.grouping.groups, result.grouping.num_rows, result.ranked)
    recall, other_recall = result.recall
    worst, gap = result.worst_recall, result.gap
    return {
        "name": group_name(result.grouping.columns),
        "columns": list(result.grouping.columns),
        "groups": [
            {
                "name": group_name(values),
                "values": list(values),
                "status": status[code],
                "recall": rate_json(recall[code]),
                "other_recall": rate_json(other_recall[code]),
                "difference": _difference_json(result.differences[code]),
                "num_gained": result.discordant[code][0],
                "num_lost": result.discordant[code][1],
                "mcnemar_p_value": _finite(result.p_values[code]),
            }
            for code, values in enumerate(result.grouping.groups)
        ],
        "worst_recall": None if worst is None else _difference_json(worst),
        "gap": None if gap is None else _difference_json(gap),
    }


def _grouping_json(
    result: GroupingResult, *, aucs: Sequence[Measure], calibrations: Sequence[Calibration]
) -> GroupingJson:
    ranked = [result.groups[position] for position in result.ranked]
    num_faces = np.array([rate.num_trials for rate in result.recall], dtype=np.int64)
    status = _statuses(result.groups, num_faces, result.ranked)
    negatives = result.num_negatives
    groups: list[GroupJson] = [
        {
            "name": group_name(values),
            "values": list(values),
            "recall": rate_json(result.recall[code]),
            "status": status[code],
            "num_negatives": None if negatives is None else int(negatives[code]),
            "measures": _measures_json(result.measures[code], aucs[code], calibrations[code]),
            "shrunken_recall": _shrunken_json(result, code),
        }
        for code, values in enumerate(result.groups)
    ]
    gap = _gap_json(result, ranked)
    return {
        "name": group_name(result.columns),
        "columns": list(result.columns),
        "within": dict(result.within),
        "groups": groups,
        "num_ranked": len(ranked),
        "worst": None if gap is None else gap["worst"],
        "worst_recall": _worst_recall_json(result, ranked),
        "gap": gap,
        "mean_of_groups": _finite(result.accuracies.mean_of_groups),
        "mean_of_images": _finite(result.accuracies.mean_of_images),
        "variance": _finite(result.accuracies.variance),
        "pairs": _pairs_json(result, ranked),
        "verdict": _verdict_json(result),
        "disparities": [
            {
                "name": item.name,
                "kind": item.kind,
                "method": item.method,
                "status": item.status,
                "value": _finite(item.value),
                "low": _finite(item.low),
                "high": _finite(item.high),
                "null_median": _finite(item.null_median),
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


def _statuses(
    groups: Sequence[tuple[str, ...]], num_faces: NDArray[np.int64], ranked: NDArray[np.intp]
) -> list[Status]:
    """Return for each group whether it is ranked, and if not, why."""
    chosen = set(ranked.tolist())

    def status(code: int) -> Status:
        if code in chosen:
            return "ranked"
        if UNKNOWN in groups[code]:
            return "unknown"
        return "small" if num_faces[code] else "empty"

    return [status(code) for code in range(len(groups))]


def _difference_json(difference: Difference) -> DifferenceJson:
    return {
        "value": _finite(difference.value),
        "low": _finite(difference.low),
        "high": _finite(difference.high),
    }


def _finite(number: float | None) -> float | None:
    """Return a number, or None for what JSON has no word for."""
    return None if number is None or not math.isfinite(number) else float(number)
