"""Scores of given rank, and cuts between scores, of as many scores as there may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias.metrics.intervals import FloatArray

_DIGIT = 16
"""Bits of a score that are looked at in one pass."""


def largest_scores(
    parts: Callable[[], Iterable[FloatArray]], *, ranks: Sequence[int]
) -> FloatArray:
    """Return the scores of given rank, exactly, in four passes and half a megabyte a rank.

    Finite numbers keep their order when their bits are read as an integer (the negative ones
    turned over); each pass counts the next 16 bits of those that agree in the bits before.

    Args:
        parts: called once a pass; the scores, in parts of any size and order.
        ranks: 0 is the largest; each below the number of scores.

    Returns:
        Shape (rank,).

    Raises:
        ValueError: there are not so many scores.
    """
    remaining = np.asarray(ranks, dtype=np.int64)
    prefix = np.zeros(remaining.shape, dtype=np.uint64)
    for shift in range(64 - _DIGIT, -1, -_DIGIT):
        known = np.unique(prefix)
        counts = np.zeros((known.size, 1 << _DIGIT), dtype=np.int64)
        for scores in parts():
            keys = _ordered_keys(scores) >> np.uint64(shift)
            before = np.zeros_like(keys) if shift == 64 - _DIGIT else keys >> np.uint64(_DIGIT)
            rows = np.minimum(np.searchsorted(known, before), known.size - 1)
            inside = known[rows] == before
            digits = (keys[inside] & np.uint64((1 << _DIGIT) - 1)).astype(np.int64)
            flat = rows[inside] * (1 << _DIGIT) + digits
            counts += np.bincount(flat, minlength=counts.size).reshape(counts.shape)
        at_least = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
        for i, row in enumerate(np.searchsorted(known, prefix)):
            if not 0 <= remaining[i] < at_least[row, 0]:
                raise ValueError(f"no score of rank {ranks[i]}")
            digit = int(np.count_nonzero(at_least[row] > remaining[i])) - 1
            remaining[i] -= at_least[row, digit] - counts[row, digit]
            prefix[i] = prefix[i] << np.uint64(_DIGIT) | np.uint64(digit)
    return _scores_of(prefix)


def lowest_above(parts: Iterable[FloatArray], *, bounds: ArrayLike) -> FloatArray:
    """Return the lowest score above each bound, in one pass; infinity where there is none.

    Args:
        parts: the scores, finite, in parts of any size and order.
        bounds: shape (bound,).

    Returns:
        Shape (bound,).
    """
    limits = np.asarray(bounds, dtype=np.float64)
    lowest = np.full(limits.shape, np.inf)
    for scores in parts:
        ascending = np.append(np.sort(scores), np.inf)
        lowest = np.minimum(lowest, ascending[np.searchsorted(ascending, limits, side="right")])
    return lowest


def thresholds_above(excluded: ArrayLike, *, above: ArrayLike) -> FloatArray:
    """Return the thresholds that keep scores out: the next higher score of a row, if there is one.

    Where there is none, it is the next number; infinite if there is none of these either.

    Args:
        excluded: finite scores, shape (score,).
        above: what :func:`lowest_above` returns for them, shape (score,).
    """
    higher = np.asarray(above, dtype=np.float64)
    with np.errstate(over="ignore"):
        nearest = np.nextafter(np.asarray(excluded, dtype=np.float64), np.inf)
    return np.where(np.isfinite(higher), higher, nearest)


def quantile_edges(
    parts: Iterable[FloatArray], *, num_scores: int, num_edges: int = 1024
) -> FloatArray:
    """Return edges that put about as many scores into each bin, from evenly spaced rows.

    Where there are fewer distinct scores than edges, each becomes an edge.

    Args:
        parts: the scores, in parts; rows should come in no order that repeats itself.
        num_scores: in all parts.
        num_edges: at most so many.
    """
    step = max(num_scores // (256 * num_edges), 1)
    # Copies: a view of every step-th score would keep all of them.
    sample = np.unique(np.concatenate([np.empty(0), *(part[::step].copy() for part in parts)]))
    if sample.size <= num_edges:
        return sample
    # Of distinct scores, and not of rows: half of the rows may share one score.
    return np.asarray(sample[np.linspace(0, sample.size - 1, num_edges).astype(np.int64)])


def _ordered_keys(scores: FloatArray) -> NDArray[np.uint64]:
    """Return integers in the order of finite scores, -0.0 just before 0.0."""
    bits = np.asarray(scores, dtype=np.float64).view(np.uint64)
    sign = np.uint64(1 << 63)
    return np.where(bits & sign, ~bits, bits | sign)


def _scores_of(keys: NDArray[np.uint64]) -> FloatArray:
    """Return the scores of :func:`_ordered_keys`."""
    sign = np.uint64(1 << 63)
    return np.where(keys & sign, keys ^ sign, ~keys).view(np.float64)
