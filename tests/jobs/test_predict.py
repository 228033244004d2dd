"""``debias predict``: labelled or not, with what cannot be read set aside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from running import QUICK, Debias


def test_predicting_again_gives_the_same_scores(
    trained: Path, drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    output = tmp_path / "again"
    outcome = debias(
        *("predict", drawn / "images.csv", "--model", trained, "--output", output, "--quiet")
    )
    assert outcome.status == 0, outcome.err
    before = pd.read_parquet(trained / "predictions.parquet").set_index("image_id")
    after = pd.read_parquet(output / "predictions.parquet").set_index("image_id")
    assert len(after) == 120 + 60 * 12
    assert set(before.index) < set(after.index)
    np.testing.assert_allclose(
        after.loc[before.index, "y_score"], before["y_score"], rtol=1e-5, atol=1e-7
    )
    assert (after.loc[before.index, "y_pred"] == before["y_pred"]).all()
    assert (after["y_true"] == after.index.str.startswith("face-")).all()


def test_an_unlabelled_folder(trained: Path, drawn: Path, debias: Debias, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(3):
        name = f"face-{number:05d}.jpg"
        (folder / name).write_bytes((drawn / "images" / name).read_bytes())
    (folder / "broken.png").write_bytes(b"not a picture")
    output = tmp_path / "scores"
    outcome = debias("predict", folder, "--model", trained, "--output", output, "--quiet")
    assert outcome.status == 0, outcome.err
    assert "3 images scored" in outcome.out
    assert "1 could not be decoded" in outcome.out
    predictions = pd.read_parquet(output / "predictions.parquet")
    assert predictions["y_true"].isna().all()
    assert predictions["y_score"].between(0, 1).all()
    assert list(pd.read_csv(output / "failures.csv")["path"]) == ["broken.png"]
    strict = debias(
        *("predict", folder, "--model", trained, "--output", tmp_path / "strict"),
        *("--strict", "--quiet"),
    )
    assert strict.status == 1
    assert "broken.png" in strict.err
    assert not (tmp_path / "strict").exists()


def test_a_folder_that_is_no_run(drawn: Path, debias: Debias, tmp_path: Path) -> None:
    outcome = debias(
        *("predict", drawn / "images.csv", "--model", drawn, "--output", tmp_path / "o", "--quiet")
    )
    assert outcome.status == 1
    assert "not a run directory" in outcome.err


def test_a_model_that_does_not_classify(drawn: Path, debias: Debias, tmp_path: Path) -> None:
    run = tmp_path / "vae"
    words = ["train", drawn / "images.csv", "--output", run, "--architecture", "vae", *QUICK]
    assert debias(*words).status == 0
    outcome = debias("predict", drawn / "images.csv", "--model", run, "--output", tmp_path / "o")
    assert outcome.status == 1
    assert "does not classify" in outcome.err
