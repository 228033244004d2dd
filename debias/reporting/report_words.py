"""What a report found, in sentences and names; page, terminal and model card share them."""

from __future__ import annotations

from collections.abc import Sequence

from debias.reporting.cells import number, points, share
from debias.reporting.measure_schema import RateJson
from debias.reporting.models_schema import SeedFigureJson
from debias.reporting.point_schema import (
    DisparityJson,
    GroupingJson,
    GroupJson,
    OperatingPointJson,
    VerdictJson,
)
from debias.reporting.schema import ConditionJson, ReportJson, SlicesJson

NOT_ESTIMABLE, NOT_APPLICABLE = "not estimable", "not applicable"
VERDICTS = {
    "disparity": "Disparity found",
    "below_margin": "Found, but below the margin",
    "none_beyond_margin": "None beyond the margin",
    "inconclusive": "Inconclusive",
}
NO_VERDICT = "No verdict"
STATUSES = {"ranked": "", "small": "few faces", "empty": "no faces", "unknown": "unknown"}
"""Why a group is not ranked, in two words."""
MEASURES = {
    "recall": "Recall",
    "fpr": "False-positive rate",
    "precision": "Precision",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "selection_rate": "Selection rate",
    "auc": "AUC",
    "ece": "Calibration error",
}
SHARES = frozenset(MEASURES) - {"auc"}
"""Measures that are written in per cent."""
DISPARITIES = {
    "demographic_parity": "Demographic parity",
    "equal_opportunity": "Equal opportunity",
    "equalized_odds": "Equalized odds",
    "garbe": "GARBE",
    "fdr": "FDR (fairness discrepancy rate)",
}
METHODS = {"between_groups": "between groups", "to_overall": "to overall"}
FIGURES = {"recall": "recall of all faces", "worst_recall": "recall of the worst group"}


def leading_point(report: ReportJson) -> OperatingPointJson | None:
    """Return the threshold that a report is about before all others.

    It is the first that could be judged: the one in use if there is one, else the first target.
    None where all were refused.
    """
    judged = (point for point in report["operating_points"] if point["status"] == "estimated")
    return next(judged, None)


def point_name(point: OperatingPointJson) -> str:
    """Return which threshold it is: ``stored threshold for 1 %``."""
    if point["source"] == "decisions":
        return "decisions as given (y_pred)"
    target = share(point["target_fpr"])
    if point["source"] == "test":
        return f"threshold for {target} of these non-faces"
    if point["source"] == "given":
        return "given threshold"
    return "stored threshold" if point["target_fpr"] is None else f"stored threshold for {target}"


def at_point(point: OperatingPointJson) -> str:
    """Return at which threshold, and what it lets through, to start a sentence with."""
    fpr = point["fpr"]
    if fpr is None or fpr["value"] is None:
        through = f"whose false-positive rate is {NOT_ESTIMABLE}"
    elif point["source"] == "decisions":
        through = f"which let {fine_points(fpr['value'], digits=2)} % of the non-faces through"
    else:
        through = f"which lets {fine_points(fpr['value'], digits=2)} % of the non-faces through"
    return f"{_capital(where(point))}, {through},"


def threshold_words(point: OperatingPointJson) -> str:
    """Return the threshold, where it comes from and what it answers; empty where there is none."""
    if point["threshold"] is None:
        return ""
    origin = {
        "given": "as given",
        "stored": "stored with the predictions",
        "test": "set on these non-faces",
    }.get(point["source"], "as decided")
    assert point["recall"] is not None
    assert point["fpr"] is not None
    if point["recall"]["num_successes"] + point["fpr"]["num_successes"] == 0:
        answers = "no score reaches it, so that nothing is answered 1"
    else:
        answers = "a score of at least that is answered 1"
    return f"{number(point['threshold'])}, {origin}: {answers}"


def where(point: OperatingPointJson) -> str:
    """Return at which threshold, for a caption: ``at the stored threshold for 1 %``."""
    if point["source"] == "decisions":
        return "by the decisions as given"
    return f"at the {point_name(point)}"


def grouping_name(grouping: GroupingJson) -> str:
    """Return by what it groups, and within which values: ``tone x gender, pose = frontal``."""
    within = ", ".join(f"{name} = {value}" for name, value in grouping["within"].items())
    return f"{grouping['name']}, {within}" if within else grouping["name"]


def fine_points(part: float | None, *, digits: int = 1) -> str:
    """Return a share in percent, with digits enough not to pass for none or all when it is not."""
    return points(part, digits=digits)


def number_of_rows(number: float) -> str:
    """Return a number of rows; with one digit where weights make it fractional."""
    return f"{number:,.0f}" if number == round(number) else f"{number:,.1f}"


