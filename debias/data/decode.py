"""An image file -> upright RGB pixels of one size; or the reason why not.

Colours are taken as stored: colour profiles are not applied.
"""

from __future__ import annotations

import io
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from debias.errors import ConfigError, DataError

# Formats whose decoders only decode: EPS, for one, would start another program.
READABLE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
# Pillow itself stops at twice its own limit, whatever is asked for.
MOST_PIXELS = 178_956_970
MID_GREY = (128, 128, 128)
RESAMPLE = Image.Resampling.BILINEAR  # antialiased when reducing, and never overshoots
REDUCING_GAP = 3.0
# A JPEG may be decoded at 1/2, 1/4 or 1/8 as long as this many source pixels remain for each one.
DRAFT_GAP = 3.0
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


Fit = Literal["crop", "pad", "stretch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeSettings:
    """How files become pixels, and which files are refused.

    Args:
        image_size: height and width of the result, 16 to 512 pixels.
        fit: what to do with a picture that is not square: ``crop`` takes the centre square,
            ``pad`` keeps everything between bars of mid-grey, ``stretch`` gives up the aspect.
        max_pixels: a file whose header announces more is refused undecoded.
        max_bytes: a larger file is refused unread.

    Raises:
        ConfigError: a setting is out of its range.
    """

    image_size: int = 64
    fit: Fit = "crop"
    max_pixels: int = 100_000_000
    max_bytes: int = 200_000_000

    def __post_init__(self) -> None:
        if not 16 <= self.image_size <= 512:
            raise ConfigError(f"image_size is {self.image_size}", hint="It may be 16 to 512")
        if self.fit not in ("crop", "pad", "stretch"):
            raise ConfigError(f"fit is {self.fit!r}", hint="Choose crop, pad or stretch")
        if not 1 <= self.max_pixels <= MOST_PIXELS:
            raise ConfigError(
                f"max_pixels is {self.max_pixels}", hint=f"It may be 1 to {MOST_PIXELS}"
            )
        if self.max_bytes < 1:
            raise ConfigError(f"max_bytes is {self.max_bytes}", hint="It must be positive")


class Crop(NamedTuple):
    """A square window of a picture.

    Args:
        side: of the square, as a fraction of the picture's short side, in (0, 1].
        x: left edge, as a fraction of the horizontal room that the square leaves, in [0, 1].
        y: top edge, as a fraction of the vertical room, in [0, 1].
    """

    side: float
    x: float
    y: float


class ImageError(DataError):
    """A file gives no pixels; ``what`` is the reason, in a few words."""


@cache
def image_suffixes() -> frozenset[str]:
    """Return the suffixes, such as ``.jpg``, of the kinds of image that can be read."""
    known = Image.registered_extensions()  # loads Pillow's plugins on the first call
    kinds = {*_readable_formats(), "MPO"}
    return frozenset(suffix for suffix, kind in known.items() if kind in kinds)


@cache
def _readable_formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in READABLE_FORMATS if name in Image.OPEN)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep what Pillow would warn of to itself: here a file is either decoded or refused.

    Python's warning filters belong to the process, so enter this once around a pool of threads,
    not in each of them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_bytes(path: Path, settings: DecodeSettings) -> bytes:
    """Return the content of an image file.

    Args:
        path: the file.
        settings: its ``max_bytes`` counts.

    Raises:
        ImageError: it is missing, empty, too large, not a plain file or may not be read.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):  # a pipe would be waited for without end
            raise ImageError("is not a plain file", where=path)
        if about.st_size > settings.max_bytes:
            raise ImageError(
                f"has {about.st_size} bytes, more than {settings.max_bytes}", where=path
            )
        data = path.read_bytes()
    except FileNotFoundError:
        raise ImageError("there is no such file", where=path) from None
    except OSError as problem:
        reason = (problem.strerror or str(problem)).lower()
        raise ImageError(f"cannot be read: {reason}", where=path) from None
    if not data:
        raise ImageError("is empty", where=path)
    return data


def decode_windows(
    data: bytes, crops: Sequence[Crop | None], settings: DecodeSettings
) -> NDArray[np.uint8]:
    """Return windows of one file's picture; see :func:`decode_picture` and :func:`to_pixels`.

    A JPEG much larger than its window is decoded at a lower resolution, which is faster and
    changes next to nothing. What a window looks like depends on the file, the window and the
    settings, never on which other windows are asked for. Callers enter :func:`quiet_pillow`.

    Args:
        data: the file's content.
        crops: the windows; None is the whole picture, made square as ``settings.fit`` says.
        settings: size, fit and limits.

    Returns:
        Pixels of shape (window, height, width, channel).

    Raises:
        ImageError: see :func:`decode_picture`.
    """
    pictures: dict[float, Image.Image] = {}
    windows = []
    for crop in crops:
        side = _power_of_two_below(1.0 if crop is None else crop.side)
        if side not in pictures:
            shrink_to = DRAFT_GAP * settings.image_size / side
            pictures[side] = decode_picture(data, settings, shrink_to=shrink_to)
        windows.append(to_pixels(pictures[side], settings, crop))
    return np.stack(windows)


def _power_of_two_below(side: float) -> float:
    """Return the largest of 1, 1/2, 1/4, ... that is at most ``side``: as finely as JPEG scales."""
    return float(2.0 ** np.floor(np.log2(side)))


def to_pixels(
    image: Image.Image, settings: DecodeSettings, crop: Crop | None = None
) -> NDArray[np.uint8]:
    """Return a picture, or a window of it, at the size of the settings.

    Reducing is antialiased, enlarging is bilinear.

    Args:
        image: the picture, in RGB.
        settings: ``image_size`` and ``fit`` count.
        crop: a window to cut out first; None takes the whole picture, made square by ``fit``.

    Returns:
        Pixels 0 to 255 of shape (height, width, channel).
    """
    width, height = image.size
    size = settings.image_size
    if crop is None and settings.fit == "stretch":
        return np.asarray(image.resize((size, size), RESAMPLE, reducing_gap=REDUCING_GAP))
    if crop is None and settings.fit == "pad":
        scale = size / max(width, height)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = image.resize(inner, RESAMPLE, reducing_gap=REDUCING_GAP)
        whole = Image.new("RGB", (size, size), MID_GREY)
        whole.paste(small, ((size - inner[0]) // 2, (size - inner[1]) // 2))
        return np.asarray(whole)
    side, x, y = crop or Crop(1.0, 0.5, 0.5)
    pixels = side * min(width, height)
    left, top = x * (width - pixels), y * (height - pixels)
    # Rounding must not carry the box over the edge, which Pillow refuses.
    box = (left, top, min(left + pixels, width), min(top + pixels, height))
    return np.asarray(image.resize((size, size), RESAMPLE, box=box, reducing_gap=REDUCING_GAP))


def decode_picture(
    data: bytes, settings: DecodeSettings, *, shrink_to: float | None = None
) -> Image.Image:
    """Return the picture in a file, upright, in RGB.

    Greyscale, palette, 1-bit and CMYK pictures are converted; transparent parts show mid-grey; 16
    bits a channel are scaled to 8, floats are taken to span 0 to 1; of an animation or a file
    with several pages it is the first. Callers enter :func:`quiet_pillow`.

    Args:
        data: the file's content.
        settings: its limit on pixels counts.
        shrink_to: pixels that the short side must keep; a JPEG may come out smaller than it is.
            None gives every picture at its full size.

    Raises:
        ImageError: there is no picture to be had from it.
    """
    too_large = f"more than {settings.max_pixels} pixels"
    try:
        with Image.open(io.BytesIO(data), formats=_readable_formats()) as image:
            width, height = image.size
            if width * height > settings.max_pixels:
                raise ImageError(f"has {width} x {height} pixels, {too_large}")
            if shrink_to is not None and image.format in ("JPEG", "MPO"):
                factor = max(1.0, min(width, height) / shrink_to)
                image.draft(None, (int(width / factor), int(height / factor)))
            image.load()
            return _to_rgb(_upright(image))
    except ImageError:
        raise
    except Image.DecompressionBombError as problem:
        raise ImageError(f"has {too_large}") from problem
    except UnidentifiedImageError as problem:
        raise ImageError("is not an image of a known kind") from problem
    except MemoryError as problem:
        raise ImageError("needs more memory than there is") from problem
    except Exception as problem:
        # Decoders raise whatever a broken or hostile file drives them to; that file is the cause.
        reason = " ".join(str(problem).split())[:120] or type(problem).__name__
        raise ImageError(f"is broken or unsupported: {reason}") from problem


def _upright(image: Image.Image) -> Image.Image:
    """Turn a picture as its EXIF orientation says; damaged EXIF data counts as none."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:
        return image
    turn = UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _grey(_from_16_bits(np.asarray(image)))
    if image.mode == "F":
        return _grey(_from_floats(np.asarray(image)))
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        behind = Image.new("RGBA", image.size, (*MID_GREY, 255))
        return Image.alpha_composite(behind, picture).convert("RGB")
    return image.convert("RGB")


def _from_16_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Scale 0..65535 to 0..255; Pillow's own conversion would clip everything above 255."""
    wide = values.astype(np.int64)
    if wide.min() < 0 or wide.max() > 65535:
        raise ImageError("is unsupported: integers outside 16 bits")
    return ((wide + 128) // 257).astype(np.uint8)


def _from_floats(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    floats = values.astype(np.float64)
    if not (np.isfinite(floats).all() and floats.min() >= 0 and floats.max() <= 1):
        raise ImageError("is unsupported: floating-point pixels outside 0 to 1")
    return np.rint(floats * 255).astype(np.uint8)


def _grey(values: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(values).convert("RGB")
