"""How recall, the worst group and the gap move with the threshold: also ROC and DET curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias.metrics.counts import Grouping
from debias.metrics.design_effects import cluster_units, design_effects
from debias.metrics.group_rates import ranked_groups
from debias.metrics.intervals import FloatArray
from debias.metrics.sweep_groups import GroupingSweep, Sweep, grouping_sweep, sweep_ranks


def sweep(
    *,
    face_scores: ArrayLike,
    negative_scores: ArrayLike,
    groupings: Sequence[Grouping],
    generator: np.random.Generator,
    negative_groupings: Sequence[Grouping] | None = None,
    operating_points: Sequence[float] = (),
    face_clusters: ArrayLike | None = None,
    num_thresholds: int = 60,
    num_replicates: int = 1000,
    min_group_size: int = 30,
    confidence: float = 0.95,
    min_false_positives: int = 10,
) -> Sweep | None:
    """Return rates by group at thresholds from strict to lax; None where there is nothing to show.

    Thresholds are those of :func:`debias.metrics.operating_point.operating_point`, scores of
    faces or negatives wherever one is high enough, for false-positive rates from
    ``min_false_positives / num_negatives`` to a half, evenly spaced on a log axis, and the
    operating points given. All rates are exact at their threshold; ties in the scores can leave
    fewer thresholds. Without a face, a negative or a threshold there is nothing to show.

    Args:
        face_scores: finite, shape (face,).
        negative_scores: finite, shape (negative,).
        groupings: of the faces.
        generator: draws the gaps that chance gives.
        negative_groupings: of the negatives, by the same attributes in the same order; None
            where negatives belong to no group.
        operating_points: finite thresholds to show among the others.
        face_clusters: the person of each face as integers; None when faces are independent.
        num_thresholds: how many, at most, besides the operating points.
        num_replicates: gaps drawn at each threshold.
        min_group_size: smaller groups are left out.
        confidence: of the intervals, in (0, 1).
        min_false_positives: of the strictest threshold.
    """
    faces, negatives = np.asarray(face_scores), np.sort(np.asarray(negative_scores))
    thresholds = np.unique(
        [
            *_thresholds(negatives, faces, num_thresholds, min_false_positives),
            *map(float, operating_points),
        ]
    )[::-1]
    if not (faces.size and negatives.size and thresholds.size):
        return None
    persons = _unless_independent(face_clusters)
    # The number of thresholds that a face does not pass, those being the first.
    passed = np.searchsorted(-thresholds, -faces.astype(np.float64), side="left")
    num_found = np.cumsum(np.bincount(passed, minlength=thresholds.size + 1))[:-1]
    swept = []
    for k, grouping in enumerate(groupings):
        own = None
        if negative_groupings is not None:
            own = _own_fpr(np.asarray(negative_scores), negative_groupings[k], thresholds)
        swept.append(
            _sweep_grouping(
                passed=passed,
                grouping=grouping,
                persons=persons,
                fpr=own,
                num_thresholds=thresholds.size,
                ranked=ranked_groups(
                    grouping=grouping, min_group_size=min_group_size, clusters=persons
                ),
                confidence=confidence,
                generator=generator,
                num_replicates=num_replicates,
            )
        )
    return Sweep(
        thresholds=thresholds,
        fpr=_share_at_least(negatives, thresholds),
        recall=num_found / faces.size,
        groupings=tuple(swept),
    )


def _thresholds(
    ascending: NDArray[np.floating],
    faces: NDArray[np.floating],
    most: int,
    min_false_positives: int,
) -> list[float]:
    """Return the lowest scores at which no more than so many negatives pass."""
    ranks = sweep_ranks(
        num_negatives=ascending.size, num_thresholds=most, min_false_positives=min_false_positives
    )
    if not ranks.size:
        return []
    excluded = ascending[ascending.size - 1 - ranks]
    if not np.issubdtype(excluded.dtype, np.floating):
        excluded = excluded.astype(np.float64)
    scores = np.sort(np.concatenate([ascending, faces]))
    first = np.searchsorted(scores, excluded, side="right")
    nothing = np.nextafter(excluded, excluded.dtype.type(np.inf))
    above = np.where(first < scores.size, scores[np.minimum(first, scores.size - 1)], nothing)
    return [float(threshold) for threshold in above if np.isfinite(threshold)]


def _share_at_least(ascending: NDArray[np.floating], thresholds: FloatArray) -> FloatArray:
    """Return the share of scores at or above each threshold."""
    below = np.searchsorted(ascending.astype(np.float64), thresholds, side="left")
    return np.asarray((ascending.size - below) / ascending.size, dtype=np.float64)


def _own_fpr(
    scores: NDArray[np.floating], grouping: Grouping, thresholds: FloatArray
) -> dict[tuple[str, ...], FloatArray]:
    """Return the false-positive rate of each group that has negatives."""
    return {
        values: _share_at_least(np.sort(scores[grouping.codes == code]), thresholds)
        for code, values in enumerate(grouping.groups)
        if grouping.num_rows[code]
    }


def _unless_independent(clusters: ArrayLike | None) -> NDArray[np.intp] | None:
    """Return clusters as they are, or None if no two rows share one."""
    if clusters is None:
        return None
    labels = np.asarray(clusters, dtype=np.intp)
    return None if np.unique(labels).size == labels.size else labels


def _sweep_grouping(
    *,
    passed: NDArray[np.intp],
    grouping: Grouping,
    persons: NDArray[np.intp] | None,
    fpr: dict[tuple[str, ...], FloatArray] | None,
    num_thresholds: int,
    ranked: NDArray[np.intp],
    confidence: float,
    generator: np.random.Generator,
    num_replicates: int,
) -> GroupingSweep:
    """Return the figures of one grouping's ranked groups."""
    num_groups = len(grouping.groups)
    cells = np.bincount(
        grouping.codes * (num_thresholds + 1) + passed, minlength=num_groups * (num_thresholds + 1)
    ).reshape(num_groups, num_thresholds + 1)
    found = np.cumsum(cells, axis=1)[ranked, :-1]
    effect = np.ones(found.shape)
    if persons is not None:
        units = cluster_units(codes=grouping.codes, clusters=persons)
        for k in range(num_thresholds):
            effect[:, k] = design_effects(
                values=passed <= k,
                codes=grouping.codes,
                num_groups=num_groups,
                units=units,
                confidence=confidence,
            ).values[ranked]
    return grouping_sweep(
        columns=grouping.columns,
        groups=[grouping.groups[code] for code in ranked],
        num_found=found,
        num_faces=grouping.num_rows[ranked],
        fpr=fpr,
        effects=effect,
        confidence=confidence,
        generator=generator,
        num_replicates=num_replicates,
    )
