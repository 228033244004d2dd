"""A report as tables in long form: one row a figure, which says itself what it is of.

Every row names its threshold, target and grouping. The values of a group are columns of their
own, one for each attribute: ``by.gender`` is the gender of the group, and missing where the group
is not one of genders. So a table can be cut without taking names of groups apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from debias.reporting.schema import ReportJson
from debias.reporting.table_columns import (
    BY,
    FIRST,
    SECOND,
    TABLES,
    WITHIN,
    kind_of,
)
from debias.reporting.table_csv import typed
from debias.reporting.table_rows import (
    Row,
    calibration_rows,
    comparison_rows,
    disparities_rows,
    groupings_rows,
    groups_rows,
    measures_rows,
    pairs_rows,
    points_rows,
    seeds_rows,
    slices_rows,
    sweep_rows,
)


def report_tables(report: ReportJson) -> dict[str, pd.DataFrame]:
    """Return all figures of a report as tables, by name; each is there, with or without rows.

    Columns and their meaning are in :data:`debias.reporting.table_columns.TABLES` and, for who
    has but the tables, in the last of them, ``columns``. After these come the values of groups.

    Args:
        report: the content of ``report.json``.
    """
    rows = {
        "operating_points": list(points_rows(report)),
        "groupings": list(groupings_rows(report)),
        "groups": list(groups_rows(report)),
        "measures": list(measures_rows(report)),
        "pairs": list(pairs_rows(report)),
        "disparities": list(disparities_rows(report)),
        "sweep": list(sweep_rows(report)),
        "calibration": list(calibration_rows(report)),
        "comparison": list(comparison_rows(report)),
        "slices": list(slices_rows(report)),
        "seeds": list(seeds_rows(report)),
    }
    tables = {name: _frame(name, found, report) for name, found in rows.items()}
    meanings = [
        {"table": name, "column": column, "meaning": meaning}
        for name, columns in TABLES.items()
        for column, (_, meaning) in columns.items()
    ]
    return {**tables, "columns": _frame("columns", meanings, report)}


def _frame(name: str, rows: Sequence[Row], report: ReportJson) -> pd.DataFrame:
    """Return rows as a table: its fixed columns, then those of all attributes there are."""
    names = [attribute["name"] for attribute in report["attributes"]]
    columns = list(TABLES[name])
    if name in ("groups", "measures", "sweep", "comparison"):
        columns += [BY + attribute for attribute in names]
    if name == "pairs":
        columns += [start + attribute for start in (FIRST, SECOND) for attribute in names]
    # What rows name beside those: control features, which are no attributes of the report.
    extra = dict.fromkeys(key for row in rows for key in row if key.startswith((BY, WITHIN)))
    columns += [column for column in extra if column not in columns]
    cells = {column: [row.get(column) for row in rows] for column in columns}
    return pd.DataFrame(
        {key: typed(pd.Series(x, dtype=object), kind_of(key)) for key, x in cells.items()}
    )
