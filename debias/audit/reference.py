"""Whom an image set is to show: the shares that its groups are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.tables import as_text, read_table, require_columns
from debias.errors import DataError, nearest
from debias.metrics.counts import Grouping

SHARE = "share"
TOLERANCE = 0.005
"""How far from 1 (or 100) the shares may sum, as rounded ones do."""
Group = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Shares of the combinations of some attributes.

    Attributes:
        columns: the attributes.
        shares: by the values of all columns, summing to 1.
        source: where they come from, for readers.
    """

    columns: tuple[str, ...]
    shares: Mapping[Group, float]
    source: str

    def covers(self, columns: Sequence[str]) -> bool:
        """Tell whether it says something of a grouping."""
        return set(columns) <= set(self.columns)

    def of(self, grouping: Grouping) -> NDArray[np.float64]:
        """Return the share of each group of known values, NaN of the others; shape (group,).

        Attributes that the grouping has not are summed over.

        Args:
            grouping: of columns that this reference covers.

        Raises:
            DataError: the images have a value that the reference does not know.
        """
        places = [self.columns.index(name) for name in grouping.columns]
        sums: dict[Group, float] = {}
        for values, share in self.shares.items():
            group = tuple(values[place] for place in places)
            sums[group] = sums.get(group, 0.0) + share
        for name, place in zip(grouping.columns, range(len(places)), strict=True):
            known = {group[place] for group in sums}
            for group, is_known in zip(grouping.groups, grouping.known, strict=True):
                if is_known and group[place] not in known:
                    raise DataError(
                        f"has no share for {name} {group[place]!r}, which images have",
                        where=self.source,
                        hint=nearest(group[place], known) + " A share of 0 is allowed",
                    )
        return np.array(
            [
                sums.get(group, 0.0) if known else np.nan
                for group, known in zip(grouping.groups, grouping.known, strict=True)
            ]
        )


def uniform_shares(grouping: Grouping) -> NDArray[np.float64]:
    """Return the same share for every combination of known values, NaN for others; (group,)."""
    known = grouping.known
    return np.where(known, 1.0 / max(1, int(known.sum())), np.nan)


def read_reference(path: Path) -> Reference:
    """Return the shares in a CSV or Parquet file.

    Args:
        path: a table with one column an attribute and a column ``share``: fractions that sum to
            1, or percentages that sum to 100. Each combination of values comes once.

    Raises:
        DataError: the table is not of this form.
    """
    path = Path(path)
    table = read_table(path)
    require_columns(table.columns, [SHARE], where=path)
    columns = tuple(str(name) for name in table.columns if name != SHARE)
    if not columns:
        raise DataError(
            "has no attribute", where=path, hint="Give a column an attribute beside `share`"
        )
    words = pd.DataFrame({name: as_text(table[name]).str.strip() for name in columns})
    if words.isna().any(axis=None):
        raise DataError("has an empty value", where=path, hint="Name the value of every attribute")
    shares = pd.to_numeric(table[SHARE], errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~(shares >= 0))
    if bad.size:
        raise DataError(
            f"the share {table[SHARE].iloc[bad[0]]!r} is no number of at least 0", where=path
        )
    groups = list(words.itertuples(index=False, name=None))
    if len(set(groups)) < len(groups):
        twice = next(group for group in groups if groups.count(group) > 1)
        raise DataError(f"gives {' x '.join(map(str, twice))} twice", where=path)
    total = float(shares.sum())
    whole = 100.0 if abs(total - 100.0) <= 100.0 * TOLERANCE else 1.0
    if abs(total - whole) > whole * TOLERANCE:
        raise DataError(
            f"its shares sum to {total:g}", where=path, hint="They must sum to 1, or to 100"
        )
    return Reference(
        columns=columns,
        shares={tuple(map(str, g)): float(s / total) for g, s in zip(groups, shares, strict=True)},
        source=path.name,
    )
