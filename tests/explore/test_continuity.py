from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score

from debias.explore.continuity import explained_variance, latent_continuity, longest_step


def shaded(values: np.ndarray) -> np.ndarray:
    """Grey pictures of given brightness in [0, 1], shape (image, 2, 2, 3)."""
    grey = np.round(255 * values).astype(np.uint8)
    return np.broadcast_to(grey[:, None, None, None], (len(values), 2, 2, 3)).copy()


def test_a_continuous_space_keeps_neighbours_and_a_shuffled_one_does_not() -> None:
    rng = np.random.default_rng(0)
    brightness = rng.permutation(np.linspace(0, 1, 200))
    latents = np.c_[4 * brightness - 2]
    found = latent_continuity(latents, shaded(brightness), generator=rng)
    assert found is not None
    assert found.value > 0.99
    assert found.chance == pytest.approx(0.5, abs=0.05)
    assert (found.num_images, found.num_neighbours) == (200, 10)
    broken = latent_continuity(latents[rng.permutation(200)], shaded(brightness), generator=rng)
    assert broken is not None
    assert broken.value < 0.6


def test_too_few_points_have_no_neighbours() -> None:
    generator = np.random.default_rng(0)
    assert latent_continuity(np.zeros((29, 1)), shaded(np.zeros(29)), generator=generator) is None


def test_the_longest_step_tells_a_jump_from_an_even_way() -> None:
    assert longest_step(shaded(np.linspace(0, 1, 6))) == pytest.approx(1 / 5)
    assert longest_step(shaded(np.array([0.0, 0, 0, 1, 1, 1]))) == 1.0
    assert longest_step(shaded(np.array([0.2, 0.4, 1.0]))) == pytest.approx(0.75, abs=0.01)
    assert longest_step(shaded(np.zeros(4))) is None


def test_explained_variance_is_the_r_squared_over_all_pixels() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(256, size=(20, 2, 2, 3)).astype(np.uint8)
    decoded = rng.integers(256, size=pictures.shape).astype(np.uint8)
    mean = pictures.mean(axis=0)
    flat = [array.reshape(20, -1).astype(float) for array in (pictures, decoded)]
    expected = r2_score(*flat, multioutput="variance_weighted")
    assert explained_variance(pictures, decoded, mean) == pytest.approx(expected)
    assert explained_variance(pictures, pictures, mean) == 1.0
    same = np.full((3, 2, 2, 3), 7, dtype=np.uint8)
    assert explained_variance(same, same, same[0]) is None
