"""Where the jointly rarest faces lie: in which directions from the mean, and what drives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.audit.weighted_faces import Driver, places, relative_weights
from debias.resampling.drivers import top_drivers
from debias.resampling.weights import SamplingWeights

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
NUM_DRIVERS = 3
"""Latents named for a region, at most."""
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RareRegion:
    """Rare faces that lie in one direction from the mean.

    Attributes:
        rows: their positions among the audited images, the rarest first.
        num_persons: in them, an unknown one counting as somebody else each; None where no person
            is known.
        num_different: of those who surely are different persons, as far as is known; it decides
            whether the centre may be shown.
        centre: the mean of their latents, shape (latent,). Decoded it shows nobody if there are
            enough different persons.
        weight: the mean of their weights, over the mean of all.
        drivers: the latents that are the first to raise most of their weights, and where the
            centre lies in these.
    """

    rows: Codes
    num_persons: int | None
    num_different: int
    centre: Floats
    weight: float
    drivers: tuple[Driver, ...]


def rare_regions(
    mu: NDArray[np.floating],
    whitened: Floats,
    *,
    rarest: Codes,
    rows: Codes,
    persons: Codes | None,
    different: Codes | None = None,
    weights: SamplingWeights,
    most_regions: int,
    least_persons: int,
) -> tuple[RareRegion, ...]:
    """Return the rarest faces sorted by the direction in which they lie from the mean.

    There are as many regions as there can be with enough different persons in each; or one.

    Args:
        mu: posterior means of all faces, shape (face, latent).
        whitened: the same turned and scaled to the identity as covariance.
        rarest: positions of the rarest among all faces, the rarest first, at least one.
        rows: the position of every face among the audited images, shape (face,).
        persons: the person of every face as integers; None where none is known.
        different: integers that differ where faces surely show different persons, shape (face,),
            as :func:`~debias.audit.possible_persons.possible_persons` gives them; None takes the
            persons, or where none is known each face for another.
        weights: of all faces.
        most_regions: at most so many.
        least_persons: different ones in each of several regions.

    Returns:
        The largest first.
    """
    if different is None:
        different = np.arange(len(mu)) if persons is None else persons
    lengths = np.linalg.norm(whitened[rarest], axis=1, keepdims=True)
    directions = whitened[rarest] / np.maximum(lengths, _SMALLEST)
    parts = _parts(
        directions, different[rarest], most_regions=most_regions, least_persons=least_persons
    )
    values, over_mean = np.asarray(mu, dtype=np.float64), relative_weights(weights)
    found = []
    for part in sorted(parts, key=len, reverse=True):
        members = rarest[part]
        centre = values[members].mean(axis=0)
        drivers, _ = top_drivers(weights.drivers[members], weights.probabilities[members])
        named = np.asarray(drivers[:NUM_DRIVERS], dtype=np.intp)
        found.append(
            RareRegion(
                rows=rows[members],
                num_persons=None if persons is None else int(np.unique(persons[members]).size),
                num_different=int(np.unique(different[members]).size),
                centre=centre,
                weight=float(over_mean[members].mean()),
                drivers=tuple(
                    Driver(latent=int(latent), place=float(place))
                    for latent, place in zip(
                        named, places(values, centre[np.newaxis], named)[0], strict=True
                    )
                ),
            )
        )
    return tuple(found)


def _parts(
    directions: Floats, persons: Codes, *, most_regions: int, least_persons: int
) -> list[Codes]:
    """Return the places of each part's directions, by as many clusters as have enough persons."""
    from sklearn.cluster import KMeans

    num_persons = np.unique(persons).size
    for number in range(min(most_regions, num_persons // least_persons), 1, -1):
        labels = KMeans(number, n_init=3, random_state=0).fit_predict(directions)
        parts = [np.flatnonzero(labels == label) for label in range(number)]
        if all(np.unique(persons[part]).size >= least_persons for part in parts):
            return parts
    return [np.arange(len(directions))]
