from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.data.manifest import (
    MANIFEST_COLUMNS,
    WINDOW_COLUMNS,
    Condition,
    Manifest,
    choose_rows,
    manifest_from_folder,
    manifest_from_folders,
    manifest_from_table,
    parse_where,
    read_manifest,
)
from debias.data.tables import write_table
from debias.errors import DataError, UsageError

FULL = """image_id,path,label,split,identity_id,race,pool
001,a/1.jpg,1,train,p1,x,lab
002,a/2.jpg,0,val,,y,street
003,b/./3.jpg,,,,x,street
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def listed(tmp_path: Path, text: str, where: Sequence[str] = ()) -> Manifest:
    return read_manifest(write(tmp_path / "m.csv", text), where=parse_where(where))


def test_a_full_manifest_is_read_and_typed(tmp_path: Path) -> None:
    manifest = listed(tmp_path, FULL)
    table = manifest.table
    assert tuple(table.columns) == (*MANIFEST_COLUMNS, *WINDOW_COLUMNS)
    assert table["image_id"].tolist() == ["001", "002", "003"]
    assert table["path"].tolist() == ["a/1.jpg", "a/2.jpg", "b/3.jpg"]
    assert table["label"].dtype == "Int8"
    assert table["label"].isna().tolist() == [False, False, True]
    assert table["split"].isna().tolist() == [False, False, True]
    assert table["identity_id"].isna().tolist() == [False, True, True]
    assert all(table[name].dtype == "float64" for name in WINDOW_COLUMNS)
    assert manifest.root == tmp_path
    assert manifest.faces.tolist() == [True, False, False]
    assert manifest.non_faces.tolist() == [False, True, False]
    assert manifest.in_split("val").tolist() == [False, True, False]
    assert len(manifest) == 3


def test_parquet_and_csv_say_the_same(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "image_id": [7, 12],
            "path": ["a.jpg", "b.jpg"],
            "label": [True, False],
            "identity_id": [3.0, None],
        }
    )
    write_table(table, tmp_path / "m.parquet")
    write_table(table, tmp_path / "m.csv")
    one = read_manifest(tmp_path / "m.parquet")
    assert one.table["image_id"].tolist() == ["7", "12"]
    assert one.table["identity_id"].tolist()[0] == "3"
    assert one.table["label"].tolist() == [1, 0]
    other = read_manifest(
        write(tmp_path / "n.csv", "image_id,path,label,identity_id\n7,a.jpg,1.0,3\n12,b.jpg,0,\n")
    )
    pd.testing.assert_frame_equal(one.table, other.table)


def test_a_written_manifest_comes_back(tmp_path: Path) -> None:
    manifest = listed(tmp_path, FULL)
    table = manifest.table
    table.loc[1, list(WINDOW_COLUMNS)] = [0.5, 0.25, 1 / 3]
    for name in ("again.csv", "again.parquet"):
        write_table(table, tmp_path / name)
        pd.testing.assert_frame_equal(read_manifest(tmp_path / name).table, table)


def test_the_path_is_enough(tmp_path: Path) -> None:
    manifest = listed(tmp_path, "path\n./x/../a.jpg\nb.jpg\n")
    assert manifest.table["image_id"].tolist() == ["a.jpg", "b.jpg"]
    assert manifest.table["label"].isna().all()


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", "file,is_face\na.jpg,1\n")
    manifest = read_manifest(path, columns={"path": "file", "label": "is_face"})
    assert manifest.table["path"].tolist() == ["a.jpg"]
    assert manifest.faces.tolist() == [True]
    with pytest.raises(DataError, match=r"no column 'is_a_face'.*'is_face'"):
        read_manifest(path, columns={"path": "file", "label": "is_a_face"})
    with pytest.raises(DataError, match=r"no column 'lable'.*'label'"):
        read_manifest(path, columns={"path": "file", "lable": "is_face"})


def test_another_root_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    path = write(tmp_path / "lists" / "m.csv", "path\n../a.jpg\n")
    with pytest.raises(DataError, match="leaves the root"):
        read_manifest(path)
    with pytest.raises(DataError, match="leaves the root"):
        read_manifest(path, root=tmp_path)
    path = write(tmp_path / "lists" / "n.csv", f"path\na.jpg\n{tmp_path}/b.jpg\n")
    manifest = read_manifest(path, root=tmp_path)
    assert manifest.table["path"].tolist() == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_id,label\na,1\n", "no column 'path'"),
        ("image_id,path\na,x\nb,y\na,z\n", r"repeated image_id in 2 rows: line 2 \('a'\), line 4"),
        ("image_id,path\n,x.jpg\n", r"empty image_id in 1 row: line 2"),
        ("image_id,path\n  ,x.jpg\n", "empty image_id"),
        ("image_id,path\na,\n", "empty path"),
        (
            "path,label\na,1\nb,2\nc,face\n",
            r"not 0 or 1 in 2 rows: line 3 \('2'\), line 4 \('face'\)",
        ),
        ("path,label\na,0.5\n", r"not 0 or 1 in 1 row: line 2 \('0.5'\)"),
        ("path,split\na,train\nb,valid\n", r"unknown split in 1 row: line 3 \('valid'\).*'val'\?"),
        ("path,split\na,Train\n", r"unknown split in 1 row: line 2 \('Train'\).*'train'\?"),
        (
            "path,split,identity_id\na,train,p\nb,test,p\nc,test,q\n",
            r"identity that is in two splits in 2 rows: line 2 \('p'\), line 3 \('p'\)",
        ),
        (
            "image_id,path,split\nx,a,train\ny,./a,val\nz,b,val\n",
            r"picture that is in two splits in 2 rows: line 2 \('a'\), line 3 \('a'\)",
        ),
        ("path\n/etc/passwd\n", r"leaves the root .* line 2 \('/etc/passwd'\)"),
        ("path\n../a.jpg\n", "leaves the root"),
        ("path\na/../../b.jpg\n", "leaves the root"),
        ("path\n.\n", "leaves the root"),
        ("path\na\0b\n", "leaves the root"),
        ("path,crop_side,crop_x,crop_y\na,1.5,0,0\n", "crop_side outside 0 to 1"),
        ("path,crop_side,crop_x,crop_y\na,half,0,0\n", r"crop_side outside 0 to 1 .*\('half'\)"),
        ("path,crop_side,crop_x,crop_y\na,0,0,0\n", "half a window"),
        ("path,crop_side,crop_x,crop_y\na,0.5,,0\n", "half a window"),
        ("path,crop_side\na,0.5\n", "half a window"),
    ],
)
def test_faults_are_named_with_their_place(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        listed(tmp_path, text)
    assert str(tmp_path / "m.csv") in str(caught.value)


def test_torn_sets_are_read_for_an_audit(tmp_path: Path) -> None:
    text = "image_id,path,split,identity_id\nx,a,train,p\ny,b,test,p\nz,c,val,\nv,c,test,\n"
    path = write(tmp_path / "m.csv", text)
    table = read_manifest(path, allow_torn=True).table
    assert table["split"].tolist() == ["train", "test", "val", "test"]
    with pytest.raises(DataError, match="identity that is in two splits in 2 rows"):
        read_manifest(path)
    unknown = write(tmp_path / "u.csv", "path,split\na,dev\n")
    with pytest.raises(DataError, match="unknown split"):
        read_manifest(unknown, allow_torn=True)


def test_blank_cells_are_missing(tmp_path: Path) -> None:
    text = "path,label,split,identity_id\na,1, ,\t\nb, ,train,  \nc,0,val,\n"
    table = listed(tmp_path, text).table
    assert table["split"].isna().tolist() == [True, False, False]
    assert table["label"].isna().tolist() == [False, True, False]
    assert table["identity_id"].isna().all()  # or a and b would be one person
    assert listed(tmp_path, text, ["split="]).table["path"].tolist() == ["a"]


def test_labels_may_be_truth_values_in_any_case(tmp_path: Path) -> None:
    text = "path,label\na,True\nb,FALSE\nc,true\nd,1\ne,0.0\n"
    assert listed(tmp_path, text).table["label"].tolist() == [1, 0, 1, 1, 0]


def test_many_faults_are_counted_and_three_shown(tmp_path: Path) -> None:
    rows = "".join(f"{k}.jpg,{k}\n" for k in range(2, 50))
    with pytest.raises(DataError, match=r"in 48 rows: line 2 .*line 3 .*line 4 \('4'\), \.\.\."):
        listed(tmp_path, "path,label\n" + rows)


def test_only_chosen_rows_are_checked_and_lines_are_the_files(tmp_path: Path) -> None:
    text = "path,label,pool\na,9,x\nb,1,y\nc,7,y\n"
    with pytest.raises(DataError, match=r"in 1 row: line 4 \('7'\)"):
        listed(tmp_path, text, ["pool=y"])
    assert len(listed(tmp_path, "path,label,pool\na,9,x\nb,1,y\n", ["pool=y"])) == 1


def test_rows_of_parquet_are_numbered_from_one(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"path": ["a", "b"], "label": [0, 5]}), tmp_path / "m.parquet")
    with pytest.raises(DataError, match=r"row 2 \('5'\)"):
        read_manifest(tmp_path / "m.parquet")


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_links_may_not_leave_the_root(linked: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.jpg").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "kept").mkdir()
    (root / "kept" / "a.jpg").touch()
    (root / "inner").symlink_to(root / "kept")
    (root / "link").symlink_to(outside if linked == "folder" else outside / "a.jpg")
    inside = "path\ninner/a.jpg\nkept/a.jpg\n"
    assert len(listed(root, inside)) == 2
    bad = "link/a.jpg" if linked == "folder" else "link"
    with pytest.raises(DataError, match=rf"leaves the root .* in 1 row: .*'{bad}'"):
        listed(root, f"{inside}{bad}\n")
    with pytest.raises(DataError, match="leaves the root"):
        listed(root, "path\ninner/../../outside/a.jpg\n")


def test_a_linked_root_is_a_root(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    write(tmp_path / "real" / "m.csv", "path\na.jpg\n")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(read_manifest(tmp_path / "link" / "m.csv")) == 1


def test_no_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows"):
        listed(tmp_path, "path\n")
    with pytest.raises(DataError, match="no images"):
        manifest_from_table(pd.DataFrame({"path": []}), root=tmp_path)


def test_subset_keeps_order_and_numbers_afresh(tmp_path: Path) -> None:
    some = listed(tmp_path, FULL).subset(np.array([True, False, True]))
    assert some.table["image_id"].tolist() == ["001", "003"]
    assert isinstance(some.table.index, pd.RangeIndex)


# --- where ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        (["race=x"], ["001", "003"]),
        (["race!=x"], ["002"]),
        (["pool=street,race=x"], ["003"]),
        (["pool=street", "race=x"], ["003"]),
        (["race=x,y"], ["001", "002", "003"]),
        (["race = x , y , pool = lab"], ["001"]),
        (["split="], ["003"]),
        (["split!="], ["001", "002"]),
        (["split=val,"], ["002", "003"]),
        (["image_id=001"], ["001"]),
        (["split!=train,val"], ["003"]),
    ],
)
def test_where_keeps_rows(texts: list[str], kept: list[str], tmp_path: Path) -> None:
    assert listed(tmp_path, FULL, texts).table["image_id"].tolist() == kept


def test_where_compares_numbers_as_written(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"path": ["a", "b", "c"], "age": [30.0, None, 7.5], "ok": [True, False, True]}
    )
    write_table(table, tmp_path / "m.parquet")

    def paths(text: str) -> list[str]:
        manifest = read_manifest(tmp_path / "m.parquet", where=parse_where([text]))
        return manifest.table["path"].tolist()

    assert paths("age=30") == ["a"]
    assert paths("age=7.5,") == ["b", "c"]
    assert paths("ok=true") == ["a", "c"]


def test_where_names_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row is left by race=z and pool=lab"):
        listed(tmp_path, FULL, ["race=z", "pool=lab"])
    with pytest.raises(DataError, match=r"no column 'rase'.*'race'"):
        listed(tmp_path, FULL, ["rase=x"])


@pytest.mark.parametrize("text", ["", "race", "=x", "!=x", "a,b=1", ",a=1"])
def test_unreadable_conditions_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="column=value"):
        parse_where([text])


COLUMN = st.text("abcxyz_ -.", min_size=1, max_size=6).map(str.strip).filter(bool)
VALUE = st.text("abcxyz0123456789_ -.!/", max_size=6).map(str.strip)


@given(
    st.lists(
        st.builds(
            Condition,
            column=COLUMN,
            values=st.lists(VALUE, min_size=1, max_size=3).map(tuple),
            negated=st.booleans(),
        ),
        max_size=4,
    )
)
def test_conditions_read_back_what_they_print(conditions: list[Condition]) -> None:
    texts = [str(condition) for condition in conditions]
    assert parse_where(texts) == tuple(conditions)
    if conditions:
        assert parse_where([",".join(texts)]) == tuple(conditions)


@given(st.lists(st.sampled_from(["x", "y", "z", None]), min_size=1, max_size=12), st.data())
def test_a_condition_and_its_negation_part_the_rows(
    cells: list[str | None], data: st.DataObject
) -> None:
    values = data.draw(st.lists(st.sampled_from(["x", "y", ""]), min_size=1, max_size=3))
    table = pd.DataFrame({"c": pd.Series(cells, dtype=object)})

    def chosen(*, negated: bool) -> set[int]:
        condition = Condition(column="c", values=tuple(values), negated=negated)
        return set(choose_rows(table, [condition], path=Path("m.csv")).index)

    kept = chosen(negated=False)
    assert chosen(negated=True) == set(range(len(cells))) - kept
    assert kept == {k for k, cell in enumerate(cells) if (cell or "") in values}


# --- folders -------------------------------------------------------------------------------------


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_folders_are_listed_with_labels(tmp_path: Path) -> None:
    touch(
        tmp_path / "f" / "b.JPG",
        tmp_path / "f" / "sub" / "a.png",
        tmp_path / "f" / "notes.txt",
        tmp_path / "f" / ".hidden.jpg",
        tmp_path / "f" / ".trash" / "x.jpg",
        tmp_path / "n" / "a.webp",
    )
    manifest = manifest_from_folders(faces=tmp_path / "f", non_faces=tmp_path / "n")
    assert manifest.root == tmp_path.resolve()
    assert manifest.table["image_id"].tolist() == [
        "faces/b.JPG",
        "faces/sub/a.png",
        "non-faces/a.webp",
    ]
    assert manifest.table["path"].tolist() == ["f/b.JPG", "f/sub/a.png", "n/a.webp"]
    assert manifest.faces.tolist() == [True, True, False]
    assert all((manifest.root / path).exists() for path in manifest.table["path"])
    checked = manifest_from_table(manifest.table, root=manifest.root)
    pd.testing.assert_frame_equal(checked.table, manifest.table)


@pytest.mark.parametrize("side", ["faces", "non_faces"])
def test_one_folder_is_enough(side: str, tmp_path: Path) -> None:
    touch(tmp_path / "d" / "a.jpg")
    given: dict[str, Path | None] = {"faces": None, "non_faces": None, side: tmp_path / "d"}
    manifest = manifest_from_folders(**given)
    assert manifest.table["path"].tolist() == ["a.jpg"]
    assert manifest.table["label"].tolist() == [int(side == "faces")]


def test_an_unlabelled_folder(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "s" / "b.png")
    table = manifest_from_folder(tmp_path).table
    assert table["image_id"].tolist() == ["a.jpg", "s/b.png"]
    assert table["label"].isna().all()
    assert table["label"].dtype == "Int8"


def test_links_in_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path / "kept" / "a.jpg", tmp_path / "d" / "own.jpg")
    (tmp_path / "d" / "more").symlink_to(tmp_path / "kept")
    (tmp_path / "d" / "b.jpg").symlink_to(tmp_path / "kept" / "a.jpg")
    (tmp_path / "d" / "up").symlink_to(tmp_path / "d")
    table = manifest_from_folder(tmp_path / "d").table
    assert table["path"].tolist() == ["b.jpg", "more/a.jpg", "own.jpg"]


def test_folder_faults_are_named(tmp_path: Path) -> None:
    touch(tmp_path / "f" / "n" / "a.jpg", tmp_path / "e" / "notes.txt")
    with pytest.raises(UsageError, match="no images are named"):
        manifest_from_folders(faces=None, non_faces=None)
    with pytest.raises(DataError, match=r"holds no pictures, but 1 other file\..*\.jpg"):
        manifest_from_folder(tmp_path / "e")
    (tmp_path / "e" / os.fsdecode(b"\xff.jpg")).touch()
    with pytest.raises(DataError, match="not UTF-8"):
        manifest_from_folder(tmp_path / "e")
    touch(tmp_path / "o" / "s" / "a.arw", tmp_path / "o" / "b.pdf", tmp_path / "o" / ".c.pdf")
    with pytest.raises(DataError, match="holds no pictures, but 2 other files"):
        manifest_from_folder(tmp_path / "o")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no pictures\. Known"):
        manifest_from_folder(tmp_path / "empty")
    with pytest.raises(DataError, match="no such folder"):
        manifest_from_folder(tmp_path / "none")
    for faces, non_faces in [("f", "f"), ("f", "f/n"), ("f/n", "f")]:
        with pytest.raises(DataError, match="inside each other"):
            manifest_from_folders(faces=tmp_path / faces, non_faces=tmp_path / non_faces)


def test_a_folder_that_cannot_be_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "locked" / "b.jpg")
    plain = os.scandir

    def scandir(place: str) -> Any:  # permissions would not stop a superuser
        if Path(place).name == "locked":
            raise PermissionError(13, "Permission denied", str(place))
        return plain(place)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match="locked: the folder cannot be read: Permission denied"):
        manifest_from_folder(tmp_path)


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        ("identity_id=jane,joe", "identity_id=..."),
        ("image_id!=jane", "image_id!=..."),
        ("path=jane.jpg", "path=..."),
        ("identity_id!=", "identity_id!="),
        ("pool=natural,test", "pool=natural,test"),
    ],
)
def test_names_stay_out_of_conditions_that_are_shared(text: str, shared: str) -> None:
    (condition,) = parse_where([text])
    assert condition.without_names() == shared
    assert str(condition) == text
