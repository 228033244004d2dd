"""Audits that ask trained models: what several of them say, and whom the page may show."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from reporting.published_schemas import PublishedSchema, faults, strict
from running import QUICK, Debias

from debias.cli import main
from debias.reporting.audit_schema import AUDIT_SCHEMA_VERSION, AuditJson

AUDIT = PublishedSchema(name="audit", root=AuditJson, version=AUDIT_SCHEMA_VERSION)


@pytest.fixture(scope="module")
def runs(
    drawn: Path, tmp_path_factory: pytest.TempPathFactory, _one_thread: None
) -> dict[str, Path]:
    """Two trainings of a VAE, and what passes for that of a plain classifier."""
    folder = tmp_path_factory.mktemp("runs")
    words = ["train", str(drawn / "images.csv"), *QUICK, "--no-baseline"]
    words += ["--cache", str(folder / "cache"), "--set", "resampling.activity_threshold=0"]
    found = {name: folder / name for name in ("first", "second", "plain")}
    for seed, name in enumerate(("first", "second"), start=1):
        more = ["--architecture", "vae", "--epochs", "1", "--seed", str(seed)]
        assert main([*words, *more, "--output", str(found[name])]) == 0
    shutil.copytree(found["first"], found["plain"])
    facts = json.loads((found["plain"] / "run.json").read_text())
    facts["settings"]["architecture"] = "classifier"
    (found["plain"] / "run.json").write_text(json.dumps(facts))
    return found


def words_of(drawn: Path, output: Path) -> list[object]:
    return [
        *("audit", drawn / "images.csv", "--attributes", drawn / "attributes.csv"),
        *("--groups", "gender", "--output", output, "--device", "cpu", "--quiet"),
    ]


def read(output: Path) -> dict[str, Any]:
    """Return an audit that is as its schema says."""
    found: dict[str, Any] = json.loads((output / "audit.json").read_text())
    assert faults(found, strict(AUDIT.read())) == []
    return found


def test_further_runs_add_their_spread_and_change_nothing_else(
    tmp_path: Path, drawn: Path, runs: dict[str, Path], debias: Debias
) -> None:
    alone, both = tmp_path / "alone", tmp_path / "both"
    first, second = (("--model", runs[name]) for name in ("first", "second"))
    done = debias(*words_of(drawn, alone), *first, "--include-images", "--include-ids")
    assert done.status == 0, done.err
    done = debias(*words_of(drawn, both), *first, *second)
    assert done.status == 0, done.err
    one, two = read(alone), read(both)
    model, models = one["model"], two["model"]
    assert [run["name"] for run in models["runs"]] == ["first", "second"]
    assert [run["seed"] for run in models["runs"]] == [1, 2]
    assert [item["path"] for item in two["inputs"] if item["role"] == "model"] == [
        "first",
        "second",
    ]
    assert models["runs"][:1] == model["runs"]
    assert model["spread"] == []
    spread = {each["attribute"]: each for each in models["spread"]}
    assert set(spread) == {"skin_tone", "gender", "skin_tone_estimated"}
    gender = spread["gender"]
    (probe,) = (each for each in models["probes"] if each["attribute"] == "gender")
    assert gender["runs"][0]["balanced_accuracy"] == probe["balanced_accuracy"]
    assert gender["runs"][1]["balanced_accuracy"] != probe["balanced_accuracy"]
    own = {"runs", "spread", "rarest", "most_common", "regions", "includes_images"}
    assert {k: v for k, v in models.items() if k not in own} == {
        k: v for k, v in model.items() if k not in own
    }
    first_weights, weights = (pd.read_parquet(each / "weights.parquet") for each in (alone, both))
    pd.testing.assert_frame_equal(first_weights, weights)
    assert "What holds in all 2 runs" in (both / "audit.html").read_text()

    # Photographs, for all that is known here, are shown where it is asked for.
    assert (model["are_drawn"], model["includes_images"]) == (False, True)
    assert (models["are_drawn"], models["includes_images"]) == (False, False)
    for part in ("rarest", "most_common"):
        assert all(face["picture"].startswith("data:image/jpeg") for face in model[part])
        assert {face["picture"] for face in models[part]} == {None}
        assert all(face["image_id"].startswith("face-") for face in model[part])
        assert [face["weight"] for face in model[part]] == [face["weight"] for face in models[part]]
    assert one["settings"]["include_images"] is True
    assert "image/jpeg" not in (both / "audit.html").read_text()


def test_the_mean_of_few_persons_is_not_shown(
    tmp_path: Path, drawn: Path, runs: dict[str, Path], debias: Debias
) -> None:
    table = pd.read_csv(drawn / "images.csv")
    shutil.copytree(drawn / "images", tmp_path / "images")
    is_face = table["label"] == 1
    table["identity_id"] = [f"person-{k % 10}" if face else None for k, face in enumerate(is_face)]
    table.to_csv(tmp_path / "few.csv", index=False)
    words = ("--model", runs["first"], "--device", "cpu", "--quiet", "--output")
    done = debias("audit", tmp_path / "few.csv", *words, tmp_path / "hidden")
    assert done.status == 0, done.err
    found = read(tmp_path / "hidden")["model"]
    assert found["num_active"] > 0
    assert {latent["strip"] for latent in found["latents"]} == {None}
    assert {region["picture"] for region in found["regions"]} <= {None}
    assert "data:image" not in (tmp_path / "hidden/audit.html").read_text()


@pytest.mark.parametrize("how", ["copies", "windows"])
def test_copies_and_windows_of_few_pictures_are_no_persons(
    tmp_path: Path, drawn: Path, runs: dict[str, Path], debias: Debias, how: str
) -> None:
    table = pd.read_csv(drawn / "images.csv")
    shutil.copytree(drawn / "images", tmp_path / "images")
    faces = table[table["label"] == 1].head(30).reset_index(drop=True)
    if how == "copies":
        for row in range(15, 30):
            shutil.copy(tmp_path / faces["path"][0], tmp_path / f"{row}.jpg")
            faces.loc[row, "path"] = f"{row}.jpg"
    else:
        faces["path"] = [faces["path"][row % 15] for row in range(30)]
        faces[["crop_x", "crop_y", "crop_side"]] = [0.0, 0.0, 0.75]
        faces.loc[15:, "crop_x"] = 1.0
    faces.to_csv(tmp_path / "few.csv", index=False)
    words = ("--model", runs["first"], "--device", "cpu", "--quiet", "--output", tmp_path / "a")
    done = debias("audit", tmp_path / "few.csv", *words)
    assert done.status == 0, done.err
    found = read(tmp_path / "a")["model"]
    assert found["num_faces"] == 15 or how == "windows"
    assert found["num_active"] > 0
    assert {latent["strip"] for latent in found["latents"]} == {None}
    assert "data:image" not in (tmp_path / "a/audit.html").read_text()


def test_drawn_faces_are_shown(
    tmp_path: Path, runs: dict[str, Path], debias: Debias, bed: Path
) -> None:
    words = ("--model", runs["first"], "--device", "cpu", "--quiet", "--output", tmp_path / "a")
    done = debias("audit", "--data", bed, "--where", "split=train", *words)
    assert done.status == 0, done.err
    found = read(tmp_path / "a")["model"]
    assert (found["are_drawn"], found["includes_images"]) == (True, True)
    assert "a program drew them" in (tmp_path / "a/audit.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--include-images"], "--include-images: shows the faces of the largest"),
        (["--model", "first", "--model", "first"], "twice"),
        (["--model", "first", "--model", "first/../first"], "twice"),
        (["--model", "first", "--model", "plain"], "no latent space"),
        (["--model", "first", "--model", "nowhere"], "nowhere"),
        (["--model", "first", "--train-model"], "exclude each other"),
    ],
)
def test_bad_models_leave_nothing(
    tmp_path: Path,
    drawn: Path,
    runs: dict[str, Path],
    debias: Debias,
    words: list[str],
    message: str,
) -> None:
    folder = runs["first"].parent
    given = [word if word.startswith("--") else folder / word for word in words]
    output = tmp_path / "audit"
    outcome = debias(*words_of(drawn, output), *given)
    assert outcome.status in (1, 2)
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not output.exists()
