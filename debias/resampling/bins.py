"""The bin of each value, and tables of what each bin stands for.

A table is looked up, and bins are counted, for two dimensions at a time: their bins together are
one *cell*, which halves the look-ups. The cells of all pairs stand in one flat table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_COMPARED = 50  # inner edges up to which comparing is faster than searching
_MOST_PAIRED = 16  # bins up to which a pair's cells fit a byte


def bin_indices(edges: NDArray[np.float64], block: NDArray[np.floating]) -> NDArray[np.integer]:
    """Return the bin of each value, shape (latent, image), in [0, bin).

    A value on an edge belongs to the bin above it; the outermost bins are open.

    Args:
        edges: shape (latent, bin + 1), each row non-decreasing.
        block: shape (latent, image), finite, float32 or float64.
    """
    inner = edges[:, 1:-1]
    if inner.shape[1] > _MOST_COMPARED:
        bins = np.empty(block.shape, dtype=np.intp)
        for latent, values in enumerate(block):
            bins[latent] = np.searchsorted(inner[latent], values, side="right")
        return bins
    # Comparing with each edge in turn has no branches to mispredict: some four times as
    # fast as a search at ten bins.
    thresholds = _rounded_up(inner) if block.dtype == np.float32 else inner
    passed = np.zeros(block.shape, dtype=np.uint8)
    above = np.empty(block.shape, dtype=np.bool_)
    for cuts in thresholds.T:
        np.greater_equal(block, cuts[:, np.newaxis], out=above)
        passed += above.view(np.uint8)
    return passed


def _rounded_up(edges: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the smallest float32 not below each edge: the same float32 values reach it."""
    with np.errstate(over="ignore"):  # an edge beyond float32 is infinite, and none reaches it
        nearest = edges.astype(np.float32)
    return np.where(nearest < edges, np.nextafter(nearest, np.float32(np.inf)), nearest)


def cell_indices(edges: NDArray[np.float64], block: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the place of each value's cell in a flat table, shape (pair, image).

    With more bins than can be paired each dimension is a pair of its own.

    Args:
        edges: shape (latent, bin + 1), each row non-decreasing.
        block: shape (latent, image), finite.
    """
    bins, num_bins = bin_indices(edges, block), edges.shape[1] - 1
    if num_bins > _MOST_PAIRED:
        cells, size = bins, num_bins
    else:
        cells, size = bins[0::2] * np.uint8(num_bins), num_bins**2
        cells[: len(bins) // 2] += bins[1::2]
    places: NDArray[np.intp] = np.arange(len(cells))[:, np.newaxis] * size + cells
    return places


def cell_totals(
    cells: NDArray[np.intp], like: tuple[int, int], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the number of values in each bin, or the sum of their weights, shape (latent, bin).

    Args:
        cells: shape (pair, image), from :func:`cell_indices`.
        like: how many latents and bins there are.
        weights: shape (image,); 1 each where None.
    """
    num_latents, num_bins = like
    spread = None if weights is None else np.broadcast_to(weights, cells.shape).ravel()
    paired = num_bins <= _MOST_PAIRED
    size = len(cells) * num_bins ** (2 if paired else 1)
    totals = np.bincount(cells.ravel(), weights=spread, minlength=size).astype(np.float64)
    if not paired:
        return totals.reshape(like)
    square = totals.reshape(len(cells), num_bins, num_bins)
    out = np.empty(like)
    out[0::2] = square.sum(axis=2)
    out[1::2] = square.sum(axis=1)[: num_latents // 2]
    return out


def cell_table(table: NDArray[Any], join: np.ufunc, *, nothing: float) -> NDArray[Any]:
    """Return the flat table of all cells from a table of bins.

    Args:
        table: shape (latent, bin).
        join: makes one value of those of a cell's two bins.
        nothing: stands in for the second dimension of a pair of one.
    """
    num_latents, num_bins = table.shape
    if num_bins > _MOST_PAIRED:
        joined: NDArray[Any] = join(table, table.dtype.type(nothing))
        return joined.ravel()
    first = table[0::2]
    second = np.full_like(first, nothing)
    second[: num_latents // 2] = table[1::2]
    joined = join(first[:, :, np.newaxis], second[:, np.newaxis, :])
    return joined.ravel()
