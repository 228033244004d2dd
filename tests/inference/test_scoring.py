"""The table of predictions, and the operating point that goes with it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from debias.data.manifest import Manifest
from debias.data.store import ImageStore
from debias.errors import DataError
from debias.inference.scoring import decide, read_operating_point, score_images
from debias.metrics.operating_point import OperatingPoint
from debias.models.db_vae import FaceModel

POINT = OperatingPoint(
    threshold=0.25,
    target_fpr=0.01,
    realised_fpr=0.005,
    num_false_positives=5,
    num_negatives=1000,
    num_tied=1,
)


def _manifest(rows: list[tuple[str, str, int | None, str | None]], root: Path) -> Manifest:
    table = pd.DataFrame(rows, columns=["image_id", "path", "label", "split"])
    table["label"] = table["label"].astype("Int8")
    return Manifest(root=root, table=table.assign(identity_id=None))


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Images in another order than in the store, two of one file, one that is not there."""
    rows = [
        ("grey-4", "album/4.png", 0, "test"),
        ("broken", "album/broken.png", 1, "val"),
        ("grey-1", "album/1.png", 1, "val"),
        ("grey-0", "album/4.png", 0, "test"),
        ("grey-7", "album/broken.png", None, None),
        ("grey-2", "album/4.png", 0, "test"),
    ]
    return _manifest(rows, tmp_path)


def test_each_image_gets_its_own_score(
    brightness_model: FaceModel, store: ImageStore, manifest: Manifest
) -> None:
    table = score_images(brightness_model, store, manifest).set_index("image_id")
    # What failed to decode has no row; the order is the manifest's.
    assert table.index.tolist() == ["grey-4", "grey-1", "grey-0", "grey-7", "grey-2"]
    brightness = np.array([102, 255, 0, 225, 51]) / 255
    np.testing.assert_allclose(table["y_score"], 1 / (1 + np.exp(5 - 10 * brightness)), rtol=1e-5)
    assert table["y_score"].dtype == np.float64
    assert table["y_true"].tolist() == [0, 1, 0, pd.NA, 0]
    assert table["split"].fillna("none").tolist() == ["test", "val", "test", "none", "test"]


def test_images_of_one_file_share_a_picture_that_is_no_path(
    brightness_model: FaceModel, store: ImageStore, manifest: Manifest
) -> None:
    table = score_images(brightness_model, store, manifest).set_index("image_id")
    assert table["picture"].to_dict() == {
        "grey-4": "grey-4",
        "grey-1": "grey-1",
        "grey-0": "grey-4",
        "grey-7": "broken",  # the same name however many images of the file decode
        "grey-2": "grey-4",
    }
    assert "album" not in table.to_csv()


def test_decisions_include_the_threshold() -> None:
    scores = np.array([0.25, np.nextafter(0.25, 0), np.nextafter(0.25, 1), 0.0, 1.0])
    before = pd.DataFrame({"y_score": scores})
    decided = decide(before, threshold=0.25)
    assert decided["y_pred"].tolist() == [1, 0, 1, 0, 1]
    assert "y_pred" not in before


def test_an_operating_point_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "operating_point.json"
    path.write_text(json.dumps({**dataclasses.asdict(POINT), "source": "is ignored"}))
    assert read_operating_point(path) == POINT


@pytest.mark.parametrize(
    "changes",
    [{"threshold": "high"}, {"threshold": None}, {"target_fpr": [0.01]}, {"num_tied": 1.5}],
)
def test_a_damaged_operating_point(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "operating_point.json"
    path.write_text(json.dumps({**dataclasses.asdict(POINT), **changes}))
    with pytest.raises(DataError, match=rf"operating_point\.json.*{next(iter(changes))}"):
        read_operating_point(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"threshold": 0.5}', "0.5"])
def test_what_is_no_operating_point(tmp_path: Path, text: str) -> None:
    path = tmp_path / "operating_point.json"
    with pytest.raises(DataError, match="cannot be read"):
        read_operating_point(path)
    path.write_text(text)
    with pytest.raises(DataError, match=r"operating_point\.json"):
        read_operating_point(path)
