"""UTKFace: what is said of a face stands in its file name."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from debias.data.catalog import Definition
from debias.data.layouts.places import below, names_in, other_copies, refuse_layout
from debias.data.layouts.prepared import Failure, PreparedSet, finish, known_words
from debias.data.tables import TEXT

PICTURES = ("UTKFace", "utkface_aligned_cropped/UTKFace", "crop_part1", "part1")
IN_THE_WILD = ("part1", "part2", "part3")
NAME = re.compile(r"(?P<age>\d{1,3})_(?P<rest>.*?)(?P<date>\d{17})\D*$")
GENDERS = {"0": "male", "1": "female"}
RACES = {"0": "white", "1": "black", "2": "asian", "3": "indian", "4": "other"}
OLDEST = 116


def read_utkface(root: Path, definition: Definition) -> PreparedSet:
    """Return UTKFace, aligned or in the wild; of several copies in a folder, the first.

    Names are ``[age]_[gender]_[race]_[date&time].jpg``. Where one of gender and race is lacking
    it is not always clear which, and then both are unknown; the image stays.

    Args:
        root: the folder of the set.
        definition: of the set.

    Raises:
        DataError: no picture has such a name.
    """
    places = [place for place in (root, *(root / name for name in PICTURES)) if _is_named(place)]
    folders = places[:1]
    if folders and folders[0].name == IN_THE_WILD[0]:
        wild = [folders[0].parent / name for name in IN_THE_WILD]
        folders = [folder for folder in wild if folder.is_dir()]
    paths = [below(root, folder) + name for folder in folders for name in names_in(folder)[0]]
    if not paths:
        refuse_layout(root, definition, ["pictures called AGE_GENDER_RACE_DATE.jpg"])
    table = pd.DataFrame({"path": paths}, dtype=TEXT)
    table["image_id"] = table["path"].str.rpartition("/")[2]
    table["label"] = 1
    failures: list[Failure] = []
    rows = []
    for image_id, path in zip(table["image_id"], table["path"], strict=True):
        said, reason = _said(image_id)
        rows.append(said)
        if reason is not None:
            failures.append(Failure(image_id=image_id, path=path, reason=reason, kept=True))
    index = pd.Index(table["image_id"], name="image_id")
    words = pd.DataFrame(rows, columns=["age", "gender", "race"], index=index, dtype=TEXT)
    return finish(
        table,
        root=root,
        definition=definition,
        failures=failures,
        values=known_words(words, definition, failures),
        notes=other_copies(folders[0], places, root=root),
    )


def _is_named(folder: Path) -> bool:
    """Tell whether a folder holds a picture whose name says an age and a date."""
    return folder.is_dir() and any(NAME.match(name) for name in names_in(folder)[0])


def _said(name: str) -> tuple[tuple[str | None, str | None, str | None], str | None]:
    """Return age, gender and race as a file name says them, and what is wrong with it."""
    match = NAME.match(name)
    if match is None:
        return (None, None, None), "its name does not say age, gender and race"
    age = str(int(match["age"])) if int(match["age"]) <= OLDEST else None
    fields = match["rest"].split("_")[:-1]
    if len(fields) != 2:
        return (age, None, None), "its name says one of gender and race, not which"
    gender, race = GENDERS.get(fields[0]), RACES.get(fields[1])
    missing = [
        what for what, value in (("age", age), ("gender", gender), ("race", race)) if value is None
    ]
    if missing:
        return (age, gender, race), f"its name has no known {' and '.join(missing)}"
    return (age, gender, race), None
