"""The experiment on junk among the training faces, from end to end at a tiny size."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "experiments" / "outlier_weights" / "run.py"


def test_junk_replaces_its_share_of_the_training_faces() -> None:
    from debias.testbed.sets import draw_testbed

    names = runpy.run_path(str(SCRIPT))
    images = draw_testbed(names["testbed"](tiny=True), seed=0)
    planted = names["contaminated"](images, seed=0)
    junk = planted["junk"]
    assert junk.sum() == round(0.02 * 160)
    assert set(planted.loc[junk, "split"]) == {"train"}
    assert set(planted.loc[junk, "label"]) == {1}
    assert "face" not in set(planted.loc[junk, "kind"])
    same = planted.loc[~junk].drop(columns="junk")
    assert same.equals(images.loc[~junk])


@pytest.mark.slow
def test_it_trains_measures_and_tabulates(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--tiny", "--seeds", "1", "--parallel", "1"]
    command += ["--methods", "uniform,downweight", "--results", str(tmp_path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "| uniform | 1 |" in printed
    assert "| downweight | 1 |" in printed
    run = json.loads((tmp_path / "uniform-seed0.json").read_text())
    assert run["share_of_draws"]["junk"] == pytest.approx(run["share_of_faces"]["junk"])
    assert len(run["recall"]) == 6
