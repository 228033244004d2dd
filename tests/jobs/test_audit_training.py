"""Audits that train a model of their own: with which settings, and what goes on with `--resume`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from running import Debias

from debias.cli import main
from debias.config import to_table
from debias.errors import DebiasError, OutputError, UsageError
from debias.jobs.audit_job import AuditTraining
from debias.jobs.audit_outputs import remove
from debias.jobs.audit_training import changed_settings, check_training
from debias.rundir import RunDir
from debias.training.settings import load_settings

SETTINGS = """
[model]
channels = [8]
blocks = [0]
image_size = 32
latent_size = 4

[training]
epochs = 1
batch_size = 32
min_epoch_steps = 1
"""
RESULTS = ("audit.html", "audit.json", "findings.csv", "weights.parquet")


@pytest.fixture(scope="module")
def faces(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of faces, and beside it a file of settings."""
    folder = tmp_path_factory.mktemp("faces")
    (folder / "images").mkdir()
    for path in sorted((drawn / "images").glob("face-*.jpg")):
        shutil.copy(path, folder / "images")
    (folder / "quick.toml").write_text(SETTINGS)
    return folder


def words_of(faces: Path, output: Path) -> list[str]:
    words = ["audit", faces / "images", "--output", output, "--device", "cpu", "--quiet"]
    return [str(word) for word in words]


def trains(faces: Path) -> list[str]:
    return ["--train-model", "--config", str(faces / "quick.toml")]


@pytest.fixture(scope="module")
def first(faces: Path, tmp_path_factory: pytest.TempPathFactory, _one_thread: None) -> Path:
    """An audit that trained a model, and listed a rebalanced set."""
    folder = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEBIAS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        words = words_of(faces, folder / "audit")
        assert main([*words, *trains(faces), "--write-manifest"]) == 0
    return folder / "audit"


@pytest.fixture
def output(first: Path, tmp_path: Path) -> Path:
    """A copy of that audit, to go on with."""
    shutil.copytree(first, tmp_path / "audit")
    return tmp_path / "audit"


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def stop(*_: object, **__: object) -> None:
    raise UsageError("stop here")


def test_a_file_and_a_preset_set_the_training_up_and_are_recorded(
    first: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, debias: Debias
) -> None:
    settings, trained = read(first / "run.json")["settings"], read(first / "trained/run.json")
    assert (settings["preset"], settings["config"]) == ("default", "quick.toml")
    assert trained["settings"]["training"]["epochs"] == 1
    assert trained["settings"]["model"]["channels"] == [8]
    audit = read(first / "audit.json")
    assert {"config"} == {each["role"] for each in audit["inputs"] if each["path"] == "quick.toml"}
    assert audit["model"]["architecture"] == "vae"
    assert str(faces) not in (first / "run.json").read_text()

    seen: list[Any] = []
    monkeypatch.setattr("debias.jobs.audit_training.run_train", seen.append)
    words = ("--preset", "paper", *trains(faces), "--set", "training.epochs=3")
    debias(*words_of(faces, tmp_path / "a"), *words)  # and stops without a model
    (job,) = seen
    assert job.settings.resampling.rule == "paper"
    assert (job.settings.model.latent_size, job.settings.training.epochs) == (4, 3)
    settings = read(tmp_path / "a/run.json")["settings"]
    assert (settings["preset"], settings["set"]) == ("paper", ["training.epochs=3"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config", "quick.toml"], "--config: sets a training up, and none is asked for"),
        (["--preset", "paper"], "--preset: sets a training up, and none is asked for"),
        (["--set", "training.epochs=2"], "--set: sets a training up, and none is asked for"),
        (["--train-model", "--preset", "papr"], "Did you mean 'paper'?"),
        (["--train-model", "--preset", ""], "unknown preset ''"),
        (["--train-model", "--config", "nowhere.toml"], "nowhere.toml: cannot be read"),
        (["--train-model", "--set", "training.epoch=2"], "epochs"),
    ],
)
def test_bad_settings_leave_nothing(
    tmp_path: Path, faces: Path, debias: Debias, words: list[str], message: str
) -> None:
    outcome = debias(*words_of(faces, tmp_path / "a"), *words)
    assert outcome.status == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "a").exists()


def test_a_file_of_settings_is_no_place_to_write_to(
    tmp_path: Path, faces: Path, debias: Debias
) -> None:
    (tmp_path / "a").mkdir()
    shutil.copy(faces / "quick.toml", tmp_path / "a")
    words = ("--train-model", "--config", tmp_path / "a/quick.toml", "--overwrite")
    outcome = debias(*words_of(faces, tmp_path / "a"), *words)
    assert outcome.status == 1
    assert "would overwrite what is read" in outcome.err


def test_a_model_of_the_same_settings_and_images_is_asked_again(
    output: Path, first: Path, faces: Path, debias: Debias
) -> None:
    outcome = debias(*words_of(faces, output), *trains(faces), "--resume")
    assert outcome.status == 0, outcome.err
    assert "anew" not in outcome.out
    assert f"removed {output / 'rebalanced'}" in outcome.out
    assert outcome.out.count("removed") == 1
    assert len(read(output / "trained/run.json")["resumed"]) == 1
    assert (output / "training-set/images.csv").is_file()
    assert read(output / "audit.json")["findings"] == read(first / "audit.json")["findings"]


