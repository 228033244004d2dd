from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import debias.data.table_batches as table_batches
from debias.data.table_batches import open_batches
from debias.data.tables import as_labels, as_text, read_table, write_csv, write_table
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


def test_parts_make_one_table(tmp_path: Path) -> None:
    whole = pd.DataFrame({"a": ["x", "y, z", None], "b": [1.5, None, 2.0]})
    write_table(whole, tmp_path / "whole.csv")
    write_csv(
        (whole.iloc[start:stop] for start, stop in ((0, 0), (0, 1), (1, 3))), tmp_path / "p.csv"
    )
    assert (tmp_path / "p.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()

    def broken() -> Iterator[pd.DataFrame]:
        yield whole
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        write_csv(broken(), tmp_path / "half.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.csv", "whole.csv"]


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
        ("t.csv", b"a,b\n\xff\xfe,2\n", "is not UTF-8 text. Save it as UTF-8"),
        ("t.csv", b"a,caf\xe9\n1,2\n", "is not UTF-8 text. Save it as UTF-8"),
        ("t.csv", "a,b\n1,2\n".encode("utf-16"), "is UTF-16 text. Save it as UTF-8"),
        ("t.csv", "a,b\n1,2\n".encode("utf-16-be"), "is not UTF-8 text"),
        ("t.csv", b"PK\x03\x04abc", "is a workbook or a zip archive"),
        ("t.csv", b"\x1f\x8b\x08", "is compressed, not CSV. Unpack it"),
        ("t.csv", b"PAR1abc", r"is Parquet, not CSV. Call it \.parquet"),
        ("t.csv", "a;b\n1;2\n", "looks semicolon-separated. Save it with commas"),
        ("t.csv", "a\tb\n1\t2\n", "looks tab-separated"),
        ("t.csv", "\n", "is empty"),
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


def parts(folder: Path, *tables: pd.DataFrame) -> Path:
    folder.mkdir()
    for position, table in enumerate(tables):
        table.to_parquet(folder / f"{position}.parquet")
    return folder


def test_a_folder_of_other_tables_names_one(tmp_path: Path) -> None:
    write(tmp_path / "b.csv", "a\n1\n")
    with pytest.raises(DataError, match=r"no \.parquet parts. Name a file, such as .*/b\.csv"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"n": [1]}, r"1\.parquet: lacks the columns 'm', unlike .*/0\.parquet"),
        ({"n": [1], "m": [1], "k": [2]}, r"1\.parquet: has also 'k', unlike .*/0\.parquet"),
        ({"n": [1], "l": [1], "k": [2]}, "lacks the columns 'm' and has also 'l', 'k', unlike"),
        (
            {"n": ["a"], "m": [1]},
            r"1\.parquet: the column 'n' is of type \w*string, but of int64 in .*/0\.parquet",
        ),
        ({"n": [True], "m": [1]}, "the column 'n' is of type bool, but of int64 in"),
        ({"n": [b"a"], "m": [1]}, "the column 'n' is of type binary, but of int64 in"),
    ],
)
@pytest.mark.parametrize("read", [read_table, open_batches])
def test_parts_that_disagree_are_refused(
    read: Callable[[Path], object], second: dict[str, list[object]], message: str, tmp_path: Path
) -> None:
    first = pd.DataFrame({"n": [1], "m": [1]})
    folder = parts(tmp_path / "t", first, pd.DataFrame(second))
    with pytest.raises(DataError, match=message):
        read(folder)


def test_types_that_contradict_are_found_past_a_part_without_any(tmp_path: Path) -> None:
    cells: list[list[object]] = [[None], ["a"], [b"a"]]
    folder = parts(tmp_path / "t", *(pd.DataFrame({"n": cell}) for cell in cells))
    with pytest.raises(DataError, match=r"2\.parquet: the column 'n' is .* in .*/1\.parquet"):
        read_table(folder)


def test_types_that_one_type_holds_are_one_table(tmp_path: Path) -> None:
    small = pd.DataFrame({"n": [1, 2], "x": [0.5, 1.5], "w": ["a", "b"], "k": [1, 2]})
    large = pd.DataFrame({"k": [0.5], "w": pd.Categorical(["c"]), "x": [0.1], "n": [1 << 40]})
    nothing = pd.DataFrame({"n": [7], "x": [2.5], "w": [None], "k": [3]})
    folder = parts(tmp_path / "t", small.astype({"n": "int8", "x": "float32"}), large, nothing)
    table = read_table(folder)
    assert table["n"].tolist() == [1, 2, 1 << 40, 7]
    assert table["x"].tolist() == [0.5, 1.5, 0.1, 2.5]
    assert table["k"].tolist() == [1.0, 2.0, 0.5, 3.0]
    assert as_text(table["w"]).fillna("").tolist() == ["a", "b", "c", ""]
    batches = list(open_batches(folder).read(["w", "n"]))
    assert [list(batch.schema.names) for batch in batches] == [["w", "n"]] * 3
    cells = [cell for batch in batches for cell in batch.column("n").to_pylist()]
    assert cells == table["n"].tolist()


def test_a_number_that_no_common_type_holds_is_refused(tmp_path: Path) -> None:
    whole, broken = pd.DataFrame({"n": [(1 << 53) + 1]}), pd.DataFrame({"n": [0.5]})
    with pytest.raises(DataError, match=r"0\.parquet: cannot be read as Parquet: Integer value"):
        read_table(parts(tmp_path / "t", whole, broken))


def test_the_numbers_of_filtered_rows_are_no_column(tmp_path: Path) -> None:
    table = pd.DataFrame({"n": [1, 2, 3]})
    folder = parts(tmp_path / "t", table, table[table["n"] > 1])
    assert list(read_table(folder).columns) == ["n"]
    assert read_table(folder)["n"].tolist() == [1, 2, 3, 2, 3]
    assert read_table(folder / "1.parquet")["n"].tolist() == [2, 3]


def test_a_torn_part_is_named_and_a_hidden_file_is_none(tmp_path: Path) -> None:
    folder = parts(tmp_path / "t", pd.DataFrame({"n": [1]}))
    write(folder / "._0.parquet", "of a Mac")
    assert read_table(folder)["n"].tolist() == [1]
    write(folder / "1.parquet", (folder / "0.parquet").read_bytes()[:-20])
    with pytest.raises(DataError, match=r"t/1\.parquet: cannot be read as Parquet"):
        read_table(folder)


@pytest.mark.parametrize(
    ("text", "num_rows"),
    [
        ("a,b\n1,2\n3,4\n", 2),
        ("a,b\n1,2\n3,4", 2),
        ("a,b\r\n1,2\r\n3,4\r\n", 2),
        ("a,b\r1,2\r3,4\r", 2),
        ('a,b\n1,"x\ny"\n', 2),
        ("a,b\n", 0),
        ("a,b", 0),
    ],
)
def test_rows_of_csv_are_counted_by_lines(
    text: str, num_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_batches, "_BLOCK_BYTES", 5)
    assert open_batches(write(tmp_path / "t.csv", text)).num_rows == num_rows


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
