"""From pixels to a picture: lens blur, sensor noise and compression."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Bytes = NDArray[np.uint8]
_NUM_NOISE = 1 << 20
_DRAWS = 4  # the sum of four uniform bytes is close to normal
LEAST_BLUR = 0.05


@cache
def sensor_noise() -> NDArray[np.float32]:
    """Return noise of mean 0 and standard deviation 1, to cut every picture's noise from."""
    words = np.random.SFC64(77).random_raw(_NUM_NOISE * _DRAWS // 8).astype("<u8")
    drawn = words.view(np.uint8).reshape(_DRAWS, -1).sum(axis=0, dtype=np.int16)
    spread = np.sqrt(_DRAWS * (256**2 - 1) / 12)
    noise: NDArray[np.float32] = (drawn - np.float32(255 * _DRAWS / 2)) * np.float32(1 / spread)
    return noise


def take_picture(
    pixels: Bytes, *, blur: float, noise: float, noise_start: int, quality: int
) -> bytes:
    """Return a JPEG file of one picture.

    Args:
        pixels: sRGB, (height, width, channel).
        blur: standard deviation of the lens blur, in pixels.
        noise: standard deviation of the sensor noise, in grey levels of 255.
        noise_start: a whole number that decides the noise.
        quality: of the JPEG, 1 to 95.
    """
    picture = Image.fromarray(pixels)
    if blur > LEAST_BLUR:
        picture = picture.filter(ImageFilter.GaussianBlur(blur))
    if noise > 0:
        drawn = _noise(noise_start, pixels.size).reshape(pixels.shape)
        noisy = np.asarray(picture) + drawn * np.float32(noise)
        noisy += np.float32(0.5)
        picture = Image.fromarray(np.clip(noisy, 0, 255, out=noisy).astype(np.uint8))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _noise(start: int, count: int) -> NDArray[np.float32]:
    """Return ``count`` values of noise, some of them again where there are not that many."""
    if count < _NUM_NOISE:
        start %= _NUM_NOISE - count
        return sensor_noise()[start : start + count]
    return np.take(sensor_noise(), np.arange(start, start + count), mode="wrap")


def develop(file: bytes) -> Bytes:
    """Return the pixels (height, width, channel) of a JPEG file."""
    with Image.open(io.BytesIO(file)) as picture:
        return np.asarray(picture.convert("RGB"))
