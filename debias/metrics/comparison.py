"""Two models on the same images, each at its own threshold for the same false-positive rate.

A raised recall can be a moved threshold; at the same false-positive rate it is not. The thresholds
are estimates too, so the bootstrap draws non-faces as well as faces and sets both thresholds anew
in every replicate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.metrics.bootstrap import PairedScores, bootstrap_recalls, weighted_recalls
from debias.metrics.counts import Grouping
from debias.metrics.disparities import null_gap
from debias.metrics.group_rates import pooled_rate, ranked_groups, rates_by_group
from debias.metrics.intervals import FloatArray, Rate
from debias.metrics.operating_point import operating_point
from debias.metrics.paired import (
    Difference,
    adjusted_intervals,
    discordant,
    mcnemar,
    sums_of_squares,
)

NULL_REPLICATES = 2000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupingComparison:
    """How two models differ over the groups of one grouping.

    Attributes:
        grouping: who belongs where.
        ranked: positions of the groups that count for worst recall and gap.
        recall: of each group by the first and by the second model.
        differences: in recall, of each group.
        discordant: of each group, how many faces only the first and only the second model finds.
        p_values: McNemar's of each group, see :func:`debias.metrics.paired.mcnemar`; NaN without
            faces.
        worst_recall: the difference of the two smallest recalls, be they of different groups;
            None with no ranked group.
        gap: the difference of the two gaps; None with fewer than two ranked groups.
    """

    grouping: Grouping
    ranked: NDArray[np.intp]
    recall: tuple[tuple[Rate, ...], tuple[Rate, ...]]
    differences: tuple[Difference, ...]
    discordant: tuple[tuple[int, int], ...]
    p_values: tuple[float, ...]
    worst_recall: Difference | None
    gap: Difference | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Two models at one false-positive rate.

    Attributes:
        fpr: what the first and the second threshold realise.
        groupings: one for each grouping that was asked for.
    """

    fpr: tuple[Rate, Rate]
    groupings: tuple[GroupingComparison, ...]


def compare_at_fpr(
    *,
    scores: PairedScores,
    groupings: Sequence[Grouping],
    target_fpr: float,
    generator: np.random.Generator,
    num_replicates: int = 1000,
    min_group_size: int = 30,
    confidence: float = 0.95,
    min_false_positives: int = 10,
) -> Comparison:
    """Return the paired differences in recall, worst recall and gap, for each grouping.

    Persons and pictures are drawn with replacement, the same ones for both models; the intervals
    are percentiles over the replicates. Because percentiles collapse where two models answer
    almost alike, no interval is narrower than the adjusted paired one
    (:func:`debias.metrics.intervals.paired_difference`) of the group, or of the first model's
    worst and best groups, would make it. Where recalls are lower the gap is larger by chance alone,
    so the interval of its change also holds what it would be without that.

    Args:
        scores: both models' scores.
        groupings: of the faces.
        target_fpr: the false-positive rate of either model on these non-faces.
        generator: draws the replicates.
        num_replicates: bootstrap replicates.
        min_group_size: smaller groups do not count for worst recall and gap.
        confidence: of the intervals.
        min_false_positives: see :func:`debias.metrics.operating_point.operating_point`.

    Raises:
        TooFewNegativesError: as :func:`debias.metrics.operating_point.operating_point`.
    """
    thresholds = [
        operating_point(
            y_score_negatives=negatives,
            y_score_faces=faces,
            target_fpr=target_fpr,
            min_false_positives=min_false_positives,
        ).threshold
        for faces, negatives in zip(scores.faces, scores.negatives, strict=True)
    ]
    hits = scores.faces >= np.array(thresholds)[:, None]
    false = scores.negatives >= np.array(thresholds)[:, None]
    first_fpr, second_fpr = (
        pooled_rate(hits=row, clusters=scores.negative_clusters, confidence=confidence)
        for row in false
    )
    replicates = bootstrap_recalls(
        scores=scores,
        groupings=groupings,
        target_fpr=target_fpr,
        generator=generator,
        num_replicates=num_replicates,
    )
    return Comparison(
        fpr=(first_fpr, second_fpr),
        groupings=tuple(
            _compare_grouping(
                hits=hits,
                grouping=grouping,
                ranked=ranked_groups(
                    grouping=grouping,
                    min_group_size=min_group_size,
                    clusters=scores.face_clusters,
                ),
                clusters=scores.face_clusters,
                replicates=drawn,
                generator=generator,
                confidence=confidence,
            )
            for grouping, drawn in zip(groupings, replicates, strict=True)
        ),
    )


