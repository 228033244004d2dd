"""What is given as arrays is checked as a file is, and matched row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from debias.data.arrays import UNNAMED, attributes_from_features, predictions_from_arrays
from debias.data.predictions import read_predictions
from debias.errors import DataError, UsageError

GIVEN: dict[str, Any] = {"y_true": [1, 1, 0, 0], "y_score": [0.9, 0.2, 0.6, 0.1]}


def test_arrays_say_what_a_file_of_them_says(tmp_path: Path) -> None:
    columns: dict[str, Any] = {
        **GIVEN,
        "y_pred": [1, 0, 1, 0],
        "image_id": ["a", "b", "n", "n#w1"],
        "identity_id": ["p", "p", None, None],
        "picture": [None, None, "x", "x"],
        "sample_weight": [1.0, 2.0, 0.0, 0.5],
        "seed": [1, 1, 1, 1],
    }
    path = tmp_path / "table.parquet"
    pd.DataFrame(columns).to_parquet(path)
    pd.testing.assert_frame_equal(
        predictions_from_arrays(**columns).table, read_predictions(path).table
    )


@pytest.mark.parametrize(
    "kind", [np.array, torch.tensor, tuple, lambda x: pd.Series(x, list("dcba"))]
)
def test_any_kind_of_array_will_do(kind: Any) -> None:
    found = predictions_from_arrays(y_true=kind([1, 1, 0, 0]), y_score=kind(GIVEN["y_score"]))
    assert found.table["image_id"].tolist() == ["0", "1", "2", "3"]
    assert found.table["y_true"].tolist() == [True, True, False, False]
    assert found.table["y_score"].to_numpy() == pytest.approx(GIVEN["y_score"])
    assert (found.path, found.rows, found.num_rows) == (None, "all", 4)


def test_truth_values_and_floats_are_labels() -> None:
    for labels in (np.array([True, True, False, False]), np.array([1.0, 1.0, 0.0, 0.0])):
        found = predictions_from_arrays(y_true=labels, y_pred=labels)
        assert found.table["y_pred"].tolist() == [True, True, False, False]
        assert not found.has_scores


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y_score": [0.1, 0.2]}, "^y_score has 2 rows, but y_true 4$"),
        ({"y_score": np.zeros((4, 1))}, r"^y_score is of shape \(4, 1\), not \(row,\)"),
        ({"y_score": 0.5}, r"^y_score is of shape \(\)"),
        ({"y_score": [[1], [1, 2], [3], [4]]}, "^y_score is no array"),
        ({"y_score": [0.1, np.nan, 0.3, 0.4]}, "^y_score is not a finite number in 1 row: row 2"),
        ({"y_true": [1, 2, 0, 0]}, r"^y_true is not 0 or 1 in 1 row: row 2 \('2'\)"),
        ({"y_pred": [1, 2, 0, 0]}, "^y_pred is not 0 or 1"),
        ({"y_true": [np.nan] * 4}, "^no row has a label in 'y_true'"),
        ({"y_true": [], "y_score": []}, "^y_true holds no rows"),
        ({"image_id": ["a", "a", "b", "c"]}, "^image_id is repeated in 2 rows"),
        ({"sample_weight": [1, 1, -1, 1]}, "^sample_weight is negative"),
        ({"image_id": list("abab"), "seed": [1, 1, 2, 2]}, "^y_true differs between seeds"),
    ],
)
def test_bad_arguments_are_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        predictions_from_arrays(**{**GIVEN, **changed})


def test_arguments_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(UsageError, match="neither y_score nor y_pred is given"):
        predictions_from_arrays(y_true=[1, 0])
    with pytest.raises(UsageError, match="seed is given without image_id"):
        predictions_from_arrays(**GIVEN, seed=[1, 1, 2, 2])


def test_features_are_matched_row_by_row_whatever_their_index() -> None:
    found = predictions_from_arrays(y_true=[1, np.nan, 0, 1], y_score=GIVEN["y_score"])
    features = pd.DataFrame(
        {"tone": ["dark", "lost", None, " light "], 5: [1.0, 2.0, np.nan, 4.0]},
        index=[3, 2, 1, 0],
    )
    known = attributes_from_features(found, features, provenance={"tone": "annotated"})
    assert known.table.index.tolist() == ["0", "2", "3"]
    assert known.table["tone"].fillna("-").tolist() == ["dark", "-", "light"]
    assert known.table["5"].fillna("-").tolist() == ["1", "-", "4"]
    assert known.is_face.tolist() == [True, False, True]
    assert dict(known.provenance) == {"tone": "annotated", "5": "unknown"}
    assert known.faces.table.index.tolist() == ["0", "3"]
    assert (known.num_negatives_known, known.num_attributes_unmatched) == (0, 0)


@pytest.mark.parametrize(
    ("features", "name"),
    [
        (["a", "a", "b", "b"], UNNAMED),
        (np.array(["a", "a", "b", "b"]), UNNAMED),
        (pd.Series(["a", "a", "b", "b"]), UNNAMED),
        (pd.Series(["a", "a", "b", "b"], name="tone"), "tone"),
        ({"tone": ["a", "a", "b", "b"]}, "tone"),
        (pd.DataFrame({"tone": pd.Categorical(["a", "a", "b", "b"])}), "tone"),
    ],
)
def test_features_come_in_many_forms(features: Any, name: str) -> None:
    known = attributes_from_features(predictions_from_arrays(**GIVEN), features)
    assert known.table[name].tolist() == ["a", "a", "b", "b"]
    assert list(known.table) == [name]


def test_features_can_be_chosen() -> None:
    found = predictions_from_arrays(**GIVEN)
    features = {"tone": list("aabb"), "age": list("cdcd"), "pose": list("xxyy")}
    known = attributes_from_features(found, features, columns=["pose", "tone"])
    assert list(known.table) == ["pose", "tone"]


@pytest.mark.parametrize(
    ("features", "arguments", "error", "message"),
    [
        (list("abc"), {}, DataError, "has 3 rows, but y_true 4"),
        (np.zeros((4, 2)), {}, DataError, r"is of shape \(4, 2\)"),
        ({"t": list("aabb")}, {"columns": ["s"]}, UsageError, "no attribute 's'"),
        ({"t": list("aabb")}, {"columns": ["t", "t"]}, UsageError, "'t' is named twice"),
        ({"t": list("aabb")}, {"provenance": {"s": "proxy"}}, UsageError, "provenance of 's'"),
        ({"t": list("aabb")}, {"provenance": {"t": "prxy"}}, UsageError, "Did you mean 'proxy'"),
    ],
)
def test_features_that_do_not_fit_are_refused(
    features: Any, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        attributes_from_features(predictions_from_arrays(**GIVEN), features, **arguments)
