"""Shapes and colours at a point, for the compiled renderer.

Only +, -, *, /, the square root and comparisons are used: every machine rounds these alike, so
that the same factors give the same pixels everywhere. A colour is a tuple of red, green and blue
light.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from debias.testbed.colour import ENCODING_STEPS
from debias.testbed.compiled import compiled

Colour: TypeAlias = tuple[float, float, float]


@compiled
def unit(x: float) -> float:
    """Return ``x`` limited to [0, 1]."""
    return min(max(x, 0.0), 1.0)


@compiled
def blob(x: float, y: float) -> float:
    """Return a soft round spot: 1 at the origin, 0 from radius 1 on, ``(1 - x^2 - y^2)^2``."""
    inner = 1.0 - x * x - y * y
    return inner * inner if inner > 0 else 0.0


@compiled
def disc(x: float, y: float, blur: float) -> float:
    """Return a round spot with an edge: 1 inside radius 1, 0 outside.

    Args:
        x: in units of the half width.
        y: in units of the half height.
        blur: width of the edge, in the same units.
    """
    return unit(0.5 - (x * x + y * y - 1.0) / (2.0 * blur))


@compiled
def inside(distance: float, pixel: float) -> float:
    """Return how much of a pixel lies inside a shape at a signed distance to its edge."""
    return unit(0.5 - distance / pixel)


@compiled
def box(x: float, y: float, half_width: float, half_height: float, radius: float) -> float:
    """Return the signed distance to a box with round corners: negative inside."""
    across = abs(x) - (half_width - radius)
    down = abs(y) - (half_height - radius)
    right, low = max(across, 0.0), max(down, 0.0)
    return math.sqrt(right * right + low * low) + min(max(across, down), 0.0) - radius


@compiled
def rise(x: float, start: float, width: float) -> float:
    """Return a smooth step: 0 up to ``start``, 1 from ``start + width`` on."""
    t = unit((x - start) / width)
    return t * t * (3.0 - 2.0 * t)


@compiled
def zigzag(x: float) -> float:
    """Return a wave of straight lines of period 1, in [0, 1]: 0 at whole numbers."""
    return 1.0 - 2.0 * abs(x - math.floor(x) - 0.5)


@compiled
def over(under: Colour, colour: Colour, cover: float) -> Colour:
    """Return ``under`` covered by ``colour`` to a share in [0, 1]."""
    return (
        under[0] + (colour[0] - under[0]) * cover,
        under[1] + (colour[1] - under[1]) * cover,
        under[2] + (colour[2] - under[2]) * cover,
    )


@compiled
def scaled(colour: Colour, factor: float) -> Colour:
    """Return a colour brighter or darker by a factor."""
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


@compiled
def lit_by(colour: Colour, light: Colour) -> Colour:
    """Return what a surface of a colour sends back of a light."""
    return (colour[0] * light[0], colour[1] * light[1], colour[2] * light[2])


@compiled
def encoded(light: float, table: NDArray[np.uint8]) -> int:
    """Return the sRGB byte of light; see :func:`~debias.testbed.colour.encoding_table`."""
    return int(table[int(math.sqrt(min(max(light, 0.0), 1.0)) * ENCODING_STEPS + 0.5)])
