from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from debias.training.jpeg import jpeg_loss


def photographs(num_images: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Smooth, colourful uint8 images."""
    noise = np.random.default_rng(seed).normal(size=(num_images, height, width, 3))
    smooth = gaussian_filter1d(gaussian_filter1d(noise, 1.0, axis=1), 1.0, axis=2)
    scaled = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return torch.from_numpy(np.round(scaled * 200 + 30).astype(np.uint8)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 92])
def test_compression_agrees_with_pillow(quality: int) -> None:
    image = photographs(1, 48, 40, seed=quality)
    file = io.BytesIO()
    rows = image[0].permute(1, 2, 0).numpy()
    Image.fromarray(rows).save(file, "JPEG", quality=quality, subsampling=0)
    expected = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) / 255
    result = jpeg_loss(image / 255, torch.tensor([float(quality)]))[0]
    ours, theirs = result - image[0] / 255, expected - image[0] / 255
    # The codec rounds to 8 bits before it transforms, which now and then moves a coefficient to
    # the next step: errors agree for most pixels and in their pattern, not everywhere.
    assert float((ours - theirs).abs().median()) < 1.5 / 255
    assert float(torch.corrcoef(torch.stack([ours.flatten(), theirs.flatten()]))[0, 1]) > 0.85
    assert float(ours.std() / theirs.std()) == pytest.approx(1.0, abs=0.12)


def test_compression_loses_more_at_lower_quality_and_takes_any_size() -> None:
    image = photographs(1, 19, 35)[:1] / 255
    loss = [
        float((jpeg_loss(image, torch.tensor([quality])) - image).square().mean())
        for quality in (100.0, 60.0, 20.0, 5.0)
    ]
    assert loss == sorted(loss)
    assert loss[0] < 1e-5
    assert loss[3] > 20 * loss[0]


def test_each_image_has_its_own_quality() -> None:
    images = photographs(3, 16, 16) / 255
    quality = torch.tensor([5.0, 50.0, 95.0])
    together = jpeg_loss(images, quality)
    for i in range(3):
        torch.testing.assert_close(
            together[i : i + 1], jpeg_loss(images[i : i + 1], quality[i : i + 1])
        )


def test_what_is_constant_survives_up_to_half_a_step() -> None:
    values = torch.linspace(0, 1, 11)[:, None, None, None].expand(11, 3, 8, 8)
    result = jpeg_loss(values, torch.full((11,), 50.0))
    # A block's mean is its first coefficient over 8, and the step of that coefficient is 16.
    torch.testing.assert_close(result, values, atol=1.01 / 255, rtol=0)
