"""The encoder and decoder that every model of the project is built on.

Images enter as RGB floats in [0, 1] and are centred inside the encoder, so that training,
encoding and prediction cannot scale them differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from debias.errors import ConfigError
from debias.models.backbones import TorchvisionEncoder

Norm = Literal["none", "batch", "group"]
TORCHVISION = "torchvision:"
CUSTOM = "custom"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """Shape of encoder and decoder.

    Attributes:
        image_size: height and width of the input in pixels, 32 to 128.
        encoder: ``conv`` for the network described here, or ``torchvision:NAME`` for a
            torchvision classification model, untrained, whose last layer gives the features.
            ``custom`` stands for a module that was given in Python, and cannot be built.
        channels: output channels of each stride-2 stage; their number is the depth.
        kernel_sizes: one odd kernel size a stage, or a single one for all.
        blocks: residual blocks (two 3x3 convolutions) after each stage; one number a stage, or a
            single one for all.
        norm: normalisation after each convolution.
        pool: ``flatten`` keeps where things are, ``mean`` averages over height and width.
        hidden: width of the fully connected layer after the trunk; 0 leaves it out.
        dropout: share of features dropped in training before the classification head.
        latent_size: number of latents.
        decoder_channels: channels of the decoder's stages from the image inwards; empty mirrors
            ``channels``.
        upsampling: how the decoder doubles height and width: ``nearest`` repeats pixels before a
            3x3 convolution (the last stage shuffles channels into pixels, which is cheaper),
            ``transposed`` mirrors the encoder's convolutions, kernel sizes included.
    """

    image_size: int = 64
    encoder: str = "conv"
    channels: tuple[int, ...] = (16, 32, 64, 128)
    kernel_sizes: tuple[int, ...] = (3,)
    blocks: tuple[int, ...] = (0, 0, 1, 1)
    norm: Norm = "batch"
    pool: Literal["flatten", "mean"] = "mean"
    hidden: int = 0
    dropout: float = 0.0
    latent_size: int = 64
    decoder_channels: tuple[int, ...] = ()
    upsampling: Literal["nearest", "transposed"] = "nearest"

    def __post_init__(self) -> None:
        stages = len(self.channels)
        if not 32 <= self.image_size <= 128:
            raise ConfigError(f"{self.image_size} is outside 32 to 128", where="model.image_size")
        if not stages or min(self.channels) < 1:
            raise ConfigError("at least one positive width is needed", where="model.channels")
        widths = self.decoder_channels
        if widths and (len(widths) != stages or min(widths) < 1):
            raise ConfigError(
                f"{stages} positive widths are needed", where="model.decoder_channels"
            )
        if self.image_size % 2**stages:
            raise ConfigError(
                f"{self.image_size} cannot be halved {stages} times",
                where="model.image_size",
                hint=f"Use a multiple of {2**stages}, or fewer model.channels",
            )
        odd = all(kernel > 0 and kernel % 2 for kernel in self.kernel_sizes)
        if len(self.kernel_sizes) not in (1, stages) or not odd:
            raise ConfigError(
                f"one positive odd size, or {stages} of them, are needed",
                where="model.kernel_sizes",
            )
        if len(self.blocks) not in (1, stages) or min(self.blocks) < 0:
            raise ConfigError(f"one number, or {stages}, are needed", where="model.blocks")
        if self.latent_size < 1 or self.hidden < 0:
            raise ConfigError("sizes cannot be negative", where="model")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"{self.dropout} is outside [0, 1)", where="model.dropout")

    @property
    def kernels(self) -> tuple[int, ...]:
        """One kernel size for each stage."""
        return _each(self.kernel_sizes, len(self.channels))

    @property
    def num_blocks(self) -> tuple[int, ...]:
        """One number of residual blocks for each stage."""
        return _each(self.blocks, len(self.channels))

    @property
    def smallest_side(self) -> int:
        """Height and width of the trunk's last feature map."""
        return int(self.image_size // 2 ** len(self.channels))


def _each(values: tuple[int, ...], stages: int) -> tuple[int, ...]:
    return values if len(values) == stages else values * stages


def to_float(
    images: UInt8[Tensor, "*batch channel height width"],
) -> Float[Tensor, "*batch channel height width"]:
    """Return 8-bit RGB images as floats in [0, 1], the scale that every model takes."""
    return images.float().div_(255.0)


def _norm(kind: Norm, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "group":
        groups = next(g for g in (8, 6, 4, 3, 2, 1) if channels % g == 0)
        return nn.GroupNorm(groups, channels)
    return nn.Identity()


class ResidualBlock(nn.Module):
    """``x + f(x)`` with two 3x3 convolutions in ``f``, then ReLU; keeps shape."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        bias = norm == "none"
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=bias),
            _norm(norm, channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=bias),
            _norm(norm, channels),
        )
        if norm != "none":  # start as the identity, which trains more steadily
            nn.init.zeros_(cast(nn.BatchNorm2d, self.body[-1]).weight)

    def forward(
        self, maps: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Return maps of the same shape."""
        return torch.relu(maps + self.body(maps))


class Encoder(nn.Module):
    """Images to features: stride-2 convolutions, then an optional fully connected layer.

    Attributes:
        num_features: width of what it returns.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        bias = settings.norm == "none"
        widths = (3, *settings.channels)
        stages = zip(pairwise(widths), settings.kernels, settings.num_blocks, strict=True)
        for (before, after), kernel, num_blocks in stages:
            layers += [
                nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2, bias=bias),
                _norm(settings.norm, after),
                nn.ReLU(inplace=True),
                *(ResidualBlock(after, settings.norm) for _ in range(num_blocks)),
            ]
        self.trunk = nn.Sequential(*layers)
        pool: nn.Module = nn.Identity()
        if settings.pool == "mean":
            pool, flat = nn.AdaptiveAvgPool2d(1), widths[-1]
        else:
            flat = widths[-1] * settings.smallest_side**2
        head: list[nn.Module] = [pool, nn.Flatten()]
        if settings.hidden:
            head += [nn.Linear(flat, settings.hidden), nn.ReLU(inplace=True)]
        self.head = nn.Sequential(*head)
        self.num_features = settings.hidden or flat

    def forward(
        self, images: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch feature"]:
        """Return the features of RGB images in [0, 1]."""
        centred = (images * 2).sub_(1)  # in place: memory is written once less
        features: Tensor = self.head(self.trunk(centred))
        return features


def build_encoder(settings: NetworkSettings) -> Encoder | TorchvisionEncoder:
    """Return the encoder that ``settings.encoder`` names.

    Raises:
        ConfigError: the name is neither ``conv`` nor ``torchvision:NAME``; torchvision has no
            such model, or it does not take images of ``settings.image_size``.
    """
    if settings.encoder == "conv":
        return Encoder(settings)
    if settings.encoder.startswith(TORCHVISION):
        name = settings.encoder.removeprefix(TORCHVISION)
        return TorchvisionEncoder(name, settings.hidden or 512, image_size=settings.image_size)
    if settings.encoder == CUSTOM:
        raise ConfigError(
            "the encoder is a module of your own, which settings cannot build",
            where="model.encoder",
            hint="In Python, pass encoder= and num_features= to FaceModel or load_model",
        )
    raise ConfigError(
        f"unknown encoder {settings.encoder!r}",
        where="model.encoder",
        hint="Use conv, or torchvision:NAME such as torchvision:resnet18",
    )


class Decoder(nn.Module):
    """Latents to images, in as many stages as the encoder has.

    The output is linear: it is trained towards [0, 1] and clamped only where it is shown.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        widths = tuple(reversed(settings.decoder_channels or settings.channels))
        kernels = tuple(reversed(settings.kernels))
        side = settings.smallest_side
        self.start = nn.Sequential(
            nn.Linear(settings.latent_size, widths[0] * side**2),
            nn.ReLU(inplace=True),
            nn.Unflatten(1, (widths[0], side, side)),
        )
        layers: list[nn.Module] = []
        for (before, after), kernel in zip(pairwise(widths), kernels, strict=False):
            layers += [
                *_doubled(settings, before, after, kernel, bias=settings.norm == "none"),
                _norm(settings.norm, after),
                nn.ReLU(inplace=True),
            ]
        if settings.upsampling == "nearest":
            layers += [nn.Conv2d(widths[-1], 3 * 4, 3, padding=1), nn.PixelShuffle(2)]
        else:
            layers += _doubled(settings, widths[-1], 3, kernels[-1], bias=True)
        self.body = nn.Sequential(*layers)

    def forward(
        self, latents: Float[Tensor, "batch latent"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Return RGB images on the scale of [0, 1], unclamped."""
        maps = self.start(latents).contiguous(memory_format=torch.channels_last)
        images: Tensor = self.body(maps) + 0.5
        return images


def _doubled(
    settings: NetworkSettings, before: int, after: int, kernel: int, *, bias: bool
) -> list[nn.Module]:
    """Return the layers that double height and width."""
    if settings.upsampling == "nearest":
        return [
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(before, after, 3, padding=1, bias=bias),
        ]
    return [
        nn.ConvTranspose2d(
            before, after, kernel, stride=2, padding=kernel // 2, output_padding=1, bias=bias
        )
    ]
