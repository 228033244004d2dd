"""What a person sees while training goes on: a bar, a CSV table, TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import pandas as pd
from tqdm import tqdm

from debias.data.tables import write_table
from debias.rundir import RunDir

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Monitor:
    """A progress bar over all steps, and the logs of each epoch.

    Args:
        run: where ``history.csv`` and TensorBoard's event files go.
        num_steps: steps of the whole training.
        first_step: steps done before, by the run that is resumed.
        batch_size: images a step, for the throughput.
        show: whether to draw the bar.
        write: whether this process writes the logs.
    """

    def __init__(
        self,
        run: RunDir,
        *,
        num_steps: int,
        first_step: int,
        batch_size: int,
        show: bool,
        write: bool,
    ) -> None:
        self._history = run.history
        self._writer: SummaryWriter | None = None
        if write:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(log_dir=str(run.tensorboard))
        self._bar = tqdm(
            total=num_steps, initial=first_step, unit="step", disable=not show, desc="training"
        )
        self._batch_size = batch_size
        self._figures: dict[str, str] = {}
        self.start_epoch()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        if self._writer is not None:
            self._writer.close()

    def start_epoch(self) -> None:
        """Start the clock that throughput is measured by."""
        self._started = time.perf_counter()
        self._steps = 0

    @property
    def images_per_second(self) -> float:
        """Training images a second since the epoch started, encoding and waiting included."""
        return self._steps * self._batch_size / max(1e-9, time.perf_counter() - self._started)

    def advance(self) -> None:
        """Count one step."""
        self._steps += 1
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
        assert self._writer is not None
        for name, value in rows[-1].items():
            self._writer.add_scalar(name, value, int(rows[-1]["epoch"]))
        self._writer.flush()
