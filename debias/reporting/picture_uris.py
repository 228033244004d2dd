"""Pictures as data URIs, so that a page asks nothing of the network."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from debias.explore.frames import strip_jpeg

LARGEST_SIDE = 96
"""Of a single face in a page, pixels."""


def jpeg_uri(content: bytes) -> str:
    """Return a JPEG file as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"


def png_uri(picture: NDArray[np.uint8]) -> str:
    """Return a picture as a PNG in a data URI.

    Args:
        picture: RGB of shape (height, width, channel).
    """
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def small_uri(pictures: NDArray[np.uint8]) -> str:
    """Return pictures side by side as a JPEG in a data URI, none larger than 96 pixels.

    Args:
        pictures: RGB of shape (column, height, width, channel).
    """
    height, width = pictures.shape[1:3]
    scale = min(1.0, LARGEST_SIDE / max(height, width))
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pictures = np.stack(
            [
                np.asarray(Image.fromarray(each).resize(size, Image.Resampling.LANCZOS))
                for each in pictures
            ]
        )
    return jpeg_uri(strip_jpeg(pictures))
