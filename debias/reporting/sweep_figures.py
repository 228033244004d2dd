"""The figures of a sweep over thresholds: recall, gap, ROC and DET. It computes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from debias.reporting.figures import NUM_STYLES, Chart, Curve, Scale, band, line
from debias.reporting.score_schema import SweepGroupingJson, SweepGroupJson, SweepJson

MAX_BANDS = 4
"""Groups whose intervals are drawn; those of more would hide each other."""


def styled_groups(grouping: SweepGroupingJson, position: int) -> list[SweepGroupJson]:
    """Return the groups whose curves have a style of their own: of many, the worst.

    Args:
        grouping: of a sweep.
        position: the threshold, among those of the sweep, at which they are the worst.
    """
    groups = grouping["groups"]
    if len(groups) <= NUM_STYLES:
        return groups
    return sorted(groups, key=lambda group: group["recall"][position])[:NUM_STYLES]


def sweep_charts(
    sweep: SweepJson, grouping: SweepGroupingJson, *, guides: Sequence[float], position: int
) -> list[Chart]:
    """Return recall, gap, ROC and DET of the groups of a grouping over all thresholds.

    Args:
        sweep: over thresholds.
        grouping: one of its groupings.
        guides: false-positive rates of the thresholds that the report is about.
        position: see :func:`styled_groups`.
    """
    log_x = Scale.logarithmic(sweep["fpr"])
    charts = [_recall_chart(sweep, grouping, log_x, guides, position)]
    if grouping["gap"]:
        charts.append(_gap_chart(sweep, grouping, log_x, guides))
    return [
        *charts,
        _trade_off(sweep, grouping, guides, position, misses=False),
        _trade_off(sweep, grouping, guides, position, misses=True),
    ]


def _recall_chart(
    sweep: SweepJson,
    grouping: SweepGroupingJson,
    x: Scale,
    guides: Sequence[float],
    position: int,
) -> Chart:
    groups = grouping["groups"]
    y = Scale.linear(
        [*sweep["recall"], *(low for group in groups for low in group["low"])], to_one=True
    )
    styled = styled_groups(grouping, position)
    banded = len(groups) <= MAX_BANDS
    curves = [
        Curve(name="", style="rest", points=line(x, y, sweep["fpr"], group["recall"]))
        for group in groups
        if group not in styled
    ]
    curves += [
        Curve(
            name=group["name"],
            style=str(style),
            points=line(x, y, sweep["fpr"], group["recall"]),
            band=band(x, y, sweep["fpr"], group["low"], group["high"]) if banded else "",
        )
        for style, group in enumerate(styled)
    ]
    everyone = line(x, y, sweep["fpr"], sweep["recall"])
    return Chart(
        title=f"Recall by {grouping['name']} over all thresholds",
        description="Recall against the false-positive rate of all non-faces; "
        + ("bands are intervals." if banded else "the table has the intervals."),
        x=x,
        y=y,
        x_label="false-positive rate, %, logarithmic",
        y_label="recall, %",
        curves=(*curves, Curve(name="all faces", style="all", points=everyone)),
        guides=tuple(guides),
    )


def _gap_chart(
    sweep: SweepJson, grouping: SweepGroupingJson, x: Scale, guides: Sequence[float]
) -> Chart:
    y = Scale.linear([*grouping["gap"], *grouping["null_median"]])
    return Chart(
        title=f"Gap by {grouping['name']} over all thresholds",
        description="The largest recall minus the smallest, beside the median that chance alone "
        "gives.",
        x=x,
        y=y,
        x_label="false-positive rate, %, logarithmic",
        y_label="gap in recall, points",
        curves=(
            Curve(name="gap", style="0", points=line(x, y, sweep["fpr"], grouping["gap"])),
            Curve(
                name="by chance alone (median)",
                style="chance",
                points=line(x, y, sweep["fpr"], grouping["null_median"]),
            ),
        ),
        guides=tuple(guides),
    )


def _trade_off(
    sweep: SweepJson,
    grouping: SweepGroupingJson,
    guides: Sequence[float],
    position: int,
    *,
    misses: bool,
) -> Chart:
    """Return the ROC curve of each group, or its DET curve."""
    rates = {id(g): sweep["fpr"] if g["fpr"] is None else g["fpr"] for g in grouping["groups"]}
    heights = {
        id(g): [1.0 - part for part in g["recall"]] if misses else g["recall"]
        for g in grouping["groups"]
    }
    if misses:
        x = Scale.logarithmic(rate for found in rates.values() for rate in found)
        y = Scale.logarithmic(part for found in heights.values() for part in found)
    else:
        x = Scale.linear(rate for found in rates.values() for rate in found)
        y = Scale.linear((part for found in heights.values() for part in found), to_one=True)
    styled = styled_groups(grouping, position)
    styles = {id(group): str(style) for style, group in enumerate(styled)}
    own = any(group["fpr"] is not None for group in grouping["groups"])
    whose = "each group's own non-faces" if own else "all non-faces, which all groups share"
    rest = [group for group in grouping["groups"] if id(group) not in styles]
    name = "DET" if misses else "ROC"
    scales = ", logarithmic" if misses else ""
    return Chart(
        title=f"{name} by {grouping['name']}",
        description=f"Against the false-positive rate of {whose}."
        + (
            " Where no face is missed there is nothing to draw."
            if misses
            else " The axes show the part that holds the curves."
        ),
        x=x,
        y=y,
        x_label=f"false-positive rate, %{scales}",
        y_label=f"missed faces, %{scales}" if misses else "recall, %",
        curves=tuple(
            Curve(
                name=group["name"] if id(group) in styles else "",
                style=styles.get(id(group), "rest"),
                points=line(x, y, rates[id(group)], heights[id(group)]),
            )
            for group in (*rest, *styled)
        ),
        guides=() if own else tuple(guides),
    )
