"""The comparison runs, compares like with like, and judges its aims."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "experiments" / "report_speed"


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What the tiniest run prints and writes."""
    file = tmp_path_factory.mktemp("report_speed") / "speed.json"
    paths = os.pathsep.join(filter(None, [str(FOLDER.parents[1]), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(FOLDER / "measure.py"), "--tiny", "--output", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text())


@pytest.mark.slow
def test_both_sides_find_the_same(outcome: tuple[str, dict[str, Any]]) -> None:
    for each in outcome[1]["compared"]:
        assert each["num_groups"] == 48
        assert each["largest_difference"] < 1e-12
        assert len(each["ours"]) == len(each["other"]) == 2
        quotients = [b / a for a, b in zip(each["ours"], each["other"], strict=True)]
        assert each["ratios"] == pytest.approx(quotients)


@pytest.mark.slow
def test_the_streamed_runs_are_complete(outcome: tuple[str, dict[str, Any]]) -> None:
    streamed = outcome[1]["streamed"]
    for each in (*streamed["one table"], *streamed["two tables"]):
        assert each["num_rows"] == 20_000
        assert each["num_groupings"] == 15
        assert 0 < each["realised_fpr"][1] <= 0.001 < each["realised_fpr"][0] <= 0.01
        assert sum(each["stages"].values()) == pytest.approx(each["seconds"], abs=0.01)
        assert 50 < each["peak_mb"] < 2048
    # The same draw, its attributes in the same table or in another.
    assert streamed["two tables"][0]["num_faces_matched"] > 9_000
    assert streamed["one table"][0]["thresholds"] == streamed["two tables"][0]["thresholds"]
    np.testing.assert_allclose(
        streamed["one table"][0]["gaps"], streamed["two tables"][0]["gaps"], atol=0.02
    )


@pytest.mark.slow
def test_aims_are_judged_and_nothing_is_named(outcome: tuple[str, dict[str, Any]]) -> None:
    printed, kept = outcome
    assert len(kept["targets"]) == 6
    for each in kept["targets"]:
        is_floor = each["name"].startswith("times")
        below = each["found"] <= each["limit"]
        assert each["met"] == (each["found"] >= each["limit"] if is_floor else below)
        assert each["name"] in printed
    text = json.dumps(kept) + printed
    for name in (os.uname().nodename, str(Path.home()), str(FOLDER.parents[1])):
        assert name not in text
