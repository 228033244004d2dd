"""From a model to the sampling weights of the training faces."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from debias.data.store import ImageStore
from debias.inference.encode import Autocast, encode
from debias.inference.latents import LatentRows, latent_rows
from debias.models.db_vae import FaceModel
from debias.resampling.histogram import kl_per_latent
from debias.resampling.outliers import outlier_scores, outlier_threshold
from debias.resampling.settings import ResamplingSettings
from debias.resampling.streaming import LatentStream
from debias.resampling.weights import SamplingWeights, given_weights, sampling_weights
from debias.seeding import numpy_generator
from debias.training.processes import Processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """What is there when the sampling weights of an epoch are made.

    Attributes:
        model: the model as it would be kept now: the average, where one is kept.
        store: decoded images.
        faces: the training faces' rows, shape (image,).
        non_faces: the rows of the training non-faces.
        epoch: the epoch to come, counted from 0.
        settings: the rule, and how many epochs draw uniformly first.
        autocast: the precision to encode in.
        stream: the latents of the batches trained on so far; None where none are collected.
        processes: that train together, and all make the weights at once.
    """

    model: FaceModel
    store: ImageStore
    faces: NDArray[np.int64]
    non_faces: NDArray[np.int64]
    epoch: int
    settings: ResamplingSettings
    autocast: Autocast
    stream: LatentStream | None = None
    processes: Processes = field(default_factory=Processes)

    @property
    def is_due(self) -> bool:
        """Whether weights are to be made for this epoch; in the warm-up, for their health."""
        return self.epoch < self.settings.warmup or self.settings.refresh_due(self.epoch)


Weigher = Callable[[Rebuild], SamplingWeights]


def latent_weigher(rebuild: Rebuild) -> SamplingWeights:
    """Return the weights by the settings' rule; in the warm-up, uniform ones.

    Of a stream, nothing is known of the latents before the first epoch has ended.
    """
    settings = rebuild.settings
    if rebuild.epoch < settings.warmup:
        settings = dataclasses.replace(settings, rule="uniform")
    if rebuild.stream is not None:
        if rebuild.stream.histograms is None:
            return given_weights(np.ones(len(rebuild.faces)))
        return rebuild.stream.weights(settings)
    rebuild.processes.same_buffers(rebuild.model)
    return face_weights(
        rebuild.model,
        rebuild.store,
        rebuild.faces,
        settings=settings,
        autocast=rebuild.autocast,
        processes=rebuild.processes,
    )


def face_weights(
    model: FaceModel,
    store: ImageStore,
    faces: NDArray[np.int64],
    *,
    settings: ResamplingSettings,
    autocast: Autocast,
    processes: Processes | None = None,
) -> SamplingWeights:
    """Return the weights of the faces by where a model puts them in its latent space.

    Args:
        model: a model with a latent space.
        store: decoded images.
        faces: the training faces' rows, shape (image,).
        settings: the rule.
        autocast: the precision to encode in.
        processes: that share the encoding; None for this one alone.
    """
    processes = processes or Processes()
    if settings.outliers == "downweight" and settings.rule != "uniform":
        return _weights_without_outliers(
            processes.share(partial(latent_rows, model, store, autocast=autocast), faces), settings
        )
    encoding = processes.share(partial(encode, model, store, autocast=autocast), faces)
    kl = None if encoding.log_var is None else kl_per_latent(encoding.mu, encoding.log_var)
    return sampling_weights(
        encoding.mu, settings=settings, kl_per_latent=kl, margins=encoding.logit
    )


def _weights_without_outliers(made: LatentRows, settings: ResamplingSettings) -> SamplingWeights:
    """Return the weights with junk held down; decoding every face doubles the work."""
    assert made.mu is not None
    assert made.error is not None
    kl = None if made.log_var is None else kl_per_latent(made.mu, made.log_var)
    active = made.mu if kl is None else made.mu[:, kl >= settings.activity_threshold]
    scores = outlier_scores(
        active,
        error=made.error,
        detail=made.detail,
        generator=numpy_generator(0, "outliers"),
    )
    return sampling_weights(
        made.mu,
        settings=settings,
        kl_per_latent=kl,
        outliers=scores > outlier_threshold(),
        margins=made.logit,
    )


def health_figures(weights: SamplingWeights) -> dict[str, float]:
    """Return the health of the weights as the columns that every epoch logs.

    ``top_driver_1`` to ``top_driver_3`` are numbers of latents, -1 where there are fewer.
    """
    health = weights.health
    top = (*health.top_drivers, -1, -1, -1)[:3]
    return {
        "effective_sample_size": health.effective_sample_size,
        "largest_over_mean": health.largest_over_mean,
        "active_units": float(len(health.active)),
        "held_down": float(health.num_held_down),
        "margin_unexplained": health.unexplained,
        **{f"top_driver_{rank}": float(driver) for rank, driver in enumerate(top, start=1)},
    }
