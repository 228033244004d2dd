"""How much of a gain in recall is a moved threshold, and how sure that is.

The recall of one model at the false-positive rate of another needs a threshold that negatives set,
so that it is uncertain for the faces and for the negatives. For the negatives, the thresholds are
listed at which a paired score test does not tell the two false-positive rates apart; what recall
does between them is joined with the paired interval of the faces (MOVER).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from debias.metrics.design_effects import cluster_numbers, cluster_units, design_effect
from debias.metrics.intervals import FloatArray, paired_difference, student_factor
from debias.metrics.paired import Difference

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedThreshold:
    """How much of a gain in recall a moved threshold alone would bring.

    Attributes:
        fpr: of the first and of the second model, as they answered.
        gain: recall of the first model minus that of the second, as they answered; its limits
            take both thresholds as they are.
        gain_at_same_fpr: the same, with the first model's threshold moved to let through no more
            negatives than the second does.
        gain_by_threshold: the rest of the gain: recall of the first model as it answered minus
            its recall at the moved threshold.
    """

    fpr: tuple[float, float]
    gain: Difference
    gain_at_same_fpr: Difference
    gain_by_threshold: Difference


def moved_threshold(
    *,
    face_answers: BoolArray,
    negative_answers: BoolArray,
    face_scores: FloatArray,
    negative_scores: FloatArray,
    face_clusters: ArrayLike | None = None,
    negative_clusters: ArrayLike | None = None,
    confidence: float = 0.95,
) -> MovedThreshold | None:
    """Return what a gain is worth once both models let through as many negatives.

    The true threshold may lie wherever (gained - lost)^2 <= z^2 (gained + lost), with the
    negatives that only the first model lets through there, and those that only the second does;
    with persons or pictures, the sum of squares of what each gains less loses stands on the
    right. Where the second lets through fewer than four, no threshold is too high for that, and
    what is lost at an endless one bounds the gain: the whole recall.

    Args:
        face_answers: what the two models answered for the faces, shape (2, face).
        negative_answers: the same for the negatives, shape (2, negative).
        face_scores: of the first model, shape (face,).
        negative_scores: of the first model, shape (negative,).
        face_clusters: the person of each face as integers, shape (face,); None when independent.
        negative_clusters: the picture of each negative, shape (negative,); None when independent.
        confidence: of the intervals, in (0, 1).

    Returns:
        None without faces or without negatives.

    References:
        [McNemar1947], see :func:`debias.metrics.paired.mcnemar`; [ZouDonner2008], see
        :func:`debias.metrics.mover.mover_sum`.
    """
    if not face_scores.size or not negative_scores.size:
        return None
    num_allowed = int(np.count_nonzero(negative_answers[1]))
    descending = np.sort(negative_scores)[::-1]
    moved = face_scores > (descending[num_allowed] if num_allowed < descending.size else -np.inf)
    strictest, laxest = _plausible(
        negative_scores=negative_scores,
        answers=negative_answers[1],
        clusters=negative_clusters,
        confidence=confidence,
    )
    recall = float(moved.mean())
    down = recall - float(np.mean(face_scores >= strictest))
    up = float(np.mean(face_scores > laxest)) - recall

    def difference(
        first: BoolArray, second: BoolArray, *, down: float = 0.0, up: float = 0.0
    ) -> Difference:
        gained, lost = first & ~second, second & ~first
        change = gained.astype(np.int64) - lost
        low, high = paired_difference(
            num_gained=int(gained.sum()),
            num_lost=int(lost.sum()),
            num_pairs=change.size,
            confidence=confidence,
            design_effect=design_effect(
                values=change, clusters=face_clusters, confidence=confidence
            ),
        )
        value = float(change.mean())
        return Difference(
            value=value,
            low=max(-1.0, value - float(np.hypot(value - low, max(down, 0.0)))),
            high=min(1.0, value + float(np.hypot(high - value, max(up, 0.0)))),
        )

    first, second = face_answers
    fpr = negative_answers.mean(axis=1)
    return MovedThreshold(
        fpr=(float(fpr[0]), float(fpr[1])),
        gain=difference(first, second),
        gain_at_same_fpr=difference(moved, second, down=down, up=up),
        gain_by_threshold=difference(first, moved, down=up, up=down),
    )


def _plausible(
    *,
    negative_scores: FloatArray,
    answers: BoolArray,
    clusters: ArrayLike | None,
    confidence: float,
) -> tuple[float, float]:
    """Return between which scores the threshold of the other model's true rate may lie.

    Returns:
        The strictest threshold (a score of at least that passes), infinite where none is too
        strict; and the laxest (a score above that passes), minus infinity where none is too lax.
    """
    size = negative_scores.size
    order = np.argsort(-negative_scores, kind="stable")
    units = np.arange(size)
    if clusters is not None:
        units = cluster_units(codes=np.zeros(size, dtype=np.intp), clusters=clusters)
    every = np.zeros(size, dtype=np.intp)
    number = cluster_numbers(codes=every, num_groups=1, units=units)[0]
    freedom = np.inf if number >= size - 1e-9 else number - 1.0
    z = special.ndtri((1.0 + confidence) / 2.0)
    z = float(z * student_factor(freedom=freedom, confidence=confidence))
    # Of each unit: what it gains less loses before its next row passes, and its square after it.
    other = np.bincount(units, weights=answers)
    before = _times_seen(units[order]) - other[units[order]]
    squares = np.append(0.0, np.cumsum(2.0 * before + 1.0)) + np.sum(other**2)
    passing = np.arange(size + 1)
    descending = negative_scores[order]
    possible = np.append(np.append(True, descending[1:] < descending[:-1]), True)
    excess = passing - int(np.count_nonzero(answers))
    alike = passing[(excess**2 <= z**2 * squares) & possible]
    # Whatever ties allow on either side of as many as the other lets through cannot be told apart.
    nearest = passing[possible & (excess <= 0)].max(), passing[possible & (excess >= 0)].min()
    fewest, most = (int(end([*alike, *nearest])) for end in (min, max))
    strictest = descending[fewest - 1] if fewest > 0 else np.inf
    laxest = descending[most] if most < size else -np.inf
    return float(strictest), float(laxest)


def _times_seen(values: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how often each value came before, shape (row,)."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(values[order]) != 0))
    seen = np.empty(values.size, dtype=np.intp)
    seen[order] = np.arange(values.size) - np.repeat(
        starts, np.diff(np.append(starts, values.size))
    )
    return seen
