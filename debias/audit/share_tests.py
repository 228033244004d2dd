"""Whether chance alone explains that a group's share is below the one asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from debias.audit.group_shares import RepresentationSettings
from debias.audit.images import num_different
from debias.metrics.counts import Grouping
from debias.metrics.design_effects import cluster_units, design_effects
from debias.metrics.pairs import holm


def share_effects(
    grouping: Grouping, persons: NDArray[np.intp] | None, confidence: float
) -> list[tuple[float, float]]:
    """Return design effect and degrees of freedom of each group's share among known faces.

    Where a group has no face, or all, persons are worth one face each, however many images they
    have: that none of 500 is of the group says as much if one of them has half of the images.

    Args:
        grouping: of the faces.
        persons: as integers, shape (face,); None where none is known.
        confidence: of the intervals that they are for.
    """
    inside = grouping.known[grouping.codes]
    codes = grouping.codes[inside]
    if persons is None or not codes.size:
        return [(1.0, math.inf)] * len(grouping.groups)
    nobody = np.zeros(codes.size, dtype=np.intp)
    units = cluster_units(codes=nobody, clusters=persons[inside])
    per_person = codes.size / num_different(persons[inside])
    effects = []
    for code in range(len(grouping.groups)):
        of_group = codes == code
        if of_group.all() or not of_group.any():
            effects.append((per_person, math.inf))
            continue
        found = design_effects(
            values=of_group, codes=nobody, num_groups=1, units=units, confidence=confidence
        )
        effects.append((float(found.values[0]), float(found.freedom[0])))
    return effects


def share_p_values(
    counted: Sequence[tuple[Grouping, NDArray[np.float64] | None]],
    persons: NDArray[np.intp] | None,
    settings: RepresentationSettings,
) -> list[NDArray[np.float64]]:
    """Return Holm's p-values over all groups that have a reference; NaN for the others.

    Each is one-sided: that the share is below ``settings.note_ratio`` of the reference only by
    chance, by the binomial distribution of as many independent faces as say as much.

    Args:
        counted: groupings of the same faces, each with the shares that its groups are held
            against, shape (group,); None for none.
        persons: as integers, shape (face,); None where none is known.
        settings: the ratio, and the chance of a false finding.
    """
    raw = []
    for grouping, shares in counted:
        p = np.full(len(grouping.groups), np.nan)
        if shares is not None:
            total = int(grouping.num_rows[grouping.known].sum())
            effects = share_effects(grouping, persons, 1.0 - settings.alpha)
            for code, (count, share) in enumerate(zip(grouping.num_rows, shares, strict=True)):
                if share > 0.0 and total:  # an unknown one is NaN
                    p[code] = _at_most(
                        int(count) / effects[code][0],
                        total / effects[code][0],
                        settings.note_ratio * share,
                    )
        raw.append(p)
    every = np.concatenate([np.empty(0), *raw])
    tested = ~np.isnan(every)
    every[tested] = holm(every[tested])
    ends = np.cumsum([len(p) for p in raw])
    return [every[end - len(p) : end] for end, p in zip(ends, raw, strict=True)]


def _at_most(num_successes: float, num_trials: float, share: float) -> float:
    """Return the chance of so few successes or fewer; exact for whole numbers."""
    if num_trials <= 0.0 or num_successes >= num_trials:
        return 1.0
    return float(special.betainc(num_trials - num_successes, num_successes + 1.0, 1.0 - share))
