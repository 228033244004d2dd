"""Perceptual hashes: pictures that look alike have hashes that differ in few bits.

A hash holds two views of a picture. The wide one leaves out a thin edge, where a border or a cut
shows; the inner one leaves out all that lies near the edges, where marks are put.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NUM_FREQUENCIES = 16
"""Cosines in each direction; the 128 products of lowest frequency make a view's bits."""
BITS_A_VIEW = 128
WORDS_A_VIEW = BITS_A_VIEW // 64
MARGINS = (0.06, 0.17)
"""What each view leaves out at each edge, as a fraction of the side."""
NUM_WORDS = len(MARGINS) * WORDS_A_VIEW
_CHUNK = 128


class Window(NamedTuple):
    """What is left of a picture after a slight cut: the fraction of its side cut off each edge."""

    left: float = 0.0
    right: float = 0.0
    top: float = 0.0
    bottom: float = 0.0


WHOLE = Window()


def perceptual_hashes(
    thumbnails: NDArray[np.uint8], *, window: Window = WHOLE
) -> NDArray[np.uint64]:
    """Return the perceptual hash of each thumbnail.

    A bit is the sign of one coefficient of the discrete cosine transform, as in pHash
    [Zauner2010], but for the mean, which is left out: so neither brightness nor contrast changes
    a bit. 64 bits of it do not tell copies from the look-alikes that aligned faces are.

    Args:
        thumbnails: grey, of shape (image, height, width), square.
        window: hash what is left of each after this cut; it stands for a picture's cut copy.

    Returns:
        Shape (image, :data:`NUM_WORDS`): :data:`WORDS_A_VIEW` words of each view in turn. Where
        there is little to see, bits are noise: see :func:`debias.audit.copies.structure`.

    References:
        [Zauner2010] Zauner. Implementation and Benchmarking of Perceptual Image Hash Functions.
        Upper Austria University of Applied Sciences, 2010.
    """
    hashes = np.empty((len(thumbnails), NUM_WORDS), dtype=np.uint64)
    views = [_cut(window, margin) for margin in MARGINS]
    order = _by_frequency()
    for start in range(0, len(thumbnails), _CHUNK):
        part = np.asarray(thumbnails[start : start + _CHUNK], dtype=np.float32)
        for k, view in enumerate(views):
            coefficients = low_frequencies(part, window=view).reshape(len(part), -1)[:, order]
            bits = np.ascontiguousarray(coefficients > 0)
            words = slice(k * WORDS_A_VIEW, (k + 1) * WORDS_A_VIEW)
            hashes[start : start + _CHUNK, words] = np.packbits(bits, axis=1).view(">u8")
    return hashes


def low_frequencies(
    pictures: NDArray[np.float32], *, window: Window = WHOLE
) -> NDArray[np.float32]:
    """Return the lowest frequencies of the discrete cosine transform (type II, not normalised).

    Args:
        pictures: of shape (image, height, width).
        window: what of each is transformed.

    Returns:
        Shape (image, :data:`NUM_FREQUENCIES`, :data:`NUM_FREQUENCIES`), vertical ones first.
    """
    _, height, width = pictures.shape
    down = _cosines(height) @ resampling(height, window.top, window.bottom)
    across = _cosines(width) @ resampling(width, window.left, window.right)
    found: NDArray[np.float32] = down @ pictures @ across.T
    return found


def resampling(length: int, before: float, after: float) -> NDArray[np.float32]:
    """Return the matrix that stretches the middle of a row of pixels over all of it.

    Args:
        length: pixels.
        before: the fraction cut off the start; a negative one repeats the first pixel.
        after: the fraction cut off the end.

    Returns:
        Shape (pixel after, pixel before), of linear interpolation.
    """
    centres = (np.arange(length) + 0.5) / length
    places = np.clip((before + centres * (1.0 - before - after)) * length - 0.5, 0.0, length - 1.0)
    lower = np.minimum(places.astype(np.intp), length - 2)
    rows = np.arange(length)
    matrix = np.zeros((length, length), dtype=np.float32)
    matrix[rows, lower] = 1.0 - (places - lower)
    matrix[rows, lower + 1] = places - lower
    return matrix


def _cut(window: Window, margin: float) -> Window:
    """Return a window less a margin on each side of it."""
    across = margin * (1.0 - window.left - window.right)
    down = margin * (1.0 - window.top - window.bottom)
    left, right, top, bottom = window
    return Window(left + across, right + across, top + down, bottom + down)


def _cosines(length: int) -> NDArray[np.float32]:
    """Return the rows of the transform, of shape (frequency, pixel)."""
    angles = (np.arange(length) + 0.5) * (math.pi / length)
    return (2.0 * np.cos(np.outer(np.arange(NUM_FREQUENCIES), angles))).astype(np.float32)


def _by_frequency() -> NDArray[np.intp]:
    """Return the places of a view's bits among its coefficients, lowest frequency first."""
    down, across = np.indices((NUM_FREQUENCIES, NUM_FREQUENCIES))
    order = np.lexsort((down.ravel(), (down + across).ravel()))
    return order[1 : BITS_A_VIEW + 1]
