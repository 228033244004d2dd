"""Plain pictures of heads, and where their features must be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.testbed.factors import neutral_factors

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Sketch = Callable[[pd.DataFrame], Bytes]
SIZE = 64
PLAIN: dict[str, object] = {
    **{"hair": 0, "shine": 0, "jaw_squareness": 0, "jaw_taper": 0, "shift_y": 0},
    **{"light_elevation": 0, "scene_gradient": 0, "noise": 0, "blur": 0, "jpeg": 95},
    "noise_seed": 7,
}
"""Changes that leave an egg-shaped bald head in the middle, lit from the front: all of it is the
same on the left and on the right, but for the glints in the eyes."""


def plain_factors(num_images: int, **changes: object) -> pd.DataFrame:
    """Return the factors of symmetric heads; see :data:`PLAIN`."""
    return neutral_factors(num_images, **(PLAIN | changes))


def places(*, face_width: float = 0.76, scale: float = 0.68) -> tuple[Floats, Floats]:
    """Return the place on the head of each pixel of an upright frontal plain picture.

    Returns:
        ``u``, -1 the edge of the head on the left of the picture, 1 that on the right, and ``v``,
        -1 the crown, 1 the chin; of shape (height, width). Outside of the head they go on.
    """
    middle = (np.arange(SIZE) + 0.5) * 2 / SIZE - 1
    v, u = np.meshgrid(middle / scale, middle / (scale * face_width), indexing="ij")
    return u, v


def light_of(pixels: Bytes) -> Floats:
    """Return grey light, from linear RGB, of sRGB pixels (..., channel)."""
    srgb = pixels / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    grey: Floats = linear @ np.array([0.2126, 0.7152, 0.0722])
    return grey


def centre(weights: Floats) -> tuple[float, float]:
    """Return the mean place (column, row) of weights (height, width), in pixels."""
    rows, columns = np.indices(weights.shape)
    return (
        float(np.average(columns, weights=weights)),
        float(np.average(rows, weights=weights)),
    )
