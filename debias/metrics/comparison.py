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
from scipy import special

from debias.metrics.bootstrap import PairedScores, bootstrap_recalls, weighted_recalls
from debias.metrics.counts import Grouping
from debias.metrics.disparities import null_gap, pooled_rate, ranked_groups, rates_by_group
from debias.metrics.intervals import FloatArray, Rate, design_effect, paired_difference
from debias.metrics.operating_point import operating_point

NULL_REPLICATES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A figure of the first model minus the same figure of the second.

    Attributes:
        value: in [-1, 1]; NaN where it is not estimable.
        low: lower limit.
        high: upper limit.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupingComparison:
    """How two models differ over the groups of one grouping.

    Attributes:
        grouping: who belongs where.
        ranked: positions of the groups that count for worst recall and gap.
        recall: of each group by the first and by the second model.
        differences: in recall, of each group.
        discordant: of each group, how many faces only the first and only the second model finds.
        p_values: McNemar's of each group, see :func:`mcnemar`; NaN without faces.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedThreshold:
    """How much of a gain in recall a moved threshold alone would bring.

    Attributes:
        fpr: of the first and of the second model, as they answered.
        gain: recall of the first model minus that of the second, as they answered.
        gain_at_same_fpr: the same, with the first model's threshold moved to let through no more
            negatives than the second does.
    """

    fpr: tuple[float, float]
    gain: float
    gain_at_same_fpr: float


def moved_threshold(
    *,
    face_answers: NDArray[np.bool_],
    negative_answers: NDArray[np.bool_],
    face_scores: FloatArray,
    negative_scores: FloatArray,
) -> MovedThreshold | None:
    """Return what a gain is worth once both models let through as many negatives.

    Args:
        face_answers: what the two models answered for the faces, shape (2, face).
        negative_answers: the same for the negatives, shape (2, negative).
        face_scores: of the first model, shape (face,).
        negative_scores: of the first model, shape (negative,).

    Returns:
        None without faces or without negatives.
    """
    if not face_scores.size or not negative_scores.size:
        return None
    first, second = face_answers.mean(axis=1)
    num_allowed = int(np.count_nonzero(negative_answers[1]))
    highest = -np.inf
    if num_allowed < negative_scores.size:
        position = negative_scores.size - 1 - num_allowed
        highest = np.partition(negative_scores, position)[position]
    fpr = negative_answers.mean(axis=1)
    return MovedThreshold(
        fpr=(float(fpr[0]), float(fpr[1])),
        gain=float(first - second),
        gain_at_same_fpr=float(np.mean(face_scores > highest) - second),
    )


def mcnemar(*, num_gained: int, num_lost: int, sum_of_squares: int | None = None) -> float:
    """Return the two-sided p-value of McNemar's test: are gains and losses equally likely?

    It is exact, binomial in the discordant rows, where rows are independent, and 1 without any.
    Where several discordant rows are of one person, the statistic is the gains less the losses
    over the root of the sum of squares of what each person gains less loses, and normal.

    Args:
        num_gained: rows that only the first model answers rightly.
        num_lost: rows that only the second one does.
        sum_of_squares: over persons, of gains less losses; None where each row is of another.

    References:
        [McNemar1947] Note on the sampling error of the difference between correlated proportions
        or percentages. Psychometrika 12.
    """
    num_discordant = num_gained + num_lost
    if sum_of_squares is not None and sum_of_squares > num_discordant:
        z = abs(num_gained - num_lost) / float(np.sqrt(sum_of_squares))
        return float(2.0 * special.ndtr(-z))
    return float(min(1.0, 2.0 * special.bdtr(min(num_gained, num_lost), num_discordant, 0.5)))


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
            target_fpr=target_fpr,
            min_false_positives=min_false_positives,
        ).threshold
        for negatives in scores.negatives
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
                ranked=ranked_groups(grouping=grouping, min_group_size=min_group_size),
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
    discordant = _discordant(hits, grouping)
    safe = _adjusted_intervals(hits, grouping, discordant, clusters, confidence)
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
        discordant=discordant,
        p_values=tuple(
            mcnemar(num_gained=gained, num_lost=lost, sum_of_squares=squares)
            if num_faces
            else float("nan")
            for (gained, lost), squares, num_faces in zip(
                discordant,
                _sums_of_squares(hits, grouping, clusters),
                grouping.num_rows,
                strict=True,
            )
        ),
        worst_recall=worst_recall,
        gap=gap,
    )


def _discordant(hits: NDArray[np.bool_], grouping: Grouping) -> tuple[tuple[int, int], ...]:
    """Return how many faces of each group only the first and only the second model finds."""
    first, second = hits
    gained, lost = (
        np.bincount(grouping.codes[rows], minlength=len(grouping.groups)).tolist()
        for rows in (first & ~second, second & ~first)
    )
    return tuple(zip(gained, lost, strict=True))


def _sums_of_squares(
    hits: NDArray[np.bool_], grouping: Grouping, clusters: NDArray[np.intp]
) -> list[int]:
    """Return for each group the sum over its persons of their gains less losses, squared."""
    change = hits[0].astype(np.int64) - hits[1]
    num_persons = int(clusters.max(initial=-1)) + 1
    cells = grouping.codes * num_persons + clusters
    size = len(grouping.groups) * num_persons
    sums = np.bincount(cells, weights=change, minlength=size).reshape(len(grouping.groups), -1)
    return [int(total) for total in np.square(sums).sum(axis=1).round()]


def _adjusted_intervals(
    hits: NDArray[np.bool_],
    grouping: Grouping,
    discordant: Sequence[tuple[int, int]],
    clusters: NDArray[np.intp],
    confidence: float,
) -> FloatArray:
    """Return the adjusted paired interval of each group's difference, shape (group, 2)."""
    limits = np.empty((len(grouping.groups), 2))
    change = hits[0].astype(np.int64) - hits[1]
    for code, (gained, lost) in enumerate(discordant):
        rows = grouping.codes == code
        limits[code] = paired_difference(
            num_gained=gained,
            num_lost=lost,
            num_pairs=int(np.count_nonzero(rows)),
            confidence=confidence,
            design_effect=design_effect(
                values=change[rows], clusters=clusters[rows], confidence=confidence
            ),
        )
    return limits


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
