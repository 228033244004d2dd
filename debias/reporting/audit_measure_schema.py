"""The form of what an audit measures of groups; see :mod:`debias.reporting.audit_schema`."""

from __future__ import annotations

from typing import Literal, TypedDict

from debias.reporting.measure_schema import RateJson


class AssociationJson(TypedDict):
    """How far an attribute goes with something else."""

    attribute: str
    """Its name; ``NAME known`` for whether its value is known."""
    partner: str
    partner_kind: Literal["label", "split", "attribute", "measure"]
    values: list[str]
    """Of the attribute."""
    partner_values: list[str]
    """Of the other; of a measure the ranges."""
    counts: list[list[int]]
    """Images by both, a row a value of the attribute."""
    num_images: int
    num_persons: int | None
    num_left_out: int
    """Images of which either is unknown or cannot be measured."""
    cramers_v: float | None
    """Bias-corrected; null where it was not tested."""
    low: float | None
    high: float | None
    information: float | None
    """Nats."""
    by_chance: float | None
    """The information that chance alone gives, nats."""
    share: float | None
    """Of the attribute's entropy."""
    p_value: float | None
    """After correction for all pairs."""
    is_judged: bool
    """Whether it concerns a group that the audit was told to judge, or it was told none."""
    by_nature: str | None
    """Why the two go together in any set; null if they need not."""
    reason: str
    """Why it was not tested; empty where it was."""
    together: list[str]
    """The two values that go together the most; empty where it was not tested."""


class SuperiorityJson(TypedDict):
    """The chance that a picture of a group has a larger value than one of all other faces."""

    value: float | None
    """0.5 is no difference; ties count half."""
    low: float | None
    high: float | None
    p_value: float | None
    num_rows: int
    num_others: int


class GroupQualityJson(TypedDict):
    """One measure of a group's pictures."""

    name: str
    """The group in words."""
    columns: list[str]
    values: list[str]
    measure: str
    num_images: int
    num_persons: int | None
    num_unmeasured: int
    quartiles: list[float | None]
    """Lower quartile, median, upper quartile."""
    worst: float | None
    """The value that the worst pictures of the group reach or are beyond."""
    superiority: SuperiorityJson
    p_value: float | None
    """After correction for all groups and measures."""
    flawed: RateJson | None
    """The share of its pictures beyond the measure's limit; null of measures without one."""
    flawed_elsewhere: RateJson | None
    """That of all other faces."""
    flawed_p_value: float | None
    by_nature: str | None
    """Why a difference is to be expected of any set; null if it is not."""
    allowance: float
    """How far from 0.5 the superiority may lie by nature."""


class ToneShareJson(TypedDict):
    """How many faces are of an estimated tone."""

    name: str
    """Of the swatch, 1 to 10, or of the category."""
    share: RateJson


class RankCorrelationJson(TypedDict):
    """Spearman's rank correlation."""

    value: float | None
    low: float | None
    high: float | None
    largest: float | None
    """What it would be if both put the images in the same order."""


class LightAgreementJson(TypedDict):
    """How far estimate and labels go together in a third of the light."""

    band: str
    brightness: list[float | None]
    """Least and greatest mean L* of the pictures."""
    num_images: int
    correlation: RankCorrelationJson | None


class LabelAgreementJson(TypedDict):
    """How far the estimated skin tone agrees with an attribute."""

    attribute: str
    provenance: str
    scale: str
    values: list[str]
    """The lightest first."""
    confusion: list[list[int]]
    """Faces by label and estimate; the last column counts those without an estimate."""
    num_images: int
    num_unlabelled: int
    num_compared: int
    """One a person."""
    kappa: float | None
    """Cohen's, with quadratic weights."""
    correlation: RankCorrelationJson | None
    agreement: float | None
    """The correlation as a part of the largest possible one."""
    p_value: float | None
    """One-sided, that the agreement is below its limit only by chance."""
    by_light: list[LightAgreementJson]
    num_contrary: int


class SkinTonesJson(TypedDict):
    """Skin tone from pixels: an estimate."""

    num_faces: int
    num_unreadable: int
    num_no_skin: int
    num_no_angle: int
    """Faces with skin whose individual typology angle is not defined, as b* <= 0."""
    monk: list[ToneShareJson]
    ita: list[ToneShareJson]
    median_error: float | None
    """Standard error of the angle within a picture, degrees."""
    median_width: float | None
    """Of the range of swatches of a picture."""
    with_brightness: RankCorrelationJson | None
    """Of the angle and the mean lightness of the picture: how much of the order may be light."""
    agreements: list[LabelAgreementJson]
    provenance: str
