"""Combinations of attribute values, numbered as they are met."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from debias.data.table_batches import word_codes
from debias.errors import DataError

MAX_CELLS = 10_000
"""More values, or combinations of them, than any report can show."""

CodeArray = NDArray[np.int64]


class CellCodes:
    """Which combination of attribute values each row has, for rows that come in batches.

    Combination 0 is that of which nothing is known.

    Args:
        columns: the file's column by the attribute's name.
        path: the file, for messages.
    """

    def __init__(self, columns: Mapping[str, str], *, path: Path) -> None:
        self.columns = dict(columns)
        self._path = path
        self._values: list[dict[str | None, int]] = [{None: 0} for _ in columns]
        self._cells: dict[tuple[int, ...], int] = {}
        self._numbered(np.zeros((1, len(columns)), dtype=np.int64))

    @property
    def cells(self) -> tuple[tuple[str | None, ...], ...]:
        """The values of each combination; None is unknown."""
        words = [list(values) for values in self._values]
        return tuple(
            tuple(words[column][code] for column, code in enumerate(cell)) for cell in self._cells
        )

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Whether each attribute is known, shape (combination, attribute)."""
        return np.array(list(self._cells), dtype=np.int64).reshape(len(self._cells), -1) > 0

    def of(self, batch: pa.RecordBatch) -> CodeArray:
        """Return the number of each row's combination, shape (row,).

        Raises:
            DataError: there are more than :data:`MAX_CELLS` values or combinations.
        """
        keys = np.zeros(batch.num_rows, dtype=np.int64)
        rows = np.zeros((1, 0), dtype=np.int64)
        for position, name in enumerate(self.columns.values()):
            codes = self._codes(batch.column(name), position, name)
            base = len(self._values[position])
            present, keys = _compressed(keys * base + codes, len(rows) * base)
            rows = np.column_stack([rows[present // base], present % base])
        return self._numbered(rows)[keys]

    def merged(self, cells: CodeArray, starts: CodeArray) -> tuple[CodeArray, NDArray[np.bool_]]:
        """Return one combination for each run of rows, what is unknown in one taken from another.

        Args:
            cells: numbers of combinations, shape (row,).
            starts: where each run begins, shape (run,).

        Returns:
            The combination of each run, and whether its rows contradict each other, shape (run,).
        """
        values = np.array(list(self._cells), dtype=np.int64).reshape(len(self._cells), -1)[cells]
        if values.shape[1] == 0 or starts.size == 0:
            return cells[starts], np.zeros(starts.size, dtype=np.bool_)
        largest = np.maximum.reduceat(values, starts, axis=0)
        known = np.where(values > 0, values, np.iinfo(np.int64).max)
        smallest = np.minimum.reduceat(known, starts, axis=0)
        rows, inverse = np.unique(largest, axis=0, return_inverse=True)
        is_torn = ((largest > 0) & (smallest != largest)).any(axis=1)
        return self._numbered(rows)[inverse.ravel()], is_torn

    def _codes(self, column: pa.Array, position: int, name: str) -> CodeArray:
        """Return the number of each row's value of one attribute."""
        codes, words = word_codes(column)
        numbers = self._values[position]
        of_word = np.zeros(len(words), dtype=np.int64)
        for code, word in enumerate(words.str.strip()):
            of_word[code] = 0 if pd.isna(word) else numbers.setdefault(word, len(numbers))
            self._refuse_many(len(numbers), f"{name!r} has")
        return of_word[codes]

    def _numbered(self, rows: CodeArray) -> CodeArray:
        """Return the number of each combination of values, numbering those that are new."""
        found = [self._cells.setdefault(tuple(row), len(self._cells)) for row in rows.tolist()]
        self._refuse_many(len(self._cells), f"{' x '.join(self.columns.values())} makes")
        return np.array(found, dtype=np.int64)

    def _refuse_many(self, count: int, what: str) -> None:
        if count > MAX_CELLS:
            raise DataError(
                f"{what} more than {MAX_CELLS:,} values",
                where=self._path,
                hint="Cut numbers into classes first, or name fewer attributes",
            )


def _compressed(keys: CodeArray, num_keys: int) -> tuple[CodeArray, CodeArray]:
    """Return the keys that occur, ascending, and each row's position among them."""
    if num_keys > 1 << 20:
        present, inverse = np.unique(keys, return_inverse=True)
        return present, inverse
    occurs = np.bincount(keys, minlength=num_keys) > 0
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[keys]
