"""Who belongs to which group, and how often each group was answered rightly.

A group is a tuple of attribute values, one a column: ``("dark", "female")`` for the grouping by
skin tone and gender, ``("dark",)`` for the one by skin tone alone, ``()`` for everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

UNKNOWN = "unknown"
"""The stratum of the rows whose attribute is missing; it is shown, never dropped."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grouping:
    """Which group each row belongs to.

    Attributes:
        columns: the attributes whose values make the groups.
        groups: every combination of known values, with or without rows, in natural order; then
            the combinations with an unknown value that have rows.
        codes: the position in ``groups`` of each row's group, shape (row,).
    """

    columns: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    codes: NDArray[np.intp]

    @property
    def num_rows(self) -> NDArray[np.int64]:
        """The number of rows in each group, shape (group,)."""
        return np.bincount(self.codes, minlength=len(self.groups)).astype(np.int64)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether each group is made of known values only, shape (group,)."""
        return np.array([UNKNOWN not in group for group in self.groups], dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcomes:
    """The four counts of a confusion table for each group, as arrays of shape (group,)."""

    num_positives: NDArray[np.int64]
    num_true_positives: NDArray[np.int64]
    num_negatives: NDArray[np.int64]
    num_false_positives: NDArray[np.int64]

    @property
    def num_false_negatives(self) -> NDArray[np.int64]:
        """The faces that were missed."""
        return self.num_positives - self.num_true_positives

    @property
    def num_true_negatives(self) -> NDArray[np.int64]:
        """The non-faces that were told as such."""
        return self.num_negatives - self.num_false_positives


def attribute_values(values: pd.Series) -> NDArray[np.object_]:
    """Return one word for each row: the value as text, or ``"unknown"`` where it is missing.

    Missing are NA, NaN, None and blank text. Whole numbers lose their decimals (5.0 is "5"),
    so that a column of integers means the same with and without gaps.

    Args:
        values: an attribute of each row, of any type.
    """

    def word(value: object) -> str:
        if pd.isna(value):  # type: ignore[call-overload]
            return UNKNOWN
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return str(value).strip() or UNKNOWN

    codes, uniques = pd.factorize(values, use_na_sentinel=False)
    words = np.array([word(value) for value in uniques], dtype=object)
    return words[codes]


def group_rows(*, sensitive_features: pd.DataFrame, columns: Sequence[str]) -> Grouping:
    """Return the grouping of rows by the values of ``columns`` taken together.

    Combinations of known values that no row has are listed too: that nobody is there is a
    finding of its own.

    Args:
        sensitive_features: one row a row to group, one column an attribute.
        columns: the attributes to intersect; none puts all rows in the one group ``()``.
    """
    words = [attribute_values(sensitive_features[name]) for name in columns]
    levels = [sorted(set(column), key=_natural_order) for column in words]
    rows = list(zip(*words, strict=True)) if words else [()] * len(sensitive_features)
    present = set(rows)
    complete = set(product(*([value for value in level if value != UNKNOWN] for level in levels)))
    groups = sorted(present | complete, key=_group_order)
    position = {group: code for code, group in enumerate(groups)}
    codes = np.fromiter((position[row] for row in rows), dtype=np.intp, count=len(rows))
    return Grouping(columns=tuple(columns), groups=tuple(groups), codes=codes)


def count_outcomes(
    *, y_true: ArrayLike, y_pred: ArrayLike, grouping: Grouping | None = None
) -> Outcomes:
    """Return the confusion counts of each group; they add up to those of the pool.

    Args:
        y_true: 1 for a face and 0 for a non-face, shape (row,).
        y_pred: 1 where a face was answered, else 0, shape (row,).
        grouping: the groups of the same rows; one group of all rows when None.

    Raises:
        ValueError: the shapes differ.
    """
    faces = np.asarray(y_true).astype(np.bool_)
    answers = np.asarray(y_pred).astype(np.bool_)
    codes = np.zeros(faces.shape, dtype=np.intp) if grouping is None else grouping.codes
    if not faces.shape == answers.shape == codes.shape:
        raise ValueError(
            f"y_true {faces.shape}, y_pred {answers.shape} and the groups {codes.shape} differ"
        )
    num_groups = 1 if grouping is None else len(grouping.groups)

    def count(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(codes[chosen], minlength=num_groups).astype(np.int64)

    return Outcomes(
        num_positives=count(faces),
        num_true_positives=count(faces & answers),
        num_negatives=count(~faces),
        num_false_positives=count(~faces & answers),
    )


def _natural_order(word: str) -> tuple[bool, float, str]:
    """Order numbers by size, then words by letter, then the unknown."""
    try:
        number = float(word)
    except ValueError:
        number = np.inf
    return (word == UNKNOWN, np.inf if np.isnan(number) else number, word)


def _group_order(group: tuple[str, ...]) -> tuple[bool, tuple[tuple[bool, float, str], ...]]:
    """Order groups of known values before those with an unknown one."""
    return (UNKNOWN in group, tuple(_natural_order(word) for word in group))
