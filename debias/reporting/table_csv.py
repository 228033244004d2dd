"""The tables of a report as CSV that a spreadsheet shows and does not run.

Spreadsheets run a cell that begins like a formula. So an apostrophe is written before ``=``, ``+``,
``-`` and ``@`` wherever a cell of text may begin: at its start, and after what some settings take
for a separator. Numbers are as they are. :func:`read_table_csv` takes the apostrophes away again,
and so can any program: none is ever ambiguous, since one that was there before has got another.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pandas as pd

from debias.reporting.table_columns import Kind, kind_of

_START = r"((?:\A|[;,|\t\r\n])\s*)"
_DANGEROUS = "(['=+\\-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}"
_DANGEROUS += "\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}])"
_BARE, _GUARDED = re.compile(_START + _DANGEROUS), re.compile(_START + "'" + _DANGEROUS)


def table_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV that a spreadsheet shows and does not run.

    Text is in quotes, numbers are in full, and what is missing is empty.

    Args:
        table: one of :func:`debias.reporting.tables.report_tables`.
    """
    columns = {
        _guarded(name): _map_text(table[name], _guarded) if kind_of(name) == "text" else table[name]
        for name in _names(table)
    }
    return pd.DataFrame(columns).to_csv(
        index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
    )


def read_table_csv(text: str) -> pd.DataFrame:
    """Return the table that :func:`table_csv` wrote, with its text as it was before.

    Args:
        text: the content of the file, its line ends untouched.
    """
    cells = pd.read_csv(io.StringIO(text, newline=""), dtype=object, keep_default_na=False)
    columns = {}
    for guarded in _names(cells):
        name, values = _unguarded(guarded), cells[guarded]
        values = _map_text(values, _unguarded) if kind_of(name) == "text" else values
        columns[name] = typed(values, kind_of(name))
    return pd.DataFrame(columns)


def typed(values: pd.Series, kind: Kind) -> pd.Series:
    """Return a column in its type; None and empty cells are missing."""
    missing = values.isna() | (values == "")
    if kind == "text":
        return values.astype(object).mask(missing, None)
    numbers = values.mask(missing, float("nan")).astype("float64")
    return numbers if kind == "number" else numbers.astype("Int64")


def _names(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table.columns]


def _map_text(values: pd.Series, change: Callable[[str], str]) -> pd.Series:
    cells = [None if cell is None else change(str(cell)) for cell in values]
    return pd.Series(cells, dtype=object)


def _guarded(text: str) -> str:
    return _BARE.sub(r"\1'\2", text)


def _unguarded(text: str) -> str:
    return _GUARDED.sub(r"\1\2", text)
