"""Whom a condition chooses among: all rows, or the faces alone where no non-face has a value."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from debias.data.manifest import parse_where
from debias.data.predictions import Predictions, read_predictions
from debias.data.score_stream import stream_scores

FACES = {
    "image_id": list("abcdef"),
    "y_true": [1, 1, 1, 0, 0, 0],
    "y_score": [0.9, 0.8, 0.7, 0.3, 0.2, 0.1],
}


def read(folder: Path, where: Sequence[str], **columns: Any) -> Predictions:
    path = folder / "p.csv"
    pd.DataFrame({**FACES, **columns}).to_csv(path, index=False)
    found = read_predictions(path, where=parse_where(where))
    with stream_scores(path, groups={}, where=parse_where(where)) as stream:
        assert stream.remarks == found.remarks
        assert stream.rows == found.rows
        assert (stream.num_faces, stream.num_negatives) == (len(found.faces), len(found.negatives))
    return found


def ids(found: Predictions) -> str:
    return "".join(found.table["image_id"])


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (["pose=front"], "adef"),
        (["pose=front,side"], "abdef"),
        (["pose!="], "abdef"),
        (["pose!=,side"], "adef"),
    ],
)
def test_non_faces_without_any_value_stay_as_a_pool(
    where: list[str], expected: str, tmp_path: Path
) -> None:
    found = read(tmp_path, where, pose=["front", "side", None, None, " ", None])
    assert ids(found) == expected
    (remark,) = found.remarks
    assert remark.startswith("No non-face has a value in the column 'pose': ")


def test_non_faces_of_which_some_have_a_value_are_chosen_among(tmp_path: Path) -> None:
    found = read(tmp_path, ["pose=front"], pose=["front", "side", None, "front", "side", None])
    assert ids(found) == "ad"
    assert found.remarks == (
        "1 of the file's non-faces have no value in the column 'pose' and were left out by the "
        "condition on it.",
    )


@pytest.mark.parametrize(
    ("where", "expected"), [(["pose="], "cdef"), (["pose!=front"], "bcdef"), ([], "abcdef")]
)
def test_conditions_that_an_empty_cell_meets_need_no_remark(
    where: list[str], expected: str, tmp_path: Path
) -> None:
    found = read(tmp_path, where, pose=["front", "side", None, None, None, None])
    assert ids(found) == expected
    assert found.remarks == ()


def test_where_every_non_face_has_a_value_nothing_is_remarked(tmp_path: Path) -> None:
    found = read(tmp_path, ["pose=front"], pose=["front", "side", None, "front", "side", "side"])
    assert ids(found) == "ad"
    assert found.remarks == ()


def test_each_condition_is_seen_by_itself(tmp_path: Path) -> None:
    columns = {"pose": ["x", "y", "x", None, None, None], "site": ["1", "1", "2", "1", "2", None]}
    found = read(tmp_path, ["pose=x", "site=1"], **columns)
    assert ids(found) == "ad"
    assert [remark.partition(" ")[0] for remark in found.remarks] == ["No", "1"]


def test_rows_without_a_label_are_no_non_faces(tmp_path: Path) -> None:
    found = read(
        tmp_path, ["pose=x"], y_true=[1, 1, 0, 0, None, 1], pose=["x", None, None, None, "x", "y"]
    )
    assert ids(found) == "acd"
    assert found.num_unlabelled == 1


@pytest.mark.parametrize("where", [["split=test"], []])
def test_a_split_is_of_non_faces_too(where: list[str], tmp_path: Path) -> None:
    found = read(tmp_path, where, split=["test", "test", "val", None, None, None])
    assert ids(found) == "ab"
    assert found.rows == "split=test"
    assert found.remarks == (
        "3 of the file's non-faces have no value in the column 'split' and were left out by the "
        "condition on it.",
    )


def test_a_remark_tells_no_value(tmp_path: Path) -> None:
    found = read(tmp_path, ["identity_id=Ann"], identity_id=["Ann", "Bob", None, None, None, None])
    assert ids(found) == "adef"
    assert "Ann" not in found.rows + found.remarks[0]
