"""From factors to pictures, the same picture whatever the batch, the order or the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.pool import in_order, num_cores
from debias.errors import ConfigError
from debias.testbed.appearance import num_random_bytes, parameters
from debias.testbed.camera import develop, sensor_noise, take_picture
from debias.testbed.colour import encoding_table, skin_table
from debias.testbed.compiled import compiled
from debias.testbed.factors import NAMES, SEED, check_factors
from debias.testbed.head import Parameters
from debias.testbed.person import Grain, paint_person
from debias.testbed.scene import blended, paint_scene, texture_atlas
from debias.testbed.shapes import Colour, encoded

SIZES = (16, 512)
CHUNK = 64
_NUM_OFFSET_BYTES = 8
Bytes = NDArray[np.uint8]
Result = TypeVar("Result")


def render(factors: pd.DataFrame, *, size: int = 64, num_workers: int | None = None) -> Bytes:
    """Return the pixels of the images that factors describe.

    Args:
        factors: a row an image, a column for each of :data:`~debias.testbed.factors.FACTORS` and
            ``noise_seed``; see :func:`~debias.testbed.factors.neutral_factors`.
        size: height and width in pixels, 16 to 512.
        num_workers: threads; None uses all cores.

    Returns:
        An array of shape (image, height, width, channel), sRGB.

    Raises:
        DataError: a factor is missing or out of its range.
        ConfigError: the size is out of its range, or there is no thread to work.
    """
    parts = _in_chunks(lambda chunk: _developed(chunk, size), factors, size, num_workers)
    return np.concatenate([np.empty((0, size, size, 3), dtype=np.uint8), *parts])


def render_files(
    factors: pd.DataFrame, *, size: int = 64, num_workers: int | None = None
) -> Iterator[bytes]:
    """Return the images that factors describe as JPEG files, one by one; see :func:`render`."""
    parts = _in_chunks(lambda chunk: _files(chunk, size), factors, size, num_workers)
    return (file for files in parts for file in files)


def _in_chunks(
    work: Callable[[pd.DataFrame], Result],
    factors: pd.DataFrame,
    size: int,
    num_workers: int | None,
) -> Iterator[Result]:
    """Check what is asked for, then do the work in threads, in order."""
    check_factors(factors)
    if np.asarray(size).dtype.kind not in "iu" or not SIZES[0] <= size <= SIZES[1]:
        hint = f"It may be a whole number of pixels, {SIZES[0]} to {SIZES[1]}"
        raise ConfigError(f"size is {size}", hint=hint)
    num_threads = num_cores() if num_workers is None else num_workers
    if num_threads < 1:
        raise ConfigError(f"num_workers is {num_workers}", hint="At least one thread must draw")
    if len(factors):
        build_tables(size)
    chunks = [factors.iloc[start : start + CHUNK] for start in range(0, len(factors), CHUNK)]
    return in_order(work, chunks, num_threads)


def build_tables(*sizes: int) -> None:
    """Build what is cached: threads that find nothing would each build it for themselves.

    Args:
        *sizes: of the pictures that textures are made for, in pixels.
    """
    for size in sizes:
        texture_atlas(size)
    encoding_table()
    skin_table()
    sensor_noise()


def _developed(factors: pd.DataFrame, size: int) -> Bytes:
    return np.stack([develop(file) for file in _files(factors, size)])


def _files(factors: pd.DataFrame, size: int) -> list[bytes]:
    drawn = read_factors(factors, size)
    pixels = np.empty((len(factors), size, size, 3), dtype=np.uint8)
    _draw(drawn.records, texture_atlas(size), drawn.offsets, encoding_table(), pixels)
    return [drawn.take(k, pixels[k]) for k in range(len(pixels))]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """What pictures are drawn and taken with.

    Attributes:
        records: see :func:`debias.testbed.appearance.parameters`, of shape (image,).
        offsets: where the textures begin, down and across, and two numbers that decide the noise:
            (image, 4), each below 2^16.
        camera: a column (image,) for each of ``blur`` in hundredths of the width, ``noise`` in
            grey levels and ``jpeg``.
    """

    records: NDArray[np.void]
    offsets: NDArray[np.int64]
    camera: dict[str, NDArray[np.float32]]

    def take(self, k: int, pixels: Bytes) -> bytes:
        """Return the JPEG file that the camera of an image makes of pixels (height, width, 3)."""
        high, low = self.offsets[k, 2:].tolist()
        return take_picture(
            pixels,
            blur=float(self.camera["blur"][k] * np.float32(pixels.shape[1] / 100)),
            noise=float(self.camera["noise"][k]),
            noise_start=high * 65536 + low,
            quality=round(float(self.camera["jpeg"][k])),
        )


def read_factors(factors: pd.DataFrame, size: float | NDArray[np.float64]) -> Drawn:
    """Return what images are drawn with.

    Args:
        factors: a row an image, checked; see :func:`render`.
        size: height and width of the images in pixels, one or one an image.
    """
    columns = {name: factors[name].to_numpy() for name in NAMES}
    random = _random_bytes(factors[SEED].tolist(), num_random_bytes() + _NUM_OFFSET_BYTES)
    offsets = np.ascontiguousarray(random[:, -_NUM_OFFSET_BYTES:]).view("<u2").astype(np.int64)
    records = parameters(columns, random[:, :-_NUM_OFFSET_BYTES], size)
    camera = {name: columns[name] for name in ("blur", "noise", "jpeg")}
    return Drawn(records=records, offsets=offsets, camera=camera)


def _random_bytes(seeds: Sequence[int], count: int) -> Bytes:
    """Return random bytes, of shape (image, byte); a seed gives the same ones anywhere."""
    words = -(-count // 8)
    drawn = [np.random.SFC64(seed).random_raw(words).astype("<u8").view(np.uint8) for seed in seeds]
    return np.stack(drawn)[:, :count]


@compiled
def _draw(
    records: NDArray[np.void],
    atlas: NDArray[np.float32],
    offsets: NDArray[np.int64],
    table: Bytes,
    pixels: Bytes,
) -> None:
    """Draw every image of a chunk into ``pixels`` (image, height, width, channel)."""
    size, side = pixels.shape[1], atlas.shape[0]
    for k in range(len(records)):
        p = records[k]
        for row in range(size):
            y = (row + 0.5) * 2.0 / size - 1.0
            for column in range(size):
                x = (column + 0.5) * 2.0 / size - 1.0
                texture = atlas[(offsets[k, 0] + row) % side, (offsets[k, 1] + column) % side]
                strand = _strand(atlas[:, :, 3], offsets[k, 0], offsets[k, 1] + column, row)
                light = _light(p, x, y, texture, strand)
                for channel in range(3):
                    pixels[k, row, column, channel] = encoded(light[channel], table)


@compiled
def _strand(fine: NDArray[np.float32], top: int, column: int, row: int) -> float:
    """Return a texture of streaks: fine across, eight times as long downwards."""
    side = fine.shape[0]
    first, part = row // 8, row % 8 / 8.0
    above = fine[(top + first) % side, column % side]
    below = fine[(top + first + 1) % side, column % side]
    return float(above + (below - above) * part)


@compiled
def _light(
    p: Parameters, x: float, y: float, texture: NDArray[np.float32], strand: float
) -> Colour:
    """Return the light of one pixel."""
    light = paint_scene(p, x, y, blended(p, texture))
    if p.head_on <= 0.0:
        return light
    return paint_person(light, p, x, y, Grain(strand, float(texture[4]), float(texture[5])))
