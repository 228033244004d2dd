from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from debias.data.joining import (
    RequestedMode,
    RowAttributes,
    negatives_mode,
    read_row_attributes,
)
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
    known = read_row_attributes(
        predictions, path, columns=["tone=race"], provenance={"tone": "annotated"}
    ).faces
    assert known.table.index.tolist() == ["a", "b", "c"]
    assert known.table["tone"].fillna("-").tolist() == ["light", "-", "dark"]
    assert dict(known.provenance) == {"tone": "annotated"}
    assert (known.num_faces_matched, known.num_attributes_unmatched) == (2, 1)
    assert known.num_negatives_known == 0


def test_non_faces_with_attributes_are_counted(tmp_path: Path, predictions: Predictions) -> None:
    path = save(tmp_path, image_id=["n", "a"], race=["q", "dark"])
    known = read_row_attributes(predictions, path, columns=["race"]).faces
    assert known.num_negatives_known == 1
    assert known.table["race"].notna().sum() == 1


def test_attributes_of_other_images_are_refused(tmp_path: Path, predictions: Predictions) -> None:
    path = save(tmp_path, image_id=["a.jpg", "b.jpg"], race=["q", "q"])
    with pytest.raises(DataError, match=r"none of the 3 faces .* 'a.jpg' here and like 'a'"):
        read_row_attributes(predictions, path, columns=["race"])


def test_without_columns_nothing_is_read(tmp_path: Path, predictions: Predictions) -> None:
    known = read_row_attributes(predictions, tmp_path / "missing.csv", columns=[]).faces
    assert known.table.shape == (3, 0)


def test_provenance_without_attributes_is_refused(tmp_path: Path, predictions: Predictions) -> None:
    with pytest.raises(UsageError, match="provenance of 'race', but no attribute is named"):
        read_row_attributes(predictions, tmp_path, columns=[], provenance={"race": "proxy"})


def read_mixed(folder: Path, num_known: int, *, num_negatives: int = 10) -> RowAttributes:
    """Read four faces and ten non-faces, of which some have both attributes, and one has one."""
    ids = [f"f{k}" for k in range(4)] + [f"n{k}" for k in range(num_negatives)]
    labels = [1] * 4 + [0] * num_negatives
    path = folder / "mixed.csv"
    pd.DataFrame({"image_id": ids, "y_true": labels, "y_pred": 1}).to_csv(path, index=False)
    known = ids[: 4 + num_known]
    rows = pd.DataFrame({"image_id": known, "tone": "dark", "gender": "male"})
    half = pd.DataFrame({"image_id": ids[-1:], "tone": ["light"], "gender": [None]})
    rows = pd.concat([rows, half] if 0 < num_known < num_negatives else [rows])
    rows.to_csv(folder / "people.csv", index=False)
    return read_row_attributes(
        read_predictions(path), folder / "people.csv", columns=["tone", "gender"]
    )


def test_all_rows_get_their_attributes(tmp_path: Path, predictions: Predictions) -> None:
    path = save(tmp_path, image_id=["x", "n", "c", "a"], race=["q", "dark", None, "light"])
    known = read_row_attributes(predictions, path, columns=["tone=race"])
    assert known.table.index.tolist() == ["a", "n", "b", "c"]
    assert known.table["tone"].fillna("-").tolist() == ["light", "dark", "-", "-"]
    assert known.is_face.tolist() == [True, False, True, True]
    assert known.matched.tolist() == [True, True, False, True]
    assert (known.num_faces_matched, known.num_negatives_matched) == (2, 1)
    assert (known.num_negatives_known, known.num_attributes_unmatched) == (1, 1)
    assert known.negatives["tone"].tolist() == ["dark"]


def test_the_faces_are_cut_out_of_all_rows(tmp_path: Path, predictions: Predictions) -> None:
    path = save(tmp_path, image_id=["x", "n", "c", "a"], race=["q", None, "dark", "light"])
    whole = read_row_attributes(predictions, path, columns=["race"])
    pd.testing.assert_frame_equal(whole.faces.table, whole.table.loc[["a", "b", "c"]])
    assert whole.faces.table["race"].fillna("-").tolist() == ["light", "-", "dark"]
    assert whole.faces.num_faces_matched == whole.num_faces_matched == 2
    assert whole.faces.num_negatives_known == 0  # it has a row, but an empty one
    assert whole.num_negatives_matched == 1


