"""``debias train`` from end to end, on drawn pictures, through the real command."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from running import QUICK, Debias

from debias.models.checkpoint import load_tensors
from debias.rundir import RunDir
from debias.training.state import saved_states

ROOT = Path(__file__).parents[2]


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return load_tensors(saved_states(RunDir(path=run).checkpoints)[-1] / "state.safetensors")


def _assert_same_model(one: Path, other: Path) -> None:
    first, second = _weights(one), _weights(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def _start(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "debias", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.005)


def test_one_command_gives_model_weights_predictions_and_report(
    drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    outcome = debias(
        *("train", drawn / "images.csv", "--output", run, *QUICK),
        *("--attributes", drawn / "attributes.csv", "--groups", "skin_tone,gender"),
    )
    assert outcome.status == 0, outcome.err
    assert outcome.out.splitlines()[-1] == str(run)
    assert "dark x female" in outcome.out
    assert "compared with" in outcome.out  # the plain classifier of the same budget
    report = json.loads((run / "report.json").read_text())
    assert report["rows"]["num_faces"] == 12

    predictions = pd.read_parquet(run / "predictions.parquet")
    assert set(predictions["split"]) == {"val", "test"}
    assert {"image_id", "y_true", "y_score", "y_pred"} <= set(predictions.columns)
    assert predictions["image_id"].is_unique
    point = json.loads((run / "operating_point.json").read_text())
    expected = (predictions["y_score"] >= point["threshold"]).astype(int)
    assert (predictions["y_pred"] == expected).all()
    negatives = predictions[(predictions["split"] == "val") & (predictions["y_true"] == 0)]
    assert point["num_negatives"] == len(negatives) == 72
    assert point["threshold"] in predictions.loc[predictions["split"] == "val", "y_score"].values
    assert negatives["y_pred"].mean() == point["realised_fpr"] <= 0.15

    weights = pd.read_parquet(run / "weights.parquet")
    assert len(weights) == 96
    assert weights["image_id"].str.startswith("face-").all()
    assert weights["probability"].sum() == pytest.approx(1)
    assert weights["weight"].mean() == pytest.approx(1)
    assert weights.filter(like="driver").isin([-1, *range(6)]).all(axis=None)

    history = pd.read_csv(run / "history.csv")
    assert list(history["epoch"]) == [1, 2]
    health = ["effective_sample_size", "largest_over_mean", "active_units", "top_driver_1"]
    assert history[health].iloc[-1].notna().all()
    assert list((run / "tensorboard").glob("events.*"))
    made = json.loads((run / "run.json").read_text())
    assert made["settings"]["seed"] == 0
    assert made["versions"]["torch"]
    plain = json.loads((run / "baseline" / "run.json").read_text())
    changed = {k for k in made["settings"] if made["settings"][k] != plain["settings"][k]}
    assert changed == {"architecture"}


def test_shuffling_every_attribute_changes_no_bit_of_the_model(
    drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    images = pd.read_csv(drawn / "images.csv")
    attributes = pd.read_csv(drawn / "attributes.csv")
    joined = images.merge(attributes, on="image_id", how="left")
    runs = []
    for name in ("as-they-are", "shuffled"):
        table = joined.copy()
        if name == "shuffled":
            order = np.random.default_rng(0).permutation(len(table))
            for column in ("skin_tone", "gender"):
                table[column] = table[column].to_numpy()[order]
            assert not table.equals(joined)
        manifest = drawn / f"{name}.csv"
        table.to_csv(manifest, index=False)
        runs.append(tmp_path / name)
        outcome = debias("train", manifest, "--output", runs[-1], "--no-baseline", *QUICK)
        assert outcome.status == 0, outcome.err
    _assert_same_model(*runs)
    for file in ("predictions.parquet", "weights.parquet"):
        one, other = (pd.read_parquet(run / file) for run in runs)
        pd.testing.assert_frame_equal(one, other)


def test_folders_train_as_a_manifest_does(drawn: Path, debias: Debias, tmp_path: Path) -> None:
    for kind, pattern in (("faces", "face-*"), ("others", "other-*")):
        (tmp_path / kind).mkdir()
        for image in (drawn / "images").glob(pattern):
            (tmp_path / kind / image.name).symlink_to(image)
    outcome = debias(
        *("train", "--faces", tmp_path / "faces", "--non-faces", tmp_path / "others"),
        *("--output", tmp_path / "run", "--no-baseline", *QUICK),
    )
    assert outcome.status == 0, outcome.err
    assert "train 96 faces + 576 non-faces" in outcome.out


def test_a_killed_run_resumes_to_the_same_bits(
    trained: Path, drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    run = tmp_path / "killed"
    words = ["train", str(drawn / "images.csv"), "--output", str(run), "--no-baseline", *QUICK]
    process = _start(words)
    first_state = run / "checkpoints" / "epoch-00001"
    _wait_for(first_state)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert first_state.exists()
    refused = debias(*words)
    assert refused.status == 1
    assert "--overwrite or --resume" in refused.err
    resumed = debias(*words, "--resume")
    assert resumed.status == 0, resumed.err
    _assert_same_model(trained, run)


def test_a_resumed_run_cannot_change_its_settings(
    trained: Path, drawn: Path, debias: Debias
) -> None:
    words = ["train", drawn / "images.csv", "--output", trained, "--no-baseline", *QUICK]
    outcome = debias(*words, "--resume", "--seed", "4", "--set", "loss.kl=0.1")
    assert outcome.status == 2
    assert "loss.kl (0.0005 -> 0.1), seed (0 -> 4)" in outcome.err


@pytest.mark.parametrize("column", ["label", "split"])
def test_a_resumed_run_cannot_change_its_labels_or_splits(
    column: str, drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(drawn, folder)
    table = pd.read_csv(drawn / "images.csv")
    table["split"] = np.array([*["train"] * 4, "val", "test"])[
        table.groupby("label").cumcount() % 6
    ]
    table.to_csv(folder / "images.csv", index=False)
    words = ["train", folder / "images.csv", "--output", tmp_path / "run", "--no-baseline", *QUICK]
    assert debias(*words).status == 0
    assert debias(*words, "--resume").status == 0
    made = json.loads((tmp_path / "run" / "run.json").read_text())
    assert len(made["resumed"]) == 1
    values = table[column].tolist()
    values[4] = {"label": 0, "split": "train"}[column]
    table[column] = values
    table.to_csv(folder / "images.csv", index=False)
    outcome = debias(*words, "--resume")
    assert outcome.status == 2
    assert "the images, their labels or their splits" in outcome.err


def test_overwrite_replaces_the_run(trained: Path, drawn: Path, debias: Debias) -> None:
    words = ["train", drawn / "images.csv", "--output", trained, "--no-baseline", *QUICK]
    before = _weights(trained)["model.classifier.1.weight"]
    assert debias(*words, "--overwrite", "--seed", "9").status == 0
    assert not torch.equal(before, _weights(trained)["model.classifier.1.weight"])


def test_too_few_non_faces_are_refused_before_training(
    drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    outcome = debias("train", drawn / "images.csv", "--output", run, *QUICK, "--target-fpr", "0.01")
    assert outcome.status == 1
    assert "needs 1,000 validation non-faces" in outcome.err
    assert "there are 72" in outcome.err
    assert "--windows 167" in outcome.err
    assert "ask for 0.14 or more" in outcome.err
    assert not run.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ["--target-fpr", "0.001"],
        ["--set", "model.encoder=resnet18"],
        ["--set", "training.learning_rate=inf"],
        ["--attributes", "none.csv", "--groups", "gender"],
        ["--device", "cuda:77"],
    ],
)
def test_nothing_is_deleted_for_a_run_that_cannot_start(
    wrong: list[str], trained: Path, drawn: Path, debias: Debias
) -> None:
    words = ["train", drawn / "images.csv", "--output", trained, *QUICK, "--overwrite"]
    outcome = debias(*words, *wrong)
    assert outcome.status in (1, 2)
    assert len(outcome.err.strip().splitlines()) == 1
    assert (trained / "predictions.parquet").exists()


def test_no_job_overwrites_what_it_reads(trained: Path, drawn: Path, debias: Debias) -> None:
    attributes = ["--attributes", drawn / "attributes.csv", "--groups", "gender"]
    for words in (
        ["report", trained, *attributes, "--output", trained],
        ["report", trained / "predictions.parquet", *attributes, "--output", trained],
        ["predict", drawn / "images.csv", "--model", trained, "--output", trained],
        ["predict", drawn / "images.csv", "--model", trained, "--output", trained.parent],
        ["train", trained / "manifest.csv", "--output", trained],
    ):
        outcome = debias(*words, "--overwrite", "--quiet")
        assert outcome.status == 1, words
        assert "would overwrite what is read" in outcome.err
    assert (trained / "model" / "weights.safetensors").exists()


def test_a_report_is_written_and_replaced(
    trained: Path, drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    words = ["report", trained, "--attributes", drawn / "attributes.csv", "--quiet"]
    output = tmp_path / "report"
    assert debias(*words, "--groups", "nothere", "--output", output).status == 1
    assert not output.exists()
    assert debias(*words, "--groups", "gender", "--output", output).status == 0
    assert "already exists" in debias(*words, "--groups", "gender", "--output", output).err
    again = debias(*words, "--groups", "skin_tone", "--output", output, "--overwrite")
    assert again.status == 0, again.err
    assert "skin_tone" in (output / "report.json").read_text()


def test_a_run_directory_tells_neither_host_nor_user(
    drawn: Path, debias: Debias, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "the-host-of-jane")
    trained = tmp_path / "run"
    words = ["train", drawn / "images.csv", "--output", trained, "--no-baseline", *QUICK]
    assert debias(*words).status == 0
    told = ["the-host-of-jane", str(tmp_path.parent), str(Path.home())]
    for path in trained.rglob("*"):
        name = str(path.relative_to(trained))
        content = path.read_bytes().decode("latin-1") if path.is_file() else ""
        assert not [word for word in told if word in name or word in content], name
        assert path.stat().st_mode & 0o044 == 0o044, f"{name} cannot be read by others"


@pytest.fixture
def with_broken(drawn: Path, tmp_path: Path) -> Path:
    """The drawn pictures, one of them cut short."""
    folder = tmp_path / "broken"
    shutil.copytree(drawn / "images", folder / "images")
    shutil.copy(drawn / "images.csv", folder)
    broken = folder / "images" / "face-00007.jpg"
    broken.write_bytes(broken.read_bytes()[:900])
    return folder


def test_a_broken_image_is_listed_and_left_out(
    with_broken: Path, debias: Debias, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = ["train", with_broken / "images.csv", "--output", run, "--no-baseline", *QUICK]
    outcome = debias(*words)
    assert outcome.status == 0, outcome.err
    assert "1 could not be decoded" in outcome.out
    failures = pd.read_csv(run / "failures.csv")
    assert list(failures["image_id"]) == ["face-00007"]
    strict = debias(*words, "--strict", "--overwrite")
    assert strict.status == 1
    assert "face-00007" in strict.err


def test_the_other_architectures(drawn: Path, debias: Debias, tmp_path: Path) -> None:
    for architecture in ("autoencoder", "beta-vae"):
        run = tmp_path / architecture
        outcome = debias(
            *("train", drawn / "images.csv", "--output", run, *QUICK),
            *("--architecture", architecture, "--set", "loss.kl_warmup=1"),
        )
        assert outcome.status == 0, outcome.err
        assert (run / "weights.parquet").exists()
        assert not (run / "predictions.parquet").exists()
        assert not (run / "baseline").exists()


@pytest.mark.parametrize("preset", ["paper", "mit-lab"])
def test_the_published_recipes_run(
    preset: str, drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    outcome = debias(
        *("train", drawn / "images.csv", "--output", tmp_path / "run", "--preset", preset),
        *("--epochs", "1", "--windows", "12", "--target-fpr", "0.15", "--quiet", "--no-baseline"),
        *("--set", "training.min_epoch_steps=1"),
    )
    assert outcome.status == 0, outcome.err
    network = json.loads((tmp_path / "run" / "model" / "model.json").read_text())["network"]
    assert network["latent_size"] == 100
    assert network["hidden"] == {"paper": 1000, "mit-lab": 512}[preset]


@pytest.mark.parametrize("rule", ["uniform", "product"])
def test_the_same_command_runs_in_several_processes(rule: str, drawn: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
        *("-m", "debias", "train", str(drawn / "images.csv"), "--output", str(run)),
        *("--resampling", rule, "--no-baseline", *QUICK),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines().count(str(run)) == 1
    assert len(pd.read_csv(run / "history.csv")) == 2
    assert (run / "predictions.parquet").exists()
    assert json.loads((run / "run.json").read_text())["num_processes"] == 2


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let subprocesses heed an interrupt, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_interrupting_says_how_to_go_on(drawn: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["train", str(drawn / "images.csv"), "--output", str(run), *QUICK, "--epochs", "500"]
    process = _start(words)
    _wait_for(run / "checkpoints" / "epoch-00002")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in err
    assert "Traceback" not in err
    assert (run / "model" / "weights.safetensors").exists()


def test_a_diverging_training_stops_with_its_step(
    drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = ["train", drawn / "images.csv", "--output", run, "--no-baseline", *QUICK]
    outcome = debias(
        *words, "--set", "training.learning_rate=1e30", "--set", "training.gradient_clip=0"
    )
    assert outcome.status == 1
    assert re.search(r"step \d+: the loss (is not finite|diverges)", outcome.err)
    assert "lower training.learning_rate" in outcome.err


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_model_trains(drawn: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["train", str(drawn / "images.csv"), "--output", str(run), "--no-baseline", *QUICK]
    process = _start([*words, "--set", "training.compile=true"])
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    losses = pd.read_csv(run / "history.csv")["loss"]
    assert losses.iloc[-1] < losses.iloc[0]
