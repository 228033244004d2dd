from __future__ import annotations

import numpy as np
import pytest
from testbed.drawing import SIZE, Sketch, light_of

from debias.testbed.factors import neutral_factors
from debias.testbed.scene import ATLAS_SIZE, NUM_OBJECTS, texture_atlas

EMPTY: dict[str, object] = {
    **{"head": 0, "noise": 0, "blur": 0, "jpeg": 95, "scene_saturation": 0, "scene_gradient": 0},
    **{"scene_contrast": 0, "noise_seed": 5},
}


@pytest.mark.parametrize("size", [16, 64])
def test_the_atlas_holds_textures_that_repeat(size: int) -> None:
    atlas = texture_atlas(size)
    assert atlas.shape == (ATLAS_SIZE * size, ATLAS_SIZE * size, 6)
    assert atlas.dtype == np.float32
    assert atlas.min() >= 0
    assert atlas.max() <= 1
    np.testing.assert_allclose(atlas.mean(axis=(0, 1)), 0.5, atol=0.05)
    # At the seam as in the other places where the coarsest cells meet: at seven of 8 to 1.
    for axis in (0, 1):
        first, last = (atlas.take(range(k, len(atlas), size), axis=axis) for k in (0, size - 1))
        steps = np.abs(first - np.roll(last, 1, axis=axis)).mean(axis=1 - axis)
        assert (steps[0] < 1.5 * steps[1:].mean(axis=0)).all()


def test_fine_textures_are_finer() -> None:
    steps = np.abs(np.diff(texture_atlas(64), axis=0)).mean(axis=(0, 1))
    assert steps[3:].min() > 3 * steps[:3].max()
    layers = texture_atlas(64).reshape(-1, 6)[::7]
    assert np.abs(np.corrcoef(layers.T) - np.eye(6)).max() < 0.15


def test_a_plain_scene_has_its_light_and_hue(sharp: Sketch) -> None:
    hues = {"scene_light": [0, 0.5, 1, 0.9, 0.9], "scene_saturation": [0, 0, 0, 1, 1]}
    empty = neutral_factors(5, **(EMPTY | hues | {"scene_hue": [0, 0, 0, 0, 2 / 3]}))
    pictures = sharp(empty)
    black, grey, white, red, blue = pictures[:, 0, 0].astype(int)
    assert (pictures == pictures[:, :1, :1]).all()
    assert black.tolist() == [0, 0, 0]
    assert white.tolist() == [255, 255, 255]
    assert np.ptp(grey) == 0
    assert 115 < grey[0] < 140
    assert red.argmax() == 0
    assert blue.argmax() == 2
    assert red[0] - red[1] > 100


def test_contrast_roughness_and_gradient_show(sharp: Sketch) -> None:
    changes = {
        "scene_contrast": [0.2, 0.8, 0.8, 0, 0],
        "scene_roughness": [0, 0, 1, 0, 0],
        "scene_gradient": [0, 0, 0, 0.8, 0.8],
        "scene_angle": [0, 0, 0, 0, 90],
    }
    weak, strong, rough, across, down = light_of(sharp(neutral_factors(5, **(EMPTY | changes))))
    assert strong.std() > 3 * weak.std()
    steps = [np.abs(np.diff(seen, axis=0)).mean() for seen in (strong, rough)]
    assert steps[1] > 2 * steps[0]
    assert (np.diff(across, axis=1) >= 0).all()
    assert (across == across[:1]).all()
    assert across[0, -1] > 3 * across[0, 0]
    np.testing.assert_allclose(down, across.T, atol=0.003)


def test_stripes_are_as_dense_as_asked(sharp: Sketch) -> None:
    factors = neutral_factors(2, **(EMPTY | {"stripes": 0.8, "stripe_density": [2, 6]}))
    for seen, density in zip(light_of(sharp(factors.assign(scene_angle=0.0))), (2, 6), strict=True):
        strength = np.abs(np.fft.rfft(seen.mean(axis=0) - seen.mean()))
        assert strength.argmax() == 2 * density


def test_clutter_counts_objects(sharp: Sketch) -> None:
    seeds = np.repeat(np.arange(30), NUM_OBJECTS + 1)
    clutter = np.tile(np.arange(NUM_OBJECTS + 1), 30)
    changes = EMPTY | {"clutter": clutter, "noise_seed": seeds}
    pictures = sharp(neutral_factors(len(seeds), **changes)).reshape(30, -1, SIZE, SIZE, 3)
    assert (pictures[:, 0] == pictures[0, 0, 0, 0]).all()
    added = (pictures[:, 1:] != pictures[:, :-1]).any(axis=(2, 3, 4))
    # An object may lie outside, or have the colour of what is behind.
    assert (added.mean(axis=0) > 0.7).all()
