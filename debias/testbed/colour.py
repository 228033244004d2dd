"""Colours of skin: the Monk scale as a line through CIELAB, and sRGB as light and back.

References:
    E. Monk. The Monk Skin Tone Scale. 2019, skintone.google: ten swatches, lightest to darkest.
    IEC 61966-2-1:1999, sRGB. CIE 15:2004, CIELAB under D65.
"""

from __future__ import annotations

from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Real = TypeVar("Real", np.float32, np.float64)

MONK = (
    "#f6ede4",
    "#f3e7db",
    "#f7ead0",
    "#eadaba",
    "#d7bd96",
    "#a07e56",
    "#825c43",
    "#604134",
    "#3a312a",
    "#292420",
)
"""The swatches of the Monk scale, 1 to 10."""

_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = _TO_XYZ.sum(axis=1)
_KNEE = 6 / 29
_STEPS_PER_TONE = 100
ENCODING_STEPS = 2048


def rgb_from_hex(code: str) -> Floats:
    """Return a colour written ``#rrggbb`` as sRGB in [0, 1], of shape (channel,)."""
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def linear_from_srgb(srgb: Floats) -> Floats:
    """Return the light (linear RGB) of sRGB values in [0, 1], any shape."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def srgb_from_linear(linear: Floats) -> Floats:
    """Return the sRGB values of light in [0, 1], any shape."""
    bright = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, linear * 12.92, bright)


def lab_from_linear(linear: NDArray[Real]) -> NDArray[Real]:
    """Return CIELAB (D65) of linear RGB, both of shape (..., channel) and of one precision."""
    ratio = linear @ _TO_XYZ.T.astype(linear.dtype) / _WHITE.astype(linear.dtype)
    f = np.where(ratio > _KNEE**3, np.cbrt(ratio), ratio / (3 * _KNEE**2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def linear_from_lab(lab: Floats) -> Floats:
    """Return linear RGB of CIELAB (D65), both of shape (..., channel)."""
    lightness, a, b = np.moveaxis(lab, -1, 0)
    y = (lightness + 16) / 116
    f = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    ratio = np.where(f > _KNEE, f**3, 3 * _KNEE**2 * (f - 4 / 29))
    linear: Floats = ratio * _WHITE @ np.linalg.inv(_TO_XYZ).T
    return linear


def individual_typology_angle(lab: Floats) -> Floats:
    """Return the individual typology angle ITA in degrees of CIELAB colours (..., channel).

    ``ITA = arctan((L* - 50) / b*)``, in (-90, 90): large for light skin, negative for dark. It is
    defined for b* > 0, and NaN for bluish and grey colours, which no bare skin under white light
    has.

    References:
        A. Chardon, I. Cretois, C. Hourseau. Skin colour typology and suntanning pathways. 1991.
    """
    lightness, _, b = np.moveaxis(lab, -1, 0)
    return np.where(b > 0, np.degrees(np.arctan2(lightness - 50, b)), np.nan)


def skin_light(tone: Floats) -> NDArray[np.float32]:
    """Return the linear RGB of skin of a tone on the Monk scale.

    Between two swatches the colour moves on a straight line in CIELAB.

    Args:
        tone: 1 to 10, of shape (image,); it is rounded to a hundredth.

    Returns:
        An array of shape (image, channel).
    """
    steps = np.clip(np.rint((np.asarray(tone) - 1) * _STEPS_PER_TONE), 0, 9 * _STEPS_PER_TONE)
    return skin_table()[steps.astype(np.intp)]


@cache
def skin_table() -> NDArray[np.float32]:
    """Return the linear RGB of skin, (tone, channel): in hundredths of a tone from 1 to 10."""
    swatches = lab_from_linear(linear_from_srgb(np.stack([rgb_from_hex(code) for code in MONK])))
    tones = np.arange(9 * _STEPS_PER_TONE + 1) / _STEPS_PER_TONE
    lab = np.stack([np.interp(tones, np.arange(10), swatches[:, k]) for k in range(3)], axis=-1)
    return linear_from_lab(lab).clip(0, 1).astype(np.float32)


@cache
def encoding_table() -> NDArray[np.uint8]:
    """Return the sRGB bytes of light, by the square root of the light.

    Entry k is that of the light ``(k / ENCODING_STEPS)^2``. The root resolves dark light finely,
    and is the same on every machine, which a power is not.
    """
    light = (np.arange(ENCODING_STEPS + 1) / ENCODING_STEPS) ** 2
    return np.rint(255 * srgb_from_linear(light)).astype(np.uint8)
