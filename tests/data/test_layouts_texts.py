"""Text files of published sets: read whatever their line endings, padding and encoding are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.data.layouts.texts import read_lines, read_rows
from debias.errors import DataError

words = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=6)
plain = words.filter(lambda word: word.strip() == word and not set(word) & set('"\x85\xa0,'))


@given(
    rows=st.lists(st.lists(plain, min_size=3, max_size=3), min_size=1, max_size=5),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.sampled_from(["", "\ufeff"]),
    pad=st.sampled_from(["", " ", "\t "]),
)
def test_rows_survive_endings_marks_and_padding(
    rows: list[list[str]],
    ending: str,
    mark: str,
    pad: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("texts")
    for suffix, separator in ((".txt", f"{pad} "), (".csv", f"{pad},")):
        lines = ["a,b,c"] if suffix == ".csv" else []
        lines += [separator.join(row) + pad for row in rows]
        path = folder / f"list{suffix}"
        path.write_bytes((mark + ending.join(lines) + ending).encode())
        found = read_rows(path, names=["a", "b", "c"])
        assert found.table.to_numpy().tolist() == rows
        assert found.odd == ()


def test_latin_1_is_read_and_other_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes("José_García_0001.jpg\n".encode("latin-1"))
    assert read_lines(path) == ["José_García_0001.jpg"]
    path.write_bytes("a.jpg\n".encode("utf-16"))
    with pytest.raises(DataError, match=r"names\.txt: is not plain text"):
        read_lines(path)
    with pytest.raises(DataError, match=r"none\.txt: cannot be read: No such file"):
        read_lines(tmp_path / "none.txt")


def test_counts_headers_and_odd_lines(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("3\nMale Young \n1.jpg 1 -1\n2.jpg  1\n3.jpg -1 -1  \n\n")
    found = read_rows(path)
    assert found.table.columns.tolist() == ["file", "Male", "Young"]
    assert found.table["file"].tolist() == ["1.jpg", "3.jpg"]
    assert found.odd == ("2.jpg",)
    assert found.column("Young", where=path).tolist() == ["-1", "-1"]
    with pytest.raises(DataError, match=r"has no column 'Yuong'\. Did you mean 'Young'"):
        found.column("Yuong", where=path)


@pytest.mark.parametrize("content", ["", "\n\n", "5\n", "a b c\n"])
def test_nothing_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(content)
    with pytest.raises(DataError, match="holds no rows"):
        read_rows(path)


def test_empty_cells_are_missing_and_quotes_hold_commas(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text('a,b\n"x, y", \n,z\n')
    found = read_rows(path)
    assert found.table["a"].isna().tolist() == [False, True]
    assert found.table["b"].isna().tolist() == [True, False]
    assert found.table["a"].iloc[0] == "x, y"
