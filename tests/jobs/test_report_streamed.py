"""A long table is counted without being held, and says what one that is held says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from debias.jobs import report as job
from debias.jobs.report import run_report
from debias.reporting.schema import ReportJson
from debias.reporting.settings import ReportSettings

NUM_ROWS = 6000
SETTINGS = ReportSettings(target_fpr=(0.05, 0.01, 0.0001))
FEW = ReportSettings(target_fpr=(0.05,), num_sweep=8)


def write(folder: Path, *, grouped: bool = False, **changes: Any) -> tuple[Path, Path]:
    """Write predictions and attributes: dark faces score lower, negatives may have groups."""
    generator = np.random.default_rng(0)
    y_true = np.arange(NUM_ROWS) % 2
    tone = generator.choice(["dark", "light", "medium"], NUM_ROWS).astype(object)
    tone[::50] = None
    score = generator.normal(np.where(y_true, 2.0 - 0.6 * (tone == "dark"), 0.0), 1.0)
    ids = [f"image {number}" for number in range(NUM_ROWS)]
    table = pd.DataFrame({"image_id": ids, "y_true": y_true, "y_score": score.round(3), **changes})
    table.to_parquet(folder / "predictions.parquet")
    people = pd.DataFrame(
        {
            "image_id": ids,
            "tone": tone,
            "gender": generator.choice(["female", "male"], NUM_ROWS),
            "hat": generator.choice(["yes", "no"], NUM_ROWS),
        }
    )
    people[(y_true == 1) | grouped].to_csv(folder / "people.csv", index=False)
    return folder / "predictions.parquet", folder / "people.csv"


def both_ways(
    monkeypatch: pytest.MonkeyPatch, predictions: Path, attributes: Path, **arguments: Any
) -> tuple[ReportJson, ReportJson]:
    """Return the report of a table that is held, and of the same when it is streamed."""
    arguments = {"groups": ["tone", "gender", "hat"], "settings": SETTINGS, **arguments}
    held = run_report(predictions=predictions, attributes=attributes, **arguments)
    with monkeypatch.context() as patch:
        patch.setattr(job, "can_stream", lambda *_, **__: True)
        patch.setattr(job, "read_predictions", None)  # is not called
        streamed = run_report(predictions=predictions, attributes=attributes, **arguments)
    return held, streamed


def same(one: Any, other: Any, *, place: str = "") -> None:
    """Hold two parts of reports equal but for areas of binned scores."""
    if place.endswith(".auc") and one["value"] is not None:
        assert one["value"] == pytest.approx(other["value"], abs=1e-3)
        assert one["low"] == pytest.approx(other["low"], abs=3e-3)
        assert one["num_trials"] == other["num_trials"]
        return
    if isinstance(one, dict):
        assert one.keys() == other.keys(), place
        for name, value in one.items():
            same(value, other[name], place=f"{place}.{name}")
    elif isinstance(one, list):
        assert len(one) == len(other), place
        for number, (value, counterpart) in enumerate(zip(one, other, strict=True)):
            same(value, counterpart, place=f"{place}[{number}]")
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-9), place
    else:
        assert one == other, place


@pytest.mark.parametrize("grouped", [False, True])
def test_a_streamed_report_says_what_a_held_one_says(
    grouped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, streamed = both_ways(monkeypatch, *write(tmp_path, grouped=grouped))
    assert held["rows"]["negatives"] == ("grouped" if grouped else "pool")
    assert [point["status"] for point in streamed["operating_points"]] == [
        "estimated",
        "estimated",
        "refused",
    ]
    assert len(streamed["operating_points"][0]["groupings"]) == 7
    names = ("rows", "attributes", "join", "operating_points", "settings", "inputs")
    for name in (*names, "sweep", "calibration"):
        same(dict(held)[name], dict(streamed)[name], place=name)
    assert streamed["sweep"] is not None
    assert len(streamed["sweep"]["groupings"]) == 7
    assert streamed["calibration"]["status"] == "not_applicable"
    assert "outside [0, 1]" in str(streamed["calibration"]["reason"])
    assert any("counted without being held" in note for note in streamed["notes"])


def probabilities(decimals: int) -> NDArray[np.float64]:
    """Return scores in [0, 1], too near to 0 and 1 for those that they are of."""
    generator = np.random.default_rng(1)
    logit = generator.normal(np.where(np.arange(NUM_ROWS) % 2, 2.0, -2.0), 1.5)
    return np.round(1.0 / (1.0 + np.exp(-1.5 * logit)), decimals)


@pytest.mark.parametrize("grouped", [False, True])
def test_calibration_by_few_scores_is_that_of_the_rows(
    grouped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write(tmp_path, grouped=grouped, y_score=probabilities(2))
    held, streamed = both_ways(monkeypatch, *paths, groups=["tone", "hat"], settings=FEW)
    assert streamed["calibration"]["status"] == "estimated"
    assert len(streamed["calibration"]["groupings"]) == (3 if grouped else 0)
    same(held["calibration"], streamed["calibration"])
    same(held["operating_points"], streamed["operating_points"])
    same(held["sweep"], streamed["sweep"])


def test_calibration_by_bins_of_scores_says_nearly_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write(tmp_path, grouped=True, y_score=probabilities(9))
    held, streamed = both_ways(monkeypatch, *paths, groups=["tone", "hat"], settings=FEW)
    same(held["sweep"], streamed["sweep"])
    of_groups = [
        [group for part in report["calibration"]["groupings"] for group in part["groups"]]
        for report in (held, streamed)
    ]
    assert len(of_groups[0]) > 10
    for mine, its in zip(*of_groups, strict=True):
        assert its["values"] == mine["values"]
        if not mine["bins"]:
            assert its["error"]["reason"] == mine["error"]["reason"]
            continue
        num_rows = sum(item["num_rows"] for item in mine["bins"])
        assert sum(item["num_rows"] for item in its["bins"]) == num_rows
        assert its["error"]["value"] == pytest.approx(mine["error"]["value"], abs=0.01)
        assert its["error"]["low"] == pytest.approx(mine["error"]["low"], abs=0.01)
        assert its["error"]["high"] == pytest.approx(mine["error"]["high"], abs=0.01)
        total = [
            sum(item["num_rows"] * item["mean_score"] for item in part["bins"])
            for part in (mine, its)
        ]
        assert total[0] == pytest.approx(total[1])


def test_a_stored_threshold_and_decisions_count_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions, attributes = write(tmp_path)
    (tmp_path / "operating_point.json").write_text('{"threshold": 1.5, "target_fpr": 0.07}')
    held, streamed = both_ways(monkeypatch, predictions, attributes)
    assert streamed["operating_points"][0]["source"] == "stored"
    same(held["operating_points"], streamed["operating_points"])
    held, streamed = both_ways(monkeypatch, predictions, attributes, threshold=1.4)
    assert streamed["operating_points"][0]["threshold"] == 1.4
    assert streamed["operating_points"][0]["source"] == "given"
    same(held["operating_points"], streamed["operating_points"])
    (tmp_path / "operating_point.json").unlink()
    table = pd.read_parquet(predictions)
    table["y_pred"] = (table["y_score"] >= 1.25).astype(int)
    table.to_parquet(predictions)
    held, streamed = both_ways(monkeypatch, predictions, attributes)
    assert streamed["operating_points"][0]["source"] == "decisions"
    same(held["operating_points"], streamed["operating_points"])
    table.drop(columns="y_score").to_parquet(predictions)
    held, streamed = both_ways(monkeypatch, predictions, attributes)
    same(held["operating_points"], streamed["operating_points"])


def test_without_groups_there_are_the_overall_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions, _ = write(tmp_path)
    held = run_report(predictions=predictions, settings=SETTINGS)
    monkeypatch.setattr(job, "can_stream", lambda *_, **__: True)
    streamed = run_report(predictions=predictions, settings=SETTINGS)
    same(held["operating_points"], streamed["operating_points"])
    assert streamed["join"] is None


def test_windows_of_one_picture_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"p{number // 2}#w{number % 2}" for number in range(NUM_ROWS)]
    predictions, _ = write(tmp_path, image_id=ids)
    monkeypatch.setattr(job, "can_stream", lambda *_, **__: True)
    report = run_report(predictions=predictions, settings=SETTINGS)
    assert report["rows"]["num_pictures"] == NUM_ROWS // 2
    assert report["sweep"] is not None


def test_short_tables_and_those_with_persons_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(**_: object) -> None:
        raise AssertionError("is streamed")

    monkeypatch.setattr(job, "streamed_body", never)
    predictions, _ = write(tmp_path)
    assert run_report(predictions=predictions, settings=SETTINGS)["sweep"] is not None
    monkeypatch.setattr("debias.data.score_stream.MIN_ROWS", 10)
    persons = [f"person {number // 3}" for number in range(NUM_ROWS)]
    predictions, _ = write(tmp_path, identity_id=persons)
    assert run_report(predictions=predictions, settings=SETTINGS)["rows"]["num_persons"]
