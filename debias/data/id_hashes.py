"""Image ids as 128 bits each, so that ids of any length and number can be sorted in parts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

WordArray = NDArray[np.uint64]

_MULTIPLIERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)  # odd, about half of the bits set
_FINAL = (0xFF51AFD7ED558CCD, 0x87C37B91114253D5)
_WORD = 8  # bytes


def hash_ids(ids: pa.Array, *, salt: int = 0) -> tuple[WordArray, WordArray]:
    """Return two independent 64-bit hashes of each id.

    Ids that are equal have equal hashes. Of n different ids, two agree in one hash with a
    probability of about n^2 / 2^65 (3 in 10,000 for 100 million), and in both with n^2 / 2^129.
    The hash is no defence against ids that somebody made up to collide.

    Args:
        ids: text without nulls.
        salt: another one gives other hashes.
    """
    num_ids = len(ids)
    if num_ids == 0:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64)
    ids = ids.cast(pa.large_string())
    _, offset_buffer, data = ids.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[ids.offset : ids.offset + num_ids + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    padded = np.zeros(last - first + _WORD, dtype=np.uint8)
    if last > first:
        padded[: last - first] = np.frombuffer(data, dtype=np.uint8)[first:last]
    # One word at every byte: overlapping and unaligned, which a gather does not mind.
    words = np.ndarray(shape=(last - first + 1,), dtype="<u8", buffer=padded, strides=(1,))
    starts, lengths = offsets[:-1] - first, np.diff(offsets)
    hashes = tuple(
        (lengths.astype(np.uint64) + np.uint64(salt)) * np.uint64(factor) for factor in _MULTIPLIERS
    )
    for position in range(0, int(lengths.max()), _WORD):
        rows = np.flatnonzero(lengths > position)
        whole = rows.size == num_ids
        left = np.minimum(lengths[rows] - position, _WORD).astype(np.uint64)
        mask = ~np.uint64(0) >> (np.uint64(64) - np.uint64(8) * left)
        word = words[starts[rows] + position] & mask
        for hashed, factor in zip(hashes, _MULTIPLIERS, strict=True):
            if whole:
                _mix(hashed, word, factor)
            else:
                inside = hashed[rows]
                _mix(inside, word, factor)
                hashed[rows] = inside
    for hashed, factor in zip(hashes, _FINAL, strict=True):
        _mix(hashed, np.uint64(0), factor)
    return hashes[0], hashes[1]


def _mix(hashed: WordArray, word: WordArray | np.uint64, factor: int) -> None:
    """Mix a word into each hash, in place; different words of one hash never meet."""
    hashed ^= word
    hashed *= np.uint64(factor)
    hashed ^= hashed >> np.uint64(29)
    hashed *= np.uint64(factor ^ 0x5851F42D4C957F2C)  # odd still
    hashed ^= hashed >> np.uint64(32)
