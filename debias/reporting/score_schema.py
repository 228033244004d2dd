"""The form of what scores say over all thresholds; see :mod:`debias.reporting.schema`."""

from __future__ import annotations

from typing import Literal, TypedDict

from debias.reporting.measure_schema import MeasureJson, RateJson


class SweepGroupJson(TypedDict):
    """A group over all thresholds of a sweep."""

    name: str
    values: list[str]
    num_faces: int
    recall: list[float]
    low: list[float]
    high: list[float]
    fpr: list[float] | None
    """Of its own negatives; null where they belong to no group."""


class SweepGroupingJson(TypedDict):
    """The ranked groups of a grouping over all thresholds of a sweep."""

    name: str
    columns: list[str]
    groups: list[SweepGroupJson]
    worst_recall: list[float]
    gap: list[float]
    null_median: list[float]
    """The gap that chance alone gives."""


class SweepJson(TypedDict):
    """How recall, worst group and gap move with the threshold: also ROC and DET curves."""

    thresholds: list[float]
    """Descending, so that rates ascend."""
    fpr: list[float]
    """Of all negatives."""
    recall: list[float]
    """Of all faces."""
    groupings: list[SweepGroupingJson]


class CalibrationBinJson(TypedDict):
    """Rows of about the same score."""

    num_rows: int
    mean_score: float
    share: RateJson
    """Of faces."""


class CalibrationGroupJson(TypedDict):
    """The calibration of a group, in bins of its own."""

    name: str
    values: list[str]
    error: MeasureJson
    """The expected calibration error."""
    expected_by_chance: float | None
    """The error that a perfectly calibrated model would have of as many rows."""
    bins: list[CalibrationBinJson]
    """By ascending score; empty where the error is not estimated."""


class CalibrationGroupingJson(TypedDict):
    """The groups of one grouping of all rows."""

    name: str
    columns: list[str]
    groups: list[CalibrationGroupJson]


class CalibrationJson(TypedDict):
    """Whether scores are the probabilities that they look like."""

    status: Literal["estimated", "not_applicable"]
    reason: str | None
    error: MeasureJson
    """The expected calibration error of all rows."""
    expected_by_chance: float | None
    """The error that a perfectly calibrated model would have of as many rows."""
    bins: list[CalibrationBinJson]
    groupings: list[CalibrationGroupingJson]
    """Those with a group whose calibration is estimated: none where negatives are one pool."""
