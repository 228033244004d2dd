from __future__ import annotations

import io
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from debias.audit.measured import THUMBNAIL_SIDE
from debias.audit.pixel_measures import (
    PATCH_SIDES,
    WORKING_SIDE,
    central_patch,
    chroma_thumbnails,
    complexities,
    detail_measures,
    grey_thumbnails,
    halved,
    light_measures,
)

Bytes = NDArray[np.uint8]


def face_like(side: int = 96) -> Bytes:
    """Return a grey picture of smooth shading, a few edges and some texture, (height, width)."""
    y, x = np.mgrid[:side, :side] / side
    picture = 110 + 60 * np.sin(3 * x) * np.cos(2 * y)
    picture += 50 * ((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.09)
    picture -= 60 * ((x - 0.4) ** 2 + (y - 0.4) ** 2 < 0.004)
    texture = blurred(np.random.default_rng(5).normal(size=(side, side)), 1.5)
    picture += 25 * texture / texture.std() * (y > 0.6)
    rounded: Bytes = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return rounded


def blurred(picture: NDArray[Any], radius: float) -> NDArray[Any]:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), radius))


def with_noise(picture: Bytes, deviation: float, *, seed: int = 0) -> Bytes:
    noise = np.random.default_rng(seed).normal(0, deviation, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def compressed(picture: Bytes, quality: int) -> Bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def detail(picture: Bytes) -> dict[str, float]:
    return {name: float(value[0]) for name, value in detail_measures(picture[None]).items()}


def plain(colour: tuple[int, int, int]) -> Bytes:
    return np.full((1, 32, 32, 3), colour, dtype=np.uint8)


def test_a_constant_picture_has_no_noise_no_blocks_and_no_sharpness_to_tell() -> None:
    found = detail(np.full((64, 64), 128, dtype=np.uint8))
    assert found["noise"] == 0
    assert found["compression"] == 0
    assert np.isnan(found["sharpness"])


@pytest.mark.parametrize("level", [0, 255])
def test_noise_of_a_picture_that_is_cut_off_is_unknown(level: int) -> None:
    assert np.isnan(detail(np.full((64, 64), level, dtype=np.uint8))["noise"])


@pytest.mark.parametrize("turns", [0, 1])
def test_the_more_blurred_copy_is_the_less_sharp(turns: int) -> None:
    picture = np.rot90(face_like(), turns)
    copies = [picture, *(blurred(picture, radius) for radius in (0.7, 1.5, 3))]
    sharpness = [detail(copy)["sharpness"] for copy in copies]
    assert np.all(np.diff(sharpness) < -0.02)
    assert 0 < sharpness[-1] < sharpness[0] < 1


def test_blur_in_one_direction_is_blur() -> None:
    picture = with_noise(face_like(), 5)
    for size in ((9, 1), (1, 9)):
        assert (
            detail(np.asarray(cv2.blur(picture, size)).astype(np.uint8))["sharpness"]
            < 0.6 * detail(picture)["sharpness"]
        )


def test_sharpness_is_that_of_its_definition() -> None:
    picture = with_noise(face_like(64), 4)
    shares = []
    for axis, size in ((0, (1, 9)), (1, (9, 1))):
        steps = np.abs(np.diff(picture.astype(np.float64), axis=axis))
        left = np.abs(np.diff(cv2.blur(picture.astype(np.float64), size), axis=axis))
        inner = (slice(4, -4), slice(None)) if axis == 0 else (slice(None), slice(4, -4))
        removed = np.maximum(steps - left, 0)[inner]
        lines = (slice(None), slice(None, None, 2)) if axis == 0 else slice(None, None, 2)
        shares.append(removed[lines].sum() / steps[inner][lines].sum())
    assert detail(picture)["sharpness"] == pytest.approx(min(shares))


def test_a_ramp_has_no_detail_and_white_noise_nothing_else() -> None:
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8) * 3, (64, 64))
    assert detail(ramp + ramp.T // 3)["sharpness"] < 0.02
    assert detail(with_noise(np.full((64, 64), 128, np.uint8), 20))["sharpness"] > 0.85


@pytest.mark.parametrize("side", [32, 64, 96])
@pytest.mark.parametrize("deviation", [3.0, 8.0, 20.0])
def test_noise_of_a_flat_picture_is_estimated(side: int, deviation: float) -> None:
    flat = np.full((40, side, side), 120, dtype=np.uint8)
    found = detail_measures(with_noise(flat, deviation))["noise"]
    assert np.mean(found) == pytest.approx(deviation, rel=0.08)
    if side >= 64:
        np.testing.assert_allclose(found, deviation, rtol=0.15)


@pytest.mark.parametrize("side", [64, 96])
@pytest.mark.parametrize("deviation", [4.0, 8.0, 16.0])
def test_noise_of_a_textured_picture_is_estimated(side: int, deviation: float) -> None:
    found = [detail(with_noise(face_like(side), deviation, seed=k))["noise"] for k in range(10)]
    np.testing.assert_allclose(found, deviation, rtol=0.15)


def test_black_bars_and_burnt_out_lights_do_not_hide_noise() -> None:
    picture = with_noise(np.full((96, 96), 120, dtype=np.uint8), 8)
    picture[:, :24], picture[:24] = 0, 255
    assert detail(picture)["noise"] == pytest.approx(8, rel=0.15)


@pytest.mark.parametrize("offset", [0, 3])
def test_compression_rises_as_the_quality_of_a_jpeg_falls(offset: int) -> None:
    whole = with_noise(face_like(104), 2)
    copies = [compressed(whole, quality) for quality in (95, 80, 60, 40, 20, 10)]
    found = [detail(copy[offset:, offset:][:96, :96])["compression"] for copy in (whole, *copies)]
    assert found[0] < 0.2
    assert np.all(np.diff(found[1:]) > 0)
    assert found[-1] > 0.7
    assert max(found) <= 1


def test_a_single_line_makes_no_blocks() -> None:
    picture = with_noise(np.full((96, 96), 120, dtype=np.uint8), 4)
    before = detail(picture)["compression"]
    picture[:, 40:] -= 90
    assert detail(picture)["compression"] == pytest.approx(before, abs=0.1)


def test_a_turned_picture_has_the_same_detail() -> None:
    picture = with_noise(face_like(), 4)
    picture[:, ::8] += 12  # a grid in one direction only
    assert detail(picture)["compression"] > 0.1
    assert detail(picture.T) == pytest.approx(detail(picture))


def test_detail_is_of_each_picture_alone() -> None:
    pictures = np.stack([with_noise(face_like(64), k) for k in range(5)])
    together = detail_measures(pictures)
    for k, picture in enumerate(pictures):
        alone = detail(picture)
        assert {name: values[k] for name, values in together.items()} == alone


def test_light_of_known_colours() -> None:
    white, black, grey = plain((255, 255, 255)), plain((0, 0, 0)), plain((119, 119, 119))
    found = light_measures(np.concatenate([white, black, grey, plain((255, 0, 0))]))
    # L* of the sRGB primary red is 53.24 and its C* is 104.55.
    np.testing.assert_allclose(found["brightness"], [100, 0, 50.03, 53.24], atol=0.02)
    np.testing.assert_allclose(found["colourfulness"], [0, 0, 0, 104.55], atol=0.02)
    np.testing.assert_allclose(found["contrast"], 0, atol=1e-4)
    halves = np.concatenate([white[:, :16], black[:, :16]], axis=1)
    assert light_measures(halves)["contrast"][0] == pytest.approx(50, abs=1e-3)


def test_light_agrees_with_opencv() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    found = light_measures(pixels)
    for k, picture in enumerate(pixels):
        lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
        assert found["brightness"][k] == pytest.approx(lab[..., 0].mean(), abs=0.15)
        assert found["contrast"][k] == pytest.approx(lab[..., 0].std(), abs=0.15)
        chroma = np.hypot(lab[..., 1], lab[..., 2]).mean()
        assert found["colourfulness"][k] == pytest.approx(chroma, abs=0.3)


def test_thumbnails_are_those_of_pillow() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, WORKING_SIDE, WORKING_SIDE, 3), np.uint8)
    small = halved(pixels)
    found = grey_thumbnails(small)
    assert found.shape == (4, THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    for k, picture in enumerate(pixels):
        reduced = Image.fromarray(picture).reduce(2)
        np.testing.assert_array_equal(small[k], np.asarray(reduced))
        grey = np.asarray(reduced.convert("L")).astype(int)
        assert np.abs(found[k] - grey).max() <= 1
    white = np.full((1, 4, 4, 3), 255, dtype=np.uint8)
    assert np.all(grey_thumbnails(white) == 255)


def test_colour_is_that_of_pillow() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    found = chroma_thumbnails(pixels)
    assert found.shape == (4, 32, 32, 2)
    assert found.dtype == np.uint8
    for k, picture in enumerate(pixels):
        expected = np.asarray(Image.fromarray(picture).convert("YCbCr"))[..., 1:].astype(int)
        assert np.abs(found[k] - expected).max() <= 3
    grey = np.full((1, 4, 4, 3), 77, dtype=np.uint8)
    assert np.all(chroma_thumbnails(grey) == 128)


def test_complexity_is_low_for_plain_pictures_and_high_for_noise() -> None:
    flat = np.full((32, 32), 77, dtype=np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8) * 4, (32, 32))
    face = face_like(32)
    found = complexities(np.stack([flat, ramp, face, noise]))
    assert np.all(np.diff(found) > 0)
    assert found[0] < 0.03
    assert 1 < found[3] < 1.05
    assert found[2] < len(zlib.compress(face.tobytes())) / face.size


