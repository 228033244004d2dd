"""The definitions of data sets: complete, checked, and found by name."""

from __future__ import annotations

import re
import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from debias.config import build, to_table
from debias.data import catalog
from debias.data.attributes import PROVENANCES
from debias.data.catalog import AttributeSource, Definition, list_definitions, load_definition
from debias.errors import ConfigError, DataError

DATASETS = Path(__file__).parents[2] / "datasets"


def test_all_files_are_definitions_and_all_definitions_are_listed() -> None:
    names = list_definitions()
    assert {"caltech-101", "lfw", "tiny-imagenet", "utkface"} <= set(names)
    assert list(names) == sorted(names)
    assert {path.name for path in DATASETS.iterdir()} == {f"{name}.toml" for name in names}


@pytest.mark.parametrize("name", list_definitions())
def test_a_definition_is_complete(name: str) -> None:
    made = load_definition(name)
    assert made.name == name
    assert re.fullmatch(r"https?://\S+", made.homepage)
    assert re.search(r"(19|20)\d\d", made.citation)
    assert made.biases
    assert bool(made.attributes) == (made.role == "faces")
    for attribute in made.attributes:
        assert attribute.provenance in PROVENANCES
        assert attribute.provenance != "unknown"
    for field in fields(made):
        value = getattr(made, field.name)
        if isinstance(value, str):
            assert value == " ".join(value.split()), f"{field.name} has stray blanks"
    assert build(Definition, to_table(made)) == made


def test_known_facts() -> None:
    lfw, utkface = load_definition("lfw"), load_definition("utkface")
    assert lfw.role == utkface.role == "faces"
    assert load_definition("caltech-101").role == "non-faces"
    assert {a.name: a.provenance for a in lfw.attributes} == {
        "gender": "annotated",
        "race": "estimated",
    }
    assert {a.provenance for a in utkface.attributes} == {"estimated"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lwf", r"no data set 'lwf' is defined\. Did you mean 'lfw'\?"),
        ("qqqq", r"Known: .*lfw.*utkface"),
        ("../datasets/lfw", "no data set"),
        ("", "no data set"),
    ],
)
def test_unknown_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_definition(name)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Labeled', 'tilte = "Labeled', r"unknown key 'tilte'\. Did you mean 'title'\?"),
        ('role = "faces"', "", r"role '' is not a known value"),
        ('role = "faces"', 'role = "face"', r"role 'face' .* Did you mean 'faces'\?"),
        ('licence = "not stated"', "", r"'licence' is missing or empty\. Write 'not stated'"),
        ('licence = "not stated"', 'licence = " "', "'licence' is missing or empty"),
        ('licence = "not stated"', "licence = 3", "licence: text is expected, not 3"),
        ("biases = [", 'biases = ["",', "'biases' is missing or empty"),
        ('provenance = "annotated"', 'provenance = "anotated"', "Did you mean 'annotated'"),
        ('name = "race"', 'name = "gender"', "described twice: gender, gender"),
        ('name = "race"', 'nam = "race"', "lfw.toml.attributes: unknown key 'nam'"),
        ('name = "lfw"', 'name = "lwf"', r"lfw\.toml: names itself 'lwf'"),
        ('name = "lfw"', "name = lfw", r"lfw\.toml: not a TOML file"),
    ],
)
def test_faults_are_named(
    old: str, new: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (DATASETS / "lfw.toml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    (tmp_path / "lfw.toml").write_text(text.replace(old, new), encoding="utf-8")
    monkeypatch.setattr(catalog, "_folder", lambda: tmp_path)
    with pytest.raises(ConfigError, match=message) as caught:
        load_definition("lfw")
    assert "lfw.toml" in str(caught.value)


def test_only_definitions_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(DATASETS / "lfw.toml", tmp_path)
    (tmp_path / "README.md").write_text("about", encoding="utf-8")
    monkeypatch.setattr(catalog, "_folder", lambda: tmp_path)
    assert list_definitions() == ("lfw",)


def test_an_attribute_says_who_said_so() -> None:
    made = AttributeSource(name="age", provenance="estimated", how="by a model")
    assert made.values == ()
    with pytest.raises(ConfigError, match="'how' is missing or empty"):
        AttributeSource(name="age", provenance="estimated")
    with pytest.raises(ConfigError, match="provenance '' is not a known value"):
        AttributeSource(name="age", how="by a model")
