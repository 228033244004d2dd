"""Two models, several, and where one errs, as plain text for the terminal. It computes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from debias.reporting.cells import (
    WIDTH,
    bracket,
    group_cell,
    percent,
    share,
    shorten,
    spelled,
    wrapped,
)
from debias.reporting.comparison_words import comparison_title, moved_sentences
from debias.reporting.model_names import compared_names
from debias.reporting.models_schema import (
    ComparisonPointJson,
    DifferenceJson,
    GroupComparisonJson,
    GroupingComparisonJson,
)
from debias.reporting.report_words import STATUSES, seed_figure_name, slices_sentence
from debias.reporting.schema import ReportJson


def comparison_lines(report: ReportJson) -> Iterator[str]:
    """Give both models group by group at each rate; nothing where two are not compared."""
    comparison = report["comparison"]
    if comparison is None:
        return
    first, second = compared_names(report)
    yield ""
    yield f"== {shorten(comparison_title(report), 95)} ".ljust(WIDTH, "=")
    yield from wrapped(
        f"first: {first}; second: {second}; differences are the first minus the second, on the "
        f"{comparison['num_faces']:,} faces and {comparison['num_negatives']:,} non-faces that "
        f"both judge; {comparison['num_only_here']:,} rows are of the first alone, "
        f"{comparison['num_only_other']:,} of the second",
        first="  ",
    )
    moved = moved_sentences(report)
    if moved:
        yield from wrapped(moved, first="  ")
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
    yield f"  {title} (realised: {realised})"
    yield (
        f"  {group_cell('recall %')}{'faces':>8}{'first':>9}{'second':>9}{'difference':>12}"
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
    remark = STATUSES[group["status"]]
    rate, other = group["recall"], group["other_recall"]
    return (
        f"  {group_cell(indent + group['name'])}{rate['num_trials']:>8,}{percent(rate['value']):>9}"
        f"{percent(other['value']):>9}{_difference(group['difference'])}  {remark}"
    )


def _difference(figure: DifferenceJson) -> str:
    between = bracket(figure["low"], figure["high"], sign=True)
    return f"{percent(figure['value'], sign=True):>12}{between:>18}"


def seeds_lines(report: ReportJson) -> Iterator[str]:
    """Give each figure over several trained models: mean, spread and interval."""
    seeds = report["seeds"]
    if seeds is None:
        return
    yield ""
    yield f"== over {len(seeds['seeds'])} trained models ".ljust(WIDTH, "=")
    yield (
        f"  at {share(seeds['target_fpr'])} false positives of each; intervals of "
        f"{100 * report['settings']['confidence']:g} % are for other trainings and other images"
    )
    yield f"  {'%':<40}{'mean':>9}{'std':>8}{'interval':>16}"
    for figure in seeds["figures"]:
        between = bracket(figure["low"], figure["high"])
        yield (
            f"  {shorten(seed_figure_name(figure), 38):<40}{percent(figure['mean']):>9}"
            f"{percent(figure['standard_deviation']):>8}{between:>16}"
        )


def slices_lines(report: ReportJson) -> Iterator[str]:
    """Give each region in which errors concentrate, and what its faces have in common."""
    slices = report["slices"]
    if slices is None:
        return
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
