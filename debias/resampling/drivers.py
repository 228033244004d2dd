"""From the scores of an image's bins to its weight, and to the dimensions that drive it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias.resampling.bins import cell_indices, cell_table
from debias.resampling.blocks import over_blocks, over_stretches
from debias.resampling.histogram import LatentHistograms

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
    num_threads: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return each image's log weight, shape (image,), and its drivers, shape (image, driver).

    Args:
        matrix: shape (image, latent).
        histograms: whose bins the scores belong to.
        scores: shape (latent, bin).
        balanced: the dimensions that count, shape (balanced,).
        take_largest: join the scores of an image by their largest, not by their sum.
        num_threads: as many as there are cores where None. The result is the same.
    """
    num_drivers = min(NUM_DRIVERS, balanced.size)
    log_weights = np.zeros(len(matrix))
    drivers = np.full((len(matrix), num_drivers), NO_DRIVER, dtype=np.int32)
    if balanced.size == 0:
        return log_weights, drivers
    edges, table = histograms.edges[balanced], scores[balanced]
    join, nothing = (np.maximum, -np.inf) if take_largest else (np.add, 0.0)
    joined = cell_table(table, join, nothing=nothing)
    ranks, named = _ranks(table, balanced)
    higher = cell_table(ranks, np.maximum, nothing=0)
    lower = cell_table(ranks, np.minimum, nothing=0)

    def weigh(rows: slice, block: NDArray[np.floating]) -> None:
        cells = cell_indices(edges, block[balanced])
        # A cell is never out of range; "clip" only spares NumPy's check.
        join.reduce(np.take(joined, cells, mode="clip"), axis=0, out=log_weights[rows])
        first, second = (np.take(each, cells, mode="clip") for each in (higher, lower))
        for place, best in enumerate(_three_largest(first, second)[:num_drivers]):
            np.take(named, best, out=drivers[rows, place], mode="clip")

    for _ in over_blocks(matrix, weigh, num_threads=num_threads):
        pass
    return log_weights, drivers


def _ranks(
    scores: NDArray[np.float64], balanced: NDArray[np.int64]
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.int32]]:
    """Return the rank of each bin's score among all, shape (latent, bin), and whose each rank is.

    Rank 0 is that of every score which raises no image. Of equal scores that of the first dimension
    ranks highest.

    Args:
        scores: shape (latent, bin).
        balanced: shape (latent,), the dimension of each row.
    """
    places = np.repeat(np.arange(len(scores)), scores.shape[1])
    order = np.lexsort((-places, scores.ravel()))
    raising = order[scores.ravel()[order] > _SMALLEST_EXCESS]
    narrow = np.uint16 if scores.size < 2**16 else np.uint32
    ranks: NDArray[np.unsignedinteger] = np.zeros(scores.size, dtype=narrow)
    ranks[raising] = np.arange(1, raising.size + 1)
    named = np.append(NO_DRIVER, balanced[places[raising]]).astype(np.int32)
    return ranks.reshape(scores.shape), named


def _three_largest(
    first: NDArray[np.unsignedinteger], second: NDArray[np.unsignedinteger]
) -> tuple[NDArray[np.unsignedinteger], ...]:
    """Return the three largest ranks of each image, largest first, each of shape (image,).

    Args:
        first: the larger rank of each pair of dimensions, shape (pair, image).
        second: the smaller.
    """
    largest = first, second, np.zeros_like(first)
    while len(largest[0]) > 1:
        half = len(largest[0]) // 2
        (a1, a2, a3), (b1, b2, b3) = (
            tuple(each[part] for each in largest) for part in (slice(half), slice(half, 2 * half))
        )
        crossed = np.maximum(np.minimum(a1, b2), np.minimum(a2, b1))
        merged = (
            np.maximum(a1, b1),
            np.maximum(np.minimum(a1, b1), np.maximum(a2, b2)),
            np.maximum(crossed, np.maximum(a3, b3)),
        )
        if len(largest[0]) % 2:
            first, second, third = (
                np.concatenate((each, rest[-1:]))
                for each, rest in zip(merged, largest, strict=True)
            )
            merged = first, second, third
        largest = merged
    first, second, third = (each[0] for each in largest)
    return first, second, third


def top_drivers(
    drivers: NDArray[np.int32], probabilities: NDArray[np.float64]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return the first drivers of most draws, and the share of the draws that each drives.

    Args:
        drivers: shape (image, driver).
        probabilities: of drawing each image, shape (image,).
    """
    if drivers.shape[1] == 0:
        return (), ()
    num_places = int(drivers[:, 0].max()) + 2  # the first is for NO_DRIVER, which is -1

    def drawn(images: slice) -> NDArray[np.float64]:
        sums: NDArray[np.float64] = np.bincount(
            drivers[images, 0] + 1, weights=probabilities[images], minlength=num_places
        ).astype(np.float64)
        return sums

    shares = np.sum(list(over_stretches(len(drivers), drawn)), axis=0)[1:]
    order = np.argsort(-shares, kind="stable")[:_NUM_TOP_DRIVERS]
    order = order[shares[order] > 0]
    return tuple(order.tolist()), tuple(shares[order].tolist())
