"""A table read in batches, with the same words as :mod:`debias.data.tables` reads whole."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from debias.data.tables import TABLE_SUFFIXES, as_text
from debias.errors import DataError

BATCH_ROWS = 1 << 18
_BLOCK_BYTES = 1 << 24  # of a CSV file, read at once
_ROW_BYTES = 32  # of a CSV file, about; for a first guess of its length


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBatches:
    """A table on disk that is read in batches.

    Attributes:
        path: a CSV file, a Parquet file, or a folder of Parquet parts.
        parts: the files, in the order of their rows.
        names: the columns; of parts that differ, all of them.
        num_rows: of Parquet, as its files say; of CSV a guess by its size.
    """

    path: Path
    parts: tuple[Path, ...]
    names: tuple[str, ...]
    num_rows: int

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield batches of at most :data:`BATCH_ROWS` rows with these columns, in this order.

        Raises:
            DataError: a file cannot be parsed.
        """
        with _readable(self.path):
            for part in self.parts:
                if part.suffix.lower() == ".csv":
                    yield from _read_csv(part, self.names, columns)
                else:
                    yield from _read_parquet(part, columns)


def open_batches(path: Path) -> TableBatches:
    """Return a table that is read in batches; its rows are not read yet.

    Raises:
        DataError: the file is missing, empty, of another kind or cannot be parsed, or has a
            column twice.
    """
    path = Path(path)
    if not path.exists():
        raise DataError("there is no such file", where=path, hint="Check the path")
    if not path.is_dir() and path.suffix.lower() not in TABLE_SUFFIXES:
        raise DataError(
            f"unknown kind of table {path.suffix!r}",
            where=path,
            hint="Tables are .csv or .parquet",
        )
    with _readable(path):
        if path.suffix.lower() == ".csv" and path.is_file():
            with path.open(encoding="utf-8-sig", newline="") as file:
                header = next(csv.reader(file), [])
            if not header:
                raise DataError("is empty", where=path, hint="The first line names the columns")
            _refuse_twice(header, path)
            num_rows = path.stat().st_size // _ROW_BYTES + 1
            return TableBatches(path=path, parts=(path,), names=tuple(header), num_rows=num_rows)
        parts = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        if not parts:
            raise DataError("holds no .parquet parts", where=path)
        names: dict[str, None] = {}
        num_rows = 0
        for part in parts:
            with pq.ParquetFile(part) as file:
                _refuse_twice(file.schema_arrow.names, part)
                names.update(dict.fromkeys(file.schema_arrow.names))
                num_rows += file.metadata.num_rows
        return TableBatches(path=path, parts=tuple(parts), names=tuple(names), num_rows=num_rows)


def word_codes(column: pa.Array) -> tuple[NDArray[np.int64], pd.Series[Any]]:
    """Return the words of a column, each once or a few times, and each row's position among them.

    Args:
        column: cells of any type.

    Returns:
        Positions of shape (row,), and words as :func:`debias.data.tables.as_text` writes them;
        the last one is missing.
    """
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    words = column.dictionary.to_pylist()
    codes = column.indices.cast(pa.int64()).fill_null(len(words))
    return codes.to_numpy(zero_copy_only=False), as_text(pd.Series([*words, None], dtype=object))


def text(column: pa.Array) -> pa.Array:
    """Return a column as text, as :func:`debias.data.tables.as_text` does; missing is null."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        words = as_text(pd.Series(column.to_pylist(), dtype=object))
        return pa.array([None if pd.isna(word) else word for word in words], type=pa.string())
    blank = pc.equal(pc.utf8_trim_whitespace(column), "")
    if pc.any(blank).as_py():
        return pc.if_else(blank, pa.scalar(None, column.type), column)
    return column


def numbers(column: pa.Array) -> NDArray[np.float64]:
    """Return a column as numbers; NaN for a cell that is none."""
    try:
        values = column.cast(pa.float64()).fill_null(np.nan)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        cells = pd.Series(column.to_pylist(), dtype=object)
        return pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    found: NDArray[np.float64] = values.to_numpy(zero_copy_only=False)
    return found


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeError, csv.Error, pa.ArrowException) as problem:
        kind = "CSV" if path.suffix.lower() == ".csv" else "Parquet"
        reason = " ".join(str(problem).split())[:200].rstrip(".")
        raise DataError(
            f"cannot be read as {kind}: {reason}",
            where=path,
            hint="Is it complete, and what its suffix says?",
        ) from problem


def _refuse_twice(header: Sequence[str], path: Path) -> None:
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise DataError(f"has the column {twice[0]!r} more than once", where=path)


def _read_csv(
    path: Path, header: Sequence[str], columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    reader = pa_csv.open_csv(
        path,
        read_options=pa_csv.ReadOptions(block_size=_BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()),
            include_columns=list(columns),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    for batch in reader:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield batch.slice(start, BATCH_ROWS)


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the batches of one part; a column that only other parts have is missing throughout."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        present = [name for name in columns if name in file.schema_arrow.names]
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=present):
            arrays = [
                batch.column(name) if name in present else pa.nulls(batch.num_rows)
                for name in columns
            ]
            yield pa.RecordBatch.from_arrays(arrays, names=list(columns))
