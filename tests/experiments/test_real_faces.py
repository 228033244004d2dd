"""The real-faces experiment from end to end, on drawn pictures laid out as its images are."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments" / "real_faces"


@pytest.fixture(scope="module")
def natural(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``images.csv`` in the columns of the real one."""
    folder = tmp_path_factory.mktemp("natural")
    shutil.copytree(drawn / "images", folder / "images")
    images = pd.read_csv(drawn / "images.csv")
    face = images["label"] == 1
    number = images.groupby("label").cumcount()
    images["split"] = np.array(["train", "val", "test"])[number % 3]
    images["race"] = np.where(face, np.array(["white", "black"])[number // 3 % 2], "")
    images["gender"] = np.where(face, np.array(["male", "female"])[number // 6 % 2], "")
    images["ita"] = np.where(face, np.linspace(-40, 60, len(images)), np.nan)
    images["pool"] = np.where(face & (number % 10 == 9), "controlled", "natural")
    images.to_csv(folder / "images.csv", index=False)
    return folder


def test_it_trains_measures_and_tabulates(natural: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = [
        *(sys.executable, str(FOLDER / "run.py"), "--data", str(natural), "--seeds", "2"),
        *("--methods", "plain,max", "--windows", "60", "--results", str(results)),
        *("--set", "training.epochs=2", "--set", "training.min_epoch_steps=1"),
        *("--set", "model.image_size=32", "--set", "model.channels=[8,16]"),
        *("--set", "model.blocks=[0]", "--set", "model.latent_size=4"),
        *("--set", "training.batch_size=16"),
    ]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    files = sorted(path.name for path in results.iterdir())
    assert files == [f"{m}-seed{s}.json" for m in ("max", "plain") for s in (0, 1)]
    one = json.loads((results / "max-seed0.json").read_text())
    assert one["num_negatives"] == 20 * 60
    assert set(one["recall"]["0.01"]) == {
        f"{race} {gender}" for race in ("white", "black") for gender in ("male", "female")
    }
    assert one["recall"]["0.001"] is None  # 1,200 non-faces do not resolve it
    assert sum(one["num_faces"].values()) == 36  # 40 test faces, 4 of them set apart
    assert 0 < one["dark_share"]["of_weights"] < 1
    assert "face-" not in json.dumps(one)  # nothing about a single image
    again = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert again.stdout == ""  # finished runs are not run again
    other = [*command, "--set", "loss.kl=0.1"]
    mixed = subprocess.run(other, capture_output=True, text=True, check=False, env=environment)
    assert mixed.returncode != 0
    assert "made with other settings" in mixed.stderr


def _result(method: str, seed: int, black_male: float) -> dict[str, Any]:
    groups = [f"{r} {g}" for r in ("white", "black", "asian", "indian") for g in ("male", "female")]
    recall = dict.fromkeys(groups, 0.99) | {"black male": black_male}
    return {
        "method": method,
        "seed": seed,
        "seconds": 60.0,
        "recall": {"0.01": recall, "0.001": None},
        "validation_threshold": {"realised_test_fpr": 0.012, "recall": recall},
        "dark_share": None,
        "history": {"epoch": 12.0},
    }


def test_known_answers_of_the_tables(tmp_path: Path) -> None:
    table = runpy.run_path(str(FOLDER / "table.py"))
    for seed, (plain, vae) in enumerate([(0.90, 0.92), (0.80, 0.85), (0.85, 0.88)]):
        for method, value in (("plain", plain), ("vae", vae)):
            result = _result(method, seed, value)
            (tmp_path / f"{method}-seed{seed}.json").write_text(json.dumps(result))
    runs = table["load"](tmp_path)
    recalls = table["recall_table"](runs, "0.01").set_index("method")
    assert recalls.loc["plain", "worst"] == "85.0 ± 5.0"
    assert recalls.loc["plain", "gap"] == "14.0 ± 5.0"
    assert recalls.loc["plain", "E[A]"] == "95.5 ± 1.2"
    differences = table["difference_table"](runs)
    assert list(differences["difference"]) == ["vae - plain"]
    # Differences 2, 5, 3: mean 3.33, standard error 0.882, t of two degrees of freedom 4.303.
    assert differences.loc[0, "worst, 1 %"] == "+3.3 [-0.5, +7.1]"
    assert differences.loc[0, "gap, 1 %"] == "-3.3 [-7.1, +0.5]"
    assert not any("0.1 %" in line for line in table["tables"](runs))
