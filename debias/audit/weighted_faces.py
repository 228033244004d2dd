"""Why single faces are rare by weight: which latents raise it, and where the face lies in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.resampling.drivers import NO_DRIVER
from debias.resampling.weights import SamplingWeights

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A latent that raises a weight.

    Attributes:
        latent: counted from 0.
        place: where the face, or the mean of several, lies in it: standard deviations from the
            mean of all faces.
    """

    latent: int
    place: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedFace:
    """One face and its weight.

    Attributes:
        row: its position among the audited images.
        weight: of drawing it, over the mean weight.
        drivers: the latents that raise it, the strongest first; none of a face that is common in
            each.
    """

    row: int
    weight: float
    drivers: tuple[Driver, ...]


def weighted_faces(
    mu: NDArray[np.floating], weights: SamplingWeights, *, faces: Codes, rows: Codes
) -> tuple[WeightedFace, ...]:
    """Return some faces with their weights, in the order asked for.

    Args:
        mu: posterior means of all faces, shape (face, latent).
        weights: of all faces.
        faces: which, as positions among all faces, shape (asked,).
        rows: the position of every face among the audited images, shape (face,).
    """
    over_mean = relative_weights(weights)
    drivers = weights.drivers[faces]
    named = np.unique(drivers[drivers != NO_DRIVER])
    known = places(mu, np.asarray(mu[faces], dtype=np.float64), named)
    return tuple(
        WeightedFace(
            row=int(rows[face]),
            weight=float(over_mean[face]),
            drivers=tuple(
                Driver(latent=int(latent), place=float(place[np.searchsorted(named, latent)]))
                for latent in own[own != NO_DRIVER]
            ),
        )
        for face, own, place in zip(faces, drivers, known, strict=True)
    )


def relative_weights(weights: SamplingWeights) -> Floats:
    """Return the weight of each image over the mean weight, shape (image,)."""
    return weights.probabilities * len(weights.probabilities)


def places(mu: NDArray[np.floating], points: Floats, latents: NDArray[np.integer]) -> Floats:
    """Return where points lie in latents: standard deviations from the mean of all faces.

    Args:
        mu: posterior means of all faces, shape (face, latent).
        points: shape (point, latent).
        latents: which, shape (named,).

    Returns:
        Shape (point, named).
    """
    values = np.asarray(mu[:, latents], dtype=np.float64)
    scale = np.maximum(values.std(axis=0), _SMALLEST)
    found: Floats = (points[:, latents] - values.mean(axis=0)) / scale
    return found
