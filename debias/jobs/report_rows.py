"""The rows of a report, and who belongs where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.joining import RowAttributes
from debias.data.predictions import Predictions, cluster_codes
from debias.metrics.counts import UNKNOWN, Grouping, group_rows
from debias.metrics.evaluation import GroupedRows
from debias.metrics.intervals import FloatArray
from debias.metrics.measures import Negatives

MOST_CROSSED = 4
"""Up to so many attributes, every subset of them makes a grouping."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedRows:
    """The rows of a report, and who belongs where.

    Attributes:
        table: the predictions.
        y_true: whether each row is a face, shape (row,).
        clusters: the person or picture of each row as integers from 0, shape (row,).
        sample_weight: of each row, shape (row,); None when all count the same.
        negatives: whether negatives belong to groups.
        groupings: those of all rows, then those within each value of the control features.
    """

    table: Predictions
    y_true: NDArray[np.bool_]
    clusters: NDArray[np.intp]
    sample_weight: FloatArray | None
    negatives: Negatives
    groupings: tuple[GroupedRows, ...]

    @property
    def scores(self) -> FloatArray:
        """The scores, shape (row,)."""
        return self.table.table["y_score"].to_numpy(dtype=np.float64)

    @property
    def several_models(self) -> bool:
        """Whether the rows are of several trained models, so that scores share no scale."""
        return len(self.table.seeds) > 1

    @property
    def of_everybody(self) -> tuple[GroupedRows, ...]:
        """The groupings that are not confined by control features."""
        return tuple(item for item in self.groupings if not item.within)

    def part_of(self, item: GroupedRows, chosen: NDArray[np.bool_]) -> Grouping:
        """Return a grouping cut to chosen rows, in their order.

        Args:
            item: the grouping of some rows.
            chosen: whether each row of the report is wanted, shape (row,).
        """
        grouping = item.grouping
        codes = grouping.codes[chosen[item.rows]]
        return Grouping(columns=grouping.columns, groups=grouping.groups, codes=codes)


def judged_rows(
    table: Predictions,
    known: RowAttributes,
    *,
    groups: Sequence[str],
    within: Sequence[str],
    negatives: Negatives,
) -> JudgedRows:
    """Return the rows to judge, grouped by attributes and within control features.

    Args:
        table: the predictions.
        known: attributes of the same rows.
        groups: the attributes to group by.
        within: control features: within every combination of their known values the groups are
            compared once more.
        negatives: whether negatives belong to groups.
    """
    rows = table.table
    y_true = rows["y_true"].to_numpy(dtype=np.bool_)
    weights = rows["sample_weight"].to_numpy(dtype=np.float64) if table.has_weights else None
    everybody = np.arange(len(rows)) if negatives == "grouped" else np.flatnonzero(y_true)
    features = known.table.reset_index(drop=True)
    groupings = list(_groupings(features[list(groups)], everybody, {}))
    if within:
        strata = group_rows(sensitive_features=features.iloc[everybody], columns=list(within))
        for code, values in enumerate(strata.groups):
            inside = everybody[strata.codes == code]
            if UNKNOWN not in values and inside.size:
                same = dict(zip(within, values, strict=True))
                groupings += _groupings(features[list(groups)], inside, same)
    return JudgedRows(
        table=table,
        y_true=y_true,
        clusters=cluster_codes(rows["cluster"]),
        sample_weight=weights,
        negatives=negatives,
        groupings=tuple(groupings),
    )


def _groupings(
    features: pd.DataFrame, rows: NDArray[np.intp], within: dict[str, str]
) -> Iterator[GroupedRows]:
    """Yield the groupings by each attribute, and by the intersections of several."""
    inside = features.iloc[rows]
    for columns in intersections(list(features.columns)):
        grouping = group_rows(sensitive_features=inside, columns=columns)
        yield GroupedRows(grouping=grouping, rows=rows, within=within)


def intersections(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the sets of attributes that groups are made by: each alone, then several together.

    Of more than :data:`MOST_CROSSED` attributes only pairs and all of them are crossed.
    """
    several = range(2, len(names)) if len(names) <= MOST_CROSSED else range(2, 3)
    sizes = [1, *several, *([len(names)] if len(names) > 1 else [])] if names else []
    return [columns for size in sizes for columns in combinations(names, size)]
