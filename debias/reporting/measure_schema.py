"""The form of a rate and of a measure in ``report.json``; see :mod:`debias.reporting.schema`."""

from __future__ import annotations

from typing import Literal, TypedDict


class RateJson(TypedDict):
    """A share with its Wilson interval; ``value``, ``low``, ``high`` are null without trials."""

    num_successes: float
    """A whole number, unless rows have weights."""
    num_trials: int
    value: float | None
    low: float | None
    high: float | None
    design_effect: float | None
    """Rows that are worth one independent row; null when all share one person or picture."""


class MeasureJson(TypedDict):
    """A measure of one group or of all rows, or why there is none."""

    status: Literal["estimated", "not_estimable", "not_applicable"]
    """Not estimable for want of rows; not applicable where it would mean nothing."""
    value: float | None
    low: float | None
    high: float | None
    num_successes: float | None
    """Of a rate; null for a measure that is none. Fractional where rows have weights."""
    num_trials: int | None
    reason: str | None


class MeasuresJson(TypedDict):
    """What is measured of every group, and of all rows together."""

    recall: MeasureJson
    fpr: MeasureJson
    precision: MeasureJson
    accuracy: MeasureJson
    balanced_accuracy: MeasureJson
    selection_rate: MeasureJson
    auc: MeasureJson
    ece: MeasureJson
    """Expected calibration error, of scores that are probabilities."""
