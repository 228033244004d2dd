"""The published schema is made from ``ReportJson`` and the types it is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from reporting.published_schemas import PublishedSchema, faults, strict
from reporting.sample_reports import (
    SAMPLES,
    changed,
    equal_report,
    full_report,
    overall_report,
)

from debias.reporting.schema import SCHEMA_VERSION, ReportJson

REPORT = PublishedSchema(name="report", root=ReportJson, version=SCHEMA_VERSION)


@cache
def sample(name: str) -> ReportJson:
    """Return a sample that no test changes."""
    return SAMPLES[name]()


def test_the_published_schema_is_that_of_the_types() -> None:
    REPORT.assert_is_that_of_the_types()


def test_the_schema_is_one() -> None:
    REPORT.assert_is_one()


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"wide"}))
def test_samples_are_valid_and_have_no_other_keys(name: str) -> None:
    report = json.loads(json.dumps(sample(name)))
    assert faults(report, strict(REPORT.read())) == []


def test_a_key_that_is_added_is_no_fault() -> None:
    report: dict[str, Any] = {**full_report(), "later": 1}
    assert faults(report, REPORT.read()) == []
    assert len(faults(report, strict(REPORT.read()))) == 1


def grouping(report: Any) -> Any:
    return report["operating_points"][0]["groupings"][0]


CHANGES: dict[str, Callable[[Any], object]] = {
    "version": lambda one: one.update(schema_version=2),
    "job": lambda one: one.update(job="train"),
    "missing": lambda one: one.pop("rows"),
    "nested": lambda one: one["rows"].pop("num_faces"),
    "text": lambda one: one["rows"].update(num_faces="many"),
    "fraction": lambda one: one["rows"].update(num_faces=1.5),
    "null": lambda one: one["rows"].update(num_faces=None),
    "status": lambda one: one["operating_points"][0].update(status="guessed"),
    "group": lambda one: grouping(one)["groups"][0].pop("values"),
    "negatives": lambda one: one["rows"].update(negatives="some"),
    "list": lambda one: one.update(notes="one"),
    "item": lambda one: one["notes"].append(3),
    "within": lambda one: grouping(one)["within"].update(pose=1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_not_as_the_types_say_is_found(name: str) -> None:
    report = overall_report() if name not in ("group", "within") else equal_report()
    assert faults(report, REPORT.read()) == []
    CHANGES[name](report)
    assert len(faults(report, REPORT.read())) == 1


def test_a_fault_says_where_it_is() -> None:
    rows: dict[str, Any] = {**full_report()["rows"], "num_faces": None}
    (fault,) = faults(changed(full_report(), rows=rows), REPORT.read())
    assert fault.startswith("$.rows.num_faces")


def test_descriptions_are_those_of_the_types() -> None:
    definitions = REPORT.read()["$defs"]
    note = definitions["MeasureJson"]["properties"]["num_successes"]["description"]
    assert note == (
        "Of a rate; null for a measure that is none. Fractional where rows have weights."
    )
    assert definitions["GapJson"]["description"].startswith("The largest recall minus")
    assert REPORT.read()["description"] == "The whole report."
    assert "description" not in definitions["GapJson"]["properties"]["value"]
