"""Labeled Faces in the Wild: a folder a person, and lists that others have published."""

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
from debias.data.layouts.prepared import Failure, PreparedSet, finish, known_words
from debias.data.layouts.texts import read_lines, read_rows
from debias.data.tables import TEXT
from debias.errors import DataError

PEOPLE = ("lfw-deepfunneled/lfw-deepfunneled", "lfw-deepfunneled", "lfw_funneled", "lfw")
SPLIT_LISTS = (("train", "peopleDevTrain.txt"), ("test", "peopleDevTest.txt"))
GENDER_LISTS = (("female", "female_names.txt"), ("male", "male_names.txt"))
SCORES = "lfw_attributes.txt"
RACES = ("Asian", "Black", "Indian", "White")


def read_lfw(root: Path, definition: Definition) -> PreparedSet:
    """Return LFW in whichever alignment is there, with the lists that lie beside it.

    A person is a folder. Splits are those of the development view, gender is of the two lists of
    image names, race is the largest of four published scores.

    Args:
        root: the folder of the set, or of its people.
        definition: of the set.

    Raises:
        DataError: there are no people's folders, or a list is not what it must be.
    """
    top, folder = _people(root, definition)
    copies = [top / name for name in PEOPLE]
    notes = other_copies(folder, filter(_holds_people, copies), root=root)
    start = below(root, folder)
    rows = [
        (name, start + f"{person}/{name}", person)
        for person in names_in(folder)[1]
        for name in names_in(folder / person)[0]
    ]
    table = pd.DataFrame(rows, columns=["image_id", "path", "identity_id"], dtype=TEXT)
    table["label"] = 1
    failures: list[Failure] = []
    places = (top, folder, root.parent)
    splits = _splits(places)
    if splits:
        table["split"] = table["identity_id"].map(splits).astype(TEXT)
    else:
        notes.append(f"No {SPLIT_LISTS[0][1]} and {SPLIT_LISTS[1][1]}: no split is taken over")
    words = pd.DataFrame(index=pd.Index(table["image_id"], name="image_id"))
    gender = _genders(places, failures)
    if gender is None:
        notes.append("No male_names.txt and female_names.txt: gender is not known")
    else:
        there = set(table["image_id"])
        failures += [
            Failure(image_id=name, path=name, reason="is in a list of gender, but no such file")
            for name in gender
            if name not in there
        ]
        words["gender"] = words.index.map(gender).astype(TEXT)
    scores = _beside(places, SCORES)
    if scores is None:
        notes.append(f"No {SCORES}: race is not known")
    else:
        words["race"] = words.index.map(_races(scores, failures)).astype(TEXT)
    return finish(
        table,
        root=root,
        definition=definition,
        failures=failures,
        values=known_words(words, definition, failures),
        notes=notes,
    )


def _people(root: Path, definition: Definition) -> tuple[Path, Path]:
    """Return the folder of the set, and the one in it that holds the people's folders."""
    if _holds_people(root):
        return root, root
    top = find_top(root, definition, PEOPLE)
    folder = first_of(top, PEOPLE)
    if folder is None or not _holds_people(folder):
        refuse_layout(root, definition, [f"{name}/NAME/NAME_0001.jpg" for name in PEOPLE])
    return top, folder


def _holds_people(folder: Path) -> bool:
    return folder.is_dir() and any(
        picture.startswith(f"{person}_")
        for person in names_in(folder)[1]
        for picture in names_in(folder / person)[0][:1]
    )


def _beside(places: tuple[Path, ...], name: str) -> Path | None:
    return next((place / name for place in places if (place / name).is_file()), None)


def _splits(places: tuple[Path, ...]) -> dict[str, str]:
    """Return the split of each person in the development view; none unless both lists are there."""
    found: dict[str, str] = {}
    for split, name in SPLIT_LISTS:
        path = _beside(places, name)
        if path is None:
            return {}
        people = read_rows(path, names=["person", "num_images"]).table["person"]
        found |= dict.fromkeys(people, split)
    return found


def _genders(places: tuple[Path, ...], failures: list[Failure]) -> dict[str, str] | None:
    """Return what the lists say of each image name, or None where there is no list."""
    found: dict[str, str] = {}
    torn = set()
    paths = [(word, _beside(places, name)) for word, name in GENDER_LISTS]
    if all(path is None for _, path in paths):
        return None
    for word, path in paths:
        for line in read_lines(path) if path is not None else []:
            name = line if line.lower().endswith(".jpg") else f"{line}.jpg"
            if found.setdefault(name, word) != word:
                torn.add(name)
    failures += [
        Failure(image_id=name, path=name, reason="is in both lists of gender", kept=True)
        for name in sorted(torn)
    ]
    return {name: word for name, word in found.items() if name not in torn}


def _races(path: Path, failures: list[Failure]) -> dict[str, str]:
    """Return for each image name the race whose score is largest; NaN never is."""
    lines = read_lines(path)
    head = next((k for k, line in enumerate(lines) if "\timagenum\t" in line), None)
    if head is None:
        raise DataError("has no line that names the columns", where=path, hint="Is it complete?")
    names = lines[head].lstrip("#").strip().split("\t")
    columns = [names.index(race) for race in RACES if race in names]
    if names[:2] != ["person", "imagenum"] or len(columns) < len(RACES):
        raise DataError(f"lacks a score of {', '.join(RACES)}", where=path)
    found = {}
    for line in lines[head + 1 :]:
        cells = line.split("\t")
        try:
            scores = [float(cells[k]) for k in columns]
            name = f"{cells[0].replace(' ', '_')}_{int(cells[1]):04d}.jpg"
        except (ValueError, IndexError):
            reason = f"its line in {path.name} cannot be read"
            failures.append(Failure(image_id=cells[0], path=path.name, reason=reason, kept=True))
            continue
        found[name] = RACES[scores.index(max(scores))]
    return found
