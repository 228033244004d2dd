"""The measures of batches of pictures: pure functions of pixels.

Light and colour are measured on the whole picture, reduced to one small size, and so compare over
sizes. What reducing would hide - detail, noise, the edges of JPEG's blocks - is measured on a
square of pixels as they are, cut from the centre. So these three are of the picture's own
resolution: an enlarged picture is less sharp than its original, and a picture of 1000 pixels shows
the middle of a face where one of 128 shows the whole. Sharpness counts noise as detail; see both.

References:
    [Crete2007] Crete, Dolmiere, Ladret, Nicolas. The Blur Effect: Perception and Estimation with
    a New No-Reference Perceptual Blur Metric. SPIE 6492, 2007.
    [Immerkaer1996] Immerkaer. Fast Noise Variance Estimation. Computer Vision and Image
    Understanding 64(2), 1996.
    [Serra2020] Serra et al. Input Complexity and Out-of-Distribution Detection with
    Likelihood-Based Generative Models. ICLR 2020.
    [Wang2000] Wang, Bovik, Evans. Blind Measurement of Blocking Artifacts in Images. ICIP 2000.
"""

from __future__ import annotations

import math
import zlib
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from debias.audit.measured import THUMBNAIL_SIDE
from debias.testbed.colour import lab_from_linear, linear_from_srgb

WORKING_SIDE = 2 * THUMBNAIL_SIDE
"""Height and width of the reduced pictures that light, colour and skin are measured on."""
PATCH_SIDES = tuple(range(80, 16, -16))
"""Heights and widths of the squares that detail is measured on: the largest that fits."""
JPEG_BLOCK = 8

_BLUR_WIDTH = 9
_NOISE_BLOCK = 8
_QUIETEST = 0.1
"""The share of blocks below the one whose noise counts: few blocks of a face have no texture."""
_QUIETEST_OF_NOISE = 0.795
"""What that block shows of normal noise of standard deviation 1, by simulation."""
_LEAST_BLOCKS = 9
_LEAST_EDGE = 0.25
"""Grey levels: edges below it are no edges, so that rounding gives a flat picture no blocks."""

Bytes = NDArray[np.uint8]
Measures = dict[str, NDArray[np.float64]]


def central_patch(image: Image.Image) -> Bytes | None:
    """Return the grey square of pixels, as they are, at the centre of a picture.

    Args:
        image: in RGB.

    Returns:
        Shape (height, width), both one of :data:`PATCH_SIDES`; None if the picture is smaller.
    """
    width, height = image.size
    side = next((side for side in PATCH_SIDES if side <= min(width, height)), None)
    if side is None:
        return None
    left, top = (width - side) // 2, (height - side) // 2
    return np.asarray(image.crop((left, top, left + side, top + side)).convert("L"))


def halved(pixels: Bytes) -> Bytes:
    """Return pictures at half their size: means of two by two pixels, rounded.

    Args:
        pixels: shape (image, height, width, channel), sides even.
    """
    rows = pixels[:, ::2].astype(np.uint16) + pixels[:, 1::2]
    return ((rows[:, :, ::2] + rows[:, :, 1::2] + 2) >> 2).astype(np.uint8)


def light_measures(small: Bytes) -> Measures:
    """Return the brightness, contrast and colourfulness of pictures.

    They are the mean and the standard deviation of CIELAB's L*, and the mean of its chroma
    C* = sqrt(a*^2 + b*^2), over the pixels of a reduced picture taken as sRGB: contrast is that of
    light and shade, not of fine detail.

    Args:
        small: reduced pictures, shape (image, height, width, channel).

    Returns:
        Arrays of shape (image,): 0 to 100, 0 to 50, and 0 to 134.
    """
    lab = lab_from_linear(_light_of_bytes().take(small))
    lightness, a, b = np.moveaxis(lab, -1, 0)
    chroma = np.sqrt(a * a + b * b)
    return {
        "brightness": lightness.mean(axis=(1, 2), dtype=np.float64),
        "contrast": lightness.std(axis=(1, 2), dtype=np.float64),
        "colourfulness": chroma.mean(axis=(1, 2), dtype=np.float64),
    }


def grey_thumbnails(small: Bytes) -> Bytes:
    """Return reduced pictures in grey: ITU-R BT.601 luma.

    Args:
        small: shape (image, height, width, channel).

    Returns:
        Shape (image, height, width).
    """
    wide = small.astype(np.uint16)
    # In 256ths of a level, which 16 bits hold: 256 times 255, and a half to round.
    grey = 77 * wide[..., 0] + 150 * wide[..., 1] + 29 * wide[..., 2] + 128
    return (grey >> 8).astype(np.uint8)


def chroma_thumbnails(small: Bytes) -> Bytes:
    """Return how blue and how red reduced pictures are, beside grey: Cb and Cr of ITU-R BT.601.

    Args:
        small: shape (image, height, width, channel).

    Returns:
        Shape (image, height, width, 2); 128 for grey.
    """
    grey = grey_thumbnails(small).astype(np.int16)
    blue = 128 + (small[..., 2] - grey) * 9 // 16
    red = 128 + (small[..., 0] - grey) * 23 // 32
    return np.stack([blue, red], axis=-1).clip(0, 255).astype(np.uint8)


def complexities(thumbnails: Bytes) -> NDArray[np.float64]:
    """Return the bytes that a lossless coding takes, by the thumbnail's bytes [Serra2020].

    The coding is that of PNG: each pixel less the mean of its left and its upper neighbour, then
    deflate. It is near 0 for a plain picture and above 1 for noise.

    Args:
        thumbnails: shape (image, height, width).

    Returns:
        Shape (image,).
    """
    before = np.pad(thumbnails.astype(np.int16), ((0, 0), (1, 0), (1, 0)))
    expected = (before[:, 1:, :-1] + before[:, :-1, 1:]) // 2
    residual = (before[:, 1:, 1:] - expected).astype(np.uint8)
    size = math.prod(thumbnails.shape[1:])
    return np.array([len(zlib.compress(each)) / size for each in residual], dtype=np.float64)


