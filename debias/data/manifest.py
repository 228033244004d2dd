"""The list of an image set: one row an image, checked before anything reads a pixel."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.folders import pictures_below
from debias.data.manifest_checks import check_manifest
from debias.data.shards import Shards, list_shards
from debias.data.tables import TEXT, as_text, read_table, require_columns
from debias.errors import DataError, UsageError

MANIFEST_COLUMNS = ("image_id", "path", "label", "split", "identity_id")
WINDOW_COLUMNS = ("crop_side", "crop_x", "crop_y")
NAMING_COLUMNS = ("image_id", "path", "picture", "identity_id")
"""Columns whose values may be people's names, or hold them."""
NO_RENAMING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Manifest:
    """An image set.

    Args:
        root: the folder that the paths are relative to.
        table: a row an image, with a RangeIndex: ``image_id`` (text, unique), ``path`` (text,
            relative, with forward slashes), ``label`` (Int8: 1 face, 0 non-face, missing =
            unlabelled), ``split`` (train, val, test or missing), ``identity_id`` (text, missing =
            unknown), and a window as ``crop_side``, ``crop_x``, ``crop_y`` (float64, all missing =
            the whole image; see :mod:`debias.data.windows`).
        shards: where the pictures are shards; paths then lead into them.
    """

    root: Path
    table: pd.DataFrame
    shards: Shards | None = None

    def __len__(self) -> int:
        return len(self.table)

    @property
    def faces(self) -> NDArray[np.bool_]:
        """A mask of the rows labelled face."""
        return self._equals("label", 1)

    @property
    def non_faces(self) -> NDArray[np.bool_]:
        """A mask of the rows labelled non-face."""
        return self._equals("label", 0)

    def in_split(self, split: str) -> NDArray[np.bool_]:
        """Return a mask of the rows of a split.

        Args:
            split: train, val or test.
        """
        return self._equals("split", split)

    def subset(self, mask: NDArray[np.bool_]) -> Manifest:
        """Return the rows where ``mask`` (one truth value a row) holds, in the same order."""
        return replace(self, table=self.table[mask].reset_index(drop=True))

    def _equals(self, column: str, value: object) -> NDArray[np.bool_]:
        return (self.table[column] == value).fillna(False).to_numpy(dtype=bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Which rows of a file to keep: those whose ``column`` is (or is not) one of ``values``.

    An empty value stands for a missing cell.
    """

    column: str
    values: tuple[str, ...]
    negated: bool = False

    def __str__(self) -> str:
        return self._written(",".join(self.values))

    def without_names(self, columns: Mapping[str, str] = NO_RENAMING) -> str:
        """Return the condition in words that may be shared: a column of names keeps its values.

        Args:
            columns: what columns are called in the file, where that is another name.
        """
        naming = {*NAMING_COLUMNS, *(columns.get(name, name) for name in NAMING_COLUMNS)}
        return self._written("...") if self.column in naming and any(self.values) else str(self)

    def _written(self, values: str) -> str:
        return f"{self.column}{'!=' if self.negated else '='}{values}"


def parse_where(texts: Sequence[str]) -> tuple[Condition, ...]:
    """Return the conditions written in ``texts``; a row must meet all of them.

    ``pool=natural,test`` keeps the rows whose pool is one of the two, ``pool!=test`` the others,
    ``a=1,2,b=3`` is two conditions, and ``split=`` asks for an empty cell. A value may hold
    ``=`` only after its column's own (``a=x=y``) and cannot hold a comma.

    Args:
        texts: what was written.

    Raises:
        UsageError: a text is not of this form.
    """
    return tuple(condition for text in texts for condition in _parse_conditions(text))


def _parse_conditions(text: str) -> Iterator[Condition]:
    found: list[tuple[str, bool, list[str]]] = []
    for piece in text.split(","):
        match = re.match(r"\s*([^=!]+?)\s*(!?=)(.*)$", piece, flags=re.DOTALL)
        if match:
            found.append((match[1], match[2] == "!=", [match[3].strip()]))
        elif found and "=" not in piece:
            found[-1][2].append(piece.strip())
        else:
            raise UsageError(
                f"cannot read the condition {text!r}",
                hint="Write column=value,value2 or column!=value",
            )
    for column, negated, values in found:
        yield Condition(column=column, values=tuple(values), negated=negated)


def read_manifest(
    path: Path,
    *,
    where: Sequence[Condition] = (),
    root: Path | None = None,
    columns: Mapping[str, str] = NO_RENAMING,
    allow_torn: bool = False,
) -> Manifest:
    """Return the image set listed in a CSV or Parquet file, checked.

    Only ``path`` must be there: ``image_id`` defaults to it, and ``label``, ``split`` and
    ``identity_id`` to missing. Any other column serves ``where`` alone and is then dropped: no
    attribute reaches training through a manifest. Whether a file can be decoded is not looked at
    here; see :mod:`debias.data.store`.

    Args:
        path: the file, or a folder of Parquet parts.
        where: which rows to keep; see :func:`parse_where`. Only these are checked.
        root: the folder that paths are relative to; by default the one that holds ``path``.
        columns: for a column of the manifest, its name in the file where that is another.
        allow_torn: see :func:`manifest_from_table`.

    Raises:
        DataError: see :func:`manifest_from_table`; or no row is left, or a column is absent.
    """
    path = Path(path)
    known = (*MANIFEST_COLUMNS, *WINDOW_COLUMNS)
    require_columns(known, columns, where="the columns of a manifest")
    table = read_table(path)
    require_columns(table.columns, [*columns.values(), columns.get("path", "path")], where=path)
    table = choose_rows(table, where, path=path)
    if table.empty:
        raise DataError(f"no row is left by {' and '.join(map(str, where))}", where=path)
    names = {name: columns.get(name, name) for name in known}
    chosen = {name: table[old] for name, old in names.items() if old in table.columns}
    return manifest_from_table(
        pd.DataFrame(chosen), root=root or path.parent, where=path, allow_torn=allow_torn
    )


def choose_rows(table: pd.DataFrame, where: Sequence[Condition], *, path: Path) -> pd.DataFrame:
    """Return the rows of a table that meet every condition; an empty cell is the empty value.

    Args:
        table: any columns.
        where: the conditions; see :func:`parse_where`.
        path: the table's file, for the message.

    Raises:
        DataError: the table lacks a condition's column.
    """
    require_columns(table.columns, (condition.column for condition in where), where=path)
    for condition in where:
        inside = as_text(table[condition.column]).fillna("").isin(condition.values)
        table = table[~inside if condition.negated else inside]
    return table


def manifest_from_table(
    table: pd.DataFrame,
    *,
    root: Path,
    where: object = "the manifest",
    allow_torn: bool = False,
) -> Manifest:
    """Return a checked manifest made of a table's columns.

    Args:
        table: at least ``path``; the other columns of a manifest where known; no others. Its
            index numbers the rows in messages.
        root: the folder that paths are relative to.
        where: what to call the table in messages; for a CSV file, rows are named by their line.
        allow_torn: accept an identity or a picture that is in two splits: for an audit, which
            tells of it; whoever trains or tests on such a set fools themselves.

    Raises:
        DataError: there is no row; an id or path is empty; an id comes twice; a label is not 0 or
            1, a split not train, val or test, a window not inside its picture; an identity or a
            picture is in two splits; a path leaves the root, by itself or through a link.
    """
    known = (*MANIFEST_COLUMNS, *WINDOW_COLUMNS)
    require_columns(table.columns, ["path"], where=where)
    table = table[[name for name in known if name in table.columns]].copy()
    if table.empty:
        raise DataError("holds no images", where=where)
    for name in ("image_id", "path", "split", "identity_id"):
        if name in table.columns:
            table[name] = as_text(table[name])
    table = check_manifest(table, root=Path(root), where=where, allow_torn=allow_torn)
    return Manifest(root=Path(root), table=table[list(known)].reset_index(drop=True))


def manifest_from_folders(*, faces: Path | None, non_faces: Path | None) -> Manifest:
    """Return the pictures below two folders, labelled by where they are.

    Ids are ``faces/...`` and ``non-faces/...`` with the path below the folder. See
    :func:`manifest_from_folder` for what counts as a picture.

    Args:
        faces: a folder of faces, or None.
        non_faces: a folder of non-faces, or None.

    Raises:
        UsageError: neither is given.
        DataError: a folder is missing or holds no picture, a part of it cannot be read, or one
            lies inside the other.
    """
    given = [("faces", 1, faces), ("non-faces", 0, non_faces)]
    folders = [(name, label, Path(p).resolve()) for name, label, p in given if p is not None]
    if not folders:
        raise UsageError("no images are named", hint="Give a manifest, or a folder of faces")
    root = Path(os.path.commonpath([folder for _, _, folder in folders]))
    if len(folders) == 2 and root in {folders[0][2], folders[1][2]}:
        raise DataError(
            "the folders of faces and of non-faces lie inside each other",
            where=root,
            hint="Name two separate folders",
        )
    parts = []
    for name, label, folder in folders:
        found = pd.Series(pictures_below(folder), dtype=TEXT)
        inside = folder.relative_to(root).as_posix()
        path = found if inside == "." else inside + "/" + found
        parts.append(pd.DataFrame({"image_id": f"{name}/" + found, "path": path, "label": label}))
    return _from_files(pd.concat(parts, ignore_index=True), root)


def manifest_from_folder(folder: Path) -> Manifest:
    """Return the pictures below a folder, unlabelled, with their paths as ids.

    Pictures are the files whose suffix Pillow knows, in the order of their names; hidden files
    and folders are passed over. Links are followed, since whoever named the folder put them
    there.

    Args:
        folder: the folder; folders inside it count.

    Raises:
        DataError: the folder is missing or holds no picture, or a part of it cannot be read.
    """
    root = Path(folder).resolve()
    found = pd.Series(pictures_below(root), dtype=TEXT)
    return _from_files(pd.DataFrame({"image_id": found, "path": found}), root)


def manifest_from_shards(
    patterns: Sequence[str],
    *,
    cache: Path,
    where: Sequence[Condition] = (),
    allow_torn: bool = False,
) -> Manifest:
    """Return the images in shards; see :func:`~debias.data.shards.list_shards`.

    Args:
        patterns: see :func:`~debias.data.shard_files.expand_shards`.
        cache: the folder where lists of shards are remembered.
        where: which rows to keep, by ``image_id``, ``label``, ``split`` or ``identity_id``.
        allow_torn: see :func:`manifest_from_table`.

    Raises:
        DataError: see there and :func:`manifest_from_table`.
    """
    root, table, shards = list_shards(patterns, cache=cache)
    place = Path(", ".join(patterns))
    table = choose_rows(table, where, path=place)
    if table.empty:
        raise DataError(f"no row is left by {' and '.join(map(str, where))}", where=place)
    found = manifest_from_table(table, root=root, where=place, allow_torn=allow_torn)
    return replace(found, shards=shards)


def _from_files(table: pd.DataFrame, root: Path) -> Manifest:
    """Fill in what a folder does not say; files that were just listed need no further check."""
    full = table.reindex(columns=[*MANIFEST_COLUMNS, *WINDOW_COLUMNS])
    full["label"] = full["label"].astype("Int8")
    for name in ("split", "identity_id"):
        full[name] = full[name].astype(TEXT)
    return Manifest(root=root, table=full)
