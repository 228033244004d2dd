"""Whether two pictures are one and the same, by their thumbnails: what a hash only suggests."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from debias.audit.hashing import MARGINS

_RIDGE = 1e-3  # of the picture's own variance: a change that hardly shows explains nothing
_NUM_MOVES = 2
_MOST_MOVED = 0.75  # pixels of a thumbnail each time
_FLOOR = 0.1  # of the whole in each part, so that one with next to nothing in it does not decide
_CHUNK = 1024

Pictures = NDArray[np.float32]
Factors = NDArray[np.float64]


def structure(thumbnails: NDArray[np.uint8], *, margin: float = MARGINS[0]) -> NDArray[np.float64]:
    """Return how much there is to recognise each picture by.

    Brightness and its smooth course over the picture (a polynomial of degree 2) are taken off;
    of what is left it is the standard deviation in the middle one of 4 x 4 parts. A plain wall
    has next to none, and so has one with a lamp in a corner: two of them look the same without
    being copies.

    Args:
        thumbnails: grey, of shape (image, height, width), square.
        margin: what is left out at each edge, as a fraction of the side.

    Returns:
        Grey levels of 255, shape (image,).
    """
    found = np.empty(len(thumbnails))
    for start in range(0, len(thumbnails), _CHUNK):
        part = np.asarray(thumbnails[start : start + _CHUNK], dtype=np.float32)
        found[start : start + _CHUNK] = np.sqrt(np.median(_by_part(_detail(part, margin)), axis=1))
    return found


def likeness(
    first: Pictures, second: Pictures, *, margin: float = MARGINS[0]
) -> NDArray[np.float64]:
    """Return how well the second picture of each pair is explained by the first.

    Brightness and its smooth course are taken off both, see :func:`structure`. The first is then
    shifted and scaled, by a pixel and a half at most, to fit the second best [Lucas1981], and the
    second is regressed on it, on its square and on its Laplacian: so contrast, tone curve, and blur
    do not count. The share of the second that stays unexplained, s, is taken in each of 4 x 4
    parts and averaged, lest one strong edge decide; the likeness is sqrt(1 - s), in the whole a
    correlation.

    Args:
        first: grey, of shape (pair, height, width), square.
        second: likewise.
        margin: what is left out at each edge, as a fraction of the side.

    Returns:
        0 to 1, shape (pair,); 0 where a picture shows nothing, or is the other's negative.

    References:
        [Lucas1981] Lucas, Kanade. An Iterative Image Registration Technique. IJCAI, 1981.
    """
    found = np.empty(len(first))
    for start in range(0, len(first), _CHUNK):
        part = slice(start, start + _CHUNK)
        found[part] = _explained(first[part], second[part], margin)
    return found


def _explained(first: Pictures, second: Pictures, margin: float) -> NDArray[np.float64]:
    wanted = _detail(second, margin)
    for _ in range(_NUM_MOVES):
        factors, _ = _fitted((*_looks(first), *_moves(first)), wanted, margin)
        first = _moved(first, factors)
    factors, rest = _fitted(_looks(first), wanted, margin)
    energy, unexplained = (
        part + _FLOOR * part.mean(axis=1, keepdims=True)
        for part in (_by_part(wanted), _by_part(rest))
    )
    explained = 1.0 - (unexplained / np.maximum(energy, 1e-9)).mean(axis=1)
    explained[(factors[:, 0] <= 0.0) | (energy[:, 0] <= 0.0)] = 0.0
    found: Factors = np.sqrt(np.clip(explained, 0.0, 1.0))
    return found


def _moves(first: Pictures) -> tuple[Pictures, ...]:
    """Return what a shift and a scaling would add to pictures, downwards and then across."""
    down, across = _slopes(first)
    y, x = _coordinates(*first.shape[1:])
    return down, y * down, across, x * across


def _looks(first: Pictures) -> tuple[Pictures, ...]:
    """Return pictures, and what blur or sharpening, and another tone curve, would add to them."""
    down, across = _slopes(first)
    blurred = _slopes(down)[0] + _slopes(across)[1]
    tone = np.square(first - first.mean(axis=(1, 2), keepdims=True)) / np.float32(64.0)
    return first, blurred, tone


def _slopes(pictures: Pictures) -> tuple[Pictures, Pictures]:
    """Return the slopes downwards and across."""
    down, across = np.gradient(pictures, axis=(1, 2))
    return np.asarray(down, dtype=np.float32), np.asarray(across, dtype=np.float32)


def _fitted(
    known: tuple[Pictures, ...], wanted: Pictures, margin: float
) -> tuple[Factors, Pictures]:
    """Return how much of each known picture is in the wanted one, and what none explains."""
    details = np.stack([_detail(each, margin) for each in known], axis=1)
    gram = (details @ details.transpose(0, 2, 1)).astype(np.float64)
    products = (details @ wanted[:, :, None]).astype(np.float64)
    weight = np.full(len(known), _RIDGE)
    weight[0] = 0.0
    gram += (gram[:, 0, 0, None] * weight + 1.0)[:, :, None] * np.eye(len(known))
    factors: Factors = np.linalg.solve(gram, products)[:, :, 0].astype(np.float64)
    explained: Pictures = (factors[:, None, :].astype(np.float32) @ details)[:, 0]
    return factors, wanted - explained


def _moved(first: Pictures, factors: Factors) -> Pictures:
    """Return the pictures shifted and scaled as the last four factors say."""
    own = np.where(factors[:, 0] > 0.0, factors[:, 0], np.inf)[:, None]
    moved = []
    for length, shift in zip(first.shape[1:], (-4, -2), strict=True):
        place = (np.arange(length) + 0.5) * 2 / length - 1
        steps = (factors[:, shift, None] + factors[:, shift + 1, None] * place) / own
        moved.append(_interpolation(np.clip(steps, -_MOST_MOVED, _MOST_MOVED)))
    return np.asarray(moved[0] @ first @ moved[1].transpose(0, 2, 1), dtype=np.float32)


def _interpolation(steps: Factors) -> Pictures:
    """Return the matrices that move each pixel of a row by so many, (picture, after, before)."""
    length = steps.shape[1]
    places = np.clip(np.arange(length) + steps, 0.0, length - 1.0)
    away = np.abs(places[:, :, None] - np.arange(length))
    return np.maximum(0.0, 1.0 - away).astype(np.float32)


def _by_part(detail: Pictures) -> Factors:
    """Return the mean square in each of 4 x 4 parts, of shape (image, part)."""
    side = math.isqrt(detail.shape[1])
    ends = np.linspace(0, side, 5).astype(np.intp)
    squares = detail.reshape(len(detail), side, side).astype(np.float64) ** 2
    sums = np.add.reduceat(np.add.reduceat(squares, ends[:-1], axis=1), ends[:-1], axis=2)
    counts = np.outer(np.diff(ends), np.diff(ends))
    return np.asarray((sums / counts).reshape(len(detail), -1), dtype=np.float64)


def _detail(pictures: Pictures, margin: float) -> Pictures:
    """Return the pixels off the edge less a smooth surface, of shape (image, pixel)."""
    _, height, width = pictures.shape
    inner = pictures[:, *_inside(height, width, margin)].reshape(len(pictures), -1)
    smooth = _smooth(height, width, margin)
    return np.asarray(inner - (inner @ smooth) @ smooth.T, dtype=np.float32)


@cache
def _smooth(height: int, width: int, margin: float) -> Pictures:
    """Return an orthonormal basis of the surfaces of degree 2, of shape (pixel, surface)."""
    inside = _inside(height, width, margin)
    y, x = (part[inside].ravel().astype(np.float64) for part in _coordinates(height, width))
    surfaces = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    return np.linalg.qr(surfaces)[0].astype(np.float32)


def _inside(height: int, width: int, margin: float) -> tuple[slice, slice]:
    down, across = math.ceil(margin * height), math.ceil(margin * width)
    return slice(down, height - down), slice(across, width - across)


def _coordinates(height: int, width: int) -> tuple[Pictures, Pictures]:
    """Return the place of each pixel, -1 to 1, vertical first."""
    y = (np.arange(height, dtype=np.float32) + 0.5) * 2 / height - 1
    x = (np.arange(width, dtype=np.float32) + 0.5) * 2 / width - 1
    down, across = np.meshgrid(y, x, indexing="ij")
    return down.astype(np.float32), across.astype(np.float32)
