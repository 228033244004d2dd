"""The figures of calibration: reliability diagrams, of all rows and group by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from debias.reporting.cells import limits
from debias.reporting.figures import Chart, Mark, Scale, line
from debias.reporting.report_words import fine_points, number_of_rows
from debias.reporting.score_schema import (
    CalibrationBinJson,
    CalibrationGroupingJson,
    CalibrationGroupJson,
    CalibrationJson,
)

MAX_DIAGRAMS = 12
"""Groups of a grouping that are drawn; a table beside them has all."""

_WHOLE = Scale(low=0.0, high=1.0, ticks=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
_HALVES = Scale(low=0.0, high=1.0, ticks=(0.0, 0.5, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDiagrams:
    """The reliability diagrams of a grouping, all on the same axes.

    Attributes:
        content: the grouping, as in the report.
        drawn: its groups with a diagram in their order; of many, those that are surest to be off.
        charts: of these groups.
        num_left_out: groups with a diagram that there is no room for.
    """

    content: CalibrationGroupingJson
    drawn: list[CalibrationGroupJson]
    charts: tuple[Chart, ...]
    num_left_out: int


def calibration_chart(calibration: CalibrationJson) -> Chart | None:
    """Return the share of faces in each bin of scores; None where it does not apply."""
    dots = _dots(calibration["bins"])
    if calibration["status"] != "estimated" or not dots:
        return None
    return Chart(
        title="Calibration of all scores",
        description="Share of faces among rows of about the same score, with intervals; on the "
        "diagonal a score is a probability.",
        x=_WHOLE,
        y=_WHOLE,
        x_label="mean score, %",
        y_label="share of faces, %",
        dots=dots,
        diagonal=line(_WHOLE, _WHOLE, [0.0, 1.0], [0.0, 1.0]),
        note=_note(calibration),
    )


def group_diagrams(calibration: CalibrationJson) -> list[GroupDiagrams]:
    """Return the reliability diagrams of each grouping of which a group has one."""
    return [_of_grouping(grouping) for grouping in calibration["groupings"]]


def rows_in_bins(bins: Sequence[CalibrationBinJson]) -> str:
    """Return how many rows there are, and how many in a bin, in words."""
    sizes = sorted(item["num_rows"] for item in bins)
    if not sizes:
        return "no rows"
    if len(sizes) == 1:
        return f"{number_of_rows(sizes[0])} rows in one bin"
    each = number_of_rows(sizes[0])
    if sizes[0] < sizes[-1]:
        each += f" to {number_of_rows(sizes[-1])}"
    return f"{number_of_rows(sum(sizes))} rows, {each} in each of {len(sizes)} bins"


def _of_grouping(grouping: CalibrationGroupingJson) -> GroupDiagrams:
    found = [group for group in grouping["groups"] if _dots(group["bins"])]
    by_surety = sorted(found, key=lambda group: -(group["error"]["low"] or 0.0))
    kept = {id(group) for group in by_surety[:MAX_DIAGRAMS]}
    drawn = [group for group in found if id(group) in kept]
    return GroupDiagrams(
        content=grouping,
        drawn=drawn,
        charts=tuple(map(_diagram, drawn)),
        num_left_out=len(found) - len(drawn),
    )


def _diagram(group: CalibrationGroupJson) -> Chart:
    return Chart(
        title=group["name"],
        description=f"Share of faces by mean score in {group['name']}: {_note(group)}.",
        x=_HALVES,
        y=_HALVES,
        x_label="mean score, %",
        y_label="share of faces, %",
        dots=_dots(group["bins"]),
        diagonal=line(_HALVES, _HALVES, [0.0, 1.0], [0.0, 1.0]),
        note=_note(group),
    )


def _note(found: CalibrationGroupJson | CalibrationJson) -> str:
    """Return the error, what chance alone gives, and how large the bins are."""
    error = found["error"]
    return (
        f"error {fine_points(error['value'])} % {limits(error['low'], error['high'])}, "
        f"by chance {fine_points(found['expected_by_chance'])} %; "
        f"{rows_in_bins(found['bins'])}"
    )


def _dots(bins: Sequence[CalibrationBinJson]) -> tuple[tuple[float, Mark], ...]:
    marks = [(item["mean_score"], Mark.of(item["share"], "ranked")) for item in bins]
    return tuple((place, mark) for place, mark in marks if mark is not None)
