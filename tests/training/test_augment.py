from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from debias.errors import ConfigError, UsageError
from debias.training.augment import (
    AugmentSettings,
    _blur_matrix,
    _rescale_matrix,
    augment,
)
from debias.training.randomness import torch_generator

NONE = AugmentSettings.none()
# The strongest change of each kind, alone.
ALONE = [
    replace(NONE, flip=True),
    replace(NONE, zoom=0.4),
    replace(NONE, zoom=0.4, black_border=1.0),
    replace(NONE, aspect=0.4),
    replace(NONE, shift=0.2),
    replace(NONE, rotation=40.0),
    replace(NONE, blur=2.0, blur_probability=1.0),
    replace(NONE, rescale=3.0, rescale_probability=1.0),
    replace(NONE, brightness=0.3),
    replace(NONE, contrast=0.7),
    replace(NONE, gamma=1.0, gamma_probability=1.0),
    replace(NONE, saturation=1.0),
    replace(NONE, channel_gain=0.3),
    replace(NONE, grey_probability=0.5),
    replace(NONE, noise=0.2, noise_probability=1.0),
    replace(NONE, jpeg=0.95, jpeg_probability=1.0),
]


def changed(settings: AugmentSettings) -> str:
    """The names of what these settings turn on."""
    return "+".join(
        name for name in AugmentSettings.__slots__ if getattr(settings, name) != getattr(NONE, name)
    )