def test_an_image_of_several_seeds_has_its_attributes_in_each_row(tmp_path: Path) -> None:
    path = tmp_path / "seeds.csv"
    ids = ["a", "b", "n", "n", "b", "a"]
    pd.DataFrame(
        {
            "image_id": ids,
            "y_true": [1, 1, 0, 0, 1, 1],
            "y_pred": 1,
            "seed": [1, 1, 1, 2, 2, 2],
            "tone": ["dark", "light", None, None, "light", "dark"],
        }
    ).to_csv(path, index=False)
    people = save(tmp_path, image_id=["b", "a", "z"], tone=["light", "dark", "dark"])
    table = read_predictions(path)
    for file in (people, path):
        known = read_row_attributes(table, file, columns=["tone"])
        assert known.table["tone"].fillna("-").tolist() == [
            *("dark", "light", "-", "-", "light", "dark")
        ]
        assert known.num_faces_matched == 2
        assert known.num_attributes_unmatched == (1 if file == people else 0)


@pytest.mark.parametrize(("num_known", "mode"), [(0, "pool"), (4, "pool"), (5, "grouped")])
def test_half_of_the_negatives_must_have_all_attributes(
    tmp_path: Path, num_known: int, mode: str
) -> None:
    assert negatives_mode("auto", attributes=read_mixed(tmp_path, num_known)).mode == mode


def test_a_mixed_case_is_said_in_words(tmp_path: Path) -> None:
    def reason(requested: RequestedMode, num_known: int) -> str | None:
        return negatives_mode(requested, attributes=read_mixed(tmp_path, num_known)).reason

    few = reason("auto", 3)
    assert few is not None
    assert few.startswith("3 of 10 negatives have a known tone and gender; since these are fewer")
    many = reason("auto", 7)
    assert many is not None
    assert "7 of 10 negatives have" in many
    assert "groups of unknown values" in many
    pooled = reason("pool", 10)
    assert pooled is not None
    assert "as asked for" in pooled
    assert reason("auto", 0) is reason("auto", 10) is reason("pool", 0) is None
    assert reason("grouped", 10) is None
    assert "1 of 10 negatives has" in str(reason("grouped", 1))


def test_negatives_with_a_part_of_the_attributes_are_not_passed_over(
    tmp_path: Path, predictions: Predictions
) -> None:
    path = save(tmp_path, image_id=["a", "n"], tone=["dark", "dark"], gender=["male", None])
    known = read_row_attributes(predictions, path, columns=["tone", "gender"])
    both = negatives_mode("auto", attributes=known)
    assert both.mode == "pool"
    assert str(both.reason).startswith("0 of 1 negative have a known tone and gender; since")
    assert negatives_mode("auto", attributes=known, columns=["tone"]).mode == "grouped"
    assert negatives_mode("auto", attributes=known, columns=["gender"]).reason is None


def test_what_is_requested_is_what_is_done(tmp_path: Path) -> None:
    known = read_mixed(tmp_path, 1)
    assert negatives_mode("grouped", attributes=known).mode == "grouped"
    assert negatives_mode("pool", attributes=read_mixed(tmp_path, 10)).mode == "pool"
    with pytest.raises(DataError, match="0 of 10 negatives have a known tone and gender"):
        negatives_mode("grouped", attributes=read_mixed(tmp_path, 0))
    with pytest.raises(UsageError, match="Did you mean 'grouped'"):
        negatives_mode("groupd", attributes=known)  # type: ignore[arg-type]


def test_without_attributes_or_negatives_there_is_a_pool(
    tmp_path: Path, predictions: Predictions
) -> None:
    nothing = read_row_attributes(predictions, tmp_path, columns=[])
    assert nothing.matched.tolist() == [False] * 4
    assert nothing.num_negatives_known == 0
    for known in (nothing, read_mixed(tmp_path, 0, num_negatives=0)):
        choice = negatives_mode("auto", attributes=known)
        assert (choice.mode, choice.reason) == ("pool", None)
    with pytest.raises(DataError, match="no attribute is named"):
        negatives_mode("grouped", attributes=nothing)
