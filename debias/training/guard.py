"""A watch over the loss, without waiting for the device at every step."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from debias.errors import TrainingError
from debias.training.state import Progress

WINDOW = 20  # steps between two looks
_NAMES = ("loss", "classification", "reconstruction", "kl")
_ADVICE = (
    "The last finished epoch is kept. Start a new run with a lower training.learning_rate, with "
    "training.gradient_clip, or with training.precision=fp32"
)


def require_finite(model: nn.Module, loss: float, *, step: int) -> None:
    """See that a model may be saved: the last update of an epoch has no later loss to betray it.

    Args:
        model: the model to be saved.
        loss: its validation loss.
        step: number of the last step, counted from 1.

    Raises:
        TrainingError: the loss, a weight or a buffer is not finite.
    """
    broken = [name for name, tensor in model.state_dict().items() if not tensor.isfinite().all()]
    if broken or not math.isfinite(loss):
        what = f"{broken[0]} of the model" if broken else f"the validation loss, {loss},"
        raise TrainingError(f"{what} is not finite", where=f"step {step}", hint=_ADVICE)


class LossGuard:
    """Collects the loss of each step on the device and looks at them together.

    Args:
        factor: how many times its first value the loss may reach, on the mean of a window.
        progress: where the first value is kept.
        first_step: number of the first step that will be added, counted from 0.
    """

    def __init__(self, *, factor: float, progress: Progress, first_step: int) -> None:
        self._factor = factor
        self._progress = progress
        self._next_step = first_step
        self._window: list[Tensor] = []
        self._sums = torch.zeros(len(_NAMES), dtype=torch.float64)
        self._count = 0

    def add(self, parts: Float[Tensor, " part"]) -> bool:
        """Take the loss parts of one step; returns whether it is time for :meth:`check`."""
        self._window.append(parts)
        return len(self._window) >= WINDOW

    def check(self) -> dict[str, float]:
        """Look at the steps since the last look; returns their mean loss parts.

        Raises:
            TrainingError: a loss is not finite, or the mean has left the allowed range.
        """
        if not self._window:
            return {}
        window = torch.stack(self._window).cpu().double()  # MPS has no doubles
        first = self._next_step
        self._next_step += len(self._window)
        self._window.clear()
        broken = (~torch.isfinite(window).all(dim=1)).nonzero().flatten()
        if len(broken):
            step = first + int(broken[0])
            values = dict(zip(_NAMES, window[int(broken[0])].tolist(), strict=True))
            bad = ", ".join(f"{k} = {v}" for k, v in values.items() if not math.isfinite(v))
            raise TrainingError(
                f"the loss is not finite ({bad})", where=f"step {step + 1}", hint=_ADVICE
            )
        self._sums += window.sum(dim=0)
        self._count += len(window)
        means = dict(zip(_NAMES, window.mean(dim=0).tolist(), strict=True))
        if self._progress.first_loss is None:
            self._progress.first_loss = means["loss"]
        if means["loss"] > self._factor * self._progress.first_loss:
            raise TrainingError(
                f"the loss diverges: {means['loss']:.4g} on the last {len(window)} steps, "
                f"{self._progress.first_loss:.4g} at the start",
                where=f"step {self._next_step}",
                hint=_ADVICE,
            )
        return means

    def epoch_means(self) -> dict[str, float]:
        """Return the mean loss parts of all steps looked at."""
        return dict(zip(_NAMES, (self._sums / max(1, self._count)).tolist(), strict=True))
