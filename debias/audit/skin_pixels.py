"""Skin tone from pixels: estimates for batches of faces, which follow the light and the skin alike.

Of the middle of a picture, where a face has forehead, nose and cheeks, those pixels count as skin
whose colour could be that of skin and agrees with the most of the others there. Colour means ratios
of light here, red by green and green by blue: shading leaves them alone, and skin of all tones lies
close together in them. Limits on YCbCr, which many use, depend on brightness and miss dark skin.
Eyes, brows, hair and shadows are darker than the skin around them and highlights are lighter, so
tone is taken of the pixels between, by lightness.

Neither exposure nor the colour of the light is corrected: a picture cannot tell dark skin from dim
light.

References:
    [Chardon1991] Chardon, Cretois, Hourseau. Skin Colour Typology and Suntanning Pathways. Int. J.
    Cosmetic Science 13(4), 1991.
    [Merler2019] Merler, Ratha, Feris, Smith. Diversity in Faces. arXiv:1901.10436, 2019: the angle
    on photographs.
    [Monk2019] Monk. The Monk Skin Tone Scale. 2019, skintone.google.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from debias.audit.colour_difference import colour_differences
from debias.audit.measured import SKIN_MEASURES
from debias.testbed.colour import (
    MONK,
    individual_typology_angle,
    lab_from_linear,
    linear_from_srgb,
    rgb_from_hex,
)

SIDE = 64
"""Height and width of the pictures."""
REGION = (slice(18, 50), slice(18, 46))
"""Rows and columns of a picture in which a face has forehead, nose and cheeks."""
RED_BY_GREEN = (-0.35, 2.0)
GREEN_BY_BLUE = (-0.65, 2.2)
"""Natural logarithms of the ratios of light that skin may have. The swatches of the Monk scale lie
in 0.08 to 0.79 and 0.09 to 0.81; the rest is for bluish and for orange light."""
LEAST_COLOURED = 0.1
"""Share of the region that must have any colour: pictures in grey tell no skin tone."""
LEAST_SKIN = 0.25
"""Share of the region that must be skin."""
TONE = (0.4, 0.9)
"""The shares of the skin's pixels, by lightness, between which tone is taken."""
DARKEST, LIGHTEST = (0.05, 0.3), (0.8, 0.98)
"""Those between which the limits of the range of swatches are."""

_REACH = 0.3
"""How far a pixel's ratios may lie from those of the most."""
_NOISE = 7.0
"""And beyond that by how much for one level of 255: noise and rounding weigh more in the dark."""
_GREY = 0.03, 2.4
"""How far from 1 the ratios of a grey pixel may be in the same two senses: by JPEG's rounding."""
_SUM = 4
"""Pixels that are added up, two by two, in place of each of the region's."""
_LEAST_LIGHT = 0.001
"""Added to light, so that ratios of next to nothing are none."""

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Measures = dict[str, NDArray[np.float64]]


def skin_measures(pixels: Bytes) -> Measures:
    """Return estimates of skin tone, one for each key of :data:`SKIN_MEASURES`.

    The angle ITA [Chardon1991] and the nearest swatch [Monk2019], by CIEDE2000, are those of the
    mean light of the pixels that tone is taken of. The range of swatches is that from the lightest
    to the darkest pixels of the skin, and the standard error is that of the mean over the four
    quarters of the region: both count uneven light, and neither the light that all of the face
    lies in.

    Args:
        pixels: faces, upright and in the middle, sRGB, of shape (image, 64, 64, channel).

    Returns:
        Arrays of shape (image,). All are NaN where no skin is found; ``ita`` also where b* <= 0,
        for which it is not defined, and ``ita_error`` where it is not in two quarters or more.
    """
    sums, size = _region(pixels)
    skin, possible, found = _skin(sums)
    light = _light_of_sums().take(sums)
    red, green, blue = light
    luminance = np.float32(0.2126) * red + np.float32(0.7152) * green + np.float32(0.0722) * blue
    ordered, count = _ordered(luminance, skin), skin.sum(axis=1)

    colours = np.stack(
        [
            _mean_light(light, skin & _between(luminance, ordered, count, shares))
            for shares in (TONE, LIGHTEST, DARKEST)
        ]
    )
    lab = lab_from_linear(colours)
    swatches = 1.0 + colour_differences(lab[..., None, :], _swatches()).argmin(axis=-1)
    measures = {
        "skin_share": count * _SUM / SIDE**2,
        "ita": individual_typology_angle(lab[0]),
        "ita_error": _standard_error(light, skin, size),
        "monk": swatches[0],
        "monk_low": swatches.min(axis=0),
        "monk_high": swatches.max(axis=0),
        "light_uneven": _unevenness(luminance, possible, size),
    }
    assert measures.keys() == SKIN_MEASURES.keys()
    return {name: np.where(found, values, np.nan) for name, values in measures.items()}


def _region(pixels: Bytes) -> tuple[NDArray[np.intp], tuple[int, int]]:
    """Return sums of two by two pixels, (channel, image, pixel), and their height and width."""
    inner = pixels[:, REGION[0], REGION[1]].astype(np.intp)
    rows = inner[:, ::2] + inner[:, 1::2]
    sums = rows[:, :, ::2] + rows[:, :, 1::2]
    _, height, width, channels = sums.shape
    flat = np.ascontiguousarray(np.moveaxis(sums, -1, 0))
    return flat.reshape(channels, len(pixels), height * width), (height, width)


