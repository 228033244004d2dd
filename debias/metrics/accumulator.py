"""Counts by group that grow batch by batch, in any training loop and over any number of processes.

Scores are counted in bins with fixed edges, so that the memory does not grow with the rows, and
counts of batches, loaders or processes add up to those of the whole. Labels and scores may be
NumPy arrays or tensors on the CPU; torch itself is not needed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from debias.errors import DataError, UsageError, nearest
from debias.metrics.counts import MAX_GROUPS, UNKNOWN, attribute_values
from debias.metrics.intervals import FloatArray
from debias.metrics.measures import Measures, Negatives, group_measures, overall_measures
from debias.metrics.operating_point import excluded_rank
from debias.metrics.score_counts import IntArray, ScoreCounts, count_scores
from debias.metrics.scorers import Features, feature_table
from debias.metrics.tally import as_binary, as_rows, tally_counts

LOGIT_LIMIT, PROBABILITY_LIMIT, STEPS_PER_LOGIT = 20, 16, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupResult:
    """What accumulated rows say at one threshold.

    Attributes:
        threshold: a row with ``y_score >= threshold`` is answered 1.
        columns: the attributes whose values make the groups.
        overall: of all rows.
        by_group: of each group, in natural order; rows are taken as independent.
    """

    threshold: float
    columns: tuple[str, ...]
    overall: Measures
    by_group: dict[tuple[str, ...], Measures]


class GroupAccumulator:
    """Labels and scores of groups, counted in bins of scores.

    ::

        accumulator = GroupAccumulator({"skin_tone": ["dark", "light"], "gender": ["f", "m"]})
        for images, labels, groups in loader:
            accumulator.update(labels, model(images).detach(), groups)
        accumulator.compute(target_fpr=0.01).by_group["dark", "f"].recall

    Over several processes, add up the arrays of :meth:`state_dict`, and load the sums::

        state = {k: torch.from_numpy(v) for k, v in accumulator.state_dict().items()}
        for counts in state.values():
            torch.distributed.all_reduce(counts)
        accumulator.load_state_dict({k: v.numpy() for k, v in state.items()})

    Every process then holds the whole; a sampler that repeats rows to fill up its last batches
    has them counted twice.

    Args:
        categories: the known values of each attribute, in the order of the columns of sensitive
            features. They are named ahead so that all processes count in the same cells.
        edges: where scores are cut, in any order; by default :func:`default_edges`.
        thresholds: further edges, for thresholds at which rows must divide exactly.

    Raises:
        UsageError: an attribute has no values or one twice, or there would be too many groups.
    """

    def __init__(
        self,
        categories: Mapping[str, Sequence[object]],
        *,
        edges: ArrayLike | None = None,
        thresholds: Sequence[float] = (),
    ) -> None:
        self.categories = {name: _words(name, values) for name, values in categories.items()}
        levels = [(*words, UNKNOWN) for words in self.categories.values()]
        if prod(len(words) for words in self.categories.values()) > MAX_GROUPS:
            raise UsageError(f"there are more than {MAX_GROUPS} groups", hint="Name fewer values")
        cuts = default_edges() if edges is None else np.asarray(edges, dtype=np.float64).ravel()
        cuts = np.append(cuts, np.asarray(thresholds, dtype=np.float64))
        if np.isnan(cuts).any():
            raise UsageError("an edge is NaN")
        self._empty = count_scores(
            (), columns=tuple(self.categories), cells=list(product(*levels)), edges=cuts
        )
        self._counts = self._empty

    @property
    def counts(self) -> ScoreCounts:
        """What has been counted: from it, everything that streamed data give can be computed."""
        return self._counts

    def update(self, y_true: ArrayLike, y_score: ArrayLike, sensitive_features: Features) -> None:
        """Count a batch.

        Args:
            y_true: 1 for a positive and 0 for a negative, shape (row,).
            y_score: finite, of any scale, larger is more like a positive, shape (row,).
            sensitive_features: by name or in the order of the categories, missing = unknown;
                shape (row, attribute), or (row,) for one attribute. Negatives of a shared pool
                have missing ones.

        Raises:
            DataError: a score is not finite, or a value is none of the categories.
            ValueError: shapes differ, or a label is not 0 or 1.
        """
        labels = as_binary(y_true, name="y_true")
        scores = as_rows(y_score, name="y_score", num_rows=labels.size).astype(np.float64)
        num_bad = int(np.count_nonzero(~np.isfinite(scores)))
        if num_bad:
            raise DataError(f"{num_bad} of {scores.size} scores are NaN or infinite")
        batch = count_scores(
            [(scores, labels, self._cells(sensitive_features, num_rows=labels.size))],
            columns=self._empty.columns,
            cells=self._empty.cells,
            edges=self._empty.edges,
        )
        self._counts = self._counts.merge(batch)

    def merge(self, other: GroupAccumulator) -> None:
        """Add what another has counted.

        Raises:
            ValueError: it counts other groups, or in other bins.
        """
        self._check_alike(other)
        self._counts = self._counts.merge(other.counts)

    def __add__(self, other: GroupAccumulator) -> GroupAccumulator:
        """Return a new one that has counted what both have."""
        self._check_alike(other)
        found = GroupAccumulator(self.categories, edges=self._empty.edges)
        found._counts = self._counts.merge(other.counts)
        return found

    def reset(self) -> None:
        """Forget all rows."""
        self._counts = self._empty

    def compute(
        self,
        *,
        target_fpr: float | None = None,
        threshold: float | None = None,
        columns: Sequence[str] | None = None,
        negatives: Negatives = "pool",
        min_false_positives: int = 10,
        confidence: float = 0.95,
    ) -> GroupResult:
        """Return what has been counted so far, at one threshold.

        At an edge rows divide exactly: the figures are those of the rows themselves. A target
        takes the lowest edge that keeps to it, so that the rate falls short of the target by at
        most the negatives of one bin.

        Args:
            target_fpr: of all negatives, in (0, 1).
            threshold: one of the edges; give this or a target.
            columns: the attributes that make groups; all of them when None.
            negatives: whether negatives are one pool, or belong to groups.
            min_false_positives: a target that expects fewer is refused.
            confidence: of the intervals, in (0, 1).

        Raises:
            UsageError: neither or both of target and threshold are given, the threshold is no
                edge, or an attribute is unknown.
            TooFewNegativesError: there are too few negatives for the target.
            DataError: the edges are too coarse for the target.
        """
        if (target_fpr is None) == (threshold is None):
            raise UsageError("give a target_fpr or a threshold")
        chosen = self._empty.columns if columns is None else tuple(columns)
        for name in chosen:
            if name not in self.categories:
                raise UsageError(f"no attribute {name!r}", hint=nearest(name, self.categories))
        if threshold is None:
            assert target_fpr is not None
            threshold = self._threshold(target_fpr, min_false_positives)
        elif threshold not in self._empty.edges:
            raise UsageError(
                f"the threshold {threshold!r} is no edge of the bins",
                hint="Name it among the thresholds when the accumulator is made",
            )
        table = self._counts.at(threshold)
        everybody = tally_counts(table.sum(axis=0, keepdims=True))
        found = self._counts.marginal(chosen, table, faces_only=negatives == "pool")
        groups = group_measures(
            tally=tally_counts(found.counts),
            pool=everybody if negatives == "pool" else None,
            confidence=confidence,
        )
        return GroupResult(
            threshold=float(threshold),
            columns=found.columns,
            overall=overall_measures(tally=everybody, confidence=confidence),
            by_group=dict(zip(found.groups, groups, strict=True)),
        )

    def state_dict(self) -> dict[str, IntArray]:
        """Return copies of the counts; those of several processes add up, array by array."""
        return {
            "counts": self._counts.counts.copy(),
            "num_at_edge": self._counts.num_at_edge.copy(),
        }

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Take counts in place of those that are here.

        Args:
            state: of :meth:`state_dict`, of one made with the same arguments, or sums of such.

        Raises:
            ValueError: an array is missing, has another shape, or is not of whole numbers.
        """
        arrays = {}
        for name, own in self.state_dict().items():
            array = np.asarray(state[name]) if name in state else np.zeros(0)
            if array.shape != own.shape or not np.issubdtype(array.dtype, np.integer):
                raise ValueError(f"{name} must be whole numbers of the shape {own.shape}")
            arrays[name] = array.astype(np.int64)
        self._counts = ScoreCounts(
            columns=self._empty.columns, cells=self._empty.cells, edges=self._empty.edges, **arrays
        )

    def _cells(self, sensitive_features: Features, *, num_rows: int) -> NDArray[np.intp]:
        """Return the position of each row's cell, shape (row,)."""
        table = feature_table(sensitive_features)
        names = list(self.categories)
        if set(names) <= set(table.columns):
            table = table[names]
        if table.shape != (num_rows, len(names)):
            raise ValueError(
                f"sensitive_features has the shape {table.shape}, not {(num_rows, len(names))}"
            )
        codes = np.zeros(num_rows, dtype=np.intp)
        for position, (name, words) in enumerate(self.categories.items()):
            code_of = {word: code for code, word in enumerate((*words, UNKNOWN))}
            found = attribute_values(table.iloc[:, position])
            for word in set(found) - set(code_of):
                raise DataError(f"{name} has the value {word!r}", hint=nearest(word, words))
            own = np.fromiter((code_of[word] for word in found), dtype=np.intp, count=num_rows)
            codes = codes * len(code_of) + own
        return codes

    def _threshold(self, target_fpr: float, min_false_positives: int) -> float:
        """Return the lowest edge whose false-positive rate is at most the target."""
        rank = excluded_rank(
            target_fpr=target_fpr,
            num_negatives=self._counts.num_negatives,
            min_false_positives=min_false_positives,
        )
        at_least = self._counts.counts[0].sum(axis=0)[::-1].cumsum()[::-1]
        keeping = np.flatnonzero(at_least <= rank)
        if keeping.size == 0:
            raise DataError(
                f"more than {100 * target_fpr:g} % of the negatives score at least "
                f"{self._empty.edges[-1]:g}, the highest edge",
                hint="Name higher or finer edges when the accumulator is made",
            )
        return float(self._empty.edges[keeping[0]])

    def _check_alike(self, other: GroupAccumulator) -> None:
        if self.categories != other.categories:
            raise ValueError("only counts of the same attributes and values add up")


