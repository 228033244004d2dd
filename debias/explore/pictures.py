"""Pictures of a latent space, decoded from points that are nobody's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias.explore.posterior import AggregatedPosterior
from debias.inference.latents import decode_latents
from debias.models.db_vae import FaceModel

EITHER_SIDE = 2.0
"""Standard deviations from the mean between which a latent's effect is measured."""


def picture_change(model: FaceModel, posterior: AggregatedPosterior) -> NDArray[np.float64]:
    """Return how much moving each latent changes the picture, shape (latent,), in [0, 1].

    The mean absolute difference of pixels, on the scale of [0, 1], between two standard deviations
    below the mean and two above it; the other latents stay at their means.

    Args:
        model: a model with a latent space.
        posterior: where the images lie in it.
    """
    moved = EITHER_SIDE * np.diag(posterior.spread)
    ends = [decode_latents(model, posterior.mean + sign * moved) for sign in (-1, 1)]
    difference = ends[1].astype(np.float64) - ends[0]
    change: NDArray[np.float64] = np.abs(difference).mean(axis=(1, 2, 3)) / 255
    return change


def latent_grid(
    model: FaceModel,
    posterior: AggregatedPosterior,
    pair: tuple[int, int],
    *,
    steps: tuple[float, ...],
) -> NDArray[np.uint8]:
    """Return pictures in which two latents move and the others stay at their means.

    Args:
        model: a model with a latent space.
        posterior: where the images lie in it.
        pair: the latent that grows from left to right, and the one that grows upwards.
        steps: where to, in standard deviations from the mean, ascending.

    Returns:
        RGB of shape (row, column, height, width, channel), the first row on top.
    """
    across, up = pair
    points = np.tile(posterior.mean, (len(steps), len(steps), 1))
    offsets = np.asarray(steps)
    points[:, :, across] += offsets * posterior.spread[across]
    points[:, :, up] += offsets[::-1, np.newaxis] * posterior.spread[up]
    pictures = decode_latents(model, points.reshape(-1, posterior.num_latents))
    return pictures.reshape(len(steps), len(steps), *pictures.shape[1:])


def place_normals(
    posterior: AggregatedPosterior, normals: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the points of a latent space that standard normal values stand for.

    In a variational model the prior is standard normal, so they stand for themselves. An
    autoencoder has no prior: there, for points of a normal distribution of the mean and covariance
    that the images have.

    Args:
        posterior: where the images lie.
        normals: shape (..., latent).
    """
    if posterior.kl is not None:
        return normals
    values, vectors = np.linalg.eigh(posterior.covariance)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    placed: NDArray[np.float64] = posterior.mean + normals @ root.T
    return placed


def interpolate(
    start: NDArray[np.float64], end: NDArray[np.float64], *, num_frames: int
) -> NDArray[np.float64]:
    """Return points from one standard normal draw to another, both included.

    Along a great circle [Shoemake1985]: in many dimensions draws lie near a sphere, and a straight
    line between two of them would pass where there are none.

    Args:
        start: shape (latent,).
        end: the same shape.
        num_frames: how many points, at least 2.

    Returns:
        Shape (frame, latent).

    References:
        [Shoemake1985] Shoemake. Animating Rotation with Quaternion Curves. SIGGRAPH 1985.
    """
    places = np.linspace(0.0, 1.0, num_frames)[:, np.newaxis]
    norms = np.linalg.norm(start) * np.linalg.norm(end)
    cosine = float(start @ end / norms) if norms > 0 else 1.0
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    if np.sin(angle) < 1e-6:  # in line with each other
        straight: NDArray[np.float64] = (1 - places) * start + places * end
        return straight
    turned: NDArray[np.float64] = (
        np.sin((1 - places) * angle) * start + np.sin(places * angle) * end
    ) / np.sin(angle)
    return turned
