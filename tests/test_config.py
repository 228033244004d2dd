"""Settings: what a person writes is checked, and comes back as it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.config import build, merge, parse_assignments, read_toml, to_table
from debias.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    rate: float = 0.5
    sizes: tuple[int, ...] = (1, 2)
    kind: Literal["a", "b"] = "a"
    name: str | None = None

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ConfigError("cannot be negative", where="inner.rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    seed: int = 0
    fast: bool = False
    inner: Inner = field(default_factory=Inner)


@given(
    st.builds(
        Outer,
        seed=st.integers(),
        fast=st.booleans(),
        inner=st.builds(
            Inner,
            rate=st.floats(0, 1e9),
            sizes=st.lists(st.integers(), max_size=4).map(tuple),
            kind=st.sampled_from(["a", "b"]),
            name=st.none() | st.text(),
        ),
    )
)
def test_a_table_gives_the_settings_back(settings: Outer) -> None:
    assert build(Outer, to_table(settings)) == settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Strict:
    name: str
    size: int = 1


def test_a_key_without_a_default_must_be_there() -> None:
    assert build(Strict, {"name": "x"}) == Strict(name="x")
    with pytest.raises(ConfigError, match="settings: the key 'name' is missing"):
        build(Strict, {"size": 2})


def test_whole_numbers_pass_as_numbers_and_lists_as_tuples() -> None:
    made = build(Outer, {"inner": {"rate": 2, "sizes": [3]}})
    assert made.inner.rate == 2.0
    assert isinstance(made.inner.rate, float)
    assert made.inner.sizes == (3,)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"sede": 1}, r"settings: unknown key 'sede'. Did you mean 'seed'\?"),
        ({"inner": {"rat": 1}}, r"settings.inner: unknown key 'rat'. Did you mean 'rate'\?"),
        ({"seed": "x"}, "settings.seed: a whole number is expected, not 'x'"),
        ({"seed": True}, "a whole number is expected, not True"),
        ({"seed": 1.5}, "a whole number is expected"),
        ({"fast": 1}, "true or false is expected"),
        ({"inner": 3}, "a section is expected"),
        ({"inner": {"sizes": 3}}, "a list is expected"),
        ({"inner": {"sizes": ["x"]}}, "a whole number is expected, not 'x'"),
        ({"inner": {"kind": "c"}}, "'c' is not a known value. Known: a, b"),
        ({"inner": {"rate": -1.0}}, "inner.rate: cannot be negative"),
    ],
)
def test_what_is_refused_and_how(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Outer, table)


def test_assignments_are_toml_or_else_text() -> None:
    texts = ["inner.rate=0.25", "inner.kind=b", "inner.sizes=[4, 5]", "fast=true", "seed=7"]
    made = build(Outer, parse_assignments(texts))
    assert made == Outer(seed=7, fast=True, inner=Inner(rate=0.25, sizes=(4, 5), kind="b"))


@pytest.mark.parametrize("text", ["rate", "=3", "inner.=3", ".x=3"])
def test_assignments_without_a_key_or_value(text: str) -> None:
    with pytest.raises(ConfigError, match=r"section\.key=value"):
        parse_assignments([text])


def test_later_tables_win_key_by_key() -> None:
    assert merge({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}}, {"b": 2}) == {
        "a": {"x": 1, "y": 3},
        "b": 2,
    }


def test_broken_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_toml(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("seed = \n")
    with pytest.raises(ConfigError, match=r"broken\.toml: not a TOML file: .*line 1"):
        read_toml(broken)
