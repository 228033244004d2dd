"""Results of ``debias.metrics`` to the plain data of ``report.json``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from debias.data.joining import FaceAttributes
from debias.data.predictions import Predictions
from debias.metrics.comparison import Comparison, Difference, GroupingComparison
from debias.metrics.counts import UNKNOWN, Grouping, attribute_values
from debias.metrics.evaluation import Evaluation, GroupingResult
from debias.metrics.intervals import Rate
from debias.reporting.schema import (
    AttributeJson,
    ComparisonPointJson,
    DifferenceJson,
    GapJson,
    GroupingComparisonJson,
    GroupingJson,
    GroupJson,
    JoinJson,
    OperatingPointJson,
    RateJson,
    RowsJson,
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


def operating_point_json(
    evaluation: Evaluation,
    *,
    source: Literal["stored", "decisions", "test"],
    target_fpr: float | None,
    threshold: float | None,
) -> OperatingPointJson:
    """Return what was found at one threshold as plain data."""
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
        "groupings": [_grouping_json(result) for result in evaluation.groupings],
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
        "groupings": [],
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


def rows_json(table: Predictions) -> RowsJson:
    """Return which images the predictions are of."""
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


def _grouping_comparison_json(result: GroupingComparison) -> GroupingComparisonJson:
    status = _statuses(result.grouping, result.ranked)
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
            }
            for code, values in enumerate(result.grouping.groups)
        ],
        "worst_recall": None if worst is None else _difference_json(worst),
        "gap": None if gap is None else _difference_json(gap),
    }


def _grouping_json(result: GroupingResult) -> GroupingJson:
    names = [group_name(values) for values in result.grouping.groups]
    ranked = [result.grouping.groups[position] for position in result.ranked]
    status = _statuses(result.grouping, result.ranked)
    groups: list[GroupJson] = [
        {
            "name": names[code],
            "values": list(values),
            "recall": rate_json(result.recall[code]),
            "status": status[code],
        }
        for code, values in enumerate(result.grouping.groups)
    ]
    gap = _gap_json(result, ranked)
    return {
        "name": group_name(result.grouping.columns),
        "columns": list(result.grouping.columns),
        "groups": groups,
        "num_ranked": len(ranked),
        "worst": None if gap is None else gap["worst"],
        "gap": gap,
        "mean_of_groups": _finite(result.accuracies.mean_of_groups),
        "mean_of_images": _finite(result.accuracies.mean_of_images),
        "variance": _finite(result.accuracies.variance),
        "pairs": [
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
            }
            for pair, adjusted in zip(result.pairs, result.adjusted_p_values, strict=True)
        ],
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


def _statuses(grouping: Grouping, ranked: NDArray[np.intp]) -> list[Status]:
    """Return for each group whether it is ranked, and if not, why."""
    chosen = set(ranked.tolist())

    def status(code: int) -> Status:
        if code in chosen:
            return "ranked"
        if not grouping.known[code]:
            return "unknown"
        return "small" if grouping.num_rows[code] else "empty"

    return [status(code) for code in range(len(grouping.groups))]


def _difference_json(difference: Difference) -> DifferenceJson:
    return {
        "value": _finite(difference.value),
        "low": _finite(difference.low),
        "high": _finite(difference.high),
    }


def _finite(number: float) -> float | None:
    """Return a number, or None for what JSON has no word for."""
    return float(number) if math.isfinite(number) else None
