from __future__ import annotations

import os
import stat
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from debias.data.tables import as_labels, as_text, read_table, write_table
from debias.errors import DataError, OutputError

# Anything but what CSV cannot tell apart: an empty cell is missing, and \r may become \n.
WORDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1, max_size=8
)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_csv_cells_stay_text(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", 'id,n,word\n001,1.0,NA\n1e5,,"a,b\nc"\n')
    table = read_table(path)
    assert table["id"].tolist() == ["001", "1e5"]
    assert table["word"].tolist() == ["NA", "a,b\nc"]
    assert table["n"].isna().tolist() == [False, True]


@given(cells=st.lists(st.tuples(WORDS, WORDS | st.none()), min_size=1, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_any_words_come_back(
    suffix: str, cells: list[tuple[str, str | None]], tmp_path: Path
) -> None:
    table = pd.DataFrame(cells, columns=["a", "b"])
    write_table(table, tmp_path / f"t{suffix}")
    back = read_table(tmp_path / f"t{suffix}")
    assert back["a"].tolist() == [a for a, _ in cells]
    assert [None if pd.isna(b) else b for b in back["b"]] == [b for _, b in cells]


def test_columns_are_chosen_and_ordered(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": ["1"], "b": ["2"], "c": ["3"]})
    for name in ("t.csv", "t.parquet"):
        write_table(table, tmp_path / name)
        assert list(read_table(tmp_path / name, columns=["c", "a"]).columns) == ["c", "a"]
        with pytest.raises(DataError, match=r"no column 'label'.*Known: a, b, c"):
            read_table(tmp_path / name, columns=["label"])


def test_the_nearest_column_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "image_id,lable\na,1\n")
    with pytest.raises(DataError, match="Did you mean 'lable'"):
        read_table(path, columns=["label"])


def test_parquet_keeps_types_and_named_index(tmp_path: Path) -> None:
    table = pd.DataFrame({"n": pd.array([1, None], dtype="Int8")}, index=["x", "y"])
    table.index.name = "image_id"
    table.to_parquet(tmp_path / "t.parquet")
    back = read_table(tmp_path / "t.parquet", columns=["image_id", "n"])
    assert back["image_id"].tolist() == ["x", "y"]
    assert back["n"].dtype == "Int8"
    assert isinstance(back.index, pd.RangeIndex)


def test_a_folder_of_parts_is_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "parts" / "a=b"
    folder.mkdir(parents=True)
    for part in (2, 0, 1):
        pd.DataFrame({"n": [part] * (part + 1)}).to_parquet(folder / f"part-{part}.parquet")
    (folder / "_SUCCESS").touch()
    table = read_table(tmp_path / "parts")
    assert table["n"].tolist() == [0, 1, 1, 2, 2, 2]
    assert list(table.columns) == ["n"]
    assert isinstance(table.index, pd.RangeIndex)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", b"\xef\xbb\xbfimage_id,path\r\na,b\r\n")
    assert list(read_table(path).columns) == ["image_id", "path"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "", "is empty"),
        ("t.csv", "a,b\n", "no rows"),
        ("t.csv", "a,a\n1,2\n", "'a' more than once"),
        ("t.csv", "a,b\n1,2\n1,2,3\n", "cannot be read as CSV: .*columns"),
        ("t.csv", "a,b\n1\n", "cannot be read as CSV: .*columns"),
        ("t.csv", b"a,b\n\xff\xfe,2\n", "cannot be read as CSV"),
        ("t.csv", b"\xff\xfea,b\n", "cannot be read as CSV"),
        ("t.parquet", "a,b\n1,2\n", "cannot be read as Parquet"),
        ("t.parquet", "", "cannot be read as Parquet"),
        ("t.xlsx", "a", "unknown kind of table '.xlsx'"),
    ],
)
def test_broken_tables_are_refused(
    name: str, content: str | bytes, message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(DataError, match=message) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_empty_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"no \.parquet parts"):
        read_table(tmp_path)


def test_parts_that_disagree_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"n": [1]}).to_parquet(tmp_path / "0.parquet")
    pd.DataFrame({"n": ["a"]}).to_parquet(tmp_path / "1.parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_table(tmp_path)


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    write_table(pd.DataFrame({"a": ["old"]}), path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_table(pd.DataFrame({"a": ["new"]}), path)
    assert read_table(path)["a"].tolist() == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_writing_makes_folders_and_needs_a_known_suffix(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": ["1"]})
    write_table(table, tmp_path / "new" / "t.csv")
    assert read_table(tmp_path / "new" / "t.csv")["a"].tolist() == ["1"]
    with pytest.raises(OutputError, match="cannot be written"):
        write_table(table, tmp_path / "new" / "t.csv" / "t.csv")
    with pytest.raises(DataError, match="unknown kind"):
        write_table(table, tmp_path / "t.txt")


def test_written_files_follow_the_umask(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"a": [1]}), tmp_path / "t.csv")
    plain = write(tmp_path / "plain", "")
    mode = stat.S_IMODE((tmp_path / "t.csv").stat().st_mode)
    assert mode == stat.S_IMODE(plain.stat().st_mode)


@pytest.mark.parametrize("kind", ["object", "string", "category"])
def test_a_cell_of_blanks_is_missing(kind: str) -> None:
    cells = pd.Series(["a", "", " ", "\t\u00a0", None, " b "], dtype=kind)
    words = as_text(cells)
    assert words.isna().tolist() == [False, True, True, True, True, False]
    assert words.dropna().tolist() == ["a", " b "]


def test_labels_are_read_alike_however_they_are_written() -> None:
    ones, zeros = ["1", "1.0", "true", "True", "TRUE", " 1 "], ["0", "0.0", "false", "False"]
    others = ["2", "yes", "0.5", "-1", None]
    words = pd.Series([*ones, *zeros, *others], dtype=as_text(pd.Series(["a"])).dtype)
    found = as_labels(words)
    assert found.dtype == "Int8"
    assert found.dropna().tolist() == [1] * len(ones) + [0] * len(zeros)
    assert found.isna().sum() == len(others)