def test_complexity_is_of_a_coding_that_can_be_undone() -> None:
    face = face_like(32)
    coded = np.zeros((33, 33), dtype=np.int16)
    before = np.pad(face.astype(np.int16), ((1, 0), (1, 0)))
    residual = (before[1:, 1:] - (before[1:, :-1] + before[:-1, 1:]) // 2).astype(np.uint8)
    for y in range(1, 33):
        for x in range(1, 33):
            expected = (coded[y, x - 1] + coded[y - 1, x]) // 2
            coded[y, x] = (int(residual[y - 1, x - 1]) + expected) % 256
    np.testing.assert_array_equal(coded[1:, 1:], face)
    assert complexities(face[None])[0] == len(zlib.compress(residual.tobytes())) / face.size


def test_the_central_patch_is_of_pixels_as_they_are() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (218, 178), dtype=np.uint8)
    patch = central_patch(Image.fromarray(grey).convert("RGB"))
    assert patch is not None
    np.testing.assert_array_equal(patch, grey[69:149, 49:129])
    small = central_patch(Image.new("RGB", (50, 400)))
    assert small is not None
    assert small.shape == (48, 48)
    least = min(PATCH_SIDES)
    assert central_patch(Image.new("RGB", (least, least))) is not None
    assert central_patch(Image.new("RGB", (least - 1, 400))) is None
