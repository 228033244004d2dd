"""Whether a latent space is continuous: what lies close together in it decodes alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuity:
    """How far neighbours in a latent space are neighbours among the decoded pictures.

    Attributes:
        value: the trustworthiness of [Venna2001], in [0, 1]: 1 where the nearest neighbours of
            each point in the latent space are its nearest among the pictures, too; about 0.5 by
            chance.
        chance: the same where each point has another one's picture.
        num_images: points compared.
        num_neighbours: neighbours of each.

    References:
        [Venna2001] Venna, Kaski. Neighborhood Preservation in Nonlinear Projection Methods: An
        Experimental Study. ICANN 2001.
    """

    value: float
    chance: float
    num_images: int
    num_neighbours: int


def latent_continuity(
    latents: NDArray[np.floating],
    pictures: NDArray[np.uint8],
    *,
    num_neighbours: int = 10,
    generator: np.random.Generator,
) -> Continuity | None:
    """Return how far neighbours in a latent space decode alike, by Euclidean distances.

    Args:
        latents: shape (image, latent).
        pictures: decoded from them, shape (image, height, width, channel).
        num_neighbours: how many to look at.
        generator: of the permutation that shows what chance gives.

    Returns:
        None where there are fewer than three images a neighbour.
    """
    from sklearn.manifold import trustworthiness

    if len(latents) < 3 * num_neighbours:
        return None
    pixels = pictures.reshape(len(pictures), -1).astype(np.float32)
    points = np.asarray(latents, dtype=np.float64)
    orders = (np.arange(len(points)), generator.permutation(len(points)))
    value, chance = (
        float(trustworthiness(pixels, points[order], n_neighbors=num_neighbours))
        for order in orders
    )
    return Continuity(
        value=value, chance=chance, num_images=len(points), num_neighbours=num_neighbours
    )


def longest_step(frames: NDArray[np.uint8]) -> float | None:
    """Return the longest step's share of a path through pictures, in [1 / steps, 1].

    1 / steps where the picture changes evenly, 1 where it jumps once and then stands still.

    Args:
        frames: the pictures along the path, shape (step + 1, height, width, channel).

    Returns:
        None where the picture never changes.
    """
    flat = frames.reshape(len(frames), -1).astype(np.float64)
    lengths = np.sqrt(((flat[1:] - flat[:-1]) ** 2).sum(axis=1))
    whole = lengths.sum()
    return float(lengths.max() / whole) if whole > 0 else None


def explained_variance(
    pictures: NDArray[np.uint8], decoded: NDArray[np.uint8], mean: NDArray[np.floating]
) -> float | None:
    """Return the R^2 of decoded pictures, at most 1: the share of the pixels' variance they show.

    1 - sum (x - x_hat)^2 / sum (x - mean)^2 over images, pixels and channels.

    Args:
        pictures: the originals, shape (image, height, width, channel).
        decoded: what the decoder makes of them, the same shape.
        mean: the picture that knows nothing of an image, shape (height, width, channel).

    Returns:
        None where the originals do not differ from ``mean``.
    """
    missed = total = 0.0
    for original, own in zip(pictures, decoded, strict=True):
        image = original.astype(np.float64)
        missed += float(((image - own) ** 2).sum())
        total += float(((image - mean) ** 2).sum())
    return 1.0 - missed / total if total > 0 else None