def default_edges() -> FloatArray:
    """Return edges that serve logits and probabilities alike, ascending, shape (edge,).

    Every hundredth from -20 to 20, and the probabilities of the logits of every hundredth from
    -16 to 16, with 0 and 1. A threshold that a target sets is then off by at most 0.01 logits:
    where logits of negatives are normal with a standard deviation of 1, a false-positive rate of
    1 % comes out at 0.97 % at the least, and nearer where they spread wider. Scores on other
    scales need edges of their own.
    """
    logits = np.arange(-LOGIT_LIMIT * STEPS_PER_LOGIT, LOGIT_LIMIT * STEPS_PER_LOGIT + 1)
    inner = np.abs(logits) <= PROBABILITY_LIMIT * STEPS_PER_LOGIT
    probabilities = special.expit(logits[inner] / STEPS_PER_LOGIT)
    return np.unique(np.concatenate([logits / STEPS_PER_LOGIT, probabilities, [0.0, 1.0]]))


def _words(name: str, values: Sequence[object]) -> tuple[str, ...]:
    """Return the values of an attribute as words, without the unknown."""
    words = [str(word) for word in attribute_values(pd.Series(list(values), dtype=object))]
    known = tuple(word for word in words if word != UNKNOWN)
    if not known or len(set(known)) < len(known):
        raise UsageError(f"the values of {name!r} must be different, and at least one")
    return known
