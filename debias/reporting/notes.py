"""What a reader must know to read a report rightly, in words, from its own content."""

from __future__ import annotations

from collections.abc import Sequence

from debias.reporting.point_schema import OperatingPointJson
from debias.reporting.rows_words import labels_words
from debias.reporting.schema import ReportJson

ESTIMATED = ("proxy", "estimated", "unknown")
SEEN = {
    False: "There are no test images here: judged on validation images, which set the threshold "
    "and chose the model. New images are likely to be answered less well.",
    True: "There are no test images here: judged on images that the model was trained on, too. "
    "New images are likely to be answered less well.",
}
"""What it means to judge on validation, or on training images too."""


def notes(
    report: ReportJson,
    *,
    remarks: Sequence[str] = (),
    lookalikes: Sequence[tuple[str, str]] = (),
) -> list[str]:
    """Return the remarks that a report's content calls for, the most important first.

    Args:
        report: complete but for its own notes.
        remarks: of what computed it, such as why negatives are taken as they are.
        lookalikes: columns that were not used, and what they may have been meant for.
    """
    return [
        *_data_notes(report),
        *(
            f"The column {column!r} was not used; if it is {name}, say --column {name}={column}."
            for column, name in lookalikes
        ),
        *_label_notes(report),
        *remarks,
        *_point_notes(report),
        *_model_notes(report),
        *_pool_notes(report),
        "Intervals hold for the threshold as it stands; that a threshold set on these non-faces "
        "is itself an estimate is not in them (in a comparison it is).",
    ]


def _pool_notes(report: ReportJson) -> list[str]:
    rows = report["rows"]
    if rows["negatives"] != "pool" or not rows["num_negatives"] or not report["attributes"]:
        return []
    return [
        "Negatives have no group and are one pool that all groups share: there is one "
        "false-positive rate for all. AUC, ROC, DET and balanced accuracy by group take the pool; "
        "precision, parity, equalized odds and calibration by group are not applicable."
    ]


def _model_notes(report: ReportJson) -> list[str]:
    found = []
    if report["seeds"] is not None:
        found.append(
            f"The predictions are of {len(report['seeds']['seeds'])} trained models. Each answers "
            "at its own threshold; rates are over all answers, an image counting once a model, and "
            "their intervals take the models as given."
        )
    if report["comparison"] is not None:
        found.append(
            "Compared are two trained models, not two methods: either, trained anew, may answer "
            "otherwise. To speak of methods, train each several times and report on each with a "
            'column "seed", which tells how much figures vary from training to training.'
        )
    if report["rows"]["has_weights"]:
        found.append(
            "Rows have weights: rates, areas and calibration are weighted. Thresholds for a "
            "target, comparisons, slices and figures over models count rows; the sweep over "
            "thresholds is left out."
        )
    has_embedding = any(item["role"] == "embedding" for item in report["inputs"])
    if has_embedding and report["slices"] is None:
        found.append("No slices were sought: there is no threshold at which faces are missed.")
    return found


def _data_notes(report: ReportJson) -> list[str]:
    rows, found = report["rows"], []
    if rows["seen_splits"]:
        found.append(SEEN["train" in rows["seen_splits"]])
    if rows["num_faces"] == 0:
        found.append("There are no faces: recall is not estimable.")
    if rows["num_negatives"] == 0:
        found.append(
            "There are no non-faces: the false-positive rate is not estimable, and a recall means "
            "little without it."
        )
    if rows["num_unlabelled"]:
        found.append(f"{rows['num_unlabelled']:,} rows without a label were left out.")
    if rows["num_faces"] and rows["num_persons"] is None:
        found.append(
            "There is no identity_id: faces count as independent. If persons appear more than "
            "once, the intervals are too narrow."
        )
    elif rows["num_faces_identified"] < rows["num_faces"]:
        num_unknown = rows["num_faces"] - rows["num_faces_identified"]
        found.append(
            f"{num_unknown:,} of {rows['num_faces']:,} faces have no identity_id: these faces "
            "count as independent. If persons appear more than once among them, the intervals "
            "are too narrow."
        )
    return found


