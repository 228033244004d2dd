"""Encoders that come from torchvision."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from debias.errors import ConfigError, nearest


class TorchvisionEncoder(nn.Module):
    """A torchvision classification model whose last layer gives the features.

    Weights are not downloaded: the model starts untrained. Auxiliary classifiers are left out,
    since nothing would train them.

    Args:
        name: torchvision's name of the model.
        num_features: width of what it returns.
        image_size: height and width of the images it must take, in pixels.

    Raises:
        ConfigError: torchvision has no classification model of that name, or it does not take
            images of that size.
    """

    def __init__(self, name: str, num_features: int, *, image_size: int) -> None:
        super().__init__()
        from torchvision import models

        names = models.list_models(module=models)
        if name not in names:
            raise ConfigError(
                f"torchvision has no model {name!r}",
                where="model.encoder",
                hint=nearest(name, names),
            )
        options = _options(name, image_size)
        try:
            self.body = models.get_model(name, weights=None, num_classes=num_features, **options)
            _try_images(self.body, image_size)
        except Exception as error:  # models that do not take a size say so in many ways
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ConfigError(
                f"torchvision's {name} does not take images of {image_size} pixels ({reason})",
                where="model.encoder",
                hint="Choose another model.image_size or another encoder",
            ) from error
        self.num_features = num_features

    def forward(
        self, images: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch feature"]:
        """Return the features of RGB images in [0, 1]."""
        return torch.relu(self.body(images * 2 - 1))


def _options(name: str, image_size: int) -> dict[str, Any]:
    """Return what torchvision must be told to build a model."""
    if name.startswith("vit_"):
        return {"image_size": image_size}
    if name in ("googlenet", "inception_v3"):
        return {"aux_logits": False, "init_weights": False}  # their own initialisation is slow
    return {}


def _try_images(module: nn.Module, image_size: int) -> None:
    """Run a module on two images; its buffers and torch's random state stay what they were."""
    images = next(module.parameters()).new_zeros((2, 3, image_size, image_size))
    was_training = module.training
    module.eval()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        module(images)
    module.train(was_training)
