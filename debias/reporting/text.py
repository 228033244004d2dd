"""A report as plain text for the terminal, at most 100 columns wide. It computes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from debias.reporting.cells import (
    NOTHING,
    PLOT_WIDTH,
    WIDTH,
    bracket,
    clean,
    group_cell,
    interval,
    p_value,
    percent,
    plot,
    plot_floor,
    shorten,
    spelled,
    wrapped,
)
from debias.reporting.point_schema import GroupingJson, GroupJson, OperatingPointJson
from debias.reporting.report_words import (
    STATUSES,
    condition_words,
    grouping_name,
    point_name,
    resting_words,
    threshold_words,
)
from debias.reporting.rows_words import faces_words, join_words, labels_words, negatives_words
from debias.reporting.schema import ConditionJson, ReportJson
from debias.reporting.summary_words import summary
from debias.reporting.text_models import comparison_lines, seeds_lines, slices_lines

MAX_PAIRS = 6


def render_text(report: ReportJson) -> str:
    """Return the report as lines: verdicts, the answers side by side, each threshold, notes.

    Args:
        report: the content of ``report.json``.
    """
    alpha = 1.0 - report["settings"]["confidence"]
    lines = [
        *_heading(report),
        "",
        "VERDICTS",
        *(line for verdict in summary(report) for line in wrapped(verdict, first="  - ")),
        "",
        *_glance(report),
        *(line for point in report["operating_points"] for line in _operating_point(point, alpha)),
        *comparison_lines(report),
        *seeds_lines(report),
        *slices_lines(report),
        *(_conditions(report["conditions"]) if report["conditions"] else ()),
        "",
        "NOTES",
        *(line for note in report["notes"] for line in wrapped(note, first="  - ")),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _heading(report: ReportJson) -> Iterator[str]:
    rows = report["rows"]
    yield "FAIRNESS REPORT"
    for item in report["inputs"]:
        yield f"  {item['role'] + ':':<17}{shorten(item['path'], 80)}"
    yield f"  {'rows:':<17}{clean(rows['chosen'])} ({rows['num_in_file']:,} in the file)"
    yield f"  {'faces:':<17}{faces_words(report)}"
    yield f"  {'non-faces:':<17}{negatives_words(report)}"
    within = {name.partition("=")[0] for name in report["settings"].get("within", [])}
    for label in report["attributes"]:
        use = "within" if label["name"] in within else "group by"
        yield (
            f"  {use + ':':<17}{shorten(label['name'], 26)} "
            f"({shorten(labels_words(report, label), 30)}; unknown for "
            f"{label['num_unknown']:,} faces)"
        )
    yield f"  {'intervals:':<17}{100 * report['settings']['confidence']:g} %, in brackets"
    joined = join_words(report)
    if joined is not None:
        yield from wrapped(joined, first=f"  {'matched:':<17}")


def _glance(report: ReportJson) -> Iterator[str]:
    """Give a line for each threshold: what it lets through, what it finds, whom it serves worst."""
    yield (
        f"{'RECALL AT A GLANCE':<42}{'FPR %':>8}{'recall %':>10}{'worst %':>9}{'gap':>8}"
        "  worst group"
    )
    for point in report["operating_points"]:
        title = f"  {point_name(point):<40}"
        if point["recall"] is None or point["fpr"] is None:
            yield from wrapped(f"refused: {point['reason']}", first=title)
            continue
        worst, spread, who = _worst(point)
        yield (
            f"{title}{percent(point['fpr']['value'], 2):>8}"
            f"{percent(point['recall']['value']):>10}{worst:>9}{spread:>8}  {shorten(who, 21)}"
        )


def _worst(point: OperatingPointJson) -> tuple[str, str, str]:
    """Return recall, gap and name of the worst group of the finest grouping that ranks groups."""
    for grouping in reversed(point["groupings"]):
        gap = grouping["gap"]
        if gap is not None and not grouping["within"]:
            values = gap["worst_values"]
            rate = next(g["recall"] for g in grouping["groups"] if g["values"] == values)
            who = gap["worst"] if gap["value"] else "none: all are alike"
            return percent(rate["value"]), percent(gap["value"]), who
    return "-", "-", "-"


def _operating_point(point: OperatingPointJson, alpha: float) -> Iterator[str]:
    if point["recall"] is None or point["fpr"] is None:
        return
    yield ""
    yield f"== {point_name(point)} ".ljust(WIDTH, "=")
    if point["threshold"] is not None:
        yield from wrapped(threshold_words(point), first="  threshold       ")
    yield f"  false positives {spelled(point['fpr'], 2)}"
    resting = resting_words(point)
    told = f"{spelled(point['recall'], 1)}{'; ' + resting if resting else ''}"
    yield from wrapped(told, first="  recall          ")
    for grouping in point["groupings"]:
        if grouping["groups"]:
            yield ""
            yield from _grouping(grouping, alpha)


def _grouping(grouping: GroupingJson, alpha: float) -> Iterator[str]:
    shown = [group for group in grouping["groups"] if group["status"] != "empty"]
    floor = plot_floor([group["recall"] for group in shown])
    scale = f"{floor:<{PLOT_WIDTH - 3}.0f}100"
    name = group_cell(grouping_name(grouping))
    yield f"  {name}{'faces':>8}{'recall %':>10}{'interval':>16}  {scale}"
    for group in shown:
        yield _group_line(group, grouping, floor)
    empty = [group["name"] for group in grouping["groups"] if group["status"] == "empty"]
    if empty:
        yield from wrapped(f"{NOTHING}, no faces: {', '.join(empty)}", first="  ")
    gap = grouping["gap"]
    if gap is None:
        yield f"  gap {NOTHING}: {grouping['num_ranked']} group(s) large enough to rank"
        return
    yield (
        f"  gap {percent(gap['value'])} points {bracket(gap['low'], gap['high'])}"
        f"; by chance alone {percent(gap['null_median'])} (median), "
        f"{percent(gap['null_percentile_95'])} (95th percentile); {p_value(gap['null_p_value'])}"
    )
    yield (
        f"  E[A] {percent(grouping['mean_of_groups'])} % "
        f"{bracket(grouping['mean_of_groups_low'], grouping['mean_of_groups_high'])} "
        f"(mean of groups), {percent(grouping['mean_of_images'])} % "
        f"{bracket(grouping['mean_of_images_low'], grouping['mean_of_images_high'])} "
        "(weighted by images)"
    )
    yield (
        f"  Var[A] {_hundredths(grouping['variance'])} %^2 "
        f"[{_hundredths(grouping['variance_low'])}, {_hundredths(grouping['variance_high'])}]; "
        f"by chance alone {_hundredths(grouping['variance_null_median'])} (median), "
        f"{_hundredths(grouping['variance_null_percentile_95'])} (95th percentile)"
    )
    yield from _pairs(grouping, alpha)


def _hundredths(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def _group_line(group: GroupJson, grouping: GroupingJson, floor: float) -> str:
    gap, rate = grouping["gap"], group["recall"]
    remark = STATUSES[group["status"]]
    if group["status"] == "small" and group["effective_size"] < rate["num_trials"]:
        remark = "few persons"
    if gap is not None and group["status"] == "ranked" and gap["value"] > 0:
        is_worst, is_best = (
            group["values"] == values for values in (gap["worst_values"], gap["best_values"])
        )
        remark = "< worst" if is_worst else "best" if is_best else ""
    return (
        f"  {group_cell(group['name'])}{rate['num_trials']:>8,}{percent(rate['value']):>10}"
        f"{interval(rate):>16}  {plot(rate, floor)} {remark}"
    )


def _pairs(grouping: GroupingJson, alpha: float) -> Iterator[str]:
    """Name the pairs that differ after Holm's correction, the surest first."""
    found = [pair for pair in grouping["pairs"] if pair["adjusted_p_value"] <= alpha]
    found.sort(key=lambda pair: (pair["adjusted_p_value"], -abs(pair["difference"])))
    test = f"score test, {100 * alpha:.3g} % after Holm over all pairs at this threshold"
    if not found:
        yield f"  no two groups are shown to differ ({test})"
        return
    verb = "differs" if len(found) == 1 else "differ"
    yield f"  {len(found)} of {len(grouping['pairs'])} pairs of groups {verb} ({test}):"
    for pair in found[:MAX_PAIRS]:
        yield (
            f"    {shorten(pair['first'], 26)} - {shorten(pair['second'], 26)}: "
            f"{percent(pair['difference'], sign=True)} "
            f"{bracket(pair['low'], pair['high'], sign=True)}, "
            f"{p_value(pair['adjusted_p_value'])}"
        )
    if len(found) > MAX_PAIRS:
        yield f"    and {len(found) - MAX_PAIRS} more in report.json"


def _conditions(conditions: Sequence[ConditionJson]) -> Iterator[str]:
    """Give each condition that would be a failure, and whether it holds."""
    yield ""
    yield "== conditions ".ljust(WIDTH, "=")
    for condition in conditions:
        told = f"{condition['condition']}: {condition_words(condition)}"
        yield from wrapped(told, first="  - ")