def _label_notes(report: ReportJson) -> list[str]:
    found = []
    join = report["join"]
    if join is not None and join["num_faces_unmatched"]:
        found.append(
            f"{join['num_faces_unmatched']:,} faces have no row among the attributes; they are in "
            'the stratum "unknown".'
        )
    weak = [
        f"{item['name']} ({labels_words(report, item)})"
        for item in report["attributes"]
        if item["provenance"] in ESTIMATED
    ]
    if weak:
        found.append(
            f"Not known to be self-reported or annotated: {', '.join(weak)}. Wrong labels make "
            "groups look more alike than they are, or unequal where they are not."
        )
    drawn = [item["name"] for item in report["attributes"] if item["provenance"] == "constructed"]
    if drawn:
        found.append(
            f"Constructed: {', '.join(drawn)}. A program drew these images and knows what it "
            "drew, so no such label is wrong; what holds for drawn faces need not hold for "
            "photographs."
        )
    if any(
        group["status"] == "small"
        for point in report["operating_points"]
        for grouping in point["groupings"]
        for group in grouping["groups"]
    ):
        found.append(
            f"Groups of fewer than {report['settings']['min_group_size']} faces (persons, where "
            "faces share them) are shown, but not ranked, nor part of gap, E[A], Var[A] and tests."
        )
    return found


def _point_notes(report: ReportJson) -> list[str]:
    found = []
    auc = next((p["measures"]["auc"] for p in report["operating_points"] if p["measures"]), None)
    if auc is not None and auc["high"] is not None and auc["high"] < 0.5:
        found.append(
            f"Scores seem to run the other way (AUC {auc['value']:.3f}): the higher must mean the "
            "more like a face."
        )
    points = report["operating_points"]
    if all(point["source"] == "test" for point in points):
        found.append(
            "No threshold came with the predictions: what the model does in use is not shown. "
            "Give it with --threshold."
        )
    least = report["settings"]["min_false_positives"]
    found += [_few_note(point) for point in points if _expects_few(point, least)]
    if not report["rows"]["has_weights"]:  # a weighted rate differs from the target anyway
        found += [_tie_note(point) for point in points if _falls_short(point, least)]
    return found


def _expects_few(point: OperatingPointJson, least: int) -> bool:
    """Tell whether the independent non-faces are too few for the rate that was asked for."""
    expected = point["expected_false_positives"]
    has_negatives = point["fpr"] is not None and point["fpr"]["num_trials"] > 0
    return has_negatives and expected is not None and expected < least


def _few_note(point: OperatingPointJson) -> str:
    rate, expected, target = point["fpr"], point["expected_false_positives"], point["target_fpr"]
    assert rate is not None
    assert expected is not None
    assert target is not None
    which = "stored threshold" if point["source"] == "stored" else "threshold set here"
    shared = ""
    if rate["design_effect"] != 1.0:
        shared = f", worth {expected / target:,.0f} independent ones for what they share or weigh"
    return (
        f"Few non-faces at the {which} for {100 * target:g} %: {rate['num_trials']:,}{shared}. "
        f"{expected:.1f} false positives are to be expected of so many, too few to tell the rate "
        "well. More pictures would help; more windows of the same ones would not."
    )


def _falls_short(point: OperatingPointJson, least: int) -> bool:
    """Tell whether a threshold set here lets through less than nine tenths of its target."""
    if point["source"] != "test" or point["fpr"] is None or point["target_fpr"] is None:
        return False
    realised, num_negatives = point["fpr"]["num_successes"], point["fpr"]["num_trials"]
    expected = point["target_fpr"] * num_negatives
    return realised < 0.9 * expected and expected - realised >= max(1, least // 10)


def _tie_note(point: OperatingPointJson) -> str:
    assert point["fpr"] is not None
    assert point["target_fpr"] is not None
    return (
        f"Tied scores: at a target of {100 * point['target_fpr']:g} % only "
        f"{point['fpr']['num_successes']:,} of {point['fpr']['num_trials']:,} non-faces can be "
        "let through, so recall is lower than distinct scores would give."
    )
