"""From a tally to what a report says of each group at one threshold, or why it says nothing.

Negatives either belong to groups as positives do ("grouped", as with a gender classifier) or are
one pool that all groups share ("pool", as with a face detector: a non-face has no skin tone).
With a pool, what needs a group's own negatives is not applicable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from debias.metrics.mover import mover_sum
from debias.metrics.tally import RateName, Shares, Tally

Negatives = Literal["pool", "grouped"]
"""Whether negatives are one pool that all groups share, or belong to groups."""

Status = Literal["estimated", "not_estimable", "not_applicable"]
"""Not estimable for want of rows; not applicable where it would mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A measure of one group or of all rows, or why there is none.

    Attributes:
        status: only an estimated measure has a value.
        value: None unless it is estimated, like ``low`` and ``high``.
        low: lower limit.
        high: upper limit.
        num_successes: of a rate the numerator; None for a measure that is none. Where rows have
            weights it is ``value * num_trials``.
        num_trials: the rows behind it; None where it is not applicable.
        reason: why there is no value, or what has to be known of it; None where all is plain.
    """

    status: Status
    value: float | None = None
    low: float | None = None
    high: float | None = None
    num_successes: float | None = None
    num_trials: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What one threshold gives in one group, or in all rows.

    Attributes:
        recall: the share of positives answered 1.
        fpr: the share of negatives answered 1.
        precision: the share of positives among the rows answered 1.
        accuracy: the share of rows answered rightly.
        balanced_accuracy: the mean of recall and 1 - fpr.
        selection_rate: the share of rows answered 1.
    """

    recall: Measure
    fpr: Measure
    precision: Measure
    accuracy: Measure
    balanced_accuracy: Measure
    selection_rate: Measure


POOLED_REASONS: dict[RateName, str] = {
    "fpr": "Negatives belong to no group; the false-positive rate is that of their one pool.",
    "precision": "Negatives belong to no group, so false positives cannot be counted by group.",
    "accuracy": "Negatives belong to no group, so only positives could be counted as right.",
    "selection_rate": "Negatives belong to no group, so a group's share answered 1 is its recall.",
}
"""Why a rate is not applicable by group where negatives are one pool."""

POOLED_BALANCED_ACCURACY = (
    "The recall is the group's own, the false-positive rate that of the pool of negatives."
)
"""What has to be known of a group's balanced accuracy where negatives are one pool."""

_WANTING: dict[RateName, str] = {
    "recall": "There are no positives.",
    "fpr": "There are no negatives.",
    "precision": "No row was answered 1.",
    "accuracy": "There are no rows.",
    "selection_rate": "There are no rows.",
}


def overall_measures(*, tally: Tally, confidence: float = 0.95) -> Measures:
    """Return what is measured of all rows together.

    Args:
        tally: of one group that holds every row, the negatives of a pool among them.
        confidence: of the intervals, in (0, 1).

    Raises:
        ValueError: the tally has several groups.
    """
    if tally.num_groups != 1:
        raise ValueError(f"all rows are one group, and the tally has {tally.num_groups}")
    return group_measures(tally=tally, confidence=confidence)[0]


def group_measures(
    *, tally: Tally, pool: Tally | None = None, confidence: float = 0.95
) -> tuple[Measures, ...]:
    """Return what is measured of each group.

    Rates have Wilson intervals; balanced accuracy has the MOVER interval of the two that it is
    made of (2 x 50 rows, recall and 1 - fpr of 0.7 to 0.99: it covers 93 to 97 %).

    Args:
        tally: of the groups.
        pool: where negatives are one pool, the tally of all rows as one group: every group's
            balanced accuracy takes the false-positive rate from it, and rates that would need
            negatives by group are not applicable. None where negatives belong to groups.
        confidence: of the intervals, in (0, 1).

    Returns:
        One entry a group, in the order of the tally.

    Raises:
        ValueError: the pool is several groups.
    """
    if pool is not None and pool.num_groups != 1:
        raise ValueError(f"a pool is one group, and its tally has {pool.num_groups}")

    def rates(name: RateName) -> list[Measure]:
        if pool is not None and name in POOLED_REASONS:
            reason = POOLED_REASONS[name]
            return [Measure(status="not_applicable", reason=reason)] * tally.num_groups
        return _rates(getattr(tally, name), wanting=_WANTING[name], confidence=confidence)

    fpr = tally.fpr if pool is None else pool.fpr
    columns = (
        rates("recall"),
        rates("fpr"),
        rates("precision"),
        rates("accuracy"),
        _balanced_accuracies(tally.recall, fpr, pooled=pool is not None, confidence=confidence),
        rates("selection_rate"),
    )
    return tuple(
        Measures(
            recall=recall,
            fpr=false_positives,
            precision=precision,
            accuracy=accuracy,
            balanced_accuracy=balanced,
            selection_rate=selected,
        )
        for recall, false_positives, precision, accuracy, balanced, selected in zip(
            *columns, strict=True
        )
    )


def _rates(shares: Shares, *, wanting: str, confidence: float) -> list[Measure]:
    """Return a rate of each group with its Wilson interval."""
    low, high = shares.wilson(confidence=confidence)
    values = shares.values
    return [
        Measure(
            status="estimated",
            value=float(values[group]),
            low=float(low[group]),
            high=float(high[group]),
            num_successes=float(shares.num_successes[group]),
            num_trials=int(shares.num_trials[group]),
        )
        if shares.num_trials[group] > 0
        else Measure(status="not_estimable", num_successes=0.0, num_trials=0, reason=wanting)
        for group in range(values.size)
    ]


def _balanced_accuracies(
    recall: Shares, fpr: Shares, *, pooled: bool, confidence: float
) -> list[Measure]:
    """Return (recall + 1 - fpr) / 2 of each group, shape (group,); ``fpr`` may be one for all."""
    (low1, high1), (low2, high2) = (x.wilson(confidence=confidence) for x in (recall, fpr))
    low, high = mover_sum(
        values=(recall.values, 1.0 - fpr.values),
        low=(low1, 1.0 - high2),
        high=(high1, 1.0 - low2),
    )
    value = (recall.values + 1.0 - fpr.values) / 2.0
    num_trials = recall.num_trials + fpr.num_trials
    num_negatives = np.broadcast_to(fpr.num_trials, recall.num_trials.shape)
    return [
        Measure(
            status="estimated",
            value=float(value[group]),
            low=float(low[group] / 2.0),
            high=float(high[group] / 2.0),
            num_trials=int(num_trials[group]),
            reason=POOLED_BALANCED_ACCURACY if pooled else None,
        )
        if recall.num_trials[group] > 0 and num_negatives[group] > 0
        else Measure(
            status="not_estimable",
            num_trials=int(num_trials[group]),
            reason=_WANTING["fpr" if recall.num_trials[group] > 0 else "recall"],
        )
        for group in range(value.size)
    ]
