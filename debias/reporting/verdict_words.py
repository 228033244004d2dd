"""What a report claims of groups, in sentences; page, terminal and model card share them."""

from __future__ import annotations

from debias.reporting.cells import limits, points
from debias.reporting.point_schema import GroupingJson, VerdictJson
from debias.reporting.report_words import group_of, rate_words

VERDICTS = {
    "disparity": "Disparity found",
    "below_margin": "Found, but below the margin",
    "none_beyond_margin": "None beyond the margin",
    "inconclusive": "Inconclusive",
}
NO_VERDICT = "No verdict"


def verdict_label(verdict: VerdictJson | None) -> str:
    """Return a verdict in at most five words."""
    return NO_VERDICT if verdict is None else VERDICTS[verdict["verdict"]]


def verdict_sentence(grouping: GroupingJson, *, min_group_size: int) -> str:
    """Return what a verdict claims, and what it does not.

    Args:
        grouping: judged at one threshold.
        min_group_size: faces that make a group large enough to rank.
    """
    verdict = grouping["verdict"]
    if verdict is None:
        count = grouping["num_ranked"]
        has = "groups have" if count > 1 else "group has"
        return (
            f"{count or 'No'} {has} known values and at least {min_group_size:,} faces: "
            "a comparison takes two."
        )
    return _nobody_found(grouping) + _claim(grouping, verdict)


def _nobody_found(grouping: GroupingJson) -> str:
    """Return that groups are alike because all of their faces are missed; empty if not so."""
    gap = grouping["gap"]
    if gap is None or group_of(grouping, gap["best_values"])["recall"]["value"] != 0.0:
        return ""
    return "No face of any ranked group is found, and to be alike in that is no good news. "


def _claim(grouping: GroupingJson, verdict: VerdictJson) -> str:
    """Return what a verdict claims."""
    margin = _margin(verdict)
    differ = f"{_pairs(verdict)} in recall, more than chance explains"
    match verdict["verdict"]:
        case "disparity":
            beyond = grouping["gap"] is not None and grouping["gap"]["low"] > verdict["margin"]
            if beyond:
                return f"{differ}, and the largest difference is shown to be beyond {margin}."
            return f"{differ}, and differences beyond {margin} are not ruled out."
        case "below_margin":
            return f"{differ}, but every difference is shown to be smaller than {margin}."
        case "none_beyond_margin":
            return (
                f"No two groups are shown to differ in recall, and every difference is shown to "
                f"be smaller than {margin}."
            )
        case "inconclusive":
            return (
                f"No two groups are shown to differ in recall, but differences beyond {margin} "
                f"are not ruled out either. {_needed(verdict)}"
            )


def worst_sentence(grouping: GroupingJson) -> str:
    """Return which ranked groups are found least and most; empty with fewer than two."""
    gap = grouping["gap"]
    if gap is None:
        return ""
    if gap["value"] == 0.0:
        found = group_of(grouping, gap["worst_values"])["recall"]["value"]
        return f"The {grouping['num_ranked']} ranked groups are found alike: {points(found)} %."
    worst = rate_words(group_of(grouping, gap["worst_values"])["recall"])
    best = rate_words(group_of(grouping, gap["best_values"])["recall"])
    return f"Found least: {gap['worst']}, {worst}. Found most: {gap['best']}, {best}."


def gap_sentence(grouping: GroupingJson) -> str:
    """Return the gap beside the one that chance alone gives; empty without one."""
    gap = grouping["gap"]
    if gap is None:
        return ""
    return (
        f"The gap is {points(gap['value'])} points {limits(gap['low'], gap['high'])}."
        f"{_why_wider(grouping)} Were all groups found alike, chance alone would give "
        f"{points(gap['null_median'])} (median), and more than "
        f"{points(gap['null_percentile_95'])} in one case of twenty.{_hint(grouping)}"
    )


def _why_wider(grouping: GroupingJson) -> str:
    """Return why limits of a gap reach beyond a margin that every difference is shown to keep."""
    gap, verdict = grouping["gap"], grouping["verdict"]
    if gap is None or verdict is None or gap["high"] <= verdict["margin"]:
        return ""
    if verdict["verdict"] not in ("below_margin", "none_beyond_margin"):
        return ""
    if verdict["num_pairs"] == 1:
        return (
            " These limits are two-sided, so they are wider than the equivalence test needs: it "
            "takes one side at a time."
        )
    return (
        f" These limits hold for all {verdict['num_pairs']:,} pairs together, so they are wider "
        "than the equivalence test of each pair needs; every pair passes its own."
    )


def _hint(grouping: GroupingJson) -> str:
    """Return what a gap beyond that of chance is worth where no two groups are shown to differ."""
    gap, verdict = grouping["gap"], grouping["verdict"]
    if gap is None or verdict is None or verdict["num_different"]:
        return ""
    if gap["value"] <= gap["null_percentile_95"]:
        return ""
    return (
        " This gap is larger than that, but no two groups are shown to differ once all "
        "comparisons at this threshold are corrected for: a hint, not a finding."
    )


def _pairs(verdict: VerdictJson) -> str:
    if verdict["num_pairs"] == 1:
        return "The two groups differ"
    verb = "differs" if verdict["num_different"] == 1 else "differ"
    return f"{verdict['num_different']:,} of {verdict['num_pairs']:,} pairs of groups {verb}"


def _margin(verdict: VerdictJson) -> str:
    """Return the margin with as many digits as it was given."""
    margin = f"{100.0 * verdict['margin']:g}"
    return f"the margin of {margin} {'point' if margin == '1' else 'points'}"


def _needed(verdict: VerdictJson) -> str:
    needed = verdict["needed_per_group"]
    if needed is None:
        return "More faces in each group would settle it; how many is not known."
    return f"About {needed:,} independent faces in each group would settle it."
