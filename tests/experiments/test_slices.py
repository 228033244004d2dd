"""The search for planted slices from end to end, on a few faces."""

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
FOLDER = ROOT / "experiments" / "slices"


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    return runpy.run_path(str(FOLDER / "run.py"))


def test_it_plants_searches_and_tabulates(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "run.py"), "--tiny", "--results", str(tmp_path)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results.json").read_text())
    assert len(found["plantings"]) == 2 * 8 * 3
    assert [result["num_searches"] for result in found["nulls"]] == [2, 2, 2]
    assert "| dark skin in dim light |" in done.stdout
    assert "**In gradients, by what was planted**" in done.stdout


def test_the_search_sees_where_a_planted_slice_is(program: dict[str, Any]) -> None:
    generator = np.random.default_rng(0)
    trait = generator.random(2000)
    vectors = np.c_[trait * 5, generator.normal(size=(2000, 3))]
    runs = program["plantings"]({"known": vectors}, {"trait": trait}, 4)
    assert [run["size"] for run in runs[:4]] == [0.025, 0.05, 0.1, 0.2]
    strong = [run for run in runs if run["strength"] == 0.5 and run["size"] >= 0.1]
    assert min(run["precision_at_10"] for run in strong) >= 0.9
    assert min(run["recall"] for run in strong) >= 0.4
    assert min(run["attainable"] for run in strong) >= 0.9
    assert program["_attainable"](vectors[:, 1:], trait > 0.9, generator) < 0.5


def test_figures_are_means_of_what_is_reported(program: dict[str, Any]) -> None:
    about = {"embedding": "e", "kind": "hat", "strength": 0.3, "size": 0.1, "attainable": 0.95}
    figures = {"num_slices": 1, "precision": 0.5, "recall": 0.25}
    runs = [
        {**about, **figures, "precision_at_10": 1.0},
        {**about, **figures, "precision_at_10": 0.5},
        {**about, "num_slices": 0},
        {**about, "num_slices": 0},
    ]
    nulls = [{"error_rate": 0.05, "num_searches": 200, "num_alarms": 4}]
    lines = program["tables"]({"plantings": runs, "nulls": nulls})
    missing = "-: - / - / -"
    line = f"| 4 | 0.95 | {missing} | 50 %: 0.75 / 0.50 / 0.25 | {missing} |"
    assert f"| hat {line}" in lines
    assert f"| yes {line}" in lines
    assert "| 5 % | 200 | 2.0 % | 0.8 to 5.0 % |" in lines


def test_embeddings_are_of_the_pictures(program: dict[str, Any]) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(100, 32, 32, 3)).astype(np.uint8)
    for name in ("thumbnails", "gradients"):
        vectors = program[name](pixels)
        assert vectors.shape == (100, 64)
        spread = vectors.std(axis=0)
        assert (np.diff(spread) <= 1e-9).all()


def test_the_results_kept_are_those_of_this_program(program: dict[str, Any]) -> None:
    found = json.loads((FOLDER / "results" / "results.json").read_text())
    readme = (FOLDER / "README.md").read_text()
    assert [line for line in program["tables"](found) if line not in readme] == []
