"""Measures by group as a table: which columns apply, and in notes why a figure is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from debias.reporting import cells
from debias.reporting.measure_schema import MeasureJson, MeasuresJson
from debias.reporting.point_schema import DisparityJson
from debias.reporting.report_words import (
    DISPARITIES,
    MEASURES,
    NOT_APPLICABLE,
    NOT_ESTIMABLE,
    SHARES,
    fine_points,
    number_of_rows,
)

BY_CHANCE = "Chance alone makes it positive: the section on calibration says how much."
"""In place of a note for each group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureCell:
    """A figure, or why there is none.

    Attributes:
        text: the value, or that it is not estimable or not applicable.
        limits: its interval; empty for none.
        count: ``hits of rows``; empty for a measure that is no rate.
        sort: the value to sort by; None for a missing one.
        note: the number of the note that goes with it; None for none.
    """

    text: str
    limits: str
    count: str
    sort: float | None
    note: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureTable:
    """Measures of several groups, or of all rows.

    Attributes:
        names: of the columns.
        name_notes: the number of the note that goes with all figures of a column; None for none.
        rows: the cells of each group, in the order of the groups.
        notes: reasons, numbered from 1.
        left_out: names of the measures that apply to no group, by reason.
    """

    names: tuple[str, ...]
    name_notes: tuple[int | None, ...]
    rows: tuple[tuple[MeasureCell, ...], ...]
    notes: tuple[str, ...]
    left_out: dict[str, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisparityTable:
    """Disparities that apply, and the names of those that do not, by reason."""

    rows: tuple[DisparityJson, ...]
    left_out: dict[str, list[str]]


def measure_table(found: Sequence[MeasuresJson]) -> MeasureTable:
    """Return measures as columns, without those that apply nowhere."""
    shown, left_out = [], dict[str, list[str]]()
    for key, name in MEASURES.items():
        column = [_measure(measures, key) for measures in found]
        if all(item["status"] == "not_applicable" for item in column):
            for reason in dict.fromkeys(item["reason"] or "" for item in column):
                left_out.setdefault(reason, []).append(name)
        else:
            shown.append(key)
    notes: list[str] = []
    columns = [
        [measure_cell(key, _with_brief_reason(measures, key), notes) for measures in found]
        for key in shown
    ]
    shared = [_shared_note(cells) for cells in columns]
    columns = [
        [replace(cell, note=None) if cell.note == note else cell for cell in cells]
        for cells, note in zip(columns, shared, strict=True)
    ]
    return MeasureTable(
        names=tuple(MEASURES[key] for key in shown),
        name_notes=tuple(shared),
        rows=tuple(zip(*columns, strict=True)) if columns else tuple(() for _ in found),
        notes=tuple(notes),
        left_out=left_out,
    )


def _with_brief_reason(measures: MeasuresJson, key: str) -> MeasureJson:
    """Return a measure; of several calibration errors the remarks would differ in a number each."""
    item = _measure(measures, key)
    if key != "ece" or item["status"] != "estimated" or item["reason"] is None:
        return item
    return {**item, "reason": BY_CHANCE}


def disparity_table(found: Sequence[DisparityJson]) -> DisparityTable:
    """Return disparities that apply as rows, and the names of the others by reason."""
    left_out = dict[str, list[str]]()
    for item in found:
        if item["status"] == "not_applicable":
            names = left_out.setdefault(item["reason"] or "", [])
            name = DISPARITIES.get(item["name"], item["name"])
            if name not in names:
                names.append(name)
    return DisparityTable(
        rows=tuple(item for item in found if item["status"] != "not_applicable"),
        left_out=left_out,
    )


def measure_cell(key: str, measure: MeasureJson, notes: list[str]) -> MeasureCell:
    """Return a measure in words; its reason joins the notes if it is not yet among them."""
    note = None
    if measure["reason"]:
        if measure["reason"] not in notes:
            notes.append(measure["reason"])
        note = notes.index(measure["reason"]) + 1
    if measure["status"] != "estimated" or measure["value"] is None:
        missing = NOT_APPLICABLE if measure["status"] == "not_applicable" else NOT_ESTIMABLE
        return MeasureCell(text=missing, limits="", count="", sort=None, note=note)
    limits = ""
    if measure["low"] is not None and measure["high"] is not None:
        limits = _limits(key, measure["low"], measure["high"])
    of, hits = "", measure["num_successes"]
    if measure["num_trials"] is not None and hits is not None:
        of = f"{number_of_rows(hits)} of {measure['num_trials']:,}"
    return MeasureCell(
        text=_number(key, measure["value"]),
        limits=limits,
        count=of,
        sort=measure["value"],
        note=note,
    )


def _shared_note(cells: Sequence[MeasureCell]) -> int | None:
    """Return the note of all cells that have a figure, if it is the same for all."""
    found = {cell.note for cell in cells if cell.sort is not None}
    return found.pop() if len(found) == 1 else None


def _measure(measures: MeasuresJson, key: str) -> MeasureJson:
    return measures[key]  # type: ignore[literal-required, no-any-return]


def _number(key: str, value: float) -> str:
    if key not in SHARES:
        return f"{value:.4f}"
    return fine_points(value, digits=_digits(key))


def _limits(key: str, low: float, high: float) -> str:
    if key not in SHARES:
        return f"[{_number(key, low)}, {_number(key, high)}]"
    return cells.limits(low, high, digits=_digits(key))


def _digits(key: str) -> int:
    return 2 if key == "fpr" else 1
