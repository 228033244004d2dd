"""The rate of each group, and which groups are large enough to be ranked by it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias.metrics.counts import Grouping
from debias.metrics.design_effects import cluster_numbers, cluster_units, design_effects
from debias.metrics.intervals import FloatArray, Rate, rate


def rates_by_group(
    *,
    hits: ArrayLike,
    grouping: Grouping,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
) -> tuple[Rate, ...]:
    """Return the share of hits of each group, in the order of ``grouping.groups``.

    Args:
        hits: whether each row was answered rightly, shape (row,). With faces only this is recall.
        grouping: the groups of the same rows.
        clusters: the person or picture of each row as integers from 0; None when independent.
        confidence: of the intervals.
    """
    answers = np.asarray(hits).astype(np.bool_)
    codes, num_groups = grouping.codes, len(grouping.groups)
    effects = design_effects(
        values=answers,
        codes=codes,
        num_groups=num_groups,
        units=None if clusters is None else cluster_units(codes=codes, clusters=clusters),
        confidence=confidence,
    )
    num_hits = np.bincount(codes[answers], minlength=num_groups)
    return tuple(
        rate(
            num_successes=int(num_hits[code]),
            num_trials=int(num_rows),
            confidence=confidence,
            design_effect=float(effects.values[code]),
            freedom=float(effects.freedom[code]),
        )
        for code, num_rows in enumerate(grouping.num_rows)
    )


def pooled_rate(
    *, hits: ArrayLike, clusters: ArrayLike | None = None, confidence: float = 0.95
) -> Rate:
    """Return the share of hits among all rows, with the design effect of their clusters.

    Args:
        hits: whether each row was answered "face", shape (row,).
        clusters: the person or picture of each row as integers from 0; None when independent.
        confidence: of the interval.
    """
    everybody = Grouping(
        columns=(), groups=((),), codes=np.zeros(np.asarray(hits).size, dtype=np.intp)
    )
    (found,) = rates_by_group(
        hits=hits, grouping=everybody, clusters=clusters, confidence=confidence
    )
    return found


def ranked_groups(
    *, grouping: Grouping, min_group_size: int, clusters: ArrayLike | None = None
) -> NDArray[np.intp]:
    """Return the positions of the groups that may be called worst or best.

    They have known values only, and an :func:`effective_sizes` of at least ``min_group_size`` (and
    never none). The others are shown beside them, unranked.

    Args:
        grouping: who belongs where.
        min_group_size: independent rows that make a group large enough.
        clusters: the person of each row as integers, shape (row,); None when independent.
    """
    sizes = effective_sizes(grouping=grouping, clusters=clusters)
    return np.flatnonzero(grouping.known & large_enough(sizes, min_group_size=min_group_size))


def effective_sizes(*, grouping: Grouping, clusters: ArrayLike | None = None) -> FloatArray:
    """Return how many persons each group has, shape (group,), an uneven share counting for less.

    It is n^2 / sum n_c^2 (Kish) with n_c the rows of person c: the number of persons where all
    have as many rows, that of rows where all are independent, and near 1 where one person has
    nearly all. Unlike n / design effect it does not depend on the answers, so that which groups
    are ranked is known beforehand, and is the same for every model and at every threshold.

    Args:
        grouping: who belongs where.
        clusters: the person of each row as integers, shape (row,); None when independent.

    References:
        [Kish1965] Survey sampling. Wiley.
    """
    codes, num_groups = grouping.codes, len(grouping.groups)
    if clusters is None:
        return grouping.num_rows.astype(np.float64)
    return cluster_numbers(
        codes=codes,
        num_groups=num_groups,
        units=cluster_units(codes=codes, clusters=clusters),
    )


def large_enough(sizes: ArrayLike, *, min_group_size: int) -> NDArray[np.bool_]:
    """Return whether groups have the size to be ranked; never without any rows.

    Args:
        sizes: effective ones, of any shape.
        min_group_size: that they must have, up to rounding.
    """
    return np.asarray(np.asarray(sizes) >= max(1, min_group_size) - 1e-9)