def rate_words(rate: RateJson) -> str:
    """Return a rate with its interval and its count: ``78.1 % [73.9, 81.8] of 480 faces``."""
    if rate["value"] is None:
        return f"{NOT_ESTIMABLE} (no faces)"
    low, high = fine_points(rate["low"]), fine_points(rate["high"])
    noun = "face" if rate["num_trials"] == 1 else "faces"
    return f"{fine_points(rate['value'])} % [{low}, {high}] of {rate['num_trials']:,} {noun}"


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
        f"The gap is {fine_points(gap['value'])} points [{fine_points(gap['low'])}, "
        f"{fine_points(gap['high'])}]. Were all groups found alike, chance alone would give "
        f"{fine_points(gap['null_median'])} (median), and more than "
        f"{fine_points(gap['null_percentile_95'])} in one case of twenty.{_hint(grouping)}"
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


def headline(report: ReportJson) -> str:
    """Return the answer in a sentence or two: the verdicts at the leading threshold."""
    point = leading_point(report)
    if point is None:
        return "No threshold could be judged: every target was refused."
    judged = [grouping for grouping in point["groupings"] if grouping["verdict"] is not None]
    assert point["recall"] is not None
    overall = f"{at_point(point)} recall is {rate_words(point['recall'])}."
    if point["recall"]["value"] == 0.0:
        overall += " No face is found: no verdict can make good news of that."
    if not judged:
        why = "no group is ranked beside another" if point["groupings"] else "no groups were named"
        return f"{overall} There is no verdict on disparities: {why}."
    return f"{overall} {_tally(judged)}"


def summary(report: ReportJson) -> list[str]:
    """Return the verdicts in lines: the headline, then one line for each grouping."""
    point = leading_point(report)
    lines = [headline(report)]
    for grouping in [] if point is None else point["groupings"]:
        parts = (
            f"{grouping_name(grouping)}: {verdict_label(grouping['verdict']).lower()}.",
            verdict_sentence(grouping, min_group_size=report["settings"]["min_group_size"]),
            worst_sentence(grouping),
            gap_sentence(grouping),
        )
        lines.append(" ".join(part for part in parts if part))
    return lines


def group_of(grouping: GroupingJson, values: Sequence[str]) -> GroupJson:
    """Return the group that has these values."""
    return next(group for group in grouping["groups"] if group["values"] == list(values))


def disparity_name(disparity: DisparityJson) -> str:
    """Return what a disparity is: ``Equal opportunity, ratio, between groups``."""
    name = DISPARITIES.get(disparity["name"], disparity["name"])
    if disparity["kind"] == "index":
        return name
    return f"{name}, {disparity['kind']}, {METHODS[disparity['method']]}"


def disparity_number(disparity: DisparityJson, value: float | None) -> str:
    """Return a difference in points, a ratio or an index as it is."""
    if value is None:
        return "-"
    return fine_points(value) if disparity["kind"] == "difference" else f"{value:.3f}"


def standing(group: GroupJson, grouping: GroupingJson) -> str:
    """Return whether a group is ranked, is the worst or best, or why it is not ranked."""
    gap = grouping["gap"]
    if group["status"] != "ranked":
        return f"{STATUSES[group['status']]}, not ranked"
    if gap is None or gap["value"] == 0.0:
        return "ranked"
    if group["values"] == gap["worst_values"]:
        return "ranked, worst"
    return "ranked, best" if group["values"] == gap["best_values"] else "ranked"


def condition_words(condition: ConditionJson) -> str:
    """Return how a condition of ``--fail-if`` ended."""
    if condition["value"] is None:
        ended = "could not be evaluated"
        if condition["holds"]:
            ended += ", which counts as failed"
    else:
        ended = "holds, so the report fails" if condition["holds"] else "does not hold"
    return f"{ended}: {condition['reason']}" if condition["reason"] else ended


def seed_figure_name(figure: SeedFigureJson) -> str:
    """Return what a figure over several trainings is: ``gap by tone x gender``."""
    name = FIGURES.get(figure["name"], figure["name"])
    return f"{name} by {' x '.join(figure['columns'])}" if figure["columns"] else name


def slices_sentence(slices: SlicesJson) -> str:
    """Return how many regions were looked at, and in how many errors concentrate."""
    found = len(slices["slices"])
    count = {0: "none has", 1: "one has"}.get(found, f"{found:,} have")
    told = (
        f"Of {slices['num_candidates']:,} regions of the embedding, {count} a raised share of "
        f"missed faces, after correction for looking at so many."
    )
    if any(each["error_rate"]["num_trials"] < each["num_images"] for each in slices["slices"]):
        told += (
            " A region that was sought among the errors of one half of the persons is tested on "
            "the other half, so that its error rate is of fewer faces than lie in it."
        )
    return told


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


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _listed(names: Sequence[str], *, most: int = 4) -> str:
    """Return names with semicolons between, since a name may hold commas."""
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return "; ".join(shown)
