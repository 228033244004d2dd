"""Patch features: what is drawn on a few pictures is seen wherever it lies in its cell."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from debias.audit.patch_features import GRID, NUM_PATCHES, patch_features

NUM_IMAGES = 60


@pytest.fixture(scope="module")
def pictures() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    generator = np.random.default_rng(0)
    grey = generator.integers(90, 130, (NUM_IMAGES, 32, 32)).astype(np.uint8)
    chroma = generator.integers(122, 135, (NUM_IMAGES, 32, 32, 2)).astype(np.uint8)
    return grey, chroma


def features(
    grey: NDArray[np.uint8], chroma: NDArray[np.uint8], rows: NDArray[np.intp] | None = None
) -> NDArray[np.float32]:
    chosen = np.arange(len(grey)) if rows is None else rows
    return patch_features(grey, chroma, chosen, generator=np.random.default_rng(1))


def apart(found: NDArray[np.float32], marked: NDArray[np.bool_]) -> float:
    """Return how far apart two halves are along the line of their means, in deviations."""
    line = found[marked].mean(axis=0) - found[~marked].mean(axis=0)
    along = found @ line
    return float((along[marked].min() - along[~marked].max()) / along[~marked].std())


def test_shape_and_centre(pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    found = features(*pictures, rows=np.arange(5, 55))
    assert found.shape == (50, GRID[0] * GRID[1] * NUM_PATCHES + 84)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.abs(found.mean(axis=0)).max() < 1e-3
    patches, light = found[:, :-84], found[:, -84:]
    assert patches.var(axis=0).sum() == pytest.approx(light.var(axis=0).sum(), rel=1e-3)


def test_same_pictures_give_the_same(pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    assert np.array_equal(features(*pictures), features(*pictures))


def test_rows_are_those_asked_for(pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    grey, chroma = pictures
    rows = np.array([3, 8, 21, 40])
    there = patch_features(grey, chroma, rows, generator=np.random.default_rng(2))
    alone = patch_features(
        grey[rows], chroma[rows], np.arange(4), generator=np.random.default_rng(2)
    )
    assert np.allclose(there, alone, atol=1e-4)


def test_a_bar_is_seen_wherever_it_lies(
    pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    grey, marked = pictures[0].copy(), np.arange(NUM_IMAGES) < 15
    for number in np.flatnonzero(marked):
        top, left = 10 + number % 4, 8 + number % 5
        grey[number, top : top + 3, left : left + 10] = 20
    assert apart(features(grey, pictures[1])[:, :-84], marked) > 1.0


def test_a_tint_is_seen_though_no_edge_is(
    pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]],
) -> None:
    grey, chroma = pictures
    tinted, marked = chroma.copy(), np.arange(NUM_IMAGES) < 15
    tinted[marked, ..., 1] += 20
    assert apart(features(grey, tinted), marked) > 1.0


@pytest.mark.parametrize("grey_level", [0, 255])
def test_plain_pictures_have_features_too(grey_level: int) -> None:
    grey = np.full((20, 32, 32), grey_level, dtype=np.uint8)
    chroma = np.full((20, 32, 32, 2), 128, dtype=np.uint8)
    assert np.isfinite(features(grey, chroma)).all()
