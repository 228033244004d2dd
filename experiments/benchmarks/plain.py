"""A training loop as anybody would write it in eager PyTorch: what ours is timed against.

The network, the terms of the loss, the optimiser and the settings are those of the library. The
rest is the usual way: a ``Dataset`` and a ``DataLoader``, each image augmented by itself with
torchvision, single precision, contiguous tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any

import torch
import torchvision.transforms.v2.functional as functional
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from debias.models.autoencoder import LatentHead
from debias.models.db_vae import FaceModel
from debias.models.losses import (
    LossSettings,
    classification_loss,
    kl_divergence,
    reconstruction_loss,
)
from debias.training.augment import AugmentSettings
from debias.training.optimization import build_optimizer
from debias.training.settings import RunSettings

Transform = Callable[[Tensor], Tensor]
Batch = tuple[Tensor, Tensor]


class LabelledImages(Dataset[tuple[Tensor, float]]):
    """Images and labels, one by one.

    Args:
        images: uint8, shape (image, height, width, channel).
        labels: 1 for faces, 0 for non-faces, shape (image,).
        transform: what is done to each image, uint8 of shape (channel, height, width).
    """

    def __init__(self, images: NDArray[Any], labels: NDArray[Any], transform: Transform) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, float]:
        image = torch.from_numpy(self.images[index]).permute(2, 0, 1).contiguous()
        return self.transform(image), float(self.labels[index])


def batches(
    dataset: LabelledImages, *, batch_size: int, num_workers: int
) -> Generator[Batch, None, None]:
    """Yield shuffled batches without end; a new iterator starts new workers."""
    loader = DataLoader(
        dataset, batch_size=batch_size, shuffle=True, num_workers=num_workers, drop_last=True
    )
    while True:
        for images, labels in loader:
            yield images, labels.float()


def to_unit(image: Tensor) -> Tensor:
    """Return 8-bit pixels as floats in [0, 1]."""
    pixels: Tensor = functional.to_dtype(image, torch.float32, scale=True)
    return pixels


def transforms(settings: AugmentSettings) -> Transform:
    """Return the library's augmentation with torchvision's transforms, as near as they come.

    Every change falls on an image as often, as strongly and in nearly the same order, but for
    three that torchvision lacks: the aspect ratio stays as it is, what lies outside the image is
    always black, and brightness is a gain. The Gaussian is cut off at a tenth of the image side.
    All of that spares work, none adds any. Floats from the start are the fastest here: 8-bit
    numbers take a tenth longer, Pillow's images a third.
    """
    contrast, saturation = (
        (math.exp(-strength), math.exp(strength))
        for strength in (settings.contrast, settings.saturation)
    )
    compose: Transform = v2.Compose(
        [
            v2.ToDtype(torch.float32, scale=True),
            v2.RandomHorizontalFlip(0.5 if settings.flip else 0.0),
            v2.RandomAffine(
                settings.rotation,
                translate=(settings.shift, settings.shift),
                scale=(math.exp(-settings.zoom), math.exp(settings.zoom)),
                interpolation=v2.InterpolationMode.BILINEAR,
            ),
            v2.RandomApply([v2.GaussianBlur(7, (0.01, settings.blur))], settings.blur_probability),
            v2.RandomApply([_LoseResolution(settings.rescale)], settings.rescale_probability),
            v2.ColorJitter(settings.brightness, contrast=contrast, saturation=saturation),
            v2.RandomGrayscale(settings.grey_probability),
            _Gain(settings.channel_gain),
            v2.RandomApply([_Gamma(settings.gamma)], settings.gamma_probability),
            v2.RandomApply([_Noise(settings.noise)], settings.noise_probability),
            v2.RandomApply([_Compress(settings.jpeg)], settings.jpeg_probability),
        ]
    )
    return compose


def _uniform(low: float, high: float) -> float:
    return float(torch.empty(()).uniform_(low, high))


class _LoseResolution(nn.Module):
    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, image: Tensor) -> Tensor:
        size = list(image.shape[-2:])
        factor = math.exp(_uniform(0.0, math.log1p(self.strength)))
        small = functional.resize(image, [round(side / factor) for side in size], antialias=True)
        large: Tensor = functional.resize(small, size)
        return large


class _Gain(nn.Module):
    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, image: Tensor) -> Tensor:
        gain = torch.empty(3, 1, 1).uniform_(-self.strength, self.strength).exp_()
        return (image * gain).clamp_(0.0, 1.0)


class _Gamma(nn.Module):
    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, image: Tensor) -> Tensor:
        exponent = math.exp(_uniform(-self.strength, self.strength))
        changed: Tensor = functional.adjust_gamma(image, exponent)
        return changed


class _Noise(nn.Module):
    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, image: Tensor) -> Tensor:
        noise = torch.randn_like(image) * _uniform(0.0, self.strength)
        return (image + noise).clamp_(0.0, 1.0)


class _Compress(nn.Module):
    def __init__(self, strength: float) -> None:
        super().__init__()
        self.jpeg = v2.JPEG((max(1, round(100 * (1 - strength))), 100))

    def forward(self, image: Tensor) -> Tensor:
        return to_unit(self.jpeg(functional.to_dtype(image, torch.uint8, scale=True)))


class PlainLoop:
    """Model, optimiser and moving average, and what a step does with them.

    Args:
        settings: of the model, the loss and the optimisation.
        decode_all: decode every image of the batch and leave non-faces out of the loss
            afterwards; else decode the faces only.
    """

    def __init__(self, settings: RunSettings, *, decode_all: bool) -> None:
        self.settings = settings
        self.decode_all = decode_all
        self.model = FaceModel(settings.model, architecture="db-vae")
        self.optimizer = build_optimizer(self.model, settings.training)
        average = get_ema_multi_avg_fn(settings.training.average)
        self.average = AveragedModel(self.model, multi_avg_fn=average)

    def step(self, images: Tensor, y: Tensor) -> None:
        """Take one step on images in [0, 1], shape (batch, channel, height, width)."""
        self.optimizer.zero_grad()
        loss = plain_loss(
            self.model, images, y, self.settings.objective, decode_all=self.decode_all
        )
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.training.gradient_clip)
        self.optimizer.step()
        self.average.update_parameters(self.model)


def plain_loss(
    model: FaceModel, images: Tensor, y: Tensor, settings: LossSettings, *, decode_all: bool
) -> Tensor:
    """Return the loss of a batch, the mean over its images, as the library defines it."""
    head, classifier = model.latent_head, model.classifier
    assert isinstance(head, LatentHead)
    assert classifier is not None
    features = model.encoder(images)
    loss = settings.classification * classification_loss(classifier(features).squeeze(1), y)
    faces = slice(None) if decode_all else y == 1
    mu, log_var = head.posterior(features[faces])
    assert log_var is not None
    latents = mu + torch.exp(0.5 * log_var) * torch.randn_like(mu)
    reconstruction = head.decoder.body(head.decoder.start(latents)) + 0.5
    error = reconstruction_loss(
        reconstruction,
        images[faces],
        pixel_loss=settings.pixel_loss,
        reduction=settings.pixel_reduction,
    )
    of_faces = settings.reconstruction * error + settings.kl * kl_divergence(mu, log_var)
    return loss.mean() + (y[faces] * of_faces).sum() / len(y)
