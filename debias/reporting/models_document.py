"""Figures of two models or of several to the plain data of ``report.json``."""

from __future__ import annotations

from debias.metrics.comparison import Comparison, GroupingComparison
from debias.metrics.moved_threshold import MovedThreshold
from debias.metrics.paired import Difference
from debias.metrics.seeds import SeedFigure
from debias.reporting.measure_document import finite, group_name, rate_json, statuses
from debias.reporting.models_schema import (
    ComparisonPointJson,
    DifferenceJson,
    GroupingComparisonJson,
    MovedThresholdJson,
    SeedFigureJson,
)


def moved_threshold_json(moved: MovedThreshold | None) -> MovedThresholdJson | None:
    """Return what a moved threshold alone would bring as plain data."""
    if moved is None:
        return None
    return {
        "fpr": moved.fpr[0],
        "other_fpr": moved.fpr[1],
        "gain": moved.gain.value,
        "gain_low": moved.gain.low,
        "gain_high": moved.gain.high,
        "gain_at_same_fpr": moved.gain_at_same_fpr.value,
        "gain_at_same_fpr_low": moved.gain_at_same_fpr.low,
        "gain_at_same_fpr_high": moved.gain_at_same_fpr.high,
        "gain_by_threshold": moved.gain_by_threshold.value,
        "gain_by_threshold_low": moved.gain_by_threshold.low,
        "gain_by_threshold_high": moved.gain_by_threshold.high,
    }


def seed_figure_json(figure: SeedFigure) -> SeedFigureJson:
    """Return a figure over several trained models as plain data."""
    return {
        "name": figure.name,
        "columns": list(figure.columns),
        "values": list(figure.values),
        "mean": figure.mean,
        "standard_deviation": finite(figure.standard_deviation),
        "low": finite(figure.low),
        "high": finite(figure.high),
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


def _grouping_comparison_json(result: GroupingComparison) -> GroupingComparisonJson:
    status = statuses(result.grouping.groups, result.grouping.num_rows, result.ranked)
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
                "mcnemar_p_value": finite(result.p_values[code]),
            }
            for code, values in enumerate(result.grouping.groups)
        ],
        "worst_recall": None if worst is None else _difference_json(worst),
        "gap": None if gap is None else _difference_json(gap),
    }


def _difference_json(difference: Difference) -> DifferenceJson:
    return {
        "value": finite(difference.value),
        "low": finite(difference.low),
        "high": finite(difference.high),
    }
