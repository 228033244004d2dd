"""Columns by other names, weights, and several trained models in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from debias.data.manifest import parse_where
from debias.data.prediction_columns import (
    PREDICTION_COLUMNS,
    columns_of_other,
    conditions_of_other,
    parse_columns,
)
from debias.data.predictions import Predictions, cluster_codes, pair_up, read_predictions
from debias.errors import DataError, UsageError

TABLE = {"image_id": list("abcd"), "y_true": [1, 1, 0, 0], "y_score": [0.9, -2.0, 6.5, 0.1]}


def read(folder: Path, columns: dict[str, str] | None = None, **changed: Any) -> Predictions:
    path = folder / "predictions.csv"
    pd.DataFrame({**TABLE, **changed}).to_csv(path, index=False)
    return read_predictions(path, columns=columns or {})


def test_every_column_may_have_another_name(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            **TABLE,
            "y_pred": [1, 0, 1, 0],
            "identity_id": ["p", "p", None, None],
            "picture": [None, None, "x", "x"],
            "sample_weight": [1.0, 2.0, 0.0, 0.5],
            "seed": [7, 7, 7, 7],
            "split": ["test", "test", "test", "val"],
        }
    )
    assert set(table) == set(PREDICTION_COLUMNS)
    paths = tmp_path / "usual.parquet", tmp_path / "other.parquet"
    table.to_parquet(paths[0])
    table.add_prefix("their ").to_parquet(paths[1])
    usual = read_predictions(paths[0])
    columns = parse_columns([f"{name}=their {name}" for name in table])
    other = read_predictions(paths[1], columns=columns)
    pd.testing.assert_frame_equal(other.table, usual.table)
    assert (usual.rows, other.rows) == ("split=test", "their split=test")
    assert usual.positions.tolist() == other.positions.tolist() == [0, 1, 2]
    assert (other.num_identified, other.num_persons, other.seeds) == (2, 1, ("7",))


def test_a_renamed_column_is_taken_before_one_of_the_known_name(tmp_path: Path) -> None:
    found = read(tmp_path, {"y_score": "confidence"}, confidence=[1, 2, 3, 4])
    assert found.table["y_score"].tolist() == [1, 2, 3, 4]


def test_conditions_name_the_columns_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    pd.DataFrame({**TABLE, "part": ["val", "test", "test", "val"]}).to_csv(path, index=False)
    columns = {"split": "part"}
    assert len(read_predictions(path).table) == 4
    assert len(read_predictions(path, columns=columns).table) == 2
    asked = read_predictions(path, columns=columns, where=parse_where(["part=val"]))
    assert asked.table["image_id"].tolist() == ["a", "d"]
    assert (asked.rows, asked.seen_splits) == ("part=val", ())


def test_a_bad_cell_is_named_by_the_column_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"y_score \(column 'conf'\) is not a finite number in 1"):
        read(tmp_path, {"y_score": "conf"}, conf=[1, 2, 3, "x"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"y_score": "confidnce"},
            r"no column 'confidnce'\. It has .*Say .*: --column 'y_score=confidence'$",
        ),
        ({"split": "part"}, r"no column 'part'.*--column 'split=COLUMN'$"),
        (
            {"image_id": "photo", "y_true": "labl"},
            "no column 'photo' or 'labl'.*--column 'image_id=COLUMN' --column 'y_true=COLUMN'$",
        ),
    ],
)
def test_a_column_that_is_not_there_is_refused(
    tmp_path: Path, columns: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, columns, confidence=[1, 2, 3, 4])


def test_blanks_in_the_first_line_are_told(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("image_id, y_true, y_score\na, 1, 0.5\n")
    with pytest.raises(DataError, match=r"'y_true' or 'y_score'.*Take the blanks out of the names"):
        read_predictions(path)


def test_a_second_file_has_the_names_of_the_first_as_far_as_it_can() -> None:
    columns = {"image_id": "photo", "y_score": "confidence"}
    found = ["photo", "y_true", "y_score", "conf2"]
    assert columns_of_other(columns, {}, found=found) == {"image_id": "photo"}
    assert columns_of_other(columns, {"y_score": "conf2"}, found=found) == {
        "image_id": "photo",
        "y_score": "conf2",
    }
    assert columns_of_other({"y_true": "a"}, {"y_true": "b"}, found=["a", "b"]) == {"y_true": "b"}


def test_conditions_follow_columns_to_a_second_file() -> None:
    where = parse_where(["part=test", "pose=front", "seed!=0"])
    asked = conditions_of_other(
        where, {"split": "part"}, {"split": "fold", "seed": "run"}, found=["fold", "run"]
    )
    assert [str(each) for each in asked] == ["fold=test", "run!=0"]


def test_what_is_no_column_of_predictions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'y_scor' is no column.* Did you mean 'y_score'"):
        read(tmp_path, {"y_scor": "y_score"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y_score", "cannot read the column 'y_score'"),
        ("=x", "cannot read"),
        ("y_score=", "cannot read"),
        ("weight=w", "'weight' is no column of predictions. Did you mean 'sample_weight'"),
    ],
)
def test_a_mapping_that_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_columns([text])


def test_a_column_is_not_mapped_twice() -> None:
    assert parse_columns([" y_true = a=b "]) == {"y_true": "a=b"}
    with pytest.raises(UsageError, match="'y_true' is given twice"):
        parse_columns(["y_true=a", "y_true=b"])


def test_misspelt_columns_that_are_optional_are_told(tmp_path: Path) -> None:
    found = read(tmp_path, sample_weigth=1, identity=list("abcd"), Seed=3, note="x", picture="p")
    assert found.lookalikes == (
        ("Seed", "seed"),
        ("identity", "identity_id"),
        ("sample_weigth", "sample_weight"),
    )
    assert not found.has_weights
    assert read(tmp_path, identity=1, identity_id=1).lookalikes == ()
    assert read(tmp_path, {"identity_id": "identity"}, identity=1).lookalikes == ()


def test_a_folder_of_parts_is_one_table(tmp_path: Path) -> None:
    table = pd.DataFrame(TABLE)
    for part, rows in enumerate([table[:3], table[3:]]):
        rows.to_parquet(tmp_path / f"part-{part}.parquet", index=False)
    assert read_predictions(tmp_path).table["image_id"].tolist() == list("abcd")
    table[:1].to_parquet(tmp_path / "part-2.parquet", index=False)
    with pytest.raises(DataError, match=r"image_id is repeated in 2 rows: row 1 \('a'\), row 5"):
        read_predictions(tmp_path)


def test_scores_may_be_any_finite_numbers(tmp_path: Path) -> None:
    assert read(tmp_path).table["y_score"].tolist() == TABLE["y_score"]


def test_weights_are_read_as_numbers(tmp_path: Path) -> None:
    found = read(tmp_path, sample_weight=["0", "1", "2.5", "1e3"])
    assert found.has_weights
    assert found.table["sample_weight"].tolist() == [0.0, 1.0, 2.5, 1000.0]
    assert not read(tmp_path).has_weights


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, np.nan, 1, 1], "sample_weight is not a finite number in 1 row: row 2"),
        ([1, np.inf, 1, 1], "sample_weight is not a finite number in 1 row: row 2"),
        ([1, 1, -0.5, 1], r"sample_weight is negative in 1 row: row 3 \('-0.5'\)"),
        ([0, 0, 0, 0], "sample_weight is 0 throughout in 4 rows"),
    ],
)
def test_bad_weights_are_refused(tmp_path: Path, weights: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, sample_weight=weights)


def test_weights_of_rows_without_label_do_not_matter(tmp_path: Path) -> None:
    found = read(tmp_path, y_true=[1, None, 0, 0], sample_weight=[1, None, 1, 1])
    assert found.positions.tolist() == [0, 2, 3]
    with pytest.raises(DataError, match="0 throughout"):
        read(tmp_path, y_true=[1, None, 0, 0], sample_weight=[0, 1, 0, 0])


def seeded(folder: Path, **changed: Any) -> Predictions:
    """Read three images by seeds 10 and 9, in different orders."""
    columns: dict[str, Any] = {
        "image_id": ["a", "b", "n", "n", "b", "a"],
        "y_true": [1, 1, 0, 0, 1, 1],
        "y_score": [1, 2, 3, 4, 5, 6],
        "seed": [10, 10, 10, 9, 9, 9],
    }
    path = folder / "seeds.parquet"
    pd.DataFrame({**columns, **changed}).to_parquet(path)
    return read_predictions(path)


def test_several_seeds_judge_the_same_images(tmp_path: Path) -> None:
    found = seeded(tmp_path, identity_id=["p", "q", None, None, "q", "p"])
    assert found.seeds == ("9", "10")
    assert (found.num_identified, found.num_persons) == (4, 2)
    assert len(set(cluster_codes(found.table["cluster"]))) == 3
    one = found.of_seed("9")
    assert one.table["y_score"].tolist() == [4, 5, 6]
    assert one.positions.tolist() == [3, 4, 5]
    assert (one.seeds, one.num_identified, one.num_persons) == ((), 2, 2)
    assert "seed" not in one.table
    with pytest.raises(UsageError, match=r"no seed '11'\. Known: 10, 9"):
        found.of_seed("11")


def test_an_image_shares_a_cluster_with_itself_by_another_seed(tmp_path: Path) -> None:
    table = seeded(tmp_path).table
    clusters = table.groupby("image_id")["cluster"]
    assert clusters.nunique().tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"seed": [10, 10, 9, 9, 9, 9]},
            "image_id is repeated in 2 rows: row 3 .* Give one row an image for each seed",
        ),
        ({"seed": ["x", "x", "x", "y", "y", None]}, "seed is missing in 1 row: row 6"),
        (
            {"image_id": ["a", "b", "n", "n", "c", "a"]},
            "not every seed judges the same images: 2 images by some seeds only: "
            "'b' not by seed '9', 'c' not by seed '10'",
        ),
        ({"y_true": [1, 1, 0, 0, 1, 0]}, "y_true differs between seeds for 1 image: 'a'"),
        (
            {"y_true": pd.array([1, 1, 0, 0, 1, None], dtype="Int8")},
            "1 image by some seeds only: 'a' not by seed '9'",
        ),
    ],
)
def test_seeds_that_do_not_fit_are_refused(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        seeded(tmp_path, **changed)


def test_only_one_seed_can_be_compared(tmp_path: Path) -> None:
    several = seeded(tmp_path)
    for pair in ((several, several.of_seed("9")), (several.of_seed("9"), several)):
        with pytest.raises(DataError, match="needs one model, not 2 seeds"):
            pair_up(*pair)
    both = pair_up(several.of_seed("10"), several.of_seed("9"))
    assert both["y_score_first"].tolist() == [1, 2, 3]
    assert both["y_score_second"].tolist() == [6, 5, 4]
