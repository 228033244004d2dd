"""A report as a page of its own: no network, readable without its script. It computes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment

from debias.reporting import (
    comparison_words,
    rows_words,
    summary_words,
    verdict_words,
)
from debias.reporting import (
    report_words as words,
)
from debias.reporting.calibration_figures import calibration_chart, group_diagrams
from debias.reporting.cells import brief_number, number
from debias.reporting.figures import Chart, DotPlot
from debias.reporting.measure_tables import (
    DisparityTable,
    MeasureTable,
    disparity_table,
    measure_table,
)
from debias.reporting.model_names import compared_names
from debias.reporting.models_schema import ComparisonJson, GroupingComparisonJson
from debias.reporting.page import content_policy, environment, part_of_page
from debias.reporting.point_schema import GroupingJson, OperatingPointJson, PairJson
from debias.reporting.report_figures import (
    Bars,
    comparison_plot,
    distribution,
    recall_plot,
    slices_plot,
)
from debias.reporting.schema import ReportJson
from debias.reporting.score_schema import SweepGroupingJson, SweepGroupJson
from debias.reporting.sweep_figures import styled_groups, sweep_charts

TEMPLATE = "report.html.jinja"
STYLES, SCRIPTS = ("page.css", "report.css"), ("report.js",)
MAX_PAIRS = 100
"""Pairs that a table shows, the surest first; ``tables/pairs.csv`` has all."""
MAX_OPEN_ROWS = 40
"""Rows of a table that stands open; a longer one is folded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupingSection:
    """One grouping at one threshold, or in the comparison.

    Attributes:
        id: of its heading.
        content: as in the report.
        plot: None where no group has faces.
        measures: by group.
        disparities: between the groups.
        left_out: names of measures and disparities that do not apply, by reason, as far as no
            section above says so.
        pairs: the surest, of all pairs.
    """

    id: str
    content: GroupingJson
    plot: DotPlot | None
    measures: MeasureTable
    disparities: DisparityTable
    left_out: dict[str, list[str]]
    pairs: list[PairJson]


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSection:
    """One threshold: ``leading`` if it is the one that the report is about before all others."""

    id: str
    content: OperatingPointJson
    leading: bool
    measures: MeasureTable | None
    groupings: list[GroupingSection]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSection:
    """One grouping over all thresholds; ``groups`` are those whose curves have a style."""

    id: str
    content: SweepGroupingJson
    charts: list[Chart]
    groups: list[SweepGroupJson]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonSection:
    """One grouping of two models at one false-positive rate."""

    id: str
    content: GroupingComparisonJson
    plot: DotPlot | None


def render_report(report: ReportJson) -> str:
    """Return a report's page as HTML: one file, which asks nothing of the network.

    Args:
        report: the content of ``report.json``.
    """
    templates = _environment()
    style, script = (part_of_page(templates, names) for names in (STYLES, SCRIPTS))
    leading = words.leading_point(report)
    return templates.get_template(TEMPLATE).render(
        report=report,
        style=style,
        script=script,
        policy=content_policy(style=style, script=script),
        words=words,
        rows_words=rows_words,
        verdict_words=verdict_words,
        summary_words=summary_words,
        comparison_words=comparison_words,
        leading=leading,
        points=_points(report, leading),
        distributions=_distributions(leading),
        sweeps=_sweeps(report, leading),
        calibration=calibration_chart(report["calibration"]),
        diagrams=group_diagrams(report["calibration"]),
        names=compared_names(report),
        comparisons=_comparisons(report["comparison"], compared_names(report)),
        slices_plot=None if report["slices"] is None else slices_plot(report["slices"]),
        max_open=MAX_OPEN_ROWS,
    )


def _environment() -> Environment:
    found = environment()
    found.filters.update(
        fine=words.fine_points,
        number=number,
        brief_number=brief_number,
        p_value=_p_value,
        count=words.number_of_rows,
        setting=_setting,
        capitalize_first=lambda text: text[:1].upper() + text[1:],
    )
    return found


