"""The demo's two reports to the plain data of ``demo.json``."""

from __future__ import annotations

from collections.abc import Sequence

from debias.reporting.demo_schema import (
    Change,
    ChangeJson,
    DemoChangesJson,
    DemoGroupJson,
    DemoModelJson,
)
from debias.reporting.models_schema import (
    ComparisonPointJson,
    DifferenceJson,
    GroupingComparisonJson,
)
from debias.reporting.point_schema import OperatingPointJson
from debias.reporting.schema import ReportJson

Columns = Sequence[str]


def demo_model_json(report: ReportJson, *, target_fpr: float, columns: Columns) -> DemoModelJson:
    """Return how a report's model serves the groups of one grouping.

    Args:
        report: with this target estimated, and at least two groups ranked.
        target_fpr: set on the test's own non-faces.
        columns: the attributes of the grouping.
    """
    point = _operating_point(report, target_fpr)
    grouping = next(item for item in point["groupings"] if item["columns"] == list(columns))
    gap, fpr, recall = grouping["gap"], point["fpr"], point["recall"]
    assert gap is not None
    assert fpr is not None
    assert recall is not None
    worst = next(g for g in grouping["groups"] if g["values"] == gap["worst_values"])
    return {"fpr": fpr, "recall": recall, "worst_recall": worst["recall"], "gap": gap}


def demo_groups_json(
    report: ReportJson, *, target_fpr: float, columns: Columns, order: Sequence[tuple[str, ...]]
) -> list[DemoGroupJson]:
    """Return each group's recall by either model.

    Args:
        report: of the DB-VAE, compared with the plain classifier.
        target_fpr: of both.
        columns: the attributes of the grouping.
        order: the values of the groups, in the order to show them in; others come last.
    """
    compared = _compared(report, target_fpr, columns)["groups"]
    places = {values: place for place, values in enumerate(order)}
    return [
        {
            "name": group["name"],
            "values": group["values"],
            "plain": group["other_recall"],
            "db_vae": group["recall"],
            "difference": change_json(group["difference"]),
        }
        for group in sorted(compared, key=lambda g: places.get(tuple(g["values"]), len(places)))
    ]


def demo_changes_json(
    report: ReportJson, *, target_fpr: float, columns: Columns
) -> DemoChangesJson:
    """Return how the DB-VAE differs from the plain classifier; see :func:`demo_groups_json`."""
    compared = _compared(report, target_fpr, columns)
    (everybody,) = _compared(report, target_fpr, ())["groups"]
    worst_recall, gap = compared["worst_recall"], compared["gap"]
    assert worst_recall is not None
    assert gap is not None
    return {
        "worst_recall": change_json(worst_recall),
        "gap": change_json(gap),
        "recall": change_json(everybody["difference"]),
    }


def change_json(difference: DifferenceJson) -> ChangeJson:
    """Return a difference with what its interval shows."""
    low, high = difference["low"], difference["high"]
    change: Change = "not shown"
    if low is not None and low > 0:
        change = "higher"
    elif high is not None and high < 0:
        change = "lower"
    return {**difference, "change": change}


def _operating_point(report: ReportJson, target_fpr: float) -> OperatingPointJson:
    return next(
        point
        for point in report["operating_points"]
        if point["source"] == "test" and point["target_fpr"] == target_fpr
    )


def _compared(report: ReportJson, target_fpr: float, columns: Columns) -> GroupingComparisonJson:
    assert report["comparison"] is not None
    point: ComparisonPointJson = next(
        item for item in report["comparison"]["points"] if item["target_fpr"] == target_fpr
    )
    return next(item for item in point["groupings"] if item["columns"] == list(columns))
