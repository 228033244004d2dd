"""The models: plain classifier, autoencoders and the DB-VAE, as one composition.

A :class:`FaceModel` is an encoder with a classification head, a latent head, or both. Both is
the DB-VAE of [Amini2019]; the classification head alone is the plain classifier it is compared
with; the latent head alone is an autoencoder, VAE or beta-VAE of faces.

References:
    [Amini2019] Amini, Soleimany, Schwarting, Bhatia, Rus. Uncovering and Mitigating Algorithmic
    Bias through Learned Latent Structure. AIES 2019.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from debias.errors import ConfigError
from debias.models.autoencoder import LatentHead
from debias.models.losses import (
    LossParts,
    LossSettings,
    classification_loss,
    kl_divergence,
    reconstruction_loss,
)
from debias.models.networks import CUSTOM, NetworkSettings, build_encoder

Architecture = Literal["db-vae", "classifier", "vae", "beta-vae", "autoencoder"]
CLASSIFYING: tuple[Architecture, ...] = ("db-vae", "classifier")


class ModelOutput(NamedTuple):
    """What one pass over a training batch gives; ``None`` where a model has no such part.

    Attributes:
        logit: log odds of "face".
        mu: posterior means of the face rows.
        log_var: log of the posterior variances of the face rows.
        reconstruction: decoded face rows.
    """

    logit: Float[Tensor, " batch"] | None
    mu: Float[Tensor, "face latent"] | None
    log_var: Float[Tensor, "face latent"] | None
    reconstruction: Float[Tensor, "face channel height width"] | None


class Encoded(NamedTuple):
    """What encoding images gives.

    Attributes:
        mu: posterior means.
        log_var: log of the posterior variances; None for an autoencoder.
        logit: log odds of "face"; None for a model of faces alone.
    """

    mu: Float[Tensor, "batch latent"]
    log_var: Float[Tensor, "batch latent"] | None
    logit: Float[Tensor, " batch"] | None


class FaceModel(nn.Module):
    """An encoder with a classification head, a latent head, or both.

    Args:
        settings: shape of the networks.
        architecture: which heads it has.
        encoder: any module from images in [0, 1], (batch, channel, height, width), to features,
            (batch, feature); the model's ``settings.encoder`` is then ``custom``.
        num_features: the width of ``encoder``'s features; needed with ``encoder``.

    Raises:
        ConfigError: the architecture or encoder is unknown, or ``num_features`` is missing.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        *,
        architecture: Architecture = "db-vae",
        encoder: nn.Module | None = None,
        num_features: int | None = None,
    ) -> None:
        super().__init__()
        if architecture not in get_args(Architecture):
            raise ConfigError(f"unknown architecture {architecture!r}", where="architecture")
        if encoder is None:
            encoder = build_encoder(settings)
            num_features = encoder.num_features
        else:
            settings = dataclasses.replace(settings, encoder=CUSTOM)
        if num_features is None:
            raise ConfigError("needed beside an encoder of your own", where="num_features")
        self.settings = settings
        self.architecture: Architecture = architecture
        self.encoder = encoder
        self.classifier: nn.Module | None = None
        self.latent_head: LatentHead | None = None
        if architecture in CLASSIFYING:
            self.classifier = nn.Sequential(
                nn.Dropout(settings.dropout), nn.Linear(num_features, 1)
            )
        if architecture != "classifier":
            self.latent_head = LatentHead(
                num_features, settings, variational=architecture != "autoencoder"
            )

    def forward(
        self,
        images: Float[Tensor, "batch channel height width"],
        face_rows: Int[Tensor, " face"],
        generator: torch.Generator,
    ) -> ModelOutput:
        """Return the outputs of a training batch.

        Only the face rows reach the latent head and the decoder, so that non-faces give these
        no gradient and no batch statistics, and cost no decoding.

        Args:
            images: RGB in [0, 1].
            face_rows: indices of the faces in the batch.
            generator: draws from the posterior; on the images' device.
        """
        features = self.encoder(images)
        logit = None if self.classifier is None else self.classifier(features).squeeze(1)
        if self.latent_head is None:
            return ModelOutput(logit=logit, mu=None, log_var=None, reconstruction=None)
        mu, log_var, reconstruction = self.latent_head(features[face_rows], generator)
        return ModelOutput(logit=logit, mu=mu, log_var=log_var, reconstruction=reconstruction)

    def classify(
        self, images: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, " batch"]:
        """Return the log odds of "face" of each image.

        Raises:
            ConfigError: the model has no classification head.
        """
        if self.classifier is None:
            raise ConfigError(
                f"a model of architecture {self.architecture!r} does not classify",
                where="model",
                hint="Train one with --architecture db-vae or classifier",
            )
        logit: Tensor = self.classifier(self.encoder(images)).squeeze(1)
        return logit

    def encode(self, images: Float[Tensor, "batch channel height width"]) -> Encoded:
        """Return each image's posterior, and its log odds of "face" if the model classifies.

        Raises:
            ConfigError: the model has no latent space.
        """
        if self.latent_head is None:
            raise ConfigError(
                f"a model of architecture {self.architecture!r} has no latent space",
                where="model",
                hint="Train one with --architecture db-vae or vae",
            )
        features = self.encoder(images)
        mu, log_var = self.latent_head.posterior(features)
        logit = None if self.classifier is None else self.classifier(features).squeeze(1)
        return Encoded(mu=mu, log_var=log_var, logit=logit)

    def decode(
        self, latents: Float[Tensor, "batch latent"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Return the images that latents stand for, on the scale of [0, 1], unclamped."""
        assert self.latent_head is not None
        images: Tensor = self.latent_head.decoder(latents)
        return images


def training_loss(
    output: ModelOutput,
    images: Float[Tensor, "batch channel height width"],
    y: Float[Tensor, " batch"],
    face_rows: Int[Tensor, " face"],
    *,
    settings: LossSettings,
    kl_scale: float = 1.0,
    loss_weigher: Callable[[Float[Tensor, " batch"]], Float[Tensor, " batch"]] | None = None,
) -> LossParts:
    """Return the loss of a batch, as :class:`~debias.models.losses.LossSettings` defines it.

    The mean is over the whole batch, so that a batch of half faces gives the reconstruction
    half the weight that a batch of faces alone would, as in [Amini2019].

    Args:
        output: the model's outputs for the batch.
        images: what the model saw, in [0, 1].
        y: 1 for faces, 0 for non-faces.
        face_rows: indices of the faces in the batch.
        settings: weights and reductions.
        kl_scale: share of the KL weight in force (warm-up), in [0, 1].
        loss_weigher: from the classification losses, without gradients, how much each counts,
            relative to 1; None for all alike.
    """
    zero = images.new_zeros((), dtype=torch.float32)
    classification = reconstruction = kl = zero
    total = zero
    vae_weight = len(face_rows) / len(images)
    if output.logit is not None:
        vae_weight *= settings.vae
        each = classification_loss(
            output.logit.float(), y, label_smoothing=settings.label_smoothing
        )
        if loss_weigher is not None:
            each = each * loss_weigher(each.detach())
        classification = each.mean()
        total = total + settings.classification * classification
    if output.reconstruction is not None and len(face_rows):
        reconstruction = reconstruction_loss(
            output.reconstruction,
            images[face_rows],
            pixel_loss=settings.pixel_loss,
            reduction=settings.pixel_reduction,
        ).mean()
        total = total + vae_weight * settings.reconstruction * reconstruction
    if output.mu is not None and output.log_var is not None and len(face_rows):
        kl = kl_divergence(output.mu, output.log_var, free_bits=settings.free_bits).mean()
        total = total + vae_weight * settings.kl * kl_scale * kl
    return LossParts(
        total=total, classification=classification, reconstruction=reconstruction, kl=kl
    )
