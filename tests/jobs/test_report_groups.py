"""Who belongs to which group: pools, grouped negatives, intersections, controls and unknowns."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import fairlearn.metrics as fairlearn
import numpy as np
import pandas as pd
import pytest
from jobs.report_tables import (
    disparity,
    face_tables,
    gender_table,
    grouping_of,
    measured,
    reported,
    write_tables,
)
from running import Debias
from sklearn.metrics import roc_auc_score

from debias.reporting.point_schema import GroupingJson

ALIKE = ("groups", "num_ranked", "worst", "mean_of_groups", "mean_of_images", "variance")
"""What a grouping says of its rows alone, whatever else is in the report."""

FAIRLEARN = {
    "recall": fairlearn.true_positive_rate,
    "fpr": fairlearn.false_positive_rate,
    "selection_rate": fairlearn.selection_rate,
}


@pytest.mark.parametrize("columns", [["skin_tone"], ["skin_tone", "age"]])
def test_grouped_negatives_give_what_fairlearn_does(
    columns: list[str], tmp_path: Path, debias: Debias
) -> None:
    table = gender_table()
    table.to_csv(tmp_path / "answers.csv", index=False)
    report = reported(
        debias, tmp_path / "out", tmp_path / "answers.csv", "--groups", "skin_tone,age"
    )
    assert report["rows"]["negatives"] == "grouped"
    given, at_target = report["operating_points"]
    assert (given["source"], at_target["source"]) == ("decisions", "test")
    at_threshold = (table["y_score"] >= at_target["threshold"]).astype(int)
    for point, answers in [(given, table["y_pred"]), (at_target, at_threshold)]:
        grouping = grouping_of(point, columns)
        rows: dict[str, Any] = {
            "y_true": table["y_true"],
            "y_pred": answers,
            "sensitive_features": table[columns],
        }
        frame = fairlearn.MetricFrame(metrics=FAIRLEARN, **rows)
        for name in FAIRLEARN:
            expected = {
                " x ".join(key if isinstance(key, tuple) else (key,)): value
                for key, value in frame.by_group[name].items()
            }
            assert measured(grouping, name) == pytest.approx(expected)
        for method in ("between_groups", "to_overall"):
            for name in ("demographic_parity", "equalized_odds"):
                for kind in ("difference", "ratio"):
                    found = disparity(grouping, name, kind, method)
                    oracle = getattr(fairlearn, f"{name}_{kind}")
                    assert found["value"] == pytest.approx(oracle(**rows, method=method))
                    assert found["low"] <= found["value"] <= found["high"]


def test_grouped_negatives_are_the_groups_own(tmp_path: Path, debias: Debias) -> None:
    table = gender_table()
    table.to_csv(tmp_path / "answers.csv", index=False)
    report = reported(debias, tmp_path / "out", tmp_path / "answers.csv", "--groups", "skin_tone")
    grouping = grouping_of(report["operating_points"][0], ["skin_tone"])
    for group in grouping["groups"]:
        rows = table[table["skin_tone"] == group["name"]]
        assert group["num_negatives"] == (rows["y_true"] == 0).sum()
        area = roc_auc_score(rows["y_true"], rows["y_score"])
        assert group["measures"]["auc"]["value"] == pytest.approx(area)
        assert {found["status"] for found in group["measures"].values()} == {"estimated"}  # type: ignore[index]
    assert {item["status"] for item in grouping["disparities"]} == {"estimated"}
    assert not any("one pool" in note for note in report["notes"])
    assert report["sweep"] is not None
    assert all(group["fpr"] for group in report["sweep"]["groupings"][0]["groups"])


def test_as_a_pool_the_same_negatives_have_no_group(tmp_path: Path, debias: Debias) -> None:
    table = gender_table()
    table.to_csv(tmp_path / "answers.csv", index=False)
    words = (tmp_path / "answers.csv", "--groups", "skin_tone", "--negatives", "pool")
    report = reported(debias, tmp_path / "out", *words)
    assert report["rows"]["negatives"] == "pool"
    grouping = grouping_of(report["operating_points"][0], ["skin_tone"])
    negatives = table[table["y_true"] == 0]
    for group in grouping["groups"]:
        assert group["num_negatives"] is None
        own = table[(table["skin_tone"] == group["name"]) & (table["y_true"] == 1)]
        rows = pd.concat([own, negatives])
        area = roc_auc_score(rows["y_true"], rows["y_score"])
        assert group["measures"]["auc"]["value"] == pytest.approx(area)
        specificity = (negatives["y_pred"] == 0).mean()
        balanced = group["measures"]["balanced_accuracy"]["value"]
        assert balanced == pytest.approx(((own["y_pred"] == 1).mean() + specificity) / 2)
        for name in ("fpr", "precision", "accuracy", "selection_rate", "ece"):
            assert group["measures"][name]["status"] == "not_applicable"
            assert group["measures"][name]["value"] is None
    status = {(item["name"], item["kind"]): item["status"] for item in grouping["disparities"]}
    assert status["demographic_parity", "ratio"] == "not_applicable"
    assert status["equalized_odds", "difference"] == "not_applicable"
    assert status["equal_opportunity", "difference"] == "estimated"
    assert status["garbe", "index"] == "estimated"
    assert any("one pool that all groups share, and these" in note for note in report["notes"])
    assert any(note.startswith("Negatives have no group") for note in report["notes"])


@pytest.mark.parametrize(("share_known", "mode"), [(0.3, "pool"), (0.7, "grouped")])
def test_auto_goes_by_half_of_the_negatives_and_says_so(
    share_known: float, mode: str, tmp_path: Path, debias: Debias
) -> None:
    table = gender_table()
    negatives = np.flatnonzero(table["y_true"] == 0)
    table.loc[negatives[round(share_known * negatives.size) :], "skin_tone"] = None
    table.to_csv(tmp_path / "answers.csv", index=False)
    report = reported(debias, tmp_path / "out", tmp_path / "answers.csv", "--groups", "skin_tone")
    assert report["rows"]["negatives"] == mode
    num_known = round(share_known * negatives.size)
    start = f"{num_known} of {negatives.size} negatives have a known skin_tone; "
    why = {"pool": "since these are fewer than half", "grouped": "the others are in the groups of"}
    assert any(note.startswith(start + why[mode]) for note in report["notes"])
    groups = grouping_of(report["operating_points"][0], ["skin_tone"])["groups"]
    names = {group["name"]: group["status"] for group in groups}
    assert names.get("unknown") == (None if mode == "pool" else "unknown")


def test_three_attributes_give_all_intersections(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables()
    words = write_tables(tmp_path, predictions, people)
    report = reported(debias, tmp_path / "out", *words, "--groups", "skin_tone,gender,pose")
    names = ["skin_tone", "gender", "pose"]
    expected = [list(some) for size in (1, 2, 3) for some in combinations(names, size)]
    point = report["operating_points"][0]
    assert [grouping["columns"] for grouping in point["groupings"]] == expected
    assert report["sweep"] is not None
    assert [grouping["columns"] for grouping in report["sweep"]["groupings"]] == expected
    faces = predictions.merge(people, on="image_id")
    found = faces["y_score"] >= point["threshold"]
    for columns in expected:
        recall = found.groupby([faces[name] for name in columns]).mean()
        assert measured(grouping_of(point, columns), "recall") == pytest.approx(
            {
                " x ".join(key if isinstance(key, tuple) else (key,)): value
                for key, value in recall.items()
            }
        )


def _of_its_rows(grouping: GroupingJson) -> dict[str, Any]:
    """Return what a grouping says whatever else the report holds and whatever chance draws."""
    gap = grouping["gap"]
    assert gap is not None
    said = {
        **{name: grouping[name] for name in ALIKE},  # type: ignore[literal-required]
        "gap": {key: value for key, value in gap.items() if not key.startswith("null")},
        "pairs": [
            {key: value for key, value in pair.items() if key != "adjusted_p_value"}
            for pair in grouping["pairs"]
        ],
    }
    # Sums over rows in another order differ in the last digit.
    rounded: dict[str, Any] = json.loads(
        json.dumps(said), parse_float=lambda text: round(float(text), 12)
    )
    return rounded


def test_within_a_pose_figures_are_those_of_its_rows(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables()
    predictions = predictions.merge(people[["image_id", "pose"]], how="left")  # of faces alone
    words = write_tables(tmp_path, predictions, people)
    groups = ("--groups", "skin_tone,gender")
    report = reported(debias, tmp_path / "within", *words, *groups, "--within", "pose")
    (point,) = report["operating_points"]
    assert len(point["groupings"]) == 9
    for pose, other in [("frontal", "profile"), ("profile", "frontal")]:
        where = (*groups, "--where", f"pose!={other}")  # negatives have none, and stay
        alone = reported(debias, tmp_path / pose, *words, *where)
        (same,) = alone["operating_points"]
        assert same["fpr"] == point["fpr"]  # the threshold is the lowest score judged, of either
        for columns in (["skin_tone"], ["gender"], ["skin_tone", "gender"]):
            assert _of_its_rows(grouping_of(point, columns, {"pose": pose})) == _of_its_rows(
                grouping_of(same, columns)
            )


def test_within_an_age_grouped_negatives_are_confined_too(tmp_path: Path, debias: Debias) -> None:
    table = gender_table()
    table.to_csv(tmp_path / "answers.csv", index=False)
    words = (tmp_path / "answers.csv", "--groups", "skin_tone")
    report = reported(debias, tmp_path / "within", *words, "--within", "age")
    for age in ("old", "young"):
        alone = reported(debias, tmp_path / age, *words, "--where", f"age={age}")
        inside = grouping_of(report["operating_points"][0], ["skin_tone"], {"age": age})
        same = grouping_of(alone["operating_points"][0], ["skin_tone"])
        assert _of_its_rows(inside) == _of_its_rows(same)
        for found, expected in zip(inside["disparities"], same["disparities"], strict=True):
            if found["method"] == "between_groups":
                assert found["value"] == expected["value"]


def test_rows_of_an_unknown_control_are_in_no_stratum(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables()
    people.loc[people["image_id"] < "f0040", "pose"] = None
    words = write_tables(tmp_path, predictions, people)
    report = reported(debias, tmp_path / "out", *words, "--groups", "skin_tone", "--within", "pose")
    groupings = report["operating_points"][0]["groupings"]
    assert [grouping["within"] for grouping in groupings] == [
        {},
        {"pose": "frontal"},
        {"pose": "profile"},
    ]
    sizes = [
        sum(group["recall"]["num_trials"] for group in grouping["groups"]) for grouping in groupings
    ]
    assert sizes == [480, 200, 240]


def test_unknown_values_and_absent_faces_are_a_stratum(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables()
    people.loc[people["image_id"] < "f0035", "gender"] = " "
    absent = people["image_id"] >= "f0440"
    words = write_tables(tmp_path, predictions, people[~absent])
    report = reported(debias, tmp_path / "out", *words, "--groups", "skin_tone,gender")
    assert report["join"] is not None
    assert report["join"]["num_faces_unmatched"] == 40
    assert {item["name"]: item["num_unknown"] for item in report["attributes"]} == {
        "skin_tone": 40,
        "gender": 75,
    }
    assert any(note.startswith("40 faces have no row among the attr") for note in report["notes"])
    by_gender = grouping_of(report["operating_points"][0], ["gender"])
    unknown = next(group for group in by_gender["groups"] if group["values"] == ["unknown"])
    assert (unknown["status"], unknown["recall"]["num_trials"]) == ("unknown", 75)
    assert by_gender["num_ranked"] == 2
    assert "unknown" not in {name for pair in by_gender["pairs"] for name in pair["first_values"]}
    assert sum(group["recall"]["num_trials"] for group in by_gender["groups"]) == 480
