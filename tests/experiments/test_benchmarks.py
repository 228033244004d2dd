"""The benchmarks run, measure what they say, and compare with a loop that does the same work."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from debias.models.db_vae import FaceModel, training_loss
from debias.training.settings import load_settings

FOLDER = Path(__file__).parents[2] / "experiments" / "benchmarks"
TASKS = {
    *("training", "whole epochs", "resampling", "encoding"),
    *("pixels", "decoding", "scoring", "detection, 160 x 160", "drawing"),
    *("weights, 50 x 64", "draws, 50", "start-up"),
}


@pytest.fixture(autouse=True)
def _as_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What the tiniest run prints and writes."""
    file = tmp_path_factory.mktemp("benchmarks") / "speed.json"
    command = [sys.executable, str(FOLDER / "run.py"), "--quick", "--tiny", "--output", str(file)]
    paths = os.pathsep.join(filter(None, [str(FOLDER.parents[1]), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text())


@pytest.mark.slow
def test_every_task_is_measured_in_pairs(outcome: tuple[str, dict[str, Any]]) -> None:
    printed, kept = outcome
    assert {line["task"] for line in kept["comparisons"]} == TASKS
    for line in kept["comparisons"]:
        assert len(line["figures_ours"]) == len(line["figures_other"]) == len(line["ratios"]) == 2
        assert min(line["figures_ours"] + line["figures_other"]) > 0
        quotients = [
            a / b for a, b in zip(line["figures_ours"], line["figures_other"], strict=True)
        ]
        if line["unit"] == "ms":
            quotients = [1 / quotient for quotient in quotients]
        assert line["ratios"] == pytest.approx(quotients)
        assert line["other"] in printed


@pytest.mark.slow
def test_the_aims_are_judged(outcome: tuple[str, dict[str, Any]]) -> None:
    aims = [(line["task"], line["aim"]) for line in outcome[1]["comparisons"] if line["aim"]]
    assert sorted(aims) == [
        *(
            ("detection, 160 x 160", 5.0),
            ("pixels", 50.0),
            ("resampling", 0.97),
            ("resampling", 0.97),
        ),
        *(("training", 1.4), ("training", 2.0), ("whole epochs", 2.0)),
    ]
    for line in outcome[1]["comparisons"]:
        assert line["met"] == (None if line["aim"] is None else line["ratio"] >= line["aim"])


@pytest.mark.slow
def test_speeds_stand_beside_what_the_machine_can_do(outcome: tuple[str, dict[str, Any]]) -> None:
    printed, kept = outcome
    assert {"fp32", "copy"} <= kept["limits"].keys()
    shares = {each["task"]: each for each in kept["shares"]}
    assert shares.keys() == {"training", "encoding", "pixels"}
    for each in shares.values():
        assert 0 < each["share"] < 1
        assert f"| {each['task']} |" in printed


def test_a_share_is_speed_times_need_of_the_limit() -> None:
    from limits import shares
    from measuring import Comparison

    tiny = runpy.run_path(str(FOLDER / "run.py"))["TINY"]
    lines = [
        Comparison(
            task=task,
            ours="ours",
            other="other",
            unit="images/s",
            figures_ours=(speed,),
            figures_other=(1.0,),
            ratios=(speed,),
        )
        for task, speed in (("training", 10.0), ("encoding", 100.0), ("pixels", 1000.0))
    ]
    found = {each.task: each for each in shares(lines, {"fp32": 1e9, "copy": 1e8}, tiny)}
    assert found["pixels"].share == pytest.approx(1000 * 2 * 3 * 32**2 / 1e8)
    assert found["encoding"].share == pytest.approx(100 * found["encoding"].needs / 1e9)
    # The first convolution alone: 4 channels of 32 x 32 at half the resolution, from 3 x 3 x 3.
    assert found["encoding"].needs > 2 * 4 * 16**2 * 27
    # Every layer's gradients by weights and by inputs take as much again; faces are decoded too.
    assert found["training"].needs > 2.5 * found["encoding"].needs


@pytest.mark.slow
def test_the_machine_is_described_but_not_named(outcome: tuple[str, dict[str, Any]]) -> None:
    printed, kept = outcome
    machine = kept["machine"]
    assert machine["processor"]
    assert machine["num_threads"] == 1
    assert {"python", "numpy", "torch", "torchvision"} <= machine["versions"].keys()
    text = json.dumps(kept) + printed
    assert os.uname().nodename not in text
    assert str(Path.home()) not in text
    assert str(FOLDER.parents[1]) not in text


@pytest.mark.parametrize("decode_all", [True, False])
def test_the_plain_loop_has_the_same_loss(decode_all: bool) -> None:
    from plain import plain_loss

    settings = load_settings(assignments=["model.channels=[4, 8]", "model.blocks=[0]"])
    torch.manual_seed(0)
    model = FaceModel(settings.model).eval()  # batch statistics would see other images
    assert model.latent_head is not None
    assert model.latent_head.log_var is not None
    torch.nn.init.constant_(model.latent_head.log_var.bias, -60.0)  # the sample is the mean
    images = torch.rand(6, 3, 64, 64)
    faces = torch.tensor([0, 2, 3])
    y = torch.zeros(6).index_fill(0, faces, 1.0)
    output = model(images, faces, torch.Generator().manual_seed(0))
    expected = training_loss(output, images, y, faces, settings=settings.objective)
    loss = plain_loss(model, images, y, settings.objective, decode_all=decode_all)
    torch.testing.assert_close(loss, expected.total)


def test_a_stopwatch_counts_nested_calls_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from epoch_speed import Stopwatch

    now = iter(range(100))
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    watch = Stopwatch()
    inner = watch.timing(lambda: 1)
    outer = watch.timing(lambda: inner() + inner())
    assert outer() == 2
    assert watch.seconds == 3  # read at 0, by each call within, and at the end
    assert inner() == 1
    assert watch.seconds == 4


def test_the_labs_weights_are_its_own() -> None:
    from course import largest_weights

    # Nine alike and one apart: of two occupied bins, and eight with the smoothing alone.
    mu = np.column_stack([np.r_[np.zeros(9), 1.0], np.zeros(10)])
    densities = np.array([9.0, 1.0]) + 1e-3
    each = 1 / (densities / (densities.sum() + 8e-3))
    first = np.r_[np.repeat(each[0], 9), each[1]]
    expected = np.maximum(first / first.sum(), 0.1)
    np.testing.assert_allclose(largest_weights(mu), expected / expected.sum())


def test_turns_are_taken_in_order_and_ratios_are_paired() -> None:
    from measuring import compare, table_text, take_turns

    order: list[str] = []
    figures = {"fast": iter([9.0, 1.0, 2.0, 1.0]), "slow": iter([9.0, 3.0, 4.0, 5.0])}

    def turn(name: str) -> float:
        order.append(name)
        return next(figures[name])

    sides = {name: lambda name=name: turn(name) for name in figures}
    seconds = take_turns(sides, 3, warm=True)
    assert order == ["fast", "slow"] * 4
    line = compare(seconds, task="t", ours="fast", other="slow", unit="images/s", aim=4.0)
    assert line.ratios == (3.0, 2.0, 5.0)
    assert line.ratio == 3.0
    assert line.figures_ours == (1.0, 0.5, 1.0)
    assert "3.00 (2.00 to 5.00)" in table_text([line])
    assert "4 missed" in table_text([line])
