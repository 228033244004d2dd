"""Reports of arrays: the same as those of files, and right where the answer is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from jobs.report_tables import disparity, face_tables, gender_table, grouping_of, measured

from debias.errors import DataError, UsageError
from debias.jobs.report import fairness_report, run_report, write_report
from debias.reporting.model_card import render_model_card
from debias.reporting.point_schema import OperatingPointJson
from debias.reporting.report_page import render_report
from debias.reporting.schema import ReportJson
from debias.reporting.settings import ReportSettings
from debias.reporting.text import render_text

QUICK = ReportSettings(target_fpr=(0.05,), num_replicates=20, num_sweep=5)
KNOWN_HERE_ALONE = ("created", "inputs")


def but(report: ReportJson, *names: str) -> dict[str, Any]:
    """Return a report without some of its keys."""
    return {name: value for name, value in report.items() if name not in names}


def test_arrays_give_the_report_of_their_file(tmp_path: Path) -> None:
    predictions, people = face_tables()
    tens = predictions["image_id"].str[:-1]
    predictions["identity_id"] = tens.where(predictions["y_true"] == 1)
    predictions["picture"] = tens.where(predictions["y_true"] == 0)
    predictions.to_parquet(tmp_path / "scores.parquet")
    people.iloc[::-1].to_csv(tmp_path / "people.csv", index=False)
    stated = {"skin_tone": "annotated", "pose": "estimated"}
    of_file = run_report(
        predictions=tmp_path / "scores.parquet",
        attributes=tmp_path / "people.csv",
        groups=["skin_tone", "gender"],
        within=["pose"],
        label_provenance=stated,
        settings=QUICK,
    )
    whole = predictions.merge(people, how="left", on="image_id")
    of_arrays = fairness_report(
        y_true=whole["y_true"].to_numpy(),
        y_score=whole["y_score"].tolist(),
        image_id=whole["image_id"],
        identity_id=whole["identity_id"],
        picture=whole["picture"],
        sensitive_features=whole[["skin_tone", "gender", "pose"]],
        within=["pose"],
        label_provenance=stated,
        settings=QUICK,
    )
    assert but(of_arrays, *KNOWN_HERE_ALONE) == but(of_file, *KNOWN_HERE_ALONE)
    assert of_arrays["inputs"] == []
    assert (of_file["rows"]["num_persons"], of_file["rows"]["num_pictures"]) == (48, 40)


def test_grouped_weighted_arrays_give_the_report_of_their_file(tmp_path: Path) -> None:
    table = gender_table()
    table["sample_weight"] = np.random.default_rng(0).exponential(size=len(table))
    table["y_pred"] = (table["y_score"] >= 0.4).astype(int)
    table.to_parquet(tmp_path / "answers.parquet")
    of_file = run_report(
        predictions=tmp_path / "answers.parquet",
        groups=["skin_tone", "age"],
        threshold=0.4,
        settings=QUICK,
    )
    of_arrays = fairness_report(
        y_true=table["y_true"],
        y_score=table["y_score"],
        y_pred=table["y_pred"],
        threshold=0.4,
        image_id=table["image_id"],
        sample_weight=table["sample_weight"],
        sensitive_features={name: table[name] for name in ("skin_tone", "age")},
        settings=QUICK,
    )
    assert but(of_arrays, *KNOWN_HERE_ALONE) == but(of_file, *KNOWN_HERE_ALONE)
    assert of_file["rows"]["negatives"] == "grouped"


def test_arrays_may_be_judged_on_conditions_and_written(tmp_path: Path) -> None:
    table = gender_table()
    report = fairness_report(
        y_true=table["y_true"],
        y_pred=table["y_pred"],
        sensitive_features=table["skin_tone"],
        fail_if=["demographic_parity_ratio<0.8", "precision<0.1"],
        settings=QUICK,
    )
    first, second = report["conditions"]
    assert first["holds"]
    assert not second["holds"]
    write_report(report, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == report


def test_a_feature_without_a_name_is_called_as_fairlearn_does() -> None:
    table = gender_table()
    report = fairness_report(
        y_true=table["y_true"],
        y_score=table["y_score"],
        sensitive_features=table["skin_tone"].to_numpy(),
        settings=QUICK,
    )
    assert report["settings"]["groups"] == ["sensitive_feature_0"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"within": ["posture"]}, "no attribute 'posture'"),
        ({"fail_if": ["gap[age]>0.1"]}, "'age' is not grouped by"),
        ({"threshold": float("nan")}, "not a finite number"),
        ({"y_score": None}, "neither y_score nor y_pred"),
        ({"y_score": [0.5]}, "1 row, but y_true 480"),
        ({"y_score": np.full(480, np.inf)}, r"in 480 rows: row 1 \(inf\), row 2 \(inf\), "),
        ({"label_provenance": {"skin_tone": "guess"}}, "unknown provenance 'guess'"),
    ],
)
def test_wrong_arguments_are_named(change: dict[str, Any], message: str) -> None:
    y_true = np.tile([0, 1], 240)
    given: dict[str, Any] = {
        "y_true": y_true,
        "y_score": y_true * 1.0,
        "sensitive_features": {"skin_tone": ["dark", "light", "light"] * 160},
    }
    with pytest.raises((UsageError, DataError), match=message):
        fairness_report(**{**given, **change}, settings=QUICK)


def judged(
    faces: dict[str, tuple[float, int]],
    *,
    num_negatives: int = 400,
    negative: float = 0.0,
    settings: ReportSettings = QUICK,
    **arguments: Any,
) -> ReportJson:
    """Return the report of groups whose faces all have one score, given with their number."""
    people = [(tone, score) for tone, (score, number) in faces.items() for _ in range(number)]
    report = fairness_report(
        y_true=[1] * len(people) + [0] * num_negatives,
        y_score=[score for _, score in people] + [negative] * num_negatives,
        sensitive_features={"tone": [tone for tone, _ in people] + [None] * num_negatives},
        settings=settings,
        **arguments,
    )
    for render in (render_text, render_report, render_model_card):
        assert render(report)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    return report


def only_point(report: ReportJson) -> OperatingPointJson:
    (point,) = report["operating_points"]
    return point


def verdict_of(report: ReportJson) -> str | None:
    found = only_point(report)["groupings"][0]["verdict"]
    return None if found is None else found["verdict"]


def test_a_perfect_model_has_no_gap_and_only_many_faces_rule_one_out() -> None:
    few = judged({"dark": (1.0, 60), "light": (1.0, 60)})
    point = only_point(few)
    assert point["measures"] is not None
    assert point["measures"]["auc"]["value"] == 1.0
    assert point["measures"]["auc"]["low"] is not None
    assert 0.9 < point["measures"]["auc"]["low"] < 1.0
    grouping = grouping_of(point, ["tone"])
    assert grouping["gap"] is not None
    assert (grouping["gap"]["value"], grouping["gap"]["null_p_value"]) == (0.0, 1.0)
    assert grouping["gap"]["high"] > 0.02
    assert verdict_of(few) == "inconclusive"
    assert grouping["verdict"] is not None
    needed = grouping["verdict"]["needed_per_group"]
    assert needed is not None
    assert 60 < needed < 2000
    assert verdict_of(judged({"dark": (1.0, needed), "light": (1.0, needed)})) == (
        "none_beyond_margin"
    )
    assert "inconclusive" in render_text(few)


def test_constant_scores_find_nobody() -> None:
    report = judged({"dark": (0.5, 60), "light": (0.5, 60)}, negative=0.5)
    point = only_point(report)
    assert point["recall"] is not None
    assert point["fpr"] is not None
    assert (point["recall"]["value"], point["fpr"]["value"]) == (0.0, 0.0)
    assert point["measures"] is not None
    assert point["measures"]["auc"]["value"] == 0.5
    assert point["measures"]["precision"]["status"] == "not_estimable"
    assert any(note.startswith("Tied scores") for note in report["notes"])
    grouping = grouping_of(point, ["tone"])
    assert disparity(grouping, "equal_opportunity", "ratio", "between_groups")["status"] == (
        "not_estimable"
    )
    assert disparity(grouping, "equal_opportunity", "difference", "between_groups")["value"] == 0.0


def test_a_broken_group_is_a_disparity() -> None:
    report = judged({"dark": (-1.0, 40), "light": (1.0, 400), "medium": (1.0, 300)})
    assert verdict_of(report) == "disparity"
    grouping = grouping_of(only_point(report), ["tone"])
    assert grouping["worst"] == "dark"
    assert measured(grouping, "recall") == {"dark": 0.0, "light": 1.0, "medium": 1.0}
    assert grouping["gap"] is not None
    assert grouping["gap"]["value"] == 1.0
    assert grouping["gap"]["low"] > 0.8
    assert disparity(grouping, "equal_opportunity", "ratio", "between_groups")["value"] == 0.0
    adjusted = {
        (pair["first"], pair["second"]): pair["adjusted_p_value"] for pair in grouping["pairs"]
    }
    assert adjusted["dark", "light"] < 1e-6
    assert adjusted["light", "medium"] == 1.0


def test_a_small_difference_among_many_faces_is_below_the_margin() -> None:
    generator = np.random.default_rng(0)
    tone = np.repeat(["dark", "light"], 20_000)
    found = np.where(tone == "dark", np.arange(40_000) % 100 >= 4, np.arange(40_000) % 100 >= 3)
    report = fairness_report(
        y_true=np.r_[np.ones(40_000), np.zeros(400)],
        y_pred=np.r_[found, generator.random(400) < 0.05],
        sensitive_features={"tone": np.r_[tone, np.full(400, None)]},
        settings=QUICK,
    )
    grouping = report["operating_points"][0]["groupings"][0]
    assert grouping["verdict"] is not None
    assert grouping["verdict"]["verdict"] == "below_margin"


def test_a_single_group_is_compared_with_nobody() -> None:
    report = judged({"dark": (1.0, 60)})
    grouping = grouping_of(only_point(report), ["tone"])
    assert (grouping["num_ranked"], grouping["verdict"], grouping["gap"]) == (1, None, None)
    assert grouping["pairs"] == []
    found = disparity(grouping, "equal_opportunity", "difference", "between_groups")
    assert (found["status"], found["value"]) == ("not_estimable", None)


def test_where_all_is_unknown_nothing_is_ranked() -> None:
    y_true = np.repeat([1, 0], [60, 400])
    report = fairness_report(
        y_true=y_true,
        y_score=y_true * 1.0,
        sensitive_features={"tone": np.full(460, None)},
        settings=QUICK,
    )
    grouping = grouping_of(only_point(report), ["tone"])
    assert [(group["name"], group["status"]) for group in grouping["groups"]] == [
        ("unknown", "unknown")
    ]
    assert measured(grouping, "recall") == {"unknown": 1.0}
    assert (grouping["num_ranked"], grouping["verdict"]) == (0, None)
    for render in (render_text, render_report, render_model_card):
        assert "unknown" in render(report)


def test_without_non_faces_no_rate_of_theirs_is_made_up() -> None:
    report = judged({"dark": (1.0, 60), "light": (1.0, 60)}, num_negatives=0, threshold=0.5)
    stored, refused = report["operating_points"]
    assert refused["status"] == "refused"
    assert stored["fpr"] is not None
    assert stored["fpr"]["value"] is None
    assert stored["measures"] is not None
    for name in ("fpr", "auc", "balanced_accuracy"):
        found = stored["measures"][name]
        assert (found["status"], found["value"]) == ("not_estimable", None)
    assert stored["measures"]["recall"]["value"] == 1.0
    assert stored["measures"]["precision"]["value"] == 1.0
    assert report["sweep"] is None
    assert any("There are no non-faces" in note for note in report["notes"])


def test_without_faces_no_recall_is_made_up() -> None:
    report = judged({}, num_negatives=400)
    point = only_point(report)
    assert point["recall"] is not None
    assert (point["recall"]["value"], point["recall"]["low"]) == (None, None)
    assert point["measures"] is not None
    assert point["measures"]["recall"]["status"] == "not_estimable"
    assert point["measures"]["fpr"]["status"] == "estimated"
    assert verdict_of(report) is None
    assert any(note.startswith("There are no faces") for note in report["notes"])


def test_an_empty_class_of_a_group_is_not_estimable() -> None:
    """A group without negatives of its own has no false-positive rate, and does not break odds."""
    y_true = np.r_[np.ones(120), np.zeros(100)]
    tone = np.r_[np.repeat(["dark", "light"], 60), np.full(100, "light")]
    report = fairness_report(
        y_true=y_true, y_pred=y_true, sensitive_features={"tone": tone}, settings=QUICK
    )
    assert report["rows"]["negatives"] == "grouped"
    grouping = report["operating_points"][0]["groupings"][0]
    dark = next(group for group in grouping["groups"] if group["name"] == "dark")
    assert dark["num_negatives"] == 0
    fpr = dark["measures"]["fpr"]
    assert (fpr["status"], fpr["value"], fpr["num_trials"]) == ("not_estimable", None, 0)
    odds = disparity(grouping, "equalized_odds", "difference", "between_groups")
    assert (odds["status"], odds["reason"]) == (
        "not_estimable",
        "A ranked group has fewer than 30 negatives.",
    )


def test_several_models_in_arrays_are_told_apart() -> None:
    predictions, people = face_tables(num_each=20, num_negatives=200)
    whole = predictions.merge(people, how="left", on="image_id")
    both = pd.concat([whole.assign(seed=seed) for seed in (0, 1, 2)])
    report = fairness_report(
        y_true=both["y_true"],
        y_score=both["y_score"],
        image_id=both["image_id"],
        seed=both["seed"],
        sensitive_features=both["skin_tone"],
        settings=QUICK,
    )
    assert report["seeds"] is not None
    assert all(figure["standard_deviation"] == 0.0 for figure in report["seeds"]["figures"])
    recall = only_point(report)["recall"]
    assert recall is not None
    assert recall["design_effect"] == pytest.approx(3.0, rel=0.05)  # nothing new in two


def test_a_group_is_as_large_as_its_images_however_many_models_judge_them() -> None:
    predictions, people = face_tables(num_each=3, num_negatives=200)  # 12 faces a tone
    whole = predictions.merge(people, how="left", on="image_id")
    both = pd.concat([whole.assign(seed=seed) for seed in range(5)])
    report = fairness_report(
        y_true=both["y_true"],
        y_score=both["y_score"],
        image_id=both["image_id"],
        seed=both["seed"],
        sensitive_features=both["skin_tone"],
        settings=QUICK,
    )
    grouping = grouping_of(only_point(report), ["skin_tone"])
    assert {group["status"] for group in grouping["groups"]} == {"small"}


def test_faces_in_no_stratum_are_counted() -> None:
    y_true = np.arange(400) % 2
    features = pd.DataFrame(
        {
            "tone": np.tile(["dark", "dark", "light", "light"], 100),
            "pose": [None if row % 40 == 1 else "frontal" for row in range(400)],
        }
    )
    report = fairness_report(
        y_true=y_true, y_pred=y_true, sensitive_features=features, within=["pose"]
    )
    assert "10 faces of unknown pose are in no stratum." in report["notes"]
    strata = [g for g in report["operating_points"][0]["groupings"] if g["within"]]
    assert sum(g["recall"]["num_trials"] for g in strata[0]["groups"]) == 190
