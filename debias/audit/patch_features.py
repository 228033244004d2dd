"""Features of small pictures that no model is needed for: how much of each kind of patch is where.

A dictionary of patches is learnt by k-means from the pictures themselves; each patch of a picture
answers those that it is nearer to than to the average one, and answers are added up over the cells
of a grid [Coates2011]. So a pair of dark glasses counts as the same wherever it sits in its cell,
and whatever the exposure, which a principal component of the pixels cannot see. Lightness and
colour of the face, which patches do not tell, come beside it.

References:
    [Coates2011] Coates, Ng, Lee. An Analysis of Single-Layer Networks in Unsupervised Feature
    Learning. AISTATS 2011.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

NUM_PATCHES = 64
"""Patches in the dictionary."""
GRID = (4, 3)
"""Cells down and across that answers are added up in."""
_SIDE, _STEP = 6, 2
_ROWS = slice(1, 32)
_COLUMNS = slice(4, 28)
"""Of a thumbnail: beside these columns most is background."""
_LIGHT_ROWS, _LIGHT_COLUMNS = slice(1, 8), slice(2, 6)
"""Of means over four by four pixels: the face."""
_NUM_LEARNT_FROM = 20_000
_NOISE = 10.0
"""Variance, in squared grey levels, below which a patch is plain."""
_RIDGE = 0.1
_BATCH = 64
_CHROMA_TO_LIGHT = np.array([16 / 9, 32 / 23], dtype=np.float32)
"""What makes stored differences those of blue and red from grey."""
_CHROMA = 2.0
"""Weight of colour beside lightness: it varies less."""

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def patch_features(
    thumbnails: Bytes, chroma: Bytes, rows: NDArray[np.intp], *, generator: np.random.Generator
) -> Floats:
    """Return features of some pictures, centred, shape (row, feature).

    Args:
        thumbnails: grey, shape (image, 32, 32).
        chroma: the differences of blue and red from grey, 128 for none, shape (image, 32, 32, 2).
        rows: which images; at least one.
        generator: draws the patches that are learnt from.
    """
    from sklearn.cluster import MiniBatchKMeans

    learnt_from = _drawn_patches(thumbnails, chroma, rows, generator)
    mean = learnt_from.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov(learnt_from - mean, rowvar=False).astype(np.float64))
    whitening = ((axes / np.sqrt(np.maximum(values, 0.0) + _RIDGE)) @ axes.T).astype(np.float32)
    centres = MiniBatchKMeans(NUM_PATCHES, n_init=1, batch_size=2048, random_state=0).fit(
        (learnt_from - mean) @ whitening
    )
    dictionary = np.asarray(centres.cluster_centers_, dtype=np.float32)
    answers = np.empty((len(rows), GRID[0] * GRID[1] * NUM_PATCHES), dtype=np.float32)
    lights = np.empty((len(rows), 3 * 7 * 4), dtype=np.float32)
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        grey, colour = thumbnails[some], chroma[some]
        patches = _patches(grey, colour)
        white = (_levelled(patches) - mean) @ whitening
        answers[start : start + _BATCH] = _pooled(_answers(white, dictionary))
        lights[start : start + _BATCH] = _light(grey, colour)
    answers = np.sqrt(answers)  # counts: their spread grows with their size
    answers -= answers.mean(axis=0)
    lights -= lights.mean(axis=0)
    spreads = [float(np.sqrt(each.var(axis=0).sum())) for each in (answers, lights)]
    lights *= spreads[0] / max(spreads[1], 1e-9)
    return np.concatenate([answers, lights], axis=1)


def _drawn_patches(
    thumbnails: Bytes, chroma: Bytes, rows: NDArray[np.intp], generator: np.random.Generator
) -> Floats:
    some = generator.choice(rows, size=min(len(rows), 2_000), replace=False)
    patches = _levelled(_patches(thumbnails[some], chroma[some]))
    flat = patches.reshape(-1, patches.shape[-1])
    chosen = generator.choice(len(flat), size=min(len(flat), _NUM_LEARNT_FROM), replace=False)
    return np.asarray(flat[chosen], dtype=np.float32)


def _patches(grey: Bytes, colour: Bytes) -> Floats:
    """Return every second patch, shape (image, down, across, value), its lightness first."""
    level = grey[:, _ROWS, _COLUMNS, None].astype(np.float32)
    tints = (colour[:, _ROWS, _COLUMNS].astype(np.float32) - 128.0) * _CHROMA
    pictures = np.concatenate([level, tints], axis=-1)
    windows = sliding_window_view(pictures, (_SIDE, _SIDE), axis=(1, 2))
    windows = windows[:, ::_STEP, ::_STEP]
    return windows.reshape(*windows.shape[:3], -1)


def _levelled(patches: Floats) -> Floats:
    """Return patches without their mean lightness, and of equal contrast where they have any."""
    patches[..., : _SIDE**2] -= patches[..., : _SIDE**2].mean(axis=-1, keepdims=True)
    patches /= np.sqrt(patches.var(axis=-1, keepdims=True) + _NOISE)
    return patches


def _answers(white: Floats, dictionary: Floats) -> Floats:
    """Return by how much each entry is nearer than the average one, 0 where it is farther."""
    squares = np.square(white).sum(axis=-1, keepdims=True) + np.square(dictionary).sum(axis=1)
    distances = np.sqrt(np.maximum(squares - 2.0 * white @ dictionary.T, 0.0))
    nearer = distances.mean(axis=-1, keepdims=True) - distances
    return np.asarray(np.maximum(nearer, 0.0), dtype=np.float32)


def _pooled(answers: Floats) -> Floats:
    """Return the mean answers in the cells of a grid, shape (image, cell x entry)."""
    down, across = (
        np.linspace(0, size, cells + 1).astype(int)
        for size, cells in zip(answers.shape[1:3], GRID, strict=True)
    )
    rows = np.add.reduceat(answers, down[:-1], axis=1) / np.diff(down)[:, None, None]
    cells = np.add.reduceat(rows, across[:-1], axis=2) / np.diff(across)[:, None]
    return np.asarray(cells.reshape(len(answers), -1), dtype=np.float32)


def _light(grey: Bytes, colour: Bytes) -> Floats:
    """Return the log of the light and its colour, on a coarse grid over the face."""
    coarse = [
        each.reshape(len(each), 8, 4, 8, 4, -1).mean(axis=(2, 4), dtype=np.float32)
        for each in (grey, colour)
    ]
    level, tints = (each[:, _LIGHT_ROWS, _LIGHT_COLUMNS] for each in coarse)
    blue, red = np.moveaxis(level + (tints - 128.0) * _CHROMA_TO_LIGHT, -1, 0)
    green = (level[..., 0] - 0.299 * red - 0.114 * blue) / 0.587
    red, green, blue = (np.log(np.maximum(each, 0.0) + 8.0) for each in (red, green, blue))
    parts = ((red + green + blue) / 3.0, 2.0 * (red - green), 2.0 * (blue - green))
    return np.stack(parts, axis=-1).reshape(len(grey), -1)
