"""What a person sees while training goes on: a bar, a CSV table, TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from debias.data.tables import write_table
from debias.errors import OutputError
from debias.rundir import RunDir


class EventLog:
    """Figures in a file that TensorBoard reads.

    TensorBoard's own writers name the file after the machine; run directories are shared, so
    this one does not.

    Args:
        folder: where the file goes; it is made with the first figures.

    Raises:
        ModuleNotFoundError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        # Here, so that what is missing is known before training starts.
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._session = event_pb2.Event, event_pb2.SessionLog
        self._summary, self._writer = summary_pb2.Summary, RecordWriter
        # TensorBoard reads the files of a folder in the order of their names.
        self._path = folder / f"events.out.tfevents.{time.time_ns()}.debias"

    def add(self, figures: Mapping[str, float], *, step: int) -> None:
        """Add the figures of a step.

        With the first ones, TensorBoard forgets what a run that is resumed had logged of this
        step and later ones.

        Raises:
            OutputError: the file cannot be written.
        """
        events = []
        if not self._path.exists():
            start = self._session(status=self._session.START)
            events += [
                self._event(wall_time=time.time(), file_version="brain.Event:2"),
                self._event(wall_time=time.time(), step=step, session_log=start),
            ]
        values = [
            self._summary.Value(tag=name, simple_value=value) for name, value in figures.items()
        ]
        summary = self._summary(value=values)
        events.append(self._event(wall_time=time.time(), step=step, summary=summary))
        self._append(events)

    def _append(self, events: Sequence[Any]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                for event in events:
                    self._writer(file).write(event.SerializeToString())
        except OSError as error:
            raise OutputError(
                f"cannot be written: {error.strerror or error}",
                where=self._path,
                hint="Check the space left and the permissions",
            ) from error


class Monitor:
    """A progress bar over all steps, and the logs of each epoch.

    Args:
        run: where ``history.csv`` and TensorBoard's event files go.
        num_steps: steps of the whole training.
        first_step: steps done before, by the run that is resumed.
        show: whether to draw the bar.
        write: whether this process writes the logs.

    Raises:
        ModuleNotFoundError: TensorBoard is not installed, and logs are to be written.
    """

    def __init__(
        self,
        run: RunDir,
        *,
        num_steps: int,
        first_step: int,
        show: bool,
        write: bool,
    ) -> None:
        self._history = run.history
        self._events = EventLog(run.tensorboard) if write else None
        self._bar = tqdm(
            total=num_steps, initial=first_step, unit="step", disable=not show, desc="training"
        )
        self._figures: dict[str, str] = {}
        self.start_epoch()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def start_epoch(self) -> None:
        """Start the clock that throughput is measured by."""
        self._started = time.perf_counter()
        self._num_images = 0

    @property
    def images_per_second(self) -> float:
        """Training images a second since the epoch started, encoding and waiting included."""
        return self._num_images / max(1e-9, time.perf_counter() - self._started)

    def advance(self, num_images: int) -> None:
        """Count one step.

        Args:
            num_images: images that all processes together trained on in it.
        """
        self._num_images += num_images
        self._bar.set_postfix(self._figures | {"img/s": self._speed()}, refresh=False)
        self._bar.update()

    def show(self, figures: Mapping[str, float]) -> None:
        """Show figures at the end of the bar from now on."""
        self._figures |= {name: f"{value:.4g}" for name, value in figures.items()}

    def _speed(self) -> str:
        return f"{self.images_per_second:.0f}"

    def log_epoch(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the table of all epochs so far, and send the last one to TensorBoard."""
        write_table(pd.DataFrame(list(rows)), self._history)
        assert self._events is not None
        self._events.add(rows[-1], step=int(rows[-1]["epoch"]))
