"""Autoencoder, VAE and beta-VAE: a latent space of faces and its decoder."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from debias.models.networks import Decoder, NetworkSettings


def sample_latents(
    mu: Float[Tensor, "face latent"],
    log_var: Float[Tensor, "face latent"],
    *,
    generator: torch.Generator,
) -> Float[Tensor, "face latent"]:
    """Return ``mu + exp(log_var / 2) * epsilon``; ``log_var`` is the log of the variance."""
    epsilon = torch.randn(mu.shape, generator=generator, device=mu.device, dtype=torch.float32)
    return mu + torch.exp(0.5 * log_var.float()) * epsilon


class LatentHead(nn.Module):
    """Features to a latent space and back to images.

    Args:
        num_features: width of the encoder's features.
        settings: shape of the latent space and the decoder.
        variational: with a posterior variance (VAE), or without (autoencoder).
    """

    def __init__(
        self, num_features: int, settings: NetworkSettings, *, variational: bool = True
    ) -> None:
        super().__init__()
        self.mu = nn.Linear(num_features, settings.latent_size)
        self.log_var = nn.Linear(num_features, settings.latent_size) if variational else None
        self.decoder = Decoder(settings)

    def posterior(
        self, features: Float[Tensor, "face feature"]
    ) -> tuple[Float[Tensor, "face latent"], Float[Tensor, "face latent"] | None]:
        """Return mean and log variance of the posterior; an autoencoder has no variance."""
        return self.mu(features), None if self.log_var is None else self.log_var(features)

    def forward(
        self, features: Float[Tensor, "face feature"], generator: torch.Generator
    ) -> tuple[
        Float[Tensor, "face latent"],
        Float[Tensor, "face latent"] | None,
        Float[Tensor, "face channel height width"],
    ]:
        """Return mean, log variance and the reconstruction from one sample of the posterior."""
        mu, log_var = self.posterior(features)
        latents = mu if log_var is None else sample_latents(mu, log_var, generator=generator)
        return mu, log_var, self.decoder(latents)
