"""The paper's table and the ablations from end to end, at a size of seconds."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import SMALL

ROOT = Path(__file__).parents[2]


def run(name: str, folder: Path, *options: str) -> str:
    command = [
        *(sys.executable, str(ROOT / "experiments" / name / "run.py"), "--seeds", "100"),
        *("--work", str(folder / "work"), "--results", str(folder / name), *SMALL, *options),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("experiments")


@pytest.fixture(scope="module")
def paper_table() -> Iterator[Any]:
    place = str(ROOT / "experiments" / "paper_table")
    sys.path.insert(0, place)
    try:
        yield importlib.import_module("run")
    finally:
        sys.path.remove(place)
        del sys.modules["run"]


@pytest.mark.slow
def test_the_papers_table_is_made_and_printed_again(folder: Path) -> None:
    methods = ("--methods", "vae,paper-0.01")
    printed = run("paper_table", folder, *methods)
    assert "| none | 1 |" in printed
    assert "| alpha 0.01 | 1 |" in printed
    assert "| 97.13 | 9.49 |" in printed
    assert printed.endswith(run("paper_table", folder, *methods, "--tables"))
    made = json.loads((folder / "paper_table" / "dark-3" / "paper-0.01-seed100.json").read_text())
    recall = list(made["at_half"]["recall"].values())
    assert made["at_half"]["mean_accuracy"] == pytest.approx(np.mean(recall))
    assert 0 <= made["at_half"]["realised_fpr"] <= 1


@pytest.mark.slow
def test_variants_change_what_they_say(folder: Path) -> None:
    base = "whole-margin-0.3"
    names = (base, f"{base}+loss-weights", f"{base}+bins-5", "two-stage-0.3")
    run("ablations", folder, "--methods", ",".join(names))
    made = {
        name: json.loads((folder / "ablations" / "dark-3" / f"{name}-seed100.json").read_text())
        for name in names
    }
    drawn = {name: each["weights"][-1]["effective_share"] for name, each in made.items()}
    assert drawn[f"{base}+loss-weights"] == pytest.approx(1)  # losses are weighted, not draws
    scores = {json.dumps(each["auc"]) for each in made.values()}
    assert len(scores) == len(names)  # four trainings, and not one four times


def test_a_row_holds_the_means_of_its_runs(paper_table: Any) -> None:
    runs = [
        {
            "task": "dark-3",
            "method": "paper-0.01",
            "seed": seed,
            "at_half": {
                "mean_accuracy": accuracy,
                "accuracy_variance": 2.0 * seed,
                "worst": accuracy - 0.1,
                "realised_fpr": 0.2,
            },
        }
        for seed, accuracy in ((1, 0.9), (2, 0.8))
    ]
    (row,) = paper_table.table(runs, "at_half").to_dict("records")
    assert row["strength"] == "alpha 0.01"
    assert row["E[A]"].startswith("85.00 ±")
    assert row["Var[A]"].startswith("3.00 ±")
    assert row["worst group"].startswith("75.0 ±")
    assert row["false positives"].startswith("20.00 ±")
    assert (row["E[A], published"], row["Var[A], published"]) == ("97.13", "9.49")
