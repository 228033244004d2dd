"""The losses, term by term, and how they are put together.

Every term is one number an image, of shape ``(batch,)`` or ``(face,)``, until the one mean at
the end: a ``(batch, 1)`` beside a ``(batch,)`` would silently broadcast to a matrix.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from debias.errors import ConfigError

PixelLoss = Literal["l1", "l2"]
Reduction = Literal["mean", "sum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSettings:
    """Weights and reductions of the loss.

    With images indexed by b and faces F, the DB-VAE's loss is::

        1/batch * [ sum_b c1 BCE_b + c sum_(b in F) (c2 R_b + c3 KL_b) ]

    Attributes:
        classification: c1, the weight of the binary cross-entropy.
        vae: c, the weight of the VAE's terms beside the classification. Adam trains the latent head
            and the decoder as fast whatever it is; a small one leaves the encoder that they share
            to the classifier. It counts for 1 where there is no classifier.
        reconstruction: c2, the weight of the reconstruction error.
        kl: c3 (beta), the weight of the divergence from the prior.
        pixel_loss: ``l1`` absolute or ``l2`` squared difference of pixels in [0, 1].
        pixel_reduction: R_b is the ``mean`` or the ``sum`` over channels and pixels. A KL weight
            c3 beside a mean equals c3 x 3 x height x width beside a sum: the lab's 5e-4 at 64x64
            is a beta of about 6.
        kl_warmup: epochs over which c3 rises linearly from 0.
        free_bits: nats each latent may use, on the mean over the batch's faces, without penalty.
        label_smoothing: y becomes y (1 - s) + s / 2 in the cross-entropy.
    """

    classification: float = 1.0
    vae: float = 1.0
    reconstruction: float = 1.0
    kl: float = 5e-4
    pixel_loss: PixelLoss = "l1"
    pixel_reduction: Reduction = "mean"
    kl_warmup: float = 0.0
    free_bits: float = 0.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        weights = ("classification", "vae", "reconstruction", "kl", "kl_warmup", "free_bits")
        for name in weights:
            if not getattr(self, name) >= 0:
                raise ConfigError("a weight cannot be negative", where=f"loss.{name}")
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError("must be in [0, 1)", where="loss.label_smoothing")

    def as_elbo(self, image_size: int) -> LossSettings:
        """Return these settings with the KL weight that makes the loss an evidence bound.

        That is a weight of 1 beside a reconstruction error summed over channels and pixels
        (beta = 1), and as much less beside their mean.

        Args:
            image_size: height and width of the images in pixels.
        """
        num_values = 3 * image_size**2 if self.pixel_reduction == "mean" else 1
        return dataclasses.replace(self, kl=self.reconstruction / num_values)

    def kl_scale(self, epochs_done: float) -> float:
        """Return the share of c3 in force after ``epochs_done`` epochs, in [0, 1]."""
        return 1.0 if self.kl_warmup == 0 else min(1.0, epochs_done / self.kl_warmup)


def classification_loss(
    logit: Float[Tensor, " batch"], y: Float[Tensor, " batch"], *, label_smoothing: float = 0.0
) -> Float[Tensor, " batch"]:
    """Return the binary cross-entropy of each image in nats, from logits."""
    assert logit.shape == y.shape
    target = y * (1 - label_smoothing) + label_smoothing / 2
    return functional.binary_cross_entropy_with_logits(logit, target, reduction="none")


def reconstruction_loss(
    reconstruction: Float[Tensor, "face channel height width"],
    images: Float[Tensor, "face channel height width"],
    *,
    pixel_loss: PixelLoss = "l1",
    reduction: Reduction = "mean",
) -> Float[Tensor, " face"]:
    """Return the reconstruction error of each image, over its channels and pixels."""
    assert reconstruction.shape == images.shape
    difference = reconstruction.float() - images.float()
    each = difference.abs() if pixel_loss == "l1" else difference.square()
    flat = each.flatten(1)
    return flat.mean(1) if reduction == "mean" else flat.sum(1)


def kl_per_latent(
    mu: Float[Tensor, "face latent"], log_var: Float[Tensor, "face latent"]
) -> Float[Tensor, "face latent"]:
    """Return KL(N(mu, exp(log_var)) || N(0, 1)) of each latent of each image in nats, >= 0."""
    assert mu.shape == log_var.shape
    mu, log_var = mu.float(), log_var.float()
    return -0.5 * (1 + log_var - mu.square() - log_var.exp())


def kl_divergence(
    mu: Float[Tensor, "face latent"],
    log_var: Float[Tensor, "face latent"],
    *,
    free_bits: float = 0.0,
) -> Float[Tensor, " face"]:
    """Return each image's divergence from the prior, summed over latents, in nats.

    With ``free_bits`` f the mean over images is ``sum_d max(f, mean_b KL_bd)``: a latent that
    uses less than f nats on average is counted as f and gets no gradient (Kingma et al., 2016).
    """
    each = kl_per_latent(mu, log_var)
    if free_bits:
        free = each.mean(0) < free_bits
        each = torch.where(free, torch.full_like(each, free_bits), each)
    return each.sum(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossParts:
    """The loss and its terms, scalars; a term's own weight is not in it.

    Attributes:
        total: what is minimised.
        classification: mean cross-entropy over the batch; 0 for models without a classifier.
        reconstruction: mean error over the faces; 0 for models without a decoder.
        kl: mean divergence over the faces; 0 for models without a posterior.
    """

    total: Float[Tensor, ""]
    classification: Float[Tensor, ""]
    reconstruction: Float[Tensor, ""]
    kl: Float[Tensor, ""]

    def stacked(self) -> Float[Tensor, " part"]:
        """Return the four numbers, detached, in the order of the fields."""
        parts = (self.total, self.classification, self.reconstruction, self.kl)
        return torch.stack([part.detach() for part in parts])
