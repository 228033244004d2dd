"""Sweeps and calibration to the plain data of ``report.json``."""

from __future__ import annotations

from collections.abc import Sequence

from debias.metrics.calibration_bins import Calibration
from debias.metrics.counts import Grouping
from debias.metrics.sweep_groups import Sweep
from debias.reporting.measure_document import finite, group_name, measure_json, rate_json
from debias.reporting.score_schema import CalibrationBinJson, CalibrationJson, SweepJson


def calibration_json(
    calibration: Calibration,
    *,
    groupings: Sequence[tuple[Grouping, Sequence[Calibration]]] = (),
) -> CalibrationJson:
    """Return whether scores are probabilities as plain data.

    Args:
        calibration: of all rows.
        groupings: with the calibration of each group.
    """
    estimated = calibration.error.status == "estimated"
    return {
        "status": "estimated" if estimated else "not_applicable",
        "reason": None if estimated else calibration.error.reason,
        "error": measure_json(calibration.error),
        "expected_by_chance": finite(calibration.expected_by_chance),
        "bins": _bins_json(calibration),
        "groupings": [
            {
                "name": group_name(grouping.columns),
                "columns": list(grouping.columns),
                "groups": [
                    {
                        "name": group_name(values),
                        "values": list(values),
                        "error": measure_json(found.error),
                        "expected_by_chance": finite(found.expected_by_chance),
                        "bins": _bins_json(found),
                    }
                    for values, found in zip(grouping.groups, calibrations, strict=True)
                ],
            }
            for grouping, calibrations in groupings
            if any(found.bins for found in calibrations)
        ],
    }


def _bins_json(calibration: Calibration) -> list[CalibrationBinJson]:
    return [
        {
            "num_rows": item.num_rows,
            "mean_score": item.mean_score,
            "share": rate_json(item.share),
        }
        for item in calibration.bins
    ]


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
