"""The audit of real faces keeps aggregates alone; tried on drawn ones."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from debias.cli import main
from debias.errors import DataError
from debias.rundir import RunDir
from debias.testbed.files import write_testbed
from debias.testbed.sets import load_testbed

FOLDER = Path(__file__).parents[2] / "experiments" / "audit_real_faces"


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    return runpy.run_path(str(FOLDER / "run.py"))


@pytest.fixture(scope="module")
def listed() -> pd.DataFrame:
    columns = {
        "image_id": ["one", "two", "three", "four"],
        "path": ["a/1.jpg", "a/2.jpg", "b/3.jpg", "c/4.jpg"],
        "label": ["1", "1", "1", "0"],
        "dataset": ["lfw", "utkface", "utkface", "caltech101"],
        "identity_id": ["Somebody", None, None, None],
        "gender": ["male", "female", None, None],
        "race": [None, "black", "indian", None],
        "age": [None, "29", "75", None],
        "ita": ["60.0", "-35", "28.5", None],
    }
    return pd.DataFrame(columns, dtype=object)


def test_only_faces_have_attributes_and_unknown_ones_stay_so(
    program: dict[str, Any], listed: pd.DataFrame
) -> None:
    known = program["attributes"](listed).set_index("image_id").astype(object)
    assert known.index.tolist() == ["one", "two", "three"]
    assert known.loc["two"].tolist() == ["darker", "black", "female", "18-29", "dark", "utkface"]
    assert known.loc["three", "age_group"] == "60 and older"
    assert known.loc["three", "ita_band"] == "intermediate"
    assert known.loc["one", "ita_band"] == "very light"
    assert known.loc["one", ["skin_tone", "race", "age_group"]].isna().all()
    assert pd.isna(known.loc["three", "skin_tone"])
    assert set(known.columns) == set(program["PROVENANCE"])


@pytest.mark.parametrize(
    "figures",
    [
        {"a": ["two"]},
        {"a": {"Somebody": 1}},
        {"a": [{"b": "b/3.jpg"}]},
        {"strip": "data:image/png;base64,AA"},
        {"said": "in /home/people"},
    ],
)
def test_a_single_image_or_person_is_refused(
    program: dict[str, Any], listed: pd.DataFrame, figures: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match="name an image"):
        program["check_aggregates"](figures, listed)


def test_aggregates_of_an_audit_name_nobody(
    program: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = write_testbed(load_testbed("balanced").scaled(0.005), tmp_path, num_workers=1)
    known.to_csv(tmp_path / "people.csv")
    images = pd.read_csv(tmp_path / "images.csv", dtype=str).assign(dataset="drawn")
    (tmp_path / images["path"].iloc[1]).write_bytes((tmp_path / images["path"][0]).read_bytes())
    output = tmp_path / "audit"
    words = ["--groups", "gender", "--output", str(output), "--quiet", "--workers", "1"]
    people = ["--attributes", str(tmp_path / "people.csv")]
    assert main(["audit", str(tmp_path / "images.csv"), *people, *words]) == 0
    capsys.readouterr()
    run = RunDir(path=output)
    figures = program["aggregates"](run)
    program["check_aggregates"](figures, images.assign(identity_id=None))
    assert figures["images"]["num_images"] == len(images)
    assert figures["model"] is None
    assert {each["name"] for each in figures["quality"]} == {"gender female", "gender male"}
    assert "inputs" not in figures
    assert images["image_id"][0] not in json.dumps(figures)
    assert {"kind": "exact-duplicate", "subject": "copies", "images": {"drawn": 2}} in program[
        "by_source"
    ](run, images)
    rare = program["rare_by_group"](run, known.reset_index())
    women = int((known["gender"] == "female").sum())
    assert {"group": "gender female", "num_faces": women, "num_rare": 0} in rare


def test_of_a_model_figures_are_kept_and_no_pictures(program: dict[str, Any]) -> None:
    latent = {"latent": 0, "kl": 1.0, "is_active": True, "edges": [], "masses": [], "strip": "data"}
    model = {"regions": [{"num_images": 3, "picture": "data"}], "latents": [latent]}
    model["latents"].append({**latent, "is_active": False})
    kept = program["_model"]({**model, "num_active": 1})
    latents = [{"latent": 0, "kl": 1.0, "is_active": True}]
    assert kept == {"num_active": 1, "regions": [3], "latents": latents}
