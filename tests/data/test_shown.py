"""Faces pass for drawn ones only if they are all known to be."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from debias.data.combine import ListedSet
from debias.data.manifest import read_manifest
from debias.data.shown import drawn_factors
from debias.data.source import ImageSource


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A folder that says it was drawn, with the factors of its three pictures."""
    ids = ["a", "b", "c"]
    images = pd.DataFrame({"image_id": ids, "path": [f"{k}.png" for k in ids], "label": [1, 1, 0]})
    images.to_csv(tmp_path / "images.csv", index=False)
    factors = pd.DataFrame({"image_id": ids[::-1], "tone": [3.0, 2.0, 1.0]})
    factors.to_parquet(tmp_path / "factors.parquet")
    write_facts(tmp_path, draws=True)
    return tmp_path


def write_facts(folder: Path, *, draws: bool) -> None:
    facts = {"job": "data", "name": "bed", "root": ".", "attributes": {}, "complete": True}
    (folder / "data.json").write_text(json.dumps({**facts, "draws": draws}))


def found(source: ImageSource) -> list[float] | None:
    factors = drawn_factors(source, source.load())
    return None if factors is None else factors["tone"].tolist()


def test_a_testbed_is_known_by_its_name_and_by_its_manifest(prepared: Path) -> None:
    manifest = prepared / "images.csv"
    assert found(ImageSource(images=manifest)) == [1.0, 2.0, 3.0]
    assert found(ImageSource(sets=(ListedSet(manifest=manifest, root=prepared),))) == [1, 2, 3]
    chosen = ImageSource(images=manifest, where=("image_id=c,b",))
    assert found(chosen) == [2.0, 3.0]


def test_anything_else_may_be_photographs(prepared: Path) -> None:
    manifest = prepared / "images.csv"
    copy = prepared / "others.csv"
    copy.write_text(manifest.read_text())
    assert found(ImageSource(images=copy)) is None
    listed = ListedSet(manifest=manifest, root=prepared)
    named = read_manifest(manifest)
    assert drawn_factors(ImageSource(sets=(listed, listed)), named) is None
    manifest.write_text(f"{manifest.read_text()}d,d.png,1\n")
    assert found(ImageSource(images=manifest)) is None


def test_a_set_that_was_not_drawn_is_none(prepared: Path) -> None:
    write_facts(prepared, draws=False)
    assert found(ImageSource(images=prepared / "images.csv")) is None
    (prepared / "data.json").unlink()
    assert found(ImageSource(images=prepared / "images.csv")) is None
