"""From labels and decisions to the numerators and denominators of every group's rates.

A tally of rows knows their persons, pictures and weights; a tally of counts, which streamed data
leave, takes rows as independent and alike. Everything that is measured at a threshold starts from
one of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias.metrics.design_effects import (
    DesignEffects,
    cluster_units,
    design_effects,
    independent,
)
from debias.metrics.intervals import FloatArray, wilson

RateName = Literal["recall", "fpr", "precision", "accuracy", "selection_rate"]
"""What a tally holds of each group."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shares:
    """One rate of every group.

    Attributes:
        num_successes: the numerators, shape (group,). Where rows have weights these are scaled to
            a mean of 1 over the denominator, and numerators are fractional.
        num_trials: the denominators, counted in rows, shape (group,).
        weights: the denominators, counted in weight, shape (group,); rows without weights count 1.
        effects: rows of each group that are worth one independent row.
    """

    num_successes: FloatArray
    num_trials: NDArray[np.int64]
    weights: FloatArray
    effects: DesignEffects

    @property
    def values(self) -> FloatArray:
        """The rates, shape (group,); NaN where there are no trials."""
        with np.errstate(invalid="ignore"):
            return self.num_successes / self.num_trials

    @property
    def design_effects(self) -> FloatArray:
        """Rows that are worth one independent row, at least 1, shape (group,)."""
        return self.effects.values

    @property
    def num_effective(self) -> FloatArray:
        """The numbers of independent rows that would say as much, shape (group,)."""
        return self.num_trials / self.design_effects

    def wilson(self, *, confidence: float = 0.95) -> tuple[FloatArray, FloatArray]:
        """Return the Wilson limits of the rates, each of shape (group,)."""
        return wilson(
            num_successes=self.num_successes,
            num_trials=self.num_trials,
            confidence=confidence,
            design_effect=self.effects.at(confidence),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tally:
    """How a classifier answered in each group of one grouping.

    Attributes:
        num_positives: rows with the label 1, shape (group,).
        num_negatives: rows with the label 0, shape (group,).
        recall: positives answered 1.
        fpr: negatives answered 1.
        precision: positives among the rows answered 1.
        accuracy: rows answered rightly.
        selection_rate: rows answered 1.
    """

    num_positives: NDArray[np.int64]
    num_negatives: NDArray[np.int64]
    recall: Shares
    fpr: Shares
    precision: Shares
    accuracy: Shares
    selection_rate: Shares

    @property
    def num_groups(self) -> int:
        """The number of groups, with and without rows."""
        return self.num_positives.size


def tally_rows(
    *,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    codes: ArrayLike | None = None,
    num_groups: int = 1,
    clusters: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Tally:
    """Return the tally of rows.

    Args:
        y_true: 1 for a positive and 0 for a negative, shape (row,).
        y_pred: the decisions, 0 or 1, shape (row,).
        codes: the group of each row from 0, -1 for none (negatives of a shared pool), shape
            (row,); None puts all rows in one group.
        num_groups: how many groups.
        clusters: the person or picture of each row as integers, shape (row,); None when rows are
            independent.
        sample_weight: finite, not negative, shape (row,); a row of weight 0 is as if it was not
            there. None when all rows count the same.
        confidence: of the intervals that the design effects are for.

    Raises:
        ValueError: shapes differ, a label or a decision is not 0 or 1, a group is not one of
            ``num_groups``, or a weight is negative or not finite.
    """
    labels, answers = as_binary(y_true, name="y_true"), as_binary(y_pred, name="y_pred")
    groups = as_codes(codes, num_rows=labels.size, num_groups=num_groups)
    persons = None
    if clusters is not None:
        persons = as_rows(clusters, name="clusters", num_rows=labels.size)
    weights = as_weights(sample_weight, num_rows=labels.size)
    if answers.shape != labels.shape:
        raise ValueError(f"y_true has {labels.size} rows and y_pred has {answers.size}")
    inside = groups >= 0 if weights is None else (groups >= 0) & (weights > 0)
    if not inside.all():
        labels, answers, groups = labels[inside], answers[inside], groups[inside]
        persons = None if persons is None else persons[inside]
        weights = None if weights is None else weights[inside]
    if persons is None and weights is None:
        cells = np.bincount(4 * groups + 2 * labels + answers, minlength=4 * num_groups)
        return tally_counts(cells.reshape(num_groups, 2, 2))
    units = None if persons is None else cluster_units(codes=groups, clusters=persons)

    def shares(hits: NDArray[np.bool_], rows: NDArray[np.bool_] | None) -> Shares:
        chosen = slice(None) if rows is None else np.flatnonzero(rows)
        return _shares(
            hits=hits[chosen],
            codes=groups[chosen],
            num_groups=num_groups,
            units=None if units is None else units[chosen],
            weights=None if weights is None else weights[chosen],
            confidence=confidence,
        )

    recall, fpr = shares(answers, labels), shares(answers, ~labels)
    return Tally(
        num_positives=recall.num_trials,
        num_negatives=fpr.num_trials,
        recall=recall,
        fpr=fpr,
        precision=shares(labels, answers),
        accuracy=shares(labels == answers, None),
        selection_rate=shares(answers, None),
    )


def tally_counts(counts: ArrayLike) -> Tally:
    """Return the tally of counted rows, which are taken as independent and alike.

    Args:
        counts: how many rows of each group have which label and decision, whole numbers, shape
            (group, 2, 2): ``counts[:, 1, 0]`` are the positives answered 0.

    Raises:
        ValueError: the shape is another, or a count is negative or not whole.
    """
    table = np.asarray(counts)
    if table.ndim != 3 or table.shape[1:] != (2, 2):
        raise ValueError(f"counts have the shape {table.shape}, not (group, 2, 2)")
    if not np.issubdtype(table.dtype, np.integer) or np.any(table < 0):
        raise ValueError("counts must be whole numbers, not negative")
    table = table.astype(np.int64)
    (tn, fp), (fn, tp) = table.transpose(1, 2, 0)

    def shares(successes: NDArray[np.int64], failures: NDArray[np.int64]) -> Shares:
        trials = successes + failures
        return Shares(
            num_successes=successes.astype(np.float64),
            num_trials=trials,
            weights=trials.astype(np.float64),
            effects=independent(trials),
        )

    return Tally(
        num_positives=tp + fn,
        num_negatives=fp + tn,
        recall=shares(tp, fn),
        fpr=shares(fp, tn),
        precision=shares(tp, fp),
        accuracy=shares(tp + tn, fp + fn),
        selection_rate=shares(tp + fp, fn + tn),
    )


def _shares(
    *,
    hits: NDArray[np.bool_],
    codes: NDArray[np.intp],
    num_groups: int,
    units: NDArray[np.intp] | None,
    weights: FloatArray | None,
    confidence: float,
) -> Shares:
    """Return the share of hits in each group of the rows of one denominator."""
    num_trials = np.bincount(codes, minlength=num_groups).astype(np.int64)
    num_hits = np.bincount(codes[hits], minlength=num_groups).astype(np.float64)
    total = num_trials.astype(np.float64)
    if weights is not None:
        total = np.bincount(codes, weights=weights, minlength=num_groups).astype(np.float64)
        found = np.bincount(codes, weights=weights * hits, minlength=num_groups)
        with np.errstate(invalid="ignore"):
            num_hits = np.where(num_trials > 0, found / total * num_trials, 0.0)
    return Shares(
        num_successes=num_hits,
        num_trials=num_trials,
        weights=total,
        effects=design_effects(
            values=hits,
            codes=codes,
            num_groups=num_groups,
            units=units,
            weights=weights,
            confidence=confidence,
        ),
    )


def as_binary(values: ArrayLike, *, name: str) -> NDArray[np.bool_]:
    """Return labels or decisions as truth values.

    Raises:
        ValueError: they are not one-dimensional, or one is not 0 or 1.
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} has {array.ndim} dimensions, not 1")
    if array.dtype != np.bool_ and not ((array == 0) | (array == 1)).all():
        raise ValueError(f"{name} must be 0 or 1 throughout")
    return array.astype(np.bool_)


def as_codes(codes: ArrayLike | None, *, num_rows: int, num_groups: int) -> NDArray[np.intp]:
    """Return the group of each row, 0 for all of them where none are given.

    Raises:
        ValueError: the shape is not (row,), or a code is neither -1 nor of a group.
    """
    if codes is None:
        return np.zeros(num_rows, dtype=np.intp)
    array = as_rows(codes, name="codes", num_rows=num_rows)
    if array.size and (
        not np.issubdtype(array.dtype, np.integer) or array.min() < -1 or array.max() >= num_groups
    ):
        raise ValueError(f"codes must be whole numbers from -1 to {num_groups - 1}")
    return array.astype(np.intp)


def as_weights(sample_weight: ArrayLike | None, *, num_rows: int) -> FloatArray | None:
    """Return weights as numbers, or None.

    Raises:
        ValueError: the shape is not (row,), or a weight is negative or not finite.
    """
    if sample_weight is None:
        return None
    weights = as_rows(sample_weight, name="sample_weight", num_rows=num_rows).astype(np.float64)
    if not np.isfinite(weights).all() or np.any(weights < 0):
        raise ValueError("sample_weight must be finite and not negative throughout")
    return weights


def as_rows(values: ArrayLike, *, name: str, num_rows: int) -> NDArray[Any]:
    """Return an array of one value a row.

    Raises:
        ValueError: the shape is not (row,).
    """
    array = np.asarray(values)
    if array.shape != (num_rows,):
        raise ValueError(f"{name} has the shape {array.shape}, and there are {num_rows} rows")
    return array
