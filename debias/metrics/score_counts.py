"""Counts of scores by cell, label and bin: all that a report needs of rows that are independent.

A cell is a combination of attribute values that rows have. Counts of parts of a table add up to
the counts of the whole, so that a table of any length takes the memory of its counts. A threshold
that is an edge of the bins divides the rows exactly; nothing is interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from debias.errors import DataError
from debias.metrics.counts import UNKNOWN, Grouping, group_rows
from debias.metrics.intervals import FloatArray
from debias.metrics.operating_point import OperatingPoint, excluded_rank
from debias.metrics.score_order import thresholds_above

IntArray = NDArray[np.int64]
Number = TypeVar("Number", np.int64, np.float64)
Rows = tuple[FloatArray, NDArray[np.bool_], NDArray[np.integer]]
"""Scores, labels and cells of some rows, each of shape (row,)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupCounts:
    """The counts of the groups of one grouping.

    Attributes:
        columns: the attributes whose values make the groups.
        groups: as in :class:`debias.metrics.counts.Grouping`, in the same order.
        counts: rows of each group; its first axis is the group, then as in what was summed.
    """

    columns: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    counts: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreCounts:
    """How many rows there are of each cell, label and bin of scores.

    Attributes:
        columns: the attributes.
        cells: the combinations of their values that rows have, all different; a missing value is
            ``"unknown"``.
        edges: lower edges of the bins, ascending, the first minus infinity, shape (bin,). A bin
            holds its lower edge and not its upper one.
        counts: rows, shape (2 label, cell, bin); label 1 is a face.
        num_at_edge: rows whose score is the lower edge of their bin, shape (bin,).
    """

    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    edges: FloatArray
    counts: IntArray
    num_at_edge: IntArray

    def __post_init__(self) -> None:
        """Refuse parts that do not fit each other.

        Raises:
            ValueError: shapes differ, cells repeat, or edges do not ascend from minus infinity.
        """
        if self.counts.shape != (2, len(self.cells), self.edges.size):
            raise ValueError(f"counts of shape {self.counts.shape} for the cells and edges given")
        if self.num_at_edge.shape != self.edges.shape:
            raise ValueError(f"num_at_edge has shape {self.num_at_edge.shape}")
        if len(set(self.cells)) < len(self.cells):
            raise ValueError("a cell comes twice")
        if (
            self.edges.size == 0
            or self.edges[0] != -np.inf
            or not np.all(self.edges[1:] > self.edges[:-1])
        ):
            raise ValueError("edges must ascend from minus infinity")

    @property
    def num_faces(self) -> int:
        """Rows with label 1."""
        return int(self.counts[1].sum())

    @property
    def num_negatives(self) -> int:
        """Rows with label 0."""
        return int(self.counts[0].sum())

    @property
    def is_exact(self) -> NDArray[np.bool_]:
        """Whether all rows of each bin have one and the same score, shape (bin,)."""
        exact: NDArray[np.bool_] = self.num_at_edge == self.counts.sum(axis=(0, 1))
        return exact

    def merge(self, other: ScoreCounts) -> ScoreCounts:
        """Return the counts of both together: this one's cells, then the other's new ones.

        Args:
            other: counts of other rows, by the same attributes and edges.

        Raises:
            ValueError: attributes or edges differ.
        """
        if self.columns != other.columns or not np.array_equal(self.edges, other.edges):
            raise ValueError("only counts by the same attributes and edges add up")
        cells = tuple(dict.fromkeys((*self.cells, *other.cells)))
        position = {cell: code for code, cell in enumerate(cells)}
        counts = np.zeros((2, len(cells), self.edges.size), dtype=np.int64)
        for part in (self, other):
            counts[:, [position[cell] for cell in part.cells]] += part.counts
        return ScoreCounts(
            columns=self.columns,
            cells=cells,
            edges=self.edges,
            counts=counts,
            num_at_edge=self.num_at_edge + other.num_at_edge,
        )

    def at(self, threshold: float) -> IntArray:
        """Return rows by decision, shape (cell, 2 label, 2 decision); decision 1 is "face".

        Args:
            threshold: one of the edges; a row is answered "face" when its score is at least this.

        Raises:
            ValueError: it is no edge, so that a bin would have to be divided.
        """
        first = int(np.searchsorted(self.edges, threshold))
        if first == self.edges.size or self.edges[first] != threshold:
            raise ValueError(f"the threshold {threshold!r} is no edge of the bins")
        halves = [self.counts[..., :first].sum(axis=-1), self.counts[..., first:].sum(axis=-1)]
        return np.ascontiguousarray(np.stack(halves, axis=-1).transpose(1, 0, 2))

    def operating_point(
        self, *, target_fpr: float, min_false_positives: int = 10
    ) -> OperatingPoint:
        """Return what :func:`debias.metrics.operating_point.operating_point` returns for the rows.

        The edges must be those that :func:`edges_for` gives, with or without others.

        Args:
            target_fpr: in (0, 1).
            min_false_positives: fewer expected ones than this make the rate unfit to be measured.

        Raises:
            TooFewNegativesError: there are too few non-faces.
            DataError: no threshold lies above the score that has to stay out.
            ValueError: the bin of the score that has to stay out holds several scores, or the
                lowest score above it is no edge.
        """
        rank = excluded_rank(
            target_fpr=target_fpr,
            num_negatives=self.num_negatives,
            min_false_positives=min_false_positives,
        )
        negatives = self.counts[0].sum(axis=0)
        at_least = negatives[::-1].cumsum()[::-1]
        bin_of_excluded = int(np.flatnonzero(at_least > rank)[-1])
        if not self.is_exact[bin_of_excluded]:
            raise ValueError("the bin of the threshold holds several scores")
        excluded = self.edges[bin_of_excluded]
        num_tied = int(negatives[bin_of_excluded])
        higher = np.flatnonzero(self.counts[..., bin_of_excluded + 1 :].sum(axis=(0, 1)))
        if higher.size == 0 and excluded == np.finfo(np.float64).max:
            raise DataError(
                f"{num_tied:,} of {self.num_negatives:,} non-faces score {excluded:g}, the largest "
                f"float64 there is, so that no threshold keeps to a false-positive rate of "
                f"{100 * target_fpr:g} %",
                hint="Give scores that tell these images apart",
            )
        threshold = np.nextafter(excluded, np.inf)
        if higher.size:
            first = bin_of_excluded + 1 + int(higher[0])
            if not self.num_at_edge[first]:
                raise ValueError("the lowest score above the one that has to stay out is no edge")
            threshold = self.edges[first]
        num_false_positives = int(at_least[bin_of_excluded]) - num_tied
        return OperatingPoint(
            threshold=float(threshold),
            target_fpr=float(target_fpr),
            realised_fpr=num_false_positives / self.num_negatives,
            num_false_positives=num_false_positives,
            num_negatives=self.num_negatives,
            num_tied=num_tied,
        )

    def grouping(self, columns: Sequence[str], *, faces_only: bool = True) -> Grouping:
        """Return the grouping of the cells, as :func:`debias.metrics.counts.group_rows` orders it.

        Args:
            columns: some of the attributes; none puts all in the one group ``()``.
            faces_only: whether groups are those of faces, non-faces being one pool.

        Returns:
            ``codes`` has one entry a cell; -1 where the cell has no row that counts.

        Raises:
            DataError: there would be too many groups.
        """
        counted = self.counts[1] if faces_only else self.counts.sum(axis=0)
        present = np.flatnonzero(counted.sum(axis=-1))
        values = [self.cells[cell] for cell in present]
        table = pd.DataFrame(values, columns=list(self.columns), index=range(len(values)))
        found = group_rows(sensitive_features=table, columns=columns)
        codes = np.full(len(self.cells), -1, dtype=np.intp)
        codes[present] = found.codes
        return Grouping(columns=found.columns, groups=found.groups, codes=codes)

    def marginal(
        self, columns: Sequence[str], table: IntArray, *, faces_only: bool = True
    ) -> GroupCounts:
        """Return a table by cell as one by group.

        Args:
            columns: the attributes of the groups.
            table: whatever adds up, shape (cell, ...), such as what :meth:`at` returns.
            faces_only: see :meth:`grouping`; non-faces of cells without faces are then left out.
        """
        grouping = self.grouping(columns, faces_only=faces_only)
        return GroupCounts(
            columns=grouping.columns,
            groups=grouping.groups,
            counts=sum_by_group(table, grouping=grouping),
        )


