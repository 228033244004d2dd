"""How a latent space is covered, with no attribute at all: who is rare in what a model sees.

Rarity is measured in two ways. By weight: the product over the dimensions of how empty each one's
bin is, which is what resampling draws by. Jointly: the distance to the nearest neighbours, in a
space whose covariance is made the identity; it also sees faces that are common in each dimension
and rare in their combination, such as dark skin before a light wall where each alone is common.
Of faces that are all alike it sees those of which there are fewer than the neighbours it looks at.

A model sees only what its latents carry. Where nothing is found, a factor may still be rare that
the model does not see.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from debias.audit.findings import Concerned, Finding
from debias.audit.rare_regions import RareRegion, rare_regions
from debias.audit.weighted_faces import WeightedFace, weighted_faces
from debias.data.shown import LEAST_PERSONS
from debias.metrics.design_effects import design_effect
from debias.metrics.intervals import Rate, rate
from debias.resampling.histogram import LatentHistograms, build_histograms, kl_per_latent
from debias.resampling.outliers import MOST_REFERENCES, neighbour_distances
from debias.resampling.settings import ResamplingSettings
from debias.resampling.weights import SamplingWeights, sampling_weights

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageSettings:
    """How rarity is measured, and when it is told.

    Attributes:
        resampling: the rule that gives the weights, and when a latent is active.
        num_shown: the rarest and the most common faces named.
        num_neighbours: whose mean distance tells how rare a face is jointly.
        rare_share: share of the faces taken for the jointly rarest.
        num_regions: regions that these are sorted into, at most.
        least_persons: different ones in each of several regions, so that their mean shows nobody.
        homogeneous: share of a homogeneous set (a normal distribution of the same covariance)
            whose neighbours are as far as those of what counts as sparse.
        limit: share of faces in sparse regions above which it is told.
        alpha: of the test that the share is above the limit.
        least_faces: with fewer nothing is told of joint rarity.
    """

    resampling: ResamplingSettings = field(default_factory=ResamplingSettings)
    num_shown: int = 24
    num_neighbours: int = 50
    rare_share: float = 0.05
    num_regions: int = 8
    least_persons: int = LEAST_PERSONS
    homogeneous: float = 0.001
    limit: float = 0.01
    alpha: float = 0.005
    least_faces: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentUse:
    """How one latent is used.

    Attributes:
        latent: counted from 0.
        kl: mean divergence from the prior, nats; NaN where the model has no variance.
        is_active: whether it varies and, where known, its divergence reaches the threshold.
        mean: of the posterior means over the faces.
        deviation: standard deviation of these.
        edges: of the histogram's bins, one more than bins.
        masses: share of the faces in each bin, summing to 1.
    """

    latent: int
    kl: float
    is_active: bool
    mean: float
    deviation: float
    edges: tuple[float, ...]
    masses: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coverage:
    """Who is rare in the latent space.

    Attributes:
        latents: every latent, in order.
        weights: the sampling weights, with their effective sample size and what drives them.
        rarest: the faces of largest weight, the largest first.
        most_common: those of smallest weight, the smallest first.
        rarity: how rare each face is jointly: the log of the mean distance to its nearest
            neighbours, shape (face,); NaN where it was not measured.
        sparse: the share of faces sparser than all but ``homogeneous`` of a homogeneous set.
        num_persons: of these faces; None where no person is known.
        regions: where the jointly rarest faces lie, the largest first.
        findings: none or one, of kind ``latent-gap``.
    """

    latents: tuple[LatentUse, ...]
    weights: SamplingWeights
    rarest: tuple[WeightedFace, ...]
    most_common: tuple[WeightedFace, ...]
    rarity: Floats
    sparse: Rate
    num_persons: int | None
    regions: tuple[RareRegion, ...]
    findings: tuple[Finding, ...]

    @property
    def active(self) -> tuple[int, ...]:
        """The active latents."""
        return self.weights.health.active


def latent_coverage(
    mu: NDArray[np.floating],
    log_var: NDArray[np.floating] | None,
    *,
    rows: Codes,
    persons: Codes | None,
    different: Codes | None = None,
    margins: Floats | None = None,
    settings: CoverageSettings,
    generator: np.random.Generator,
) -> Coverage:
    """Return how a model's latent space is covered by faces.

    Args:
        mu: posterior means, finite, shape (face, latent).
        log_var: logs of the posterior variances, the same shape; None for an autoencoder.
        rows: the position of each face among the audited images, ascending, shape (face,).
        persons: the person of each face as integers from 0; None where none is known.
        different: integers that differ where faces surely show different persons, shape (face,);
            see :func:`~debias.audit.rare_regions.rare_regions`.
        margins: the model's log odds of "face", shape (face,); for the rule ``margin``.
        settings: how rarity is measured.
        generator: draws the homogeneous set, and faces where there are many.

    Raises:
        DataError: no faces, or latents that are not finite.
    """
    resampling = settings.resampling
    kl = None if log_var is None else kl_per_latent(mu, log_var)
    weights = sampling_weights(mu, settings=resampling, kl_per_latent=kl, margins=margins)
    order = np.argsort(-weights.probabilities, kind="stable")
    shown = min(settings.num_shown, len(order) // 2)
    whitened = whitened_latents(np.asarray(mu, dtype=np.float64)[:, list(weights.health.active)])
    measured = len(mu) >= settings.least_faces and whitened.shape[1] > 0
    rarity = np.full(len(mu), np.nan)
    is_sparse = np.zeros(len(mu), dtype=np.bool_)
    regions: tuple[RareRegion, ...] = ()
    if measured:
        rarity = _log_distances(whitened, settings, generator)
        is_sparse = rarity > _homogeneous_limit(whitened.shape, settings, generator)
        num_rarest = max(1, round(settings.rare_share * len(mu)))
        regions = rare_regions(
            mu,
            whitened,
            rarest=np.argsort(-rarity, kind="stable")[:num_rarest],
            rows=rows,
            persons=persons,
            different=different,
            weights=weights,
            most_regions=settings.num_regions,
            least_persons=settings.least_persons,
        )
    sparse = rate(
        num_successes=int(is_sparse.sum()),
        num_trials=len(mu) if measured else 0,
        design_effect=design_effect(values=is_sparse, clusters=persons) if measured else 1.0,
    )
    histograms = build_histograms(mu, num_bins=resampling.num_bins)
    return Coverage(
        latents=_latent_uses(mu, kl, histograms, weights.health.active),
        weights=weights,
        rarest=weighted_faces(mu, weights, faces=order[:shown], rows=rows),
        most_common=weighted_faces(mu, weights, faces=order[::-1][:shown], rows=rows),
        rarity=rarity,
        sparse=sparse,
        num_persons=None if persons is None else int(np.unique(persons[is_sparse]).size),
        regions=regions,
        findings=_findings(sparse, is_sparse, rarity, rows, settings),
    )


def whitened_latents(mu: Floats) -> Floats:
    """Return latents turned and scaled to mean 0 and the identity as covariance.

    Directions of next to no variance are left out.

    Args:
        mu: shape (image, latent).
    """
    centred = mu - mu.mean(axis=0)
    if not centred.size:
        return np.zeros_like(mu)
    values, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    enough = values > 1e-9 * max(float(values[-1]), _SMALLEST)
    white: Floats = centred @ axes[:, enough] / np.sqrt(values[enough])
    return white


def _log_distances(
    whitened: Floats, settings: CoverageSettings, generator: np.random.Generator
) -> Floats:
    distances = neighbour_distances(
        whitened, generator=generator, num_neighbours=settings.num_neighbours
    )
    return np.asarray(np.log(np.maximum(distances, _SMALLEST)), dtype=np.float64)


def _homogeneous_limit(
    shape: tuple[int, ...], settings: CoverageSettings, generator: np.random.Generator
) -> float:
    """Return the log distance that few of a homogeneous set of this size exceed.

    The logs are nearly normal, so their mean and deviation give the quantile more surely than
    the few faces beyond it. As many references as the faces have make distances comparable.
    """
    drawn = generator.standard_normal((min(shape[0], MOST_REFERENCES), shape[1]))
    logs = _log_distances(whitened_latents(drawn), settings, generator)
    return float(logs.mean() - special.ndtri(settings.homogeneous) * logs.std())


def _latent_uses(
    mu: NDArray[np.floating],
    kl: Floats | None,
    histograms: LatentHistograms,
    active: tuple[int, ...],
) -> tuple[LatentUse, ...]:
    values = np.asarray(mu, dtype=np.float64)
    masses = histograms.bin_masses
    return tuple(
        LatentUse(
            latent=latent,
            kl=float("nan") if kl is None else float(kl[latent]),
            is_active=latent in active,
            mean=float(values[:, latent].mean()),
            deviation=float(values[:, latent].std()),
            edges=tuple(histograms.edges[latent].tolist()),
            masses=tuple(masses[latent].tolist()),
        )
        for latent in range(values.shape[1])
    )


def _findings(
    sparse: Rate,
    is_sparse: NDArray[np.bool_],
    rarity: Floats,
    rows: Codes,
    settings: CoverageSettings,
) -> tuple[Finding, ...]:
    """Return a note where far more faces lie in sparse regions than in a homogeneous set.

    Never more than a note: every set of faces is uneven, and a rare face is no fault of its own.
    """
    if not sparse.num_trials:
        return ()
    found = np.floor(sparse.num_successes / sparse.design_effect)
    p_value = float(stats.binom.sf(found - 1, np.floor(sparse.num_effective), settings.limit))
    if p_value >= settings.alpha or sparse.value <= settings.limit:
        return ()
    concerned = rows[is_sparse]
    return (
        Finding(
            kind="latent-gap",
            severity="note",
            subject="faces",
            message=f"{concerned.size:,} faces of {sparse.num_trials:,} "
            f"({100 * sparse.value:.1f} %) are farther from all others than "
            f"{100 * (1 - settings.homogeneous):g} % of a homogeneous set would be.",
            measure="share of faces in sparse regions of the latent space",
            value=sparse.value,
            limit=settings.limit,
            p_value=p_value,
            num_images=int(concerned.size),
            images=Concerned.of(concerned, values=rarity[is_sparse]),
        ),
    )
