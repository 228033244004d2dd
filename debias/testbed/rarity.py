"""How rare the people of a population are: the truth that sampling weights can be held against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.errors import DataError, nearest
from debias.testbed.population import GENDERS, Population

SHARED = ("skin_tone", "gender")
"""The attributes whose shares a population sets."""


def planted_shares(population: Population) -> pd.Series[float]:
    """Return the share of faces of each skin tone and gender, summing to 1.

    Args:
        population: whose faces are kept or drawn anew without regard to anything else.

    Returns:
        Shares with an index of two levels, ``skin_tone`` and ``gender``.

    Raises:
        DataError: the population has an ``accept``, which changes the shares.
    """
    if population.accept is not None:
        raise DataError(
            "the shares of a population that rejects some faces are not those it was given"
        )
    female = population.female_by_skin_tone()
    shares = {
        (tone, gender): share * (female[tone] if gender == GENDERS[0] else 1 - female[tone])
        for tone, share in population.skin_tones.items()
        for gender in GENDERS
    }
    return pd.Series(shares, dtype=np.float64).rename_axis(list(SHARED))


def true_rarity(
    people: pd.DataFrame, *, population: Population, columns: Sequence[str] = SHARED
) -> NDArray[np.float64]:
    """Return how rare each face is: -log P(its values of ``columns``), in nats.

    Args:
        people: a row a face, with ``columns``; see :func:`debias.testbed.sets.true_attributes`.
        population: that the faces were drawn from; P is its shares.
        columns: ``skin_tone``, ``gender`` or both.

    Returns:
        Shape (face,); infinite for a face that the population cannot give.

    Raises:
        DataError: no share is known of a column; or see :func:`planted_shares`.
    """
    for name in columns:
        if name not in SHARED:
            raise DataError(f"no share of {name!r} is planted", hint=nearest(name, SHARED))
    shares = planted_shares(population).groupby(level=list(columns)).sum()
    values = people[list(columns)].itertuples(index=False, name=None)
    found = [shares.get(row if len(columns) > 1 else row[0], 0.0) for row in values]
    with np.errstate(divide="ignore"):
        return -np.log(np.array(found, dtype=np.float64))
