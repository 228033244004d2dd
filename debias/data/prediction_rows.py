"""Which rows of a table of predictions are in question.

A condition such as ``pose=front`` chooses among what has a pose. Non-faces that all groups share
have none; where no non-face has a value in the column of a condition, it says nothing of them, and
they stay. Where some have one, as where every row is somebody, it chooses among them too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.manifest import NAMING_COLUMNS, NO_RENAMING, Condition
from debias.data.tables import as_labels
from debias.errors import DataError, nearest

Cells = Callable[[str], tuple[NDArray[np.int64] | slice, "pd.Series[Any]"]]
"""Gives for a column some words, and where among them that of each row is."""
MAX_LISTED = 8
"""Values of a column that a message lists."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowMask:
    """Which of some rows are in question.

    Attributes:
        kept: whether each is, shape (row,).
        met: whether each meets every condition by its own cells, shape (row,).
        num_empty: for each condition, the non-faces whose empty cell does not meet it.
    """

    kept: NDArray[np.bool_]
    met: NDArray[np.bool_]
    num_empty: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChoice:
    """What rows must meet.

    Attributes:
        where: the conditions.
        words: the same in words that give no person's name.
        y_true: the column of labels.
        pooled: columns in which no non-face has a value; conditions on them leave non-faces be.
    """

    where: tuple[Condition, ...]
    words: str
    y_true: str
    pooled: frozenset[str] = frozenset()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are looked at."""
        names = [each.column for each in self.where]
        return tuple(dict.fromkeys([*names, self.y_true] if self._of_known() else names))

    def of(self, cells: Cells, num_rows: int) -> RowMask:
        """Return which of some rows are in question.

        Args:
            cells: the words of their columns.
            num_rows: how many there are.
        """
        kept, met = np.ones((2, num_rows), dtype=np.bool_)
        num_empty = np.zeros(len(self.where), dtype=np.int64)
        is_negative = _negatives(cells, self.y_true) if self._of_known() else None
        for position, condition in enumerate(self.where):
            codes, words = cells(condition.column)
            meets = _meets(condition, words)[codes]
            met &= meets
            if is_negative is not None and _asks_for_a_value(condition):
                is_empty = is_negative & words.isna().to_numpy(dtype=np.bool_)[codes]
                num_empty[position] = np.count_nonzero(is_empty)
                if condition.column in self.pooled:
                    meets = meets | is_empty
            kept &= meets
        return RowMask(kept=kept, met=met, num_empty=num_empty)

    def remarks(self, num_empty: Sequence[int] | NDArray[np.int64]) -> tuple[str, ...]:
        """Return what a reader must know of non-faces without a value, in sentences.

        Args:
            num_empty: for each condition, the non-faces of the file whose empty cell does not
                meet it.
        """
        found = []
        for condition, num in zip(self.where, num_empty, strict=True):
            name = condition.column
            if num and name in self.pooled:
                found.append(
                    f"No non-face has a value in the column {name!r}: the condition on it chose "
                    "among the faces alone, and non-faces were not filtered by it."
                )
            elif num:
                found.append(
                    f"{int(num):,} of the file's non-faces have no value in the column {name!r} "
                    "and were left out by the condition on it."
                )
        return tuple(dict.fromkeys(found))

    def refuse_none(self, values: Callable[[str], Iterable[str]], *, where: object) -> None:
        """Raise a DataError that no row is left, naming the values that a column has.

        Args:
            values: the words of a column, each at least once.
            where: the file, for the message.
        """
        hint = None
        for condition in self.where:
            known = sorted(set(values(condition.column)))
            words = pd.Series([*known, np.nan], dtype=object)
            if not _meets(condition, words).any():
                hint = _other_values(condition, known)
                break
        raise DataError(
            f"no row is left by {' and '.join(map(str, self.where))}", where=where, hint=hint
        )

    def _of_known(self) -> bool:
        return any(map(_asks_for_a_value, self.where))


def row_choice(
    where: Sequence[Condition],
    *,
    found: Sequence[str],
    columns: Mapping[str, str] = NO_RENAMING,
    path: object,
) -> RowChoice:
    """Return what rows must meet, before it is known which columns no non-face has a value in.

    Args:
        where: the conditions given.
        found: the columns of the file.
        columns: what columns of predictions are called in the file, where that is another name.
        path: the file, for the message.

    Raises:
        DataError: a condition's column is absent.
    """
    for condition in where:
        if condition.column not in found:
            raise DataError(
                f"has no column {condition.column!r} to choose rows by",
                where=path,
                hint=f"{nearest(condition.column, found).rstrip('.')} (--where goes by columns of "
                "the predictions)",
            )
    words = [condition.without_names(columns) for condition in where]
    return RowChoice(
        where=tuple(where),
        words=" and ".join(words) or "all",
        y_true=columns.get("y_true", "y_true"),
    )


def with_pooled(choice: RowChoice, tables: Iterator[Cells], *, split: str) -> RowChoice:
    """Return the same choice, told which columns no non-face has a value in.

    A split is never such a column: it says what images were used for, and not whom they show.

    Args:
        choice: see :func:`row_choice`.
        tables: the rows, a part at a time; no more are taken than it needs.
        split: the column of splits.
    """
    open_names = {each.column for each in choice.where if _asks_for_a_value(each)} - {split}
    while open_names and (cells := next(tables, None)) is not None:
        is_negative = _negatives(cells, choice.y_true)
        for name in sorted(open_names):
            codes, words = cells(name)
            if (is_negative & words.notna().to_numpy(dtype=np.bool_)[codes]).any():
                open_names.discard(name)
    return replace(choice, pooled=frozenset(open_names))


def of_test_split(choice: RowChoice, *, split: str) -> RowChoice:
    """Return a choice of those rows that are of the test split besides."""
    test = Condition(column=split, values=("test",))
    words = str(test) if choice.words == "all" else f"{choice.words} and {test}"
    return replace(choice, where=(*choice.where, test), words=words)


def _meets(condition: Condition, words: pd.Series[Any]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = words.fillna("").isin(condition.values).to_numpy(dtype=np.bool_)
    return ~inside if condition.negated else inside


def _asks_for_a_value(condition: Condition) -> bool:
    """Tell whether an empty cell does not meet a condition."""
    return ("" in condition.values) == condition.negated


def _negatives(cells: Cells, y_true: str) -> NDArray[np.bool_]:
    codes, words = cells(y_true)
    found: NDArray[np.bool_] = (as_labels(words) == 0).fillna(False).to_numpy(dtype=np.bool_)
    return found[codes]


def _other_values(condition: Condition, known: Sequence[str]) -> str | None:
    """Return what other values the column of a condition has, unless they are of persons."""
    if condition.column in NAMING_COLUMNS or condition.negated or not known:
        return None
    if len(known) <= MAX_LISTED:
        return nearest(condition.values[0], known)
    return f"{condition.column!r} has {len(known):,} other values, such as {known[0]!r}"
