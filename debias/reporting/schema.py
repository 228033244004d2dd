"""The form of ``report.json``. Whatever reads a report may rely on this and on nothing else.

Rates are shares in [0, 1]. What cannot be estimated is null, never 0 or 1. Keys are only ever
added within a version; a changed or removed key is a new version.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

SCHEMA_VERSION = 1

InputRole = Literal["predictions", "operating point", "attributes", "compare"]


class RateJson(TypedDict):
    """A share with its Wilson interval; ``value``, ``low``, ``high`` are null without trials."""

    num_successes: int
    num_trials: int
    value: float | None
    low: float | None
    high: float | None
    design_effect: float | None
    """Rows that are worth one independent row; null when all share one person or picture."""


class GroupJson(TypedDict):
    """One group of faces; its values identify it, its name is for reading."""

    name: str
    values: list[str]
    recall: RateJson
    status: Literal["ranked", "small", "empty", "unknown"]


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


class GroupingJson(TypedDict):
    """The groups of one attribute, or of an intersection."""

    name: str
    columns: list[str]
    groups: list[GroupJson]
    num_ranked: int
    worst: str | None
    gap: GapJson | None
    mean_of_groups: float | None
    mean_of_images: float | None
    variance: float | None
    """Sample variance (n - 1) of the ranked groups' recall, in squared percentage points."""
    pairs: list[PairJson]


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


class ComparisonJson(TypedDict):
    """Two models on the images that both predict."""

    num_faces: int
    num_negatives: int
    num_only_here: int
    num_only_other: int
    points: list[ComparisonPointJson]


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
    comparison: ComparisonJson | None
    notes: list[str]
