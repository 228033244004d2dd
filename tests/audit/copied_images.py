"""Drawn faces and their copies, as a decoding pass would measure them."""

from __future__ import annotations

import hashlib
import io
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from debias.audit.hashing import perceptual_hashes
from debias.audit.measured import THUMBNAIL_SIDE, MeasuredImages
from debias.testbed.population import Population, draw_faces
from debias.testbed.renderer import render

Pixels = NDArray[np.uint8]


NUM_FACES = 200


@cache
def faces() -> Pixels:
    """Return drawn faces of different people, (image, 64, 64, 3)."""
    return render(draw_faces(Population(), range(NUM_FACES), seed=3), size=64, num_workers=1)


def thumbnail(pixels: Pixels) -> Pixels:
    """Return a picture in grey at the size of a thumbnail."""
    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    grey = Image.fromarray(pixels).convert("L").resize(side, Image.Resampling.BILINEAR)
    return np.asarray(grey)


def thumbnails(pictures: Pixels) -> Pixels:
    """Return the thumbnails of pictures of one size."""
    return np.stack([thumbnail(picture) for picture in pictures])


def recompressed(pixels: Pixels, quality: int) -> Pixels:
    """Return what JPEG leaves of a picture."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def cut(pixels: Pixels, left: float, top: float, right: float, bottom: float) -> Pixels:
    """Return a picture less a fraction at each edge, at its size."""
    height, width = pixels.shape[:2]
    box = (left * width, top * height, width - right * width, height - bottom * height)
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(image)


def measured(
    pictures: Pixels,
    *,
    digests: list[str | None] | None = None,
    sizes: list[int] | None = None,
    sharpness: list[float] | None = None,
) -> MeasuredImages:
    """Return measures of thumbnails; a picture without a digest is unreadable."""
    count = len(pictures)
    if digests is None:
        digests = [hashlib.blake2b(part.tobytes(), digest_size=16).hexdigest() for part in pictures]
    side = np.array(sizes if sizes is not None else [64] * count, dtype=np.float64)
    table = pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(count)],
            "digest": pd.Series(digests, dtype="str"),
            "reason": pd.Series([None if d else "is broken" for d in digests], dtype="str"),
            "width": side,
            "height": side,
            "sharpness": sharpness if sharpness is not None else [0.5] * count,
        }
    )
    return MeasuredImages(
        table=table,
        hashes=perceptual_hashes(pictures),
        thumbnails=pictures,
        chroma=np.full((len(pictures), 32, 32, 2), 128, dtype=np.uint8),
        directory=Path("."),
    )
