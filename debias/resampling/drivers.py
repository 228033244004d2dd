"""From the scores of an image's bins to its weight, and to the dimensions that drive it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias.resampling.histogram import LatentHistograms, bin_indices, latent_blocks

NUM_DRIVERS = 3
"""Dimensions named for each image, at most."""
NO_DRIVER = -1
_NUM_TOP_DRIVERS = 5
_SMALLEST_EXCESS = 1e-9  # nats; below it a score is at its mean but for rounding


def join_scores(
    matrix: NDArray[Any],
    histograms: LatentHistograms,
    scores: NDArray[np.float64],
    balanced: NDArray[np.int64],
    take_largest: bool,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return each image's log weight, shape (image,), and its drivers, shape (image, driver).

    Args:
        matrix: shape (image, latent).
        histograms: whose bins the scores belong to.
        scores: shape (latent, bin).
        balanced: the dimensions that count, shape (balanced,).
        take_largest: join the scores of an image by their largest, not by their sum.
    """
    num_drivers = min(NUM_DRIVERS, balanced.size)
    log_weights = np.zeros(len(matrix))
    drivers = np.full((len(matrix), num_drivers), NO_DRIVER, dtype=np.int64)
    if balanced.size == 0:
        return log_weights, drivers
    edges, table = histograms.edges[balanced], scores[balanced]
    for rows, block in latent_blocks(matrix):
        bins = bin_indices(edges, block[balanced])
        terms = np.empty(bins.shape)
        for place, filled in enumerate(bins):
            # A bin is never out of range; "clip" only spares NumPy's check.
            np.take(table[place], filled, out=terms[place], mode="clip")
        log_weights[rows] = terms.max(axis=0) if take_largest else terms.sum(axis=0)
        _name_drivers(terms, balanced, out=drivers[rows])
    return log_weights, drivers


def _name_drivers(
    terms: NDArray[np.float64], balanced: NDArray[np.int64], *, out: NDArray[np.int64]
) -> None:
    """Write each image's dimensions with the largest positive terms; spends ``terms``.

    Args:
        terms: shape (latent, image).
        balanced: shape (latent,), the dimension of each row.
        out: shape (image, driver).
    """
    images = np.arange(terms.shape[1])
    for place in range(out.shape[1]):
        best = terms.argmax(axis=0)
        raises = terms[best, images] > _SMALLEST_EXCESS
        out[raises, place] = balanced[best[raises]]
        terms[best, images] = -np.inf


def top_drivers(
    drivers: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return the first drivers of most draws, and the share of the draws that each drives.

    Args:
        drivers: shape (image, driver).
        probabilities: of drawing each image, shape (image,).
    """
    if drivers.shape[1] == 0:
        return (), ()
    first = drivers[:, 0]
    driven = first != NO_DRIVER
    shares = np.bincount(first[driven], weights=probabilities[driven])
    order = np.argsort(-shares, kind="stable")[:_NUM_TOP_DRIVERS]
    order = order[shares[order] > 0]
    return tuple(order.tolist()), tuple(shares[order].tolist())