def _compare_grouping(
    *,
    hits: NDArray[np.bool_],
    grouping: Grouping,
    ranked: NDArray[np.intp],
    clusters: NDArray[np.intp],
    replicates: FloatArray,
    generator: np.random.Generator,
    confidence: float,
) -> GroupingComparison:
    """Return the differences of one grouping, observed and over the replicates."""
    observed = weighted_recalls(hits=hits, grouping=grouping, weights=np.ones(hits.shape[1]))
    value = observed[0] - observed[1]
    safe = adjusted_intervals(
        hits=hits, grouping=grouping, clusters=clusters, confidence=confidence
    )
    changed = discordant(hits=hits, grouping=grouping)
    down, up = value - safe[:, 0], safe[:, 1] - value
    differences = tuple(
        _interval(
            value[code],
            replicates[:, 0, code] - replicates[:, 1, code],
            margins=(down[code], up[code]),
            confidence=confidence,
        )
        for code in range(len(grouping.groups))
    )
    first, second = (
        rates_by_group(hits=row, grouping=grouping, clusters=clusters, confidence=confidence)
        for row in hits
    )
    worst_recall = gap = None
    if ranked.size > 0:
        worst = ranked[observed[0, ranked].argmin()]
        worst_recall = _interval(
            *(_first_minus_second(x[..., ranked].min(axis=-1)) for x in (observed, replicates)),
            margins=(down[worst], up[worst]),
            confidence=confidence,
        )
    if ranked.size > 1:
        best = ranked[observed[0, ranked].argmax()]
        change, drawn = (
            _first_minus_second(np.ptp(x[..., ranked], axis=-1)) for x in (observed, replicates)
        )
        gap = _interval(
            change,
            drawn,
            by_chance=_gap_by_chance((first, second), ranked, generator),
            margins=(np.hypot(down[best], up[worst]), np.hypot(up[best], down[worst])),
            confidence=confidence,
        )
    return GroupingComparison(
        grouping=grouping,
        ranked=ranked,
        recall=(first, second),
        differences=differences,
        discordant=changed,
        p_values=tuple(
            mcnemar(num_gained=gained, num_lost=lost, sum_of_squares=squares)
            if num_faces
            else float("nan")
            for (gained, lost), squares, num_faces in zip(
                changed,
                sums_of_squares(hits=hits, grouping=grouping, clusters=clusters),
                grouping.num_rows,
                strict=True,
            )
        ),
        worst_recall=worst_recall,
        gap=gap,
    )


def _gap_by_chance(
    recall: tuple[tuple[Rate, ...], tuple[Rate, ...]],
    ranked: NDArray[np.intp],
    generator: np.random.Generator,
) -> float:
    """Return how much the gaps of two models differ if no group differs: lower rates vary more."""
    first, second = (
        null_gap(
            rates=[rates[code] for code in ranked],
            generator=generator,
            num_replicates=NULL_REPLICATES,
        ).median
        for rates in recall
    )
    return first - second


def _first_minus_second(figures: FloatArray) -> FloatArray:
    """Return the first model's figures minus the second's, over the last axis."""
    return np.asarray(figures[..., 0] - figures[..., 1])


def _interval(
    value: float | FloatArray,
    replicates: FloatArray,
    *,
    margins: tuple[float, float],
    confidence: float,
    by_chance: float = 0.0,
) -> Difference:
    """Return a difference with its percentile interval, at least ``margins`` wide.

    Where chance alone may have made the value differ from zero by ``by_chance``, the interval also
    holds what it would be about the value less that.
    """
    centre = float(value)
    estimable = replicates[np.isfinite(replicates)]
    if not np.isfinite(centre) or estimable.size == 0:
        return Difference(value=centre, low=float("nan"), high=float("nan"))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(estimable, [tail, 1.0 - tail])
    if by_chance:
        moved = centre - by_chance - float(estimable.mean())
        low, high = min(low, low + moved), max(high, high + moved)
    return Difference(
        value=centre,
        low=float(max(-1.0, min(low, centre - margins[0]))),
        high=float(min(1.0, max(high, centre + margins[1]))),
    )
