"""A threshold that a report shows can be given to another one, which then counts the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from running import Debias

from debias.jobs import report as job
from debias.jobs.report import fairness_report, run_report
from debias.reporting.cells import number
from debias.reporting.point_schema import OperatingPointJson
from debias.reporting.schema import ReportJson
from debias.reporting.settings import ReportSettings

TARGET = 0.05
FAST = ReportSettings(target_fpr=(TARGET,), num_replicates=10, num_sweep=5)
NUM = 300


def _scores(kind: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return scores of negatives and of faces."""
    generator = np.random.default_rng(0)
    negatives, faces = generator.normal(size=NUM), generator.normal(2.0, 1.0, size=NUM)
    match kind:
        case "ties":
            return np.round(negatives, 1), np.round(faces, 1)
        case "single precision":
            return negatives.astype(np.float32), faces.astype(np.float32)
        case "negative logits":
            return negatives / 1e6 - 1e-5, faces / 1e6 - 1e-5
        case "large":
            return negatives * 1e9, faces * 1e9
        case "perfect":
            return np.zeros(NUM), np.ones(NUM)
        case "equal":
            return np.full(NUM, 0.3), np.full(NUM, 0.3)
        case "zero":
            return np.zeros(NUM), np.zeros(NUM)
    return negatives, faces


def _write(folder: Path, kind: str) -> Path:
    negatives, faces = _scores(kind)
    table = pd.DataFrame({"y_true": np.repeat([0, 1], NUM), "y_score": np.r_[negatives, faces]})
    table["image_id"] = [f"image {k}" for k in range(len(table))]
    table["tone"] = [None] * NUM + ["dark", "light"] * (NUM // 2)
    table.to_parquet(folder / "predictions.parquet")
    return folder / "predictions.parquet"


def _counts(point: OperatingPointJson) -> list[Any]:
    rates = [point["fpr"], point["recall"], *(g["recall"] for g in point["groupings"][0]["groups"])]
    return [None if each is None else each["num_successes"] for each in rates]


def _report(debias: Debias, output: Path, *words: object) -> tuple[str, ReportJson]:
    outcome = debias("report", *words, "--groups", "tone", "--output", output, "--replicates", "10")
    assert outcome.status == 0, outcome.err
    return outcome.out, json.loads((output / "report.json").read_text())


@pytest.mark.parametrize("kind", ["ties", "negative logits", "zero"])
def test_a_printed_threshold_gives_the_same_counts(
    kind: str, tmp_path: Path, debias: Debias
) -> None:
    table = _write(tmp_path, kind)
    text, first = _report(debias, tmp_path / "first", table, "--target-fpr", TARGET)
    (point,) = first["operating_points"]
    (printed,) = re.findall(r"^  threshold +(\S+), set on these non-faces: ", text, re.MULTILINE)
    text, second = _report(
        debias, tmp_path / "second", table, "--target-fpr", TARGET, "--threshold", printed
    )
    given, again = second["operating_points"]
    assert (given["source"], given["threshold"]) == ("given", point["threshold"])
    assert _counts(given) == _counts(point) == _counts(again)
    assert "given threshold" in text
    assert "stored threshold" not in text
    assert f"threshold       {printed}, as given: " in text
    for name in ("report.html", "README.md"):
        page = (tmp_path / "second" / name).read_text()
        assert printed in page
        assert "stored threshold" not in page
    points = pd.read_csv(tmp_path / "second" / "tables" / "operating_points.csv", dtype=str)
    assert points["source"].tolist() == ["given", "test"]
    assert {float(cell) for cell in points["threshold"]} == {float(printed)}


@pytest.mark.parametrize("kind", ["plain", "ties", "single precision", "large", "perfect", "equal"])
def test_the_threshold_is_a_score_and_is_the_same_in_a_stream(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = _write(tmp_path, kind)
    held = run_report(predictions=table, groups=["tone"], settings=FAST)
    monkeypatch.setattr(job, "can_stream", lambda *_, **__: True)
    monkeypatch.setattr(job, "read_predictions", None)  # is not called
    streamed = run_report(predictions=table, groups=["tone"], settings=FAST)
    (first,), (second,) = held["operating_points"], streamed["operating_points"]
    assert first["threshold"] == second["threshold"]
    assert _counts(first) == _counts(second)
    scores = np.concatenate(_scores(kind)).astype(np.float64)
    if kind == "equal":
        assert first["threshold"] == np.nextafter(0.3, 1)
        assert _counts(first) == [0, 0, 0, 0]
    else:
        assert first["threshold"] in scores
    told = float(number(first["threshold"]))
    given = run_report(predictions=table, groups=["tone"], threshold=told, settings=FAST)
    assert given["operating_points"][0]["source"] == "given"
    assert _counts(given["operating_points"][0]) == _counts(first)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.floats(-30, 30, width=32), min_size=20, max_size=40),
    st.lists(st.floats(-30, 30), min_size=1, max_size=20),
)
def test_any_table_counts_the_same_at_the_threshold_that_is_shown(
    negatives: list[float], faces: list[float]
) -> None:
    arrays = {
        "y_true": np.repeat([0, 1], [len(negatives), len(faces)]),
        "y_score": np.r_[negatives, faces],
        "sensitive_features": pd.DataFrame({"tone": ["a"] * (len(negatives) + len(faces))}),
    }
    few = ReportSettings(target_fpr=(0.5,), num_replicates=5, num_sweep=3)
    (point,) = fairness_report(**arrays, settings=few)["operating_points"]
    told = float(number(point["threshold"]))
    given = fairness_report(**arrays, threshold=told, settings=few)["operating_points"][0]
    assert _counts(given) == _counts(point)


def test_a_stored_threshold_of_another_kind_is_taken_as_it_is(tmp_path: Path) -> None:
    """Files of earlier versions hold the number next to a score, which no image has."""
    table = _write(tmp_path, "perfect")
    (tmp_path / "operating_point.json").write_text('{"threshold": 5e-324, "target_fpr": 0.05}')
    stored, test = run_report(predictions=table, groups=["tone"], settings=FAST)["operating_points"]
    assert (stored["source"], stored["threshold"]) == ("stored", 5e-324)
    assert test["threshold"] == 1.0
    assert _counts(stored) == _counts(test)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_refused_target_says_what_would_work(
    streamed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, debias: Debias
) -> None:
    table = _write(tmp_path, "plain")
    monkeypatch.setattr(job, "can_stream", lambda *_, **__: streamed)
    text, report = _report(debias, tmp_path / "a", table, "--target-fpr", "0.01")
    (point,) = report["operating_points"]
    assert point["reason"] == (
        "a false-positive rate of 1 % needs 1,000 non-faces to expect 10 false positives, and "
        "there are 300. Add non-faces, ask for 0.034 or more (--target-fpr 0.034), or give the "
        "threshold itself (--threshold)"
    )
    assert "--target-fpr 0.034" in " ".join(text.split())
    _, report = _report(debias, tmp_path / "b", table, "--target-fpr", "0.034")
    assert report["operating_points"][0]["status"] == "estimated"
