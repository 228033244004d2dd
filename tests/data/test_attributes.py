from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from debias.data.attributes import (
    PROVENANCES,
    parse_provenance,
    read_attributes,
    write_attributes,
)
from debias.data.tables import write_table
from debias.errors import DataError, UsageError

TEXT = """image_id,race,gender,age
001,white, male ,30
002,black,,
003,,female,41
"""


def write(path: Path, text: str = TEXT) -> Path:
    path.write_text(text)
    return path


def cells(table: pd.DataFrame, name: str) -> list[str | None]:
    return [None if pd.isna(cell) else cell for cell in table[name]]


def test_attributes_are_read_by_id(tmp_path: Path) -> None:
    found = read_attributes(
        write(tmp_path / "a.csv"),
        columns=["skin_tone=race", "gender"],
        provenance={"skin_tone": "proxy"},
    )
    assert found.table.index.tolist() == ["001", "002", "003"]
    assert found.table.index.name == "image_id"
    assert list(found.table.columns) == ["skin_tone", "gender"]
    assert cells(found.table, "skin_tone") == ["white", "black", None]
    assert cells(found.table, "gender") == ["male", None, "female"]
    assert found.provenance == {"skin_tone": "proxy", "gender": "unknown"}


@pytest.mark.parametrize("name", ["b.csv", "b.parquet"])
def test_writing_keeps_values_and_provenance(name: str, tmp_path: Path) -> None:
    found = read_attributes(
        write(tmp_path / "a.csv"),
        columns=["race", "gender"],
        provenance={"race": "self-reported", "gender": "estimated"},
    )
    write_attributes(found, tmp_path / name)
    again = read_attributes(tmp_path / name, columns=["race", "gender"])
    pd.testing.assert_frame_equal(again.table, found.table)
    assert again.provenance == found.provenance
    renamed = read_attributes(tmp_path / name, columns=["skin_tone=race"])
    assert renamed.provenance == {"skin_tone": "self-reported"}
    stated = read_attributes(tmp_path / name, columns=["race"], provenance={"race": "proxy"})
    assert stated.provenance == {"race": "proxy"}


def test_numbers_become_words(tmp_path: Path) -> None:
    table = pd.DataFrame({"image_id": [1, 2], "type": [4.0, None], "flag": [True, False]})
    write_table(table, tmp_path / "a.parquet")
    found = read_attributes(tmp_path / "a.parquet", columns=["type", "flag"]).table
    assert found.index.tolist() == ["1", "2"]
    assert cells(found, "type") == ["4", None]
    assert cells(found, "flag") == ["true", "false"]


def test_repeated_ids_that_agree_are_merged(tmp_path: Path) -> None:
    text = "image_id,race,gender\nb,x,\na,y,m\nb,,f\nb,x,f\n"
    found = read_attributes(write(tmp_path / "a.csv", text), columns=["race", "gender"]).table
    assert found.index.tolist() == ["b", "a"]
    assert cells(found, "race") == ["x", "y"]
    assert cells(found, "gender") == ["f", "m"]


def test_repeated_ids_that_contradict_are_refused(tmp_path: Path) -> None:
    text = "image_id,race,gender\na,x,m\na,y,m\nb,x,f\nb,x,f\n"
    with pytest.raises(DataError, match=r"1 attributes .*race of 'a' \('x' and 'y'\)"):
        read_attributes(write(tmp_path / "a.csv", text), columns=["race", "gender"])


def test_another_id_column(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "file,race\na.jpg,x\n")
    found = read_attributes(path, columns=["race"], id_column="file").table
    assert found.index.tolist() == ["a.jpg"]
    assert found.index.name == "image_id"


@pytest.mark.parametrize("columns", [[], ["=race"], ["tone="], ["race", "race"], ["image_id"]])
def test_unreadable_names_are_refused(columns: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_attributes(write(tmp_path / "a.csv"), columns=columns)


def test_faults_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"no column 'gendre'.*'gender'"):
        read_attributes(path, columns=["gendre"])
    with pytest.raises(DataError, match="no column 'id'"):
        read_attributes(path, columns=["race"], id_column="id")
    with pytest.raises(UsageError, match="'guessed'"):
        read_attributes(path, columns=["race"], provenance={"race": "guessed"})
    with pytest.raises(UsageError, match=r"provenance of 'rase'.*'race'"):
        read_attributes(path, columns=["race"], provenance={"rase": "proxy"})
    write(tmp_path / "e.csv", "image_id,race\n,x\n")
    with pytest.raises(DataError, match="1 rows have an empty image_id"):
        read_attributes(tmp_path / "e.csv", columns=["race"])


@pytest.mark.parametrize("text", ["{", "[]", '{"race": "guessed"}', '{"race": ["proxy"]}'])
def test_broken_provenance_is_refused(text: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv")
    write(tmp_path / "a.provenance.json", text)
    with pytest.raises(DataError, match="provenance"):
        read_attributes(path, columns=["race"])


def test_provenance_is_read_from_words() -> None:
    found = parse_provenance("skin_tone=proxy, gender = annotated")
    assert found == {"skin_tone": "proxy", "gender": "annotated"}
    text = ",".join(f"a{k}={word}" for k, word in enumerate(PROVENANCES))
    assert list(parse_provenance(text).values()) == list(PROVENANCES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("skin_tone=anotated", r"'anotated' of 'skin_tone'. Did you mean 'annotated'\?"),
        ("skin_tone=xyz", "Known: annotated, constructed, estimated, proxy, self-reported, "),
        ("skin_tone", "Write name=word"),
        ("=proxy", "Write name=word"),
        ("skin_tone=", "Write name=word"),
        ("", "Write name=word"),
        ("a=proxy,,b=proxy", "Write name=word"),
        ("a=proxy,a=annotated", "'a' is given twice"),
        ("a=proxy=b", "unknown provenance 'proxy=b'"),
    ],
)
def test_unreadable_provenance_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_provenance(text)
