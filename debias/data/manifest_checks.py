"""What a manifest must be: every check names the rows that fail it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.tables import TEXT, as_labels, as_text
from debias.errors import DataError, nearest

SPLITS = ("train", "val", "test")
NUM_SHOWN = 3


def check_manifest(
    table: pd.DataFrame, *, root: Path, where: object, allow_torn: bool = False
) -> pd.DataFrame:
    """Return ``table`` with every column of a manifest, typed and checked.

    Args:
        table: some columns of a manifest, ``path`` among them; its index numbers the rows.
        root: the folder that paths are relative to.
        where: the file, for messages.
        allow_torn: accept an identity or a picture that is in two splits.

    Raises:
        DataError: see :func:`debias.data.manifest.manifest_from_table`.
    """
    rows = _Rows(where, table.index.to_numpy())
    table = table.copy()
    _refuse_empty(table, "path", rows)
    table["path"] = _checked_paths(table["path"], root, rows)
    if "image_id" not in table.columns:
        table["image_id"] = table["path"]
    _refuse_empty(table, "image_id", rows)
    twice = table["image_id"].duplicated(keep=False).to_numpy()
    rows.refuse(twice, "repeated image_id", table["image_id"], "Give every row an id of its own")
    table["label"] = _checked_labels(table, rows)
    for name in ("split", "identity_id"):
        column = table[name] if name in table.columns else pd.Series(pd.NA, index=table.index)
        table[name] = as_text(column)
    _check_splits(table, rows)
    if not allow_torn:
        _refuse_torn(table, rows)
    return _checked_windows(table, rows)


class _Rows:
    """Names the rows of a table in messages.

    Args:
        where: the file; the rows of a CSV file are named by line, the first being the header.
        numbers: for each row its position in the file, counted from 0.
    """

    def __init__(self, where: object, numbers: NDArray[np.int64]) -> None:
        self.where = where
        self._numbers = numbers
        is_csv = str(where).lower().endswith(".csv")
        self._word, self._first = ("line", 2) if is_csv else ("row", 1)

    def refuse(
        self, bad: NDArray[np.bool_], what: str, values: Iterable[object], hint: str | None = None
    ) -> None:
        """Raise a DataError if any row is bad; it counts them all and shows the first three."""
        positions = np.flatnonzero(bad)
        if len(positions) == 0:
            return
        cells = list(values)
        shown = [
            f"{self._word} {self._numbers[k] + self._first} ({cells[k]!r})"
            for k in positions[:NUM_SHOWN]
        ]
        more = ", ..." if len(positions) > NUM_SHOWN else ""
        num = f"{len(positions)} row{'s' if len(positions) > 1 else ''}"
        raise DataError(f"{what} in {num}: {', '.join(shown)}{more}", where=self.where, hint=hint)


def _refuse_empty(table: pd.DataFrame, name: str, rows: _Rows) -> None:
    cells = table[name].fillna("")
    rows.refuse((cells.str.strip() == "").to_numpy(dtype=bool), f"empty {name}", cells)


def _checked_paths(paths: pd.Series[Any], root: Path, rows: _Rows) -> pd.Series[Any]:
    """Return the paths relative to the root, in one spelling; none may leave it."""
    real_root = os.path.realpath(root)
    inside = real_root.rstrip(os.sep) + os.sep
    real_folders: dict[str, str] = {}

    def relative(text: str) -> str | None:
        if "\0" in text:
            return None
        path = os.path.join(real_root, text)
        folder, name = os.path.split(path)
        if folder not in real_folders:  # folders are few: ask the disk about each once
            real_folders[folder] = os.path.realpath(folder)
        real = os.path.join(real_folders[folder], name)
        if name in ("", ".", "..") or os.path.islink(real):
            real = os.path.realpath(path)
        if not real.startswith(inside):
            return None
        if os.path.isabs(text) or ".." in PurePosixPath(text).parts:
            return Path(os.path.relpath(real, real_root)).as_posix()
        return PurePosixPath(text).as_posix()

    found = [relative(text) for text in paths]
    rows.refuse(
        np.array([path is None for path in found]),
        f"path that leaves the root {root}",
        paths,
        "Name the folder that holds every picture as the root, or copy what is linked into it",
    )
    return pd.Series(found, index=paths.index, dtype=TEXT)


def _checked_labels(table: pd.DataFrame, rows: _Rows) -> pd.Series[Any]:
    if "label" not in table.columns:
        return pd.Series(pd.NA, index=table.index, dtype="Int8")
    words = as_text(table["label"])
    labels = as_labels(words)
    bad = (words.notna() & labels.isna()).to_numpy(dtype=bool)
    rows.refuse(bad, "label that is not 0 or 1", words, "1 is a face, 0 a non-face")
    return labels


def _check_splits(table: pd.DataFrame, rows: _Rows) -> None:
    split = table["split"]
    bad = (split.notna() & ~split.isin(SPLITS)).to_numpy(dtype=bool)
    if bad.any():
        rows.refuse(bad, "unknown split", split, nearest(split[bad].iloc[0], SPLITS))


def _refuse_torn(table: pd.DataFrame, rows: _Rows) -> None:
    split = table["split"]
    for name, what, hint in (
        ("identity_id", "identity", "Put all images of a person in one split"),
        ("path", "picture", "Put all windows of a picture in one split"),
    ):
        num_splits = split.groupby(table[name]).transform("nunique")
        torn = (num_splits > 1).to_numpy(dtype=bool)
        rows.refuse(torn, f"{what} that is in two splits", table[name], hint)


def _checked_windows(table: pd.DataFrame, rows: _Rows) -> pd.DataFrame:
    names = ["crop_side", "crop_x", "crop_y"]
    for name in names:
        column = table[name] if name in table.columns else pd.Series(np.nan, index=table.index)
        numbers = pd.to_numeric(column, errors="coerce").astype("float64")
        words = as_text(column)
        bad = words.notna().to_numpy() & ~numbers.between(0, 1).to_numpy()
        rows.refuse(bad, f"{name} outside 0 to 1", words)
        table[name] = numbers
    num_known = table[names].notna().sum(axis=1)
    bad = (~num_known.isin([0, 3]) | (table["crop_side"] == 0)).to_numpy()
    rows.refuse(bad, "half a window", table["image_id"], "Give all of " + ", ".join(names))
    return table
