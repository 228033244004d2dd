"""The published schema of audits is made from ``AuditJson`` and the types it is made of."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from reporting.published_schemas import PublishedSchema, faults, strict
from reporting.sample_audits import AUDITS, full_audit, shown_audit

from debias.reporting.audit_schema import AUDIT_SCHEMA_VERSION, AuditJson

AUDIT = PublishedSchema(name="audit", root=AuditJson, version=AUDIT_SCHEMA_VERSION)


def test_the_published_schema_is_that_of_the_types() -> None:
    AUDIT.assert_is_that_of_the_types()


def test_the_schema_is_one() -> None:
    AUDIT.assert_is_one()


@pytest.mark.parametrize("name", AUDITS)
def test_samples_are_valid_and_have_no_other_keys(name: str) -> None:
    audit = json.loads(json.dumps(AUDITS[name]()))
    assert faults(audit, strict(AUDIT.read())) == []


def test_a_key_that_is_added_is_a_fault_of_the_strict_schema_alone() -> None:
    audit: dict[str, Any] = {**full_audit(), "later": 1}
    assert faults(audit, AUDIT.read()) == []
    assert len(faults(audit, strict(AUDIT.read()))) == 1


CHANGES: dict[str, Callable[[Any], object]] = {
    "version": lambda one: one.update(schema_version=0),
    "job": lambda one: one.update(job="report"),
    "missing": lambda one: one.pop("copies"),
    "severity": lambda one: one["findings"][0].update(severity="fatal"),
    "association": lambda one: one["associations"][0].pop("cramers_v"),
    "partner": lambda one: one["associations"][0].update(partner_kind="friend"),
    "quality": lambda one: one["quality"][0]["superiority"].pop("low"),
    "tones": lambda one: one["skin_tones"].pop("num_no_skin"),
    "agreement": lambda one: one["skin_tones"]["agreements"].append({}),
    "weights": lambda one: one["weights"]["shares"][0].update(after="much"),
    "base": lambda one: one["weights"].update(base="luck"),
    "driver": lambda one: one["model"]["rarest"][0]["drivers"][0].pop("place"),
    "region": lambda one: one["model"]["regions"][0].pop("weight"),
    "carried": lambda one: one["model"]["latents"][0]["carries"][0].pop("share"),
    "probe": lambda one: one["model"]["probes"][0].update(values="all"),
    "run": lambda one: one["model"]["spread"][0]["runs"][0].pop("is_told"),
    "label": lambda one: one["model"]["labels"][0].update(num_wrong=0.5),
    "outliers": lambda one: one["model"]["outliers_by_group"][0].pop("flagged"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_not_as_the_types_say_is_found(name: str) -> None:
    audit = copy.deepcopy(shown_audit())
    found = AUDIT.read()
    CHANGES[name](audit)
    assert faults(audit, found)
    assert faults(shown_audit(), found) == []


def test_descriptions_are_those_of_the_types() -> None:
    found = AUDIT.read()
    assert found["description"] == "The whole audit."
    note = found["$defs"]["RegionJson"]["properties"]["weight"]["description"]
    assert note == "Mean of its faces, over the mean of all."
