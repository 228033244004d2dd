"""Pictures as the bytes of one small image file each, to be put into a page."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

QUALITY = 88


def picture_name(latent: int) -> str:
    """Return what the strip of a latent is called among a page's pictures."""
    return f"latent-{latent}"


def strip_jpeg(pictures: NDArray[np.uint8]) -> bytes:
    """Return pictures side by side as a JPEG file.

    Args:
        pictures: RGB of shape (column, height, width, channel).
    """
    return grid_jpeg(pictures[np.newaxis])


def grid_jpeg(pictures: NDArray[np.uint8]) -> bytes:
    """Return rows of pictures as a JPEG file.

    Args:
        pictures: RGB of shape (row, column, height, width, channel).
    """
    rows, columns, height, width, _ = pictures.shape
    sheet = pictures.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)
    file = io.BytesIO()
    # Colour in full: halved, it would bleed from one picture into the next.
    Image.fromarray(np.ascontiguousarray(sheet)).save(
        file, "JPEG", quality=QUALITY, subsampling=0, optimize=True
    )
    return file.getvalue()
