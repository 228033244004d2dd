"""What a report found, in a few sentences; page, terminal and model card open with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from debias.reporting.cells import limits, points
from debias.reporting.comparison_words import comparison_sentence
from debias.reporting.point_schema import GroupingJson, OperatingPointJson
from debias.reporting.report_words import (
    at_point,
    grouping_name,
    leading_point,
    rate_words,
    resting_words,
)
from debias.reporting.schema import ReportJson
from debias.reporting.verdict_words import (
    NO_VERDICT,
    VERDICTS,
    gap_sentence,
    verdict_label,
    verdict_sentence,
    worst_sentence,
)


def headline(report: ReportJson) -> str:
    """Return the answer in a few sentences: verdicts at the leading threshold, and who is better.

    Strata have one sentence together.
    """
    point = leading_point(report)
    if point is None:
        told = ["No threshold could be judged: every target was refused."]
    else:
        told = [*_overall(point), *_verdicts(point)]
    return " ".join(part for part in (*told, comparison_sentence(report)) if part)


def summary(report: ReportJson) -> list[str]:
    """Return the verdicts in lines: the headline, then one for each grouping, strata in short."""
    point = leading_point(report)
    lines = [headline(report)]
    for grouping in [] if point is None else point["groupings"]:
        name, verdict = grouping_name(grouping), grouping["verdict"]
        label = f"{name}: {verdict_label(verdict).lower()}"
        gap = grouping["gap"]
        if grouping["within"] and gap is not None:
            between = limits(gap["low"], gap["high"])
            lines.append(f"{label}; gap {points(gap['value'])} points {between}.")
            continue
        parts = (
            f"{label}.",
            verdict_sentence(grouping, min_group_size=report["settings"]["min_group_size"]),
            worst_sentence(grouping),
            gap_sentence(grouping),
        )
        lines.append(" ".join(part for part in parts if part))
    return lines


def strata_sentence(groupings: Sequence[GroupingJson]) -> str:
    """Return the verdicts within control features, counted; empty without such.

    Args:
        groupings: all at one threshold; those of all rows are passed over.
    """
    strata = [grouping for grouping in groupings if grouping["within"]]
    if not strata:
        return ""
    labels = [verdict_label(grouping["verdict"]) for grouping in strata]
    counts = [
        f"{label.lower()} in {labels.count(label):,}"
        for label in (*VERDICTS.values(), NO_VERDICT)
        if label in labels
    ]
    by = " and ".join(strata[0]["within"])
    number = "1 comparison" if len(strata) == 1 else f"{len(strata):,} comparisons"
    return f"Within values of {by}, {number}: {', '.join(counts)}."


def _overall(point: OperatingPointJson) -> Iterator[str]:
    """Give the recall of all faces, and what it rests on."""
    assert point["recall"] is not None
    resting = resting_words(point)
    yield (
        f"{at_point(point)} recall is {rate_words(point['recall'])}"
        f"{'; ' + resting if resting else ''}."
    )
    if point["recall"]["value"] == 0.0:
        yield "No face is found: no verdict can make good news of that."


def _verdicts(point: OperatingPointJson) -> Iterator[str]:
    """Give the verdicts of all groupings of all rows, then those of the strata together."""
    judged = [part for part in point["groupings"] if part["verdict"] is not None]
    if not judged:
        why = "no group is ranked beside another" if point["groupings"] else "no groups were named"
        yield f"There is no verdict on disparities: {why}."
        return
    yield _tally([part for part in judged if not part["within"]])
    yield strata_sentence(point["groupings"])


def _tally(judged: Sequence[GroupingJson]) -> str:
    """Return the verdicts of all groupings, each named once, those with a disparity first."""
    found: dict[str, list[str]] = {word: [] for word in VERDICTS}
    for grouping in judged:
        assert grouping["verdict"] is not None
        found[grouping["verdict"]["verdict"]].append(grouping_name(grouping))
    said = {
        "disparity": "A disparity between groups is found by {}.",
        "below_margin": "A disparity is found, but below the margin, by {}.",
        "none_beyond_margin": "None beyond the margin is found by {}.",
        "inconclusive": "The data are inconclusive by {}.",
    }
    return " ".join(said[word].format(_listed(names)) for word, names in found.items() if names)


def _listed(names: Sequence[str], *, most: int = 4) -> str:
    """Return names with semicolons between, since a name may hold commas."""
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return "; ".join(shown)
