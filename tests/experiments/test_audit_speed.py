"""The comparison runs, and its figures are those of its turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "experiments" / "audit_speed"


def measured(tmp_path: Path, *words: str) -> tuple[dict[str, Any], str]:
    """Return the figures of a run, and what it printed."""
    file = tmp_path / "speed.json"
    paths = os.pathsep.join(filter(None, [str(FOLDER.parents[1]), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(FOLDER / "time_audits.py"), *words, "--output", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text()), done.stdout


@pytest.mark.slow
def test_whole_audits_are_timed_by_stage(tmp_path: Path) -> None:
    figures, printed = measured(tmp_path, "--files", "400", "--pictures", str(tmp_path / "drawn"))
    assert [each["files"] for each in figures["audits"]] == [40, 100, 402]
    for found in figures["audits"]:
        assert found["faces"] < found["files"]
        assert len(found["stages"]) == 10
        for stage in found["stages"].values():
            assert 0 < stage["peak_bytes"] <= found["peak_bytes"]
        assert sum(each["seconds"] for each in found["stages"].values()) <= found["seconds"] + 1
        assert found["stages"]["measuring the pictures"]["seconds"] > 0
    assert "| copies |" in printed
    assert (tmp_path / "drawn/images.csv").exists()


@pytest.mark.slow
def test_the_tiniest_run_is_complete(tmp_path: Path) -> None:
    figures, printed = measured(tmp_path, "--tiny")
    assert list(figures["speed"]) == ["178 x 218", "64 x 64"]
    for found in figures["speed"].values():
        own, alone = found["seconds"]["pass"], found["seconds"]["decoding"]
        assert len(own) == len(alone) == 2
        ratios = [b / a for a, b in zip(own, alone, strict=True)]
        assert found["ratio"] == pytest.approx(median(ratios), rel=0.05)
        assert found["ratio_low"] <= found["ratio"] <= found["ratio_high"]
    for found in figures["memory"]:
        assert found["unreadable"] == 0
        assert found["peak_bytes"] >= found["peak_bytes_before"]
    assert len(figures["targets"]) == 3
    assert "| 178 x 218 |" in printed
