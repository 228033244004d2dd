"""The files that a table lies in, looked at before a row is read: CSV, or Parquet in parts."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from debias.errors import DataError

TABLE_SUFFIXES = (".csv", ".parquet")

_SAVE_AS_UTF8 = 'Save it as UTF-8 (in Excel: "CSV UTF-8")'
_NOT_TEXT = {
    b"\xff\xfe": ("is UTF-16 text", _SAVE_AS_UTF8),
    b"\xfe\xff": ("is UTF-16 text", _SAVE_AS_UTF8),
    b"PK\x03\x04": ("is a workbook or a zip archive, not CSV", 'Save it as "CSV UTF-8"'),
    b"\x1f\x8b": ("is compressed, not CSV", "Unpack it first"),
    b"PAR1": ("is Parquet, not CSV", "Call it .parquet"),
}
"""By the first bytes of a file that is no CSV, what it is and what to do."""
_SEPARATORS = {";": "semicolon", "\t": "tab", "|": "bar"}
_START_BYTES = 1 << 12
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls an index without a name; the rows' numbers, as a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFiles:
    """Where the rows of a table lie.

    Attributes:
        path: what was named: a CSV file, a Parquet file, or a folder of Parquet parts.
        parts: the files, in the order of their rows.
        is_csv: whether it is CSV; else Parquet.
        names: the columns, without an index that has no name.
        types: of Parquet, the type of each column that holds what all parts have; of CSV none,
            since every cell is text.
        num_rows: of Parquet, as its files say; of CSV None.
    """

    path: Path
    parts: tuple[Path, ...]
    is_csv: bool
    names: tuple[str, ...]
    types: tuple[pa.DataType, ...]
    num_rows: int | None


def open_table(path: Path) -> TableFiles:
    """Return where the rows of a table lie; they are not read yet.

    Parts must have the same columns, in any order, with types that one type can hold without
    loss. Hidden files are no parts.

    Args:
        path: a CSV file, a Parquet file, or a folder of Parquet parts, in the order of their
            paths.

    Raises:
        DataError: the file is missing, empty, of another kind or cannot be parsed, has a column
            twice, or parts do not fit together.
    """
    path = Path(path)
    if not path.exists():
        raise DataError("there is no such file", where=path, hint="Check the path")
    if path.is_dir() or table_suffix(path) == ".parquet":
        return _parquet_files(path)
    names = _csv_header(path)
    return TableFiles(path=path, parts=(path,), is_csv=True, names=names, types=(), num_rows=None)


def table_suffix(path: Path) -> str:
    """Return the suffix of a table in small letters.

    Raises:
        DataError: it is another than :data:`TABLE_SUFFIXES`.
    """
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise DataError(
            f"unknown kind of table {path.suffix!r}",
            where=path,
            hint="Tables are .csv or .parquet",
        )
    return suffix


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file is read into a DataError that names it."""
    try:
        yield
    except DataError:
        raise
    except (OSError, UnicodeError, csv.Error, pa.ArrowException) as problem:
        kind = "CSV" if path.suffix.lower() == ".csv" else "Parquet"
        reason = " ".join(str(problem).split())[:200].rstrip(".")
        if isinstance(problem, UnicodeError) or "invalid UTF8" in reason:
            raise DataError("is not UTF-8 text", where=path, hint=_SAVE_AS_UTF8) from problem
        raise DataError(
            f"cannot be read as {kind}: {reason}",
            where=path,
            hint="Is it complete, and what its suffix says?",
        ) from problem


def _csv_header(path: Path) -> tuple[str, ...]:
    """Return the columns of a CSV file, and refuse what only bears its suffix."""
    with readable(path):
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
        for magic, (what, hint) in _NOT_TEXT.items():
            if start.startswith(magic):
                raise DataError(what, where=path, hint=hint)
        if b"\0" in start.partition(b"\n")[0]:  # every other byte of UTF-16
            raise DataError("is not UTF-8 text", where=path, hint=_SAVE_AS_UTF8)
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    if not header:
        raise DataError("is empty", where=path, hint="The first line names the columns")
    for separator, word in _SEPARATORS.items():
        if len(header) == 1 and separator in header[0]:
            raise DataError(
                f"looks {word}-separated",
                where=path,
                hint="Save it with commas between cells, and points in decimal numbers",
            )
    _refuse_twice(header, path)
    return tuple(header)


def _parquet_files(path: Path) -> TableFiles:
    parts = _parts_below(path) if path.is_dir() else [path]
    schemas, num_rows = [], 0
    for part in parts:
        with readable(part), pq.ParquetFile(part) as file:
            schema = file.schema_arrow
            num_rows += file.metadata.num_rows
        _refuse_twice(schema.names, part)
        schemas.append(pa.schema(f for f in schema if not _UNNAMED_INDEX.fullmatch(f.name)))
    for part, schema in zip(parts, schemas, strict=True):
        _refuse_other_columns(parts[0], schemas[0], part, schema)
    types = tuple(
        _common_type(name, [schema.field(name).type for schema in schemas], parts)
        for name in schemas[0].names
    )
    return TableFiles(
        path=path,
        parts=tuple(parts),
        is_csv=False,
        names=tuple(schemas[0].names),
        types=types,
        num_rows=num_rows,
    )


def _parts_below(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.parquet"))
    parts = [part for part in found if not part.name.startswith(".") and part.is_file()]
    if not parts:
        tables = sorted(path.name for path in folder.glob("*.csv"))
        raise DataError(
            "is a folder that holds no .parquet parts",
            where=folder,
            hint=f"Name a file, such as {folder / tables[0]}"
            if tables
            else "Name a .csv or .parquet file",
        )
    return parts


def _refuse_twice(header: Sequence[str], path: Path) -> None:
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise DataError(f"has the column {twice[0]!r} more than once", where=path)


def _refuse_other_columns(first: Path, known: pa.Schema, part: Path, schema: pa.Schema) -> None:
    """Refuse a part whose columns are not those of the first, naming what differs."""
    lacking = [name for name in known.names if name not in schema.names]
    added = [name for name in schema.names if name not in known.names]
    if lacking or added:
        facts = [
            f"{word} {', '.join(map(repr, names))}"
            for word, names in (("lacks the columns", lacking), ("has also", added))
            if names
        ]
        raise DataError(
            f"{' and '.join(facts)}, unlike {first}",
            where=part,
            hint="Parts of one table have the same columns",
        )


def _common_type(name: str, types: Sequence[pa.DataType], parts: Sequence[Path]) -> pa.DataType:
    """Return the type that holds a column of all parts, or refuse two that none holds."""
    first_of: dict[pa.DataType, Path] = {}
    for part, kind in zip(parts, types, strict=True):
        if kind in first_of:
            continue
        for known, first in first_of.items():
            try:
                _holding_both(known, kind)
            except pa.ArrowException:
                raise DataError(
                    f"the column {name!r} is of type {kind}, but of {known} in {first}",
                    where=part,
                    hint="Write all parts with the same types",
                ) from None
        first_of[kind] = part
    return reduce(_holding_both, first_of)


def _holding_both(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type that holds the values of both, such as int64 for int8 and int64.

    Raises:
        pa.ArrowException: there is none.
    """
    if one.equals(other):
        return one
    plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in (one, other)]
    schemas = [pa.schema([("column", kind)]) for kind in plain]
    found = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    if any(map(_is_text, plain)) and not _is_text(found):  # with bytes, it would be bytes
        raise pa.ArrowInvalid("no type holds both")
    return found


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
