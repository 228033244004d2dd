"""The form of ``report.json``. Whatever reads a report may rely on this and on nothing else.

Rates are shares in [0, 1]. What cannot be estimated is null, never 0 or 1. Keys are only ever
added within a version; a changed or removed key is a new version.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

SCHEMA_VERSION = 1

InputRole = Literal["predictions", "operating point", "attributes", "compare", "embedding"]


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
    mean_of_images: float | None
    variance: float | None
    """Sample variance (n - 1) of the ranked groups' recall, in squared percentage points."""
    pairs: list[PairJson]
    verdict: VerdictJson | None
    """Null with fewer than two ranked groups."""
    disparities: list[DisparityJson]


class OperatingPointJson(TypedDict):
    """Everything at one threshold; with status "refused" only the first keys are set."""

    source: Literal["stored", "decisions", "test"]
    """The stored threshold; given decisions without one; or set on the test's own non-faces."""
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
    """In recall of all faces, at those thresholds."""
    gain_at_same_fpr: float
    """Of that, what is left at the false-positive rate of the other."""


class ComparisonJson(TypedDict):
    """Two models on the images that both predict."""

    num_faces: int
    num_negatives: int
    num_only_here: int
    num_only_other: int
    moved_threshold: MovedThresholdJson | None
    """Null unless a threshold or decisions came with either."""
    points: list[ComparisonPointJson]


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


class CalibrationJson(TypedDict):
    """Whether scores are the probabilities that they look like."""

    status: Literal["estimated", "not_applicable"]
    reason: str | None
    bins: list[CalibrationBinJson]


class SliceAttributeJson(TypedDict):
    """A value that is more common in a slice than elsewhere."""

    name: str
    value: str
    share: float
    share_elsewhere: float
    adjusted_p_value: float


class SliceJson(TypedDict):
    """A region of the embedding where errors concentrate."""

    name: str
    num_images: int
    error_rate: RateJson
    error_rate_elsewhere: RateJson
    low: float
    high: float
    """Limits of its error rate that hold for all slices that were looked at together."""
    adjusted_p_value: float
    attributes: list[SliceAttributeJson]
    image_ids: list[str]
    """Some that lie in its midst; empty unless asked for."""


class SlicesJson(TypedDict):
    """Where errors concentrate, found in an embedding without attributes."""

    embedding: str
    num_dimensions: int
    num_images: int
    """Faces with an embedding."""
    num_candidates: int
    """Regions that were looked at; the correction is for so many."""
    target_fpr: float | None
    threshold: float | None
    slices: list[SliceJson]
    """Those with a raised error rate after correction, the worst first."""


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


class ConditionJson(TypedDict):
    """A condition of ``--fail-if`` and whether it holds."""

    condition: str
    value: float | None
    holds: bool
    reason: str | None
    """Where it holds, or why it cannot be told."""


class InputJson(TypedDict):
    """A file that the report was made from."""

    role: InputRole
    path: str
    """Its name, after that of the run directory it lies in, if it does."""
    sha256: str


class RowsJson(TypedDict):
    """Which images were judged."""

    chosen: str
    num_in_file: int
    num_unlabelled: int
    seen_splits: list[str]
    """"train", "val" or both, where only such rows were there to judge and nobody asked for them.
    """
    num_faces: int
    num_faces_identified: int
    """Faces with an identity_id."""
    num_persons: int | None
    """Identities of these faces; null where no face has one."""
    num_negatives: int
    num_pictures: int
    negatives: Literal["pool", "grouped"]
    """Whether negatives belong to groups as positives do, or are one pool that all share."""
    has_weights: bool


class AttributeJson(TypedDict):
    """A sensitive attribute and where its labels come from."""

    name: str
    provenance: str
    num_unknown: int


class JoinJson(TypedDict):
    """How predictions and attributes met on ``image_id``."""

    num_faces_matched: int
    num_faces_unmatched: int
    num_negatives_known: int
    num_attributes_unmatched: int


class ReportJson(TypedDict):
    """The whole report."""

    schema_version: int
    job: Literal["report"]
    created: str
    versions: dict[str, str]
    platform: str
    settings: dict[str, Any]
    inputs: list[InputJson]
    rows: RowsJson
    attributes: list[AttributeJson]
    join: JoinJson | None
    operating_points: list[OperatingPointJson]
    sweep: SweepJson | None
    """Null without scores, with those of several models or of rows with weights, and for a table
    that was counted without being held.
    """
    calibration: CalibrationJson
    comparison: ComparisonJson | None
    seeds: SeedsJson | None
    """Null unless the predictions are of several trained models."""
    slices: SlicesJson | None
    """Null unless an embedding was given."""
    conditions: list[ConditionJson]
    notes: list[str]
