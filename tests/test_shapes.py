"""Types and shapes are checked while tests run, so that every test also tests the annotations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from debias.inference.predict import probability
from debias.models.db_vae import FaceModel
from debias.models.losses import LossParts, classification_loss
from debias.models.networks import NetworkSettings, to_float
from debias.training.guard import LossGuard
from debias.training.jpeg import jpeg_loss
from debias.training.state import Progress

SMALL = NetworkSettings(image_size=32, channels=(4,), blocks=(0,))
PARTS = ("classification", "reconstruction", "kl")
GUARD = LossGuard(factor=2.0, progress=Progress(), first_step=0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: classification_loss(torch.zeros(4, 1), torch.zeros(4)),
        lambda: classification_loss(torch.zeros(4), torch.zeros(3)),
        lambda: to_float(torch.zeros(1, 3, 8, 8)),
        lambda: FaceModel(SMALL).classify(torch.zeros(3, 32, 32)),
        lambda: FaceModel(SMALL, architecture="resnet"),  # type: ignore[arg-type]
        lambda: LossParts(total=torch.zeros(1), **dict.fromkeys(PARTS, torch.zeros(()))),
        lambda: GUARD.add(torch.zeros(2, 4)),
        lambda: jpeg_loss(torch.zeros(2, 3, 8, 8), torch.ones(3)),
        lambda: probability(np.zeros(3, dtype=np.float32)),
    ],
)
def test_a_wrong_shape_is_caught(call: Callable[[], object]) -> None:
    with pytest.raises(TypeCheckError):
        call()


@pytest.mark.usefixtures("unchecked")
def test_checking_can_be_turned_off() -> None:
    assert to_float(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8, 8)
