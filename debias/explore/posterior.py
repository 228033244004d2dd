"""The aggregated posterior: where a set of images lies in a latent space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.resampling.blocks import as_matrix, over_blocks
from debias.resampling.histogram import build_histograms, kl_per_latent

REACH = 3.0
"""Standard deviations from the mean up to which a latent is shown."""
NUM_BINS = 24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AggregatedPosterior:
    """The mean over images of their posteriors, q(z) = 1/n sum of N(mu, exp(log_var)).

    Attributes:
        num_images: images averaged over.
        mean: shape (latent,).
        spread: standard deviations, shape (latent,): of the images' means and, in a variational
            model, of the posteriors around them.
        covariance: of the images' means, shape (latent, latent).
        kl: mean divergence of the posteriors from the prior, in nats, shape (latent,); None for
            an autoencoder.
        histograms: shares of the images' means in bins of equal width from -3 to 3 standard
            deviations around the mean, shape (latent, bin); what lies beyond counts in the
            outermost bins. A row sums to 1.
    """

    num_images: int
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    covariance: NDArray[np.float64]
    kl: NDArray[np.float64] | None
    histograms: NDArray[np.float64]

    @property
    def num_latents(self) -> int:
        """The number of latents."""
        return len(self.mean)

    def active(self, threshold: float) -> NDArray[np.int64]:
        """Return the latents that say something of an image, in ascending order.

        Args:
            threshold: nats from which a latent is active; an autoencoder's is if it varies.
        """
        varies = np.diag(self.covariance) > 0
        return np.flatnonzero(varies if self.kl is None else varies & (self.kl >= threshold))


def aggregated_posterior(
    mu: NDArray[np.floating], log_var: NDArray[np.floating] | None
) -> AggregatedPosterior:
    """Return where images lie in a latent space.

    Args:
        mu: posterior means, shape (image, latent).
        log_var: logs of the posterior variances, the same shape; None for an autoencoder.

    Raises:
        DataError: no images, or values that are not finite.
    """
    means = as_matrix(mu).astype(np.float64)
    for _ in over_blocks(means, lambda *_: None):
        pass  # each block is seen to be finite, and what is not is named
    kl = None if log_var is None else kl_per_latent(means, log_var)
    centre = means.mean(axis=0)
    within = 0.0 if log_var is None else np.exp(log_var.astype(np.float64)).mean(axis=0)
    covariance = np.atleast_2d(np.cov(means, rowvar=False, bias=True))
    spread = np.sqrt(np.diag(covariance) + within)
    wide = np.where(spread > 0, spread, 1.0)
    edges = centre[:, np.newaxis] + wide[:, np.newaxis] * np.linspace(-REACH, REACH, NUM_BINS + 1)
    return AggregatedPosterior(
        num_images=len(means),
        mean=centre,
        spread=spread,
        covariance=covariance,
        kl=kl,
        histograms=build_histograms(means, edges=edges).bin_masses,
    )


def most_telling(
    posterior: AggregatedPosterior, change: NDArray[np.float64], *, number: int, threshold: float
) -> tuple[int, ...]:
    """Return the latents to show first: of the active ones those of the largest KL divergence.

    An autoencoder has none: there, those that change the picture most. Where no latent is active,
    the same of all latents.

    Args:
        posterior: where the images lie.
        change: how much moving each latent changes the picture, shape (latent,).
        number: how many at most.
        threshold: nats from which a latent is active.
    """
    active = posterior.active(threshold)
    candidates = active if len(active) else np.arange(posterior.num_latents)
    measure = change if posterior.kl is None else posterior.kl
    order = candidates[np.argsort(-measure[candidates], kind="stable")]
    return tuple(order[:number].tolist())


def total_correlation(covariance: NDArray[np.float64]) -> float | None:
    """Return the total correlation of Gaussian latents of a covariance, in nats, at least 0.

    1/2 (sum of log variances - log determinant): the divergence of the joint distribution from
    the product of its margins, 0 where the latents are uncorrelated.

    Args:
        covariance: shape (latent, latent), of latents that vary.

    Returns:
        None where it is infinite: a latent is a linear function of others, or there are fewer
        images than latents.

    References:
        [Locatello2019] Locatello et al. Challenging Common Assumptions in the Unsupervised
        Learning of Disentangled Representations. ICML 2019. (For [Watanabe1960].)
    """
    scale = np.sqrt(np.diag(covariance))
    if not len(covariance) or not (scale > 0).all():
        return None
    correlation = covariance / np.outer(scale, scale)
    eigenvalues = np.linalg.eigvalsh(correlation)
    if eigenvalues.min() <= len(correlation) * np.finfo(np.float64).eps:
        return None
    return max(0.0, float(-0.5 * np.log(eigenvalues).sum()))
