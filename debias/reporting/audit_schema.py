"""The form of ``audit.json``: all that an audit measured, and what of it passes a limit.

Shares are in [0, 1]. What cannot be estimated is null. Within a version, keys are added and never
removed or changed in meaning.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from debias.reporting.audit_measure_schema import (
    AssociationJson,
    GroupQualityJson,
    SkinTonesJson,
)
from debias.reporting.audit_model_schema import ModelJson
from debias.reporting.measure_schema import RateJson

AUDIT_SCHEMA_VERSION = 1


class FindingJson(TypedDict):
    """Something measured that passes its limit."""

    number: int
    """From 1, the most serious first; ``findings.csv`` names it."""
    kind: str
    severity: Literal["serious", "warning", "note"]
    subject: str
    message: str
    measure: str
    value: float | None
    limit: float | None
    p_value: float | None
    """After correction for all tests of its kind; null where nothing was tested."""
    num_images: int
    image_ids: list[str] | None
    """The first few; null unless ids were asked for."""


class KindJson(TypedDict):
    """A kind of finding, and whether it was looked for."""

    kind: str
    title: str
    meaning: str
    advice: str
    checked: bool
    reason: str | None
    """Why it was not looked for; null where it was."""
    num_serious: int
    num_warnings: int
    num_notes: int


class SplitJson(TypedDict):
    """The images of one split; where no image at all has a label, all are taken as faces."""

    split: str
    num_faces: int
    num_non_faces: int
    num_unlabelled: int


class AuditedAttributeJson(TypedDict):
    """What is known of one attribute, among the faces."""

    name: str
    provenance: str
    is_group: bool
    num_values: int
    num_known: int
    num_unknown: int


class AuditedJson(TypedDict):
    """What was looked at."""

    chosen: str
    """Which rows of the manifest."""
    num_images: int
    num_readable: int
    num_faces: int
    """Images labelled face; all images where none is labelled."""
    num_pictures: int
    """Files: several images may be windows of one."""
    num_persons: int | None
    """Different persons among the images of known ones; null where none is known."""
    splits: list[SplitJson]
    attributes: list[AuditedAttributeJson]
    num_without_attributes: int
    num_attributes_unmatched: int
    left_out: dict[str, str]
    """Columns of the attributes' file that were not audited, and why."""


class GroupShareJson(TypedDict):
    """How often a group of faces is seen."""

    name: str
    values: list[str]
    known: bool
    num_images: int
    num_persons: int | None
    num_by_split: list[int]
    share: RateJson | None
    """Of the faces whose attributes are known; null for the group of unknown ones."""
    family_low: float | None
    family_high: float | None
    """Limits that hold for all groups of the grouping together."""
    reference: float | None
    ratio: float | None
    p_value: float | None
    num_to_reference: int | None
    num_for_test: int | None


class GroupingSharesJson(TypedDict):
    """The groups that some attributes make."""

    columns: list[str]
    name: str
    num_known: int
    num_unknown: int
    reference: str | None
    """What the shares are held against; null for nothing."""
    effective_groups: float
    smallest_over_largest: float
    needed_per_group: int | None
    groups: list[GroupShareJson]


class RepresentationJson(TypedDict):
    """Whom the set, or a split of it, shows."""

    scope: str
    """``all``, or the split."""
    num_faces: int
    splits: list[str]
    recall: float
    margin: float
    """What ``num_for_test`` is planned for."""
    groupings: list[GroupingSharesJson]


class CountsJson(TypedDict):
    """Groups of copies, the images in them, and the people known in these."""

    groups: int
    images: int
    people: int | None


class CopiesJson(TypedDict):
    """Copies, and what is in two splits."""

    num_compared: int
    num_plain: int
    """Pictures so plain that only the same pixels are found again."""
    exact: CountsJson
    near: CountsJson
    across_splits: CountsJson
    groups_by_splits: dict[str, int]
    conflicts: dict[str, CountsJson]
    num_embedding_pairs: int | None
    num_people: int
    num_torn_people: int
    people_by_splits: dict[str, int]


class GroupWeightJson(TypedDict):
    """What the weights do to a group; shares are of the weighted images."""

    attribute: str
    value: str
    """``unknown`` where it is missing."""
    num_images: int
    num_persons: int | None
    before: float
    """Of the images as they are."""
    after: float
    """Of the draws by weight."""
    listed: float
    """Of the rebalanced list."""


class WeightsJson(TypedDict):
    """Suggested weights, and what they do."""

    base: Literal["latents", "groups", "uniform"]
    """What they were made of."""
    num_kept: int
    num_excluded: int
    num_listed: int
    effective_sample_size: float
    largest_over_mean: float
    shares: list[GroupWeightJson]


class AuditInputJson(TypedDict):
    """A file or folder that was read."""

    role: str
    path: str
    sha256: str | None
    """Null for a folder."""


class AuditJson(TypedDict):
    """The whole audit."""

    schema_version: int
    job: Literal["audit"]
    created: str
    versions: dict[str, str]
    platform: str
    settings: dict[str, Any]
    inputs: list[AuditInputJson]
    images: AuditedJson
    kinds: list[KindJson]
    findings: list[FindingJson]
    representation: list[RepresentationJson]
    associations: list[AssociationJson]
    quality: list[GroupQualityJson]
    copies: CopiesJson
    skin_tones: SkinTonesJson
    model: ModelJson | None
    weights: WeightsJson | None
