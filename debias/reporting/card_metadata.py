"""The head of a model card: what the Hugging Face Hub reads of its figures."""

from __future__ import annotations

from debias.reporting.markdown import Yaml
from debias.reporting.measure_schema import RateJson
from debias.reporting.point_schema import GroupingJson, OperatingPointJson
from debias.reporting.report_words import group_of, point_name
from debias.reporting.schema import ReportJson

TASK = "image-classification"


def card_metadata(report: ReportJson, *, model_name: str) -> dict[str, Yaml]:
    """Return the metadata of a model card as plain data.

    ``model-index`` holds, for every threshold that could be judged, the false-positive rate and
    recall of all rows, and for every grouping of all rows the recall of its worst group and the
    gap, each with its limits. Nothing that could not be estimated is in it.

    Args:
        report: the content of ``report.json``.
        model_name: what the model is called.
    """
    metrics = [
        metric
        for point in report["operating_points"]
        if point["status"] == "estimated"
        for metric in _metrics(point)
    ]
    metadata: dict[str, Yaml] = {
        "pipeline_tag": TASK,
        "tags": ["fairness", "face-detection"],
    }
    if metrics:
        metadata["metrics"] = ["recall"]
        metadata["model-index"] = [
            {"name": model_name, "results": [_result(report, metrics)]},
        ]
    return metadata


def _result(report: ReportJson, metrics: list[Yaml]) -> dict[str, Yaml]:
    rows = report["rows"]
    return {
        "task": {"type": TASK, "name": "Telling faces from non-faces"},
        "dataset": {
            "type": "evaluation-data",
            "name": f"Evaluation data: {rows['chosen']}",
            "args": {
                "num_faces": rows["num_faces"],
                "num_negatives": rows["num_negatives"],
                "sha256": [item["sha256"] for item in report["inputs"]],
            },
        },
        "metrics": metrics,
    }


def _metrics(point: OperatingPointJson) -> list[Yaml]:
    at: dict[str, Yaml] = {
        "source": point["source"],
        "target_fpr": point["target_fpr"],
        "threshold": point["threshold"],
    }
    found: list[Yaml] = []
    for kind, name, rate in [
        ("recall", "Recall of all faces", point["recall"]),
        ("false_positive_rate", "False-positive rate of all non-faces", point["fpr"]),
    ]:
        if rate is not None and rate["value"] is not None:
            found.append(
                _metric(kind, f"{name} ({point_name(point)})", rate["value"], at, _limits(rate))
            )
    for grouping in (part for part in point["groupings"] if not part["within"]):
        found += _grouping_metrics(grouping, point, at)
    return found


def _grouping_metrics(
    grouping: GroupingJson, point: OperatingPointJson, at: dict[str, Yaml]
) -> list[Yaml]:
    gap, verdict = grouping["gap"], grouping["verdict"]
    if gap is None:
        return []
    place = f"by {grouping['name']} ({point_name(point)})"
    of: dict[str, Yaml] = {"grouping": grouping["columns"]}
    worst = group_of(grouping, gap["worst_values"])["recall"]
    assert worst["value"] is not None  # a ranked group has faces
    return [
        _metric(
            "worst_group_recall",
            f"Recall of the worst group {place}",
            worst["value"],
            at,
            {**of, "group": gap["worst_values"], **_limits(worst)},
        ),
        _metric(
            "recall_gap",
            f"Gap in recall {place}",
            gap["value"],
            at,
            {
                **of,
                "low": gap["low"],
                "high": gap["high"],
                "gap_by_chance": gap["null_median"],
                "verdict": None if verdict is None else verdict["verdict"],
            },
        ),
    ]


def _metric(
    kind: str, name: str, value: float, at: dict[str, Yaml], more: dict[str, Yaml]
) -> dict[str, Yaml]:
    return {"type": kind, "name": name, "value": value, "args": {**at, **more}}


def _limits(rate: RateJson) -> dict[str, Yaml]:
    return {"low": rate["low"], "high": rate["high"], "num_rows": rate["num_trials"]}
