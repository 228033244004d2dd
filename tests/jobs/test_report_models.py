"""What a table of predictions may hold: other names, weights, several models, scores or answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from jobs.report_tables import (
    SMALL,
    face_tables,
    gender_table,
    grouping_of,
    measured,
    reported,
    write_tables,
)
from running import Debias
from sklearn.metrics import precision_score, roc_auc_score

from debias.reporting.schema import ReportJson

BY_BOTH = ("--groups", "skin_tone,gender")
FROM_THE_FILES = ("created", "platform", "inputs", "settings")


def but(report: ReportJson, *names: str) -> dict[str, Any]:
    """Return a report without some of its keys."""
    return {name: value for name, value in report.items() if name not in names}


def test_columns_of_another_name_give_the_same_report(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables()
    predictions["y_pred"] = (predictions["y_score"] >= 1.0).astype(int)
    predictions["identity_id"] = "person " + predictions["image_id"].str[:-1]
    words = write_tables(tmp_path, predictions, people)
    expected = reported(debias, tmp_path / "plain", *words, *BY_BOTH)
    named = {
        "image_id": "photo",
        "y_true": "is face",
        "y_score": "confidence",
        "y_pred": "answer",
        "identity_id": "who",
    }
    predictions.rename(columns=named).to_csv(tmp_path / "scores.csv", index=False)
    mapping = [word for name, old in named.items() for word in ("--column", f"{name}={old}")]
    report = reported(debias, tmp_path / "mapped", *words, *BY_BOTH, *mapping)
    assert report["settings"]["columns"] == named
    assert but(report, *FROM_THE_FILES) == but(expected, *FROM_THE_FILES)
    assert report["rows"]["num_persons"] == 48


def test_groups_may_be_columns_of_renamed_predictions(tmp_path: Path, debias: Debias) -> None:
    table = gender_table()
    table.rename(columns={"image_id": "photo"}).to_csv(tmp_path / "answers.csv", index=False)
    report = reported(
        debias,
        tmp_path / "out",
        *(tmp_path / "answers.csv", "--groups", "tone=skin_tone", "--column", "image_id=photo"),
    )
    by_tone = grouping_of(report["operating_points"][0], ["tone"])
    found = table["y_pred"][table["y_true"] == 1].groupby(table["skin_tone"]).mean()
    assert measured(by_tone, "recall") == pytest.approx(found.to_dict())


def test_attributes_may_call_images_as_the_predictions_do(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables(num_each=20, num_negatives=200)
    plain = reported(debias, tmp_path / "plain", *write_tables(tmp_path, predictions, people),
                     *BY_BOTH, *SMALL)  # fmt: skip
    theirs = [table.rename(columns={"image_id": "photo"}) for table in (predictions, people)]
    words = [*write_tables(tmp_path, *theirs), "--column", "image_id=photo"]
    report = reported(debias, tmp_path / "photo", *words, *BY_BOTH, *SMALL)
    assert but(report, *FROM_THE_FILES) == but(plain, *FROM_THE_FILES)
    own = write_tables(tmp_path, theirs[0], people)
    report = reported(
        debias, tmp_path / "own", *own, "--column", "image_id=photo", *BY_BOTH, *SMALL
    )
    assert but(report, *FROM_THE_FILES) == but(plain, *FROM_THE_FILES)


def test_two_models_may_be_columns_of_one_file(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables(num_each=20, num_negatives=200)
    other = predictions.assign(y_score=predictions["y_score"].round(1) - 0.3)
    other.to_csv(tmp_path / "other.csv", index=False)
    words = write_tables(tmp_path, predictions, people)
    apart = reported(
        debias, tmp_path / "apart", *words, *BY_BOTH, *SMALL, "--compare", tmp_path / "other.csv"
    )
    both = predictions.rename(columns={"image_id": "photo", "y_score": "a"})
    both["b"] = other["y_score"]
    words = write_tables(tmp_path, both, people)
    mapping = ["--column", "image_id=photo", "--column", "y_score=a"]
    together = [*words, *BY_BOTH, *SMALL, *mapping, "--compare", words[0]]
    report = reported(debias, tmp_path / "both", *together, "--compare-column", "y_score=b")
    assert report["settings"]["compare_columns"] == {"y_score": "b"}
    assert but(report, *FROM_THE_FILES) == but(apart, *FROM_THE_FILES)
    answers = both.assign(y_pred=(both["a"] >= 1.0).astype(int))
    answers.to_csv(tmp_path / "scores.csv", index=False)
    report = reported(debias, tmp_path / "answers", *together, "--compare-column", "y_score=b")
    assert report["comparison"] is not None
    assert report["comparison"]["moved_threshold"] is None  # y_pred is of the first model


def test_a_compared_file_has_names_of_its_own(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables(num_each=20, num_negatives=200)
    words = write_tables(tmp_path, predictions.assign(part="x", y_score=0.0), people)
    other = predictions.rename(columns={"y_score": "theirs"})
    other.to_csv(tmp_path / "other.csv", index=False)
    compare = [*words, *BY_BOTH, *SMALL, "--compare", tmp_path / "other.csv", "--where", "part=x"]
    outcome = debias("report", *compare)
    assert outcome.status == 1
    assert "other.csv: has no column 'y_score'" in outcome.err
    assert outcome.err.endswith("--compare-column 'y_score=COLUMN'\n")
    report = reported(debias, tmp_path / "out", *compare, "--compare-column", "y_score=theirs")
    assert report["comparison"] is not None
    assert (report["comparison"]["num_only_here"], report["comparison"]["num_only_other"]) == (0, 0)


def test_a_condition_on_faces_keeps_the_pool_and_says_so(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables(num_each=20, num_negatives=200)
    predictions = predictions.merge(people[["image_id", "pose"]], how="left")
    words = [*write_tables(tmp_path, predictions, people), *BY_BOTH, *SMALL]
    report = reported(debias, tmp_path / "out", *words, "--where", "pose=frontal")
    assert (report["rows"]["num_faces"], report["rows"]["num_negatives"]) == (80, 200)
    assert any(note.startswith("No non-face has a value in the col") for note in report["notes"])
    table = gender_table().rename(columns={"image_id": "photo"})
    table.to_csv(tmp_path / "grouped.csv", index=False)
    grouped = reported(
        debias,
        tmp_path / "grouped",
        *(tmp_path / "grouped.csv", "--column", "image_id=photo", "--groups", "skin_tone", *SMALL),
        *("--where", "age=old"),
    )
    old = table[table["age"] == "old"]
    assert grouped["rows"]["num_faces"] == old["y_true"].sum()
    assert grouped["rows"]["num_negatives"] == (old["y_true"] == 0).sum()
    assert not any("has a value in the column" in note for note in grouped["notes"])


def test_a_column_that_looks_misspelt_is_pointed_out(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables()
    predictions["identityid"] = "somebody"
    words = write_tables(tmp_path, predictions, people)
    report = reported(debias, tmp_path / "out", *words, *BY_BOTH)
    assert any("--column identity_id=identityid" in note for note in report["notes"])


def test_weights_weight_rates_and_areas(tmp_path: Path, debias: Debias) -> None:
    table = gender_table()
    table["sample_weight"] = np.random.default_rng(3).exponential(size=len(table)).round(2)
    table.loc[table["y_score"] > 0.7, "sample_weight"] /= 5.0
    table.loc[:20, "sample_weight"] = 0.0
    table.to_csv(tmp_path / "answers.csv", index=False)
    report = reported(debias, tmp_path / "out", tmp_path / "answers.csv", "--groups", "skin_tone")
    assert report["rows"]["has_weights"]
    assert any(note.startswith("Rows have weights") for note in report["notes"])
    assert not any("Tied scores" in note for note in report["notes"])
    point = report["operating_points"][0]
    assert point["measures"] is not None
    area = roc_auc_score(table["y_true"], table["y_score"], sample_weight=table["sample_weight"])
    assert point["measures"]["auc"]["value"] == pytest.approx(area)
    by_tone = grouping_of(point, ["skin_tone"])
    for name, rows in table.groupby("skin_tone"):
        weights = rows["sample_weight"]
        positive, answered = rows["y_true"] == 1, rows["y_pred"] == 1
        precision = precision_score(rows["y_true"], rows["y_pred"], sample_weight=weights)
        for measure, expected in [
            ("recall", np.average(answered[positive], weights=weights[positive])),
            ("fpr", np.average(answered[~positive], weights=weights[~positive])),
            ("selection_rate", np.average(answered, weights=weights)),
            ("precision", precision),
        ]:
            assert measured(by_tone, measure)[str(name)] == pytest.approx(expected)


def several_models(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return three models: one, the same on another scale, and one that finds nobody dark."""
    blind = predictions["image_id"] < "f0240"  # the dark faces
    return pd.concat(
        [
            predictions.assign(seed=0),
            predictions.assign(seed=1, y_score=100.0 + 5.0 * predictions["y_score"]),
            predictions.assign(seed=2, y_score=predictions["y_score"].where(~blind, -9.0)),
        ]
    )


