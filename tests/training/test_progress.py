"""The logs of a training: whole, readable by TensorBoard, and silent about the machine."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from running import Python
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from debias.errors import OutputError
from debias.models.db_vae import FaceModel
from debias.rundir import RunDir
from debias.training.device import make_fabric
from debias.training.loop import TrainingData, fit
from debias.training.progress import EventLog, Monitor
from debias.training.settings import RunSettings


def _monitor(folder: Path, *, write: bool = True) -> Monitor:
    run = RunDir(path=folder)
    return Monitor(run, num_steps=4, first_step=0, show=False, write=write)


def _rows(losses: Sequence[float]) -> list[dict[str, float]]:
    return [{"epoch": number, "loss": loss} for number, loss in enumerate(losses, start=1)]


def _read(folder: Path) -> list[tuple[int, float]]:
    accumulator = EventAccumulator(str(folder)).Reload()
    return [(event.step, event.value) for event in accumulator.Scalars("loss")]


def test_tensorboard_reads_every_epoch(tmp_path: Path) -> None:
    losses = (0.5, 0.25, 0.125)
    with _monitor(tmp_path) as monitor:
        for done in range(1, 4):
            monitor.log_epoch(_rows(losses[:done]))
            # Each epoch can be read at once, not only when training has ended.
            assert _read(tmp_path / "tensorboard") == list(enumerate(losses[:done], start=1))
    assert pd.read_csv(tmp_path / "history.csv")["loss"].tolist() == list(losses)


def test_the_event_file_does_not_name_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "dressing-table")
    with _monitor(tmp_path) as monitor:
        monitor.log_epoch(_rows([0.5]))
    (file,) = (tmp_path / "tensorboard").iterdir()
    stem, time_ns, ours = file.name.rsplit(".", 2)
    assert (stem, ours) == ("events.out.tfevents", "debias")
    assert time_ns.isdigit()
    assert b"dressing-table" not in file.read_bytes()


def test_a_resumed_run_goes_on_in_a_second_file(tmp_path: Path) -> None:
    with _monitor(tmp_path) as monitor:
        monitor.log_epoch(_rows([0.5]))
        monitor.log_epoch(_rows([0.5, 0.25]))
        monitor.log_epoch(_rows([0.5, 0.25, 9.0]))
    # The third epoch's state was lost, so that it is trained again.
    with _monitor(tmp_path) as monitor:
        monitor.log_epoch(_rows([0.5, 0.25, 0.125]))
        monitor.log_epoch(_rows([0.5, 0.25, 0.125, 0.0625]))
    folder = tmp_path / "tensorboard"
    assert len(list(folder.iterdir())) == 2
    assert _read(folder) == [(1, 0.5), (2, 0.25), (3, 0.125), (4, 0.0625)]


def test_a_process_that_does_not_write_leaves_nothing(tmp_path: Path) -> None:
    with _monitor(tmp_path, write=False) as monitor:
        monitor.advance(8)
    assert list(tmp_path.iterdir()) == []


def test_throughput_counts_the_images_of_each_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 10.0
    with monkeypatch.context() as patch:
        patch.setattr(time, "perf_counter", lambda: now)
        with _monitor(tmp_path, write=False) as monitor:
            for num_images in (6, 2):  # half a batch where a model sees faces alone
                now += 2
                monitor.advance(num_images)
            assert monitor.images_per_second == 2
            monitor.start_epoch()
            now += 1
            monitor.advance(5)
            assert monitor.images_per_second == 5


@pytest.mark.parametrize(("architecture", "num_images"), [("classifier", 16), ("vae", 8)])
def test_the_loop_tells_how_many_images_a_step_had(
    architecture: str,
    num_images: int,
    data: TrainingData,
    settings_for: Callable[..., RunSettings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[int] = []
    monkeypatch.setattr(Monitor, "advance", lambda _, num_images: told.append(num_images))
    settings = settings_for(architecture=architecture, training__epochs=1)
    fit(
        FaceModel(settings.model, architecture=settings.architecture),
        data,
        settings=settings,
        fabric=make_fabric("cpu", "fp32"),
        run=RunDir(path=tmp_path),
        show_progress=False,
    )
    assert told == [num_images] * 8


def test_a_missing_tensorboard_is_known_before_training(python: Python, tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
sys.modules["tensorboard"] = None
from debias.rundir import RunDir
from debias.training.progress import Monitor
run = RunDir(path=Path(sys.argv[1]))
Monitor(run, num_steps=1, first_step=0, show=False, write=False)
try:
    Monitor(run, num_steps=1, first_step=0, show=False, write=True)
except ModuleNotFoundError as error:
    print(error.name)
"""
    done = python(code, tmp_path)
    assert done.stdout.strip().partition(".")[0] == "tensorboard", done.stderr


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="tensorboard"):
        EventLog(tmp_path / "tensorboard").add({"loss": 1.0}, step=1)
