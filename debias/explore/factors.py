"""The factors that a latent space is held against, as classes and as numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FACTORS = (
    *("tone", "presentation", "age", "face_width", "hair", "hair_length", "hair_dark"),
    *("beard", "glasses", "hat", "smile", "yaw", "pitch", "roll", "scale", "shift_x", "shift_y"),
    *("light_azimuth", "light_strength", "light_warmth", "scene_light"),
)
"""The factors of the testbed that show most in a small picture of a face."""
MOST_CLASSES = 10
LEAST_OF_A_CLASS = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownFactor:
    """A factor of images.

    Attributes:
        name: what it is called.
        values: shape (image,).
        classes: its values as integers from 0, shape (image,): the values themselves where they
            are few, otherwise ten bins of as many images each (fewer where many share a value).
        is_discrete: whether its values are few.
    """

    name: str
    values: NDArray[np.float64]
    classes: NDArray[np.int64]
    is_discrete: bool

    def take(self, rows: NDArray[np.int64]) -> KnownFactor:
        """Return the factor of some images."""
        return KnownFactor(
            name=self.name,
            values=self.values[rows],
            classes=self.classes[rows],
            is_discrete=self.is_discrete,
        )


def known_factors(table: pd.DataFrame, names: tuple[str, ...] = FACTORS) -> tuple[KnownFactor, ...]:
    """Return the factors that vary enough to be judged by.

    Left out are those with fewer than 20 images outside their commonest class.

    Args:
        table: a row an image, a column of numbers a factor; it may lack some.
        names: which columns.
    """
    return tuple(_vary(table, names))


def _vary(table: pd.DataFrame, names: tuple[str, ...]) -> Iterator[KnownFactor]:
    for name in names:
        if name not in table.columns:
            continue
        values = table[name].to_numpy(dtype=np.float64)
        distinct, classes = np.unique(values, return_inverse=True)
        is_discrete = len(distinct) <= MOST_CLASSES
        if not is_discrete:
            cuts = np.unique(np.quantile(values, np.linspace(0, 1, MOST_CLASSES + 1)[1:-1]))
            classes = np.searchsorted(cuts, values, side="right")
            classes = np.unique(classes, return_inverse=True)[1]
        counts = np.bincount(classes)
        if len(counts) > 1 and counts.sum() - counts.max() >= LEAST_OF_A_CLASS:
            yield KnownFactor(
                name=name,
                values=values,
                classes=classes.astype(np.int64),
                is_discrete=is_discrete,
            )