def test_every_model_has_its_own_threshold(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables()
    one = reported(debias, tmp_path / "one", *write_tables(tmp_path, predictions, people), *BY_BOTH)
    words = write_tables(tmp_path, several_models(predictions), people)
    report = reported(debias, tmp_path / "out", *words, *BY_BOTH)
    (alone,), (point,) = one["operating_points"], report["operating_points"]
    assert point["threshold"] is None
    assert point["fpr"] is not None
    assert alone["fpr"] is not None
    assert point["fpr"]["num_successes"] == 3 * alone["fpr"]["num_successes"]
    assert point["measures"] is not None
    assert point["measures"]["auc"]["status"] == "not_applicable"
    assert "several models" in str(point["measures"]["auc"]["reason"])
    assert report["sweep"] is None
    assert report["calibration"]["status"] == "not_applicable"
    seeds = report["seeds"]
    assert seeds is not None
    assert seeds["seeds"] == ["0", "1", "2"]
    figures = {(item["name"], *item["columns"]): item for item in seeds["figures"]}
    recall = alone["recall"]
    assert recall is not None
    light = measured(grouping_of(alone, ["skin_tone"]), "recall")["light"]
    assert figures[("recall",)]["values"] == pytest.approx([recall["value"]] * 2 + [light / 2])
    worst = figures["worst_recall", "skin_tone", "gender"]
    gap = figures["gap", "skin_tone", "gender"]
    by_both = grouping_of(alone, ["skin_tone", "gender"])
    assert by_both["gap"] is not None
    lowest = measured(by_both, "recall")["dark x female"]
    highest = measured(by_both, "recall")["light x male"]
    assert worst["values"] == pytest.approx([lowest, lowest, 0.0])
    assert gap["values"] == pytest.approx([by_both["gap"]["value"]] * 2 + [highest])
    for figure in (worst, gap):
        assert figure["mean"] == pytest.approx(np.mean(figure["values"]))
        assert figure["standard_deviation"] == pytest.approx(np.std(figure["values"], ddof=1))
        assert figure["low"] is not None
        assert figure["low"] < figure["mean"]
    assert any("of 3 trained models" in note for note in report["notes"])
    # Faces are counted once; answers are the denominators.
    assert report["rows"] == {**one["rows"], "num_in_file": 3 * one["rows"]["num_in_file"]}
    assert report["join"] == one["join"]
    assert report["attributes"] == one["attributes"]
    assert point["recall"] is not None
    assert point["recall"]["num_trials"] == 3 * report["rows"]["num_faces"]
    for part, alone_part in zip(point["groupings"], alone["groupings"], strict=True):
        for group, single in zip(part["groups"], alone_part["groups"], strict=True):
            assert group["status"] == single["status"]
            assert group["effective_size"] == pytest.approx(single["effective_size"])


def test_two_models_have_a_mean_and_no_interval(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables()
    two = several_models(predictions).query("seed != 1")
    report = reported(debias, tmp_path / "out", *write_tables(tmp_path, two, people), *BY_BOTH)
    assert report["seeds"] is not None
    for figure in report["seeds"]["figures"]:
        assert figure["mean"] == pytest.approx(np.mean(figure["values"]))
        assert (figure["standard_deviation"], figure["low"], figure["high"]) == (None, None, None)


def test_one_of_several_models_is_judged_like_one_alone(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables()
    expected = reported(
        debias, tmp_path / "one", *write_tables(tmp_path, predictions, people), *BY_BOTH
    )
    words = write_tables(tmp_path, several_models(predictions), people)
    report = reported(debias, tmp_path / "out", *words, *BY_BOTH, "--where", "seed=0")
    assert report["seeds"] is None
    assert but(report, *FROM_THE_FILES, "rows") == but(expected, *FROM_THE_FILES, "rows")


def test_several_models_are_not_compared_with_another(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables()
    words = write_tables(tmp_path, several_models(predictions), people)
    outcome = debias("report", *words, *BY_BOTH, "--compare", words[0], "--output", tmp_path / "o")
    assert outcome.status == 1
    assert "comparing needs one model, not 3 seeds" in outcome.err
    assert not (tmp_path / "o").exists()


def test_a_moved_threshold_gains_nothing_at_the_same_rate(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables()
    (tmp_path / "other").mkdir()
    lax = predictions.assign(y_pred=(predictions["y_score"] >= 0.5).astype(int))
    strict = predictions.assign(
        y_score=predictions["y_score"] - 7.0, y_pred=(predictions["y_score"] >= 2.0).astype(int)
    )
    strict.to_csv(tmp_path / "other" / "scores.csv", index=False)
    words = write_tables(tmp_path, lax, people)
    report = reported(
        debias, tmp_path / "out", *words, *BY_BOTH, "--compare", tmp_path / "other" / "scores.csv"
    )
    comparison = report["comparison"]
    assert comparison is not None
    moved = comparison["moved_threshold"]
    assert moved is not None
    assert moved["fpr"] > 0.2 > 0.05 > moved["other_fpr"]
    assert moved["gain"] > 0.25
    assert abs(moved["gain_at_same_fpr"]) < 0.03
    for grouping in comparison["points"][0]["groupings"]:
        for group in grouping["groups"]:
            assert group["difference"]["value"] == 0.0
            assert (group["num_gained"], group["num_lost"]) == (0, 0)
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"{100 * moved['gain']:.1f}" in page


def test_a_better_model_gains_at_the_same_rate(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables()
    better = predictions.assign(y_score=predictions["y_score"] + 1.5 * predictions["y_true"])
    predictions.to_csv(tmp_path / "old.csv", index=False)
    words = write_tables(tmp_path, better, people)
    report = reported(debias, tmp_path / "out", *words, *BY_BOTH, "--compare", tmp_path / "old.csv")
    assert report["comparison"] is not None
    assert report["comparison"]["moved_threshold"] is None  # no threshold came with either
    for grouping in report["comparison"]["points"][0]["groupings"]:
        for group in grouping["groups"]:
            low = group["difference"]["low"]
            assert low is not None
            assert low >= 0.0
            assert group["num_lost"] == 0
    assert report["comparison"]["points"][0]["groupings"][0]["groups"][0]["num_gained"] > 50


def test_answers_alone_are_enough(tmp_path: Path, debias: Debias) -> None:
    table = gender_table().drop(columns="y_score")
    table.to_csv(tmp_path / "answers.csv", index=False)
    report = reported(debias, tmp_path / "out", tmp_path / "answers.csv", "--groups", "skin_tone")
    given, refused = report["operating_points"]
    assert (given["source"], given["threshold"], given["status"]) == (
        "decisions",
        None,
        "estimated",
    )
    assert (refused["status"], refused["reason"]) == (
        "refused",
        "there are decisions, but no scores",
    )
    assert given["measures"] is not None
    for name in ("auc", "ece"):
        found = given["measures"][name]
        assert (found["status"], found["reason"]) == (
            "not_applicable",
            "There are decisions, but no scores.",
        )
    assert report["sweep"] is None
    assert report["calibration"]["status"] == "not_applicable"
    said = (tmp_path / "out" / "report.html").read_text()
    assert "Decisions as given (y_pred)" in said


def test_a_stretched_scale_changes_no_rate_and_no_area(tmp_path: Path, debias: Debias) -> None:
    """Scores are only ordered; whether they are probabilities is the calibration's own matter."""
    predictions, people = face_tables()
    logits = reported(
        debias, tmp_path / "logits", *write_tables(tmp_path, predictions, people), *BY_BOTH
    )
    squeezed = predictions.assign(y_score=1.0 / (1.0 + np.exp(-predictions["y_score"])))
    shares = reported(
        debias, tmp_path / "shares", *write_tables(tmp_path, squeezed, people), *BY_BOTH
    )
    assert logits["calibration"]["status"] == "not_applicable"
    assert "outside [0, 1]" in str(logits["calibration"]["reason"])
    assert shares["calibration"]["status"] == "estimated"
    (first,), (second,) = logits["operating_points"], shares["operating_points"]
    assert first["groupings"] == second["groupings"]
    assert (first["fpr"], first["recall"]) == (second["fpr"], second["recall"])
    assert first["measures"] is not None
    assert second["measures"] is not None
    assert first["measures"]["auc"] == second["measures"]["auc"]
    assert logits["sweep"] is not None
    assert shares["sweep"] is not None
    assert logits["sweep"]["groupings"] == shares["sweep"]["groupings"]


def test_a_stored_threshold_leads(tmp_path: Path, debias: Debias) -> None:
    predictions, people = face_tables()
    (tmp_path / "operating_point.json").write_text('{"threshold": 0.25, "target_fpr": 0.4}')
    words = write_tables(tmp_path, predictions, people)
    report = reported(debias, tmp_path / "out", *words, *BY_BOTH)
    stored, at_target = report["operating_points"]
    assert (stored["source"], stored["threshold"]) == ("stored", 0.25)
    assert stored["fpr"] is not None
    negatives = predictions.loc[predictions["y_true"] == 0, "y_score"]
    assert stored["fpr"]["value"] == (negatives >= 0.25).mean()
    assert at_target["source"] == "test"
    roles = [item["role"] for item in report["inputs"]]
    assert roles == ["predictions", "operating point", "attributes"]
    said = json.loads((tmp_path / "out" / "report.json").read_text())["settings"]
    assert said["target_fpr"] == [float(SMALL[1])]
