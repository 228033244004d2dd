"""The form of what is found at one threshold; see :mod:`debias.reporting.schema`."""

from __future__ import annotations

from typing import Literal, TypedDict

from debias.reporting.measure_schema import MeasuresJson, RateJson


class ShrunkenJson(TypedDict):
    """A group's recall drawn towards that of all groups, the more the fewer faces it has."""

    value: float
    low: float
    high: float


class GroupJson(TypedDict):
    """One group of faces; its values identify it, its name is for reading."""

    name: str
    values: list[str]
    recall: RateJson
    status: Literal["ranked", "small", "empty", "unknown"]
    effective_size: float
    """Faces that count for ``min_group_size``: persons, or less where a few have most of the faces
    or of the weight; n^2 / sum n_c^2."""
    num_negatives: int | None
    """Null where negatives belong to no group."""
    measures: MeasuresJson
    shrunken_recall: ShrunkenJson | None


class GapJson(TypedDict):
    """The largest recall minus the smallest, and what chance alone would give."""

    value: float
    low: float
    high: float
    worst: str
    worst_values: list[str]
    best: str
    best_values: list[str]
    null_median: float
    null_percentile_95: float
    null_p_value: float


class PairJson(TypedDict):
    """Recall of the first group minus recall of the second."""

    first: str
    first_values: list[str]
    second: str
    second_values: list[str]
    difference: float
    low: float
    high: float
    p_value: float
    adjusted_p_value: float
    """By Holm, over all pairs of all groupings at this threshold (those within control features are
    a family of their own).
    """
    family_low: float
    family_high: float
    """Limits that hold for all pairs of the grouping together."""
    equivalence_p_value: float
    """Of two one-sided tests: that the difference is smaller than the margin either way."""


class WorstRecallJson(TypedDict):
    """The smallest recall of the ranked groups; its limits allow for its being picked."""

    value: float
    low: float
    high: float
    group: str
    values: list[str]


class VerdictJson(TypedDict):
    """Whether a disparity in recall is shown, and whether one beyond the margin is ruled out."""

    verdict: Literal["disparity", "below_margin", "none_beyond_margin", "inconclusive"]
    margin: float
    num_pairs: int
    num_different: int
    """Pairs whose adjusted p-value is at most 1 - confidence."""
    equivalence_p_value: float
    """The largest of all pairs, by Holm over all groupings at this threshold; at most
    1 - confidence rules out a gap beyond the margin.
    """
    needed_per_group: int | None
    """Independent faces in each group that would settle an inconclusive case; else null."""


class DisparityJson(TypedDict):
    """How unequal groups are by one measure, in one number."""

    name: str
    """``demographic_parity``, ``equal_opportunity``, ``equalized_odds``, ``garbe`` or ``fdr``."""
    kind: Literal["difference", "ratio", "index"]
    method: Literal["between_groups", "to_overall"]
    status: Literal["estimated", "not_estimable", "not_applicable"]
    value: float | None
    low: float | None
    high: float | None
    null_median: float | None
    """What chance alone gives where all groups are alike; null where it is not simulated."""
    reason: str | None


class GroupingJson(TypedDict):
    """The groups of one attribute, or of an intersection."""

    name: str
    columns: list[str]
    within: dict[str, str]
    """The values of the control features that these rows share; empty for all rows."""
    groups: list[GroupJson]
    num_ranked: int
    worst: str | None
    worst_recall: WorstRecallJson | None
    """Null without a ranked group."""
    gap: GapJson | None
    mean_of_groups: float | None
    mean_of_groups_low: float | None
    mean_of_groups_high: float | None
    mean_of_images: float | None
    mean_of_images_low: float | None
    mean_of_images_high: float | None
    variance: float | None
    """Sample variance (n - 1) of the ranked groups' recall, in squared percentage points."""
    variance_low: float | None
    variance_high: float | None
    """Limits of the variance of the groups' true recalls, without what chance adds."""
    variance_null_median: float | None
    """What chance alone gives, where all ranked groups have the pooled recall; null with fewer than
    two, like the next ones."""
    variance_null_percentile_95: float | None
    variance_null_p_value: float | None
    pairs: list[PairJson]
    verdict: VerdictJson | None
    """Null with fewer than two ranked groups."""
    disparities: list[DisparityJson]


PointSource = Literal["given", "stored", "decisions", "test"]
"""Where a threshold comes from."""


class OperatingPointJson(TypedDict):
    """Everything at one threshold; with status "refused" only the first keys are set."""

    source: PointSource
    """A given threshold; the one stored with the predictions; decisions without one; or a
    threshold set on the test's own non-faces."""
    target_fpr: float | None
    status: Literal["estimated", "refused"]
    reason: str | None
    threshold: float | None
    fpr: RateJson | None
    expected_false_positives: float | None
    """Of independent non-faces at the target: what the design effect leaves of them counts."""
    recall: RateJson | None
    measures: MeasuresJson | None
    """Of all rows together."""
    groupings: list[GroupingJson]
