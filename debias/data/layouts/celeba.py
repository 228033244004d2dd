"""CelebA: aligned faces in one folder, and lists of attributes, identities and splits."""

from __future__ import annotations

from collections.abc import Iterable
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

PICTURES = (
    "img_align_celeba/img_align_celeba",
    "Img/img_align_celeba",
    "img_align_celeba",
    "Img/img_align_celeba_png",
    "img_align_celeba_png",
)
FOLDERS_OF_LISTS = ("", "Eval/", "Anno/")
PARTITION, IDENTITIES, ATTRIBUTES = (
    "list_eval_partition",
    "identity_CelebA",
    "list_attr_celeba",
)
SPLITS = {"0": "train", "1": "val", "2": "test"}


def read_celeba(root: Path, definition: Definition) -> PreparedSet:
    """Return CelebA's aligned faces, with the published splits and, if there, identities.

    Lists are looked for beside the pictures, in ``Anno/`` and in ``Eval/``, as ``.txt`` and, as
    some copies have them, as ``.csv``; where the folder of the pictures itself is named, above it.

    Args:
        root: the folder of the set, or of its pictures.
        definition: of the set; its attributes say which columns to read.

    Raises:
        DataError: pictures or splits are not there, or a list is not what it must be.
    """
    folder, tops = _places(root, definition)
    partition = _list(tops, PARTITION)
    if partition is None:
        refuse_layout(tops[0], definition, [f"{PARTITION}.txt", f"Eval/{PARTITION}.txt"])
    rows = read_rows(partition, names=["image_id", "partition"])
    failures = odd_lines(rows, partition, kept=False)
    table = rows.table.assign(label=1, split=rows.table["partition"].map(SPLITS))
    table = table.drop(columns="partition")
    files = {name.rpartition(".")[0]: name for name in names_in(folder)[0]}
    start = below(root, folder)
    stems = table["image_id"].str.rpartition(".")[0]
    table["path"] = start + stems.map(files).fillna(table["image_id"]).astype(TEXT)
    table = match_files(
        table, [start + name for name in files.values()], failures, listed_in=partition.name
    )
    copies = [] if folder == root else [tops[0] / name for name in PICTURES]
    notes = other_copies(folder, filter(_holds_pictures, copies), root=root)
    identities = _list(tops, IDENTITIES)
    if identities is None:
        notes.append(f"No {IDENTITIES}.txt: who is shown is not known, so faces count as people")
    else:
        people = read_rows(identities, names=["image_id", "identity_id"])
        failures += odd_lines(people, identities, kept=True)
        by_image = people.table.drop_duplicates("image_id").set_index("image_id")["identity_id"]
        table["identity_id"] = table["image_id"].map(by_image)
    values = None
    attributes = _list(tops, ATTRIBUTES)
    if attributes is None:
        notes.append(f"No {ATTRIBUTES}.txt: there are no attributes")
    else:
        values = known_words(_words(attributes, definition, failures), definition, failures)
    return finish(
        table, root=root, definition=definition, failures=failures, values=values, notes=notes
    )


def _places(root: Path, definition: Definition) -> tuple[Path, list[Path]]:
    """Return the folder of the pictures, and those that its lists may lie in or below.

    A person who names the pictures' own folder chooses it among several copies.
    """
    above = list(root.resolve().parents)[:2]
    if _holds_pictures(root) and _list(above, PARTITION) is not None:
        return root, above
    top = find_top(root, definition, PICTURES)
    folder = first_of(top, PICTURES)
    assert folder is not None, "it is what the folder of the set was found by"
    return folder, [top]


def _holds_pictures(folder: Path) -> bool:
    return folder.is_dir() and bool(names_in(folder)[0])


def _list(tops: Iterable[Path], name: str) -> Path | None:
    names = [
        f"{folder}{name}{suffix}" for folder in FOLDERS_OF_LISTS for suffix in (".txt", ".csv")
    ]
    return next((found for top in tops if (found := first_of(top, names)) is not None), None)


def _words(path: Path, definition: Definition, failures: list[Failure]) -> pd.DataFrame:
    """Return the published attributes that the definition names, in its words.

    ``gender`` is ``Male``; any other is the column of its name, whose two values are the absence
    and the presence of it, in this order. A number that is neither 1 nor -1 stays as it is.
    """
    rows = read_rows(path)
    failures += odd_lines(rows, path, kept=True)
    columns = {str(name).casefold(): str(name) for name in rows.table.columns}
    ids = rows.table[str(rows.table.columns[0])].to_numpy()
    words = {}
    for source in definition.attributes:
        male_first = source.name == "gender"
        published = columns.get("male" if male_first else source.name.casefold())
        if published is None or len(source.values) != 2:
            continue
        no, yes = ("female", "male") if male_first else source.values
        given = rows.column(published, where=path)
        words[source.name] = given.map({"1": yes, "-1": no}).fillna(given).to_numpy()
    return pd.DataFrame(words, index=pd.Index(ids, name="image_id"), dtype=TEXT)
