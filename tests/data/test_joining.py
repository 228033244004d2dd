from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from debias.data.joining import read_face_attributes
from debias.data.predictions import Predictions, read_predictions
from debias.errors import DataError, UsageError


@pytest.fixture
def predictions(tmp_path: Path) -> Predictions:
    path = tmp_path / "predictions.csv"
    pd.DataFrame(
        {"image_id": ["a", "n", "b", "c"], "y_true": [1, 0, 1, 1], "y_pred": [1, 0, 0, 1]}
    ).to_csv(path, index=False)
    return read_predictions(path)


def save(folder: Path, **columns: list[str | None]) -> Path:
    path = folder / "attributes.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_attributes_join_by_id_and_both_leftovers_are_counted(
    tmp_path: Path, predictions: Predictions
) -> None:
    path = save(tmp_path, image_id=["x", "n", "c", "a"], race=["q", None, "dark", "light"])
    known = read_face_attributes(
        predictions, path, columns=["tone=race"], provenance={"tone": "annotated"}
    )
    assert known.table.index.tolist() == ["a", "b", "c"]
    assert known.table["tone"].fillna("-").tolist() == ["light", "-", "dark"]
    assert dict(known.provenance) == {"tone": "annotated"}
    assert (known.num_faces_matched, known.num_attributes_unmatched) == (2, 1)
    assert known.num_negatives_known == 0


def test_non_faces_with_attributes_are_counted(tmp_path: Path, predictions: Predictions) -> None:
    path = save(tmp_path, image_id=["n", "a"], race=["q", "dark"])
    known = read_face_attributes(predictions, path, columns=["race"])
    assert known.num_negatives_known == 1
    assert known.table["race"].notna().sum() == 1


def test_attributes_of_other_images_are_refused(tmp_path: Path, predictions: Predictions) -> None:
    path = save(tmp_path, image_id=["a.jpg", "b.jpg"], race=["q", "q"])
    with pytest.raises(DataError, match=r"none of the 3 faces .* 'a.jpg' here and like 'a'"):
        read_face_attributes(predictions, path, columns=["race"])


def test_without_columns_nothing_is_read(tmp_path: Path, predictions: Predictions) -> None:
    known = read_face_attributes(predictions, tmp_path / "missing.csv", columns=[])
    assert known.table.shape == (3, 0)


def test_provenance_without_attributes_is_refused(tmp_path: Path, predictions: Predictions) -> None:
    with pytest.raises(UsageError, match="provenance of 'race', but no attribute is named"):
        read_face_attributes(predictions, tmp_path, columns=[], provenance={"race": "proxy"})
