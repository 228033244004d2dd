from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from debias.data.manifest import parse_where
from debias.data.predictions import (
    Predictions,
    cluster_codes,
    pair_up,
    read_decisions,
    read_predictions,
)
from debias.errors import DataError

TABLE = {
    "image_id": ["001", "002", "n1", "n1#w01"],
    "y_true": [1, 1, 0, 0],
    "y_score": [0.9, 0.2, 0.6, 0.1],
    "y_pred": [1, 0, 1, 0],
}


def save(folder: Path, name: str = "predictions.parquet", **columns: Any) -> Path:
    table = pd.DataFrame({**TABLE, **columns})
    path = folder / name
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    return path


def read(folder: Path, **columns: Any) -> Predictions:
    return read_predictions(save(folder, **columns))


@pytest.mark.parametrize("name", ["predictions.csv", "predictions.parquet"])
def test_csv_and_parquet_say_the_same(tmp_path: Path, name: str) -> None:
    found = read_predictions(save(tmp_path, name))
    assert found.faces["image_id"].tolist() == ["001", "002"]
    assert found.negatives["y_score"].tolist() == [0.6, 0.1]
    assert found.table["y_pred"].tolist() == [True, False, True, False]
    assert found.table["y_true"].dtype == bool
    assert (found.rows, found.num_rows, found.num_unlabelled) == ("all", 4, 0)


@pytest.mark.parametrize("labels", [[True, True, False, False], [1.0, 1.0, 0.0, 0.0], list("1100")])
def test_labels_may_be_truth_values_floats_or_text(tmp_path: Path, labels: list[object]) -> None:
    assert read(tmp_path, y_true=labels).table["y_true"].tolist() == [True, True, False, False]


def test_the_test_split_is_taken_if_there_is_one(tmp_path: Path) -> None:
    found = read(tmp_path, split=["val", "test", "test", None])
    assert found.table["image_id"].tolist() == ["002", "n1"]
    assert (found.rows, found.num_rows) == ("split=test", 4)
    assert len(read(tmp_path, split=["val", "val", "train", None]).table) == 4


def test_splits_that_made_the_model_are_told_where_nobody_asked_for_them(tmp_path: Path) -> None:
    def seen(*splits: str | None, where: str | None = None) -> tuple[str, ...]:
        path = save(tmp_path, split=list(splits), pool=list("aabb"))
        return read_predictions(path, where=parse_where([where] if where else [])).seen_splits

    assert seen("val", "val", "val", "val") == ("val",)
    assert seen("val", "train", "val", "val") == ("train", "val")
    assert seen("val", "val", "val", "test") == ()
    assert seen("val", "val", "val", None) == ()
    assert seen("val", "val", "val", " ") == ()
    assert seen("val", "val", "val", "val", where="split=val") == ()
    assert seen("val", "val", "test", "test", where="pool=a") == ("val",)
    assert read(tmp_path).seen_splits == ()


def test_blank_cells_are_missing(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        y_true=["1", "1", "0", " "],
        identity_id=[" ", "  ", " ", ""],
        picture=[" ", "\t", " ", " "],
        split=["test", " ", "test", "test"],
    )
    assert found.table["image_id"].tolist() == ["001", "n1"]
    assert (found.num_identified, found.num_unlabelled) == (0, 1)
    found = read(tmp_path, identity_id=[" ", " ", None, None], picture=[" ", " ", "p", " "])
    assert found.faces["cluster"].nunique() == 2
    assert found.negatives["cluster"].nunique() == 2


def test_where_chooses_rows_and_may_name_the_split(tmp_path: Path) -> None:
    path = save(tmp_path, split=["val", "test", "test", "test"], pool=["a", "a", "b", "a"])
    one = read_predictions(path, where=parse_where(["pool=a"]))
    assert one.table["image_id"].tolist() == ["002", "n1#w01"]
    assert one.rows == "pool=a and split=test"
    other = read_predictions(path, where=parse_where(["split!=test"]))
    assert other.table["image_id"].tolist() == ["001"]
    with pytest.raises(DataError, match="no row is left by pool=c"):
        read_predictions(path, where=parse_where(["pool=c"]))
    with pytest.raises(DataError, match="Did you mean 'pool'"):
        read_predictions(path, where=parse_where(["pol=a"]))


