"""What things are called in a report; page, terminal and model card share these words."""

from __future__ import annotations

from collections.abc import Sequence

from debias.reporting.cells import limits, number, points, share
from debias.reporting.measure_schema import RateJson
from debias.reporting.models_schema import SeedFigureJson
from debias.reporting.point_schema import (
    DisparityJson,
    GroupingJson,
    GroupJson,
    OperatingPointJson,
)
from debias.reporting.schema import ConditionJson, ReportJson, SlicesJson

NOT_ESTIMABLE, NOT_APPLICABLE = "not estimable", "not applicable"
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
MANY_NON_FACES = 100
"""A rate that so many false positives were counted for is known to a tenth of itself."""
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
    noun = "face" if rate["num_trials"] == 1 else "faces"
    between = limits(rate["low"], rate["high"])
    return f"{fine_points(rate['value'])} % {between} of {rate['num_trials']:,} {noun}"


def resting_words(point: OperatingPointJson) -> str:
    """Return on how few non-faces a threshold rests that was set on them; empty on many.

    Intervals take the threshold as it stands, and would pass for surer than they are.
    """
    rate = point["fpr"]
    if point["source"] != "test" or rate is None or rate["num_successes"] >= MANY_NON_FACES:
        return ""
    passed = number_of_rows(rate["num_successes"])
    noun = "non-face" if rate["num_successes"] == 1 else "non-faces"
    return f"at this threshold, which itself rests on {passed} {noun}"


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


def disparity_limits(disparity: DisparityJson) -> str:
    """Return the limits of a disparity in brackets; empty without them."""
    low, high = disparity["low"], disparity["high"]
    if low is None or high is None:
        return ""
    return limits(low, high) if disparity["kind"] == "difference" else f"[{low:.3f}, {high:.3f}]"


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


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
