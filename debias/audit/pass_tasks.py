"""One task of the decoding pass: a few files -> the measures of their rows."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from debias.audit.hashing import perceptual_hashes
from debias.audit.pass_parts import MeasuredRows, joined
from debias.audit.pixel_measures import (
    central_patch,
    chroma_thumbnails,
    complexities,
    detail_measures,
    grey_thumbnails,
    halved,
    light_measures,
)
from debias.audit.skin_pixels import skin_measures
from debias.data.decode import (
    Crop,
    DecodeSettings,
    ImageError,
    decode_picture,
    read_bytes,
    to_pixels,
)

ROWS_A_BATCH = 32
_PIXELS_AT_ONCE = 1 << 17
"""Of patches: what is made of them on the way stays in the processor's cache."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFile:
    """One file of an image set and the rows that are of it.

    Args:
        path: where it lies.
        rows: their positions in the manifest.
        crops: the window of each; None is the whole picture.
        content: of the file, or why it is refused; None where it is still to be read.
    """

    path: Path
    rows: Sequence[int]
    crops: Sequence[Crop | None]
    content: bytes | ImageError | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Window:
    """What is kept of a row's picture; ``digest`` and what follows if there is no reason."""

    row: int
    reason: str | None = None
    digest: str | None = None
    size: tuple[int, int] = (0, 0)
    pixels: Bytes | None = None
    patch: Bytes | None = None


def measure_files(files: Sequence[PictureFile], settings: DecodeSettings) -> MeasuredRows:
    """Return the measures of the rows of some files; see :mod:`debias.audit.measured`.

    Callers enter :func:`~debias.data.decode.quiet_pillow`.

    Args:
        files: which; each is decoded once.
        settings: how.

    Returns:
        Rows in the order of ``files``; those of a file that gives no pixels have a reason.
    """
    windows = (window for file in files for window in _windows(file, settings))
    measured = []
    while batch := list(islice(windows, ROWS_A_BATCH)):
        measured.append(_measure(batch))
    return joined(measured)


def _windows(file: PictureFile, settings: DecodeSettings) -> Iterator[_Window]:
    try:
        data = read_bytes(file.path, settings) if file.content is None else file.content
        if isinstance(data, ImageError):
            raise data
        picture = decode_picture(data, settings)
    except ImageError as problem:
        yield from (_Window(row=row, reason=problem.what) for row in file.rows)
        return
    for row, crop in zip(file.rows, file.crops, strict=True):
        try:
            window = picture if crop is None else picture.crop(_box(picture.size, crop))
            pixels = to_pixels(window, settings)
            yield _Window(
                row=row,
                digest=_digest(window, pixels),
                size=window.size,
                pixels=pixels,
                patch=central_patch(window),
            )
        except MemoryError:
            yield _Window(row=row, reason="needs more memory than there is")


def _box(size: tuple[int, int], crop: Crop) -> tuple[int, int, int, int]:
    """Return a window's left, top, right and bottom in whole pixels."""
    width, height = size
    side = max(1, round(crop.side * min(width, height)))
    left, top = round(crop.x * (width - side)), round(crop.y * (height - side))
    return left, top, left + side, top + side


def _digest(picture: Image.Image, pixels: Bytes) -> str:
    """Return the digest of a picture: 32 hexadecimal digits.

    It is of the size, the reduced picture, and a checksum (CRC-32) of all pixels, in half the time
    of a digest of all pixels. Pictures that differ share it once in 4 billion pairs that have the
    same size and are the same when reduced.

    Args:
        picture: in RGB.
        pixels: the same, reduced.
    """
    about = (*picture.size, zlib.crc32(picture.tobytes()))
    digest = hashlib.blake2b(repr(about).encode(), digest_size=16)
    digest.update(pixels.data)
    return digest.hexdigest()


def _measure(windows: Sequence[_Window]) -> MeasuredRows:
    found = MeasuredRows.unknown(len(windows))
    found.rows[:] = [window.row for window in windows]
    found.digests[:] = [window.digest for window in windows]
    found.reasons[:] = [window.reason for window in windows]
    known = np.flatnonzero([window.pixels is not None for window in windows])
    if known.size:
        pixels = np.stack([window.pixels for window in windows if window.pixels is not None])
        sizes = [window.size for window in windows if window.pixels is not None]
        widths, heights = np.transpose(sizes)
        small = halved(pixels)
        thumbnails = grey_thumbnails(small)
        found.thumbnails[known] = thumbnails
        found.chroma[known] = chroma_thumbnails(small)
        found.hashes[known] = perceptual_hashes(thumbnails)
        found.set(known, {"width": widths, "height": heights})
        found.set(known, {"complexity": complexities(thumbnails)})
        found.set(known, light_measures(small))
        found.set(known, skin_measures(pixels))
    for places, patches in _patches(windows):
        found.set(places, detail_measures(patches))
    return found


def _patches(windows: Sequence[_Window]) -> Iterator[tuple[NDArray[np.intp], Bytes]]:
    """Yield patches of one size, a few at a time, with their places among the windows."""
    by_side: dict[int, list[tuple[int, Bytes]]] = {}
    for place, window in enumerate(windows):
        if window.patch is not None:
            by_side.setdefault(len(window.patch), []).append((place, window.patch))
    for side, alike in by_side.items():
        step = max(1, _PIXELS_AT_ONCE // side**2)
        for start in range(0, len(alike), step):
            places, patches = zip(*alike[start : start + step], strict=True)
            yield np.array(places), np.stack(patches)
