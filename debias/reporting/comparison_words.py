"""What a comparison of two models found, in sentences; page, terminal and model card share them."""

from __future__ import annotations

from debias.reporting.cells import limits, points, share
from debias.reporting.model_names import compared_names
from debias.reporting.models_schema import ComparisonPointJson, DifferenceJson
from debias.reporting.schema import ReportJson


def comparison_title(report: ReportJson) -> str:
    """Return who is compared with whom."""
    first, second = compared_names(report)
    return f"{first} compared with {second}"


def comparison_sentence(report: ReportJson) -> str:
    """Return which model finds more faces at the first rate that could be compared.

    Empty where two models are not compared.
    """
    comparison = report["comparison"]
    if comparison is None:
        return ""
    first, second = compared_names(report)
    judged = (point for point in comparison["points"] if point["status"] == "estimated")
    point = next(judged, None)
    if point is None:
        return f"There is no verdict on {first} and {second}: every target was refused."
    found = _of_all_faces(point)
    if found is None or found["value"] is None:
        return ""
    at = f"At {share(point['target_fpr'])} false positives of each,"
    change = f"{points(found['value'], sign=True)} points"
    if found["low"] is None or found["high"] is None:
        return f"{at} recall of {first} differs from that of {second} by {change}."
    change += f" {limits(found['low'], found['high'], sign=True)}"
    if found["low"] > 0.0:
        return f"{at} {first} finds more of the faces than {second}: {change}."
    if found["high"] < 0.0:
        return f"{at} {first} finds fewer of the faces than {second}: {change}."
    return f"{at} {first} is not shown to find more or fewer of the faces than {second}: {change}."


def moved_sentences(report: ReportJson) -> str:
    """Return what is left of a gain at the other's false-positive rate; empty where unknown."""
    comparison = report["comparison"]
    if comparison is None or comparison["moved_threshold"] is None:
        return ""
    moved = comparison["moved_threshold"]
    first, second = compared_names(report)
    same = _more(
        moved["gain_at_same_fpr"], moved["gain_at_same_fpr_low"], moved["gain_at_same_fpr_high"]
    )
    given = _more(moved["gain"], moved["gain_low"], moved["gain_high"])
    alone = (
        f"{points(moved['gain_by_threshold'], sign=True)} points "
        f"{limits(moved['gain_by_threshold_low'], moved['gain_by_threshold_high'], sign=True)}"
    )
    return (
        f"At the false-positive rate of {second}, {points(moved['other_fpr'], digits=2)} %, "
        f"{first} finds {same}. At the thresholds that came with them {first} lets "
        f"{points(moved['fpr'], digits=2)} % of the non-faces through and finds {given}; the "
        f"thresholds alone make {alone}."
    )


def _of_all_faces(point: ComparisonPointJson) -> DifferenceJson | None:
    overall = (part for part in point["groupings"] if not part["columns"])
    return next((part["groups"][0]["difference"] for part in overall if part["groups"]), None)


def _more(value: float, low: float, high: float) -> str:
    """Return how many more or fewer faces one model finds than the other, with limits."""
    between = limits(low, high, sign=True)
    if value == 0.0:
        return f"as many faces as the other {between}"
    much = f"{points(abs(value))} points {'more' if value > 0.0 else 'fewer'}"
    return f"{much} of the faces than the other {between}"
