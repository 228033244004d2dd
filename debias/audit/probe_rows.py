"""In which images an attribute is sought: those of common values, drawn where there are many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProbeRows:
    """Images whose values are told apart.

    Attributes:
        rows: their positions among the known ones, ascending.
        y: their values as integers from 0, each at least as often as was asked for.
        values: which of the known values each of these integers is.
    """

    rows: Codes
    y: Codes
    values: Codes


def rows_to_probe(
    codes: Codes, *, least: int, most: int, kept: int, generator: np.random.Generator
) -> ProbeRows:
    """Return the images of common values, or so many drawn of them that rare values remain.

    What is common is judged by the images that are returned, so that no value is told apart from
    others of which too few, or none, were drawn.

    Args:
        codes: the value of each image as integers from 0, shape (image,).
        least: images of each value.
        most: images in all.
        kept: images of each value that a draw leaves, as far as there are so many, and room.
        generator: draws them, where there are more than ``most``.
    """
    rows = _common(codes, np.arange(codes.size), least)
    if rows.size > most:
        values, y, sizes = np.unique(codes[rows], return_inverse=True, return_counts=True)
        order = generator.permutation(rows.size)
        order = order[np.argsort(y[order], kind="stable")]
        rank = np.arange(rows.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        wanted = _quotas(sizes, most=most, kept=min(kept, most // values.size))
        rows = _common(codes, np.sort(rows[order[rank < np.repeat(wanted, sizes)]]), least)
    values, y = np.unique(codes[rows], return_inverse=True)
    return ProbeRows(rows=rows, y=y, values=values)


def _common(codes: Codes, rows: Codes, least: int) -> Codes:
    """Return the rows whose value at least so many of them have."""
    if not rows.size:
        return rows
    return rows[np.bincount(codes[rows])[codes[rows]] >= least]


def _quotas(sizes: Codes, *, most: int, kept: int) -> Codes:
    """Return how many images of each value to draw: as there are, but of none fewer than kept.

    Args:
        sizes: images of each value, more than ``most`` together.
        most: images to draw.
        kept: at most ``most`` / number of values.
    """
    least = np.minimum(sizes, kept)
    is_least = np.zeros(sizes.size, dtype=np.bool_)
    while True:
        left = most - least[is_least].sum()
        share = np.where(is_least, least, sizes * left / sizes[~is_least].sum())
        short = ~is_least & (share < least)
        if not short.any():
            break
        is_least |= short
    quotas = np.floor(share + 1e-9).astype(np.intp)
    # What rounding left goes to the largest remainders.
    for value in np.argsort(quotas - share, kind="stable")[: most - quotas.sum()]:
        quotas[value] += 1
    return quotas