def test_a_model_of_other_settings_is_trained_anew(
    output: Path, faces: Path, debias: Debias
) -> None:
    words = ("--resume", "--set", "training.epochs=2", "--seed", "7")
    outcome = debias(*words_of(faces, output), *trains(faces), *words)
    assert outcome.status == 0, outcome.err
    said = "seed (0 -> 7), training.epochs (1 -> 2)"
    place = output / "trained"
    assert f"{place} has other settings: {said}; the model will be trained anew\n" in outcome.out
    facts = read(output / "trained/run.json")
    assert "resumed" not in facts
    assert (facts["settings"]["training"]["epochs"], facts["settings"]["seed"]) == (2, 7)
    assert read(output / "run.json")["settings"] == read(output / "audit.json")["settings"]


def test_a_changed_training_is_told_before_anything_is_measured_or_lost(
    output: Path, faces: Path, monkeypatch: pytest.MonkeyPatch, debias: Debias
) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}

    before = files()
    monkeypatch.setattr("debias.jobs.audit.measure_images", stop)
    words = (*trains(faces), "--resume", "--seed", "7")
    outcome = debias(*words_of(faces, output), *words)
    assert "stop here" in outcome.err
    assert "trained anew" in outcome.out
    assert files() == before


@pytest.mark.parametrize("words", [(), ("--set", "training.epochs=2")])
def test_no_results_of_other_settings_stand_beside_a_run_that_stopped(
    output: Path,
    faces: Path,
    monkeypatch: pytest.MonkeyPatch,
    debias: Debias,
    words: tuple[str, ...],
) -> None:
    monkeypatch.setattr("debias.jobs.audit_training.run_train", stop)
    again = ("--resume", "--write-manifest", "--include-ids", *words)
    outcome = debias(*words_of(faces, output), *trains(faces), *again)
    assert "stop here" in outcome.err
    settings = read(output / "run.json")["settings"]
    assert (settings["include_ids"], settings["set"]) == (True, list(words[1:]))
    assert not any((output / name).exists() for name in (*RESULTS, "rebalanced"))
    assert (output / "trained").exists() == (not words)
    assert "removed" not in outcome.out  # all of it would have been made again


def test_a_model_of_other_images_is_trained_anew(
    output: Path, faces: Path, tmp_path: Path, debias: Debias
) -> None:
    shutil.copytree(faces / "images", tmp_path / "images")
    shutil.copy(faces / "quick.toml", tmp_path)
    (tmp_path / "images/face-00007.jpg").write_bytes(b"no picture")
    before = read(output / "trained/run.json")["data"]
    outcome = debias(*words_of(tmp_path, output), *trains(tmp_path), "--resume")
    assert outcome.status == 0, outcome.err
    said = f"removed {output / 'trained'}: it was trained on other images; it is trained anew\n"
    assert said in outcome.out
    facts = read(output / "trained/run.json")
    assert facts["data"]["digest"] != before["digest"]
    assert sum(facts["data"]["num_images"].values()) == sum(before["num_images"].values()) - 1
    assert "resumed" not in facts
    assert "face-00007" not in set(pd.read_csv(output / "training-set/images.csv")["image_id"])


def test_a_training_that_left_no_run_file_is_begun_again(
    output: Path, faces: Path, monkeypatch: pytest.MonkeyPatch, debias: Debias
) -> None:
    (output / "trained/run.json").unlink()
    seen: list[Any] = []
    monkeypatch.setattr("debias.jobs.audit_training.run_train", seen.append)
    debias(*words_of(faces, output), *trains(faces), "--resume")
    assert not (output / "trained").exists()
    assert [job.resume for job in seen] == [False]


def test_without_training_nothing_is_left_of_an_earlier_one(
    output: Path, faces: Path, debias: Debias
) -> None:
    outcome = debias(*words_of(faces, output), "--resume")
    assert outcome.status == 0, outcome.err
    for name in ("trained", "training-set"):
        line = f"removed {output / name}: it is of an earlier audit; add --train-model\n"
        assert line in outcome.out
        assert not (output / name).exists()
    assert read(output / "audit.json")["model"] is None
    settings = read(output / "run.json")["settings"]
    assert (settings["preset"], settings["config"], settings["set"]) == (None, None, [])
    assert "<dt>preset</dt><dd>none</dd>" in (output / "audit.html").read_text()


def test_what_the_images_decide_is_no_changed_setting(tmp_path: Path) -> None:
    chosen = AuditTraining(least_non_faces=500, assignments=("training.epochs=3",))
    run = RunDir(path=tmp_path)
    assert changed_settings(chosen, run, seed=1) == []
    flags = {"architecture": "db-vae", "target_fpr": 0.4, "seed": 1}
    table = to_table(load_settings(assignments=["training.epochs=3"], flags=flags))
    run.run_file.write_text(json.dumps({"job": "train", "settings": table}))
    assert changed_settings(chosen, run, seed=1) == []
    assert changed_settings(chosen, run, seed=2) == ["seed (1 -> 2)"]
    run.run_file.write_text(json.dumps({"job": "train"}))
    assert len(changed_settings(chosen, run, seed=1)) > 0
    run.run_file.write_text("[]")
    with pytest.raises(DebiasError, match="not made by `debias train`"):
        changed_settings(chosen, run, seed=1)


def test_a_training_is_checked_without_images() -> None:
    check_training(AuditTraining(least_non_faces=500), device="cpu")
    with pytest.raises(DebiasError, match="cpuu"):
        check_training(AuditTraining(least_non_faces=500), device="cpuu")


def test_what_cannot_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove(tmp_path / "nothing")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("shutil.rmtree", refuse)
    with pytest.raises(OutputError, match="cannot be removed: Permission denied"):
        remove(tmp_path)
