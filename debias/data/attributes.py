"""Sensitive attributes by image id, each with its provenance.

They are kept away from the manifest on purpose: what trains a model never sees them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from debias.data.tables import TEXT, as_text, read_table, require_columns, write_table
from debias.errors import DataError, UsageError, nearest
from debias.rundir import read_json, write_json

PROVENANCES = ("self-reported", "annotated", "proxy", "estimated", "constructed", "unknown")
"""Who says so: the person; somebody who looked; another quantity that stands for it; a program that
guessed; the program that drew the picture, which knows; or nobody can tell."""
NOTHING_STATED: Mapping[str, str] = MappingProxyType({})
NUM_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attributes:
    """What is known of the people shown.

    Args:
        table: a column of text for each attribute; missing = unknown. Its index, called
            ``image_id``, is unique.
        provenance: for each attribute, one of :data:`PROVENANCES`.
    """

    table: pd.DataFrame
    provenance: Mapping[str, str]


def read_attributes(
    path: Path,
    *,
    columns: Sequence[str],
    provenance: Mapping[str, str] = NOTHING_STATED,
    id_column: str = "image_id",
) -> Attributes:
    """Return attributes from a CSV or Parquet file.

    Cells are trimmed, and empty ones are unknown. Rows that repeat an id are merged where they do
    not contradict each other.

    Where labels come from may stand beside the file: for ``people.csv`` in
    ``people.provenance.json``, an object such as ``{"race": "annotated"}`` by the names of the
    file's columns, as :func:`write_attributes` leaves it. It counts where ``provenance`` says
    nothing; what neither states is ``unknown``.

    Args:
        path: the file.
        columns: the attributes; ``skin_tone=race`` reads the file's ``race`` as ``skin_tone``.
        provenance: one of :data:`PROVENANCES` by the attribute's (new) name; it overrides the
            file beside.
        id_column: the file's column of image ids.

    Raises:
        UsageError: the attributes or their provenance are not named as they must be.
        DataError: a column is absent, an id is empty, rows of one id contradict each other, or
            the file beside is no such object.
    """
    path = Path(path)
    names = attribute_columns(columns)
    sources = attribute_provenance(path, names=names, provenance=provenance)
    full = read_table(path)
    require_columns(full.columns, [id_column, *names.values()], where=path)
    ids = as_text(full[id_column])
    num_empty = int(ids.isna().sum())
    if num_empty:
        raise DataError(f"{num_empty} rows have an empty {id_column}", where=path)
    table = pd.DataFrame({name: _trimmed(full[old]) for name, old in names.items()})
    table.index = pd.Index(ids, name="image_id")
    return Attributes(table=_merged(table, path), provenance=sources)


def attribute_provenance(
    path: Path, *, names: Mapping[str, str], provenance: Mapping[str, str] = NOTHING_STATED
) -> dict[str, str]:
    """Return where the labels of each attribute come from; see :func:`read_attributes`.

    Args:
        path: the file of attributes.
        names: its column by the attribute's name.
        provenance: what is known besides.

    Raises:
        UsageError: provenance is unknown, or of what is no attribute.
        DataError: the file beside is no such object.
    """
    for name, source in provenance.items():
        if name not in names:
            raise UsageError(f"provenance of {name!r}, no attribute", hint=nearest(name, names))
        _check_provenance(name, source)
    stored = _read_provenance(_beside(path))
    return {name: provenance.get(name, stored.get(old, "unknown")) for name, old in names.items()}


def write_attributes(attributes: Attributes, path: Path) -> None:
    """Write attributes to a CSV or Parquet file, and their provenance to a JSON file beside it.

    Args:
        attributes: what to write; ids become the column ``image_id``.
        path: the file; ``attributes.csv`` has its provenance in ``attributes.provenance.json``.

    Raises:
        DataError: the suffix is not that of a table.
        OutputError: a file cannot be written.
    """
    path = Path(path)
    # Provenance first: attributes without it would pass for unknown ones.
    write_json(_beside(path), dict(attributes.provenance))
    write_table(attributes.table.reset_index(), path)


def parse_provenance(text: str) -> dict[str, str]:
    """Return where the labels of each attribute come from, as written in ``text``.

    ``skin_tone=proxy,gender=annotated`` gives ``{"skin_tone": "proxy", "gender": "annotated"}``.

    Args:
        text: what was written: pairs of an attribute and one of :data:`PROVENANCES`.

    Raises:
        UsageError: a pair is not of this form, an attribute comes twice, or a word is unknown.
    """
    found: dict[str, str] = {}
    for pair in text.split(","):
        name, _, source = (part.strip() for part in pair.partition("="))
        if not name or not source:
            raise UsageError(
                f"cannot read the provenance {pair.strip()!r}",
                hint=f"Write name=word; the words are {', '.join(PROVENANCES)}",
            )
        if name in found:
            raise UsageError(f"the provenance of {name!r} is given twice")
        _check_provenance(name, source)
        found[name] = source
    return found


def attribute_columns(columns: Sequence[str]) -> dict[str, str]:
    """Return the file's column by the attribute's name.

    Args:
        columns: the attributes; ``skin_tone=race`` calls the file's ``race`` skin_tone.

    Raises:
        UsageError: none is named, one is named twice, or one cannot be read.
    """
    names: dict[str, str] = {}
    for text in columns:
        name, _, old = (part.strip() for part in text.partition("="))
        if not name or ("=" in text and not old):
            raise UsageError(f"cannot read the attribute {text!r}", hint="Write name=column")
        if name in names or name == "image_id":
            raise UsageError(f"the attribute {name!r} is named twice or taken")
        names[name] = old or name
    if not names:
        raise UsageError("no attribute is named", hint="Name at least one column")
    return names


def _check_provenance(name: str, source: object) -> None:
    if source not in PROVENANCES:
        raise UsageError(
            f"unknown provenance {source!r} of {name!r}", hint=nearest(str(source), PROVENANCES)
        )


def _beside(path: Path) -> Path:
    return path.with_suffix(".provenance.json")


def _read_provenance(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    stored: object = read_json(path)
    if not isinstance(stored, dict) or not all(s in PROVENANCES for s in stored.values()):
        raise DataError(
            "does not give a provenance for each attribute",
            where=path,
            hint="Known: " + ", ".join(PROVENANCES),
        )
    return {str(name): str(source) for name, source in stored.items()}


def _trimmed(column: pd.Series[Any]) -> pd.Series[Any]:
    return as_text(column).str.strip()


def _merged(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return one row an id, in order of first appearance; unknown contradicts nothing."""
    if table.index.is_unique:
        return table
    by_id = table.groupby(level=0, sort=False)
    num_values = by_id.nunique()
    torn = num_values.to_numpy() > 1
    if torn.any():
        places = np.argwhere(torn)
        shown = ", ".join(
            f"{table.columns[column]} of {num_values.index[row]!r} "
            f"({' and '.join(map(repr, _values(table, num_values.index[row], column)))})"
            for row, column in places[:NUM_SHOWN]
        )
        more = ", ..." if len(places) > NUM_SHOWN else ""
        raise DataError(
            f"{len(places)} attributes have rows that contradict each other: {shown}{more}",
            where=path,
            hint="Keep one row an image",
        )
    return by_id.first().astype(TEXT)


def _values(table: pd.DataFrame, image_id: object, column: int) -> list[str]:
    cells = table[table.index == image_id].iloc[:, column]
    return [str(cell) for cell in cells.dropna().unique()]