def photographs(num_images: int, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    """Smooth, colourful uint8 images, stored channels-last as an image store gives them."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(num_images, height, width, 3))
    smooth = gaussian_filter1d(gaussian_filter1d(noise, 1.0, axis=1), 1.0, axis=2)
    scaled = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    rows = np.round(scaled * 200 + 30).astype(np.uint8)
    return torch.from_numpy(rows).permute(0, 3, 1, 2)


def constant(num_images: int, value: float, size: int = 16) -> Tensor:
    return torch.full((num_images, 3, size, size), value)


def test_no_change_gives_exactly_the_scaled_images() -> None:
    images = photographs(5)
    result = augment(images, NONE, generator=torch_generator(0))
    assert torch.equal(result, images / 255)
    assert torch.equal(augment(images / 255, NONE, generator=torch_generator(0)), images / 255)


def test_a_strength_without_its_probability_changes_nothing() -> None:
    off = replace(NONE, blur=3.0, rescale=3.0, gamma=1.0, noise=0.5, jpeg=0.9)
    images = photographs(5)
    assert torch.equal(augment(images, off, generator=torch_generator(0)), images / 255)


@pytest.mark.parametrize("alone", ALONE, ids=changed)
def test_each_change_differs_from_image_to_image(alone: AugmentSettings) -> None:
    same = photographs(1).repeat(64, 1, 1, 1)
    result = augment(same, alone, generator=torch_generator(1))
    assert not torch.allclose(result, same / 255, atol=0.01)
    num_kinds = len(torch.unique(torch.round(result.flatten(1) * 1e4), dim=0))
    if alone.flip or alone.grey_probability:
        assert num_kinds == 2
    else:  # a weak blur rounds to none, and a reduced image has a whole number of pixels
        assert num_kinds > (15 if alone.rescale else 50)


@pytest.mark.parametrize("alone", [*ALONE, AugmentSettings()], ids=changed)
def test_result_is_float_in_range_and_the_input_is_left_alone(alone: AugmentSettings) -> None:
    images = (torch.rand(6, 3, 20, 28, generator=torch_generator(5)) > 0.5).float()
    before = images.clone()
    result = augment(images, alone, generator=torch_generator(2))
    assert torch.equal(images, before)
    assert result.dtype == torch.float32
    assert result.shape == images.shape
    assert result.min() >= 0
    assert result.max() <= 1


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    num_images=st.integers(0, 4),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_any_size_and_seed_gives_finite_repeatable_images(
    seed: int, num_images: int, height: int, width: int
) -> None:
    images = torch.randint(
        0, 256, (num_images, 3, height, width), generator=torch_generator(seed), dtype=torch.uint8
    )
    first, second = (
        augment(images, AugmentSettings(), generator=torch_generator(seed)) for _ in range(2)
    )
    assert torch.equal(first, second)
    assert first.shape == images.shape
    assert bool(((first >= 0) & (first <= 1)).all())


def test_memory_layout_does_not_matter() -> None:
    images = photographs(8)
    assert images.is_contiguous(memory_format=torch.channels_last)
    results = [
        augment(layout, AugmentSettings(), generator=torch_generator(3))
        for layout in (images, images.contiguous(), images / 255)
    ]
    torch.testing.assert_close(results[0], results[1])
    torch.testing.assert_close(results[0], results[2])


def test_generator_moves_on() -> None:
    generator = torch_generator(4)
    images = photographs(4)
    first, second = (augment(images, AugmentSettings(), generator=generator) for _ in range(2))
    assert not torch.allclose(first, second)


def test_flip_mirrors_about_half_of_the_images() -> None:
    images = photographs(200)
    scaled = images / 255
    result = augment(images, replace(NONE, flip=True), generator=torch_generator(0))
    kept = (result - scaled).abs().amax((1, 2, 3)) < 1e-4
    mirrored = (result - scaled.flip(3)).abs().amax((1, 2, 3)) < 1e-4
    assert bool((kept ^ mirrored).all())
    assert 70 <= int(mirrored.sum()) <= 130


def centre_of_mass(images: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of the mean of the light, in pixels from the middle of the image."""
    light = images.mean(1)
    height, width = light.shape[1:]
    y = torch.arange(height) - (height - 1) / 2
    x = torch.arange(width) - (width - 1) / 2
    total = light.sum((1, 2))
    return (light.sum(2) * y).sum(1) / total, (light.sum(1) * x).sum(1) / total


def dots(num_images: int, height: int, width: int, row: int, column: int) -> Tensor:
    """A soft dot at a place in pixels from the top left corner."""
    y = torch.arange(height)[:, None] - row
    x = torch.arange(width) - column
    return torch.exp(-(x**2 + y**2) / 8.0).expand(num_images, 3, height, width).clone()


def test_shift_moves_a_dot_by_up_to_its_share_of_each_side() -> None:
    images = dots(300, 40, 80, 20, 40)
    result = augment(images, replace(NONE, shift=0.2), generator=torch_generator(0))
    down, across = (
        after - before
        for after, before in zip(centre_of_mass(result), centre_of_mass(images), strict=True)
    )
    assert 7.0 < float(down.abs().max()) <= 8.2
    assert 14.0 < float(across.abs().max()) <= 16.2
    assert abs(float(torch.corrcoef(torch.stack([down, across]))[0, 1])) < 0.2


def test_rotation_keeps_the_distance_from_the_middle_and_the_limit_of_the_angle() -> None:
    images = dots(300, 60, 100, 30, 66)
    result = augment(images, replace(NONE, rotation=30.0), generator=torch_generator(0))
    (y, x), (y0, x0) = centre_of_mass(result), centre_of_mass(images)
    torch.testing.assert_close(torch.hypot(y, x), torch.hypot(y0, x0), atol=0.3, rtol=0)
    angle = torch.rad2deg(torch.atan2(y, x) - torch.atan2(y0, x0))
    assert 27 < float(angle.abs().max()) <= 30.5
    assert abs(float(angle.mean())) < 4


def test_zoom_multiplies_lengths_and_aspect_their_ratio() -> None:
    images = dots(300, 64, 64, 32, 32) * dots(300, 64, 64, 32, 32)

    def extent(images: Tensor) -> tuple[Tensor, Tensor]:
        light = images.mean(1)
        place = torch.arange(64) - 31.5
        deviations = []
        for profile in (light.sum(2), light.sum(1)):
            mean = (profile * place).sum(1) / profile.sum(1)
            square = (profile * (place - mean[:, None]) ** 2).sum(1) / profile.sum(1)
            deviations.append(square.sqrt())
        return deviations[0], deviations[1]

    base = float(extent(images)[0][0])
    result = augment(images, replace(NONE, zoom=0.5), generator=torch_generator(0))
    down, across = extent(result)
    torch.testing.assert_close(down, across, atol=0.05, rtol=0)
    assert math.exp(0.4) < float(down.max()) / base < math.exp(0.55)
    result = augment(images, replace(NONE, aspect=0.5), generator=torch_generator(0))
    down, across = extent(result)
    assert math.exp(0.4) < float((across / down).max()) < math.exp(0.55)


def test_outside_is_the_border_or_black_as_asked() -> None:
    images = constant(100, 0.8)
    moved = replace(NONE, shift=0.3, rotation=30.0)
    result = augment(images, moved, generator=torch_generator(0))
    torch.testing.assert_close(result, images)
    result = augment(images, replace(moved, black_border=0.5), generator=torch_generator(0))
    assert 30 <= int((result.amin((1, 2, 3)) < 0.1).sum()) <= 70


def test_blur_matrix_is_the_gaussian_filter_away_from_the_border() -> None:
    signal = np.random.default_rng(0).normal(size=64)
    for sigma in (0.5, 1.0, 2.0):
        matrix = _blur_matrix(64, torch.tensor([[sigma]]))[0].numpy()
        expected = gaussian_filter1d(signal, sigma, truncate=8.0)
        np.testing.assert_allclose((matrix @ signal)[20:44], expected[20:44], atol=1e-5)


def test_softening_matrices_keep_constants_and_do_nothing_at_no_strength() -> None:
    strengths = torch.tensor([[0.0], [0.3], [1.0], [5.0]])
    for size in (1, 7, 32):
        for matrix in (_blur_matrix(size, strengths), _rescale_matrix(size, 1 + strengths)):
            torch.testing.assert_close(matrix.sum(2), torch.ones(4, size))
            assert torch.equal(matrix[0], torch.eye(size))
            assert float(matrix.min()) >= 0


def test_rescale_by_two_removes_the_finest_detail_and_keeps_the_coarse() -> None:
    matrix = _rescale_matrix(64, torch.tensor([[2.0]]))[0]
    place = torch.arange(64)
    finest = (-1.0) ** place
    coarse = torch.sin(2 * math.pi * place / 64)
    assert float((matrix @ finest).abs()[4:-4].max()) < 0.02
    assert float((matrix @ coarse - coarse).abs()[4:-4].max()) < 0.02


def test_gamma_is_a_power_within_its_limits() -> None:
    alone = replace(NONE, gamma=1.0, gamma_probability=0.75)
    result = augment(constant(400, 0.25), alone, generator=torch_generator(0))[:, 0, 0, 0]
    exponent = torch.log(result) / math.log(0.25)
    assert math.exp(-1) - 1e-3 <= float(exponent.min()) < 0.40
    assert 2.5 < float(exponent.max()) <= math.e + 1e-3
    assert 250 <= int((result != 0.25).sum()) <= 350
    ends = torch.tensor([0.0, 1.0]).repeat(400, 3, 1, 1)
    assert torch.equal(augment(ends, alone, generator=torch_generator(0)), ends)


def test_brightness_adds_and_contrast_keeps_the_mean() -> None:
    result = augment(
        constant(300, 0.5), replace(NONE, brightness=0.2), generator=torch_generator(0)
    )
    added = result[:, 0, 0, 0] - 0.5
    assert 0.19 < float(added.max()) <= 0.2
    assert -0.2 <= float(added.min()) < -0.19
    grey = constant(300, 0.4) + 0.1 * torch.linspace(-1, 1, 16)
    result = augment(grey, replace(NONE, contrast=0.5), generator=torch_generator(0))
    torch.testing.assert_close(result.mean((1, 2, 3)), grey.mean((1, 2, 3)))
    gain = result.std((1, 2, 3)) / grey.std((1, 2, 3))
    assert math.exp(-0.5) < float(gain.min()) < 0.63
    assert 1.58 < float(gain.max()) < math.exp(0.5)


def test_saturation_keeps_luma_and_grey_loses_colour() -> None:
    images = photographs(50) / 255 * 0.2 + 0.4
    luma = torch.tensor([0.299, 0.587, 0.114])
    result = augment(images, replace(NONE, saturation=0.5), generator=torch_generator(0))
    torch.testing.assert_close(
        torch.einsum("c,nchw->nhw", luma, result), torch.einsum("c,nchw->nhw", luma, images)
    )
    result = augment(images, replace(NONE, grey_probability=1.0), generator=torch_generator(0))
    torch.testing.assert_close(result[:, 0], result[:, 2])
    torch.testing.assert_close(result[:, 0], torch.einsum("c,nchw->nhw", luma, images))


def test_channel_gain_is_one_factor_a_channel() -> None:
    result = augment(
        constant(200, 0.5), replace(NONE, channel_gain=0.2), generator=torch_generator(0)
    )
    gain = torch.log(result[:, :, 0, 0] / 0.5)
    assert 0.19 < float(gain.abs().max()) <= 0.2001
    assert abs(float(torch.corrcoef(gain.T)[0, 1])) < 0.2


def test_noise_has_the_stated_deviation() -> None:
    alone = replace(NONE, noise=0.1, noise_probability=0.5)
    result = augment(constant(400, 0.5, size=32), alone, generator=torch_generator(0))
    deviation = result.std((1, 2, 3))
    noisy = deviation[deviation > 1e-6]
    assert 160 <= len(noisy) <= 240
    assert 0.095 < float(noisy.max()) < 0.102
    assert 0.042 < float(noisy.mean()) < 0.058


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("blur", -0.1),
        ("noise", math.nan),
        ("gamma", math.inf),
        ("jpeg", 1.0),
        ("gamma_probability", 1.5),
        ("black_border", -1.0),
        ("rotation", 181.0),
        ("flip", 0.5),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_a_setting_without_meaning_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        replace(AugmentSettings(), **{name: value})  # type: ignore[arg-type]


def test_images_that_are_not_rgb_are_refused() -> None:
    with pytest.raises(UsageError, match="3 channels"):
        augment(torch.zeros(2, 1, 8, 8), NONE, generator=torch_generator(0))
