"""How well scores put positives above negatives, at no threshold: the area under the ROC curve.

Where negatives are one pool that all groups share, a group's area is that of its own positives
against all negatives.
"""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from debias.metrics.areas import Area, LabelRows, area, by_label
from debias.metrics.intervals import wilson
from debias.metrics.measures import Measure, Negatives

POOLED_AUC = "The group's own positives against the pool of negatives, which all groups share."
"""What has to be known of a group's area where negatives are one pool."""


def overall_auc(
    *,
    y_true: ArrayLike,
    y_score: ArrayLike,
    clusters: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Measure:
    """Return the area of all rows; see :func:`group_aucs`."""
    return group_aucs(
        y_true=y_true,
        y_score=y_score,
        codes=None,
        num_groups=1,
        negatives="grouped",
        clusters=clusters,
        sample_weight=sample_weight,
        confidence=confidence,
    )[0]


def group_aucs(
    *,
    y_true: ArrayLike,
    y_score: ArrayLike,
    codes: ArrayLike | None,
    num_groups: int,
    negatives: Negatives,
    clusters: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> tuple[Measure, ...]:
    """Return the area under the ROC curve of each group.

    It is the chance that a positive scores higher than a negative, ties counting half. With V its
    variance by :func:`debias.metrics.areas.delong`, the interval is the Wilson interval of A (1 -
    A) / V independent trials, and of no more than twice the positives or negatives there are,
    whichever are fewer (effective ones, where rows share clusters or have weights). The cap keeps
    it from closing up near 1, where V hardly sees the pairs that are still to go wrong: for 20 to
    300 positives, 20 to 5,000 negatives, and areas of 0.75 to 0.998 under normal, exponential and
    mixed scores it covers 90 to 100 % (below 93 only where all errors come from a few lost
    positives), while the logit interval with V covers as little as 70 %. Under normal scores it is
    conservative.

    Args:
        y_true: 1 for a positive and 0 for a negative, shape (row,).
        y_score: larger is more like a positive; finite, of any scale, shape (row,).
        codes: the group of each row from 0, -1 for none, shape (row,); None puts all rows in one.
        num_groups: how many groups.
        negatives: with a "pool" every group takes all negatives, whatever their codes are.
        clusters: the person or picture of each row as integers, shape (row,); None when rows are
            independent.
        sample_weight: finite, not negative, shape (row,); None when all rows count the same.
        confidence: of the intervals, in (0, 1).

    Raises:
        ValueError: shapes differ, or a label, code, score or weight is not what it must be.
    """
    positives, others = by_label(
        y_true=y_true,
        y_score=y_score,
        codes=codes,
        num_groups=num_groups,
        clusters=clusters,
        sample_weight=sample_weight,
    )
    pooled = negatives == "pool"
    return tuple(
        _measure(
            positives.of_group(code),
            others if pooled else others.of_group(code),
            reason=POOLED_AUC if pooled else None,
            confidence=confidence,
        )
        for code in range(num_groups)
    )


def _measure(
    positives: LabelRows, negatives: LabelRows, *, reason: str | None, confidence: float
) -> Measure:
    """Return the area of positives against negatives with its interval."""
    num_positives, num_negatives = positives.scores.size, negatives.scores.size
    if num_positives == 0 or num_negatives == 0:
        return no_area(num_positives=num_positives, num_negatives=num_negatives)
    return area_measure(
        area(positives, negatives),
        num_rows=num_positives + num_negatives,
        reason=reason,
        confidence=confidence,
    )


def no_area(*, num_positives: int, num_negatives: int) -> Measure:
    """Return that an area cannot be estimated, and for want of what.

    Args:
        num_positives: rows with the label 1.
        num_negatives: rows with the label 0; none of either kind.
    """
    wanting = "negatives" if num_positives else "positives"
    return Measure(
        status="not_estimable",
        num_trials=num_positives + num_negatives,
        reason=f"There are no {wanting}.",
    )


def area_measure(
    found: Area, *, num_rows: int, reason: str | None = None, confidence: float = 0.95
) -> Measure:
    """Return an area with its interval; see :func:`group_aucs`.

    Args:
        found: the area and its variance.
        num_rows: that it was found of.
        reason: a remark on how it was found.
        confidence: of the interval, in (0, 1).
    """
    num_effective = found.num_effective(confidence=confidence)
    low, high = wilson(
        num_successes=found.value,
        num_trials=1.0,
        confidence=confidence,
        design_effect=1.0 / num_effective if num_effective > 0 else math.inf,
    )
    return Measure(
        status="estimated",
        value=found.value,
        low=float(low),
        high=float(high),
        num_trials=num_rows,
        reason=reason,
    )
