from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from running import QUICK, Debias, Python

from debias.audit.findings import KINDS
from debias.data.manifest import read_manifest
from debias.data.prepared_folder import open_prepared


@pytest.fixture(scope="module")
def dirty(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn set in two splits, with a copy across them, a torn person and a broken file."""
    folder = tmp_path_factory.mktemp("dirty")
    shutil.copytree(drawn / "images", folder / "images")
    images = pd.read_csv(drawn / "images.csv")
    images["split"] = ["train" if k % 3 else "test" for k in range(len(images))]
    images["identity_id"] = None
    images.loc[[1, 3], "identity_id"] = "somebody"  # rows of train and of test
    shutil.copy(folder / "images/face-00004.jpg", folder / "images/copy.jpg")
    (folder / "images/broken.jpg").write_bytes(b"no picture")
    more = pd.DataFrame(
        {
            "image_id": ["copy", "broken"],
            "path": ["images/copy.jpg", "images/broken.jpg"],
            "label": 1,
            "split": ["test", "train"],
        }
    )
    pd.concat([images, more]).to_csv(folder / "images.csv", index=False)
    people = pd.read_csv(drawn / "attributes.csv").assign(photographer=lambda t: t["image_id"])
    people.to_csv(folder / "people.csv", index=False)
    return folder


def words_of(dirty: Path, output: Path) -> list[object]:
    return [
        *("audit", dirty / "images.csv", "--attributes", dirty / "people.csv"),
        *("--groups", "skin_tone,gender", "--output", output, "--quiet"),
    ]


def read(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "audit.json").read_text())
    return found


def test_what_is_dirty_is_found_and_left_out(tmp_path: Path, dirty: Path, debias: Debias) -> None:
    output = tmp_path / "audit"
    outcome = debias(*words_of(dirty, output), "--write-manifest")
    assert outcome.status == 0, outcome.err
    assert outcome.out.endswith(f"{output / 'audit.html'}\n")
    findings = pd.read_csv(output / "findings.csv", dtype=str)
    by_kind = findings.groupby("kind")["image_id"].agg(set)
    assert by_kind["unreadable"] == {"broken"}
    assert by_kind["duplicate-across-splits"] == {"face-00004", "copy"}
    assert by_kind["identity-across-splits"] == {"face-00001", "face-00003"}
    copies = findings[findings["kind"] == "duplicate-across-splits"].set_index("image_id")
    assert copies.loc["face-00004", "other_image_id"] == "copy"  # the test keeps its own

    audit = read(output)
    assert audit["images"]["num_images"] == 182
    assert audit["images"]["num_readable"] == 181
    assert audit["images"]["left_out"].keys() == {"photographer"}
    assert [part["scope"] for part in audit["representation"]] == ["train", "test"]
    train = audit["representation"][0]["groupings"][0]["groups"]
    expected = pd.read_csv(dirty / "images.csv").merge(pd.read_csv(dirty / "people.csv"))
    dark = expected[(expected["split"] == "train") & (expected["skin_tone"] == "dark")]
    assert next(g for g in train if g["name"] == "dark")["num_images"] == len(dark)

    weights = pd.read_parquet(output / "weights.parquet").set_index("image_id")["weight"]
    assert set(weights.index) == set(pd.read_csv(dirty / "images.csv")["image_id"])
    assert set(weights[weights == 0].index) == {"broken", "face-00004", "face-00001"}

    rebalanced = open_prepared(output / "rebalanced")
    listed = read_manifest(rebalanced.manifest, root=rebalanced.root).table
    pictures = set(listed["image_id"].str.partition("#")[0])
    assert pictures == set(weights[weights > 0].index)
    assert rebalanced.attribute_names == ("skin_tone", "gender")
    trained = listed[(listed["split"] == "train") & (listed["label"] == 1)]
    tones = (
        trained["image_id"]
        .str.partition("#")[0]
        .map(pd.read_csv(dirty / "people.csv").set_index("image_id")["skin_tone"])
    )
    before = expected.loc[expected["split"] == "train", "skin_tone"].value_counts(normalize=True)
    assert tones.value_counts(normalize=True)["dark"] > 1.5 * before["dark"]


def test_every_kind_was_looked_for_or_not_with_a_reason(
    tmp_path: Path, dirty: Path, debias: Debias
) -> None:
    assert debias("audit", dirty / "images", "--output", tmp_path / "a", "--quiet").status == 0
    audit = read(tmp_path / "a")
    assert {each["kind"] for each in audit["kinds"]} == set(KINDS)
    reasons = {each["kind"]: each["reason"] for each in audit["kinds"] if not each["checked"]}
    assert "--model RUN" in reasons["junk"]
    assert "--attributes" in reasons["under-represented"]
    assert "splits" in reasons["duplicate-across-splits"]
    assert "exact-duplicate" not in reasons
    assert [each["name"] for each in audit["images"]["attributes"]] == ["skin_tone_estimated"]
    assert audit["model"] is None
    # A folder of faces that nobody labelled: all of them are audited.
    assert audit["images"]["num_faces"] == 182
    exact = next(each for each in audit["findings"] if each["kind"] == "exact-duplicate")
    assert exact["num_images"] == 2


def test_a_model_is_trained_asked_and_drawn(tmp_path: Path, dirty: Path, debias: Debias) -> None:
    model, usable = tmp_path / "model", dirty / "usable.csv"
    # Neither splits nor persons: training would refuse a torn one.
    table = pd.read_csv(dirty / "images.csv").drop(columns=["split", "identity_id"])
    table.to_csv(usable, index=False)
    words = ("train", usable, "--architecture", "vae", *QUICK, "--output", model)
    assert debias(*words).status == 0
    output = tmp_path / "audit"
    outcome = debias(*words_of(dirty, output), "--model", model)
    assert outcome.status == 0, outcome.err
    found = read(output)["model"]
    assert found["architecture"] == "vae"
    assert found["num_faces"] == 121
    assert len(found["latents"]) == 6
    drawn = [latent for latent in found["latents"] if latent["strip"]]
    assert len(drawn) == found["num_active"]
    assert {probe["attribute"] for probe in found["probes"]} == {
        "skin_tone",
        "gender",
        "skin_tone_estimated",
    }
    page = (output / "audit.html").read_text()
    assert page.count('<img src="data:image/png') >= len(drawn)


def test_train_model_trains_on_what_is_clean(tmp_path: Path, dirty: Path, debias: Debias) -> None:
    output = tmp_path / "audit"
    words = words_of(dirty, output)
    short = [word for word in QUICK if "." in word]  # settings, no flags
    settings = [word for text in short for word in ("--set", text) if "=" in text]
    more = ("--set", "training.epochs=2", "--set", "model.image_size=32")
    outcome = debias(*words, "--train-model", "--device", "cpu", *settings, *more)
    assert outcome.status == 0, outcome.err
    listed = pd.read_csv(output / "training-set" / "images.csv")
    assert not set(listed["image_id"]) & {"broken", "face-00004", "face-00001"}
    assert read(output)["model"]["architecture"] == "vae"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "nowhere"], "not a run directory"),
        (["--model", "x", "--train-model"], "exclude each other"),
        (["--groups", "skin_tonne"], "skin_tone"),
        (["--reference", "nowhere.csv"], "nowhere.csv"),
        (["--embeding", "x"], "--embedding"),
    ],
)
def test_bad_options_leave_nothing(
    tmp_path: Path, dirty: Path, debias: Debias, words: list[str], message: str
) -> None:
    output = tmp_path / "audit"
    outcome = debias(*words_of(dirty, output), *words)
    assert outcome.status in (1, 2)
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not output.exists()


def test_an_interrupted_audit_goes_on(tmp_path: Path, dirty: Path, debias: Debias) -> None:
    output = tmp_path / "audit"
    assert debias(*words_of(dirty, output)).status == 0
    first = read(output)
    (output / "audit.json").unlink()
    assert debias(*words_of(dirty, output)).status == 1
    assert debias(*words_of(dirty, output), "--resume").status == 0
    again = read(output)
    assert again["findings"] == first["findings"]
    assert debias(*words_of(dirty, output), "--overwrite").status == 0


def test_only_an_audit_is_resumed(tmp_path: Path, dirty: Path, debias: Debias) -> None:
    (tmp_path / "run.json").write_text('{"job": "train"}')
    outcome = debias(*words_of(dirty, tmp_path), "--resume")
    assert outcome.status == 1
    assert "debias audit" in outcome.err
    assert json.loads((tmp_path / "run.json").read_text()) == {"job": "train"}


def test_a_reference_must_be_of_known_attributes(
    tmp_path: Path, dirty: Path, debias: Debias
) -> None:
    shares = tmp_path / "shares.csv"
    shares.write_text("skin_tonne,share\nlight,0.5\ndark,0.5\n")
    outcome = debias(*words_of(dirty, tmp_path / "a"), "--reference", shares)
    assert outcome.status == 1
    assert "Did you mean 'skin_tone'" in outcome.err
    alone = debias("audit", dirty / "images", "--reference", shares, "--output", tmp_path / "b")
    assert alone.status == 2
    assert "--attributes" in alone.err


def test_names_of_a_small_set_are_no_attribute(tmp_path: Path, dirty: Path, debias: Debias) -> None:
    few = pd.read_csv(dirty / "images.csv").head(12)
    few["path"] = [str(dirty / path) for path in few["path"]]
    few.drop(columns=["identity_id"]).to_csv(dirty / "few.csv", index=False)
    people = few[["image_id"]].assign(name=[f"Jane Doe {k}" for k in range(12)])
    people.assign(gender=["female", "male"] * 6).to_csv(tmp_path / "people.csv", index=False)
    words = ("--attributes", tmp_path / "people.csv", "--output", tmp_path / "a", "--quiet")
    assert debias("audit", dirty / "few.csv", *words).status == 0
    for name in ("audit.json", "audit.html"):
        assert "Jane Doe" not in (tmp_path / "a" / name).read_text()
    assert [each["name"] for each in read(tmp_path / "a")["images"]["attributes"]] == [
        "gender",
        "skin_tone_estimated",
    ]


def test_nothing_readable_is_not_clean(tmp_path: Path, debias: Debias) -> None:
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces/a.jpg").write_bytes(b"no picture")
    words = ("--output", tmp_path / "a", "--quiet", "--write-manifest")
    outcome = debias("audit", tmp_path / "faces", *words)
    assert outcome.status == 0
    assert "no rebalanced set" in outcome.out
    checked = {each["kind"] for each in read(tmp_path / "a")["kinds"] if each["checked"]}
    assert checked == {"unreadable", "exact-duplicate", "near-duplicate", "conflicting-labels"}


def test_no_person_is_named_unless_asked(tmp_path: Path, dirty: Path, debias: Debias) -> None:
    assert debias(*words_of(dirty, tmp_path / "a")).status == 0
    assert debias(*words_of(dirty, tmp_path / "b"), "--include-ids").status == 0
    for name in ("audit.json", "audit.html"):
        assert "face-0000" not in (tmp_path / "a" / name).read_text()
        assert "somebody" not in (tmp_path / "b" / name).read_text()
        assert "face-00004" in (tmp_path / "b" / name).read_text()


def test_an_audit_without_a_model_needs_no_torch(
    dirty: Path, tmp_path: Path, python: Python
) -> None:
    code = """
import sys
class Blocked:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] in ("torch", "torchvision"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
from debias.cli import main
sys.exit(main(sys.argv[1:]))
"""
    done = python(code, *words_of(dirty, tmp_path / "audit"))
    assert done.returncode == 0, done.stderr