def test_rows_without_label_are_counted_and_left_out(tmp_path: Path) -> None:
    found = read(tmp_path, y_true=pd.array([1, None, 0, None], dtype="Int8"))
    assert (len(found.table), found.num_unlabelled) == (2, 2)
    with pytest.raises(DataError, match="no row has a label"):
        read(tmp_path, y_true=pd.array([None] * 4, dtype="Int8"))


def test_what_rows_share(tmp_path: Path) -> None:
    """Rows share a person where that is known, else a picture, else the id before the window."""
    found = read(tmp_path, identity_id=["p", "p", "p", None])
    assert (found.num_identified, found.num_persons) == (2, 1)
    assert cluster_codes(found.table["cluster"]).tolist() == [0, 0, 0, 1]
    found = read(tmp_path, identity_id=["p", "p", None, None])
    assert cluster_codes(found.negatives["cluster"]).tolist() == [0, 0]
    found = read(tmp_path, picture=["x.jpg", "x.jpg", "y.jpg", "z.jpg"])
    assert (found.num_identified, found.num_persons) == (0, 0)
    assert cluster_codes(found.faces["cluster"]).tolist() == [0, 0]
    assert cluster_codes(found.negatives["cluster"]).tolist() == [0, 1]
    found = read(tmp_path, identity_id=["p", None, None, None])
    assert (found.num_identified, found.num_persons) == (1, 1)
    assert cluster_codes(found.faces["cluster"]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"image_id": ["a", "a", "b", "c"]},
            r"image_id is repeated in 2 rows: row 1 \('a'\), row 2",
        ),
        ({"image_id": ["a", None, "b", " "]}, "image_id is missing in 2 rows"),
        ({"y_true": [1, 2, 0, 0]}, r"y_true is not 0 or 1 in 1 row: row 2 \('2'\)"),
        ({"y_true": [1, -1, 0.5, 0]}, "y_true is not 0 or 1 in 2 rows"),
        (
            {"y_true": ["yes", "face", "no", "no"]},
            r"is not 0 or 1 in 4 rows: row 1 \('yes'\), row 2 \('face'\), row 3 \('no'\) and 1 more"
            r"\. Found 'face', 'no', 'yes'; write 1 for a face and 0 for anything else",
        ),
        ({"y_pred": [1, 0, 0, None]}, "Every labelled row needs a 1 or a 0"),
        (
            {"y_score": [0.1, 0.2, np.nan, np.nan]},
            r"in 2 rows: row 3 \(nan\), row 4 \(nan\)\. The first is image 'n1'",
        ),
        ({"y_score": ["0,1", "0,2", "1", "1"]}, "Write decimal numbers with a point"),
        ({"y_score": ["10%", "20 %", "1", "1"]}, "Write numbers alone, without a percent sign"),
        ({"y_pred": [1, 0, 0, 7]}, "y_pred is not 0 or 1 in 1 row: row 4"),
        (
            {"y_pred": pd.array([1, 0, 0, None], dtype="Int8")},
            "y_pred is not 0 or 1 in 1 row: row 4",
        ),
        ({"y_score": [0.1, np.nan, 0.2, 0.3]}, "y_score is not a finite number in 1 row: row 2"),
        ({"y_score": [0.1, np.inf, -np.inf, 0.3]}, "y_score is not a finite number in 2 rows"),
        ({"y_score": ["0.1", "high", "0.2", "0.3"]}, "'high'"),
    ],
)
def test_bad_cells_are_named(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, **columns)
    assert str(tmp_path) in str(caught.value)


