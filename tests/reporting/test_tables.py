from __future__ import annotations

import csv
import io
import json
from functools import cache
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reporting.sample_reports import HOSTILE, SAMPLES, full_report, grouped_report, hostile_report

from debias.reporting.schema import ReportJson
from debias.reporting.table_columns import TABLES
from debias.reporting.table_csv import read_table_csv, table_csv
from debias.reporting.tables import report_tables

KEYS = {"source", "target_fpr", "threshold", "grouping"}


def at_stored(table: pd.DataFrame, **chosen: Any) -> pd.DataFrame:
    """Return the rows of the stored threshold that have these values; None is missing."""
    chosen = {"source": "stored", **chosen}
    for name, value in chosen.items():
        column = table[name.replace("__", ".")]
        table = table[column.isna() if value is None else column == value]
    return table


@cache
def sample(name: str) -> ReportJson:
    """Return a sample that no test changes."""
    return SAMPLES[name]()


def only(rows: pd.DataFrame) -> pd.Series:
    """Return the one row there is."""
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.mark.parametrize("name", SAMPLES)
def test_every_table_is_there_with_its_columns(name: str) -> None:
    tables = report_tables(sample(name))
    assert list(tables) == list(TABLES)
    for table_name, table in tables.items():
        fixed = list(TABLES[table_name])
        assert list(table.columns)[: len(fixed)] == fixed
        others = list(table.columns)[len(fixed) :]
        assert all(column.startswith(("by.", "within.", "first.", "second.")) for column in others)
    for table_name in ("groupings", "groups", "measures", "pairs", "disparities"):
        assert set(tables[table_name].columns) >= KEYS


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"wide"}))
def test_a_table_survives_its_file(name: str) -> None:
    for table in report_tables(sample(name)).values():
        again = read_table_csv(table_csv(table))
        pd.testing.assert_frame_equal(again, table, check_exact=True)


def test_groups_are_those_of_the_report() -> None:
    report = full_report()
    groups = report_tables(report)["groups"]
    point = report["operating_points"][0]
    both = next(part for part in point["groupings"] if len(part["columns"]) == 2)
    found = at_stored(groups, grouping="skin_tone x gender")
    assert len(found) == len(both["groups"])
    group = next(each for each in both["groups"] if each["values"] == ["dark", "male"])
    row = only(at_stored(found, by__skin_tone="dark", by__gender="male"))
    for key, value in group["recall"].items():
        assert row[key] == value
    assert group["shrunken_recall"] is not None
    assert row["shrunken_value"] == group["shrunken_recall"]["value"]
    assert row["status"] == "ranked"
    assert pd.isna(row["num_negatives"])
    assert row["threshold"] == point["threshold"]
    assert row["target_fpr"] == 0.01
    assert pd.isna(row["within.pose"])
    frontal = groups[groups["within.pose"] == "frontal"]
    assert set(frontal["grouping"]) == {"skin_tone"}
    assert frontal["by.gender"].isna().all()
    num_groups = sum(
        len(part["groups"]) for each in report["operating_points"] for part in each["groupings"]
    )
    assert len(groups) == num_groups


def test_measures_are_those_of_the_report() -> None:
    report = grouped_report()
    point = report["operating_points"][0]
    table = report_tables(report)["measures"]
    assert point["measures"] is not None
    overall = only(at_stored(table, grouping=None, measure="accuracy"))
    assert overall["value"] == point["measures"]["accuracy"]["value"]
    own = point["groupings"][0]["groups"][0]
    row = only(at_stored(table, grouping="skin_tone", group=own["name"], measure="fpr"))
    assert row["value"] == own["measures"]["fpr"]["value"]
    assert row["num_trials"] == own["measures"]["fpr"]["num_trials"]
    pooled = report_tables(full_report())["measures"]
    row = only(
        at_stored(pooled, grouping="gender", group="female", measure="precision", within__pose=None)
    )
    assert row["status"] == "not_applicable"
    assert pd.isna(row["value"])
    assert row["reason"]


