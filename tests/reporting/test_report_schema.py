"""The published schema is made from ``ReportJson`` and the types it is made of, here.

Where the types have changed, ``DEBIAS_WRITE_SCHEMA=1 pytest tests/reporting/test_report_schema.py``
writes it anew.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import os
import sys
import types
import typing
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from reporting.sample_reports import (
    SAMPLES,
    changed,
    equal_report,
    full_report,
    overall_report,
)

from debias.reporting import schema

FILE = Path(inspect.getfile(schema)).with_name("report.schema.json")
SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    types.NoneType: {"type": "null"},
    Any: {},
}


@cache
def sample(name: str) -> schema.ReportJson:
    """Return a sample that no test changes."""
    return SAMPLES[name]()


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema of a report.

    Objects may have more keys than are named, since keys are added within a version.
    """
    classes = parts_of(schema.ReportJson, {})
    notes = descriptions(classes.values())
    definitions = {name: of_object(found, notes) for name, found in classes.items()}
    version = schema.SCHEMA_VERSION
    root = definitions.pop("ReportJson")
    root["properties"]["schema_version"] = {"const": version}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:debias:report:{version}",
        "title": f"report.json of debias, version {version}",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def parts_of(hint: Any, found: dict[str, type]) -> dict[str, type]:
    """Return the classes of keys that a type is made of, by name; it adds them to ``found``."""
    if typing.is_typeddict(hint):
        assert found.setdefault(hint.__name__, hint) is hint
        inside = list(typing.get_type_hints(hint).values())
    else:
        inside = list(typing.get_args(hint))
    for each in inside:
        if getattr(each, "__name__", "") not in found:
            parts_of(each, found)
    return found


def of_object(found: type, notes: dict[tuple[str, str], str]) -> dict[str, Any]:
    """Return the schema of one class of keys."""
    properties = {}
    for key, hint in typing.get_type_hints(found).items():
        properties[key] = of_type(hint)
        note = notes.get((found.__name__, key))
        if note:
            properties[key]["description"] = note
    return {
        "description": notes[found.__name__, ""],
        "type": "object",
        "properties": properties,
        "required": sorted(found.__required_keys__),  # type: ignore[attr-defined]
    }


def of_type(hint: Any) -> dict[str, Any]:
    """Return the schema of one type."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return {"const": args[0]} if len(args) == 1 else {"enum": list(args)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [of_type(each) for each in args]}
    if origin is list:
        return {"type": "array", "items": of_type(args[0])}
    if origin is dict:
        assert args[0] is str
        return {"type": "object", "additionalProperties": of_type(args[1])}
    if typing.is_typeddict(hint):
        return {"$ref": f"#/$defs/{hint.__name__}"}
    return dict(SIMPLE[hint])


def descriptions(classes: Iterable[type]) -> dict[tuple[str, str], str]:
    """Return the docstring of each class (with the key "") and of each of its keys."""
    modules = {each.__module__ for each in classes}
    found = {}
    for node in itertools.chain.from_iterable(map(statements, modules)):
        if isinstance(node, ast.ClassDef):
            found[node.name, ""] = tidy(ast.get_docstring(node) or "")
            for key, after in zip(node.body, node.body[1:], strict=False):
                if isinstance(key, ast.AnnAssign) and isinstance(after, ast.Expr):
                    assert isinstance(key.target, ast.Name)
                    assert isinstance(after.value, ast.Constant)
                    found[node.name, key.target.id] = tidy(str(after.value.value))
    return found


def statements(module: str) -> list[ast.stmt]:
    """Return what a module's source consists of."""
    return ast.parse(inspect.getsource(sys.modules[module])).body


def tidy(text: str) -> str:
    return " ".join(text.replace("``", "").split())


def published() -> dict[str, Any]:
    return dict(json.loads(FILE.read_text(encoding="utf-8")))


def strict(node: Any) -> Any:
    """Return a schema that takes no key that it does not name."""
    if isinstance(node, dict):
        closed = {key: strict(value) for key, value in node.items()}
        return {**closed, "additionalProperties": False} if "properties" in node else closed
    return [strict(item) for item in node] if isinstance(node, list) else node


def faults(report: Any, found: dict[str, Any]) -> list[str]:
    validator = Draft202012Validator(found)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(report)]


def test_the_published_schema_is_that_of_the_types() -> None:
    text = json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("DEBIAS_WRITE_SCHEMA"):
        FILE.write_text(text, encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == text, "see the top of this file"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(published())
    assert published()["properties"]["schema_version"] == {"const": schema.SCHEMA_VERSION}


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"wide"}))
def test_samples_are_valid_and_have_no_other_keys(name: str) -> None:
    report = json.loads(json.dumps(sample(name)))
    assert faults(report, strict(published())) == []


def test_a_key_that_is_added_is_no_fault() -> None:
    report: dict[str, Any] = {**full_report(), "later": 1}
    assert faults(report, published()) == []
    assert len(faults(report, strict(published()))) == 1


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
    assert faults(report, published()) == []
    CHANGES[name](report)
    assert len(faults(report, published())) == 1


def test_a_fault_says_where_it_is() -> None:
    rows: dict[str, Any] = {**full_report()["rows"], "num_faces": None}
    (fault,) = faults(changed(full_report(), rows=rows), published())
    assert fault.startswith("$.rows.num_faces")


def test_descriptions_are_those_of_the_types() -> None:
    definitions = published()["$defs"]
    note = definitions["MeasureJson"]["properties"]["num_successes"]["description"]
    assert note == (
        "Of a rate; null for a measure that is none. Fractional where rows have weights."
    )
    assert definitions["GapJson"]["description"].startswith("The largest recall minus")
    assert published()["description"] == "The whole report."
    assert "description" not in definitions["GapJson"]["properties"]["value"]


def test_every_definition_is_used() -> None:
    text = json.dumps(published())
    for name in published()["$defs"]:
        assert f'"#/$defs/{name}"' in text
