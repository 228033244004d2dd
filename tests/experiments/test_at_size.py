"""The measurements of memory and of large sets run, and their figures hang together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def measured(script: str, tmp_path: Path, *words: str) -> tuple[dict[str, Any], str]:
    """Return the figures of a run, and what it printed."""
    file = tmp_path / "figures.json"
    paths = os.pathsep.join(filter(None, [str(EXPERIMENTS.parent), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(EXPERIMENTS / script), *words, "--output", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text()), done.stdout


@pytest.mark.slow
def test_weights_and_draws_are_measured_at_each_size(tmp_path: Path) -> None:
    figures, printed = measured(
        "benchmarks/at_size.py", tmp_path, "--sizes", "500", "2000", "--folder", str(tmp_path)
    )
    names = ["reading", "weights", "weights, max", "draws", "NumPy loop", "NumPy choice"]
    assert [each["task"] for each in figures["tasks"]] == names * 2
    for each in figures["tasks"]:
        assert each["file_bytes"] == each["num_images"] * 100 * 2
        assert each["seconds"] > 0
        assert each["peak_bytes"] >= 0
    assert "| images | task | seconds |" in printed
    assert "| 2,000 | weights, max |" in printed
    assert not list(tmp_path.glob("*/latents.npy"))


@pytest.mark.slow
def test_memory_of_each_job_is_measured_on_two_sizes(tmp_path: Path) -> None:
    figures, printed = measured("scale/memory.py", tmp_path, "--tiny", "--folder", str(tmp_path))
    jobs = ["train", "predict", "explore", "audit", "report"]
    assert [each["job"] for each in figures["jobs"]] == jobs * 2
    small, large = figures["jobs"][0], figures["jobs"][-1]
    assert small["num_images"] < large["num_images"]
    for each in figures["jobs"]:
        assert 0 < each["peak_own_bytes"] <= each["peak_bytes"] * 1.01
        assert each["processor_seconds"] > 0
    speeds = figures["gathering"]["images_per_second"]
    assert len(speeds) == 5
    assert all(len(turns) == 2 and min(turns) > 0 for turns in speeds.values())
    assert "| store, in memory |" in printed