def test_groupings_pairs_and_disparities_are_those_of_the_report() -> None:
    report = full_report()
    tables, part = report_tables(report), report["operating_points"][0]["groupings"][0]
    assert part["verdict"] is not None
    assert part["gap"] is not None
    row = only(at_stored(tables["groupings"], grouping="skin_tone", within__pose=None))
    assert row["verdict_verdict"] == part["verdict"]["verdict"]
    assert row["gap_value"] == part["gap"]["value"]
    assert row["gap_null_median"] == part["gap"]["null_median"]
    assert row["variance"] == part["variance"]
    pairs = at_stored(tables["pairs"], grouping="skin_tone", within__pose=None)
    assert pairs["difference"].tolist() == [pair["difference"] for pair in part["pairs"]]
    assert pairs["first.skin_tone"].tolist() == [pair["first_values"][0] for pair in part["pairs"]]
    assert pairs["second.skin_tone"].tolist() == [p["second_values"][0] for p in part["pairs"]]
    assert pairs["second.gender"].isna().all()
    found = at_stored(tables["disparities"], grouping="skin_tone", within__pose=None)
    assert len(found) == len(part["disparities"])
    assert found["name"].tolist() == [each["name"] for each in part["disparities"]]


def test_curves_are_those_of_the_report() -> None:
    report = grouped_report()
    sweep = report["sweep"]
    assert sweep is not None
    table = report_tables(report)["sweep"]
    overall = table[table["grouping"].isna()]
    assert overall["value"].tolist() == sweep["recall"]
    assert overall["threshold"].tolist() == sweep["thresholds"]
    part = sweep["groupings"][0]
    of_part = table[table["grouping"] == part["name"]]
    for figure, values in [
        ("worst_recall", part["worst_recall"]),
        ("gap", part["gap"]),
        ("gap_by_chance", part["null_median"]),
    ]:
        rows = of_part[(of_part["figure"] == figure) & of_part["group"].isna()]
        assert rows["value"].tolist() == values
    group = part["groups"][0]
    own = of_part[of_part["group"] == group["name"]]
    assert own.loc[own["figure"] == "recall", "value"].tolist() == group["recall"]
    assert own.loc[own["figure"] == "recall", "high"].tolist() == group["high"]
    assert own.loc[own["figure"] == "fpr", "value"].tolist() == group["fpr"]


def test_comparison_slices_and_seeds_are_those_of_the_report() -> None:
    report = full_report()
    tables = report_tables(report)
    assert report["comparison"] is not None
    assert report["slices"] is not None
    assert report["seeds"] is not None
    comparison = tables["comparison"]
    refused = comparison[comparison["status"] == "refused"]
    assert refused["target_fpr"].tolist() == [0.0001]
    part = report["comparison"]["points"][0]["groupings"][1]
    rows = comparison[(comparison["target_fpr"] == 0.01) & (comparison["grouping"] == part["name"])]
    own = rows[rows["figure"] == "recall"]
    assert own["num_gained"].tolist() == [group["num_gained"] for group in part["groups"]]
    assert part["gap"] is not None
    assert rows.loc[rows["figure"] == "gap", "value"].tolist() == [part["gap"]["value"]]
    slices = tables["slices"]
    assert slices["slice"].tolist() == ["slice 1", "slice 2"]
    assert slices["attribute_value"].tolist()[0] == "dark"
    assert pd.isna(slices["attribute"].tolist()[1])
    seeds = tables["seeds"]
    figures = report["seeds"]["figures"]
    assert len(seeds) == 3 * len(figures)
    assert seeds["value"].tolist() == [value for each in figures for value in each["values"]]
    bins = report["calibration"]["bins"]
    assert tables["calibration"]["value"].tolist() == [each["share"]["value"] for each in bins]


