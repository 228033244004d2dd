"""Scores of all windows of a picture at once: the encoder as a fully convolutional network.

Windows that overlap share most of their features. One pass of the trunk over the whole picture
gives them all, at the trunk's own stride; finer strides take passes over shifted pictures. In a
pass a window sees what surrounds it where a window that was cut out sees the padding of its
convolutions, so that scores differ a little.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from debias.errors import ConfigError
from debias.models.db_vae import FaceModel
from debias.models.networks import Encoder, NetworkSettings, to_float

CROPS_A_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """How windows lie in a picture.

    Attributes:
        window: height and width of a window in pixels.
        stride: from one window to the next in pixels.
    """

    window: int
    stride: int

    def count(self, length: int) -> int:
        """Return how many windows lie within so many pixels."""
        return max(0, (length - self.window) // self.stride + 1)


def geometry(settings: NetworkSettings, *, finest: int = 2) -> Geometry:
    """Return the windows that a network scores.

    Args:
        settings: of the network.
        finest: how often a stride of the trunk is halved; each time quadruples the passes.

    Raises:
        ConfigError: a stride below one pixel is asked for.
    """
    stages = len(settings.channels)
    if not 0 <= finest <= stages:
        raise ConfigError(f"the trunk's stride can be halved {stages} times at most, not {finest}")
    return Geometry(window=settings.image_size, stride=2 ** (stages - finest))


def is_dense(model: FaceModel) -> bool:
    """Return whether a model's encoder can run over whole pictures."""
    return isinstance(model.encoder, Encoder)


def surroundings(settings: NetworkSettings) -> int:
    """Return how far beyond a window its features see, in pixels, in whole strides of the trunk."""
    reach, stride = 0, 1
    for kernel, num_blocks in zip(settings.kernels, settings.num_blocks, strict=True):
        reach += kernel // 2 * stride
        stride *= 2
        reach += 2 * num_blocks * stride
    return -(-reach // stride) * stride


def window_logits(
    model: FaceModel,
    picture: UInt8[Tensor, "channel height width"],
    places: Geometry,
    *,
    tile: int = 1024,
) -> Float[Tensor, "row column"]:
    """Return the log odds of "face" of every window, by passes over the whole picture.

    The window of row r and column c has its top left corner at pixel (r stride, c stride). A large
    picture is scored in tiles, each with as much around it as its windows see: the scores are
    those of one pass.

    Args:
        model: in eval mode, with an encoder that :func:`is_dense`.
        picture: RGB, on the model's device, at least a window high and wide.
        places: see :func:`geometry`.
        tile: height and width of what is scored at once, surroundings left out, in pixels.
    """
    _, height, width = picture.shape
    own = 2 ** len(model.settings.channels)
    step = max(own, tile // own * own)  # tiles begin where the trunk's cells do
    margin = surroundings(model.settings)
    rows, columns = places.count(height), places.count(width)
    logits = torch.empty((rows, columns), device=picture.device)
    for top in range(0, height, step):
        for left in range(0, width, step):
            inner = [
                (start // places.stride, min(-(-(start + step) // places.stride), count))
                for start, count in ((top, rows), (left, columns))
            ]
            (first, last), (low, high) = inner
            if first >= last or low >= high:
                continue
            y, x = max(0, top - margin), max(0, left - margin)
            reach = step + places.window + margin
            part = to_float(picture[:, y : top + reach, x : left + reach])
            found = _shifted_passes(model, part, places, own)
            row, column = first - y // places.stride, low - x // places.stride
            logits[first:last, low:high] = found[
                row : row + last - first, column : column + high - low
            ]
    return logits


def _shifted_passes(
    model: FaceModel, picture: Float[Tensor, "channel height width"], places: Geometry, own: int
) -> Float[Tensor, "row column"]:
    """Return all windows' log odds by a pass for each shift within the trunk's own stride."""
    _, height, width = picture.shape
    logits = picture.new_empty((places.count(height), places.count(width)))
    shifts = own // places.stride
    coarse = Geometry(window=places.window, stride=own)
    for row in range(shifts):
        for column in range(shifts):
            y, x = row * places.stride, column * places.stride
            rows, columns = coarse.count(height - y), coarse.count(width - x)
            if rows and columns:
                found = _one_pass(model, picture[:, y:, x:])
                logits[row::shifts, column::shifts] = found[:rows, :columns]
    return logits


def _one_pass(
    model: FaceModel, picture: Float[Tensor, "channel height width"]
) -> Float[Tensor, "row column"]:
    """Return the log odds at the trunk's own stride; windows that stick out come last."""
    encoder, settings = model.encoder, model.settings
    assert isinstance(encoder, Encoder)
    assert isinstance(model.classifier, nn.Sequential)
    maps = encoder.trunk(picture[None] * 2 - 1)
    side = settings.smallest_side
    linear = [layer for layer in encoder.head if isinstance(layer, nn.Linear)]
    if settings.pool == "mean":
        maps = functional.avg_pool2d(maps, side, stride=1)
    elif linear:
        maps = torch.relu(_convolved(maps, linear.pop(0), side))
    else:
        return _convolved(maps, _last(model.classifier), side)[0, 0]
    for layer in linear:
        maps = torch.relu(_convolved(maps, layer, 1))
    return _convolved(maps, _last(model.classifier), 1)[0, 0]


def _last(layers: nn.Sequential) -> nn.Linear:
    layer = layers[-1]
    assert isinstance(layer, nn.Linear)
    return layer


def _convolved(maps: Tensor, layer: nn.Linear, side: int) -> Tensor:
    """Apply a fully connected layer to every square of so many cells."""
    weight = layer.weight.view(layer.out_features, -1, side, side)
    return functional.conv2d(maps, weight, layer.bias)


def cropped_logits(
    model: FaceModel,
    picture: UInt8[Tensor, "channel height width"],
    places: Geometry,
) -> Float[Tensor, "row column"]:
    """Return the log odds of every window, each cut out and scored by itself.

    For encoders that cannot run over whole pictures, and to compare with.

    Args:
        model: in eval mode.
        picture: RGB, on the model's device, at least a window high and wide.
        places: how windows lie.
    """
    windows = picture.unfold(1, places.window, places.stride)
    windows = windows.unfold(2, places.window, places.stride)
    channels, rows, columns, height, width = windows.shape
    logits = [
        model.classify(to_float(part.reshape(channels, -1, height, width).transpose(0, 1)))
        for part in _rows_at_once(windows, columns)
    ]
    return torch.cat(logits).reshape(rows, columns)


def _rows_at_once(windows: Tensor, columns: int) -> Iterator[Tensor]:
    step = max(1, CROPS_A_BATCH // max(columns, 1))
    for start in range(0, windows.shape[1], step):
        yield windows[:, start : start + step]
