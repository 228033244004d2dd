"""Measures of image sets that exist as tables only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from debias.audit.measured import (
    QUALITY_MEASURES,
    SKIN_MEASURES,
    THUMBNAIL_SIDE,
    MeasuredImages,
)


def made_measures(num_images: int, measures: Mapping[str, ArrayLike]) -> MeasuredImages:
    """Return images with these measures; the others are the same of all."""
    columns = {name: np.full(num_images, 50.0) for name in (*QUALITY_MEASURES, *SKIN_MEASURES)}
    columns |= {name: np.asarray(values, dtype=np.float64) for name, values in measures.items()}
    table = pd.DataFrame(columns)
    table.insert(0, "image_id", [f"i{k}" for k in range(num_images)])
    table["reason"] = None
    return MeasuredImages(
        table=table,
        hashes=np.zeros((num_images, 1), dtype=np.uint64),
        thumbnails=np.zeros((num_images, THUMBNAIL_SIDE, THUMBNAIL_SIDE), dtype=np.uint8),
        chroma=np.full((num_images, 32, 32, 2), 128, dtype=np.uint8),
        directory=Path("."),
    )
