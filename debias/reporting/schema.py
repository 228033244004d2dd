"""The form of ``report.json``. Whatever reads a report may rely on this and on nothing else.

Rates are shares in [0, 1]. What cannot be estimated is null, never 0 or 1. Keys are only ever
added within a version; a changed or removed key is a new version.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from debias.reporting.measure_schema import RateJson
from debias.reporting.models_schema import ComparisonJson, SeedsJson
from debias.reporting.point_schema import OperatingPointJson
from debias.reporting.score_schema import CalibrationJson, SweepJson

SCHEMA_VERSION = 1

InputRole = Literal["predictions", "operating point", "attributes", "compare", "embedding"]


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
    """Faces in it."""
    error_rate: RateJson
    """Of its faces that had no say in finding it: of all in a cluster, and of about half in a
    half-space, which is sought among the errors of one half of the persons and tested on the other.
    """
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
    """Null without scores, and with those of several models or of rows with weights."""
    calibration: CalibrationJson
    comparison: ComparisonJson | None
    seeds: SeedsJson | None
    """Null unless the predictions are of several trained models."""
    slices: SlicesJson | None
    """Null unless an embedding was given."""
    conditions: list[ConditionJson]
    notes: list[str]
