"""What a report reads: its files, the decisions that came with them, and a second model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from debias.data.attributes import attribute_columns
from debias.data.manifest import Condition
from debias.data.prediction_columns import columns_of_other, conditions_of_other
from debias.data.predictions import (
    Decisions,
    Predictions,
    given_decisions,
    read_decisions,
    read_predictions,
)
from debias.data.table_files import open_table
from debias.errors import DataError, nearest
from debias.rundir import RunDir


def require_files(*paths: Path | None) -> None:
    """See that every file is there, before any of them is read.

    Args:
        *paths: files or folders; None is passed over.

    Raises:
        DataError: one is not there.
    """
    for path in paths:
        if path is not None and not path.exists():
            raise DataError("there is no such file", where=path, hint="Check the path")


def require_groups(predictions: Path, attributes: Path | None, groups: Sequence[str]) -> None:
    """See that the file of attributes has the columns to group by, before any row is read.

    Args:
        predictions: the file that has them where there is none of attributes.
        attributes: that file, or None.
        groups: the attributes; see :func:`debias.data.attributes.attribute_columns`.

    Raises:
        UsageError: they cannot be read.
        DataError: a column is not there.
    """
    if not groups:
        return
    source = attributes or predictions
    found = open_table(source).names
    for column in attribute_columns(groups).values():
        if column not in found:
            advice = nearest(column, found)
            elsewhere = " If another file has it, name that with --attributes"
            end = "" if advice.endswith("?") else "."
            raise DataError(
                f"has no column {column!r}",
                where=source,
                hint=advice if attributes else f"{advice}{end}{elsewhere}",
            )


def attributes_id_column(attributes: Path | None, columns: Mapping[str, str]) -> str:
    """Return what the file of attributes calls ``image_id``.

    Args:
        attributes: the file; None for the predictions themselves.
        columns: what columns are called in the predictions. Their name of ``image_id`` holds for
            another file, too, if that has such a column and no ``image_id``.
    """
    theirs = columns.get("image_id", "image_id")
    if attributes is None:
        return theirs
    found = open_table(attributes).names
    return theirs if theirs in found and "image_id" not in found else "image_id"


def decisions_with(table: Predictions, path: Path, threshold: float | None) -> Decisions | None:
    """Return the decisions of a threshold, of the one beside the file, or those in it.

    Args:
        table: the rows.
        path: their file.
        threshold: in use, in place of a stored one.
    """
    if threshold is not None:
        return given_decisions(table, threshold=threshold)
    return read_decisions(table, path=RunDir(path=path.parent).operating_point)


def read_compared(
    compare: Path,
    predictions: Path,
    *,
    where: Sequence[Condition],
    columns: Mapping[str, str],
    compare_columns: Mapping[str, str],
) -> tuple[Predictions, Decisions | None]:
    """Return a second model's predictions, and its decisions if any came with them.

    Both models may be columns of one file; decisions that both would have are then of the first.

    Args:
        compare: the second model's file.
        predictions: that of the first.
        where: which rows of the first file to judge; of these only, images of the second count.
        columns: what columns of predictions are called in the first file.
        compare_columns: what they are called in the second, where that is yet another name.
    """
    found = open_table(compare).names
    names = columns_of_other(columns, compare_columns, found=found)
    table = read_predictions(
        compare,
        where=conditions_of_other(where, columns, names, found=found),
        columns=names,
        option="--compare-column",
    )
    if compare.resolve() == predictions.resolve():
        same = {name: names.get(name) == columns.get(name) for name in ("y_score", "y_pred")}
        is_of_first = same["y_pred"] and not same["y_score"]
        return table, None if is_of_first else given_decisions(table)
    if compare.parent.resolve() == predictions.parent.resolve():
        return table, given_decisions(table)  # the threshold there is of the first table
    return table, decisions_with(table, compare, None)
