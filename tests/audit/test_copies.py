from __future__ import annotations

import numpy as np
from audit.copied_images import NUM_FACES, cut, faces, recompressed, thumbnails
from scipy.ndimage import gaussian_filter

from debias.audit.copies import likeness, structure


def test_structure_is_what_there_is_to_recognise() -> None:
    y, x = np.indices((32, 32))
    plain = np.full((32, 32), 90)
    slope = 3 * x + y
    lamp = np.where((x > 27) & (y < 4), 255, 20)
    checks = np.where((x // 4 + y // 4) % 2, 100, 140)
    found = structure(np.stack([plain, slope, lamp, checks]).astype(np.uint8))
    assert found[0] < 1e-3
    assert found[1] < 0.5
    assert found[2] < 4 < structure(thumbnails(faces())).min() + 1
    np.testing.assert_allclose(found[3], 20, rtol=0.05)


def test_copies_are_alike_and_other_people_are_not() -> None:
    people = faces()
    first = thumbnails(people).astype(np.float32)
    np.testing.assert_allclose(likeness(first, first), 1.0, atol=1e-3)
    changed = {
        "jpeg": np.stack([recompressed(each, 40) for each in people]),
        "cut": np.stack([cut(each, 0.01, 0.0, 0.01, 0.02) for each in people]),
        "darker": (people * 0.6).astype(np.uint8),
        "contrast": (people * 0.7 + 40).astype(np.uint8),
        "gamma": (255 * (people / 255.0) ** 1.5).astype(np.uint8),
        "blurred": gaussian_filter(people, sigma=(0, 1, 1, 0)),
    }
    for name, copies in changed.items():
        found = likeness(first, thumbnails(copies).astype(np.float32))
        assert np.quantile(found, 0.03) > 0.974, name
    one, other = np.triu_indices(NUM_FACES, 1)
    assert likeness(first[one[::5]], first[other[::5]]).max() < 0.95


def test_no_shift_makes_a_copy_of_a_negative_or_of_nothing() -> None:
    first = thumbnails(faces()[:20]).astype(np.float32)
    assert likeness(first, 255 - first).max() == 0.0
    nothing = np.full_like(first, 80.0)
    assert likeness(first, nothing).max() == 0.0
    assert likeness(nothing, first).max() < 0.3
    assert likeness(first[:0], first[:0]).shape == (0,)


def test_a_large_shift_is_no_copy() -> None:
    first = thumbnails(faces()[:50]).astype(np.float32)
    shifted = likeness(first, np.roll(first, 1, axis=2))
    far = likeness(first, np.roll(first, 4, axis=2))
    assert np.median(shifted) > 0.98
    assert far.max() < 0.95


def test_the_margin_is_left_out() -> None:
    first = thumbnails(faces()[:50]).astype(np.float32)
    marked = first.copy()
    marked[:, 28:, 18:31] = 255.0
    np.testing.assert_allclose(likeness(first, marked, margin=0.17), 1.0, atol=1e-4)
    assert np.median(likeness(first, marked)) < 0.9


def test_works_in_parts_of_any_size() -> None:
    first = thumbnails(faces()[:100]).astype(np.float32)
    second = np.roll(first, 1, axis=0)
    many = likeness(np.tile(first, (13, 1, 1)), np.tile(second, (13, 1, 1)))
    np.testing.assert_allclose(
        many.reshape(13, 100), np.tile(likeness(first, second), (13, 1)), atol=1e-5
    )
