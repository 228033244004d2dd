"""A picture while it is painted, layer over layer in linear light; compiled.

A canvas holds linear RGB. Beside it lies a map of owners: the number of the head whose surface is
seen in a pixel, 0 where there is none. A layer that lets less than half of the light behind it
through hides what it covers: nobody owns that pixel then.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from debias.testbed.compiled import compiled
from debias.testbed.shapes import Colour, encoded

Canvas = NDArray[np.float64]
"""Of shape (height, width, channel)."""
Owners = NDArray[np.int64]
"""Of shape (height, width)."""
Atlas = NDArray[np.float32]
"""See :func:`debias.testbed.scene.texture_atlas`."""
Bytes = NDArray[np.uint8]
Offset = tuple[int, int]
"""Where the textures of a layer begin, down and across, in cells of the atlas."""
BLACK: Colour = (0.0, 0.0, 0.0)
WHITE: Colour = (1.0, 1.0, 1.0)


class Frame(NamedTuple):
    """The square of a layer: in its own coordinates from -1, the left and top edge, to 1.

    Attributes:
        left: its distance from the picture's left edge, in pixels.
        top: from the picture's top edge, in pixels.
        size: width and height, in pixels.
    """

    left: float
    top: float
    size: float


@compiled
def place(pixel: int, start: float, size: float) -> float:
    """Return where the middle of a row or column lies in a frame that starts at ``start``."""
    return (pixel + 0.5 - start) * 2.0 / size - 1.0


@compiled
def span(middle: float, before: float, after: float, limit: int) -> tuple[int, int]:
    """Return the first of the pixels around a place, and the one after the last, cut at ``limit``.

    Args:
        middle: the place in pixels.
        before: how far they reach to the left or up.
        after: how far they reach to the right or down.
        limit: width or height of the picture.
    """
    return max(math.floor(middle - before), 0), min(math.ceil(middle + after), limit)


@compiled
def colour_at(canvas: Canvas, row: int, column: int) -> Colour:
    """Return the light of a pixel."""
    return (canvas[row, column, 0], canvas[row, column, 1], canvas[row, column, 2])


@compiled
def put(canvas: Canvas, row: int, column: int, light: Colour) -> None:
    """Set the light of a pixel."""
    canvas[row, column, 0] = light[0]
    canvas[row, column, 1] = light[1]
    canvas[row, column, 2] = light[2]


@compiled
def encode(canvas: Canvas, table: Bytes, pixels: Bytes) -> None:
    """Write the sRGB bytes of a canvas into ``pixels`` (height, width, channel).

    Args:
        canvas: what was painted.
        table: see :func:`debias.testbed.colour.encoding_table`.
        pixels: changed.
    """
    height, width, num_channels = canvas.shape
    for row in range(height):
        for column in range(width):
            for channel in range(num_channels):
                pixels[row, column, channel] = encoded(canvas[row, column, channel], table)
