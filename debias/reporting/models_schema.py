"""The form of figures of two models or of several; see :mod:`debias.reporting.schema`."""

from __future__ import annotations

from typing import Literal, TypedDict

from debias.reporting.measure_schema import RateJson


class DifferenceJson(TypedDict):
    """A figure of these predictions minus that of the compared ones."""

    value: float | None
    low: float | None
    high: float | None


class GroupComparisonJson(TypedDict):
    """One group's recall by either model."""

    name: str
    values: list[str]
    status: Literal["ranked", "small", "empty", "unknown"]
    recall: RateJson
    other_recall: RateJson
    difference: DifferenceJson
    num_gained: int
    """Faces that only these predictions find."""
    num_lost: int
    """Faces that only the compared ones find."""
    mcnemar_p_value: float | None
    """Two-sided, of this group alone; exact where faces are of different persons; null without
    faces.
    """


class GroupingComparisonJson(TypedDict):
    """Two models over the groups of one grouping; with no columns, over all faces."""

    name: str
    columns: list[str]
    groups: list[GroupComparisonJson]
    worst_recall: DifferenceJson | None
    gap: DifferenceJson | None


class ComparisonPointJson(TypedDict):
    """Two models at one false-positive rate on the same non-faces."""

    target_fpr: float
    status: Literal["estimated", "refused"]
    reason: str | None
    fpr: RateJson | None
    other_fpr: RateJson | None
    groupings: list[GroupingComparisonJson]


class MovedThresholdJson(TypedDict):
    """How much of a gain in recall as given is what a moved threshold alone would bring."""

    fpr: float
    other_fpr: float
    """At the thresholds that came with either."""
    gain: float
    """In recall of all faces, at those thresholds, which its limits take as they are."""
    gain_low: float
    gain_high: float
    gain_at_same_fpr: float
    """Of that, what is left at the false-positive rate of the other."""
    gain_at_same_fpr_low: float
    gain_at_same_fpr_high: float
    """Limits for other faces and other non-faces."""
    gain_by_threshold: float
    """The rest: what the moved threshold alone brings."""
    gain_by_threshold_low: float
    gain_by_threshold_high: float


class ComparisonJson(TypedDict):
    """Two models on the images that both predict."""

    num_faces: int
    num_negatives: int
    num_only_here: int
    num_only_other: int
    moved_threshold: MovedThresholdJson | None
    """Null unless a threshold or decisions came with either."""
    points: list[ComparisonPointJson]


class SeedFigureJson(TypedDict):
    """A figure over several trained models: mean, spread, and an interval of two levels."""

    name: str
    columns: list[str]
    values: list[float]
    """One a seed."""
    mean: float
    standard_deviation: float | None
    """Null with fewer than three models, like the limits."""
    low: float | None
    high: float | None
    """For another training and other images alike."""


class SeedsJson(TypedDict):
    """How the figures vary over trainings."""

    seeds: list[str]
    target_fpr: float
    figures: list[SeedFigureJson]
