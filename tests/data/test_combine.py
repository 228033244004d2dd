"""Several sets as one: nobody changes, nobody is taken for another, nothing leaks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from debias.data.combine import ListedSet, read_sets
from debias.data.manifest import Manifest, parse_where, read_manifest
from debias.data.source import ImageSource
from debias.errors import DataError

OTHERS = "".join(f"n{k}.jpg,0\n" for k in range(40))


def listed(folder: Path, rows: str, root: Path | None = None) -> ListedSet:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "images.csv").write_text(rows)
    return ListedSet(manifest=folder / "images.csv", root=root or folder)


def faces(folder: Path, **words: Path) -> ListedSet:
    rows = [f"f{k},f/{k}.jpg,1,{'train' if k // 2 % 4 else 'test'},{k // 2}" for k in range(40)]
    return listed(folder, "image_id,path,label,split,identity_id\n" + "\n".join(rows), **words)


def others(folder: Path, column: str = "", start: int = 0) -> ListedSet:
    rows = [f"n{k},{k}.jpg,0,{k % 3},{'a' if k % 2 else 'b'}" for k in range(start, start + 30)]
    return listed(folder, f"image_id,path,label,identity_id,{column or 'x'}\n" + "\n".join(rows))


def splits(made: Manifest) -> dict[int, set[str]]:
    by_label = made.table.groupby("label")["split"]
    return {int(str(label)): set(values.dropna()) for label, values in by_label}


def test_one_set_is_read_as_it_is(tmp_path: Path) -> None:
    one = faces(tmp_path)
    alone, again = read_sets([one]), read_manifest(one.manifest)
    assert alone.table.equals(again.table)
    assert alone.root == again.root


def test_paths_lead_to_the_same_files_wherever_the_lists_are(tmp_path: Path) -> None:
    pictures = tmp_path / "here/pictures"
    pictures.mkdir(parents=True)
    made = read_sets([faces(tmp_path / "lists", root=pictures), others(tmp_path / "there")])
    assert made.root == tmp_path
    assert made.table["path"].iloc[0] == "here/pictures/f/0.jpg"
    assert made.table["path"].iloc[-1] == "there/29.jpg"
    assert made.table["image_id"].tolist() == [f"f{k}" for k in range(40)] + [
        f"n{k}" for k in range(30)
    ]


def test_a_set_inside_another_keeps_its_paths(tmp_path: Path) -> None:
    made = read_sets([faces(tmp_path), others(tmp_path / "in")])
    assert made.root == tmp_path
    assert made.table["path"].iloc[0] == "f/0.jpg"
    assert made.table["path"].iloc[-1] == "in/29.jpg"


def test_each_set_gets_the_splits_it_lacks_and_keeps_those_it_has(tmp_path: Path) -> None:
    one, two = faces(tmp_path / "a"), others(tmp_path / "b")
    made = read_sets([one, two])
    assert splits(made) == {0: {"train", "val", "test"}, 1: {"train", "val", "test"}}
    given = read_manifest(one.manifest).table.set_index("image_id")["split"]
    now = made.table.set_index("image_id")["split"].loc[given.index]
    assert (now[given == "test"] == "test").all()
    assert (now[given == "train"] != "test").all()
    again = read_sets([two, one]).table.set_index("image_id")["split"]
    assert again.loc[made.table["image_id"]].tolist() == made.table["split"].tolist()


def test_sets_without_splits_stay_without(tmp_path: Path) -> None:
    """The training divides them, in the proportions that it is told."""
    made = read_sets([others(tmp_path / "a"), others(tmp_path / "b", start=50)])
    assert made.table["split"].isna().all()


def test_persons_of_two_sets_are_others_though_called_alike(tmp_path: Path) -> None:
    made = read_sets([faces(tmp_path / "a"), others(tmp_path / "b")])
    owners = made.table.groupby("identity_id")["label"].nunique()
    assert (owners == 1).all()
    assert made.table["identity_id"].nunique() == 20 + 3


def test_a_condition_holds_where_its_column_is(tmp_path: Path) -> None:
    sets = [faces(tmp_path / "a"), others(tmp_path / "b", column="category")]
    made = read_sets(sets, where=parse_where(["category!=a"]))
    assert made.faces.sum() == 40
    assert made.non_faces.sum() == 15
    with pytest.raises(DataError, match=r"no column 'catgory'\. Did you mean 'category'"):
        read_sets(sets, where=parse_where(["catgory!=a"]))


def test_the_same_image_in_two_sets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="40 times the same id is in two sets, such as 'f0'"):
        read_sets([faces(tmp_path / "a"), faces(tmp_path / "b")])
    rows = "image_id,path,label\nx,0.jpg,0\ny,29.jpg,0\nz,31.jpg,0\n"
    again = listed(tmp_path / "lists", rows, tmp_path / "b")
    with pytest.raises(DataError, match="2 times the same picture is in two sets"):
        read_sets([others(tmp_path / "b"), again])
    named = [replace(faces(tmp_path / name), name=f"testbed:{name}") for name in "ab"]
    with pytest.raises(DataError, match=r"^testbed:a and testbed:b: .* have their non-faces in"):
        read_sets(named)


def test_what_is_divided_is_divided_as_told(tmp_path: Path) -> None:
    sets = [faces(tmp_path / "a"), listed(tmp_path / "b", "path,label\n" + OTHERS)]
    made = read_sets(sets, fractions=(0.25, 0.25, 0.5), seed=3)
    shares = made.table[made.table["label"] == 0]["split"].value_counts(normalize=True)
    assert shares.to_dict() == {"test": 0.5, "train": 0.25, "val": 0.25}
    other = read_sets(sets, fractions=(0.25, 0.25, 0.5), seed=4)
    assert (other.table["split"] != made.table["split"]).any()


def test_a_source_names_all_that_it_reads(tmp_path: Path) -> None:
    one = faces(tmp_path / "lists", root=tmp_path / "pictures")
    assert ImageSource(sets=(one,)).inputs == (one.manifest, one.root)
    assert ImageSource(images=tmp_path).inputs == (tmp_path,)
    assert ImageSource(faces=Path("f"), non_faces=Path("n")).inputs == (Path("f"), Path("n"))
