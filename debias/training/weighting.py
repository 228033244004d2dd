"""From a model to the sampling weights of the training faces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias.data.store import ImageStore
from debias.inference.encode import Autocast, encode
from debias.models.db_vae import FaceModel
from debias.resampling.histogram import kl_per_latent
from debias.resampling.weights import ResamplingSettings, SamplingWeights, sampling_weights


def face_weights(
    model: FaceModel,
    store: ImageStore,
    faces: NDArray[np.int64],
    *,
    settings: ResamplingSettings,
    autocast: Autocast,
) -> SamplingWeights:
    """Return the weights of the faces by where a model puts them in its latent space.

    Args:
        model: a model with a latent space.
        store: decoded images.
        faces: the training faces' rows, shape (image,).
        settings: the rule.
        autocast: the precision to encode in.
    """
    encoding = encode(model, store, faces, autocast=autocast)
    kl = None if encoding.log_var is None else kl_per_latent(encoding.mu, encoding.log_var)
    return sampling_weights(encoding.mu, settings=settings, kl_per_latent=kl)


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
        **{f"top_driver_{rank}": float(driver) for rank, driver in enumerate(top, start=1)},
    }
