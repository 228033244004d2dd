"""Variants of ``whole-margin-0.3``, each with one thing changed: the ablations."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from context import Context, Rows, train
from method import Method, by_settings
from numpy.typing import NDArray
from torch import Tensor
from weighers import fixed

from debias.models.db_vae import FaceModel
from debias.resampling.weights import SamplingWeights, given_weights
from debias.training.weighting import Rebuild, face_weights, latent_weigher

BASE_NAME = "whole-margin-0.3"
BASE = ("resampling.rule=margin", "resampling.target_ess=0.3")
CHANGED = {
    "all-latents": ("no latent is left out", "resampling.activity_threshold=0"),
    "bins-5": ("5 bins", "resampling.num_bins=5"),
    "bins-20": ("20 bins", "resampling.num_bins=20"),
    "alpha-0.001": ("alpha 0.001", "resampling.alpha=0.001"),
    "refresh-3": ("weights made every third epoch", "resampling.refresh=3"),
    "warmup-4": ("four epochs drawn uniformly", "resampling.warmup=4"),
    "cap-100": ("a face may count 100 times", "resampling.cap=100"),
    "kl-0.25": ("a quarter of the KL weight", "loss.kl=1.25e-4"),
    "kl-4": ("four times the KL weight", "loss.kl=2e-3"),
    "kl-warmup-4": ("KL weight rises for four epochs", "loss.kl_warmup=4"),
    "latents-16": ("16 latents", "model.latent_size=16"),
    "latents-128": ("128 latents", "model.latent_size=128"),
    "vae-5": ("VAE terms count five times", "loss.vae=5"),
    "vae-0.2": ("VAE terms count a fifth", "loss.vae=0.2"),
    "vae-0.01": ("VAE terms count a hundredth", "loss.vae=0.01"),
    "last": ("the last epoch's model is kept", "training.selection=last"),
}
"""What is changed in words, and in settings."""


def variants() -> Iterator[Method]:
    """Yield the variants, named ``whole-margin-0.3+CHANGE``."""
    for name, (summary, *changes) in CHANGED.items():
        yield by_settings(f"{BASE_NAME}+{name}", f"{BASE_NAME}, {summary}", *BASE, *changes)
    yield Method(
        name=f"{BASE_NAME}+loss-weights",
        summary=f"{BASE_NAME}, uniform draws: the weights multiply the classification losses",
        train=weighted_losses,
    )
    for share in ("0.3", "0.5"):
        yield Method(
            name=f"two-stage-{share}",
            summary=f"a VAE first, then a classifier drawn by its product at {share}",
            train=partial(two_stages, target_ess=share),
        )


def weighted_losses(context: Context) -> FaceModel:
    """Draw uniformly, and multiply each face's classification loss by n times its probability."""
    by_row: NDArray[np.float64] = np.ones(len(context.images.store))

    def weigh(rebuild: Rebuild) -> SamplingWeights:
        weights = latent_weigher(rebuild)
        by_row[rebuild.faces] = weights.probabilities * len(rebuild.faces)
        return given_weights(np.ones(len(rebuild.faces)))

    def weigh_losses(rows: Rows, losses: Tensor) -> Tensor:
        return torch.from_numpy(by_row[rows]).to(losses)

    return train(context, "db-vae", changes=BASE, weigher=weigh, loss_weigher=weigh_losses)


def two_stages(context: Context, *, target_ess: str) -> FaceModel:
    """Train a VAE of the faces, then a plain classifier that draws by the VAE's product.

    Both trainings have the whole budget, so this costs twice as much.
    """
    changes = ("resampling.rule=product", f"resampling.target_ess={target_ess}")
    vae = train(context, "vae", changes=("resampling.rule=uniform",), name="vae")
    settings = context.settings("vae", changes)
    faces = context.images.rows("train").faces
    weights = face_weights(
        vae,
        context.images.store,
        faces,
        settings=settings.weighting,
        autocast=context.fabric.autocast,
    )
    return train(context, "classifier", weigher=fixed(weights.probabilities))
