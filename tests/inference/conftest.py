"""Grey images whose brightness is known, and a model that answers by brightness alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from debias.data.store import ImageStore
from debias.models.db_vae import FaceModel
from debias.models.networks import NetworkSettings

SIZE = 32
GREY_VALUES = np.array([0, 255, 51, 204, 102, 153, 30, 225], dtype=np.uint8)


class _Brightness(nn.Module):
    """Images to their mean, as one feature."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(1, 2, 3)).unsqueeze(1)


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    """Images ``grey-0`` to ``grey-7``; ``broken`` could not be decoded."""
    grey = np.broadcast_to(GREY_VALUES[:, None, None, None], (len(GREY_VALUES), SIZE, SIZE, 3))
    return ImageStore(
        directory=tmp_path,
        images=np.ascontiguousarray(grey),
        image_ids=pd.Index([f"grey-{number}" for number in range(len(GREY_VALUES))]),
        failures=pd.DataFrame(
            {"image_id": ["broken"], "path": ["broken.png"], "reason": ["is not a picture"]}
        ),
    )


@pytest.fixture
def brightness_model() -> FaceModel:
    """A model whose logit and only latent's mean are 10 brightness - 5, brightness in [0, 1].

    Its dropout would change the logits of a model left in train mode.
    """
    settings = NetworkSettings(
        image_size=SIZE, channels=(4, 4), blocks=(0,), latent_size=1, dropout=0.5
    )
    model = FaceModel(settings, encoder=_Brightness(), num_features=1)
    assert isinstance(model.classifier, nn.Sequential)
    assert model.latent_head is not None
    for layer in (model.classifier[-1], model.latent_head.mu):
        assert isinstance(layer, nn.Linear)
        torch.nn.init.constant_(layer.weight, 10.0)
        torch.nn.init.constant_(layer.bias, -5.0)
    return model.train()
