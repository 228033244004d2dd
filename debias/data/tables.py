"""Tables on disk: CSV or Parquet by suffix, words kept as words, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from debias.data.table_files import TableFiles, open_table, readable, table_suffix
from debias.errors import DataError, nearest
from debias.rundir import atomic_path

TEXT = pd.StringDtype(na_value=np.nan)


def read_table(path: Path, *, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the rows of a CSV file, a Parquet file, or a folder of Parquet parts.

    Every column of a CSV file comes back as strings, so that the id ``001`` stays ``001``. Only
    an empty cell is missing: ``NA`` and ``None`` are words like any other. Parquet keeps the types
    it was written with.

    Args:
        path: the file; its suffix (.csv or .parquet) says what it is. A folder is read as Parquet
            parts, in the order of their paths.
        columns: the columns to read, in this order; all of them when None.

    Returns:
        A table with a fresh RangeIndex and at least one row.

    Raises:
        DataError: the file is missing, empty, of another kind or cannot be parsed; a column is
            absent or there twice; or parts differ in their columns, or in types that no type
            holds without loss.
    """
    files = open_table(path)
    wanted = files.names if columns is None else tuple(columns)
    require_columns(files.names, wanted, where=path)
    table = (_read_csv if files.is_csv else _read_parquet)(files, wanted)
    if len(table) == 0:
        raise DataError("holds no rows", where=path)
    return table.reset_index(drop=True)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write ``table`` to a CSV or Parquet file, without its index.

    The file appears whole or not at all; its folder is made if need be.

    Args:
        table: the rows; missing values become empty cells in CSV.
        path: the file; its suffix (.csv or .parquet) says what it becomes.

    Raises:
        DataError: the suffix is another one.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    if table_suffix(path) == ".csv":
        write_csv([table], path)
    else:
        with atomic_path(path) as temporary:
            pq.write_table(pa.Table.from_pandas(table, preserve_index=False), temporary)


def write_csv(parts: Iterable[pd.DataFrame], path: Path) -> None:
    """Write tables of the same columns, one after the other, to one CSV file.

    Only one of them need be in memory at a time. Otherwise as :func:`write_table`.

    Args:
        parts: at least one; the first names the columns.
        path: the file.

    Raises:
        OutputError: the file cannot be written.
    """
    with (
        atomic_path(Path(path)) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        for number, part in enumerate(parts):
            part.to_csv(file, index=False, header=number == 0, lineterminator="\n")


def require_columns(found: Iterable[str], wanted: Iterable[str], *, where: object) -> None:
    """Refuse a table that lacks a wanted column, naming the nearest that it has.

    Args:
        found: the table's columns.
        wanted: the columns that must be among them.
        where: the file, for the message.

    Raises:
        DataError: a wanted column is absent.
    """
    present = list(found)
    for name in wanted:
        if name not in present:
            raise DataError(f"has no column {name!r}", where=where, hint=nearest(name, present))


def as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column's cells as the words a person would write for them.

    Missing stays missing, and so is a cell of nothing but blanks. A whole number is written
    without a point, so that an id column that was read as floats because one cell is missing
    still says ``12``; truth is ``true`` or ``false``.

    Args:
        column: cells of any type.
    """
    if isinstance(column.dtype, pd.StringDtype):
        text = column.astype(TEXT)
    else:
        words = [None if pd.isna(cell) else _word(cell) for cell in column.tolist()]
        text = pd.Series(words, index=column.index, name=column.name, dtype=TEXT)
    return text.mask(text.str.strip() == "")


def arrow_text(column: pd.Series[Any]) -> pa.LargeStringArray:
    """Return a column of text in Arrow's own form, as one piece."""
    text = pa.array(column, type=pa.large_string(), from_pandas=True)
    return text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text


def as_labels(words: pd.Series[Any]) -> pd.Series[Any]:
    """Return 1 and 0 for the words that mean them, as Int8; missing for any other word.

    The words are ``1``, ``1.0`` and ``true`` in small or capital letters, and likewise for 0.

    Args:
        words: cells as :func:`as_text` gives them.
    """
    meaning = {"0": 0, "0.0": 0, "false": 0, "1": 1, "1.0": 1, "true": 1}
    return words.str.strip().str.lower().map(meaning).astype("Int8")


def _word(cell: object) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _read_csv(files: TableFiles, columns: Sequence[str]) -> pd.DataFrame:
    """Read every cell as text; pyarrow refuses rows that are longer or shorter than the header."""
    with readable(files.path):
        table = pa_csv.read_csv(
            files.path,
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(files.names, pa.string()),
                include_columns=list(columns),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _read_parquet(files: TableFiles, columns: Sequence[str]) -> pd.DataFrame:
    """Read one file or all parts; an index that pandas stored becomes a column again."""
    types = dict(zip(files.names, files.types, strict=True))
    common = pa.schema([(name, types[name]) for name in columns])
    tables = []
    for part in files.parts:
        with readable(part):
            # partitioning=None: a folder called "a=b" is a folder, not a column.
            table = pq.read_table(part, columns=list(columns), partitioning=None)
            table = table.select(list(columns))
            # What pandas wrote of its own types holds for the types of that part alone.
            is_common = table.schema.equals(common)
            tables.append(table if is_common else table.cast(common))
    frame: pd.DataFrame = pa.concat_tables(tables, promote_options="default").to_pandas()
    if frame.index.names != [None]:
        frame = frame.reset_index()
    return frame[list(columns)]
