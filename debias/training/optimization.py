"""Settings of optimisation, and what follows from them: optimiser, schedule, averaged weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from debias.errors import ConfigError
from debias.inference.pixels import Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """How a model is trained.

    Attributes:
        epochs: passes; one draws as many faces as there are in the training split.
        min_epoch_steps: smallest number of steps of an epoch; from a small set an epoch draws
            each face several times, so that 200 faces get about the training that 10,000 get.
        batch_size: images a step over all processes, half of them faces.
        optimizer: ``adamw`` or ``adam`` (whose decay is an L2 penalty).
        learning_rate: its highest value.
        weight_decay: decoupled decay of weight matrices; biases and norms have none.
        schedule: ``cosine`` falls to zero after the warm-up, ``constant`` stays.
        warmup: share of the steps in which the learning rate rises linearly from zero.
        average: decay of the exponential moving average of the weights, a step; 0 keeps none.
            The averaged model is what is validated, encoded with and saved.
        gradient_clip: largest norm of the gradient; 0 does not clip.
        precision: ``bf16`` and ``fp32`` name it; ``auto`` is bf16 where the device computes it.
        pixels: where decoded images lie: in the memory of the ``device``; on the ``host``, in a
            mapped file; or ``auto``, on a GPU that they fill to at most half of what is free.
        compile: compile the model with ``torch.compile``.
        selection: which epoch's model is kept: the ``best`` by validation loss, or the ``last``.
            No demographic label is read either way.
        validation_images: largest number of validation images looked at each epoch; 0 is all.
        divergence: training stops when the smoothed loss exceeds its first value this many times.
    """

    epochs: int = 12
    min_epoch_steps: int = 100
    batch_size: int = 128
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = 0.05
    average: float = 0.998
    gradient_clip: float = 1.0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    pixels: Placement = "auto"
    compile: bool = False
    selection: Literal["best", "last"] = "best"
    validation_images: int = 4096
    divergence: float = 100.0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(f"{self.epochs} is below 1", where="training.epochs")
        if self.min_epoch_steps < 1:
            raise ConfigError(
                f"{self.min_epoch_steps} is below 1", where="training.min_epoch_steps"
            )
        if self.batch_size < 2 or self.batch_size % 2:
            raise ConfigError(
                f"{self.batch_size} cannot be halved",
                where="training.batch_size",
                hint="Half of each batch are faces: use an even number",
            )
        if not self.learning_rate > 0:
            raise ConfigError("must be above 0", where="training.learning_rate")
        for name in ("warmup", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError("must be in [0, 1)", where=f"training.{name}")
        for name in ("weight_decay", "gradient_clip", "validation_images"):
            if not getattr(self, name) >= 0:
                raise ConfigError("cannot be negative", where=f"training.{name}")
        if not self.divergence > 1:
            raise ConfigError("must be above 1", where="training.divergence")


def epoch_steps(settings: TrainingSettings, *, num_faces: int) -> int:
    """Return the number of steps of an epoch: whole batches whose faces make one pass."""
    return max(settings.min_epoch_steps, 2 * num_faces // settings.batch_size)


def learning_rate(settings: TrainingSettings, step: int, *, num_steps: int) -> float:
    """Return the learning rate of a step, counted from 0, as a function of the step alone."""
    warmup_steps = max(1, round(settings.warmup * num_steps)) if settings.warmup else 0
    if step < warmup_steps:
        return settings.learning_rate * (step + 1) / warmup_steps
    if settings.schedule == "constant":
        return settings.learning_rate
    progress = (step - warmup_steps) / max(1, num_steps - warmup_steps)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def build_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return the optimiser; only tensors of two or more dimensions decay."""
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    cls = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return cls([group for group in groups if group["params"]], lr=settings.learning_rate)


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = value


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of ``model`` that follows it as an exponential moving average.

    The decay starts low and rises to ``decay``, ``min(decay, (1 + n) / (10 + n))`` after n
    updates, so that the average forgets the initial weights. Buffers (batch-norm statistics) are
    averaged with the weights they belong to; integer buffers are copied.
    """
    return AveragedModel(model, multi_avg_fn=_follow(decay), use_buffers=True)


def _follow(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    @torch.no_grad()
    def follow(
        average: Sequence[Tensor], current: Sequence[Tensor], num_updates: Tensor | int
    ) -> None:
        n = int(num_updates)
        share = 1 - min(decay, (1 + n) / (10 + n))
        floating = [(a, c) for a, c in zip(average, current, strict=True) if a.is_floating_point()]
        if floating:
            torch._foreach_lerp_([a for a, _ in floating], [c for _, c in floating], share)
        for a, c in zip(average, current, strict=True):
            if not a.is_floating_point():
                a.copy_(c)

    return follow
