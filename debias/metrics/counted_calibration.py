"""Calibration of rows that are counted in bins of scores; see :mod:`debias.metrics.calibration`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias.metrics.calibration_bins import (
    NO_PROBABILITIES,
    NUM_BINS,
    POOLED_CALIBRATION,
    Calibration,
    calibration_of_bins,
    no_calibration,
    not_calibrated,
    parts_of_equal_mass,
)
from debias.metrics.counts import Grouping
from debias.metrics.intervals import FloatArray
from debias.metrics.measures import Negatives
from debias.metrics.score_counts import IntArray, Rows, ScoreCounts, distinct_cells, sum_by_group

_SCORE, _VARIANCE, _SQUARED_ERROR = range(3)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreSums:
    """What calibration takes besides counts, of the same cells and bins.

    Attributes:
        low: the smallest score; infinite without rows.
        high: the largest.
        sums: of score, of score (1 - score) and of (label - score)^2, shape (cell, 3, bin).
    """

    low: float
    high: float
    sums: FloatArray


def sum_scores(
    rows: Iterable[Rows], *, cells: Sequence[Sequence[str | None]], edges: FloatArray
) -> ScoreSums:
    """Return the sums of rows that come in parts.

    Args:
        rows: as for :func:`debias.metrics.score_counts.count_scores`.
        cells: see there.
        edges: :attr:`ScoreCounts.edges` of their counts, shape (bin,).
    """
    names, code_of = distinct_cells(cells)
    low, high = np.inf, -np.inf
    size = len(names) * edges.size
    sums = np.zeros((3, size))
    for scores, labels, where in rows:
        low, high = (
            min(low, float(np.min(scores, initial=np.inf))),
            max(high, float(np.max(scores, initial=-np.inf))),
        )
        inside = np.clip(scores, 0.0, 1.0)  # others are refused by their extremes
        place = code_of[where] * edges.size + np.searchsorted(edges, scores, side="right") - 1
        parts = (inside, inside * (1.0 - inside), (labels - inside) ** 2)
        for k, part in enumerate(parts):
            sums[k] += np.bincount(place, weights=part, minlength=size)
    by_cell = sums.reshape(3, len(names), edges.size).transpose(1, 0, 2)
    return ScoreSums(low=low, high=high, sums=np.ascontiguousarray(by_cell))


def counted_calibration(
    counts: ScoreCounts, sums: ScoreSums, *, num_bins: int = NUM_BINS, confidence: float = 0.95
) -> Calibration:
    """Return the calibration of all rows; see :func:`counted_group_calibrations`.

    Args:
        counts: of the rows.
        sums: of the same.
        num_bins: how many bins, at most.
        confidence: of the intervals, in (0, 1).
    """
    everybody = Grouping(columns=(), groups=((),), codes=np.zeros(len(counts.cells), dtype=np.intp))
    return counted_group_calibrations(
        counts,
        sums,
        grouping=everybody,
        negatives="grouped",
        num_bins=num_bins,
        confidence=confidence,
    )[0]


def counted_group_calibrations(
    counts: ScoreCounts,
    sums: ScoreSums,
    *,
    grouping: Grouping,
    negatives: Negatives,
    num_bins: int = NUM_BINS,
    confidence: float = 0.95,
) -> tuple[Calibration, ...]:
    """Return what :func:`debias.metrics.calibration.group_calibrations` does of independent rows.

    The bins of scores that the rows were counted in are put together to bins of about the same
    number of rows, and none is divided: the bins are a little more unequal in size than those of
    the rows themselves. All that is said of a bin is exact. Where each bin of scores holds one
    score, the bins are the same.

    Args:
        counts: of the rows.
        sums: of the same.
        grouping: of the cells; see :meth:`ScoreCounts.grouping`.
        negatives: with a "pool", calibration by group is not applicable.
        num_bins: how many bins, at most.
        confidence: of the intervals, in (0, 1).
    """
    num_groups = len(grouping.groups)
    if negatives == "pool":
        return (not_calibrated("not_applicable", POOLED_CALIBRATION),) * num_groups
    if sums.low < 0.0 or sums.high > 1.0:
        return (not_calibrated("not_applicable", NO_PROBABILITIES),) * num_groups
    rows = sum_by_group(counts.counts.transpose(1, 0, 2), grouping=grouping)
    totals = sum_by_group(sums.sums, grouping=grouping)
    return tuple(
        _of_group(by_label, total, num_bins=num_bins, confidence=confidence)
        for by_label, total in zip(rows, totals, strict=True)
    )


def _of_group(rows: IntArray, sums: FloatArray, *, num_bins: int, confidence: float) -> Calibration:
    """Return the calibration of one group.

    Args:
        rows: shape (2 label, bin).
        sums: shape (3, bin).
        num_bins: how many bins, at most.
        confidence: of the intervals.
    """
    nothing = no_calibration(num_rows=int(rows.sum()), num_positives=int(rows[1].sum()))
    if nothing is not None:
        return nothing
    used = np.flatnonzero(rows.sum(axis=0))
    codes = parts_of_equal_mass(rows[:, used].sum(axis=0), num_parts=num_bins)
    num_rows, num_positives = (
        _summed(part[used], codes).round().astype(np.int64) for part in (rows.sum(axis=0), rows[1])
    )
    means = np.stack([_summed(part[used], codes) for part in sums]) / num_rows
    return calibration_of_bins(
        num_rows=num_rows,
        num_positives=num_positives,
        weight=num_rows,
        share=num_positives / num_rows,
        mean_score=means[_SCORE],
        squared_error=means[_SQUARED_ERROR],
        variance=means[_VARIANCE],
        effects=np.ones(num_rows.size),
        confidence=confidence,
    )


def _summed(values: ArrayLike, codes: NDArray[np.intp]) -> FloatArray:
    sums = np.bincount(codes, weights=np.asarray(values, dtype=np.float64))
    return np.asarray(sums, dtype=np.float64)
