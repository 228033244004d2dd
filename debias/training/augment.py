"""Random augmentation of whole batches, different for each image.

A classifier that sees one source of faces learns its framing, sharpness, tone and compression
instead of the faces. The changes here hide such shortcuts. For speed, flip, zoom, shift and
rotation are one interpolation; blur and loss of resolution are one matrix along each axis; colour,
brightness and contrast are one affine map; and what falls on some images only is computed for
those only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from debias.errors import ConfigError, UsageError
from debias.training.jpeg import LUMA, jpeg_loss


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentSettings:
    """How strong each change is; 0 (or False) turns it off.

    Each is drawn anew for each image. Where there is a probability, an image is left alone by
    that change with one minus that probability; the others touch every image.

    Attributes:
        flip: mirror left and right, one image in two.
        zoom: log of the magnification, uniform in [-zoom, zoom].
        aspect: log of the ratio of the two magnifications, uniform in [-aspect, aspect].
        shift: displacement along each axis, uniform in [-shift, shift], in image sides.
        rotation: angle, uniform in [-rotation, rotation], in degrees.
        black_border: share of images where what lies outside is black; in the others it repeats
            the border.
        blur: standard deviation of the Gaussian, uniform in [0, blur], in pixels.
        blur_probability: share of images that are blurred.
        rescale: loss of resolution: the image is reduced by a factor with a log-uniform
            distribution in [1, 1 + rescale], then enlarged again.
        rescale_probability: share of images that lose resolution.
        brightness: added to all channels, uniform in [-brightness, brightness], on the scale
            where white is 1.
        contrast: log of the gain about the mean of the image, uniform in [-contrast, contrast].
        gamma: log of the exponent, uniform in [-gamma, gamma].
        gamma_probability: share of images that get a gamma.
        saturation: log of the colour gain about grey, uniform in [-saturation, saturation].
        channel_gain: log of each channel's gain, uniform in [-channel_gain, channel_gain].
        grey_probability: share of images that lose their colour.
        noise: standard deviation of Gaussian noise, uniform in [0, noise].
        noise_probability: share of images with noise.
        jpeg: compression: the quality is uniform in [100 (1 - jpeg), 100].
        jpeg_probability: share of images that are compressed.
    """

    flip: bool = True
    zoom: float = 0.3
    aspect: float = 0.2
    shift: float = 0.1
    rotation: float = 30.0
    black_border: float = 0.3
    blur: float = 1.5
    blur_probability: float = 0.3
    rescale: float = 2.0
    rescale_probability: float = 0.3
    brightness: float = 0.15
    contrast: float = 0.7
    gamma: float = 1.0
    gamma_probability: float = 0.8
    saturation: float = 0.5
    channel_gain: float = 0.1
    grey_probability: float = 0.05
    noise: float = 0.06
    noise_probability: float = 0.3
    jpeg: float = 0.9
    jpeg_probability: float = 0.3

    def __post_init__(self) -> None:
        """Refuse strengths and probabilities that have no meaning.

        Raises:
            ConfigError: a value is not a number, is negative, or is above its limit.
        """
        if not isinstance(self.flip, bool):
            raise ConfigError(
                f"flip = {self.flip!r} is neither true nor false", where="augmentation.flip"
            )
        limits = {"black_border": 1.0, "shift": 0.5, "rotation": 180.0, "jpeg": 0.99}
        for field in fields(self):
            value = getattr(self, field.name)
            limit = 1.0 if field.name.endswith("_probability") else limits.get(field.name, 10.0)
            if not 0.0 <= value <= limit:
                raise ConfigError(
                    f"{field.name} = {value} is outside [0, {limit:g}]",
                    where=f"augmentation.{field.name}",
                    hint="0 turns a change off",
                )

    @classmethod
    def none(cls) -> AugmentSettings:
        """Settings that change nothing."""
        zeros = {field.name: 0.0 for field in fields(cls) if field.name != "flip"}
        return cls(flip=False, **zeros)


def augment(
    images: UInt8[Tensor, "batch channel height width"]
    | Float[Tensor, "batch channel height width"],
    settings: AugmentSettings,
    *,
    generator: torch.Generator,
) -> Float[Tensor, "batch channel height width"]:
    """A randomly changed copy of the images, as float32 RGB in [0, 1].

    Order: flip, zoom, shift and rotation; blur and loss of resolution; colour, contrast and
    brightness; gamma; noise; compression. The same images, settings and state of the generator
    give the same result. Settings that change nothing give exactly ``images / 255``.

    Args:
        images: RGB; integers in [0, 255], or floats in [0, 1]. Any memory layout.
        settings: what is changed and how strongly.
        generator: where all randomness comes from. It may live on the CPU while the images live
            elsewhere; the result then does not depend on the device, up to rounding.

    Raises:
        UsageError: the images have not 3 channels.
    """
    if images.shape[1] != 3:
        raise UsageError(
            f"images of {images.shape[1]} channels cannot be augmented",
            hint="give RGB images, with 3 channels",
        )
    pixels = images.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
    if images.dtype == torch.uint8:
        pixels.div_(255.0)
    if pixels.numel() == 0:
        return pixels
    draw = _Draw(generator, pixels.shape[0], pixels.device)
    pixels = _move(pixels, settings, draw)
    pixels = _blur(pixels, settings, draw)
    pixels = _recolour(pixels, settings, draw)
    pixels = _gamma(pixels, settings, draw)
    pixels = _noise(pixels, settings, draw)
    return _compress(pixels, settings, draw)


@dataclass(frozen=True, slots=True)
class _Draw:
    """Random numbers for a batch: drawn where the generator lives, used where the images are."""

    generator: torch.Generator
    num_images: int
    device: torch.device

    def uniform(self, *shape: int) -> Tensor:
        """Uniform in [0, 1)."""
        where = self.generator.device
        return torch.rand(shape, generator=self.generator, device=where).to(self.device)

    def symmetric(self, limit: float, columns: int = 1) -> Tensor:
        """Uniform in [-limit, limit), one row an image."""
        return (self.uniform(self.num_images, columns) * 2 - 1) * limit

    def normal(self, *shape: int) -> Tensor:
        """Standard normal."""
        where = self.generator.device
        return torch.randn(shape, generator=self.generator, device=where).to(self.device)

    def chosen(self, probability: float) -> Tensor:
        """The rows of the images that a change with this probability falls on."""
        return (self.uniform(self.num_images) < probability).nonzero()[:, 0]

    def only(self, probability: float, value: Tensor, *, otherwise: float) -> Tensor:
        """``value`` for the images that a change falls on, ``otherwise`` for the others."""
        return torch.where(self.uniform(self.num_images, 1) < probability, value, otherwise)


def _move(pixels: Tensor, settings: AugmentSettings, draw: _Draw) -> Tensor:
    """Flip, zoom, shift and rotation, in one linear interpolation."""
    zoomed = settings.zoom or settings.aspect
    if not (settings.flip or zoomed or settings.shift or settings.rotation):
        return pixels
    height, width = pixels.shape[2:]
    zoom, aspect = draw.symmetric(settings.zoom), draw.symmetric(settings.aspect) / 2
    angle = draw.symmetric(math.radians(settings.rotation))
    shift = 2 * draw.symmetric(settings.shift, 2)
    mirror = torch.ones_like(angle)
    mirror[draw.chosen(0.5 if settings.flip else 0.0)] = -1.0
    # Where each output pixel is read, on the scale where the image spans [-1, 1] along each axis;
    # the ratio of the sides keeps the rotation a rotation in images that are not square.
    across, down = torch.exp(-zoom - aspect), torch.exp(-zoom + aspect)
    x, y = (_centres(size, pixels.device) for size in (width, height))
    cos, sin = angle.cos()[:, :, None], angle.sin()[:, :, None]
    u, v = (mirror * across * x)[:, None, :], (down * y)[:, :, None]
    read_x = cos * u - sin * (height / width) * v + shift[:, :1, None]
    read_y = sin * (width / height) * u + cos * v + shift[:, 1:, None]
    # A reading outside the image gives black; held to the outermost pixel, it repeats the border.
    black = draw.chosen(settings.black_border)
    for read, size in ((read_x, width), (read_y, height)):
        limit = torch.full_like(angle, 1 - 1 / size)[:, :, None]
        limit[black] = torch.inf
        torch.minimum(torch.maximum(read, -limit, out=read), limit, out=read)
    grid = torch.stack([read_x, read_y], dim=3)
    moved = functional.grid_sample(pixels, grid, padding_mode="zeros", align_corners=False)
    return moved.clamp_(0.0, 1.0)


def _centres(size: int, device: torch.device) -> Tensor:
    """The centres of ``size`` pixels that span [-1, 1]."""
    return (torch.arange(size, device=device, dtype=torch.float32) * 2 + 1) / size - 1


def _blur(pixels: Tensor, settings: AugmentSettings, draw: _Draw) -> Tensor:
    """Blur and loss of resolution: one matrix along each axis, for the images that drew either."""
    if not settings.blur * settings.blur_probability + settings.rescale * (
        settings.rescale_probability
    ):
        return pixels
    batch, height, width = pixels.shape[0], pixels.shape[2], pixels.shape[3]
    sigma = draw.uniform(batch, 1) * settings.blur
    sigma = draw.only(settings.blur_probability, sigma, otherwise=0.0)
    loss = torch.exp(draw.uniform(batch, 1) * math.log1p(settings.rescale))
    loss = draw.only(settings.rescale_probability, loss, otherwise=1.0)
    rows = ((sigma > 0) | (loss > 1)).nonzero()[:, 0]
    down = _rescale_matrix(height, loss[rows]) @ _blur_matrix(height, sigma[rows])
    across = down
    if width != height:
        across = _rescale_matrix(width, loss[rows]) @ _blur_matrix(width, sigma[rows])
    # Two batched products without a copy: (C H, W)(W, W'), then (H', H)(H, W') for each channel.
    part = pixels[rows]
    part = torch.bmm(part.flatten(1, 2), across.transpose(1, 2)).view(part.shape)
    pixels[rows] = (down[:, None] @ part).clamp_(0.0, 1.0)
    return pixels


def _blur_matrix(size: int, sigma: Tensor) -> Tensor:
    """A Gaussian of standard deviation ``sigma``; rows sum to 1, and 0 is the identity."""
    place = torch.arange(size, device=sigma.device)
    kernel = torch.exp(-0.5 * (place / sigma.clamp(min=1e-3)) ** 2)
    # What no pixel would show; left in, numbers below float32's normal range slow products tenfold.
    kernel[kernel < 1e-8] = 0.0
    weight = kernel[:, (place[:, None] - place).abs()]
    return weight.div_(weight.sum(2, keepdim=True))


def _rescale_matrix(size: int, loss: Tensor) -> Tensor:
    """Reduction to ``size / loss`` samples (rounded), then linear enlargement; rows sum to 1."""
    place = torch.arange(size, device=loss.device, dtype=torch.float32)
    num_samples = torch.round(size / loss).clamp_(min=1.0)
    step = size / num_samples
    sample = (place + 0.5) * step - 0.5
    reduce = (place - sample[:, :, None]).abs_().div_(step[:, :, None])
    reduce.neg_().add_(1.0).clamp_(min=0.0)
    # Samples beyond the last have no weight at all, and none is given to them below.
    reduce.div_(reduce.sum(2, keepdim=True).clamp_(min=1e-6))
    source = ((place + 0.5) / step - 0.5).clamp_(min=0.0).minimum(num_samples - 1)
    enlarge = (source[:, :, None] - place).abs_().neg_().add_(1.0).clamp_(min=0.0)
    return enlarge @ reduce


def _recolour(pixels: Tensor, settings: AugmentSettings, draw: _Draw) -> Tensor:
    """Saturation, channel gains, contrast and brightness, as one affine map of the channels."""
    colour = settings.saturation or settings.channel_gain or settings.grey_probability
    if not (colour or settings.contrast or settings.brightness):
        return pixels
    batch, channel = pixels.shape[:2]
    luma = torch.tensor(LUMA, device=pixels.device)
    saturation = torch.exp(draw.symmetric(settings.saturation))
    saturation[draw.chosen(settings.grey_probability)] = 0.0
    gain = torch.exp(draw.symmetric(settings.channel_gain, channel))
    contrast = torch.exp(draw.symmetric(settings.contrast))[:, :, None]
    brightness = draw.symmetric(settings.brightness)[:, :, None]
    grey = luma.expand(channel, channel)
    mix = saturation[:, :, None] * (torch.eye(channel, device=pixels.device) - grey) + grey
    mix = gain[:, :, None] * mix
    flat = pixels.reshape(batch, channel, -1)
    mean = luma @ (mix @ flat.mean(2, keepdim=True))
    offset = (1 - contrast) * mean[:, None] + brightness
    return torch.baddbmm(offset, contrast * mix, flat).clamp_(0.0, 1.0).view(pixels.shape)


def _gamma(pixels: Tensor, settings: AugmentSettings, draw: _Draw) -> Tensor:
    if not settings.gamma * settings.gamma_probability:
        return pixels
    exponent = torch.exp(draw.symmetric(settings.gamma))[:, :, None, None]
    rows = draw.chosen(settings.gamma_probability)
    # exp2(g log2(x)) is x ** g at half the cost; 0 stays 0, since exp2(-inf) is.
    pixels[rows] = pixels[rows].log2_().mul_(exponent[rows]).exp2_()
    return pixels


def _noise(pixels: Tensor, settings: AugmentSettings, draw: _Draw) -> Tensor:
    if not settings.noise * settings.noise_probability:
        return pixels
    scale = (draw.uniform(draw.num_images) * settings.noise)[:, None, None, None]
    rows = draw.chosen(settings.noise_probability)
    noise = draw.normal(rows.numel(), *pixels.shape[1:]).mul_(scale[rows])
    pixels[rows] = noise.add_(pixels[rows]).clamp_(0.0, 1.0)
    return pixels


def _compress(pixels: Tensor, settings: AugmentSettings, draw: _Draw) -> Tensor:
    if not settings.jpeg * settings.jpeg_probability:
        return pixels
    quality = 100 * (1 - draw.uniform(draw.num_images) * settings.jpeg)
    rows = draw.chosen(settings.jpeg_probability)
    if rows.numel():
        pixels[rows] = jpeg_loss(pixels[rows], quality[rows])
    return pixels
