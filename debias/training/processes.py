"""What the processes of a training share: sums, images to encode, and each other's fate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from debias.errors import TrainingError
from debias.resampling.sums import AddUp, alone

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Processes:
    """This process among those that train together.

    Attributes:
        rank: of this one, counted from 0.
        number: how many there are.
        add_up: from an array of this process to the sum of all processes' arrays.
        from_first: from a value of this process to that of the first.
    """

    rank: int = 0
    number: int = 1
    add_up: AddUp = alone
    from_first: Callable[[Any], Any] = lambda value: value

    def share(self, find: Callable[[NDArray[np.int64]], Found], rows: NDArray[np.int64]) -> Found:
        """Return what one process would find of ``rows``; each finds its part.

        Args:
            find: from rows to a dataclass of arrays, whose first axis is that of the rows, or None.
            rows: shape (image,).
        """
        if self.number == 1 or len(rows) < self.number:
            return find(rows)
        own = slice(self.rank, None, self.number)
        part: Any = find(rows[own])
        whole = {}
        for field in dataclasses.fields(part):
            values = getattr(part, field.name)
            if values is not None:
                mine, values = values, np.zeros((len(rows), *values.shape[1:]), values.dtype)
                values[own] = mine
                values = self.add_up(values)  # exactly: all others are 0
            whole[field.name] = values
        shared: Found = type(part)(**whole)
        return shared

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.add_up(np.zeros(1))

    def same_buffers(self, model: nn.Module) -> None:
        """Give a model the first process's buffers: each has batch statistics of its own."""
        if self.number > 1:
            first = self.from_first([buffer.cpu() for buffer in model.buffers()])
            for buffer, values in zip(model.buffers(), first, strict=True):
                buffer.copy_(values)


def processes_of(fabric: Fabric) -> Processes:
    """Return what a launched Fabric's processes share."""
    if fabric.world_size == 1:
        return Processes()

    def add_up(array: NDArray[Any]) -> NDArray[Any]:
        # A copy: the sum is written in place.
        summed = fabric.all_reduce(torch.tensor(array, device=fabric.device), reduce_op="sum")
        assert isinstance(summed, torch.Tensor)
        return summed.cpu().numpy()

    return Processes(
        rank=fabric.global_rank,
        number=fabric.world_size,
        add_up=add_up,
        from_first=fabric.broadcast,
    )


@contextmanager
def losses_told(fabric: Fabric) -> Iterator[None]:
    """Say in words that another process has ended, which the library tells by broken sockets.

    Raises:
        TrainingError: another process of the job has ended.
    """
    try:
        yield
    except RuntimeError as error:
        words = str(error).lower()
        is_lost = isinstance(error, torch.distributed.DistError) or "gloo" in words
        if fabric.world_size == 1 or not is_lost:
            raise
        raise TrainingError(
            "another process of the job has ended",
            where=f"process {fabric.global_rank} of {fabric.world_size}",
            hint="Finished epochs are kept, go on with --resume, also in fewer processes",
        ) from error
