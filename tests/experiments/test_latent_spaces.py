"""The comparison of latent spaces from end to end, on a few faces."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments" / "latent_spaces"


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    return runpy.run_path(str(FOLDER / "run.py"))


@pytest.mark.slow
def test_it_trains_measures_and_tabulates(tmp_path: Path) -> None:
    command = [
        *(sys.executable, str(FOLDER / "run.py"), "--tiny", "--results", str(tmp_path)),
        *("--seeds", "1", "--models", "vae-16,db-vae-again"),
    ]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "vae-16-seed0.json").read_text())
    assert set(found["called_faces"]) == set(found["distance"])
    assert found["r_squared_of_components"] > found["r_squared"]
    again = json.loads((tmp_path / "db-vae-again-seed0.json").read_text())
    assert len(again["latents"]) == 2
    assert "| VAE, 16 |" in done.stdout
    assert "| told to balance them | 0 |" in done.stdout


def test_the_distance_is_that_of_normal_distributions(program: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20_000, 3)) * [1.0, 2.0, 0.5]
    distance = program["frechet_distance"]
    variance = values.var(axis=0, ddof=1).sum()
    assert distance(values, values) == pytest.approx(0.0, abs=1e-6)
    assert distance(values, values + np.array([0, 0, 2.0])) == pytest.approx(
        4.0 / variance, rel=1e-6
    )
    wider = ((3 * values.std(axis=0, ddof=1) - values.std(axis=0, ddof=1)) ** 2).sum()
    assert distance(values, 3 * values) == pytest.approx(wider / variance, rel=0.01, abs=1e-3)


def test_the_results_kept_are_those_of_the_readme(program: dict[str, Any]) -> None:
    files = sorted((FOLDER / "results").glob("*.json"))
    runs = [json.loads(file.read_text()) for file in files]
    order = [*program["MODELS"], program["AGAIN"]]
    runs.sort(key=lambda run: (run["seed"], order.index(run["model"])))
    readme = (FOLDER / "README.md").read_text()
    assert {run["model"] for run in runs} == set(order)
    assert [line for line in program["tables"](runs) if line not in readme] == []
    assert max(run["seconds"] for run in runs if "seconds" in run) > 0
