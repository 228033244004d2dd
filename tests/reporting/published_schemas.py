"""Published JSON Schemas, made from the classes of keys that a document consists of.

Where the types have changed, ``DEBIAS_WRITE_SCHEMA=1 pytest tests/reporting`` writes them anew.
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
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

import debias.reporting

SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    types.NoneType: {"type": "null"},
    Any: {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSchema:
    """The schema of ``NAME.json``, which lies beside the types as ``NAME.schema.json``."""

    name: str
    root: type
    version: int

    @property
    def file(self) -> Path:
        return Path(inspect.getfile(debias.reporting)).with_name(f"{self.name}.schema.json")

    def read(self) -> dict[str, Any]:
        """Return it as it is shipped."""
        return dict(json.loads(self.file.read_text(encoding="utf-8")))

    def assert_is_that_of_the_types(self) -> None:
        text = json.dumps(self.of_the_types(), indent=2, ensure_ascii=False) + "\n"
        if os.environ.get("DEBIAS_WRITE_SCHEMA"):
            self.file.write_text(text, encoding="utf-8")
        assert self.file.read_text(encoding="utf-8") == text, f"see the top of {__file__}"

    def assert_is_one(self) -> None:
        """It is a valid schema of its version, and all its definitions are used."""
        found = self.read()
        Draft202012Validator.check_schema(found)
        assert found["properties"]["schema_version"] == {"const": self.version}
        text = json.dumps(found)
        for name in found["$defs"]:
            assert f'"#/$defs/{name}"' in text

    def of_the_types(self) -> dict[str, Any]:
        """Return the JSON Schema of a document.

        Objects may have more keys than are named, since keys are added within a version.
        """
        classes = parts_of(self.root, {})
        notes = descriptions(classes.values())
        definitions = {name: of_object(found, notes) for name, found in classes.items()}
        root = definitions.pop(self.root.__name__)
        root["properties"]["schema_version"] = {"const": self.version}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:debias:{self.name}:{self.version}",
            "title": f"{self.name}.json of debias, version {self.version}",
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


def strict(node: Any) -> Any:
    """Return a schema that takes no key that it does not name."""
    if isinstance(node, dict):
        closed = {key: strict(value) for key, value in node.items()}
        return {**closed, "additionalProperties": False} if "properties" in node else closed
    return [strict(item) for item in node] if isinstance(node, list) else node


def faults(report: Any, found: dict[str, Any]) -> list[str]:
    validator = Draft202012Validator(found)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(report)]
