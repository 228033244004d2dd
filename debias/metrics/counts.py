"""Who belongs to which group, and how large each group is.

A group is a tuple of attribute values, one a column: ``("dark", "female")`` for the grouping by
skin tone and gender, ``("dark",)`` for the one by skin tone alone, ``()`` for everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.errors import DataError

UNKNOWN = "unknown"
"""The stratum of the rows whose attribute is missing; it is shown, never dropped."""

MAX_GROUPS = 200
"""More groups than anybody can read; such an attribute is a number that was not cut into classes.
"""


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

    Raises:
        DataError: there would be more than :data:`MAX_GROUPS` groups.
    """
    words = [attribute_values(sensitive_features[name]) for name in columns]
    levels = [sorted(set(column), key=_natural_order) for column in words]
    rows = list(zip(*words, strict=True)) if words else [()] * len(sensitive_features)
    present = set(rows)
    _refuse_many(columns, levels, num_unknown=sum(UNKNOWN in row for row in present))
    complete = set(product(*([value for value in level if value != UNKNOWN] for level in levels)))
    groups = sorted(present | complete, key=_group_order)
    position = {group: code for code, group in enumerate(groups)}
    codes = np.fromiter((position[row] for row in rows), dtype=np.intp, count=len(rows))
    return Grouping(columns=tuple(columns), groups=tuple(groups), codes=codes)


def _refuse_many(
    columns: Sequence[str], levels: Sequence[Sequence[str]], *, num_unknown: int
) -> None:
    """Refuse a grouping of too many groups, before all combinations are listed."""
    num_values = [len(set(level) - {UNKNOWN}) for level in levels]
    num_groups = prod(num_values) + num_unknown
    if num_groups <= MAX_GROUPS:
        return
    most = int(np.argmax(num_values))
    raise DataError(
        f"{' x '.join(columns)} makes {num_groups:,} groups, more than {MAX_GROUPS}: "
        f"{columns[most]!r} alone has {num_values[most]:,} values",
        hint="Cut numbers into classes first, or name fewer attributes",
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
