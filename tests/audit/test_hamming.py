from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from debias.audit import hamming
from debias.audit.hamming import HammingIndex, num_bits


def made(num: int, words: int, seed: int) -> NDArray[np.uint64]:
    """Return hashes, half of them near another one of the first half."""
    generator = np.random.default_rng(seed)
    first = generator.integers(0, 2**64, size=(num // 2, words), dtype=np.uint64)
    second = first.copy()
    for row in second:
        for bit in generator.choice(64 * words, generator.integers(0, 20), replace=False):
            row[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    return np.concatenate([first, second])


@pytest.mark.parametrize(("words", "radius"), [(1, 0), (1, 7), (2, 1), (2, 13), (2, 20), (4, 15)])
def test_finds_all_within_the_radius_and_no_other(words: int, radius: int) -> None:
    hashes = made(600, words, seed=radius)
    queries = np.concatenate([hashes[::3], made(20, words, seed=99)])
    first, second, distance = HammingIndex(hashes, radius=radius).near(queries)
    all_bits = num_bits(queries[:, None] ^ hashes[None]).sum(axis=2)
    expected = np.argwhere(all_bits <= radius)
    np.testing.assert_array_equal(np.stack([first, second], axis=1), expected)
    np.testing.assert_array_equal(distance, all_bits[first, second])


def test_of_many_in_one_place_the_first_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hamming, "MOST_IN_BUCKET", 10)
    hashes = np.zeros((500, 2), dtype=np.uint64)
    first, second, _ = HammingIndex(hashes, radius=13).near(hashes)
    assert len(first) == 5000
    assert second.max() == 9


def test_stops_when_enough_are_found() -> None:
    hashes = np.concatenate([np.zeros((300, 2), dtype=np.uint64), made(100, 2, seed=3)])
    first, second, _ = HammingIndex(hashes, radius=13).near(hashes, most=4)
    counts = np.bincount(first)
    assert (counts[:300] == 4).all()
    assert second[first < 300].max() == 3
    all_of_it = HammingIndex(hashes, radius=13).near(hashes[300:])
    np.testing.assert_array_equal(second[first >= 300], all_of_it[1])


def test_works_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = made(600, 2, seed=1)
    whole = HammingIndex(hashes, radius=13).near(hashes)
    monkeypatch.setattr(hamming, "_AT_ONCE", 3)
    for one, other in zip(whole, HammingIndex(hashes, radius=13).near(hashes), strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_is_near_nothing() -> None:
    index = HammingIndex(np.empty((0, 2), dtype=np.uint64), radius=13)
    first, second, distance = index.near(np.zeros((3, 2), dtype=np.uint64))
    assert len(first) == len(second) == len(distance) == 0


def test_bits_are_counted() -> None:
    words = np.array([[0, 1], [2**64 - 1, 2**63 + 5]], dtype=np.uint64)
    np.testing.assert_array_equal(num_bits(words), [[0, 1], [64, 3]])
