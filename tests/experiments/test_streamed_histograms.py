"""The comparison of streamed and exact histograms, at a size of seconds."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from debias.config import to_table
from debias.training.augment import AugmentSettings

ROOT = Path(__file__).parents[2]
RUN = ROOT / "experiments" / "streamed_histograms" / "run.py"


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    return runpy.run_path(str(RUN))


def test_total_variation_is_half_the_differences(program: dict[str, Any]) -> None:
    one, other = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]), np.array([[0.5, 0.0, 0.5]] * 2)
    np.testing.assert_allclose(program["total_variation"](one, other), [0.5, 0.5])


@pytest.mark.slow
def test_without_augmentation_streamed_is_near_exact_once_the_model_settles(
    program: dict[str, Any],
) -> None:
    images = program["Images"](0.1, seed=0, size=32)
    plain = [
        f"augmentation.{name}={str(value).lower()}"
        for name, value in to_table(AugmentSettings.none()).items()
    ]
    changes = [*program["TINY"], *plain, "training.average=0.0", "training.epochs=8"]
    epochs = program["distances"](images, "product-0.5", changes, seed=0)["epochs"]
    first, last = epochs[0], epochs[-1]
    assert last["active"] >= 5
    assert last["mean"] < 0.08 < first["mean"]
    assert last["dark"] == pytest.approx(last["dark_exact"], rel=0.1)
    assert last["dark"] > 2 * last["dark_of_faces"]


@pytest.mark.slow
def test_it_measures_and_tabulates(tmp_path: Path) -> None:
    command = [
        *(sys.executable, str(RUN), "--tiny", "--seeds", "1"),
        *("--results", str(tmp_path), "--set", "training.epochs=3"),
    ]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "distance-margin-0.3-seed0.json").read_text())
    assert [row["epoch"] for row in found["epochs"]] == [1, 2]
    assert all(0 <= row["mean"] <= row["largest"] <= 1 for row in found["epochs"])
    assert "| product-0.5 | 2 |" in done.stdout