def count_scores(
    rows: Iterable[Rows],
    *,
    columns: Sequence[str],
    cells: Sequence[Sequence[str | None]],
    edges: ArrayLike,
) -> ScoreCounts:
    """Return the counts of rows that come in parts.

    Args:
        rows: scores (finite), labels, and positions in ``cells``.
        columns: the attributes.
        cells: their values; None is unknown. Cells that come out alike are counted together.
        edges: where to cut, in any order; minus infinity is added.
    """
    cuts = np.unique(np.append(np.asarray(edges, dtype=np.float64).ravel(), -np.inf))
    names, code_of = distinct_cells(cells)
    shape = (2, len(names), cuts.size)
    counts = np.zeros(math.prod(shape), dtype=np.int64)
    num_at_edge = np.zeros(cuts.size, dtype=np.int64)
    for scores, labels, where in rows:
        bins = np.searchsorted(cuts, scores, side="right") - 1
        flat = (labels * len(names) + code_of[where]) * cuts.size + bins
        counts += np.bincount(flat, minlength=counts.size)
        num_at_edge += np.bincount(bins[cuts[bins] == scores], minlength=cuts.size)
    return ScoreCounts(
        columns=tuple(columns),
        cells=names,
        edges=cuts,
        counts=counts.reshape(shape),
        num_at_edge=num_at_edge,
    )


def distinct_cells(
    cells: Sequence[Sequence[str | None]],
) -> tuple[tuple[tuple[str, ...], ...], NDArray[np.intp]]:
    """Return the cells that are told apart, and the position there of each that was given.

    Args:
        cells: values of attributes; a missing or blank one is unknown.
    """
    words = [tuple((v or "").strip() or UNKNOWN for v in cell) for cell in cells]
    names = tuple(dict.fromkeys(words))
    position = {name: code for code, name in enumerate(names)}
    return names, np.array([position[word] for word in words], dtype=np.intp)


def edges_for(*, excluded: ArrayLike, above: ArrayLike) -> FloatArray:
    """Return edges that make each of these scores a bin of its own.

    The upper one is the threshold of :meth:`ScoreCounts.operating_point`.

    Args:
        excluded: finite scores, shape (score,).
        above: the lowest score of all rows above each of them, or infinity where there is none;
            see :func:`debias.metrics.score_order.lowest_above`. Shape (score,).
    """
    scores = np.asarray(excluded, dtype=np.float64)
    return np.unique(np.concatenate([scores, thresholds_above(scores, above=above)]))


def sum_by_group(table: NDArray[Number], *, grouping: Grouping) -> NDArray[Number]:
    """Return the sums of a table's cells over groups, shape (group, ...).

    Args:
        table: shape (cell, ...).
        grouping: of the cells; those of code -1 are left out.
    """
    sums = np.zeros((len(grouping.groups), *table.shape[1:]), dtype=table.dtype)
    inside = grouping.codes >= 0
    np.add.at(sums, grouping.codes[inside], table[inside])
    return sums
