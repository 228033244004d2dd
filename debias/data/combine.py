"""Several listed image sets as one: faces of one, say, and non-faces of another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from debias.data.manifest import Condition, Manifest, read_manifest
from debias.data.splits import assign_splits
from debias.data.tables import read_table, require_columns
from debias.errors import DataError

Fractions = tuple[float, float, float]
FRACTIONS: Fractions = (0.8, 0.1, 0.1)
"""Of train, val and test, where nobody says otherwise."""
DRAWN = "testbed:"
"""What the names of drawn sets begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSet:
    """An image set on disk.

    Args:
        manifest: the file that lists its images.
        root: the folder that the paths in it are relative to.
        name: what a person called it, for messages; empty for the path of the manifest.
    """

    manifest: Path
    root: Path
    name: str = ""

    def __str__(self) -> str:
        """Return what to call it."""
        return self.name or str(self.manifest)


def read_sets(
    sets: Sequence[ListedSet],
    *,
    where: Sequence[Condition] = (),
    fractions: Fractions = FRACTIONS,
    seed: int = 0,
    allow_torn: bool = False,
) -> Manifest:
    """Return the images of one or several sets; ids stay as they are.

    Where one of several sets comes with splits, each is completed by itself, as
    :func:`~debias.data.splits.assign_splits` does: what one calls test is not mixed into what
    another trains on. A condition holds for the sets that have its column.

    Args:
        sets: at least one.
        where: which rows to keep; see :func:`~debias.data.manifest.parse_where`.
        fractions: of train, val and test, where several sets are completed.
        seed: of that division.
        allow_torn: see :func:`~debias.data.manifest.manifest_from_table`.

    Raises:
        DataError: a set is not valid, or an id or a picture is in two of them, or no set has a
            condition's column.
    """
    if len(sets) == 1:
        return read_manifest(
            sets[0].manifest, where=where, root=sets[0].root, allow_torn=allow_torn
        )
    columns = [set(read_table(one.manifest).columns) for one in sets]
    place = " and ".join(map(str, sets))
    require_columns(set().union(*columns), (condition.column for condition in where), where=place)
    parts = []
    for one, known in zip(sets, columns, strict=True):
        conditions = [condition for condition in where if condition.column in known]
        part = read_manifest(one.manifest, where=conditions, root=one.root, allow_torn=allow_torn)
        parts.append(part)
    if any(part.table["split"].notna().any() for part in parts):
        parts = [assign_splits(part, fractions=fractions, seed=seed) for part in parts]
    root = Path(os.path.commonpath([part.root.resolve() for part in parts]))
    tables = [_below(part, root, number) for number, part in enumerate(parts)]
    table = pd.concat(tables, ignore_index=True)
    for name, what in (("image_id", "id"), ("path", "picture")):
        owners = pd.concat([frame[name].drop_duplicates() for frame in tables])
        twice = owners[owners.duplicated()]
        if len(twice):
            raise DataError(
                f"{len(twice)} times the same {what} is in two sets, such as {twice.iloc[0]!r}",
                where=place,
                hint=_advice(sets),
            )
    return Manifest(root=root, table=table)


def _advice(sets: Sequence[ListedSet]) -> str:
    if all(one.name.startswith(DRAWN) for one in sets):
        return "Testbeds have their non-faces in common: use one of them"
    return "Use one of them, or leave the same images out of the other"


def _below(part: Manifest, root: Path, number: int) -> pd.DataFrame:
    """Return a set's rows, paths relative to a folder further up, and persons of its own.

    Two sets may count their persons alike, and mean others.
    """
    inside = part.root.resolve().relative_to(root).as_posix()
    start = "" if inside == "." else f"{inside}/"
    persons = f"{number}/" + part.table["identity_id"]
    return part.table.assign(path=start + part.table["path"], identity_id=persons)
