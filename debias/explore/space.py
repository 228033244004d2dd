"""What a model's latent space is like, measured on images of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.data.store import ImageStore
from debias.explore.continuity import Continuity, explained_variance, latent_continuity
from debias.explore.factors import KnownFactor
from debias.explore.pictures import picture_change
from debias.explore.posterior import AggregatedPosterior, aggregated_posterior, most_telling
from debias.explore.scores import LatentScores, latent_scores
from debias.inference.encode import encode
from debias.inference.latents import decode_latents
from debias.models.db_vae import FaceModel
from debias.seeding import numpy_generator

MOST_COMPARED = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatentSpace:
    """A latent space, and how well it stands for images.

    Attributes:
        posterior: where the described images lie.
        change: how much each latent changes the picture; see
            :func:`~debias.explore.pictures.picture_change`.
        active: the active latents, ascending.
        shown: the latents to show, in that order.
        reconstructions: of the judged images, from the means of their posteriors, shape (image,
            height, width, channel).
        r_squared: the share of the judged images' variance that the decoder shows.
        continuity: whether neighbours decode alike, of at most 500 judged images.
        scores: how single latents stand for single factors; None where no factors are known or
            there is too little to judge by.
    """

    posterior: AggregatedPosterior
    change: NDArray[np.float64]
    active: NDArray[np.int64]
    shown: tuple[int, ...]
    reconstructions: NDArray[np.uint8]
    r_squared: float | None
    continuity: Continuity | None
    scores: LatentScores | None


def latent_space(
    model: FaceModel,
    store: ImageStore,
    described: NDArray[np.int64],
    judged: NDArray[np.int64],
    *,
    latents: int | tuple[int, ...],
    threshold: float,
    factors: Sequence[KnownFactor] = (),
    seed: int = 0,
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> LatentSpace:
    """Return what a latent space is like.

    Args:
        model: a model with a latent space.
        store: decoded images.
        described: rows of the images that say where the space is used.
        judged: rows of the images to judge the model on.
        latents: how many to show, the most telling first; or which.
        threshold: nats from which a latent is active.
        factors: of the judged images, where they are known.
        seed: of what is drawn at random.
        track: passes numbers on, and may show how far they are.
    """
    known, seen = encode(model, store, described), encode(model, store, judged)
    posterior = aggregated_posterior(known.mu, known.log_var)
    change = picture_change(model, posterior)
    active = posterior.active(threshold)
    decoded = decode_latents(model, seen.mu)
    compared = slice(0, MOST_COMPARED)
    return LatentSpace(
        posterior=posterior,
        change=change,
        active=active,
        shown=latents
        if isinstance(latents, tuple)
        else most_telling(posterior, change, number=latents, threshold=threshold),
        reconstructions=decoded,
        r_squared=explained_variance(
            store.gather(judged), decoded, store.gather(described).mean(axis=0)
        ),
        continuity=latent_continuity(
            seen.mu[compared], decoded[compared], generator=numpy_generator(seed, "continuity")
        ),
        scores=latent_scores(
            seen.mu,
            factors,
            latents=active.tolist(),
            generator=numpy_generator(seed, "scores"),
            track=track,
        ),
    )