def detail_measures(patches: Bytes) -> Measures:
    """Return the sharpness, noise and compression of squares of pixels as they are.

    Args:
        patches: grey, of shape (image, side, side), a side of :data:`PATCH_SIDES`.

    Returns:
        Arrays of shape (image,); see :data:`~debias.audit.measured.QUALITY_MEASURES`. NaN where
        there is nothing to measure: sharpness of a plain picture, noise of one that is black,
        white or both all over.
    """
    levels = patches.astype(np.int16)
    # Neighbouring lines tell the same: every second one will do for what is measured along them.
    down = np.ascontiguousarray(levels[:, :, ::2])
    across = np.ascontiguousarray(levels[:, ::2].transpose(0, 2, 1))
    return {
        "sharpness": np.fmin(_sharpness(down), _sharpness(across)),
        "noise": _noise(patches, levels),
        "compression": (_block_edges(down) + _block_edges(across)) / 2,
    }


@cache
def _light_of_bytes() -> NDArray[np.float32]:
    """Return the light of each sRGB byte."""
    return linear_from_srgb(np.arange(256) / 255).astype(np.float32)


def _sharpness(levels: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return the share of the vertical differences that a blur removes [Crete2007].

    The blur is a mean of nine pixels, so that a difference of blurred neighbours is a ninth of the
    difference of two pixels nine apart.
    """
    reach = _BLUR_WIDTH // 2
    steps = np.abs(levels[:, 1 + reach : -reach] - levels[:, reach : -1 - reach])
    blurred = np.abs(levels[:, _BLUR_WIDTH:] - levels[:, :-_BLUR_WIDTH])
    removed = np.maximum(_BLUR_WIDTH * steps - blurred, 0).sum(axis=(1, 2), dtype=np.int64)
    total = _BLUR_WIDTH * steps.sum(axis=(1, 2), dtype=np.int64)
    share = np.full(len(levels), np.nan)
    np.divide(removed, total, out=share, where=total > 0)
    return share


def _noise(patches: Bytes, levels: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return the standard deviation of the noise of the quietest blocks [Immerkaer1996].

    The mask takes the second difference in both directions, in which smooth shading is nothing.
    Of the blocks of 8 x 8 pixels, those of least texture count; none that holds black or white,
    where noise is cut off.
    """
    across = levels[:, :, 2:] - 2 * levels[:, :, 1:-1] + levels[:, :, :-2]
    residual = np.abs(across[:, 2:] - 2 * across[:, 1:-1] + across[:, :-2])
    # At most 8 x 16 x 255, which 16 bits hold.
    down = np.add.reduce(_in_blocks(residual), axis=2, dtype=np.int16)
    num_images, blocks, _ = down.shape
    total = down.reshape(num_images, blocks, blocks, _NOISE_BLOCK).sum(axis=3, dtype=np.int32)
    inner = patches[:, 1:-1, 1:-1]
    cut = np.logical_or.reduce(_in_blocks((inner == 0) | (inner == 255)), axis=2)
    cut = cut.reshape((*total.shape, _NOISE_BLOCK)).any(axis=3)
    to_deviation = math.sqrt(math.pi / 2) / 6 / _NOISE_BLOCK**2 / _QUIETEST_OF_NOISE
    deviations = np.where(cut, np.inf, total * to_deviation).reshape(num_images, -1)
    deviations.sort(axis=1)
    num_blocks = np.count_nonzero(np.isfinite(deviations), axis=1)
    place = np.maximum((_QUIETEST * (num_blocks - 1)).astype(np.intp), 0)
    quiet = np.take_along_axis(deviations, place[:, None], axis=1)[:, 0]
    return np.where(num_blocks >= _LEAST_BLOCKS, quiet, np.nan)


def _in_blocks(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return squares as (image, block of rows, row of the block, column), the rest cut off."""
    whole = values.shape[1] // _NOISE_BLOCK * _NOISE_BLOCK
    return values[:, :whole, :whole].reshape(len(values), -1, _NOISE_BLOCK, whole)


def _block_edges(levels: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return how far horizontal edges every eight pixels stand out from the others [Wang2000].

    An edge is a step between two rows beyond the mean of the steps before and after it. Where the
    grid lies is not known of a picture that was cut or turned, so it is taken to lie where edges
    are strongest, which leaves some 0.1 without any blocks. The median over the edges of a place
    keeps a single line of the picture from counting.

    Returns:
        Strongest less second (but for its neighbours, which a step raises too), by the strongest:
        0 to 1, of shape (image,).
    """
    steps = levels[:, 1:] - levels[:, :-1]
    edges = np.abs(2 * steps[:, 1:-1] - steps[:, :-2] - steps[:, 2:])
    profile = edges.astype(np.float32).mean(axis=2) / 2
    whole = profile.shape[1] // JPEG_BLOCK * JPEG_BLOCK
    by_place = np.median(profile[:, :whole].reshape(len(levels), -1, JPEG_BLOCK), axis=1)
    strongest = by_place.argmax(axis=1)
    others = (strongest[:, None] + np.arange(2, JPEG_BLOCK - 1)) % JPEG_BLOCK
    top = by_place.max(axis=1)
    second = np.take_along_axis(by_place, others, axis=1).max(axis=1)
    return np.asarray((top - second) / np.maximum(top, _LEAST_EDGE), dtype=np.float64)
