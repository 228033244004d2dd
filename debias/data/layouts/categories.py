"""Sets of pictures in categories, for use as non-faces: Caltech-101, ImageNet, Tiny ImageNet."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from debias.data.catalog import Definition, PictureFolder
from debias.data.layouts.places import below, find_top, names_in, refuse_layout
from debias.data.layouts.prepared import Failure, PreparedSet, finish, without
from debias.data.layouts.texts import read_lines, read_rows
from debias.data.tables import TEXT
from debias.errors import DataError

CATEGORY = "{category}"
DEVKITS = ("ILSVRC2012_devkit_t12/data", "devkit/data", "data")
GROUND_TRUTH, SYNSETS = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
SOLUTION = "LOC_val_solution.csv"
VALIDATION = "ILSVRC2012_val_{:08d}.JPEG"


def read_categories(root: Path, definition: Definition) -> PreparedSet:
    """Return the pictures of the folders that a layout names, each with its category.

    Args:
        root: the folder of the set.
        definition: of the set; its layout says where pictures are, and what to leave out.

    Raises:
        DataError: no folder of the layout is there.
    """
    return _read(root, definition, {})


def read_imagenet(root: Path, definition: Definition) -> PreparedSet:
    """Return ImageNet's pictures; the categories of val are read where their list is there.

    Args:
        root: the folder of ``train`` and ``val``, or, as Kaggle packs it, of ``ILSVRC``.
        definition: of the set.

    Raises:
        DataError: no folder of the layout is there, or a list is not what it must be.
    """
    return _read(root, definition, _validation_categories(root))


def _read(root: Path, definition: Definition, known: Mapping[str, str]) -> PreparedSet:
    """Return the set, with the category of a picture by its file name where ``known``."""
    layout = definition.layout
    wanted = [folder.path.partition(f"/{CATEGORY}")[0] for folder in layout.folders]
    top = _top(root, definition, wanted)
    rows: list[tuple[str, str | None, str]] = []
    notes = []
    for folder in layout.folders:
        listed = dict(known) | _listed(top, folder)
        found = [
            (path, category or listed.get(Path(path).name), folder.split)
            for path, category in _pictures(top, folder.path)
        ]
        num_unknown = sum(category is None for _, category, _ in found)
        if num_unknown:
            unseen = f", so one that {layout.leave_out_why} cannot be left out"
            kept = unseen if layout.leave_out else ""
            notes.append(
                f"Of {num_unknown:,} pictures in {folder.path}/ no category is known{kept}"
            )
        rows += found
    _require_signs(rows, root, definition)
    table = pd.DataFrame(rows, columns=["image_id", "category", "split"], dtype=TEXT)
    table = table.drop_duplicates("image_id")
    table["path"] = below(root, top) + table["image_id"]
    table["label"] = 0
    table["split"] = table["split"].mask(table["split"] == "")
    failures: list[Failure] = []
    unwanted_names = {name.casefold() for name in layout.leave_out}
    unwanted = table["category"].str.casefold().isin(unwanted_names).to_numpy(dtype=bool)
    table = without(table, unwanted, layout.leave_out_why, failures)
    return finish(table, root=root, definition=definition, failures=failures, notes=notes)


def _require_signs(
    rows: list[tuple[str, str | None, str]], root: Path, definition: Definition
) -> None:
    """Refuse another set of like folders: its pictures, faces perhaps, would be non-faces."""
    signs = definition.layout.signs
    paths = [path.casefold() for path, _, _ in rows]
    missing = [sign for sign in signs if not fnmatch.filter(paths, sign.casefold())]
    if missing:
        refuse_layout(root, definition, missing)


def _top(root: Path, definition: Definition, wanted: list[str]) -> Path:
    """Return where the set begins: for a layout of categories alone, a folder of such folders."""
    if wanted != [CATEGORY]:
        return find_top(root, definition, wanted)
    inside = definition.layout.inside
    top = next((root / name for name in inside if (root / name).is_dir()), root)
    if not any(_pictures(top, CATEGORY)):
        refuse_layout(root, definition, [f"{CATEGORY}/image_0001.jpg"])
    return top


def _pictures(top: Path, pattern: str) -> Iterator[tuple[str, str | None]]:
    """Yield each picture's path below ``top``, and its category where the path says it."""
    places: list[tuple[str, str | None]] = [("", None)]
    for part in pattern.split("/"):
        if part != CATEGORY:
            places = [(f"{place}{part}/", category) for place, category in places]
        else:
            places = [
                (f"{place}{name}/", name)
                for place, _ in places
                if (top / place).is_dir()
                for name in names_in(top / place)[1]
            ]
    for place, category in places:
        if (top / place).is_dir():
            yield from ((place + name, category) for name in names_in(top / place)[0])


def _listed(top: Path, folder: PictureFolder) -> dict[str, str]:
    if not folder.categories or not (top / folder.categories).is_file():
        return {}
    lines = (line.split() for line in read_lines(top / folder.categories))
    return {cells[0]: cells[1] for cells in lines if len(cells) > 1}


def _validation_categories(root: Path) -> dict[str, str]:
    """Return the category of each file name of ImageNet's val; none where nobody says it."""
    if (root / SOLUTION).is_file():
        rows = read_rows(root / SOLUTION, names=["ImageId", "PredictionString"]).table
        first = rows["PredictionString"].str.partition(" ")[0]
        return dict(zip(rows["ImageId"] + ".JPEG", first, strict=True))
    for devkit in DEVKITS:
        truth, synsets = root / devkit / GROUND_TRUTH, root / devkit / SYNSETS
        if truth.is_file() and synsets.is_file():
            names = _synsets(synsets)
            return {
                VALIDATION.format(k): names[line]
                for k, line in enumerate(read_lines(truth), start=1)
                if line in names
            }
    return {}


def _synsets(path: Path) -> dict[str, str]:
    """Return the WordNet id by the number that the ground truth writes."""
    try:
        synsets = np.atleast_1d(loadmat(path, squeeze_me=True)["synsets"])
        pairs = zip(synsets["ILSVRC2012_ID"], synsets["WNID"], strict=True)
        return {str(int(number)): str(name) for number, name in pairs}
    except (OSError, ValueError, KeyError, IndexError, TypeError, MatReadError) as problem:
        raise DataError(f"is not the list of synsets: {problem}", where=path) from None
