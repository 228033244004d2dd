"""Training on several processes: one epoch shared, one process's weights, and a lost process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from running import QUICK, Debias

from debias.models.checkpoint import load_tensors
from debias.rundir import RunDir
from debias.training.state import saved_states

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def torchrun(number: int, *words: object) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*launcher, f"--nproc-per-node={number}", *map(str, words)]


@pytest.mark.slow
def test_three_processes_draw_and_weigh_as_one_does(tmp_path: Path) -> None:
    program = ROOT / "tests" / "training" / "of_one_model.py"
    images = tmp_path / "images.npy"
    brightness = np.random.default_rng(0).integers(20, 200, size=(128, 1, 1, 3))
    noise = np.random.default_rng(1).integers(0, 50, size=(128, 32, 32, 3))
    np.save(images, (brightness + noise).astype(np.uint8))
    commands = {
        "one": [sys.executable, str(program), str(images)],
        "three": torchrun(3, program, images),
    }
    for name, command in commands.items():
        (tmp_path / name).mkdir()
        done = subprocess.run(
            [*command, str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=False,
            env=ENVIRONMENT,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
    one = np.load(tmp_path / "one" / "process-0.npz")
    three = [np.load(tmp_path / "three" / f"process-{rank}.npz") for rank in range(3)]

    # Faces come first; column c of the whole batch is column c // 3 of process c % 3.
    assert one["rows"].shape == (40, 12)
    for first, width in ((0, 2), (6, 2)):
        whole = one["rows"][:, first : first + 6]
        start = 0 if first == 0 else 2
        parts = np.stack([part["rows"][:, start : start + width] for part in three], axis=2)
        np.testing.assert_array_equal(parts.reshape(40, 6), whole)

    # A full encoding is shared: each process encodes a third, and all get the same weights.
    assert int(one["num_encoded"]) == 64
    assert sorted(int(part["num_encoded"]) for part in three) == [21, 21, 22]
    assert one["exact"].max() > 2 / 64
    for part in three:
        np.testing.assert_allclose(part["exact"], one["exact"], rtol=1e-6)

    streamed = [
        load_tensors(saved_states(RunDir(path=tmp_path / name / "run").checkpoints)[-1] / file)
        for name in commands
        for file in ("state.safetensors",)
    ]
    probabilities = [state["sampling.probabilities"].numpy() for state in streamed]
    assert probabilities[0].max() > 2 / 64
    np.testing.assert_allclose(probabilities[1], probabilities[0], rtol=1e-6)
    assert len(list((tmp_path / "three" / "run" / "checkpoints").glob("*/latents-*"))) == 2 * 3


def _worker(launcher: subprocess.Popen[str], rank: int) -> int:
    """Return the process that torchrun gave a rank to."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    for child in children:
        if f"RANK={rank}\0" in Path(f"/proc/{child}/environ").read_text().replace("_RANK", "_"):
            return int(child)
    raise AssertionError(f"no process has rank {rank}")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the processes in /proc")
def test_a_killed_process_ends_the_job_and_fewer_go_on(
    drawn: Path, debias: Debias, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = [
        *("train", drawn / "images.csv", "--output", run, "--no-baseline", *QUICK),
        *("--epochs", "30", "--set", "resampling.histograms=streamed"),
    ]
    job = subprocess.Popen(
        torchrun(2, "-m", "debias", *words),
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 600
    while not (run / "checkpoints" / "epoch-00002").exists():
        assert job.poll() is None, job.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(_worker(job, 1), signal.SIGKILL)
    _, err = job.communicate(timeout=300)
    assert job.returncode != 0
    assert "Signal 9 (SIGKILL)" in err  # torchrun says which process ended, and how
    assert "another process of the job has ended" in err
    assert "--resume" in err
    finished = saved_states(RunDir(path=run).checkpoints)
    assert "epoch-00002" <= finished[-1].name < "epoch-00030"

    outcome = debias(*words, "--resume")
    assert outcome.status == 0, outcome.err
    history = pd.read_csv(run / "history.csv")
    assert list(history["epoch"]) == list(range(1, 31))
    assert history["effective_sample_size"].notna().all()
    assert not list((run / "checkpoints").glob("*.partial"))
    facts = json.loads((run / "run.json").read_text())
    assert (facts["num_processes"], facts["resumed"][0]["num_processes"]) == (2, 1)