def _skin(sums: NDArray[np.intp]) -> tuple[Mask, Mask, Mask]:
    """Return which pixels are skin, which might be by their own, and whether there is skin.

    Returns:
        Masks of shape (image, pixel) twice, and of shape (image,).
    """
    logs = _logs_of_sums().take(sums)
    ratios = logs[0] - logs[1], logs[1] - logs[2]
    by_level = np.float32(_SUM) / np.maximum(sums[1], _SUM).astype(np.float32)
    possible = np.ones(by_level.shape, dtype=np.bool_)
    for ratio, (low, high) in zip(ratios, (RED_BY_GREEN, GREEN_BY_BLUE), strict=True):
        possible &= (ratio >= low) & (ratio <= high)
    reach = _REACH + _NOISE * by_level
    skin = possible
    for _ in range(2):
        count = skin.sum(axis=1)
        centres = [_at_share(_ordered(ratio, skin), count, 0.5) for ratio in ratios]
        skin = possible.copy()
        for ratio, centre in zip(ratios, centres, strict=True):
            skin &= np.abs(ratio - centre) < reach
    colour = np.maximum(np.abs(ratios[0]), np.abs(ratios[1])) > _GREY[0] + _GREY[1] * by_level
    found = (skin.mean(axis=1) >= LEAST_SKIN) & (colour.mean(axis=1) >= LEAST_COLOURED)
    return skin, possible, found


def _ordered(values: Floats, mask: Mask) -> Floats:
    """Return the values within a mask in ascending order, then infinite ones: (image, pixel)."""
    return np.sort(np.where(mask, values, np.float32(np.inf)), axis=1)


def _at_share(ordered: Floats, count: NDArray[np.intp], share: float) -> Floats:
    """Return the value below which a share of ``count`` ordered ones lies, of shape (image, 1)."""
    place = np.maximum(share * (count - 1), 0).astype(np.intp)
    return np.take_along_axis(ordered, place[:, None], axis=1)


def _between(
    values: Floats, ordered: Floats, count: NDArray[np.intp], shares: tuple[float, float]
) -> Mask:
    low, high = (_at_share(ordered, count, share) for share in shares)
    return (values >= low) & (values <= high)


def _mean_light(light: Floats, mask: Mask) -> NDArray[np.float64]:
    """Return the mean light of the pixels within a mask, of shape (image, channel); of none, 0."""
    total = (light * mask).sum(axis=-1).astype(np.float64)
    mean: NDArray[np.float64] = (total / np.maximum(mask.sum(axis=-1), 1)).T
    return mean


def _standard_error(light: Floats, skin: Mask, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the standard error of ITA as a mean of quarters, degrees, of shape (image,)."""
    height, width = size
    quarters = (len(skin), 2, height // 2, 2, width // 2)
    total = (light * skin).reshape(3, *quarters).sum(axis=(3, 5)).astype(np.float64)
    count = skin.reshape(quarters).sum(axis=(2, 4))
    mean = np.moveaxis(total / np.maximum(count, 1), 0, -1).reshape(len(skin), 4, 3)
    angles = individual_typology_angle(lab_from_linear(mean))
    known = np.isfinite(angles)
    number = known.sum(axis=1)
    centre = np.where(known, angles, 0).sum(axis=1) / np.maximum(number, 1)
    squares = np.where(known, (angles - centre[:, None]) ** 2, 0).sum(axis=1)
    error = np.sqrt(squares / np.maximum(number - 1, 1) / np.maximum(number, 1))
    return np.where(number >= 2, error, np.nan)


def _unevenness(luminance: Floats, mask: Mask, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the difference of L* between the left and right half, of shape (image,).

    It is of all pixels that might be skin: the tone of a half in shadow may differ from the
    other's. NaN where a half has none.
    """
    height, width = size
    halves = (len(luminance), height, 2, width // 2)
    count = mask.reshape(halves).sum(axis=(1, 3))
    total = (luminance * mask).reshape(halves).sum(axis=(1, 3)).astype(np.float64)
    grey = np.repeat((total / np.maximum(count, 1))[..., None], 3, axis=-1)
    lightness = lab_from_linear(grey)[..., 0]
    difference = np.abs(lightness[:, 0] - lightness[:, 1])
    return np.where((count > 0).all(axis=1), difference, np.nan)


@cache
def _swatches() -> NDArray[np.float64]:
    """Return the Monk scale in CIELAB, of shape (swatch, channel)."""
    return lab_from_linear(linear_from_srgb(np.stack([rgb_from_hex(code) for code in MONK])))


@cache
def _light_of_sums() -> Floats:
    """Return the light of sums of sRGB bytes."""
    levels = np.arange(255 * _SUM + 1) / (255 * _SUM)
    return linear_from_srgb(levels).astype(np.float32)


@cache
def _logs_of_sums() -> Floats:
    logs: Floats = np.log(_light_of_sums() + np.float32(_LEAST_LIGHT))
    return logs
