"""The columns of a table of predictions: their names, here and in a file that has its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from debias.errors import UsageError, nearest

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

ALIKE = 0.8
"""How similar, by difflib's ratio, the name of an unused column is to one that is missing."""


def parse_columns(texts: Sequence[str]) -> dict[str, str]:
    """Return what columns are called in a file, as written in ``texts``.

    ``y_score=confidence`` gives ``{"y_score": "confidence"}``: the file's ``confidence`` is read
    as ``y_score``.

    Args:
        texts: what was written: pairs of one of :data:`PREDICTION_COLUMNS` and the file's name.

    Raises:
        UsageError: a text is not of this form, a column comes twice, or it means nothing here.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, _, old = (part.strip() for part in text.partition("="))
        if not name or not old:
            raise UsageError(
                f"cannot read the column {text!r}", hint="Write name=column: y_score=confidence"
            )
        if name in found:
            raise UsageError(f"the column {name!r} is given twice")
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
