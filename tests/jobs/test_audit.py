from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from running import QUICK, Debias, Python

from debias.audit.findings import KINDS
from debias.cli import main
from debias.data.manifest import read_manifest
from debias.data.prepared_folder import open_prepared
from debias.errors import UsageError


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


class Audited(NamedTuple):
    """An audit that several tests look at, and none changes."""

    output: Path
    out: str


def made_audit(output: Path, *words: object) -> Audited:
    said = io.StringIO()
    with redirect_stdout(said):
        assert main(["audit", *map(str, words), "--output", str(output), "--quiet"]) == 0
    return Audited(output, said.getvalue())


@pytest.fixture(scope="module")
def audited(dirty: Path, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """The audit of the dirty set, with a rebalanced one."""
    people = ("--attributes", dirty / "people.csv", "--groups", "skin_tone,gender")
    output = tmp_path_factory.mktemp("audited") / "audit"
    return made_audit(output, dirty / "images.csv", *people, "--write-manifest")


@pytest.fixture(scope="module")
def unlabelled(dirty: Path, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """The audit of the dirty set's folder of pictures."""
    return made_audit(tmp_path_factory.mktemp("unlabelled") / "audit", dirty / "images")


def test_what_is_dirty_is_found_and_left_out(dirty: Path, audited: Audited) -> None:
    output = audited.output
    assert audited.out.endswith(f"{output / 'audit.html'}\n")
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


def test_every_kind_was_looked_for_or_not_with_a_reason(unlabelled: Audited) -> None:
    audit = read(unlabelled.output)
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
    assert found["num_faces"] == 120  # the copy is no face of its own
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


def test_an_interrupted_audit_goes_on(
    tmp_path: Path, dirty: Path, audited: Audited, debias: Debias
) -> None:
    output = tmp_path / "audit"
    shutil.copytree(audited.output, output)
    first = read(output)
    (output / "audit.json").unlink()
    assert debias(*words_of(dirty, output)).status == 1
    assert debias(*words_of(dirty, output), "--resume").status == 0
    again = read(output)
    assert again["findings"] == first["findings"]
    assert debias(*words_of(dirty, output), "--overwrite").status == 0


def test_a_continued_audit_leaves_nothing_of_the_one_before(
    tmp_path: Path, dirty: Path, audited: Audited, debias: Debias
) -> None:
    output = tmp_path / "audit"
    shutil.copytree(audited.output, output)
    before = pd.read_parquet(output / "weights.parquet")
    words = [word if word != "skin_tone,gender" else "gender" for word in words_of(dirty, output)]
    outcome = debias(*words, "--resume")
    assert outcome.status == 0, outcome.err
    assert f"removed {output / 'rebalanced'}" in outcome.out
    assert not (output / "rebalanced").exists()
    after = pd.read_parquet(output / "weights.parquet")
    assert not after["weight"].equals(before["weight"])  # those of the groups asked for now


def test_a_run_says_with_which_settings_it_was_made(
    tmp_path: Path, dirty: Path, monkeypatch: pytest.MonkeyPatch, debias: Debias
) -> None:
    trained = {}

    def train(job: Any) -> None:
        trained["epochs"] = job.settings.training.epochs
        raise UsageError("stop here")

    monkeypatch.setattr("debias.jobs.audit_training.run_train", train)
    output = tmp_path / "audit"
    words = ("--train-model", "--set", "training.epochs=3", "--device", "cpu")
    outcome = debias(*words_of(dirty, output), *words)
    assert "stop here" in outcome.err
    assert trained == {"epochs": 3}
    settings = json.loads((output / "run.json").read_text())["settings"]
    assert (settings["set"], settings["device"]) == (["training.epochs=3"], "cpu")


def test_too_many_groups_name_file_option_and_values(
    tmp_path: Path, dirty: Path, debias: Debias
) -> None:
    people = pd.read_csv(dirty / "people.csv")
    number = pd.Series(range(len(people)))
    people = people.assign(shelf=number % 15, box=number % 16, lid=number % 7, name=number)
    people.to_csv(tmp_path / "p.csv", index=False)
    words = ("--attributes", tmp_path / "p.csv", "--output", tmp_path / "a", "--quiet")
    for groups, said in (
        ("shelf,box", "shelf 15 and box 16 values together make more than 200 groups"),
        ("gender,shelf,lid", "gender 2 and shelf 15 and lid 7 values together make more than"),
    ):
        outcome = debias("audit", dirty / "images.csv", *words, "--groups", groups)
        assert outcome.status == 1
        assert outcome.err.count("\n") == 1
        for word in (said, "p.csv", "--groups"):
            assert word in outcome.err
    assert not (tmp_path / "a").exists()


def test_images_without_a_label_are_faces_everywhere(unlabelled: Audited, audited: Audited) -> None:
    assert "182 faces" in unlabelled.out
    assert "No image has a label: all are taken as faces." in unlabelled.out
    (split,) = read(unlabelled.output)["images"]["splits"]
    assert (split["num_faces"], split["num_non_faces"], split["num_unlabelled"]) == (182, 0, 182)
    page = (unlabelled.output / "audit.html").read_text()
    assert "182: no image has a label, so all are taken as faces" in page
    assert "182 faces, 0 non-faces<" in page
    assert "all are taken as faces" not in audited.out
    assert "all are taken as faces" not in (audited.output / "audit.html").read_text()


def test_a_person_is_not_left_out_for_a_picture_that_cannot_be_read(
    tmp_path: Path, dirty: Path, debias: Debias
) -> None:
    images = pd.read_csv(dirty / "images.csv")
    images["identity_id"] = None
    images.loc[images["image_id"].isin(["face-00001", "broken"]), "identity_id"] = "somebody"
    images.loc[images["image_id"] == "broken", "split"] = "test"
    assert images.set_index("image_id").loc["face-00001", "split"] == "train"
    images.to_csv(dirty / "unread.csv", index=False)
    words = ("--output", tmp_path / "a", "--quiet")
    assert debias("audit", dirty / "unread.csv", *words).status == 0
    weights = pd.read_parquet(tmp_path / "a/weights.parquet").set_index("image_id")["weight"]
    assert weights["face-00001"] > 0
    assert read(tmp_path / "a")["copies"]["num_torn_people"] == 0


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


def test_no_person_is_named_unless_asked(
    tmp_path: Path, dirty: Path, audited: Audited, debias: Debias
) -> None:
    assert debias(*words_of(dirty, tmp_path / "b"), "--include-ids").status == 0
    for name in ("audit.json", "audit.html"):
        assert "face-0000" not in (audited.output / name).read_text()
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
