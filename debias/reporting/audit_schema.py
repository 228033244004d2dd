"""The form of ``audit.json``: all that an audit measured, and what of it passes a limit.

Shares are in [0, 1]. What cannot be estimated is null. Within a version, keys are added and never
removed or changed in meaning.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

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
    """The images of one split."""

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


class LatentJson(TypedDict):
    """One latent: how it is used, and what it shows when it is moved."""

    latent: int
    kl: float | None
    is_active: bool
    mean: float
    deviation: float
    edges: list[float]
    masses: list[float]
    strip: str | None
    """A PNG as a data URI, over ``steps``; null of latents that are not drawn."""
    carries: list[dict[str, Any]]
    """Attributes that it tells something of: ``attribute``, ``information`` (nats), ``by_chance``,
    ``share``, ``p_value``."""


class ModelJson(TypedDict):
    """What a trained model says of the faces."""

    architecture: str
    num_faces: int
    num_active: int
    effective_sample_size: float
    largest_over_mean: float
    sparse: RateJson
    """Faces in sparser regions than a homogeneous set has."""
    regions: list[dict[str, Any]]
    """Where the jointly rarest faces lie: ``num_images``, ``picture`` (decoded from their mean)."""
    steps: list[float]
    latents: list[LatentJson]
    probes: list[dict[str, Any]]
    """Of all latents together, by attribute; the keys are those of
    :class:`debias.audit.probes.AttributeProbe`."""
    outlier_threshold: float
    num_outliers: int
    num_severe: int
    outliers_by_group: list[dict[str, Any]]
    """The keys are those of :class:`debias.audit.outliers.GroupOutliers`."""
    labels: list[dict[str, Any]]
    """``subject``, ``num_judged``, ``accuracy``, ``num_wrong`` and ``reason``."""


class WeightsJson(TypedDict):
    """Suggested weights, and what they do."""

    base: str
    num_kept: int
    num_excluded: int
    num_listed: int
    effective_sample_size: float
    largest_over_mean: float
    shares: list[dict[str, Any]]
    """The keys are those of :class:`debias.audit.suggested_weights.GroupShare`."""


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
    associations: list[dict[str, Any]]
    """The keys are those of :class:`debias.audit.associations.Association`."""
    quality: list[dict[str, Any]]
    """The keys are those of :class:`debias.audit.group_quality.GroupQuality`."""
    copies: CopiesJson
    skin_tones: dict[str, Any]
    """Estimates from pixels; the keys are those of :class:`debias.audit.skin_tone.SkinTones`."""
    model: ModelJson | None
    weights: WeightsJson | None
