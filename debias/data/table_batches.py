"""A table read in batches, with the same words as :mod:`debias.data.tables` reads whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

from debias.data.table_files import TableFiles, open_table, readable
from debias.data.tables import as_text

BATCH_ROWS = 1 << 18
_BLOCK_BYTES = 1 << 24  # of a CSV file, read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBatches:
    """A table on disk that is read in batches.

    Attributes:
        files: where its rows lie.
        num_rows: of Parquet, as its files say; of CSV the lines below the header, which is more
            where a cell holds a line break.
    """

    files: TableFiles
    num_rows: int

    @property
    def path(self) -> Path:
        """What was named: a CSV file, a Parquet file, or a folder of Parquet parts."""
        return self.files.path

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return self.files.names

    def read(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield batches of at most :data:`BATCH_ROWS` rows with these columns, in this order.

        A column of Parquet is of the type that it has in each part.

        Raises:
            DataError: a file cannot be parsed.
        """
        for part in self.files.parts:
            with readable(part):
                if self.files.is_csv:
                    yield from _read_csv(part, self.names, columns)
                else:
                    yield from _read_parquet(part, columns)


def open_batches(path: Path) -> TableBatches:
    """Return a table that is read in batches; its rows are not read yet, but lines are counted.

    Raises:
        DataError: see :func:`debias.data.table_files.open_table`.
    """
    files = open_table(path)
    num_rows = _num_lines(files.path) - 1 if files.num_rows is None else files.num_rows
    return TableBatches(files=files, num_rows=num_rows)


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


def _num_lines(path: Path) -> int:
    """Return how many lines a file has, ended by line feeds or, as once on a Mac, by returns."""
    feeds = returns = 0
    last = b""
    with readable(path), path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            feeds += block.count(b"\n")
            returns += block.count(b"\r")
            last = block[-1:]
    return max(feeds, returns) + (last not in b"\r\n")


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
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns)):
            yield batch.select(list(columns))
