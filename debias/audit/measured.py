"""The measures of each image that the audit's one decoding pass takes: names, units, table.

Everything else in the audit works on this table; only the pass itself reads pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

QUALITY_MEASURES: Mapping[str, str] = MappingProxyType(
    {
        "width": "width of the picture, pixels",
        "height": "height of the picture, pixels",
        "brightness": "mean lightness L*, 0 black to 100 white",
        "contrast": "standard deviation of L*",
        "sharpness": "share of detail that a slight blur removes, 0 blurred to 1",
        "noise": "standard deviation of the noise, grey levels of 255",
        "compression": "strength of the edges of JPEG's 8x8 blocks; 0 none",
        "colourfulness": "mean chroma C*; 0 is greyscale",
    }
)
"""The measures of image quality, with their units; each may be NaN where it cannot be taken."""
SKIN_MEASURES: Mapping[str, str] = MappingProxyType(
    {
        "skin_share": "share of the picture taken to be skin, 0 to 1",
        "ita": "individual typology angle of that skin, degrees; an estimate from pixels",
        "ita_error": "standard error of the angle within the picture, degrees",
        "monk": "nearest swatch of the Monk scale, 1 to 10; an estimate from pixels",
        "monk_low": "lowest swatch within the uncertainty",
        "monk_high": "highest swatch within the uncertainty",
        "light_uneven": "difference of L* between the halves of the face, a sign of side light",
    }
)
"""Estimates of skin tone from pixels; NaN where no skin is found."""
THUMBNAIL_SIDE = 32
"""Height and width of the grey thumbnails that copies are compared by."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasuredImages:
    """What the decoding pass measured.

    Attributes:
        table: a row an image of the manifest, in its order, with a RangeIndex: ``image_id``,
            ``path``, ``digest`` (of the pixels as decoded, 32 hexadecimal digits; missing where
            unreadable), ``reason`` (why it cannot be read; missing where it can), ``complexity``
            (bytes that a lossless coding of its thumbnail takes, by the thumbnail's bytes), and
            the columns of :data:`QUALITY_MEASURES` and :data:`SKIN_MEASURES` as float64.
        hashes: perceptual hashes, uint64 of shape (image, word); zeros where unreadable.
        thumbnails: grey, uint8 of shape (image, :data:`THUMBNAIL_SIDE`, :data:`THUMBNAIL_SIDE`),
            mapped from disk.
        chroma: the colour of the thumbnails, Cb and Cr with 128 for none, uint8 of shape (image,
            :data:`THUMBNAIL_SIDE`, :data:`THUMBNAIL_SIDE`, 2), mapped from disk.
        directory: where the files of the pass lie.
    """

    table: pd.DataFrame
    hashes: NDArray[np.uint64]
    thumbnails: NDArray[np.uint8]
    chroma: NDArray[np.uint8]
    directory: Path

    @property
    def readable(self) -> NDArray[np.bool_]:
        """A mask of the images that could be decoded, shape (image,)."""
        return self.table["reason"].isna().to_numpy()

    def __len__(self) -> int:
        return len(self.table)
