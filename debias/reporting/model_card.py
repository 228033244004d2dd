"""A report as a model card in Markdown, with the metadata that the Hugging Face Hub reads.

Its sections are those of [Mitchell2019]. It computes nothing, and holds no picture and no name of
an image.

References:
    [Mitchell2019] Model cards for model reporting. FAT* 2019.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from debias.reporting import (
    comparison_words,
    rows_words,
    summary_words,
    verdict_words,
)
from debias.reporting import (
    report_words as words,
)
from debias.reporting.card_metadata import card_metadata
from debias.reporting.cells import limits, number, points, share
from debias.reporting.markdown import Markdown, escape_markdown, yaml_text
from debias.reporting.measure_schema import MeasuresJson, RateJson
from debias.reporting.measure_tables import MeasureCell, disparity_table, measure_table
from debias.reporting.model_names import model_name_of
from debias.reporting.models_schema import DifferenceJson
from debias.reporting.point_schema import DisparityJson, GapJson, GroupingJson, OperatingPointJson
from debias.reporting.schema import ReportJson

TEMPLATE = "model_card.md.jinja"
NOTHING = "\N{EN DASH}"
MAX_ROWS = 60
"""Groups that a table shows; ``tables/groups.csv`` has all."""
PROVENANCES = {
    "self-reported": "what the persons said of themselves",
    "annotated": "what somebody saw who looked at the pictures",
    "proxy": "another quantity that stands for it",
    "estimated": "what a program guessed",
    "constructed": "what the program knows that drew the pictures",
    "unknown": "nobody says where it comes from",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CardTable:
    """A table of measures.

    Attributes:
        head: names of the columns.
        rows: cells as text.
        num_hidden: groups for which there was no room.
        notes: what the numbers behind figures refer to, from 1.
        left_out: names of measures that do not apply, by reason.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    num_hidden: int
    notes: Sequence[str]
    left_out: Mapping[str, Sequence[str]]


def render_model_card(report: ReportJson, *, model_name: str | None = None) -> str:
    """Return a report as the text of a ``README.md``.

    Args:
        report: the content of ``report.json``.
        model_name: what the model is called; by default what the run or the file of the
            predictions is called.
    """
    name = model_name_of(report) if model_name is None else model_name
    leading = words.leading_point(report)
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            report=report,
            name=name,
            metadata=Markdown(yaml_text(card_metadata(report, model_name=name))),
            words=words,
            rows_words=rows_words,
            verdict_words=verdict_words,
            summary_words=summary_words,
            comparison_words=comparison_words,
            leading=leading,
            overall=_overall(report),
            sections=_sections(leading),
            disparity_table=disparity_table,
            provenances=PROVENANCES,
            nothing=NOTHING,
        )
    )


def _environment() -> Environment:
    """Return where templates are found; text is escaped unless the template itself wrote it."""
    found = Environment(
        loader=PackageLoader("debias.reporting"),
        autoescape=False,  # for HTML; finalize escapes for Markdown
        finalize=escape_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters.update(
        count=lambda whole: f"{whole:,}",
        share=share,
        rate=_rate,
        points=_points,
        limits=_limits,
        setting=_setting,
        disparity=_disparity,
        row=_row,
        rule=lambda cells: Markdown("|" + " --- |" * len(cells)),
    )
    return found


def _overall(report: ReportJson) -> CardTable:
    """Return the measures of all rows at each threshold that could be judged."""
    judged: list[tuple[OperatingPointJson, MeasuresJson]] = [
        (point, point["measures"])
        for point in report["operating_points"]
        if point["measures"] is not None
    ]
    return _table(
        ["Threshold", "At"],
        [[words.point_name(point), _threshold(point)] for point, _ in judged],
        [measures for _, measures in judged],
    )


def _sections(leading: OperatingPointJson | None) -> list[tuple[GroupingJson, CardTable]]:
    """Return the groupings of all rows, each with the measures of its groups."""
    found = []
    for grouping in [] if leading is None else leading["groupings"]:
        if not grouping["within"]:
            shown = grouping["groups"][:MAX_ROWS]
            table = _table(
                ["Group", "Standing"],
                [[group["name"], words.standing(group, grouping)] for group in shown],
                [group["measures"] for group in shown],
                num_hidden=len(grouping["groups"]) - len(shown),
            )
            found.append((grouping, table))
    return found


def _table(
    head: Sequence[str],
    first: Sequence[Sequence[str]],
    found: Sequence[MeasuresJson],
    *,
    num_hidden: int = 0,
) -> CardTable:
    """Return measures as a table; ``first`` are the cells before those of the measures."""
    table = measure_table(found)
    in_percent = {words.MEASURES[key] for key in words.SHARES}
    names = [
        f"{name}{' (%)' if name in in_percent else ''}{'' if note is None else f', note {note}'}"
        for name, note in zip(table.names, table.name_notes, strict=True)
    ]
    return CardTable(
        head=[*head, *names],
        rows=[
            [*start, *(_cell(cell) for cell in cells)]
            for start, cells in zip(first, table.rows, strict=True)
        ],
        num_hidden=num_hidden,
        notes=table.notes,
        left_out=table.left_out,
    )


def _cell(cell: MeasureCell) -> str:
    count = f"({cell.count})" if cell.count else ""
    note = f"(note {cell.note})" if cell.note is not None else ""
    return " ".join(part for part in (cell.text, cell.limits, count, note) if part)


def _row(cells: Sequence[str]) -> Markdown:
    """Return one line of a table."""
    return Markdown("| " + " | ".join(escape_markdown(cell) for cell in cells) + " |")


def _rate(rate: RateJson | None) -> str:
    """Return a rate with its limits and counts."""
    if rate is None or rate["value"] is None:
        return words.NOT_ESTIMABLE
    text = f"{words.fine_points(rate['value'])} % {_limits(rate)}"
    return f"{text}, {rate['num_successes']:,} of {rate['num_trials']:,}"


def _threshold(point: OperatingPointJson) -> str:
    return NOTHING if point["threshold"] is None else number(point["threshold"])


def _points(value: float | None, sign: bool = False) -> str:
    return words.NOT_ESTIMABLE if value is None else points(value, sign=sign)


def _limits(found: RateJson | DifferenceJson | GapJson, sign: bool = False) -> str:
    return limits(found["low"], found["high"], sign=sign)


def _disparity(found: DisparityJson) -> list[str]:
    """Return the cells of a disparity: what it is, its value, limits, and what chance gives."""
    name = words.disparity_name(found)
    if found["status"] != "estimated":
        return [name, words.NOT_ESTIMABLE, NOTHING, NOTHING]
    value, by_chance = (
        NOTHING if part is None else words.disparity_number(found, part)
        for part in (found["value"], found["null_median"])
    )
    return [name, value, words.disparity_limits(found) or NOTHING, by_chance]


def _setting(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_setting(item) for item in value) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