def test_bad_cells_of_rows_not_chosen_do_not_matter(tmp_path: Path) -> None:
    found = read(tmp_path, y_score=[np.nan, 1, 2, 3], split=["val", "test", "test", "test"])
    assert len(found.table) == 3


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (["image_id"], "no column 'image_id'"),
        (["y_true"], "no column 'y_true'"),
        (["y_score", "y_pred"], "no column 'y_score'"),
    ],
)
def test_missing_columns_are_named(tmp_path: Path, missing: list[str], message: str) -> None:
    path = tmp_path / "predictions.csv"
    pd.DataFrame(TABLE).drop(columns=missing).to_csv(path, index=False)
    with pytest.raises(DataError, match=message):
        read_predictions(path)


def test_a_misspelt_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    pd.DataFrame(TABLE).rename(columns={"y_true": "y_ture"}).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"no column 'y_true'\..*--column 'y_true=y_ture'"):
        read_predictions(path)


def test_decisions_stand_for_themselves(tmp_path: Path) -> None:
    found = read_decisions(read(tmp_path), path=tmp_path / "operating_point.json")
    assert found is not None
    assert found.answers.tolist() == [True, False, True, False]
    assert (found.threshold, found.target_fpr) == (None, None)


def test_a_stored_threshold_is_applied_to_scores(tmp_path: Path) -> None:
    point = tmp_path / "operating_point.json"
    point.write_text(json.dumps({"threshold": 0.6, "target_fpr": 0.01, "more": "is ignored"}))
    found = read_decisions(read(tmp_path), path=point)
    assert found is not None
    assert found.answers.tolist() == [True, False, True, False]
    assert (found.threshold, found.target_fpr) == (0.6, 0.01)


def test_decisions_that_contradict_the_threshold_are_refused(tmp_path: Path) -> None:
    point = tmp_path / "operating_point.json"
    point.write_text('{"threshold": 0.61}')
    with pytest.raises(DataError, match=r"threshold 0.61 contradicts y_pred in 1 row"):
        read_decisions(read(tmp_path), path=point)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"threshold": "x"}',
        '{"threshold": NaN}',
        '{"threshold": true}',
        "{",
        f'{{"threshold": {"9" * 400}}}',
        f'{{"threshold": 0.5, "target_fpr": {"9" * 400}}}',
        '{"threshold": 0.5, "target_fpr": "1 %"}',
    ],
)
def test_what_is_no_operating_point_is_refused(tmp_path: Path, text: str) -> None:
    point = tmp_path / "operating_point.json"
    point.write_text(text)
    with pytest.raises(DataError, match="operating"):
        read_decisions(read(tmp_path), path=point)


def test_without_decisions_and_threshold_there_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    pd.DataFrame(TABLE).drop(columns="y_pred").to_csv(path, index=False)
    assert read_decisions(read_predictions(path), path=tmp_path / "none.json") is None


def test_two_tables_pair_by_id_and_not_by_position(tmp_path: Path) -> None:
    first = read(tmp_path)
    other = read(
        tmp_path,
        image_id=["n1", "002", "001", "new"],
        y_true=[0, 1, 1, 1],
        y_score=[0.3, 0.2, 0.1, 0.0],
    )
    both = pair_up(first, other)
    assert both["image_id"].tolist() == ["001", "002", "n1"]
    assert both["y_score_first"].tolist() == [0.9, 0.2, 0.6]
    assert both["y_score_second"].tolist() == [0.1, 0.2, 0.3]
    assert both["y_true"].tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image_id": ["w", "x", "y", "z"]}, "shares no image_id"),
        ({"y_true": [1, 0, 0, 0]}, "y_true differs for 1 image: 002"),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        pair_up(read(tmp_path), read(tmp_path, **columns))


def test_decisions_alone_cannot_be_compared(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    pd.DataFrame(TABLE).drop(columns="y_score").to_csv(path, index=False)
    scores, decisions = read(tmp_path), read_predictions(path)
    for first, second in ((scores, decisions), (decisions, scores)):
        with pytest.raises(DataError, match="needs the column 'y_score'") as caught:
            pair_up(first, second)
        assert caught.value.where == str(path)  # whichever lacks them is named