def _points(report: ReportJson, leading: OperatingPointJson | None) -> list[PointSection]:
    said: set[tuple[str, ...]] = set()
    return [
        PointSection(
            id=f"point-{position}",
            content=point,
            leading=point is leading,
            measures=None if point["measures"] is None else measure_table([point["measures"]]),
            groupings=[
                _grouping(grouping, point, f"point-{position}-{place}", said)
                for place, grouping in enumerate(point["groupings"], start=1)
            ],
        )
        for position, point in enumerate(report["operating_points"], start=1)
    ]


def _grouping(
    grouping: GroupingJson, point: OperatingPointJson, identifier: str, said: set[tuple[str, ...]]
) -> GroupingSection:
    """Return one grouping; what it is the first to leave out joins ``said``."""
    surest = sorted(
        grouping["pairs"], key=lambda pair: (pair["adjusted_p_value"], -abs(pair["difference"]))
    )
    measures = measure_table([group["measures"] for group in grouping["groups"]])
    disparities = disparity_table(grouping["disparities"])
    left_out: dict[str, list[str]] = {}
    for table in (measures, disparities) if grouping["groups"] else ():
        for reason, names in table.left_out.items():
            if (reason, *names) not in said:
                said.add((reason, *names))
                left_out.setdefault(reason, []).extend(names)
    return GroupingSection(
        id=identifier,
        content=grouping,
        plot=recall_plot(grouping, point),
        measures=measures,
        disparities=disparities,
        left_out=left_out,
        pairs=surest[:MAX_PAIRS],
    )


def _distributions(leading: OperatingPointJson | None) -> list[Bars]:
    """Return how faces are distributed over each attribute, and over all together."""
    if leading is None:
        return []
    return [distribution(part) for part in leading["groupings"] if not part["within"]]


def _sweeps(report: ReportJson, leading: OperatingPointJson | None) -> list[SweepSection]:
    sweep = report["sweep"]
    if sweep is None:
        return []
    rates = [point["fpr"]["value"] for point in report["operating_points"] if point["fpr"]]
    low, high = min(sweep["fpr"], default=0.0), max(sweep["fpr"], default=0.0)
    guides = [rate for rate in rates if rate is not None and low <= rate <= high]
    position = _nearest(sweep["fpr"], leading)
    return [
        SweepSection(
            id=f"sweep-{place}",
            content=part,
            charts=sweep_charts(sweep, part, guides=guides, position=position),
            groups=styled_groups(part, position),
        )
        for place, part in enumerate(sweep["groupings"], start=1)
        if part["groups"]
    ]


def _nearest(rates: Sequence[float], point: OperatingPointJson | None) -> int:
    """Return the position of the rate that is nearest to that of a threshold."""
    if point is None or point["fpr"] is None or point["fpr"]["value"] is None:
        return 0
    wanted = point["fpr"]["value"]
    return min(range(len(rates)), key=lambda k: abs(rates[k] - wanted), default=0)


def _comparisons(
    comparison: ComparisonJson | None, names: tuple[str, str]
) -> list[list[ComparisonSection]]:
    """Return the groupings of each compared rate; none where it was refused."""
    if comparison is None:
        return []
    return [
        [
            ComparisonSection(
                id=f"comparison-{position}-{place}",
                content=part,
                plot=comparison_plot(part, names=names),
            )
            for place, part in enumerate(point["groupings"], start=1)
        ]
        for position, point in enumerate(comparison["points"], start=1)
    ]


def _p_value(value: float | None) -> str:
    """Return a p-value for a cell of a table."""
    if value is None:
        return "-"
    return "<\N{NO-BREAK SPACE}0.001" if value < 0.001 else f"{value:.3f}"


def _setting(value: object) -> str:
    """Return a setting as it was given."""
    if isinstance(value, (list, tuple)):
        return ", ".join(_setting(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {_setting(item)}" for name, item in value.items()) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
