"""The rows of a report's tables; see :mod:`debias.reporting.tables`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from debias.reporting.point_schema import GroupingJson, OperatingPointJson
from debias.reporting.schema import ReportJson
from debias.reporting.score_schema import CalibrationBinJson
from debias.reporting.table_columns import BY, FIRST, MEAN_AND_VARIANCE, SECOND, WITHIN

Row = dict[str, Any]


def points_rows(report: ReportJson) -> Iterator[Row]:
    """Give a row for each threshold."""
    for point in report["operating_points"]:
        yield {
            **_at(point),
            "status": point["status"],
            "reason": point["reason"],
            "expected_false_positives": point["expected_false_positives"],
            **_of("fpr", point["fpr"]),
            **_of("recall", point["recall"]),
        }


def groupings_rows(report: ReportJson) -> Iterator[Row]:
    """Give a row for each grouping at each threshold."""
    for at, grouping in _judged(report):
        figures: Mapping[str, Any] = grouping
        yield {
            **at,
            "num_ranked": grouping["num_ranked"],
            **_of("verdict", grouping["verdict"]),
            **_of("gap", grouping["gap"]),
            **{name: figures[name] for name in MEAN_AND_VARIANCE},
        }


def groups_rows(report: ReportJson) -> Iterator[Row]:
    """Give a row for each group at each threshold."""
    for at, grouping in _judged(report):
        for group in grouping["groups"]:
            yield {
                **at,
                **_group(group["name"], grouping["columns"], group["values"]),
                "status": group["status"],
                "effective_size": group["effective_size"],
                **group["recall"],
                "num_negatives": group["num_negatives"],
                **_of("shrunken", group["shrunken_recall"]),
            }


def measures_rows(report: ReportJson) -> Iterator[Row]:
    """Give a row for each measure of all rows and of each group."""
    for point in report["operating_points"]:
        overall: Mapping[str, Any] = point["measures"] or {}
        for name, measure in overall.items():
            yield {**_at(point), "measure": name, **measure}
    for at, grouping in _judged(report):
        for group in grouping["groups"]:
            own: Mapping[str, Any] = group["measures"]
            for name, measure in own.items():
                key = _group(group["name"], grouping["columns"], group["values"])
                yield {**at, **key, "measure": name, **measure}


def pairs_rows(report: ReportJson) -> Iterator[Row]:
    """Give a row for each pair of groups."""
    for at, grouping in _judged(report):
        for pair in grouping["pairs"]:
            values: Row = {}
            for start, own in ((FIRST, pair["first_values"]), (SECOND, pair["second_values"])):
                values |= _values(start, grouping["columns"], own)
            yield {**at, **pair, **values}


def disparities_rows(report: ReportJson) -> Iterator[Row]:
    """Give a row for each disparity."""
    for at, grouping in _judged(report):
        for disparity in grouping["disparities"]:
            yield {**at, **disparity}


def sweep_rows(report: ReportJson) -> Iterator[Row]:
    """Give a row for each figure at each threshold of the sweep."""
    sweep = report["sweep"]
    if sweep is None:
        return
    thresholds = list(zip(sweep["thresholds"], sweep["fpr"], strict=True))

    def curve(figure: str, values: Sequence[float], **key: Any) -> Iterator[Row]:
        for (threshold, fpr), value in zip(thresholds, values, strict=True):
            yield {"threshold": threshold, "fpr": fpr, "figure": figure, "value": value, **key}

    yield from curve("recall", sweep["recall"])
    for part in sweep["groupings"]:
        for figure, values in (
            ("worst_recall", part["worst_recall"]),
            ("gap", part["gap"]),
            ("gap_by_chance", part["null_median"]),
        ):
            if values:
                yield from curve(figure, values, grouping=part["name"])
        for group in part["groups"]:
            key = _group(group["name"], part["columns"], group["values"])
            limits = zip(group["low"], group["high"], strict=True)
            recalls = curve("recall", group["recall"], grouping=part["name"], **key)
            for row, (low, high) in zip(recalls, limits, strict=True):
                yield {**row, "low": low, "high": high, "num_faces": group["num_faces"]}
            if group["fpr"] is not None:
                yield from curve("fpr", group["fpr"], grouping=part["name"], **key)


def calibration_rows(report: ReportJson) -> Iterator[Row]:
    """Give a row for each bin of scores, of all rows and of each group."""
    yield from _bins(report["calibration"]["bins"], {})
    for grouping in report["calibration"]["groupings"]:
        for group in grouping["groups"]:
            named = _group(group["name"], grouping["columns"], group["values"])
            yield from _bins(group["bins"], {"grouping": grouping["name"], **named})


def _bins(bins: Sequence[CalibrationBinJson], of: Row) -> Iterator[Row]:
    for position, found in enumerate(bins, start=1):
        share = {key: found["share"][key] for key in ("num_successes", "value", "low", "high")}
        yield {
            **of,
            "bin": position,
            "num_rows": found["num_rows"],
            "mean_score": found["mean_score"],
            **share,
        }


def comparison_rows(report: ReportJson) -> Iterator[Row]:
    """Give a row for each figure of two models."""
    comparison = report["comparison"]
    for point in [] if comparison is None else comparison["points"]:
        at = {
            "target_fpr": point["target_fpr"],
            "status": point["status"],
            "reason": point["reason"],
        }
        if point["status"] == "refused":
            yield at
        for part in point["groupings"]:
            place = {**at, "grouping": part["name"]}
            for figure, difference in (
                ("worst_recall", part["worst_recall"]),
                ("gap", part["gap"]),
            ):
                if difference is not None:
                    yield {**place, "figure": figure, **difference}
            for group in part["groups"]:
                yield {
                    **place,
                    "figure": "recall",
                    **_group(group["name"], part["columns"], group["values"]),
                    "group_status": group["status"],
                    **group["difference"],
                    "recall": group["recall"]["value"],
                    "other_recall": group["other_recall"]["value"],
                    "num_faces": group["recall"]["num_trials"],
                    "num_gained": group["num_gained"],
                    "num_lost": group["num_lost"],
                    "mcnemar_p_value": group["mcnemar_p_value"],
                }


def slices_rows(report: ReportJson) -> Iterator[Row]:
    """Give a row for each slice and each value that is common in it."""
    slices = report["slices"]
    for found in [] if slices is None else slices["slices"]:
        assert slices is not None
        row = {
            "target_fpr": slices["target_fpr"],
            "threshold": slices["threshold"],
            "slice": found["name"],
            "num_images": found["num_images"],
            "num_trials": found["error_rate"]["num_trials"],
            "error_rate": found["error_rate"]["value"],
            "error_rate_elsewhere": found["error_rate_elsewhere"]["value"],
            "low": found["low"],
            "high": found["high"],
            "adjusted_p_value": found["adjusted_p_value"],
        }
        if not found["attributes"]:
            yield row
        for item in found["attributes"]:
            yield {
                **row,
                "attribute": item["name"],
                "attribute_value": item["value"],
                "share": item["share"],
                "share_elsewhere": item["share_elsewhere"],
                "attribute_p_value": item["adjusted_p_value"],
            }


def seeds_rows(report: ReportJson) -> Iterator[Row]:
    """Give a row for each figure of each training."""
    seeds = report["seeds"]
    for figure in [] if seeds is None else seeds["figures"]:
        assert seeds is not None
        for seed, value in zip(seeds["seeds"], figure["values"], strict=True):
            yield {
                "target_fpr": seeds["target_fpr"],
                "grouping": " x ".join(figure["columns"]) or None,
                "figure": figure["name"],
                "seed": seed,
                "value": value,
                "mean": figure["mean"],
                "standard_deviation": figure["standard_deviation"],
                "low": figure["low"],
                "high": figure["high"],
            }


def _judged(report: ReportJson) -> Iterator[tuple[Row, GroupingJson]]:
    """Give each grouping at each threshold, and the columns that say which it is."""
    for point in report["operating_points"]:
        for grouping in point["groupings"]:
            within = {WITHIN + name: value for name, value in grouping["within"].items()}
            yield {**_at(point), "grouping": grouping["name"], **within}, grouping


def _at(point: OperatingPointJson) -> Row:
    return {
        "source": point["source"],
        "target_fpr": point["target_fpr"],
        "threshold": point["threshold"],
    }


def _of(start: str, found: Mapping[str, Any] | None) -> Row:
    """Return figures under names that say what they are of; nothing where there are none."""
    return {f"{start}_{name}": value for name, value in (found or {}).items()}


def _group(name: str, columns: Sequence[str], values: Sequence[str]) -> Row:
    return {"group": name, **_values(BY, columns, values)}


def _values(start: str, columns: Sequence[str], values: Sequence[str]) -> Row:
    return {start + column: value for column, value in zip(columns, values, strict=True)}
