"""The text files that come with published sets: any line ending, any padding, few promises."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from debias.data.tables import TEXT
from debias.errors import DataError, nearest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextTable:
    """Rows of a text file.

    Args:
        table: columns of text, cells trimmed, missing = empty.
        odd: the first cell of each line that has another number of cells than the others, and is
            left out.
    """

    table: pd.DataFrame
    odd: tuple[str, ...]

    def column(self, name: str, *, where: Path) -> pd.Series[str]:
        """Return a column.

        Args:
            name: of the column.
            where: the file, for the message.

        Raises:
            DataError: there is none of that name.
        """
        if name not in self.table.columns:
            names = map(str, self.table.columns)
            raise DataError(f"has no column {name!r}", where=where, hint=nearest(name, names))
        found: pd.Series[str] = self.table[name]
        return found


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file, trimmed, without the empty ones.

    Lines end in LF, CRLF or CR. A byte order mark is passed over; bytes that are not UTF-8 are
    read as Latin-1.

    Raises:
        DataError: it cannot be read, or is not plain text.
    """
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise DataError(f"cannot be read: {problem.strerror}", where=path) from None
    if b"\0" in data:
        raise DataError("is not plain text", where=path, hint="Save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line.strip() for line in lines if line.strip()]


def read_rows(path: Path, *, names: Sequence[str] = ()) -> TextTable:
    """Return the rows of a file of columns.

    A ``.csv`` file has commas between its cells, any other file blanks. A first line that is a
    lone number counts the rows, and is passed over.

    Args:
        path: the file.
        names: what the columns are called; a ``.csv`` file has a header nevertheless. When empty
            the first line names them; where it has one name less than the lines have cells, the
            first cell is called ``file``.

    Raises:
        DataError: see :func:`read_lines`; or there are no rows.
    """
    lines = read_lines(path)
    if lines and lines[0].isdigit():
        lines = lines[1:]
    is_csv = path.suffix.lower() == ".csv"
    rows = _split(lines, path) if is_csv else [line.split() for line in lines]
    if is_csv or not names:
        head, rows = (rows[0] if rows else []), rows[1:]
    if not rows:
        raise DataError("holds no rows", where=path, hint="Is it complete?")
    if not names:
        unnamed = ["file"] if len(head) == len(rows[0]) - 1 else []
        names = [*unnamed, *(name.strip() for name in head)]
    good = [row for row in rows if len(row) == len(names)]
    table = pd.DataFrame(good, columns=list(names), dtype=TEXT)
    if is_csv:  # elsewhere no cell has a blank around it, or is empty
        table = table.apply(lambda cells: cells.str.strip())
        table = table.mask(table == "")
    return TextTable(table=table, odd=tuple(row[0] for row in rows if len(row) != len(names)))


def _split(lines: list[str], path: Path) -> list[list[str]]:
    try:
        return list(csv.reader(lines))
    except csv.Error as problem:
        raise DataError(f"cannot be read as CSV: {problem}", where=path) from None
