from __future__ import annotations

import numpy as np
import pytest
from audit.copied_images import faces, thumbnails
from PIL import Image
from scipy.fft import dctn

from debias.audit.hamming import num_bits
from debias.audit.hashing import (
    NUM_FREQUENCIES,
    NUM_WORDS,
    WORDS_A_VIEW,
    Window,
    low_frequencies,
    perceptual_hashes,
    resampling,
)


def test_the_transform_is_that_of_scipy() -> None:
    pictures = thumbnails(faces()[:5]).astype(np.float32)
    expected = dctn(pictures.astype(np.float64), type=2, axes=(1, 2))[:, :16, :16]
    np.testing.assert_allclose(low_frequencies(pictures), expected, rtol=1e-4, atol=0.5)
    assert NUM_FREQUENCIES == 16


def test_its_64_lowest_frequencies_make_the_phash_of_imagehash() -> None:
    imagehash = pytest.importorskip("imagehash")
    for picture in thumbnails(faces()[:40]):
        low = low_frequencies(picture[None].astype(np.float32))[0, :8, :8]
        expected = imagehash.phash(Image.fromarray(picture)).hash
        np.testing.assert_array_equal(low > np.median(low), expected)


def test_hash_is_of_the_picture_alone() -> None:
    pictures = thumbnails(faces()[:200])
    hashes = perceptual_hashes(pictures)
    assert hashes.shape == (200, NUM_WORDS)
    assert hashes.dtype == np.uint64
    np.testing.assert_array_equal(perceptual_hashes(pictures[57:58]), hashes[57:58])
    assert perceptual_hashes(pictures[:0]).shape == (0, NUM_WORDS)
    assert len(np.unique(hashes, axis=0)) == 200
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8), axis=1)
    assert bits.any(axis=0).all()
    assert not bits.all(axis=0).any()  # brightness, which all have, is none of them


def test_brightness_and_contrast_change_next_to_no_bit() -> None:
    pictures = thumbnails(faces()[:100])
    changed = (pictures * 0.6 + 30).astype(np.uint8)
    bits = num_bits(perceptual_hashes(pictures) ^ perceptual_hashes(changed)).sum(axis=1)
    assert np.median(bits) <= 2
    assert bits.max() <= 16


def test_different_faces_differ_in_many_bits() -> None:
    hashes = perceptual_hashes(thumbnails(faces()))[:, :WORDS_A_VIEW]
    bits = num_bits(hashes[:, None] ^ hashes[None]).sum(axis=2)
    assert bits[np.triu_indices(len(bits), 1)].min() > 13


def test_the_inner_view_does_not_see_the_edge() -> None:
    pictures = thumbnails(faces()[:50])
    marked = pictures.copy()
    marked[:, 28:, 18:31] = 255
    changed = perceptual_hashes(pictures) ^ perceptual_hashes(marked)
    assert not changed[:, WORDS_A_VIEW:].any()
    assert changed[:, :WORDS_A_VIEW].any(axis=1).all()


def test_a_window_stands_for_the_cut_picture() -> None:
    pictures = thumbnails(faces()[:50])
    window = Window(left=0.04, right=0.01, top=0.0, bottom=0.05)
    across = resampling(32, window.left, window.right)
    down = resampling(32, window.top, window.bottom)
    cut = np.rint(down @ pictures.astype(np.float32) @ across.T).astype(np.uint8)
    whole = perceptual_hashes(pictures)
    stands_for = perceptual_hashes(pictures, window=window)
    bits = num_bits(perceptual_hashes(cut) ^ stands_for).sum(axis=1)
    assert np.median(bits) <= 14
    assert np.median(num_bits(perceptual_hashes(cut) ^ whole).sum(axis=1)) > 40


def test_resampling_of_nothing_cut_is_the_identity() -> None:
    np.testing.assert_allclose(resampling(32, 0.0, 0.0), np.eye(32), atol=1e-6)
    stretched = resampling(8, 0.25, 0.25) @ np.arange(8.0)
    np.testing.assert_allclose(stretched, np.linspace(1.75, 5.25, 8), atol=1e-5)
