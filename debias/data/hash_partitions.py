"""Rows parted by the hash of their id into files, each of which fits in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from debias.data.id_hashes import WordArray

ROWS_A_PART = 1 << 20
MAX_PARTS = 256  # files open at once

RecordArray = NDArray[Any]
"""Rows with named fields; ``first`` and ``second`` are the hashes of the id."""


class HashCollisionError(Exception):
    """Two different ids have one hash: nothing is wrong but the salt."""


class HashPartitions:
    """Files of rows; all rows of one id are in the same file.

    Args:
        folder: where to write; it exists.
        name: how the files' names begin.
        num_parts: a power of two, from 2.
    """

    def __init__(self, folder: Path, name: str, *, num_parts: int) -> None:
        self.paths = tuple(folder / f"{name}-{part:03d}" for part in range(num_parts))
        self._shift = np.uint64(64 - (num_parts.bit_length() - 1))
        self._stack = ExitStack()
        self._files: list[BinaryIO] = []

    def __enter__(self) -> HashPartitions:
        """Open the files for writing."""
        self._files = [self._stack.enter_context(path.open("wb")) for path in self.paths]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the files; they stay."""
        self._stack.close()

    def append(self, rows: RecordArray) -> None:
        """Write rows, each to the file of its id."""
        parts = (rows["first"] >> self._shift).astype(np.uint8)
        rows = rows[np.argsort(parts, kind="stable")]
        ends = np.bincount(parts, minlength=len(self.paths)).cumsum()
        for file, start, end in zip(self._files, [0, *ends[:-1]], ends, strict=True):
            if end > start:
                file.write(rows[start:end].tobytes())

    def read(self, dtype: DTypeLike) -> Iterator[tuple[Path, RecordArray]]:
        """Yield each file and its rows."""
        for path in self.paths:
            yield path, np.fromfile(path, dtype=dtype)


def num_parts_for(num_rows: int) -> int:
    """Return how many files make parts of about :data:`ROWS_A_PART` rows."""
    num_parts = 2
    while num_parts * ROWS_A_PART < num_rows and num_parts < MAX_PARTS:
        num_parts *= 2
    return num_parts


def sorted_by_id(rows: RecordArray) -> tuple[RecordArray, NDArray[np.int64]]:
    """Return rows in the order of their hashes, and where each id begins.

    Raises:
        HashCollisionError: two ids share their first hash.
    """
    rows = rows[np.argsort(rows["first"])]
    same = rows["first"][1:] == rows["first"][:-1]
    if np.any(same & (rows["second"][1:] != rows["second"][:-1])):
        raise HashCollisionError
    return rows, np.flatnonzero(np.concatenate([[True] * (len(rows) > 0), ~same]))


def position_of(wanted: RecordArray, known: RecordArray) -> NDArray[np.int64]:
    """Return where the id of each row is among known ones, or -1; shape (row,).

    Args:
        wanted: rows, best sorted by id.
        known: one row an id, sorted by id.

    Raises:
        HashCollisionError: two ids share their first hash.
    """
    if len(known) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    first: WordArray = np.ascontiguousarray(known["first"])
    places = np.searchsorted(first, np.ascontiguousarray(wanted["first"]))
    places = np.minimum(places, len(known) - 1)
    is_found = first[places] == wanted["first"]
    if np.any(known["second"][places[is_found]] != wanted["second"][is_found]):
        raise HashCollisionError
    return np.where(is_found, places, -1)
