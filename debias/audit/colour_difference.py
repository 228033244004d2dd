"""How different two colours look: CIEDE2000.

References:
    [Sharma2005] Sharma, Wu, Dalal. The CIEDE2000 Color-Difference Formula: Implementation Notes,
    Supplementary Test Data, and Mathematical Observations. Color Research and Application 30(1),
    2005.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_POWER = 25.0**7
_CIRCLE = 2 * np.pi
_ROUNDING = 1e-6


def colour_differences(first: Floats, second: Floats) -> Floats:
    """Return the CIEDE2000 differences of colours, with all parametric factors 1 [Sharma2005].

    Args:
        first: CIELAB, shape (..., channel).
        second: CIELAB; its shape broadcasts with that of ``first``.

    Returns:
        At least 0, without the channel's axis; about 1 is just noticeable.
    """
    lightness_1, a_1, b_1 = np.moveaxis(first, -1, 0)
    lightness_2, a_2, b_2 = np.moveaxis(second, -1, 0)
    mean_chroma = (np.hypot(a_1, b_1) + np.hypot(a_2, b_2)) / 2
    stretch = 1.5 - 0.5 * _saturation(mean_chroma)
    chroma_1, chroma_2 = np.hypot(stretch * a_1, b_1), np.hypot(stretch * a_2, b_2)
    hue_1 = np.arctan2(b_1, stretch * a_1) % _CIRCLE
    hue_2 = np.arctan2(b_2, stretch * a_2) % _CIRCLE

    turn = hue_2 - hue_1
    # Opposite hues are taken to be less than half a circle apart, whatever rounding makes of them.
    over = np.abs(turn) > np.pi + _ROUNDING
    turn = turn - np.where(over, _CIRCLE * np.sign(turn), 0)
    # Half way on the shorter way round; of a grey and a colour, the colour's, as grey has hue 0.
    hue = np.where(chroma_1 * chroma_2 == 0, hue_1 + hue_2, hue_1 + turn / 2)
    hue_step = 2 * np.sqrt(chroma_1 * chroma_2) * np.sin(turn / 2)
    lightness, chroma = (lightness_1 + lightness_2) / 2, (chroma_1 + chroma_2) / 2

    off_grey = (lightness - 50) ** 2
    by_lightness = 1 + 0.015 * off_grey / np.sqrt(20 + off_grey)
    by_chroma = 1 + 0.045 * chroma
    uneven = (
        1
        - 0.17 * np.cos(hue - np.radians(30.0))
        + 0.24 * np.cos(2 * hue)
        + 0.32 * np.cos(3 * hue + np.radians(6.0))
        - 0.20 * np.cos(4 * hue - np.radians(63.0))
    )
    by_hue = 1 + 0.015 * chroma * uneven
    blue = np.degrees(hue) % 360.0
    turned = np.radians(60.0) * np.exp(-(((blue - 275.0) / 25.0) ** 2))
    rotation = -2 * _saturation(chroma) * np.sin(turned)

    in_lightness = (lightness_2 - lightness_1) / by_lightness
    in_chroma = (chroma_2 - chroma_1) / by_chroma
    in_hue = hue_step / by_hue
    squares = in_lightness**2 + in_chroma**2 + in_hue**2 + rotation * in_chroma * in_hue
    difference: Floats = np.sqrt(np.maximum(squares, 0))
    return difference


def _saturation(chroma: Floats) -> Floats:
    seventh = chroma**7
    share: Floats = np.sqrt(seventh / (seventh + _POWER))
    return share
