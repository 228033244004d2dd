"""What training needs to go on after an interruption, written whole at the end of each epoch.

A state is a directory ``epoch-0007`` with the tensors (weights, averaged weights, optimiser,
sampling probabilities) as safetensors and the rest as JSON. No random state is kept: the
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
from debias.rundir import read_json, write_json

KEPT = 2  # the newest, and one in case the disk loses the newest
_NAME = re.compile(r"epoch-(\d+)")
_TENSORS = "state.safetensors"
_FACTS = "state.json"


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
) -> None:
    """Write the state after ``progress.epoch`` epochs, then delete all but the newest states."""
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
    final = directory / f"epoch-{progress.epoch:05d}"
    partial = final.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
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
    directory: Path, *, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer
) -> tuple[Progress, Tensor] | None:
    """Fill modules and optimiser from the newest readable state.

    Returns:
        How far training is, and the sampling probabilities; None if there is no state.

    Raises:
        CheckpointError: states are there, but none can be read or none fits.
    """
    states = saved_states(directory)
    for number, path in enumerate(reversed(states), start=1):
        try:
            return _load(path, modules=modules, optimizer=optimizer)
        except (DebiasError, KeyError, TypeError, ValueError, RuntimeError) as error:
            if number == len(states):
                raise CheckpointError(
                    f"the saved state cannot be used: {error}", where=path
                ) from None
    return None


def _load(
    path: Path, *, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer
) -> tuple[Progress, Tensor]:
    tensors = load_tensors(path / _TENSORS)
    facts: dict[str, Any] = read_json(path / _FACTS)
    groups = facts.pop("param_groups")
    for name, module in modules.items():
        prefix = f"{name}."
        module.load_state_dict(
            {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
        )
    slots: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, index, slot = key.split(".", 2)
            slots.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": slots, "param_groups": groups})
    return Progress(**facts), tensors["sampling.probabilities"]
