"""TOML and command-line settings to frozen dataclasses, and back.

A settings class is a frozen dataclass; sections are nested dataclasses. What a person writes is
checked against the fields and their types: an unknown key names the nearest known one, a value
of the wrong type says what was expected.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from debias.errors import ConfigError, nearest

Settings = TypeVar("Settings")
Table = dict[str, Any]


def read_toml(path: Path) -> Table:
    """Return the tables of a TOML file.

    Raises:
        ConfigError: the file is missing or is not TOML; the message gives line and column.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not a TOML file: {error}", where=path) from None


def parse_assignments(assignments: Iterable[str]) -> Table:
    """Return the nested table that ``section.key=value`` texts describe; later ones win.

    A value is read as TOML (``0.5``, ``true``, ``[1, 2]``); what is not TOML is taken as text,
    so that ``resampling.rule=max`` needs no quotes.

    Raises:
        ConfigError: a text has no ``=`` or no key.
    """
    table: Table = {}
    for text in assignments:
        key, equals, raw = text.partition("=")
        parts = [part.strip() for part in key.split(".")]
        if not equals or not all(parts):
            raise ConfigError(
                f"{text!r} is no setting", where="--set", hint="Write section.key=value"
            )
        try:
            value = tomllib.loads(f"value = {raw}")["value"]
        except tomllib.TOMLDecodeError:
            value = raw.strip()
        leaf = table
        for part in parts[:-1]:
            leaf = leaf.setdefault(part, {})
            if not isinstance(leaf, dict):
                raise ConfigError(f"{part!r} is a value and a section", where=f"--set {text}")
        leaf[parts[-1]] = value
    return table


def merge(*tables: Mapping[str, Any]) -> Table:
    """Return one nested table; where two give a value for the same key, the later one wins."""
    merged: Table = {}
    for table in tables:
        for key, value in table.items():
            if isinstance(value, Mapping):
                below = merged.get(key)
                merged[key] = merge(below if isinstance(below, dict) else {}, value)
            else:
                merged[key] = value
    return merged


def build(cls: type[Settings], values: Mapping[str, Any], *, where: str = "settings") -> Settings:
    """Return an instance of the settings class ``cls`` filled from ``values``.

    Args:
        cls: a dataclass.
        values: a nested table; keys left out keep their defaults.
        where: the path of keys that led here, for messages.

    Raises:
        ConfigError: an unknown or missing key, a value of the wrong type, or one that ``cls``
            refuses.
    """
    assert dataclasses.is_dataclass(cls)
    hints = get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]
    chosen: Table = {}
    for key, value in values.items():
        if key not in names:
            raise ConfigError(f"unknown key {key!r}", where=where, hint=nearest(key, names))
        chosen[key] = _convert(hints[key], value, where=f"{where}.{key}")
    missing = [field.name for field in dataclasses.fields(cls) if _is_missing(field, chosen)]
    if missing:
        raise ConfigError(f"the key {missing[0]!r} is missing", where=where)
    try:
        return cls(**chosen)
    except ConfigError as error:
        raise ConfigError(error.what, where=error.where or where, hint=error.hint) from None


def _is_missing(field: dataclasses.Field[Any], chosen: Table) -> bool:
    default = (field.default, field.default_factory)
    return field.name not in chosen and default == (dataclasses.MISSING, dataclasses.MISSING)


def check_keys(cls: type[Any], values: Mapping[str, Any], *, where: str) -> None:
    """See that a table's keys and types fit a settings class, whatever the values mean together.

    Raises:
        ConfigError: an unknown key, or a value of the wrong type.
    """
    hints = get_type_hints(cls)
    for key, value in values.items():
        if key not in hints:
            raise ConfigError(f"unknown key {key!r}", where=where, hint=nearest(key, hints))
        inner = hints[key]
        if dataclasses.is_dataclass(inner) and isinstance(value, Mapping):
            check_keys(cast(type[Any], inner), value, where=f"{where}.{key}")
        else:
            _convert(inner, value, where=f"{where}.{key}")


def to_table(settings: Any) -> Table:
    """Return the nested table of a settings object; :func:`build` gives the object back."""
    plain = dataclasses.asdict(settings)
    return {key: _plain(value) for key, value in plain.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(below) for key, below in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(below) for below in value]
    return value


def _convert(hint: Any, value: Any, *, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"a section is expected, not {value!r}", where=where)
        return build(hint, value, where=where)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value not in arguments:
            hint_text = nearest(str(value), map(str, arguments))
            raise ConfigError(f"{value!r} is not a known value", where=where, hint=hint_text)
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _convert(inner, value, where=where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"a list is expected, not {value!r}", where=where)
        return tuple(_convert(arguments[0], item, where=where) for item in value)
    return _scalar(hint, value, where=where)


def _scalar(hint: Any, value: Any, *, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"a finite number is expected, not {value}", where=where)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        expected = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        raise ConfigError(f"{expected[hint]} is expected, not {value!r}", where=where)
    return value
