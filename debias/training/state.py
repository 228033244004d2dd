"""What training needs to go on after an interruption, written whole at the end of each epoch.

A state is a directory ``epoch-00007`` with the tensors (weights, averaged weights, optimiser,
sampling probabilities, streamed histograms) as safetensors and the rest as JSON. Streamed latents
are in a file of each process, which wrote those of its own faces. No random state is kept: the
generators of an epoch are made from the seed and the epoch's number.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from debias.errors import CheckpointError, DebiasError
from debias.models.checkpoint import load_tensors, save_tensors
from debias.resampling.streaming import LatentStream
from debias.rundir import read_json, write_json
from debias.training.processes import Processes

KEPT = 2  # the newest, and one in case the disk loses the newest
_NAME = re.compile(r"epoch-(\d+)")
_TENSORS = "state.safetensors"
_FACTS = "state.json"
_LATENTS = "latents-{rank:05d}.safetensors"
_PARTIAL = ".partial"
_STREAM = "stream."


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far training is; plain values only.

    Attributes:
        epoch: number of finished epochs.
        best_epoch: the epoch, counted from 1, whose model is kept; 0 before the first.
        best_loss: its validation loss.
        first_loss: the loss that divergence is measured against; None before it is known.
        health: the newest health of the sampling weights.
        history: one row for each finished epoch.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float | None = None
    first_loss: float | None = None
    health: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)


def save_state(
    directory: Path,
    *,
    progress: Progress,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    probabilities: Tensor,
    stream: LatentStream | None = None,
    processes: Processes | None = None,
) -> None:
    """Write the state after ``progress.epoch`` epochs, then delete all but the newest states.

    The first process writes it; of a stream, each writes the latents that it alone has.

    Args:
        directory: of the states.
        progress: how far training is.
        modules: whose parameters and buffers are kept, by name.
        optimizer: whose state is kept.
        probabilities: of drawing each face, shape (face,).
        stream: streamed latents, if there are any.
        processes: that train together, and all call this; None for this one alone.
    """
    processes = processes or Processes()
    final, partial = (directory / f"epoch-{progress.epoch:05d}{s}" for s in ("", _PARTIAL))
    if stream is not None:
        latents = {name: torch.from_numpy(values) for name, values in stream.own_state().items()}
        save_tensors(latents, partial / _LATENTS.format(rank=processes.rank))
        processes.wait()
    if processes.rank:
        return
    tensors = {
        f"{name}.{key}": tensor
        for name, module in modules.items()
        for key, tensor in module.state_dict().items()
    }
    optimizer_state = optimizer.state_dict()
    for index, slots in optimizer_state["state"].items():
        for key, value in slots.items():
            tensors[f"optimizer.{index}.{key}"] = value
    tensors["sampling.probabilities"] = probabilities
    for name, values in ({} if stream is None else stream.state()).items():
        tensors[f"{_STREAM}{name}"] = torch.from_numpy(values)
    shutil.rmtree(final, ignore_errors=True)
    save_tensors(tensors, partial / _TENSORS)
    facts = {name: getattr(progress, name) for name in Progress.__slots__}
    write_json(partial / _FACTS, {**facts, "param_groups": optimizer_state["param_groups"]})
    partial.replace(final)
    for old in saved_states(directory)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def saved_states(directory: Path) -> list[Path]:
    """Return the finished states of a run, oldest first."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name))


def load_state(
    directory: Path,
    *,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    stream: LatentStream | None = None,
) -> tuple[Progress, Tensor] | None:
    """Fill modules, optimiser and stream from the newest readable state.

    What a run that was cut short had written of its next state is removed.

    Returns:
        How far training is, and the sampling probabilities; None if there is no state.

    Raises:
        CheckpointError: states are there, but none can be read or none fits.
    """
    for unfinished in directory.glob(f"epoch-*{_PARTIAL}"):
        shutil.rmtree(unfinished, ignore_errors=True)
    states = saved_states(directory)
    for number, path in enumerate(reversed(states), start=1):
        try:
            return _load(path, modules=modules, optimizer=optimizer, stream=stream)
        except (DebiasError, KeyError, TypeError, ValueError, RuntimeError) as error:
            if number == len(states):
                raise CheckpointError(
                    f"the saved state cannot be used: {error}", where=path
                ) from None
    return None


def _load(
    path: Path,
    *,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    stream: LatentStream | None,
) -> tuple[Progress, Tensor]:
    tensors = load_tensors(path / _TENSORS)
    facts: dict[str, Any] = read_json(path / _FACTS)
    groups = facts.pop("param_groups")
    if stream is not None:
        # Every process reads all parts, so that all agree on whether they can be read.
        files = sorted(path.glob("latents-*.safetensors"))
        parts = [{k: t.numpy() for k, t in load_tensors(file).items()} for file in files]
        common = {k: t.numpy() for k, t in _starting_with(tensors, _STREAM).items()}
        stream.load(common, parts)
    for name, module in modules.items():
        module.load_state_dict(_starting_with(tensors, f"{name}."))
    slots: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, index, slot = key.split(".", 2)
            slots.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": slots, "param_groups": groups})
    return Progress(**facts), tensors["sampling.probabilities"]


def _starting_with(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
