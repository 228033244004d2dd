"""Rank correlation of images that share persons, and whether it falls short of a limit.

References:
    [Bonett2000] Bonett, Wright. Sample Size Requirements for Estimating Pearson, Kendall and
    Spearman Correlations. Psychometrika 65(1).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from debias.metrics.association import RankCorrelation, rank_correlation

NUM_REPLICATES = 400

Floats = NDArray[np.float64]


def person_correlation(
    first: Floats,
    second: Floats,
    *,
    persons: NDArray[np.intp] | None,
    least_images: int,
    most_images: int,
    confidence: float,
    generator: np.random.Generator,
) -> tuple[RankCorrelation | None, int]:
    """Return the rank correlation of one image a person, drawn, and of how many images.

    Args:
        first: shape (image,); NaN leaves an image out.
        second: the same.
        persons: as integers, shape (image,); None where none is known.
        least_images: with fewer there is no correlation; at least 4.
        most_images: of more so many are drawn.
        confidence: of the interval.
        generator: draws.

    Returns:
        None in place of the correlation where there are too few.
    """
    rows = generator.permutation(np.flatnonzero(np.isfinite(first) & np.isfinite(second)))
    if persons is not None:
        rows = generator.permutation(rows[np.unique(persons[rows], return_index=True)[1]])
    rows = rows[:most_images]
    if rows.size < least_images:
        return None, int(rows.size)
    found = rank_correlation(
        first=first[rows],
        second=second[rows],
        generator=generator,
        num_replicates=NUM_REPLICATES,
        confidence=confidence,
    )
    return found, int(rows.size)


def part_of_largest(found: RankCorrelation | None) -> float:
    """Return a correlation as a part of the largest that ties leave; NaN where there is none."""
    return math.nan if found is None else found.value / found.largest


def shortfall_p_value(found: RankCorrelation, *, num_images: int, least_part: float) -> float:
    """Return the one-sided p-value that a correlation is at least a part of the largest.

    Fisher's transform, with the variance of [Bonett2000].

    Args:
        found: estimable.
        num_images: independent ones, at least 4.
        least_part: of the largest correlation that ties leave, in (-1, 1).
    """
    expected = least_part * found.largest
    error = math.sqrt((1 + expected**2 / 2) / (num_images - 3))
    value = min(max(found.value, -1 + 1e-12), 1 - 1e-12)
    return float(stats.norm.cdf((math.atanh(value) - math.atanh(expected)) / error))
