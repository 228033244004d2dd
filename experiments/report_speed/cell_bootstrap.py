"""The bootstrap of independent faces, by drawing the counts of cells rather than rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.metrics.counts import Grouping
from debias.metrics.intervals import FloatArray
from debias.metrics.score_counts import IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replicates:
    """Figures of one grouping in bootstrap samples of rows.

    Attributes:
        recall: shape (replicate, group); NaN where a sample has no face of the group.
        worst: the smallest recall of the ranked groups, shape (replicate,); NaN without any.
        gap: the largest minus the smallest, shape (replicate,); NaN with fewer than two.
    """

    recall: FloatArray
    worst: FloatArray
    gap: FloatArray


def bootstrap_cells(
    *,
    table: IntArray,
    groupings: Sequence[Grouping],
    ranked: Sequence[NDArray[np.intp]],
    generator: np.random.Generator,
    num_replicates: int = 2000,
) -> list[Replicates]:
    """Return recalls, worst recall and gap in bootstrap samples of independent faces.

    To draw n rows with replacement is to draw the counts of cells and decisions from a
    multinomial distribution; the cost is that of the cells, whatever the number of rows. Of a
    rate near 0 or 1, percentiles of the replicates are no interval: all samples may agree.

    A report draws none of this: its intervals are computed from the counts. It stands here because
    resampling is what other tools do, so that the two can be timed beside each other.

    Args:
        table: rows by decision, shape (cell, 2 label, 2 decision); see :meth:`ScoreCounts.at`.
        groupings: of the cells; see :meth:`ScoreCounts.grouping`.
        ranked: for each grouping the positions of the groups that count in worst and gap.
        generator: draws the samples.
        num_replicates: how many.
    """
    faces = np.asarray(table)[:, 1, :]
    drawn = np.flatnonzero(faces)  # what has no row is never drawn
    total = int(faces.sum())
    found = [np.full((num_replicates, len(each.groups)), np.nan) for each in groupings]
    block = max((1 << 22) // max(drawn.size, 1), 1)
    shares = faces.ravel()[drawn] / total if total else np.empty(0)
    for start in range(0, num_replicates if total else 0, block):
        size = min(block, num_replicates - start)
        samples = np.zeros((size, faces.size), dtype=np.int64)
        samples[:, drawn] = generator.multinomial(total, shares, size=size)
        cells = samples.reshape(size, *faces.shape)
        for grouping, recall in zip(groupings, found, strict=True):
            recall[start : start + size] = _recalls(cells, grouping)
    return [
        Replicates(recall=recall, worst=_worst(recall[:, rank]), gap=_gap(recall[:, rank]))
        for recall, rank in zip(found, ranked, strict=True)
    ]


def _recalls(samples: IntArray, grouping: Grouping) -> FloatArray:
    """Return recalls of shape (replicate, group) from counts (replicate, cell, 2 decision)."""
    order = np.argsort(grouping.codes, kind="stable")
    order = order[grouping.codes[order] >= 0]
    groups, starts = np.unique(grouping.codes[order], return_index=True)
    recall = np.full((len(samples), len(grouping.groups)), np.nan)
    if order.size:
        sums = np.add.reduceat(samples[:, order], starts, axis=1)
        with np.errstate(invalid="ignore"):
            recall[:, groups] = sums[..., 1] / sums.sum(axis=-1)
    return recall


def _worst(recall: FloatArray) -> FloatArray:
    """Return the smallest of each row; a group that a sample misses is passed over."""
    if recall.shape[1] == 0:
        return np.full(len(recall), np.nan)
    return np.asarray(np.fmin.reduce(recall, axis=1))


def _gap(recall: FloatArray) -> FloatArray:
    if recall.shape[1] < 2:
        return np.full(len(recall), np.nan)
    return np.asarray(np.fmax.reduce(recall, axis=1) - np.fmin.reduce(recall, axis=1))
