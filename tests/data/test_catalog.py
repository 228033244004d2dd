"""The definitions of data sets: complete, checked, and found by name."""

from __future__ import annotations

import re
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest

from debias.config import build, to_table
from debias.data import catalog
from debias.data.attributes import PROVENANCES
from debias.data.catalog import (
    AttributeSource,
    Definition,
    Layout,
    list_definitions,
    load_definition,
)
from debias.data.layouts.readers import READERS, read_published
from debias.data.manifest_checks import SPLITS
from debias.errors import ConfigError, DataError

ROOT = Path(__file__).parents[2]
DATASETS = ROOT / "datasets"


def test_all_files_are_definitions_and_all_definitions_are_listed() -> None:
    names = list_definitions()
    faces = {"celeba", "fairface", "lfw", "ppb", "utkface", "wider-face"}
    others = {"caltech-101", "imagenet", "tiny-imagenet"}
    assert faces | others | {"folder", "mit-faces", "testbed"} <= set(names)
    assert list(names) == sorted(names)
    assert {path.name for path in DATASETS.iterdir()} == {f"{name}.toml" for name in names}


@pytest.mark.parametrize("name", list_definitions())
def test_a_definition_is_complete(name: str) -> None:
    made = load_definition(name)
    assert made.name == name
    at_home = made.homepage.startswith("docs/") and (ROOT / made.homepage).is_file()
    address = re.fullmatch(r"https?://\S+", made.homepage)
    assert address or at_home or made.homepage == "not stated"
    assert not re.search(r"\.(zip|tar|t?gz|h5|pdf)$|arxiv", made.homepage), "no home of a set"
    assert re.search(r"(19|20)\d\d", made.citation)
    assert made.biases
    assert made.attributes or made.role != "faces"
    assert not made.attributes or made.role != "non-faces"
    for attribute in made.attributes:
        assert attribute.provenance in PROVENANCES
        assert attribute.provenance != "unknown"
    for field in fields(made):
        value = getattr(made, field.name)
        if isinstance(value, str):
            assert value == " ".join(value.split()), f"{field.name} has stray blanks"
    assert build(Definition, to_table(made)) == made


def test_what_several_sets_say_of_people_is_said_in_the_same_words() -> None:
    usual = {"gender": {"female", "male"}, "fitzpatrick": {"I", "II", "III", "IV", "V", "VI"}}
    for made in map(load_definition, list_definitions()):
        for attribute in made.attributes:
            assert set(attribute.values) == usual.get(attribute.name, set(attribute.values))


@pytest.mark.parametrize("name", list_definitions())
def test_a_layout_can_be_read(name: str) -> None:
    layout = load_definition(name).layout
    assert layout.reader in {*READERS, "testbed"}
    assert layout.expects
    assert all(said == " ".join(said.split()) for said in (*layout.expects, *layout.notes))
    assert {folder.split for folder in layout.folders} <= {*SPLITS, ""}
    assert bool(layout.folders) == (layout.reader in {"categories", "imagenet"})
    assert bool(layout.folders) == bool(layout.signs)
    # A split that is called by another name than the published one is said to be.
    changed = any(folder.path.startswith("val") for folder in layout.folders)
    says_so = any("val serves as the test" in note for note in layout.notes)
    assert says_so or not changed


def test_a_layout_that_nothing_reads_is_refused(tmp_path: Path) -> None:
    made = replace(load_definition("lfw"), layout=Layout(reader="lwf"))
    with pytest.raises(ConfigError, match=r"lfw\.toml: layout 'lwf' .* Did you mean 'lfw'\?"):
        read_published(tmp_path, made)


def test_known_facts() -> None:
    lfw, utkface = load_definition("lfw"), load_definition("utkface")
    assert lfw.role == utkface.role == "faces"
    assert load_definition("caltech-101").role == "non-faces"
    assert {a.name: a.provenance for a in lfw.attributes} == {
        "gender": "annotated",
        "race": "estimated",
    }
    assert {a.provenance for a in utkface.attributes} == {"estimated"}
    assert {a.provenance for a in load_definition("testbed").attributes} == {"constructed"}
    benchmark = {a.name: set(a.values) for a in load_definition("ppb").attributes}
    assert benchmark["skin_tone"] == {"lighter", "darker"}


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
        ('reader = "lfw"', 'raeder = "lfw"', r"lfw.toml.layout: unknown key 'raeder'"),
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
