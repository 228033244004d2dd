"""A report as plain text for the terminal, at most 100 columns wide. It computes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from debias.reporting.cells import (
    NOTHING,
    PLOT_WIDTH,
    WIDTH,
    clean,
    group_cell,
    interval,
    p_value,
    percent,
    plot,
    plot_floor,
    share,
    shorten,
    spelled,
    wrapped,
)
from debias.reporting.models_schema import (
    ComparisonJson,
    ComparisonPointJson,
    DifferenceJson,
    GroupComparisonJson,
    GroupingComparisonJson,
    SeedsJson,
)
from debias.reporting.point_schema import GroupingJson, GroupJson, OperatingPointJson
from debias.reporting.report_words import (
    condition_words,
    grouping_name,
    point_name,
    seed_figure_name,
    slices_sentence,
    summary,
    threshold_words,
)
from debias.reporting.rows_words import faces_words, join_words, negatives_words
from debias.reporting.schema import ConditionJson, ReportJson, SlicesJson

MAX_PAIRS = 6
REMARKS = {"ranked": "", "small": "few faces", "empty": "no faces", "unknown": "unknown"}


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
        *(_comparison(report["comparison"]) if report["comparison"] else ()),
        *(_seeds(report["seeds"], report["settings"]["confidence"]) if report["seeds"] else ()),
        *(_slices(report["slices"]) if report["slices"] else ()),
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
        unknown_origin = label["provenance"] == "unknown"
        source = "of unknown origin" if unknown_origin else label["provenance"]
        yield (
            f"  {use + ':':<17}{shorten(label['name'], 40)} ({source}; unknown for "
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
    yield f"  recall          {spelled(point['recall'], 1)}"
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
        f"  gap {percent(gap['value'])} points [{percent(gap['low'])}, {percent(gap['high'])}]"
        f"; by chance alone {percent(gap['null_median'])} (median), "
        f"{percent(gap['null_percentile_95'])} (95th percentile); {p_value(gap['null_p_value'])}"
    )
    yield (
        f"  E[A] {percent(grouping['mean_of_groups'])} % "
        f"[{percent(grouping['mean_of_groups_low'])}, {percent(grouping['mean_of_groups_high'])}] "
        f"(mean of groups), {percent(grouping['mean_of_images'])} % "
        f"[{percent(grouping['mean_of_images_low'])}, {percent(grouping['mean_of_images_high'])}] "
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
    remark = REMARKS[group["status"]]
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
        low, high = percent(pair["low"], sign=True), percent(pair["high"], sign=True)
        yield (
            f"    {shorten(pair['first'], 26)} - {shorten(pair['second'], 26)}: "
            f"{percent(pair['difference'], sign=True)} [{low}, {high}], "
            f"{p_value(pair['adjusted_p_value'])}"
        )
    if len(found) > MAX_PAIRS:
        yield f"    and {len(found) - MAX_PAIRS} more in report.json"


def _comparison(comparison: ComparisonJson) -> Iterator[str]:
    yield ""
    yield "== compared with the other predictions ".ljust(WIDTH, "=")
    yield (
        f"  on the {comparison['num_faces']:,} faces and {comparison['num_negatives']:,} non-faces "
        f"of both; {comparison['num_only_here']:,} rows are only here, "
        f"{comparison['num_only_other']:,} only there"
    )
    moved = comparison["moved_threshold"]
    if moved is not None:
        yield from wrapped(
            f"At the thresholds that came with either, recall differs by "
            f"{percent(moved['gain'], sign=True)} points "
            f"[{percent(moved['gain_low'], sign=True)}, {percent(moved['gain_high'], sign=True)}] "
            f"and the false-positive rates are {percent(moved['fpr'], 2)} % and "
            f"{percent(moved['other_fpr'], 2)} %; with the first threshold moved to the rate of "
            f"the other, by {percent(moved['gain_at_same_fpr'], sign=True)} points "
            f"[{percent(moved['gain_at_same_fpr_low'], sign=True)}, "
            f"{percent(moved['gain_at_same_fpr_high'], sign=True)}]. The moved threshold alone "
            f"makes {percent(moved['gain_by_threshold'], sign=True)} points "
            f"[{percent(moved['gain_by_threshold_low'], sign=True)}, "
            f"{percent(moved['gain_by_threshold_high'], sign=True)}].",
            first="  ",
        )
    for point in comparison["points"]:
        yield ""
        yield from _comparison_point(point)


def _comparison_point(point: ComparisonPointJson) -> Iterator[str]:
    title = f"at {share(point['target_fpr'])} false positives of each"
    if point["fpr"] is None or point["other_fpr"] is None:
        yield from wrapped(f"{title}: refused: {point['reason']}", first="  ")
        return
    realised = (
        f"{percent(point['fpr']['value'], 2)} % and {percent(point['other_fpr']['value'], 2)} %"
    )
    yield f"  {title} (here {realised})"
    yield (
        f"  {group_cell('recall %')}{'faces':>8}{'this':>9}{'other':>9}{'difference':>12}"
        f"{'interval':>18}"
    )
    for grouping in point["groupings"]:
        yield from _grouping_comparison(grouping)


def _grouping_comparison(grouping: GroupingComparisonJson) -> Iterator[str]:
    if grouping["columns"]:
        yield f"  {shorten(grouping['name'], 90)}:"
    for group in grouping["groups"]:
        if group["status"] != "empty":
            yield _comparison_line(group, indent="  " if grouping["columns"] else "")
    if grouping["columns"]:
        for name, figure in [("worst group", grouping["worst_recall"]), ("gap", grouping["gap"])]:
            if figure is not None:
                yield f"  {group_cell('  ' + name)}{'':>26}{_difference(figure)}"


def _comparison_line(group: GroupComparisonJson, *, indent: str) -> str:
    remark = REMARKS[group["status"]]
    rate, other = group["recall"], group["other_recall"]
    return (
        f"  {group_cell(indent + group['name'])}{rate['num_trials']:>8,}{percent(rate['value']):>9}"
        f"{percent(other['value']):>9}{_difference(group['difference'])}  {remark}"
    )


def _difference(figure: DifferenceJson) -> str:
    low, high = percent(figure["low"], sign=True), percent(figure["high"], sign=True)
    return f"{percent(figure['value'], sign=True):>12}{f'[{low}, {high}]':>18}"


def _seeds(seeds: SeedsJson, confidence: float) -> Iterator[str]:
    """Give each figure over several trained models: mean, spread and interval."""
    yield ""
    yield f"== over {len(seeds['seeds'])} trained models ".ljust(WIDTH, "=")
    yield (
        f"  at {share(seeds['target_fpr'])} false positives of each; intervals of "
        f"{100 * confidence:g} % are for other trainings and other images"
    )
    yield f"  {'%':<40}{'mean':>9}{'std':>8}{'interval':>16}"
    for figure in seeds["figures"]:
        limits = f"[{percent(figure['low'])}, {percent(figure['high'])}]"
        yield (
            f"  {shorten(seed_figure_name(figure), 38):<40}{percent(figure['mean']):>9}"
            f"{percent(figure['standard_deviation']):>8}{limits:>16}"
        )


def _slices(slices: SlicesJson) -> Iterator[str]:
    """Give each region in which errors concentrate, and what its faces have in common."""
    yield ""
    yield "== slices ".ljust(WIDTH, "=")
    yield from wrapped(slices_sentence(slices), first="  ")
    for item in slices["slices"]:
        common = ", ".join(
            f"{each['name']} {each['value']} {percent(each['share'], 0)} % (elsewhere "
            f"{percent(each['share_elsewhere'], 0)} %)"
            for each in item["attributes"]
        )
        yield from wrapped(
            f"{item['name']}: {item['num_images']:,} faces, missed {spelled(item['error_rate'], 1)}"
            f", elsewhere {percent(item['error_rate_elsewhere']['value'])} %"
            f"{'; ' + common if common else ''}",
            first="  - ",
        )


def _conditions(conditions: Sequence[ConditionJson]) -> Iterator[str]:
    """Give each condition that would be a failure, and whether it holds."""
    yield ""
    yield "== conditions ".ljust(WIDTH, "=")
    for condition in conditions:
        told = f"{condition['condition']}: {condition_words(condition)}"
        yield from wrapped(told, first="  - ")
