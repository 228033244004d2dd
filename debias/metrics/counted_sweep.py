"""A sweep over thresholds of rows that are counted in bins; see :mod:`debias.metrics.sweep`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from debias.metrics.group_rates import large_enough
from debias.metrics.intervals import FloatArray
from debias.metrics.measures import Negatives
from debias.metrics.score_counts import IntArray, ScoreCounts, sum_by_group
from debias.metrics.sweep_groups import GroupingSweep, Sweep, grouping_sweep


def counted_sweep(
    counts: ScoreCounts,
    *,
    thresholds: ArrayLike,
    columns: Sequence[Sequence[str]],
    negatives: Negatives,
    generator: np.random.Generator,
    num_replicates: int = 1000,
    min_group_size: int = 30,
    confidence: float = 0.95,
) -> Sweep | None:
    """Return what :func:`debias.metrics.sweep.sweep` returns of independent rows, exactly.

    Args:
        counts: of the rows; every threshold is one of their edges.
        thresholds: in any order.
        columns: the attributes of each grouping.
        negatives: whether they belong to groups.
        generator: draws the gaps that chance gives.
        num_replicates: gaps drawn at each threshold.
        min_group_size: smaller groups are left out.
        confidence: of the intervals, in (0, 1).

    Raises:
        ValueError: a threshold is no edge.
    """
    descending = np.unique(np.asarray(thresholds, dtype=np.float64))[::-1]
    if not (counts.num_faces and counts.num_negatives and descending.size):
        return None
    first = np.searchsorted(counts.edges, descending)
    if np.any(counts.edges[np.minimum(first, counts.edges.size - 1)] != descending):
        raise ValueError("a threshold is no edge of the bins")
    # Rows at or above each edge, and so at or above each threshold: (cell, 2 label, threshold).
    at_least = counts.counts[..., ::-1].cumsum(axis=-1)[..., ::-1]
    passed = np.ascontiguousarray(at_least[..., first].transpose(1, 0, 2))
    total = counts.counts.sum(axis=-1).T  # (cell, 2 label)
    return Sweep(
        thresholds=descending,
        fpr=passed[:, 0].sum(axis=0) / counts.num_negatives,
        recall=passed[:, 1].sum(axis=0) / counts.num_faces,
        groupings=tuple(
            _swept(
                counts,
                names,
                passed,
                total,
                negatives=negatives,
                generator=generator,
                num_replicates=num_replicates,
                min_group_size=min_group_size,
                confidence=confidence,
            )
            for names in columns
        ),
    )


def _swept(
    counts: ScoreCounts,
    names: Sequence[str],
    passed: IntArray,
    total: IntArray,
    *,
    negatives: Negatives,
    generator: np.random.Generator,
    num_replicates: int,
    min_group_size: int,
    confidence: float,
) -> GroupingSweep:
    """Return the figures of one grouping's ranked groups."""
    grouping = counts.grouping(names, faces_only=negatives == "pool")
    num_negatives, num_faces = sum_by_group(total, grouping=grouping).T
    found = sum_by_group(passed, grouping=grouping)
    enough = large_enough(num_faces, min_group_size=min_group_size)
    ranked = np.flatnonzero(grouping.known & enough)
    own: dict[tuple[str, ...], FloatArray] | None = None
    if negatives == "grouped":
        own = {
            values: found[code, 0] / num_negatives[code]
            for code, values in enumerate(grouping.groups)
            if num_negatives[code]
        }
    num_found = found[ranked, 1]
    return grouping_sweep(
        columns=grouping.columns,
        groups=[grouping.groups[code] for code in ranked],
        num_found=num_found,
        num_faces=num_faces[ranked],
        fpr=own,
        effects=np.ones(num_found.shape),
        confidence=confidence,
        generator=generator,
        num_replicates=num_replicates,
    )
