"""The form of ``explore.json``, which holds every number of the page about a latent space.

Shares are in [0, 1], standard deviations are those of the aggregated posterior. What cannot be
estimated is null.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

EXPLORE_SCHEMA_VERSION = 1


class ExploredModelJson(TypedDict):
    """The model whose latent space it is."""

    run: str
    """The last part of the run directory's name."""
    architecture: str
    image_size: int
    num_latents: int
    seed: int
    kl_weight: float | None
    """Of the divergence in the loss; null for an autoencoder."""
    resampling: str
    balanced: list[int]
    """The latents that its own training was told to balance; empty for all active ones."""


class ExploredImagesJson(TypedDict):
    """The images that were encoded."""

    num_faces: int
    """Given: labelled face, or all where none is labelled."""
    num_persons: int | None
    """Different persons, unknown ones counting one an image; null where none is known."""
    num_described: int
    """Encoded for histograms and divergences."""
    are_trained_on: bool
    """Whether those are faces that the model was trained on, by their ids."""
    num_judged: int
    """Encoded for reconstruction, continuity and scores."""
    are_others: bool
    """Whether those are others than the model was trained on, by their ids."""
    num_failed: int
    are_drawn: bool
    """Whether a program drew them, so that they show nobody."""


class ToldJson(TypedDict):
    """A factor of which a latent tells more than chance."""

    factor: str
    share: float
    """Of the factor's entropy."""


class LatentJson(TypedDict):
    """One latent."""

    latent: int
    """From 0, as ``resampling.latents`` counts."""
    is_active: bool
    kl: float | None
    """Mean divergence from the prior, nats."""
    mean: float
    spread: float
    """Standard deviation."""
    change: float
    """Mean absolute difference of a pixel, in [0, 1], from -2 to 2 standard deviations."""
    histogram: list[float]
    """Shares of the images in bins of equal width from -3 to 3 standard deviations."""
    told: list[ToldJson]


class ScoreJson(TypedDict):
    """A score beside what chance gives; see :class:`debias.explore.scores.Score`."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    chance_mean: float | None
    chance_high: float | None


class LatentScoresJson(TypedDict):
    """How single latents stand for single factors."""

    num_images: int
    latents: list[int]
    factors: list[str]
    information: list[list[float]]
    """Shares of the factors' entropies, a row a latent."""
    chance_information: float
    scores: list[ScoreJson]


class ContinuityJson(TypedDict):
    """Whether neighbours in the latent space decode alike."""

    value: float
    chance: float
    num_images: int
    num_neighbours: int


class GridJson(TypedDict):
    """Two latents that move together."""

    across: int
    up: int
    steps: list[float]


class ExploreJson(TypedDict):
    """The whole exploration."""

    schema_version: int
    job: Literal["explore"]
    created: str
    versions: dict[str, str]
    platform: str
    settings: dict[str, Any]
    model: ExploredModelJson
    images: ExploredImagesJson
    includes_images: bool
    """Whether originals and reconstructions are shown."""
    activity_threshold: float
    """Nats from which a latent is active."""
    num_active: int
    shown: list[int]
    """The latents with sliders, in the page's order."""
    steps: list[float]
    """Where the sliders' frames are, in standard deviations."""
    latents: list[LatentJson]
    r_squared: float | None
    """Share of the pixels' variance that the decoder shows."""
    continuity: ContinuityJson | None
    longest_step: float | None
    """Share of the interpolation that its longest step makes."""
    num_interpolated: int
    num_samples: int
    num_reconstructed: int
    grid: GridJson | None
    total_correlation: float | None
    """Of the active latents, nats, on the described images."""
    scores: LatentScoresJson | None
    scores_missing: str | None
    """Why there are no scores."""
