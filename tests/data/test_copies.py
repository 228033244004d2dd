from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from debias.data.copies import repeat_images
from debias.data.manifest import Manifest, read_manifest
from debias.data.splits import assign_splits
from debias.errors import DataError


def manifest_of(folder: Path, ids: list[str]) -> Manifest:
    table = pd.DataFrame({"image_id": ids, "path": [f"{i}.png" for i in range(len(ids))]})
    table["label"] = 1
    table.to_csv(folder / "images.csv", index=False)
    return read_manifest(folder / "images.csv")


def test_copies_follow_their_image_and_none_is_left_out_by_one(tmp_path: Path) -> None:
    made = repeat_images(manifest_of(tmp_path, ["a", "b", "c"]), copies=np.array([1, 3, 0])).table
    assert made["image_id"].tolist() == ["a", "b", "b#r01", "b#r02"]
    assert made["path"].tolist() == ["0.png", "1.png", "1.png", "1.png"]
    assert made.index.tolist() == [0, 1, 2, 3]


def test_copies_stay_in_one_split(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, [str(i) for i in range(40)])
    repeated = repeat_images(manifest, copies=np.full(40, 3))
    table = assign_splits(repeated, fractions=(0.6, 0.2, 0.2), seed=0).table
    assert (table.groupby("path")["split"].nunique() == 1).all()


def test_an_id_that_is_taken_is_named(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, ["a", "a#r01"])
    with pytest.raises(DataError, match="'a#r01' is wanted for a copy"):
        repeat_images(manifest, copies=np.array([2, 1]))


def test_no_image_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no image is left"):
        repeat_images(manifest_of(tmp_path, ["a"]), copies=np.array([0]))
