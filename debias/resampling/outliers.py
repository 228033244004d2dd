"""Telling junk from rare faces, from what a model makes of them: NumPy and scikit-learn only.

A wrong crop lies as far out in a latent space as a rare face does. Two things tell them apart. Rare
faces are still faces, which a decoder of faces reconstructs; junk it reconstructs badly. But any
picture with much detail is reconstructed badly and a blank one well, whatever they show, so the
error counts for what is left of it when the detail is allowed for [Serra2020]. And rare faces
lie in sparse regions, junk in all but empty ones. Neither is sure; what both say is surer.

Each measure is put on the scale of a standard normal whose upper half fits the bulk: the median is
0 and the 85th percentile is where that of a normal is. A few per cent of junk move neither.

References:
    [Serra2020] Serrà, Álvarez, Gómez, Slizovskaia, Núñez, Luque. Input complexity and
    out-of-distribution detection with likelihood-based generative models. ICLR 2020.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from debias.errors import DataError

Floats = NDArray[np.float64]

FALSE_POSITIVE_RATE = 0.005
"""Share of a set without junk that the threshold is meant to pass."""
NUM_NEIGHBOURS = 10
MOST_REFERENCES = 10_000
_UPPER = 0.85
_NUM_FITS = 5
_SMALLEST = 1e-6


def outlier_threshold(false_positive_rate: float = FALSE_POSITIVE_RATE) -> float:
    """Return the score that a share of a standard normal exceeds.

    Args:
        false_positive_rate: in (0, 1).
    """
    return float(-special.ndtri(false_positive_rate))


def tail_scores(values: Floats) -> Floats:
    """Return values with their median at 0 and their 85th percentile at a normal's, 1.04.

    Where these two are the same, all are 0: nothing can be said.

    Args:
        values: finite, shape (image,), the larger the more outlying.
    """
    middle, upper = np.quantile(values, [0.5, _UPPER])
    spread = (upper - middle) / special.ndtri(_UPPER)
    if not spread > 0:
        return np.zeros(len(values))
    return np.asarray((values - middle) / spread, dtype=np.float64)


def residual_errors(error: Floats, detail: Floats) -> Floats:
    """Return log reconstruction errors less what the detail of each image leads to expect.

    That is a parabola of log error on log detail, fitted to the images by least squares over and
    over, each time without those beyond three robust standard deviations.

    Args:
        error: reconstruction errors, not negative, shape (image,).
        detail: how hard each image is to reconstruct, not negative, in any unit.
    """
    target = np.log(np.maximum(error, _SMALLEST))
    known = np.log(np.maximum(detail, _SMALLEST))
    known = (known - known.mean()) / max(float(known.std()), _SMALLEST)
    terms = np.stack([np.ones_like(known), known, known**2], axis=1)
    fitted = np.ones(len(target), dtype=np.bool_)
    for _ in range(_NUM_FITS):
        residual = target - terms @ np.linalg.lstsq(terms[fitted], target[fitted], rcond=None)[0]
        spread = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
        fitted = np.abs(residual - np.median(residual)) <= 3 * spread
    return np.asarray(residual, dtype=np.float64)


def neighbour_distances(
    mu: NDArray[np.floating],
    *,
    generator: np.random.Generator,
    num_neighbours: int = NUM_NEIGHBOURS,
    most_references: int = MOST_REFERENCES,
) -> Floats:
    """Return the mean distance of each image to its nearest neighbours, itself left out.

    In standard deviations of each latent. The larger, the lower is the density there. Among many
    images neighbours are sought in a random part, which changes all distances alike.

    Args:
        mu: posterior means of the active latents, finite, shape (image, latent).
        generator: draws the part.
        num_neighbours: how many, at most as many as there are others.
        most_references: how many images the part has.

    Returns:
        Shape (image,); zeros where there is no latent or no other image.
    """
    from sklearn.neighbors import NearestNeighbors

    num_images, num_latents = mu.shape
    if num_images < 2 or not num_latents:
        return np.zeros(num_images)
    means = np.asarray(mu, dtype=np.float64)
    placed = (means - means.mean(axis=0)) / np.maximum(means.std(axis=0), _SMALLEST)
    chosen = np.arange(num_images)
    if num_images > most_references:
        chosen = np.sort(generator.choice(num_images, most_references, replace=False))
    count = min(num_neighbours, len(chosen) - 1)
    index = NearestNeighbors(n_neighbors=count + 1, algorithm="brute").fit(placed[chosen])
    distances, found = index.kneighbors(placed)
    # An image that is among the references finds itself, at distance 0, or as near copies of it.
    itself = (chosen[found] == np.arange(num_images)[:, np.newaxis]).any(axis=1)
    surplus = np.where(itself, 0.0, distances[:, -1])
    return np.asarray((distances.sum(axis=1) - surplus) / count, dtype=np.float64)


def outlier_scores(
    mu: NDArray[np.floating],
    *,
    error: Floats,
    detail: Floats,
    generator: np.random.Generator,
) -> Floats:
    """Return how little each image is like the others, as a rare face is not.

    The smaller of the scores of the residual reconstruction error and of the log distance to the
    nearest neighbours, put on the scale of one: junk is both badly reconstructed and far out.

    Args:
        mu: posterior means of the active latents, shape (image, latent).
        error: reconstruction errors, shape (image,).
        detail: how hard each image is to reconstruct, shape (image,).
        generator: draws the images among which neighbours are sought, where there are many.

    Returns:
        Shape (image,); :func:`outlier_threshold` is where outliers begin.
    """
    distance = neighbour_distances(mu, generator=generator)
    far = tail_scores(np.log(np.maximum(distance, _SMALLEST)))
    return tail_scores(np.minimum(tail_scores(residual_errors(error, detail)), far))


def hold_down(
    probabilities: NDArray[np.float64], outliers: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], int]:
    """Return probabilities in which no outlier exceeds the mean, and how many did.

    What is taken from them goes to all others in proportion, which may lift one above a cap that
    it was held at.

    Args:
        probabilities: shape (image,), summing to 1.
        outliers: a mask, shape (image,); None for none. Where all are, nothing changes.

    Raises:
        DataError: the mask does not fit.
    """
    if outliers is None:
        return probabilities, 0
    if outliers.shape != probabilities.shape or outliers.dtype != np.bool_:
        raise DataError(
            f"{probabilities.size} images need as many outlier marks, true or false; got "
            f"{outliers.dtype} of shape {outliers.shape}"
        )
    if outliers.all():
        return probabilities, 0
    mean = 1.0 / probabilities.size
    above = outliers & (probabilities > mean)
    excess = float((probabilities[above] - mean).sum())
    held = np.where(above, mean, probabilities)
    held[~outliers] *= 1.0 + excess / held[~outliers].sum()
    return held, int(above.sum())
