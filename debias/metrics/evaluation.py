"""Everything that the answers at one threshold say: overall, by group, and between groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias.metrics.counts import Grouping
from debias.metrics.disparities import (
    Accuracies,
    Gap,
    NullGap,
    Pair,
    accuracies,
    gap,
    holm,
    null_gap,
    pairs,
    pooled_rate,
    ranked_groups,
    rates_by_group,
)
from debias.metrics.intervals import Rate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupingResult:
    """The recall of each group of one grouping, and how unequal they are.

    Attributes:
        grouping: who belongs where.
        recall: of each group, in the order of ``grouping.groups``.
        ranked: positions of the groups that count in the figures below; their order is that in
            which ``gap`` and ``pairs`` number the groups.
        gap: None with fewer than two ranked groups, like ``null_gap``.
        null_gap: what chance alone gives.
        accuracies: E[A] and Var[A].
        pairs: every two ranked groups.
        adjusted_p_values: of the pairs, by Holm over all groupings of the evaluation.
    """

    grouping: Grouping
    recall: tuple[Rate, ...]
    ranked: NDArray[np.intp]
    gap: Gap | None
    null_gap: NullGap | None
    accuracies: Accuracies
    pairs: tuple[Pair, ...]
    adjusted_p_values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """What the answers at one threshold say.

    Attributes:
        recall: of all faces.
        fpr: of all non-faces, the one pool that every group shares.
        groupings: one for each grouping that was asked for.
    """

    recall: Rate
    fpr: Rate
    groupings: tuple[GroupingResult, ...]


def evaluate(
    *,
    face_answers: ArrayLike,
    negative_answers: ArrayLike,
    groupings: Sequence[Grouping],
    generator: np.random.Generator,
    face_clusters: ArrayLike | None = None,
    negative_clusters: ArrayLike | None = None,
    min_group_size: int = 30,
    confidence: float = 0.95,
) -> Evaluation:
    """Return rates, disparities and tests of one set of answers.

    Args:
        face_answers: whether "face" was answered, for each face, shape (face,).
        negative_answers: whether "face" was answered, for each non-face, shape (negative,).
        groupings: of the faces.
        generator: draws the gaps that chance gives.
        face_clusters: the person of each face as integers from 0; None when independent.
        negative_clusters: the picture of each non-face as integers from 0; None when independent.
        min_group_size: smaller groups are shown, but not ranked.
        confidence: of the intervals, in (0, 1).
    """
    results = [
        _evaluate_grouping(
            answers=np.asarray(face_answers),
            grouping=grouping,
            clusters=face_clusters,
            generator=generator,
            min_group_size=min_group_size,
            confidence=confidence,
        )
        for grouping in groupings
    ]
    family = [pair.p_value for result in results for pair in result.pairs]
    adjusted = iter(holm(family).tolist())
    return Evaluation(
        recall=pooled_rate(hits=face_answers, clusters=face_clusters, confidence=confidence),
        fpr=pooled_rate(hits=negative_answers, clusters=negative_clusters, confidence=confidence),
        groupings=tuple(
            replace(result, adjusted_p_values=tuple(next(adjusted) for _ in result.pairs))
            for result in results
        ),
    )


def _evaluate_grouping(
    *,
    answers: NDArray[np.bool_],
    grouping: Grouping,
    clusters: ArrayLike | None,
    generator: np.random.Generator,
    min_group_size: int,
    confidence: float,
) -> GroupingResult:
    """Return the result of one grouping, its p-values not yet adjusted."""
    recall = rates_by_group(
        hits=answers, grouping=grouping, clusters=clusters, confidence=confidence
    )
    ranked = ranked_groups(grouping=grouping, min_group_size=min_group_size)
    rates = [recall[position] for position in ranked]
    several = len(rates) > 1
    return GroupingResult(
        grouping=grouping,
        recall=recall,
        ranked=ranked,
        gap=gap(rates=rates, confidence=confidence) if several else None,
        null_gap=null_gap(rates=rates, generator=generator) if several else None,
        accuracies=accuracies(rates=rates),
        pairs=pairs(rates=rates, confidence=confidence) if several else (),
        adjusted_p_values=(),
    )
