from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from debias.testbed.camera import develop, take_picture

GREY = np.full((64, 64, 3), 128, dtype=np.uint8)
PLAIN = {"blur": 0.0, "noise": 0.0, "noise_start": 0, "quality": 95}


def take(pixels: np.ndarray, **changes: float) -> np.ndarray:
    return develop(take_picture(pixels, **(PLAIN | changes))).astype(int)  # type: ignore[arg-type]


def test_a_picture_is_a_jpeg_of_the_pixels() -> None:
    ramp = np.add.outer(np.arange(0, 128, 2), np.arange(0, 128, 2)).astype(np.uint8)
    pixels = np.stack([ramp, 255 - ramp, ramp // 2], axis=-1)
    file = take_picture(pixels, **PLAIN)  # type: ignore[arg-type]
    with Image.open(io.BytesIO(file)) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (64, 64)
    seen = develop(file)
    assert seen.dtype == np.uint8
    assert np.abs(seen.astype(int) - pixels).mean() < 2


def test_lower_quality_makes_smaller_and_worse_files(pictures: np.ndarray) -> None:
    files = [take_picture(pictures[0], **(PLAIN | {"quality": q})) for q in (95, 60, 20)]  # type: ignore[arg-type]
    sizes = [len(file) for file in files]
    assert sizes[0] > 1.5 * sizes[1] > 2 * sizes[2]
    errors = [np.abs(develop(file).astype(int) - pictures[0]).mean() for file in files]
    assert errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize("noise", [3.0, 12.0])
def test_noise_is_as_strong_as_asked(noise: float) -> None:
    pixels = take(GREY, noise=noise, noise_start=123_456)
    green = pixels[..., 1] - 128.0  # compression halves the resolution of colour
    assert green.mean() == pytest.approx(0, abs=4 * noise / 64)
    assert 0.6 * noise < green.std() < 1.1 * noise
    again = take(GREY, noise=noise, noise_start=123_456)
    np.testing.assert_array_equal(again, pixels)
    other = take(GREY, noise=noise, noise_start=123_456 + 64 * 64 * 3) - 128.0
    assert abs(np.corrcoef(other[..., 1].ravel(), green.ravel())[0, 1]) < 0.1


def test_any_start_gives_noise() -> None:
    for start in (0, 2**20 - 1, 2**20, 2**32 - 1):
        assert take(GREY, noise=5.0, noise_start=start).std() > 2


def test_pictures_may_have_more_values_than_there_is_noise() -> None:
    grey = np.full((640, 600, 3), 128, dtype=np.uint8)
    green = take(grey, noise=5.0, noise_start=7)[..., 1] - 128.0
    assert green.mean() == pytest.approx(0, abs=0.2)
    assert 3 < green.std() < 5.5
    np.testing.assert_array_equal(take(grey, noise=5.0, noise_start=7)[..., 1] - 128.0, green)
    assert (take(grey, noise=5.0, noise_start=8)[..., 1] - 128.0 != green).any()
    wide = take(grey[:100], noise=5.0)
    assert wide.shape == (100, 600, 3)


def test_noise_stays_in_range() -> None:
    for value in (0, 255):
        pixels = take(np.full_like(GREY, value), noise=25.0)
        assert abs(int(np.median(pixels)) - value) < 12


def test_blur_spreads_an_edge_by_its_deviation() -> None:
    edge = np.zeros((64, 64, 3), dtype=np.uint8)
    edge[:, 32:] = 200
    steps = np.diff(take(edge, blur=2.0).mean(axis=(0, 2)))[16:47]
    places = np.arange(17, 48) - 32
    middle = np.average(places, weights=np.maximum(steps, 0))
    spread = np.sqrt(np.average((places - middle) ** 2, weights=np.maximum(steps, 0)))
    assert middle == pytest.approx(0, abs=0.2)
    assert spread == pytest.approx(2, rel=0.15)
    sharp = np.diff(take(edge, blur=0.0).mean(axis=(0, 2)))
    assert sharp.max() > 150
