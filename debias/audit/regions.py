"""Regions of an embedding in which errors may concentrate: candidates, not findings.

There are two kinds. Clusters are found without a look at the errors, so all images can test them.
Half-spaces are found where the errors of one half of the images are, so only the other half can
test them. Clusters find what stands apart, half-spaces what lies at one end of a direction.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq

MAX_FITTED = 20_000
"""Rows, drawn at random, that axes and clusters are fitted to; all rows are placed by them."""
MAX_COMPONENTS = 64
NUM_CLUSTERS = (8, 24, 64)
NUM_CLUSTERED = 32
"""Leading components that clusters are sought in."""
NUM_LOOKED_AT = (16, 64)
"""Leading components that a direction is sought in."""
SHARES = (0.025, 0.05, 0.1, 0.2)
"""How much of all images a half-space takes."""
NUM_DIRECTIONS = 3
MIN_ERRORS = 5
_CHUNK = 8192
_LARGEST = 5.0

Vectors = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """A part of the embedding.

    Attributes:
        inside: whether each image lies in it, shape (image,).
        depth: how deep each image lies in it, the larger the deeper, shape (image,).
    """

    inside: Mask
    depth: Vectors


def principal_components(
    embedding: NDArray[np.floating], *, generator: np.random.Generator
) -> tuple[Vectors, Vectors]:
    """Return the principal components of an embedding, each of mean 0 and variance 1.

    Dimensions are not standardised first: in a latent space those of small variance are mostly
    the inactive ones, which should come last. Components are cut at 5 standard deviations, so
    that a stray image pulls nothing.

    Args:
        embedding: finite, shape (image, dimension).
        generator: draws the rows that the axes are fitted to, where there are many.

    Returns:
        Shape (image, component), the largest components first, at most 64 of them, none where
        all images are the same; and their standard deviations before, that of the first being 1.
    """
    num_images = len(embedding)
    fitted = np.asarray(embedding[_some(num_images, generator)], dtype=np.float64)
    mean = fitted.mean(axis=0) if num_images else np.zeros(fitted.shape[1])
    unit = float(np.abs(fitted - mean).max(initial=0.0))
    if unit <= 1e-9 * float(np.abs(mean).max(initial=0.0)):
        return np.empty((num_images, 0), dtype=np.float32), np.empty(0, dtype=np.float32)
    fitted = (fitted - mean) / unit
    values, axes = np.linalg.eigh(fitted.T @ fitted / len(fitted))
    values, axes = values[::-1][:MAX_COMPONENTS], axes[:, ::-1][:, :MAX_COMPONENTS]
    enough = values > 1e-9 * values[0]
    spread = np.sqrt(values[enough])
    components = np.empty((num_images, spread.size), dtype=np.float32)
    for start in range(0, num_images, _CHUNK):
        rows = np.asarray(embedding[start : start + _CHUNK], dtype=np.float64) - mean
        placed = rows / unit @ axes[:, enough] / spread
        components[start : start + _CHUNK] = np.clip(placed, -_LARGEST, _LARGEST)
    return components, (spread / spread[0]).astype(np.float32)


def cluster_regions(
    components: Vectors, spread: Vectors, *, min_size: int, generator: np.random.Generator
) -> Iterator[Region]:
    """Yield the clusters of k-means at several resolutions, found without a look at errors.

    They are sought twice: among components as large as they were, where clusters that stand
    apart are seen, and among white ones, where small features count as much as large ones.

    An image is the deeper in a cluster, the further it lies from all images' mean in the
    direction of the cluster's. (The nearest to its centre are the ones that differ least from
    anybody in all other directions.)

    Args:
        components: of all images, shape (image, component).
        spread: their standard deviations before, shape (component,).
        min_size: smaller clusters are left out, and resolutions that would mostly give such.
        generator: draws where k-means begins.
    """
    if components.shape[1] == 0:
        return
    chosen = components[:, :NUM_CLUSTERED]
    some = _some(len(chosen), generator)
    for rows in (chosen * spread[:NUM_CLUSTERED], chosen):
        fitted = rows[some]
        for number in NUM_CLUSTERS:
            if number * min_size > len(rows):
                break
            start = fitted[generator.choice(len(fitted), size=number, replace=False)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # an empty cluster is just left out
                centres, _ = kmeans2(fitted, start, iter=20, minit="matrix")
            labels, _ = vq(rows, centres)
            sizes = np.bincount(labels, minlength=number)
            for label in np.flatnonzero((sizes >= min_size) & (sizes < len(rows))):
                yield Region(inside=labels == label, depth=rows @ centres[label])


def half_spaces(components: Vectors, *, errors: Mask, searched: Mask) -> Iterator[Region]:
    """Yield half-spaces in the direction of the errors among the images searched.

    The direction is that from the mean of the others to that of the errors: the linear
    discriminant, the components being white. Each of its coordinates is drawn towards 0 by its
    standard error, for most of them are noise. Errors that the best half-space holds are then
    set aside, and the next direction is that of the rest.

    Args:
        components: of all images, shape (image, component).
        errors: whether each image is answered wrongly, shape (image,). Those that are not
            searched are not looked at.
        searched: the images that directions and limits come from, shape (image,).
    """
    correct = searched & ~errors
    if not correct.any():
        return
    for number in NUM_LOOKED_AT:
        rows = components[:, :number]
        left = searched & errors
        centre = rows[correct].mean(axis=0)
        for _ in range(NUM_DIRECTIONS):
            num_errors = int(np.count_nonzero(left))
            if num_errors < MIN_ERRORS:
                break
            direction = rows[left].mean(axis=0) - centre
            size = np.maximum(np.abs(direction) - 1.0 / np.sqrt(num_errors), 0.0)
            if not size.any():
                break
            depth = np.asarray(rows @ (np.sign(direction) * size), dtype=np.float32)
            regions = [
                Region(inside=depth >= limit, depth=depth)
                for limit in np.quantile(depth[searched], [1.0 - share for share in SHARES])
            ]
            yield from regions
            left &= ~_fullest(regions, errors=left, searched=searched).inside


def _fullest(regions: list[Region], *, errors: Mask, searched: Mask) -> Region:
    """Return the region with the most errors for its size, in standard deviations."""
    share = np.count_nonzero(errors) / np.count_nonzero(searched)

    def excess(region: Region) -> float:
        size = int(np.count_nonzero(region.inside & searched))
        found = int(np.count_nonzero(region.inside & errors))
        return (found - float(share) * size) / math.sqrt(max(size, 1))

    return max(regions, key=excess)


def _some(num_rows: int, generator: np.random.Generator) -> NDArray[np.intp] | slice:
    """Return which rows to fit to: all, or as many as are enough."""
    if num_rows <= MAX_FITTED:
        return slice(None)
    return np.sort(generator.choice(num_rows, size=MAX_FITTED, replace=False))
