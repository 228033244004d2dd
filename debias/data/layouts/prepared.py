"""What reading a published layout gives: rows of a manifest, attributes, and what went wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.attributes import Attributes
from debias.data.catalog import Definition
from debias.data.layouts.texts import TextTable
from debias.data.manifest import MANIFEST_COLUMNS, WINDOW_COLUMNS, manifest_from_table
from debias.data.manifest_checks import SPLITS
from debias.data.tables import TEXT
from debias.errors import DataError

FAILURE_COLUMNS = ("image_id", "path", "reason", "kept")
UNOPENED = "Pictures are not opened here: train and predict list what cannot be decoded"
NOT_SURE = ("not sure",)
"""Published words that mean unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Something of a published set that could not be taken as it is.

    Args:
        image_id: the image.
        path: its file, or the file that says something of it.
        reason: in a few words, the same for all of a kind.
        kept: whether the image is in the manifest nevertheless, with that value unknown.
    """

    image_id: str
    path: str
    reason: str
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreparedSet:
    """A published set, read.

    Args:
        root: the folder that paths are relative to.
        images: the columns of a manifest, and any that serve to choose rows.
        attributes: what is said of the people shown, or None.
        failures: what could not be taken as it is.
        notes: what was decided in reading it.
        write_pictures: writes the pictures below a folder, which then is the root, where the set
            is not published as files; it takes the folder and whether to show progress.
    """

    root: Path
    images: pd.DataFrame
    attributes: Attributes | None
    failures: tuple[Failure, ...]
    notes: tuple[str, ...] = ()
    write_pictures: Callable[[Path, bool], None] | None = None

    def failure_table(self) -> pd.DataFrame:
        """Return the failures as a table of :data:`FAILURE_COLUMNS`."""
        rows = [asdict(failure) for failure in self.failures]
        return pd.DataFrame(rows, columns=list(FAILURE_COLUMNS))


def without(
    table: pd.DataFrame, bad: NDArray[np.bool_], reason: str, failures: list[Failure]
) -> pd.DataFrame:
    """Return the rows that are not bad, and add the others to the failures.

    Args:
        table: with ``image_id`` and ``path``.
        bad: one truth value a row.
        reason: why they are left out.
        failures: what is known so far; it grows.
    """
    if not bad.any():
        return table
    rows = zip(table.loc[bad, "image_id"], table.loc[bad, "path"], strict=True)
    failures += [Failure(image_id=image_id, path=path, reason=reason) for image_id, path in rows]
    return table[~bad].reset_index(drop=True)


def odd_lines(rows: TextTable, path: Path, *, kept: bool) -> list[Failure]:
    """Return a failure for each line of a text file that could not be read.

    Args:
        rows: what could be read.
        path: the file.
        kept: whether the images are in the set without it.
    """
    reason = f"its line in {path.name} has too few or too many cells"
    return [Failure(image_id=cell, path=path.name, reason=reason, kept=kept) for cell in rows.odd]


def match_files(
    table: pd.DataFrame, files: Iterable[str], failures: list[Failure], *, listed_in: str
) -> pd.DataFrame:
    """Return the rows whose ``path`` is a file; what has no counterpart becomes a failure.

    Args:
        table: with ``image_id`` and ``path``.
        files: the paths of the pictures that are there.
        failures: what is known so far; it grows.
        listed_in: the name of the file that the rows come from.
    """
    there = dict.fromkeys(files)
    listed = set(table["path"])
    reason = f"is not listed in {listed_in}"
    failures += [
        Failure(image_id=path, path=path, reason=reason) for path in there if path not in listed
    ]
    missing = ~table["path"].isin(there.keys()).to_numpy(dtype=bool)
    return without(table, missing, "there is no such file", failures)


def known_words(
    words: pd.DataFrame, definition: Definition, failures: list[Failure]
) -> pd.DataFrame:
    """Return attributes in the words of a set's definition; what is none of them is unknown.

    Args:
        words: a column of published words for each attribute, by ``image_id``; capital letters
            do not matter.
        definition: says what each attribute can be; those it does not name are left out.
        failures: what is known so far; it grows by the words that are not known.
    """
    found = {}
    for source in definition.attributes:
        if source.name not in words.columns:
            continue
        column = words[source.name].str.strip()
        column = column.mask(column.str.casefold().isin(NOT_SURE))
        given = column.notna()
        if source.values:
            known = {value.casefold(): value for value in source.values}
            column = column.str.casefold().map(known).astype(TEXT)
        reason = f"its {source.name} is not a known value"
        failures += [
            Failure(image_id=image_id, path="", reason=reason, kept=True)
            for image_id in words.index[(given & column.isna()).to_numpy(dtype=bool)]
        ]
        found[source.name] = column
    return pd.DataFrame(found, index=words.index)


def finish(
    table: pd.DataFrame,
    *,
    root: Path,
    definition: Definition,
    failures: list[Failure],
    values: pd.DataFrame | None = None,
    notes: Iterable[str] = (),
    write_pictures: Callable[[Path, bool], None] | None = None,
) -> PreparedSet:
    """Return a set whose rows make a valid manifest.

    An id that comes twice counts once. Where some rows have a split, those without are left out;
    of a person who is in two splits, the rows of the later one stay (test, then val), since those
    are what others compare with. Pictures are not opened, but an empty file is none.

    Args:
        table: ``image_id``, ``path``, ``label`` and more.
        root: the folder that paths are relative to.
        definition: of the set; it says where attributes come from.
        failures: what is known so far.
        values: attributes by ``image_id``, each named as in the definition.
        notes: what the user should know, beside the layout's own notes.
        write_pictures: see :class:`PreparedSet`.

    Raises:
        DataError: no image is left, or the rows make no manifest.
    """
    columns = [*MANIFEST_COLUMNS, *WINDOW_COLUMNS]
    others = [name for name in table.columns if name not in columns]
    table = table.reindex(columns=[*columns, *others]).reset_index(drop=True)
    twice = table["image_id"].duplicated().to_numpy()
    table = without(table, twice, "is listed twice", failures)
    has_split = table["split"].notna().to_numpy()
    if has_split.any():
        table = without(table, ~has_split, "has no split, others have", failures)
    torn = _earlier_than_latest(table)
    table = without(table, torn, "its person is also in a later split", failures)
    if write_pictures is None:
        table = without(table, _are_empty(root, table["path"]), "is an empty file", failures)
    if table.empty:
        reasons = sorted({failure.reason for failure in failures})
        raise DataError(
            "holds no image that can be used" + (f": {'; '.join(reasons)}" if reasons else ""),
            where=root,
            hint=f"`debias data show {definition.name}` says what is expected",
        )
    if write_pictures is None:
        manifest_from_table(table[columns], root=root, where=root)
        if table["crop_side"].isna().all():
            notes = [*notes, UNOPENED]
    return PreparedSet(
        root=root,
        images=table.dropna(axis="columns", how="all"),
        attributes=_of_faces(values, table, definition),
        failures=tuple(failures),
        notes=(*definition.layout.notes, *notes),
        write_pictures=write_pictures,
    )


def _earlier_than_latest(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows show a person who is also in a row of a later split."""
    places = table["split"].map({split: place for place, split in enumerate(SPLITS)})
    latest: pd.Series[Any] = places.groupby(table["identity_id"]).transform("max")
    return (places < latest).to_numpy(dtype=bool)


def _are_empty(root: Path, paths: pd.Series[str]) -> NDArray[np.bool_]:
    """Return which files hold nothing, as a broken download or a full disk leaves them."""

    def is_empty(path: str) -> bool:
        try:
            return os.stat(root / path).st_size == 0
        except OSError:
            return False

    return paths.map({path: is_empty(path) for path in paths.unique()}).to_numpy(dtype=bool)


def _of_faces(
    values: pd.DataFrame | None, table: pd.DataFrame, definition: Definition
) -> Attributes | None:
    if values is None or values.columns.empty:
        return None
    faces = table.loc[table["label"] == 1, "image_id"].to_numpy()
    provenance = {source.name: source.provenance for source in definition.attributes}
    one_each = values[~values.index.duplicated()]
    return Attributes(
        table=one_each.reindex(pd.Index(faces, name="image_id")).astype(TEXT),
        provenance={str(name): provenance[str(name)] for name in values.columns},
    )
