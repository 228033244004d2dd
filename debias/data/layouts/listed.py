"""FairFace and the Pilot Parliaments Benchmark: pictures, and a CSV file that lists them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from debias.data.catalog import Definition
from debias.data.layouts.places import (
    below,
    find_top,
    first_of,
    names_in,
    other_copies,
    refuse_layout,
)
from debias.data.layouts.prepared import (
    Failure,
    PreparedSet,
    finish,
    known_words,
    match_files,
    odd_lines,
)
from debias.data.layouts.texts import read_rows
from debias.data.tables import TEXT
from debias.errors import DataError

FAIRFACE = (
    ("train", "train", "fairface_label_train.csv"),
    ("val", "test", "fairface_label_val.csv"),
)
FAIRFACE_COLUMNS = ("race", "gender", "age")
MARGINS = ("", "fairface-img-margin025-trainval", "fairface-img-margin125-trainval")
PPB_LIST = "PPB-2017-metadata.csv"
PPB_PICTURES = "imgs"
FITZPATRICK = {"1": "I", "2": "II", "3": "III", "4": "IV", "5": "V", "6": "VI"}
PPB_COLUMNS = ("row", "filename", "gender", "fitzpatrick", "skin_tone", "country")


def read_fairface(root: Path, definition: Definition) -> PreparedSet:
    """Return FairFace; what is published as val serves as the test.

    Args:
        root: the folder of the CSV files, where the pictures lie in it or in one of
            :data:`MARGINS`; or the pictures' own folder, inside that of the CSV files.
        definition: of the set.

    Raises:
        DataError: lists or pictures are not there, or a list lacks a column.
    """
    top, folders = _fairface(root, definition)
    if not folders:
        refuse_layout(root, definition, ["train/1.jpg", f"{MARGINS[1]}/train/1.jpg"])
    folder = folders[0]
    start = below(root, folder)
    failures: list[Failure] = []
    tables, words = [], []
    notes = other_copies(folder, folders, root=root)
    for published, split, name in FAIRFACE:
        if not (top / name).is_file():
            notes.append(f"No {name}: the pictures of {published}/ are not used")
            continue
        rows = read_rows(top / name)
        failures += odd_lines(rows, top / name, kept=False)
        ids = rows.column("file", where=top / name)
        table = pd.DataFrame({"image_id": ids, "path": start + ids, "label": 1, "split": split})
        there = [f"{start}{published}/{picture}" for picture in _names_if_there(folder / published)]
        tables.append(match_files(table, there, failures, listed_in=name))
        said = {what: rows.column(what, where=top / name) for what in FAIRFACE_COLUMNS}
        words.append(pd.DataFrame(said).set_axis(pd.Index(ids, name="image_id")))
    return finish(
        pd.concat(tables, ignore_index=True),
        root=root,
        definition=definition,
        failures=failures,
        values=known_words(pd.concat(words), definition, failures),
        notes=notes,
    )


def _fairface(root: Path, definition: Definition) -> tuple[Path, list[Path]]:
    """Return the folder of the lists, and those of the pictures, the one to read first."""
    lists = [name for _, _, name in FAIRFACE]
    above = root.resolve().parent
    if first_of(root, lists) is None and first_of(above, lists) is not None and _has_parts(root):
        return above, [root]
    top = find_top(root, definition, lists)
    folders = [top / name for name in MARGINS if _has_parts(top / name)]
    return top, sorted(folders, key=lambda folder: not (folder / "train").is_dir())


def _has_parts(folder: Path) -> bool:
    return any((folder / part).is_dir() for part, _, _ in FAIRFACE)


def read_ppb(root: Path, definition: Definition) -> PreparedSet:
    """Return the Pilot Parliaments Benchmark; all of it is the test.

    Its list ends lines as old Macs did, and its columns are called differently in different
    copies, so they are told by their order.

    Args:
        root: the folder of the set.
        definition: of the set.

    Raises:
        DataError: list or pictures are not there, or the list has other columns.
    """
    top = find_top(root, definition, [PPB_LIST])
    path, folder = top / PPB_LIST, first_of(top, [PPB_PICTURES])
    if folder is None:
        refuse_layout(top, definition, [f"{PPB_PICTURES}/"])
    rows = read_rows(path)
    if len(rows.table.columns) != len(PPB_COLUMNS):
        raise DataError(
            f"has {len(rows.table.columns)} columns, not {len(PPB_COLUMNS)}",
            where=path,
            hint="They are: a number, file name, gender, skin type, skin tone, country",
        )
    failures = odd_lines(rows, path, kept=False)
    said = rows.table.set_axis(list(PPB_COLUMNS), axis="columns")
    ids = said["filename"]
    start = below(root, folder)
    table = pd.DataFrame({"image_id": ids, "path": start + ids, "label": 1, "split": "test"})
    there = [start + name for name in names_in(folder)[0]]
    table = match_files(table, there, failures, listed_in=path.name)
    words = said.drop(columns=["row", "filename"]).set_axis(pd.Index(ids, name="image_id"))
    words["fitzpatrick"] = words["fitzpatrick"].replace(FITZPATRICK)
    return finish(
        table,
        root=root,
        definition=definition,
        failures=failures,
        values=known_words(words.astype(TEXT), definition, failures),
    )


def _names_if_there(folder: Path) -> list[str]:
    return names_in(folder)[0] if folder.is_dir() else []
