"""The planted defects: what is planted is true, the command is run on it, and scores are right."""

from __future__ import annotations

import io
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

FOLDER = Path(__file__).parents[2] / "experiments" / "audit_testbed"


@pytest.fixture(scope="module")
def modules() -> Iterator[tuple[ModuleType, ModuleType]]:
    sys.path.insert(0, str(FOLDER))
    try:
        import plant
        import score

        yield plant, score
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def plant(modules: tuple[ModuleType, ModuleType]) -> ModuleType:
    return modules[0]


@pytest.fixture(scope="module")
def score(modules: tuple[ModuleType, ModuleType]) -> ModuleType:
    return modules[1]


@pytest.fixture(scope="module")
def base(plant: ModuleType) -> Any:
    return plant.draw_base(plant.TINY, 0)


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def opened(content: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_every_set_names_images_that_it_has(plant: ModuleType, base: Any) -> None:
    for name, planter in plant.DEFECTS.items():
        planted = planter(base, np.random.default_rng(1))
        images = planted.images
        assert planted.by_image or planted.by_subject, name
        assert images.table.index.is_unique
        assert set(images.files) <= set(images.table.index)
        assert set(images.people.index) <= set(images.table.index)
        for named in planted.by_image.values():
            assert named <= set(images.table.index), name
    assert set(plant.NEED_MODEL) <= set(plant.DEFECTS)


def test_groups_that_should_be_rare_are(plant: ModuleType, base: Any, generator: Any) -> None:
    planted = plant.imbalance(base, generator)
    images = planted.images
    train = images.people[images.table.loc[images.people.index, "split"] == "train"]
    before = base.people[base.table.loc[base.people.index, "split"] == "train"]
    assert (train["skin_tone"] == "dark").mean() < 0.5 * (before["skin_tone"] == "dark").mean()
    assert (train["gender"] == "female").mean() < 0.5 * (before["gender"] == "female").mean()
    for split in ("val", "test"):
        assert (images.table["split"] == split).sum() == (base.table["split"] == split).sum()


def test_copies_show_what_they_are_copies_of(plant: ModuleType, base: Any, generator: Any) -> None:
    planted = plant.copies(base, generator)
    images = planted.images
    assert set(planted.variants.values()) == set(plant.CHANGES)
    for copy, how in planted.variants.items():
        content = images.files[copy]
        same = [name for name, other in base.files.items() if other == content]
        assert bool(same) == (how == "same pixels, same file")
    for kind, named in planted.by_image.items():
        copied = [name for name in named if name in planted.variants]
        exact = {planted.variants[name].startswith("same pixels") for name in copied}
        assert kind == "duplicate-across-splits" or exact == {kind == "exact-duplicate"}
    original = next(iter(base.files))
    as_png = plant.CHANGES["same pixels, as PNG"](base.files[original], generator)
    assert np.array_equal(opened(as_png), opened(base.files[original]))


def test_people_in_two_splits_are_those_named(plant: ModuleType, base: Any, generator: Any) -> None:
    planted = plant.identities(base, generator)
    table = planted.images.table
    num_splits = table.groupby("identity_id")["split"].nunique()
    torn = table["identity_id"].isin(num_splits.index[num_splits > 1])
    assert set(table.index[torn]) == planted.by_image["identity-across-splits"]


def test_flipped_labels_are_those_named(plant: ModuleType, base: Any, generator: Any) -> None:
    planted = plant.mislabelled(base, generator)
    changed = base.table["label"] != planted.images.table["label"]
    assert set(base.table.index[changed]) == planted.by_image["mislabelled"]


RARE = {
    "rare-factor": 0.03,
    "rare-dark-glasses": 0.03,
    "rare-hat": 0.03,
    "rare-side-light": 0.03,
    "rare-dark-skin": 0.02,
    "rare-light-colour": 0.03,
}


@pytest.mark.parametrize("name", RARE)
def test_rare_faces_are_as_many_as_said_and_other_people(
    plant: ModuleType, base: Any, generator: Any, name: str
) -> None:
    planted = plant.DEFECTS[name](base, generator)
    rare = planted.by_image["rare-kind"]
    assert len(rare) == round(RARE[name] * len(base.faces))
    assert rare <= set(base.faces)
    assert not len(planted.images.people)
    faces = [planted.images.files[image_id] for image_id in base.faces]
    assert len(set(faces)) == len(faces)


def test_rare_side_light_leaves_half_of_the_face_dark(
    plant: ModuleType, base: Any, generator: Any
) -> None:
    planted = plant.rare_side_light(base, generator)
    rare = planted.by_image["rare-kind"]

    def side(image_id: str) -> float:
        light = opened(planted.images.files[image_id])[20:48].mean(axis=(0, 2))
        return abs(float(light[16:28].mean() - light[36:48].mean()))

    others = [side(image_id) for image_id in base.faces if image_id not in rare]
    assert np.median([side(image_id) for image_id in rare]) > 2 * np.median(others)


def finding(kind: str, severity: str, subject: str) -> dict[str, str]:
    return {"kind": kind, "severity": severity, "subject": subject}


def test_scores_count_images_and_subjects(plant: ModuleType, score: ModuleType, base: Any) -> None:
    planted = plant.Planted(
        images=base,
        by_image={"junk": frozenset({"a", "b", "c", "d"})},
        by_subject={"association": ("camera, label", "site, split")},
        follows={"association": ("season",)},
        variants={"a": "drawn", "b": "cut", "c": "cut"},
    )
    audit = {
        "findings": [
            finding("junk", "warning", "faces"),
            finding("association", "warning", "label, camera"),
            finding("association", "serious", "lens, split"),
            finding("association", "serious", "season known, gender"),
            finding("association", "note", "site, split"),
        ]
    }
    rows = pd.DataFrame({"kind": ["junk"] * 3 + ["association"], "image_id": ["a", "b", "x", "c"]})
    found = score.scores(planted, audit, rows)
    images = found["junk, images"]
    assert (images["num_planted"], images["num_found"]) == (4, 3)
    assert (images["num_right"], images["num_hit"]) == (2, 2)
    assert images["by_variant"] == {"drawn": [1, 1], "cut": [1, 2]}
    pairs = found["association, subjects"]
    assert (pairs["num_planted"], pairs["num_found"]) == (2, 3)
    assert (pairs["num_right"], pairs["num_hit"]) == (2, 1)
    assert (pairs["wrong"], pairs["missed"]) == (["lens, split"], ["site, split"])
    assert score.alarms(audit, known=["association"]) == ["warning junk: faces"]
    assert score.alarms(audit, known=score.planted_kinds(planted)) == []


def test_rare_kinds_are_scored_where_they_are_warnings(
    plant: ModuleType, score: ModuleType, base: Any
) -> None:
    planted = plant.Planted(images=base, by_image={"rare-kind": frozenset({"a", "b"})})
    rows = pd.DataFrame(
        {
            "kind": ["rare-kind"] * 3,
            "image_id": ["a", "x", "b"],
            "severity": ["warning", "warning", "note"],
        }
    )
    images = score.scores(planted, {"findings": []}, rows)["rare-kind, images"]
    assert (images["num_planted"], images["num_found"]) == (2, 2)
    assert (images["num_right"], images["num_hit"]) == (1, 1)


@pytest.mark.parametrize(
    ("name", "truth", "is_it", "has_it"),
    [
        ("gender female, side", "gender female, side", True, True),
        ("side, gender female", "gender, side", True, True),
        ("gender female, hat hat, side", "gender, side", False, True),
        ("gendered, side", "gender, side", False, False),
        ("skin_tone dark in train", "skin_tone dark in train", True, True),
        ("skin_tone dark, gender female in train", "skin_tone dark in train", False, False),
    ],
)
def test_subjects_are_matched_by_their_parts(
    score: ModuleType, name: str, truth: str, is_it: bool, has_it: bool
) -> None:
    assert score._is(name, truth) is is_it
    assert score._has(name, truth) is has_it


def test_the_real_command_finds_broken_files(tmp_path: Path) -> None:
    results = tmp_path / "results"
    words = ["--tiny", "--sets", "broken", "--seeds", "1", "--results", str(results)]
    paths = os.pathsep.join([str(FOLDER.parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(FOLDER / "audit_planted.py"), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((results / "broken-seed0.json").read_text())
    found = figures["scores"]["unreadable, images"]
    assert found["num_planted"] == found["num_found"] == found["num_right"] > 0
    program = runpy.run_path(str(FOLDER / "table.py"))
    lines = "\n".join(program["tables"]([figures]))
    assert "| broken | unreadable, images | 1 | 7 | 100.0 % (7 of 7) | 100.0 % (7 of 7) |" in lines
    assert program["share"](0, 0) == "not estimable"
