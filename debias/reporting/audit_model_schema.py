"""The form of what models say in an audit; see :mod:`debias.reporting.audit_schema`."""

from __future__ import annotations

from typing import TypedDict

from debias.reporting.measure_schema import RateJson


class CarriedJson(TypedDict):
    """An attribute of which a latent tells something."""

    attribute: str
    information: float
    """Mutual information, nats."""
    by_chance: float
    """The mean of shuffled attributes."""
    share: float
    """Of the attribute's entropy."""
    p_value: float
    """After correction for all latents and attributes."""


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
    """A picture as a data URI, over ``steps``; null of latents that are not drawn."""
    carries: list[CarriedJson]


class DriverJson(TypedDict):
    """A latent that raises a weight."""

    latent: int
    place: float
    """Where the face, or the mean of the region, lies in it: standard deviations from the mean."""


class RegionJson(TypedDict):
    """Where some of the jointly rarest faces lie."""

    num_images: int
    num_persons: int | None
    """Unknown ones count one an image; null where no person is known."""
    weight: float
    """Mean of its faces, over the mean of all."""
    drivers: list[DriverJson]
    """The latents that drive most of its faces' weights, the first first."""
    picture: str | None
    """Decoded from their mean, as a data URI; null where so few people would be recognised."""


class WeightedFaceJson(TypedDict):
    """A face of large or small weight."""

    weight: float
    """Over the mean."""
    drivers: list[DriverJson]
    image_id: str | None
    """Null unless ids were asked for."""
    picture: str | None
    """The face, and beside it what the decoder makes of its latents, as a data URI; null of
    photographs unless they were asked for."""


class ProbeJson(TypedDict):
    """How well a linear probe over all latents tells an attribute."""

    attribute: str
    values: list[str]
    """That are told apart; none where the attribute cannot be probed."""
    reason: str
    """Why it cannot; empty where it can."""
    num_images: int
    num_persons: int
    num_unknown: int
    num_left_out: int
    balanced_accuracy: float | None
    """On persons it was not fitted to, a mean of repeats."""
    lowest: float | None
    highest: float | None
    chance: float | None
    highest_by_chance: float | None
    """Of repeats with a shuffled attribute."""
    p_value: float | None
    """Of an accuracy no better than chance, after correction for all attributes."""


class RunProbeJson(TypedDict):
    """What one trained model says of an attribute."""

    run: int
    """From 0, in the order of ``runs``."""
    balanced_accuracy: float | None
    """Of all latents together; null where the attribute cannot be probed."""
    accuracy_p_value: float | None
    """Of one no better than chance, after correction for all attributes."""
    is_told: bool
    """Whether all latents together tell it: that p-value is at most 0.05, and the accuracy above
    that of every shuffled attribute."""
    latent: int | None
    """The one that tells most of it; which it is changes from one training to the next."""
    share: float | None
    """Of the attribute's entropy in that latent."""
    p_value: float | None
    """Of that latent's information, after correction for all latents and attributes."""
    is_carried: bool
    """Whether that latent tells it: that p-value is at most 0.05."""


class ProbeSpreadJson(TypedDict):
    """What several trained models say of an attribute."""

    attribute: str
    num_runs: int
    """In which it could be probed."""
    mean: float | None
    """Of the balanced accuracies of all latents together."""
    lowest: float | None
    highest: float | None
    lowest_share: float | None
    """The attribute's entropy in the one latent that tells most of it, lowest over the runs."""
    highest_share: float | None
    num_told: int
    """Runs in which all latents together tell it."""
    num_carried: int
    """Runs in which a single latent tells it."""
    runs: list[RunProbeJson]


class ModelRunJson(TypedDict):
    """A trained model that was asked."""

    name: str
    """Of its directory."""
    architecture: str
    seed: int
    num_faces: int
    num_latents: int
    num_active: int


class GroupOutliersJson(TypedDict):
    """How often a group's faces are called outliers."""

    attribute: str
    value: str
    flagged: RateJson
    others: RateJson
    num_persons: int | None
    p_value: float | None
    adjusted_p_value: float | None
    """For all groups of all attributes."""


class JudgedLabelJson(TypedDict):
    """How many labels the other images contradict."""

    subject: str
    num_judged: int
    accuracy: float | None
    num_wrong: int
    reason: str


class ModelJson(TypedDict):
    """What a trained model says of the faces; of several the first, but for ``spread``."""

    architecture: str
    num_faces: int
    num_active: int
    effective_sample_size: float
    largest_over_mean: float
    sparse: RateJson
    """Faces in sparser regions than a homogeneous set has."""
    regions: list[RegionJson]
    are_drawn: bool
    """Whether a program drew the faces, so that they show nobody."""
    includes_images: bool
    """Whether single faces are shown."""
    rarest: list[WeightedFaceJson]
    """The faces of largest weight, the largest first."""
    most_common: list[WeightedFaceJson]
    """Those of smallest weight, the smallest first."""
    steps: list[float]
    """Standard deviations from the mean."""
    latents: list[LatentJson]
    probes: list[ProbeJson]
    runs: list[ModelRunJson]
    """All models that were asked, in their order; the first is the one described here."""
    spread: list[ProbeSpreadJson]
    """Over the runs; none where there is one run."""
    outlier_threshold: float
    num_outliers: int
    num_severe: int
    outliers_by_group: list[GroupOutliersJson]
    labels: list[JudgedLabelJson]
