"""A search for hashes that differ in few bits, without a look at all pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

MOST_IN_BUCKET = 500
"""Of more hashes that share a band only the first so many are looked at."""
_AT_ONCE = 1 << 20
_MOST_BITS = 22  # of a band: it has a table of this power of two
_BITS_SET = (
    np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8))
    .reshape(-1, 16)
    .sum(axis=1, dtype=np.uint8)
)

Rows = NDArray[np.intp]


class HammingIndex:
    """Finds all hashes within a radius of another one, by multi-index hashing [Norouzi2014].

    The bits are parted into ``radius // 2 + 1`` bands. Two hashes that differ in at most
    ``radius`` bits differ in at most one bit of at least one band (the pigeonhole principle), so
    looking up each band as it is and with each of its bits changed misses none. What a lookup
    finds is compared in full.

    Time: lookups grow with the number of hashes, and comparisons with its square, times the share
    of pairs that agree in a band: with 128 bits and a radius of 13, 1 to 4 in 1000 of the pairs of
    aligned faces. Memory: some 12 bytes a hash and band.

    Args:
        hashes: shape (hash, word), those that matter most first: of many in one place, more than
            :data:`MOST_IN_BUCKET` in a band, only the first are found.
        radius: greatest number of bits.

    References:
        [Norouzi2014] Norouzi, Punjani, Fleet. Fast Exact Search in Hamming Space with Multi-Index
        Hashing. IEEE TPAMI, 2014.
    """

    def __init__(self, hashes: NDArray[np.uint64], *, radius: int) -> None:
        self._hashes = np.ascontiguousarray(hashes)
        self._radius = radius
        num_bits = 64 * hashes.shape[1]
        num_bands = max(radius // 2 + 1, -(-num_bits // _MOST_BITS))
        # Neighbouring frequencies go together, so that each band takes of all.
        self._bands = [np.arange(num_bits)[k::num_bands] for k in range(num_bands)]
        self._orders, self._starts = [], []
        for band in self._bands:
            keys = _keys(self._hashes, band)
            self._orders.append(np.argsort(keys, kind="stable").astype(np.int32))
            counts = np.bincount(keys, minlength=1 << len(band))
            self._starts.append(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))

    def near(
        self, queries: NDArray[np.uint64], *, most: int | None = None
    ) -> tuple[Rows, Rows, NDArray[np.int64]]:
        """Return the pairs within the radius.

        Args:
            queries: shape (query, word).
            most: stop looking for a query's pairs when so many are found: the first of those in
                the bands looked up until then. None finds all.

        Returns:
            The query, the hash and the bits in which they differ, each of shape (pair,), by query
            and then hash, each pair once.
        """
        empty = np.empty(0, dtype=np.int64)
        found = (empty, empty, empty)
        asking = np.arange(len(queries))
        for band, order, starts in zip(self._bands, self._orders, self._starts, strict=True):
            parts = [found]
            for rows, second in _looked_up(_keys(queries[asking], band), len(band), order, starts):
                parts.append(self._within(queries, asking[rows], second, most))
            found = _first_of_each(parts, most)
            if most is not None:
                counts = np.bincount(found[0], minlength=len(queries))
                asking = asking[counts[asking] < most]
        return found

    def _within(
        self, queries: NDArray[np.uint64], first: Rows, second: Rows, most: int | None
    ) -> tuple[Rows, Rows, NDArray[np.int64]]:
        distance = np.zeros(len(first), dtype=np.int64)
        for word in range(self._hashes.shape[1]):  # after the first word few are left
            distance += num_bits(queries[first, word] ^ self._hashes[second, word])
            near = distance <= self._radius
            first, second, distance = first[near], second[near], distance[near]
        few = slice(None) if most is None else _rank_in_run(first) < most
        return first[few], second[few], distance[few]


def _first_of_each(
    parts: list[tuple[Rows, Rows, NDArray[np.int64]]], most: int | None
) -> tuple[Rows, Rows, NDArray[np.int64]]:
    """Return each pair once, by query and then hash: of each query at most so many."""
    first, second, distance = (np.concatenate([part[k] for part in parts]) for k in range(3))
    order = np.lexsort((second, first))
    first, second, distance = first[order], second[order], distance[order]
    is_new = np.ones(len(order), dtype=np.bool_)
    is_new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    first, second, distance = first[is_new], second[is_new], distance[is_new]
    few = slice(None) if most is None else _rank_in_run(first) < most
    return first[few], second[few], distance[few]


def _rank_in_run(values: Rows) -> Rows:
    """Return how many equal values stand right before each of some sorted ones."""
    return np.arange(len(values)) - np.searchsorted(values, values)


def num_bits(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return how many bits of each word are set, in the shape of ``words``."""
    halves = np.ascontiguousarray(words)[..., None].view(np.uint16)
    found: NDArray[np.int64] = _BITS_SET[halves].sum(axis=-1, dtype=np.int64)
    return found


def _keys(hashes: NDArray[np.uint64], band: NDArray[np.intp]) -> NDArray[np.int32]:
    """Return the bits of a band as a number, of shape (hash,)."""
    keys = np.zeros(len(hashes), dtype=np.int32)
    for bit in band.tolist():
        word, shift = divmod(bit, 64)
        value = (hashes[:, word] >> np.uint64(63 - shift)) & np.uint64(1)
        keys = keys << 1 | value.astype(np.int32)
    return keys


def _looked_up(
    keys: NDArray[np.int32], num_bits: int, order: NDArray[np.int32], starts: NDArray[np.int32]
) -> Iterator[tuple[Rows, Rows]]:
    """Yield queries and the hashes in the buckets at most one bit away, some pairs at a time."""
    for change in (0, *(1 << bit for bit in range(num_bits))):
        changed = keys ^ np.int32(change)
        first = starts[changed]
        counts = np.minimum(starts[changed + 1] - first, MOST_IN_BUCKET)
        filled = np.flatnonzero(counts)
        first, counts = first[filled], counts[filled]
        ends = np.cumsum(counts, dtype=np.int64)
        start = 0
        while start < len(filled):
            before = int(ends[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + _AT_ONCE, side="right")))
            part = slice(start, stop)
            offsets = np.repeat(ends[part] - counts[part] - before, counts[part])
            within = np.arange(len(offsets), dtype=np.int64) - offsets
            places = np.repeat(first[part], counts[part]) + within
            yield np.repeat(filled[part], counts[part]), order[places].astype(np.intp)
            start = stop