def test_calibration_is_told_by_group_after_that_of_all_rows() -> None:
    report = grouped_report()
    table = report_tables(report)["calibration"]
    overall = table[table["grouping"].isna()]
    assert len(overall) == len(report["calibration"]["bins"])
    dark = report["calibration"]["groupings"][0]["groups"][0]
    rows = table[(table["grouping"] == "skin_tone") & (table["by.skin_tone"] == "dark")]
    assert rows["group"].tolist() == ["dark"] * 3
    assert rows["bin"].tolist() == [1, 2, 3]
    assert rows["value"].tolist() == [item["share"]["value"] for item in dark["bins"]]
    assert rows["num_rows"].tolist() == [item["num_rows"] for item in dark["bins"]]


def test_no_picture_is_named() -> None:
    report = full_report()
    assert report["slices"] is not None
    (image_id, *_) = report["slices"]["slices"][0]["image_ids"]
    for table in report_tables(report).values():
        assert image_id not in table_csv(table)


def test_what_is_missing_is_empty_and_never_zero() -> None:
    table = report_tables(SAMPLES["empty"]())["groups"]
    assert table["value"].isna().all()
    assert (table["num_trials"] == 0).all()
    (cells, *_) = list(csv.DictReader(io.StringIO(table_csv(table))))
    assert cells["value"] == cells["low"] == ""


def test_hostile_names_are_in_the_tables_as_they_are() -> None:
    groups = report_tables(hostile_report())["groups"]
    assert set(groups[f"by.{HOSTILE[0]}"]) == set(HOSTILE)
    again = pd.read_csv(io.StringIO(table_csv(groups)))
    assert again.shape == groups.shape


def begins_a_formula(cell: str) -> bool:
    return cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_no_cell_is_run_by_a_spreadsheet(separator: str) -> None:
    names = ["=cmd()", "a;=cmd()", 'a",=cmd()', "\t=cmd()", "b\r\n@SUM(1)", " +1", "\uff1d1", "|-2"]
    text = table_csv(pd.DataFrame({"group": names, "by.=x": names}))
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
        lines = io.StringIO(text, newline="")
        for row in csv.reader(lines, delimiter=separator, quoting=quoting):
            assert not any(begins_a_formula(cell.strip('"')) for cell in row)


def test_numbers_stay_numbers() -> None:
    table = report_tables(full_report())["pairs"]
    assert (table["difference"] < 0).any()
    read = pd.read_csv(io.StringIO(table_csv(table)))
    assert read["difference"].tolist() == pytest.approx(table["difference"].tolist())


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"))))
@example(
    ["'", "''", "'=", "''=1", "=", ";'=;=", "-5", "NA", "None", "007", "1e5", "18-25", "\r\n="]
)
@example(["'a'", '"', '"=', "a,'-b", " '=", "\ufeff=1"])
def test_text_survives_whatever_it_is(names: list[str]) -> None:
    table = pd.DataFrame({"group": pd.Series([name or "-" for name in names], dtype=object)})
    again = read_table_csv(table_csv(table))
    assert again["group"].tolist() == table["group"].tolist()


def test_ordinary_names_are_written_as_they_are() -> None:
    names = ["18-25", "dark x female", "type I", "O'Neill", "a=b", "person@home"]
    read = pd.read_csv(io.StringIO(table_csv(pd.DataFrame({"group": names}))))
    assert read["group"].tolist() == names


def test_a_column_means_one_kind_of_thing() -> None:
    kinds: dict[str, set[str]] = {}
    for columns in TABLES.values():
        for name, (kind, meaning) in columns.items():
            kinds.setdefault(name, set()).add(kind)
            assert meaning
    assert all(len(found) == 1 for found in kinds.values())
    meanings = report_tables(full_report())["columns"]
    assert len(meanings) == sum(len(columns) for columns in TABLES.values())


def test_tables_leave_the_report_alone() -> None:
    report = full_report()
    before = json.dumps(report)
    report_tables(report)
    assert json.dumps(report) == before
