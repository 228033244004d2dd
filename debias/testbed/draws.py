"""Random columns, a row for each image, that depend on that image's number alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from debias.seeding import numpy_generator

Values = dict[str, NDArray[np.float64]]
NUM_COLUMNS = 192
"""Enough for the usual factors, and a range for each; one more changes no column before it."""


@dataclass(slots=True)
class Draws:
    """Columns of random numbers, handed out one after the other.

    Args:
        table: even in [0, 1), of shape (image, column).
        next_column: the one to hand out next.
    """

    table: NDArray[np.float64]
    next_column: int = 0

    @classmethod
    def of(cls, seed: int, name: str, indices: NDArray[np.int64]) -> Draws:
        """Return the columns of images of a seed and name, by their numbers."""
        rows = [numpy_generator(seed, name, int(i)).random(NUM_COLUMNS) for i in indices]
        return cls(np.array(rows, dtype=np.float64).reshape(len(indices), NUM_COLUMNS))

    def even(self, low: float, high: float) -> NDArray[np.float64]:
        """Return a column even in [low, high)."""
        assert self.next_column < NUM_COLUMNS, "more random columns are asked for than there are"
        column = self.table[:, self.next_column]
        self.next_column += 1
        return low + (high - low) * column

    def normal(self, mean: float, deviation: float) -> NDArray[np.float64]:
        """Return a normal column, cut off at four standard deviations."""
        scores: NDArray[np.float64] = np.clip(ndtri(np.maximum(self.even(0, 1), 1e-12)), -4, 4)
        return mean + deviation * scores

    def below(self, chance: float | NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return a column that is true with a chance, or with one for each image."""
        return self.even(0, 1) < chance

    def choice(self, weights: Mapping[str, float]) -> NDArray[np.object_]:
        """Return a column of names drawn by their weights."""
        ends = np.cumsum(list(weights.values()))
        chosen = np.searchsorted(ends / ends[-1], self.even(0, 1), side="right")
        return np.array(list(weights), dtype=object)[np.minimum(chosen, len(weights) - 1)]
