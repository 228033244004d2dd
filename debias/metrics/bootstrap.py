"""Samples of persons and pictures with replacement, for several models on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.metrics.counts import Grouping
from debias.metrics.intervals import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairedScores:
    """The scores of two models, or more, on the same images.

    Attributes:
        faces: of each model, shape (model, face).
        negatives: of each model, shape (model, negative).
        face_clusters: the person of each face as integers from 0, shape (face,).
        negative_clusters: the picture of each non-face as integers from 0, shape (negative,).
    """

    faces: FloatArray
    negatives: FloatArray
    face_clusters: NDArray[np.intp]
    negative_clusters: NDArray[np.intp]


def cluster_weights(
    *, clusters: NDArray[np.intp], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return how often each row is in one bootstrap sample that draws whole clusters.

    Args:
        clusters: the cluster of each row as integers from 0 without gaps, shape (row,).
        generator: draws as many clusters as there are, with replacement.

    Returns:
        Counts of shape (row,), equal within a cluster.
    """
    if clusters.size == 0:
        return np.zeros(0, dtype=np.int64)
    num_clusters = int(clusters.max()) + 1
    drawn = generator.integers(num_clusters, size=num_clusters)
    return np.bincount(drawn, minlength=num_clusters)[clusters].astype(np.int64)


def bootstrap_recalls(
    *,
    scores: PairedScores,
    groupings: Sequence[Grouping],
    target_fpr: float,
    generator: np.random.Generator,
    num_replicates: int,
) -> list[FloatArray]:
    """Return all models' recalls in bootstrap samples of persons and of pictures.

    Args:
        scores: all models' scores.
        groupings: of the faces.
        target_fpr: what every threshold, set anew in every sample, keeps to.
        generator: draws the samples, the same ones for all models.
        num_replicates: how many samples.

    Returns:
        For each grouping an array of shape (replicate, model, group); NaN where a sample has no
        face.
    """
    order = np.argsort(-scores.negatives, axis=1, kind="stable")
    descending = np.take_along_axis(scores.negatives, order, axis=1)
    num_models = len(order)
    recalls = [np.empty((num_replicates, num_models, len(g.groups))) for g in groupings]
    for replicate in range(num_replicates):
        negatives = cluster_weights(clusters=scores.negative_clusters, generator=generator)
        faces = cluster_weights(clusters=scores.face_clusters, generator=generator)
        excluded = [
            _first_excluded(descending[model], negatives[order[model]], target_fpr)
            for model in range(num_models)
        ]
        hits = scores.faces > np.array(excluded)[:, None]
        for grouping, out in zip(groupings, recalls, strict=True):
            out[replicate] = weighted_recalls(hits=hits, grouping=grouping, weights=faces)
    return recalls


def _first_excluded(descending: FloatArray, weights: NDArray[np.int64], target_fpr: float) -> float:
    """Return the highest score that has to stay below the threshold, rows counted by weight."""
    above = np.cumsum(weights)
    # As in operating_point, the rate is met up to rounding of the product.
    allowed = np.floor(target_fpr * float(above[-1]) * (1.0 + 1e-12) + 1e-9)
    return float(descending[int(np.searchsorted(above, allowed, side="right"))])


def weighted_recalls(
    *, hits: NDArray[np.bool_], grouping: Grouping, weights: NDArray[np.int64] | FloatArray
) -> FloatArray:
    """Return the weighted recall of every model, shape (model, group); NaN without weight.

    Args:
        hits: which faces each model finds, shape (model, face).
        grouping: of the faces.
        weights: how often each face counts, shape (face,).
    """
    num_groups = len(grouping.groups)
    total = np.bincount(grouping.codes, weights=weights, minlength=num_groups)
    found = np.stack(
        [np.bincount(grouping.codes, weights=weights * row, minlength=num_groups) for row in hits]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(found / total, dtype=np.float64)
