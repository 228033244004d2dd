"""Pairs of images that are close in an embedding: candidates for copies, made by other means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.audit.findings import Concerned, Finding

NUM_NEIGHBOURS = 5
"""Each image is compared with so many of its nearest others."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EmbeddingPairs:
    """Pairs of images that are close, each of shape (pair,), by image.

    Attributes:
        first: positions among the images.
        second: positions; the later of the two.
        cosine: of their embeddings less the mean of all, -1 to 1.
        num_compared: images that were looked at.
        min_cosine: the limit.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    cosine: NDArray[np.float64]
    num_compared: int
    min_cosine: float

    def finding(self) -> Finding | None:
        """Return the finding about the pairs, a note; None where there are none."""
        if not len(self.first):
            return None
        rows, where = np.unique(np.concatenate([self.first, self.second]), return_index=True)
        others = np.concatenate([self.second, self.first])[where]
        return Finding(
            kind="near-duplicate",
            severity="note",
            subject="close in the embedding",
            message=f"{len(self.first):,} pairs among {self.num_compared:,} images are as close "
            f"in the embedding as copies, but do not pass for such by their pixels.",
            measure="largest cosine",
            value=float(self.cosine.max()),
            limit=self.min_cosine,
            num_images=len(rows),
            images=Concerned.of(
                rows, values=np.concatenate([self.cosine, self.cosine])[where], others=others
            ),
        )


def find_embedding_pairs(
    embedding: NDArray[np.floating], *, rows: NDArray[np.intp], min_cosine: float
) -> EmbeddingPairs:
    """Return the pairs of images whose embeddings point the same way.

    All pairs are compared, in blocks: the time grows with the square of the number of images.

    Args:
        embedding: of all images, shape (image, dimension); an image with a NaN is left out, as is
            one at the mean of all.
        rows: the images to compare.
        min_cosine: the least of a pair, -1 to 1.
    """
    from sklearn.neighbors import NearestNeighbors

    rows = np.sort(rows)[np.isfinite(embedding[np.sort(rows)]).all(axis=1)]
    vectors = np.asarray(embedding[rows], dtype=np.float32)
    if len(rows):
        vectors = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1)
    rows, vectors = rows[lengths > 0], vectors[lengths > 0] / lengths[lengths > 0, None]
    count = min(NUM_NEIGHBOURS, len(rows) - 1)
    if count < 1:
        nothing = np.empty(0, dtype=np.intp)
        return EmbeddingPairs(
            first=nothing,
            second=nothing,
            cosine=np.empty(0),
            num_compared=len(rows),
            min_cosine=min_cosine,
        )
    # Of unit vectors the squared distance is 2 - 2 cos, and brute force in blocks is quickest.
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(vectors)
    distances, neighbours = search.kneighbors()
    cosine = 1.0 - np.asarray(distances, dtype=np.float64).ravel() ** 2 / 2.0
    own, other = np.repeat(np.arange(len(rows)), count), neighbours.ravel()
    close = cosine >= min_cosine
    ends = np.sort(np.stack([own[close], other[close]], axis=1), axis=1)
    ends, once = np.unique(ends, axis=0, return_index=True)
    return EmbeddingPairs(
        first=rows[ends[:, 0]],
        second=rows[ends[:, 1]],
        cosine=cosine[close][once],
        num_compared=len(rows),
        min_cosine=min_cosine,
    )
