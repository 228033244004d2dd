"""Two models that answer for the same faces: what only one of them finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from debias.metrics.counts import Grouping
from debias.metrics.design_effects import design_effect
from debias.metrics.intervals import FloatArray, paired_difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A figure of the first model minus the same figure of the second.

    Attributes:
        value: in [-1, 1]; NaN where it is not estimable.
        low: lower limit.
        high: upper limit.
    """

    value: float
    low: float
    high: float


def mcnemar(*, num_gained: int, num_lost: int, sum_of_squares: int | None = None) -> float:
    """Return the two-sided p-value of McNemar's test: are gains and losses equally likely?

    It is exact, binomial in the discordant rows, where rows are independent, and 1 without any.
    Where several discordant rows are of one person, the statistic is the gains less the losses
    over the root of the sum of squares of what each person gains less loses, and normal.

    Args:
        num_gained: rows that only the first model answers rightly.
        num_lost: rows that only the second one does.
        sum_of_squares: over persons, of gains less losses; None where each row is of another.

    References:
        [McNemar1947] Note on the sampling error of the difference between correlated proportions
        or percentages. Psychometrika 12.
    """
    num_discordant = num_gained + num_lost
    if sum_of_squares is not None and sum_of_squares > num_discordant:
        z = abs(num_gained - num_lost) / float(np.sqrt(sum_of_squares))
        return float(2.0 * special.ndtr(-z))
    return float(min(1.0, 2.0 * special.bdtr(min(num_gained, num_lost), num_discordant, 0.5)))


def discordant(*, hits: NDArray[np.bool_], grouping: Grouping) -> tuple[tuple[int, int], ...]:
    """Return how many faces of each group only the first and only the second model finds.

    Args:
        hits: which faces each of two models finds, shape (2, face).
        grouping: of the faces.
    """
    first, second = hits
    gained, lost = (
        np.bincount(grouping.codes[rows], minlength=len(grouping.groups)).tolist()
        for rows in (first & ~second, second & ~first)
    )
    return tuple(zip(gained, lost, strict=True))


def sums_of_squares(
    *, hits: NDArray[np.bool_], grouping: Grouping, clusters: NDArray[np.intp]
) -> list[int]:
    """Return for each group the sum over its persons of their gains less losses, squared.

    Args:
        hits: which faces each of two models finds, shape (2, face).
        grouping: of the faces.
        clusters: the person of each face as integers from 0, shape (face,).
    """
    change = hits[0].astype(np.int64) - hits[1]
    num_persons = int(clusters.max(initial=-1)) + 1
    cells = grouping.codes * num_persons + clusters
    size = len(grouping.groups) * num_persons
    sums = np.bincount(cells, weights=change, minlength=size).reshape(len(grouping.groups), -1)
    return [int(total) for total in np.square(sums).sum(axis=1).round()]


def adjusted_intervals(
    *,
    hits: NDArray[np.bool_],
    grouping: Grouping,
    clusters: NDArray[np.intp],
    confidence: float,
) -> FloatArray:
    """Return the adjusted paired interval of each group's difference, shape (group, 2).

    Args:
        hits: which faces each of two models finds, shape (2, face).
        grouping: of the faces.
        clusters: the person of each face as integers from 0, shape (face,).
        confidence: of the intervals, in (0, 1).
    """
    limits = np.empty((len(grouping.groups), 2))
    change = hits[0].astype(np.int64) - hits[1]
    for code, (gained, lost) in enumerate(discordant(hits=hits, grouping=grouping)):
        rows = grouping.codes == code
        limits[code] = paired_difference(
            num_gained=gained,
            num_lost=lost,
            num_pairs=int(np.count_nonzero(rows)),
            confidence=confidence,
            design_effect=design_effect(
                values=change[rows], clusters=clusters[rows], confidence=confidence
            ),
        )
    return limits
