"""What a sweep over thresholds holds: see :mod:`debias.metrics.sweep`; its figures from counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.metrics.intervals import FloatArray, wilson

HIGHEST_FPR = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupSweep:
    """A group over all thresholds.

    Attributes:
        values: what makes the group.
        num_faces: its faces, at least one.
        recall: shape (threshold,).
        low: lower Wilson limits, shape (threshold,).
        high: upper Wilson limits, shape (threshold,).
        fpr: of its own negatives, shape (threshold,); None where it has none.
    """

    values: tuple[str, ...]
    num_faces: int
    recall: FloatArray
    low: FloatArray
    high: FloatArray
    fpr: FloatArray | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupingSweep:
    """The ranked groups of a grouping over all thresholds.

    Attributes:
        columns: the attributes whose values make the groups.
        groups: the ranked ones.
        worst_recall: the smallest, shape (threshold,); empty with no ranked group.
        gap: largest minus smallest, shape (threshold,); empty with fewer than two.
        null_median: the median gap when all groups have the pooled recall, shape (threshold,);
            empty with fewer than two.
    """

    columns: tuple[str, ...]
    groups: tuple[GroupSweep, ...]
    worst_recall: FloatArray
    gap: FloatArray
    null_median: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweep:
    """All figures over all thresholds.

    Attributes:
        thresholds: descending, so that rates ascend, shape (threshold,).
        fpr: of all negatives, shape (threshold,).
        recall: of all faces, shape (threshold,).
        groupings: one for each that was asked for.
    """

    thresholds: FloatArray
    fpr: FloatArray
    recall: FloatArray
    groupings: tuple[GroupingSweep, ...]


def sweep_ranks(
    *, num_negatives: int, num_thresholds: int, min_false_positives: int
) -> NDArray[np.intp]:
    """Return how many negatives may pass at each threshold, ascending: evenly spaced logarithms.

    None where half of the negatives are fewer than the strictest threshold lets pass.

    Args:
        num_negatives: in all.
        num_thresholds: how many, at most.
        min_false_positives: of the strictest threshold.
    """
    last = math.floor(HIGHEST_FPR * num_negatives)
    if last < min_false_positives:
        return np.empty(0, dtype=np.intp)
    spaced = np.geomspace(min_false_positives, last, num_thresholds)
    return np.unique(np.round(spaced).astype(np.intp))


def grouping_sweep(
    *,
    columns: tuple[str, ...],
    groups: Sequence[tuple[str, ...]],
    num_found: NDArray[np.int64],
    num_faces: NDArray[np.int64],
    fpr: Mapping[tuple[str, ...], FloatArray] | None,
    effects: FloatArray,
    confidence: float,
    generator: np.random.Generator,
    num_replicates: int,
) -> GroupingSweep:
    """Return the figures of ranked groups from their counts.

    Args:
        columns: the attributes whose values make the groups.
        groups: the ranked ones.
        num_found: faces at or above each threshold, shape (group, threshold).
        num_faces: at least 1, shape (group,).
        fpr: false-positive rates, shape (threshold,), of the groups with negatives of their own;
            None where negatives belong to no group.
        effects: design effects, shape (group, threshold).
        confidence: of the intervals, in (0, 1).
        generator: draws the gaps that chance gives.
        num_replicates: gaps drawn at each threshold.
    """
    num_rows = num_faces[:, None]
    recall = num_found / num_rows
    low, high = wilson(
        num_successes=num_found, num_trials=num_rows, confidence=confidence, design_effect=effects
    )
    several = len(groups) > 1
    nothing = np.zeros(0)
    return GroupingSweep(
        columns=columns,
        groups=tuple(
            GroupSweep(
                values=values,
                num_faces=int(num_faces[position]),
                recall=recall[position],
                low=low[position],
                high=high[position],
                fpr=None if fpr is None else fpr.get(values),
            )
            for position, values in enumerate(groups)
        ),
        worst_recall=recall.min(axis=0) if groups else nothing,
        gap=np.ptp(recall, axis=0) if several else nothing,
        null_median=_null_median(num_found, num_rows, effects, generator, num_replicates)
        if several
        else nothing,
    )


def _null_median(
    found: NDArray[np.int64],
    num_rows: NDArray[np.int64],
    effect: FloatArray,
    generator: np.random.Generator,
    num_replicates: int,
) -> FloatArray:
    """Return the median gap by chance; see :func:`debias.metrics.disparities.null_gap`."""
    pooled = found.sum(axis=0) / num_rows.sum()
    sizes = np.maximum(1, np.round(num_rows / effect)).astype(np.int64)
    medians = [
        np.median(np.ptp(generator.binomial(m, p, size=(num_replicates, m.size)) / m, axis=1))
        for m, p in zip(sizes.T, pooled, strict=True)
    ]
    return np.array(medians, dtype=np.float64)
