"""The columns of a table of predictions: their names, here and in a file that has its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from debias.data.manifest import Condition
from debias.errors import DataError, UsageError, nearest

PREDICTION_COLUMNS = (
    "image_id",
    "y_true",
    "y_score",
    "y_pred",
    "identity_id",
    "picture",
    "sample_weight",
    "seed",
    "split",
)
"""The columns that mean something in a table of predictions."""

MAX_LISTED = 12
"""Columns that a message lists."""
ALIKE = 0.8
"""How similar, by difflib's ratio, the name of an unused column is to one that is missing."""


def parse_columns(texts: Sequence[str], *, option: str = "--column") -> dict[str, str]:
    """Return what columns are called in a file, as written in ``texts``.

    ``y_score=confidence`` gives ``{"y_score": "confidence"}``: the file's ``confidence`` is read
    as ``y_score``.

    Args:
        texts: what was written: pairs of one of :data:`PREDICTION_COLUMNS` and the file's name.
        option: where it was written, for messages.

    Raises:
        UsageError: a text is not of this form, a column comes twice, or it means nothing here.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, _, old = (part.strip() for part in text.partition("="))
        if not name or not old:
            raise UsageError(
                f"cannot read the column {text!r}",
                where=option,
                hint="Write name=column: y_score=confidence",
            )
        if name in found:
            raise UsageError(f"the column {name!r} is given twice", where=option)
        found[name] = old
    check_columns(found)
    return found


def check_columns(columns: Mapping[str, str]) -> None:
    """See that what is called otherwise in a file is a column of predictions.

    Args:
        columns: by the names that are known here, those of the file.

    Raises:
        UsageError: naming the known column that is nearest.
    """
    for name in columns:
        if name not in PREDICTION_COLUMNS:
            raise UsageError(
                f"{name!r} is no column of predictions", hint=nearest(name, PREDICTION_COLUMNS)
            )


def require_prediction_columns(
    found: Sequence[str], columns: Mapping[str, str], *, where: object, option: str = "--column"
) -> None:
    """Refuse a table that lacks a column of predictions it must have, or one that is renamed.

    Args:
        found: the table's columns.
        columns: what columns are called in the file, where that is another name.
        where: the file, for the message.
        option: what names columns of this file, for the message.

    Raises:
        DataError: a column is absent, naming the nearest that the file has.
    """
    names = {name: columns.get(name, name) for name in PREDICTION_COLUMNS}
    needed = ["image_id", "y_true", *columns]
    if not {names["y_score"], names["y_pred"]} & set(found):
        needed.append("y_score")
    missing = [name for name in dict.fromkeys(needed) if names[name] not in found]
    if not missing:
        return
    alike = {name: lookalikes(found, [names[name]]) for name in missing}
    meant = [f"{name}={alike[name][0][0] if alike[name] else 'COLUMN'}" for name in missing]
    ways = " ".join(f"{option} '{each}'" for each in meant)
    advice = f"Say which is meant: {ways}"
    if any(each != each.strip() for each in found):
        advice = "Take the blanks out of the names in its first line"
    shown = ", ".join(found[:MAX_LISTED]) + (", ..." if len(found) > MAX_LISTED else "")
    raise DataError(
        f"has no column {' or '.join(repr(names[name]) for name in missing)}",
        where=where,
        hint=f"It has {shown}. {advice}",
    )


def columns_of_other(
    columns: Mapping[str, str], given: Mapping[str, str], *, found: Sequence[str]
) -> dict[str, str]:
    """Return what columns are called in the file of a second model.

    They have the names that they have in the first file, as far as the second has those.

    Args:
        columns: what columns are called in the first file.
        given: what is known of the second, which goes first.
        found: the columns of the second file.
    """
    same = {name: old for name, old in columns.items() if old in found}
    return {**same, **given}


def conditions_of_other(
    where: Sequence[Condition],
    columns: Mapping[str, str],
    other: Mapping[str, str],
    *,
    found: Sequence[str],
) -> tuple[Condition, ...]:
    """Return the conditions on a first file's rows, as far as a second file can be asked them.

    Rows of the two are compared where both have the image, so that what is asked of the first
    holds for all.

    Args:
        where: the conditions, on the columns as the first file calls them.
        columns: what columns of predictions are called there.
        other: what they are called in the second file.
        found: the columns of the second file.
    """
    meant = {columns.get(name, name): other.get(name, name) for name in PREDICTION_COLUMNS}
    asked = [replace(each, column=meant.get(each.column, each.column)) for each in where]
    return tuple(each for each in asked if each.column in found)


def lookalikes(unused: Iterable[str], missing: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the columns that may be misspelt ones, each with the name that is meant.

    Args:
        unused: columns of a file that mean nothing here.
        missing: columns that would mean something and are not in the file.
    """
    names = sorted(missing)
    found = [
        (column, get_close_matches(column.strip().lower(), names, n=1, cutoff=ALIKE))
        for column in sorted(map(str, unused))
    ]
    return tuple((column, close[0]) for column, close in found if close)
