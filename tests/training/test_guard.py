"""A broken loss stops training and says where."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from debias.errors import TrainingError
from debias.training.guard import WINDOW, LossGuard
from debias.training.state import Progress


def _parts(loss: float) -> Tensor:
    return torch.tensor([loss, 0.5, 0.25, 0.125])


def test_means_over_windows_and_the_epoch() -> None:
    guard = LossGuard(factor=1e6, progress=Progress(), first_step=0)
    due = [guard.add(_parts(float(step))) for step in range(WINDOW)]
    assert due == [False] * (WINDOW - 1) + [True]
    assert guard.check()["loss"] == pytest.approx((WINDOW - 1) / 2)
    guard.add(_parts(100.0))
    assert guard.check()["kl"] == 0.125
    total = sum(range(WINDOW)) + 100
    assert guard.epoch_means()["loss"] == pytest.approx(total / (WINDOW + 1))
    assert guard.check() == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_the_first_broken_step_is_named(value: float) -> None:
    guard = LossGuard(factor=10, progress=Progress(), first_step=40)
    for loss in (1.0, 1.0, value, value):
        guard.add(_parts(loss))
    with pytest.raises(TrainingError, match=r"step 43: the loss is not finite \(loss = "):
        guard.check()


def test_a_loss_that_grows_beyond_its_first_value() -> None:
    progress = Progress()
    guard = LossGuard(factor=10, progress=progress, first_step=0)
    guard.add(_parts(2.0))
    guard.check()
    assert progress.first_loss == 2.0
    guard.add(_parts(19.0))
    guard.check()
    guard.add(_parts(21.0))
    with pytest.raises(TrainingError, match=r"diverges: 21 .* 2 at the start"):
        guard.check()
