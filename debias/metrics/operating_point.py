"""Where to put the threshold, and how many faces are found there.

An image is answered "face" when ``y_score >= threshold``. Scores may be probabilities or logits:
nothing here needs them in [0, 1], only that larger means more like a face.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from debias.errors import DataError, TooFewNegativesError, UsageError
from debias.metrics.counts import Grouping, group_rows
from debias.metrics.group_rates import pooled_rate, rates_by_group
from debias.metrics.intervals import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """A threshold and what it costs on the non-faces that it was chosen on.

    Attributes:
        threshold: an image with ``y_score >= threshold`` is answered "face". It is the score of
            an image, or the next number above the highest one where no image may be answered
            "face".
        target_fpr: the false-positive rate that was asked for, in (0, 1).
        realised_fpr: the one it gives on these non-faces; at most the target.
        num_false_positives: non-faces at or above the threshold.
        num_negatives: non-faces in all.
        num_tied: non-faces that share the highest score that has to stay below the threshold.
            Above 1, the realised rate can fall short of the target for want of distinct scores.
    """

    threshold: float
    target_fpr: float
    realised_fpr: float
    num_false_positives: int
    num_negatives: int
    num_tied: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallAtFpr:
    """Recall at the threshold that a false-positive rate sets.

    Attributes:
        operating_point: the threshold, from all non-faces.
        overall: recall of all faces.
        by_group: recall of each group of faces; empty without sensitive features.
    """

    operating_point: OperatingPoint
    overall: Rate
    by_group: dict[tuple[str, ...], Rate]


def negatives_needed(*, target_fpr: float, min_false_positives: int = 10) -> int:
    """Return how many non-faces it takes to expect ``min_false_positives`` at ``target_fpr``.

    Raises:
        UsageError: the rate is not in (0, 1).
    """
    return math.ceil(min_false_positives / _exact(target_fpr))


def smallest_target_fpr(*, num_negatives: int, min_false_positives: int = 10) -> float | None:
    """Return the smallest false-positive rate that so many non-faces can be asked for.

    It is rounded up to two digits, to be typed; None where there is no such rate below 1.

    Args:
        num_negatives: non-faces in all.
        min_false_positives: a rate that expects fewer is refused.
    """
    least = Fraction(max(min_false_positives, 0), max(num_negatives, 1))
    if num_negatives < 1 or not 0 < least < 1:
        return None
    step = Fraction(10) ** (math.floor(math.log10(least)) - 1)
    rate = float(math.ceil(least / step) * step)
    return rate if rate < 1.0 else None


def excluded_rank(*, target_fpr: float, num_negatives: int, min_false_positives: int = 10) -> int:
    """Return how many non-faces may score above the one that has to stay below the threshold.

    Raises:
        UsageError: the rate is not in (0, 1).
        TooFewNegativesError: there are fewer non-faces than :func:`negatives_needed`.
    """
    needed = negatives_needed(target_fpr=target_fpr, min_false_positives=min_false_positives)
    if num_negatives < max(needed, 1):
        raise TooFewNegativesError(
            f"a false-positive rate of {100 * target_fpr:g} % needs {needed:,} non-faces to "
            f"expect {min_false_positives} false positives, and there are {num_negatives:,}",
            hint=_what_works(num_negatives, min_false_positives),
        )
    return math.floor(_exact(target_fpr) * num_negatives)


def operating_point(
    *,
    y_score_negatives: ArrayLike,
    target_fpr: float,
    y_score_faces: ArrayLike = (),
    min_false_positives: int = 10,
) -> OperatingPoint:
    """Return the threshold that finds most while at most ``target_fpr`` of the non-faces pass.

    It is the smallest score, of a face or a non-face, above the highest one that would break the
    target. Any number between the two answers these images alike; of those, this one is the score
    of an image, and the strictest for other images. Where no score is higher, nothing may be
    answered "face", and the threshold is the next number of the scores' own type: compare in that
    type (or a wider one).

    Args:
        y_score_negatives: scores of the non-faces, finite, of any scale, shape (negative,).
        target_fpr: in (0, 1).
        y_score_faces: scores of the faces beside them, finite, shape (face,).
        min_false_positives: fewer expected ones than this make the rate unfit to be measured.

    Raises:
        UsageError: the rate is not in (0, 1).
        TooFewNegativesError: there are fewer non-faces than :func:`negatives_needed`.
        DataError: a score is NaN or infinite, or so many are the largest number of their type
            that no threshold lies above them.
    """
    scores, others = _finite_scores(y_score_negatives), _finite_scores(y_score_faces)
    num_allowed = excluded_rank(
        target_fpr=target_fpr,
        num_negatives=scores.size,
        min_false_positives=min_false_positives,
    )
    # The (num_allowed + 1)-th highest score is the first that has to stay out.
    excluded = np.partition(scores, scores.size - 1 - num_allowed)[scores.size - 1 - num_allowed]
    higher = [part[part > excluded] for part in (scores, others)]
    found = [part.min() for part in higher if part.size]
    if not found and excluded == np.finfo(scores.dtype).max:
        raise DataError(
            f"{np.count_nonzero(scores == excluded):,} of {scores.size:,} non-faces score "
            f"{excluded:g}, the largest {scores.dtype} there is, so that no threshold keeps to a "
            f"false-positive rate of {100 * target_fpr:g} %",
            hint="Give scores that tell these images apart",
        )
    threshold = min(found) if found else np.nextafter(excluded, scores.dtype.type(np.inf))
    num_false_positives = int(np.count_nonzero(scores >= threshold))
    return OperatingPoint(
        threshold=float(threshold),
        target_fpr=float(target_fpr),
        realised_fpr=num_false_positives / scores.size,
        num_false_positives=num_false_positives,
        num_negatives=int(scores.size),
        num_tied=int(np.count_nonzero(scores == excluded)),
    )


def recall_at_fpr(
    *,
    y_true: ArrayLike,
    y_score: ArrayLike,
    target_fpr: float,
    sensitive_features: pd.DataFrame | pd.Series | None = None,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
    min_false_positives: int = 10,
) -> RecallAtFpr:
    """Return recall, overall and by group, where the non-faces give ``target_fpr``.

    There is one threshold for everybody: non-faces belong to no group.

    Args:
        y_true: 1 for a face and 0 for a non-face, shape (row,).
        y_score: larger is more like a face, shape (row,).
        target_fpr: in (0, 1).
        sensitive_features: attributes of each row; those of non-faces are not looked at. Several
            columns make intersections.
        clusters: the person of each row as integers from 0; None when faces are independent.
        confidence: of the intervals.
        min_false_positives: see :func:`operating_point`.

    Raises:
        TooFewNegativesError: as :func:`operating_point`.
        DataError: a score is not finite.
    """
    faces = np.asarray(y_true).astype(np.bool_)
    scores = _finite_scores(y_score)
    if faces.shape != scores.shape:
        raise ValueError(f"y_true {faces.shape} and y_score {scores.shape} differ in shape")
    point = operating_point(
        y_score_negatives=scores[~faces],
        y_score_faces=scores[faces],
        target_fpr=target_fpr,
        min_false_positives=min_false_positives,
    )
    hits = scores[faces] >= point.threshold
    persons = None if clusters is None else np.asarray(clusters)[faces]
    overall = pooled_rate(hits=hits, clusters=persons, confidence=confidence)
    grouping = _group_faces(sensitive_features, faces)
    by_group: dict[tuple[str, ...], Rate] = {}
    if grouping is not None:
        rates = rates_by_group(
            hits=hits, grouping=grouping, clusters=persons, confidence=confidence
        )
        by_group = dict(zip(grouping.groups, rates, strict=True))
    return RecallAtFpr(operating_point=point, overall=overall, by_group=by_group)


def _group_faces(
    sensitive_features: pd.DataFrame | pd.Series | None, faces: NDArray[np.bool_]
) -> Grouping | None:
    """Return the groups of the faces, or None when there are no attributes."""
    if sensitive_features is None:
        return None
    table = pd.DataFrame(sensitive_features)
    if len(table) != faces.size:
        raise ValueError(f"{len(table)} rows of sensitive features for {faces.size} labels")
    return group_rows(sensitive_features=table.loc[faces], columns=list(table.columns))


def _what_works(num_negatives: int, min_false_positives: int) -> str:
    """Return which target these non-faces allow."""
    smallest = smallest_target_fpr(
        num_negatives=num_negatives, min_false_positives=min_false_positives
    )
    if smallest is None:
        return "Add non-faces: so few allow no target"
    return f"Add non-faces, ask for {smallest:g} or more (--target-fpr {smallest:g})"


def _exact(target_fpr: float) -> Fraction:
    """Return the rate as the decimal that was written, so that 0.1 % of 10,000 is 10."""
    if not 0.0 < target_fpr < 1.0:
        raise UsageError(
            f"{target_fpr!r} is not a false-positive rate",
            hint="Give a number between 0 and 1: 0.01 is 1 %",
        )
    return Fraction(repr(float(target_fpr)))


def _finite_scores(y_score: ArrayLike) -> NDArray[np.floating]:
    """Return scores as an array of floats of their own width, refusing NaN and infinities."""
    scores = np.asarray(y_score)
    if not np.issubdtype(scores.dtype, np.floating):
        scores = scores.astype(np.float64)
    num_bad = int(np.count_nonzero(~np.isfinite(scores)))
    if num_bad:
        raise DataError(f"{num_bad} of {scores.size} scores are NaN or infinite")
    return scores
