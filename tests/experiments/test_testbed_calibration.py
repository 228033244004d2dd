"""The calibration from end to end, on a tenth of the images."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from debias.testbed.sets import VERSION

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments" / "testbed_calibration"


def test_it_trains_measures_and_tabulates(tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = [
        *(sys.executable, str(FOLDER / "run.py"), "--seeds", "1", "--fraction", "0.1"),
        *("--methods", "plain,product", "--testbeds", "planted", "--results", str(results)),
        *("--set", "training.epochs=1", "--set", "training.min_epoch_steps=1"),
        *("--set", "model.image_size=32", "--set", "model.channels=[8,16]"),
        *("--set", "model.blocks=[0]", "--set", "model.latent_size=4", "--set", "target_fpr=0.05"),
    ]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    files = sorted(path.name for path in results.iterdir())
    assert files == ["planted-plain-seed0.json", "planted-product-seed0.json"]
    made = json.loads((results / files[0]).read_text())
    assert set(made["num_faces"].values()) == {200}
    assert (made["version"], made["fraction"]) == (VERSION, 0.1)
    assert made["set"][0] == "training.epochs=1"
    # They are done, and not to be mixed with runs of another budget.
    again = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert made["gap"]["value"] == pytest.approx(
        max(made["recall"].values()) - min(made["recall"].values())
    )
    assert "| planted | plain |" in done.stdout
    assert "| planted | product - plain |" in done.stdout


def _run(method: str, seed: int, worst: float) -> dict[str, Any]:
    recall = {"dark x female": worst, "light x male": 0.99}
    gap = {"value": 0.99 - worst, "low": 0.0, "high": 1.0, "null_median": 0.01}
    about = {"testbed": "planted", "method": method, "seed": seed, "worst": "dark x female"}
    return {**about, "recall": recall, "gap": gap}


def test_differences_are_paired_by_seed() -> None:
    tables = runpy.run_path(str(FOLDER / "run.py"))["tables"]
    runs = [_run("plain", seed, 0.8 + 0.05 * seed) for seed in (0, 1, 2)]
    runs += [_run("max", seed, 0.82 + 0.05 * seed) for seed in (2, 0, 1)]
    lines = tables(runs)
    assert (
        "| planted | max - plain | +2.0 (2.0 to 2.0) | -2.0 (-2.0 to -2.0) | +1.0 (1.0 to 1.0) |"
        in lines
    )
    # Gaps of 19, 14 and 9 points: 14 and, by Student's t with 2 degrees of freedom, 12.4 each way.
    (line,) = (line for line in lines if line.startswith("| planted | plain | 14.0"))
    assert "| 1.6 to 26.4 |" in line


@pytest.mark.parametrize(
    ("made", "words", "message"),
    [
        ({"version": -1}, [], "another version of the testbed (-1, not"),
        ({"fraction": 0.1}, [], "another --fraction (0.1, not 1)"),
        ({}, ["--fraction", "0.1"], "another --fraction (1, not 0.1)"),
        ({"set": ["seed=1"]}, [], "another --set (['seed=1'], not [])"),
        ({}, ["--set", "seed=1"], "another --set ([], not ['seed=1'])"),
    ],
)
def test_results_of_another_budget_are_not_mixed_in(
    made: dict[str, Any], words: list[str], message: str, tmp_path: Path
) -> None:
    text = json.dumps({"version": VERSION, **made})
    (tmp_path / "planted-plain-seed0.json").write_text(text)
    done = _call("--results", str(tmp_path), *words)
    assert done.returncode == 1
    assert message in done.stderr


def test_committed_results_are_of_the_whole_budget() -> None:
    done = _call("--seeds", "5")
    assert done.returncode == 0, done.stderr
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert done.stdout.strip() in page


@pytest.mark.parametrize("option", ["--methods", "--testbeds"])
def test_misspelt_names_are_refused(option: str) -> None:
    done = _call(option, "plian")
    assert done.returncode == 2
    assert f"unknown {option[2:-1]} 'plian'; known: " in done.stderr


def _call(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / "run.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_contact_sheet_shows_every_tone_and_kind(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "sheet.py"), str(tmp_path / "s.png"), "--size", "32"]
    subprocess.run(command, check=True, cwd=ROOT)
    with Image.open(tmp_path / "s.png") as sheet:
        pixels = np.asarray(sheet).astype(int)
    assert pixels.shape == (6 * 32 + 10, 10 * 32, 3)
    cheeks = [
        pixels[:128, k * 32 + 12 : k * 32 + 20].reshape(4, 32, 8, 3)[:, 14:20] for k in (1, 9)
    ]
    assert np.median(cheeks[0]) > np.median(cheeks[1]) + 40
