"""A report's figures: which of its numbers stand where. It computes nothing but places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from debias.reporting.figures import DotPlot, Mark, Row, Scale
from debias.reporting.models_schema import GroupComparisonJson, GroupingComparisonJson
from debias.reporting.point_schema import GroupingJson, GroupJson, OperatingPointJson
from debias.reporting.report_words import (
    STATUSES,
    fine_points,
    grouping_name,
    resting_words,
    standing,
)
from debias.reporting.schema import SlicesJson

MAX_ROWS = 24
"""Rows that a figure shows; a table beside it has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """How many faces a group has; ``width`` in percent of the widest."""

    name: str
    ranked: bool
    remark: str
    standing: str
    count: int
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """How faces are distributed over groups; ``left_out`` of them are in smaller groups."""

    title: str
    bars: tuple[Bar, ...]
    num_groups_left_out: int
    num_faces_left_out: int


def distribution(grouping: GroupingJson) -> Bars:
    """Return how many faces each group has; of many groups, the largest."""
    groups = grouping["groups"]
    counts = [group["recall"]["num_trials"] for group in groups]
    order = sorted(range(len(groups)), key=lambda k: -counts[k])[:MAX_ROWS]
    shown = order if len(groups) > MAX_ROWS else range(len(groups))
    most = max(counts, default=0) or 1
    return Bars(
        title=f"Faces by {grouping_name(grouping)}",
        bars=tuple(
            Bar(
                name=groups[k]["name"],
                ranked=groups[k]["status"] == "ranked",
                standing=standing(groups[k], grouping),
                remark="" if groups[k]["status"] == "unknown" else STATUSES[groups[k]["status"]],
                count=counts[k],
                width=round(100.0 * counts[k] / most, 3),
            )
            for k in shown
        ),
        num_groups_left_out=len(groups) - len(order),
        num_faces_left_out=sum(counts) - sum(counts[k] for k in order),
    )


def recall_plot(grouping: GroupingJson, point: OperatingPointJson) -> DotPlot | None:
    """Return recall by group with intervals, shrunken recall beside it in an intersection.

    Of many groups the worst are shown, ranked ones first. None where no group has faces.
    """
    groups = [group for group in grouping["groups"] if group["recall"]["value"] is not None]
    if not groups:
        return None
    shown = groups
    if len(groups) > MAX_ROWS:
        shown = sorted(groups, key=lambda g: (g["status"] != "ranked", g["recall"]["value"] or 0.0))
    both = len(grouping["columns"]) > 1
    rows = tuple(_recall_row(group, grouping, shrunken=both) for group in shown[:MAX_ROWS])
    overall = None if point["recall"] is None else point["recall"]["value"]
    return DotPlot(
        title=f"Recall by {grouping_name(grouping)}, per cent",
        description="Marks are recalls, lines their intervals; the table below has the figures.",
        rows=rows,
        scale=_scale_of(rows),
        reference=overall,
        left_out=len(groups) - len(rows),
        note=resting_words(point),
    )


def _recall_row(group: GroupJson, grouping: GroupingJson, *, shrunken: bool) -> Row:
    mark = Mark.of(group["recall"], group["status"])
    assert mark is not None
    marks, drawn = [mark], group["shrunken_recall"]
    if shrunken and drawn is not None:
        marks.append(
            Mark(value=drawn["value"], low=drawn["low"], high=drawn["high"], kind="shrunken")
        )
    gap, remark = grouping["gap"], STATUSES[group["status"]]
    if gap is not None and gap["value"] > 0.0 and group["values"] == gap["worst_values"]:
        remark = "worst"
    if group["status"] == "unknown":
        remark = ""
    return Row(
        name=group["name"],
        remark=remark,
        figures=fine_points(group["recall"]["value"]),
        marks=tuple(marks),
    )


def comparison_plot(grouping: GroupingComparisonJson, *, names: tuple[str, str]) -> DotPlot | None:
    """Return recall by either model, group by group; the most changed of many groups.

    Args:
        grouping: as in the report.
        names: of the two models.
    """
    groups = [group for group in grouping["groups"] if group["recall"]["value"] is not None]
    if not groups:
        return None
    if len(groups) > MAX_ROWS:
        groups.sort(key=lambda g: (g["status"] != "ranked", -abs(g["difference"]["value"] or 0.0)))
    rows = tuple(_comparison_row(group) for group in groups[:MAX_ROWS])
    return DotPlot(
        title=f"Recall by either model, {grouping['name']}, per cent",
        description=f"Circles are {names[0]}, squares {names[1]}; lines are intervals.",
        rows=rows,
        scale=_scale_of(rows),
        left_out=len(groups) - len(rows),
    )


def _comparison_row(group: GroupComparisonJson) -> Row:
    marks = (Mark.of(group["recall"], "this"), Mark.of(group["other_recall"], "other"))
    before, after = group["other_recall"]["value"], group["recall"]["value"]
    return Row(
        name=group["name"],
        remark="" if group["status"] == "unknown" else STATUSES[group["status"]],
        figures=f"{fine_points(after)} | {fine_points(before)}",
        marks=tuple(mark for mark in marks if mark is not None),
    )


def slices_plot(slices: SlicesJson) -> DotPlot | None:
    """Return the error rate of each slice with limits that hold for all; None without slices."""
    rows = []
    for item in slices["slices"][:MAX_ROWS]:
        value = item["error_rate"]["value"]
        if value is not None:
            mark = Mark(value=value, low=item["low"], high=item["high"], kind="ranked")
            rows.append(
                Row(name=item["name"], remark="", figures=fine_points(value), marks=(mark,))
            )
    if not rows:
        return None
    return DotPlot(
        title="Missed faces by slice, per cent",
        description="Marks are error rates; lines are limits that hold for all slices together.",
        rows=tuple(rows),
        scale=Scale.linear([mark.high for row in rows for mark in row.marks]),
        left_out=len(slices["slices"]) - len(rows),
    )


def _scale_of(rows: Sequence[Row]) -> Scale:
    return Scale.linear([mark.low for row in rows for mark in row.marks], to_one=True)
