"""Everything that the answers at one threshold say: overall, by group, and between groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias.metrics.accuracies import Accuracies, accuracies
from debias.metrics.counts import UNKNOWN, Grouping
from debias.metrics.disparities import ByChance, Gap, WorstRate, gap, null_gap, worst_rate
from debias.metrics.group_rates import large_enough
from debias.metrics.intervals import FloatArray, Rate, rate
from debias.metrics.measures import Measures, Negatives, group_measures, overall_measures
from debias.metrics.pairs import Pair, holm, pairs
from debias.metrics.parity import Disparity, parity_measures
from debias.metrics.shrinkage import Shrunken, shrunken_rates
from debias.metrics.tally import Shares, Tally, tally_rows
from debias.metrics.verdicts import Verdict, verdict


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupedRows:
    """The rows of one grouping.

    Attributes:
        grouping: which group each of these rows belongs to.
        rows: which rows they are, shape (row of the grouping,). Where negatives are one pool,
            they are positives only.
        within: values of control features that these rows share; empty for all rows.
    """

    grouping: Grouping
    rows: NDArray[np.intp]
    within: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TalliedGroups:
    """How a classifier answered in each group of one grouping.

    Attributes:
        columns: the attributes whose values make the groups.
        groups: their values, as in :class:`debias.metrics.counts.Grouping`.
        tally: of each group.
        within: see :class:`GroupedRows`.
    """

    columns: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    tally: Tally
    within: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupingResult:
    """How each group of one grouping is served, and how unequally.

    Attributes:
        columns: the attributes whose values make the groups.
        groups: their values, as in :class:`debias.metrics.counts.Grouping`.
        within: see :class:`GroupedRows`.
        recall: of each group.
        effective_sizes: faces of each group that count for ``min_group_size``, shape (group,).
        num_negatives: of each group, shape (group,); None where negatives are one pool.
        measures: of each group.
        shrunken: recall of each group, drawn towards that of all.
        ranked: positions of the groups that count in the figures below; their order is that in
            which ``gap`` and ``pairs`` number the groups.
        worst_recall: the smallest recall; None without a ranked group.
        gap: None with fewer than two ranked groups, like ``null_gap`` and ``verdict``.
        null_gap: what chance alone gives.
        accuracies: E[A] and Var[A].
        pairs: every two ranked groups.
        adjusted_p_values: of the pairs, by Holm over all groupings of all rows, or over all those
            within control features.
        verdict: whether a disparity is shown, or one beyond the margin ruled out.
        disparities: parity and equality of odds, GARBE and FDR.
    """

    columns: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    within: Mapping[str, str]
    recall: tuple[Rate, ...]
    effective_sizes: FloatArray
    num_negatives: NDArray[np.int64] | None
    measures: tuple[Measures, ...]
    shrunken: tuple[Shrunken, ...]
    ranked: NDArray[np.intp]
    worst_recall: WorstRate | None
    gap: Gap | None
    null_gap: ByChance | None
    accuracies: Accuracies
    pairs: tuple[Pair, ...]
    adjusted_p_values: tuple[float, ...]
    verdict: Verdict | None
    disparities: tuple[Disparity, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """What the answers at one threshold say.

    Attributes:
        recall: of all faces.
        fpr: of all negatives.
        measures: of all rows together.
        groupings: one for each grouping that was asked for.
    """

    recall: Rate
    fpr: Rate
    measures: Measures
    groupings: tuple[GroupingResult, ...]


def evaluate(
    *,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    groupings: Sequence[GroupedRows],
    negatives: Negatives,
    generator: np.random.Generator,
    clusters: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    min_group_size: int = 30,
    margin: float = 0.02,
    confidence: float = 0.95,
) -> Evaluation:
    """Return rates, disparities, tests and verdicts of one set of answers.

    The groupings of all rows are one family of tests, and those within control features another,
    so that looking into strata takes nothing from what all rows show.

    Args:
        y_true: 1 for a face and 0 for a negative, shape (row,).
        y_pred: 1 where "face" was answered, shape (row,).
        groupings: who belongs where; those within control features come last.
        negatives: whether they are one pool that all groups share, or belong to groups.
        generator: draws what chance gives.
        clusters: the person of each face and the picture of each negative as integers from 0,
            shape (row,); None when independent.
        sample_weight: of each row, shape (row,); None when all count the same.
        min_group_size: groups with fewer faces that count are shown, but not ranked: persons, of
            whom an uneven share counts for less; see
            :func:`debias.metrics.group_rates.effective_sizes`. Weights count alike.
        margin: a difference in recall that would matter.
        confidence: of the intervals, in (0, 1).
    """
    labels, answers = np.asarray(y_true), np.asarray(y_pred)
    persons = None if clusters is None else np.asarray(clusters)
    weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)

    def tally(rows: NDArray[np.intp] | slice, grouping: Grouping | None) -> Tally:
        return tally_rows(
            y_true=labels[rows],
            y_pred=answers[rows],
            codes=None if grouping is None else grouping.codes,
            num_groups=1 if grouping is None else len(grouping.groups),
            clusters=None if persons is None else persons[rows],
            sample_weight=None if weights is None else weights[rows],
            confidence=confidence,
        )

    return evaluate_tallies(
        overall=tally(slice(None), None),
        groupings=[
            TalliedGroups(
                columns=item.grouping.columns,
                groups=item.grouping.groups,
                tally=tally(item.rows, item.grouping),
                within=item.within,
            )
            for item in groupings
        ],
        negatives=negatives,
        generator=generator,
        min_group_size=min_group_size,
        margin=margin,
        confidence=confidence,
    )


def evaluate_tallies(
    *,
    overall: Tally,
    groupings: Sequence[TalliedGroups],
    negatives: Negatives,
    generator: np.random.Generator,
    min_group_size: int = 30,
    margin: float = 0.02,
    confidence: float = 0.95,
) -> Evaluation:
    """Return what :func:`evaluate` does, from what has been tallied.

    Args:
        overall: of all rows as one group.
        groupings: of each group of each grouping.
        negatives: see :func:`evaluate`, like the rest.
        generator: see there.
        min_group_size: see there.
        margin: see there.
        confidence: see there.
    """
    results = [
        _evaluate_grouping(
            item,
            overall=overall,
            negatives=negatives,
            generator=generator,
            min_group_size=min_group_size,
            margin=margin,
            confidence=confidence,
        )
        for item in groupings
    ]
    (recall,), (fpr,) = (rates_of(shares, confidence) for shares in (overall.recall, overall.fpr))
    judged = [
        *_judged([r for r in results if not r.within], margin=margin, confidence=confidence),
        *_judged([r for r in results if r.within], margin=margin, confidence=confidence),
    ]
    return Evaluation(
        recall=recall,
        fpr=fpr,
        measures=overall_measures(tally=overall, confidence=confidence),
        groupings=tuple(judged),
    )


def _evaluate_grouping(
    item: TalliedGroups,
    *,
    overall: Tally,
    negatives: Negatives,
    generator: np.random.Generator,
    min_group_size: int,
    margin: float,
    confidence: float,
) -> GroupingResult:
    """Return the result of one grouping, its p-values not yet adjusted and itself not judged."""
    tally, pooled = item.tally, negatives == "pool"
    recall = rates_of(tally.recall, confidence)
    known = np.array([UNKNOWN not in group for group in item.groups], dtype=np.bool_)
    sizes = tally.recall.effects.num_clusters
    ranked = np.flatnonzero(known & large_enough(sizes, min_group_size=min_group_size))
    rates = [recall[position] for position in ranked]
    several = len(rates) > 1
    return GroupingResult(
        columns=item.columns,
        groups=item.groups,
        within=item.within,
        recall=recall,
        effective_sizes=sizes,
        num_negatives=None if pooled else tally.num_negatives,
        measures=group_measures(
            tally=tally, pool=overall if pooled else None, confidence=confidence
        ),
        shrunken=shrunken_rates(rates=recall, confidence=confidence),
        ranked=ranked,
        worst_recall=worst_rate(rates=rates, confidence=confidence) if rates else None,
        gap=gap(rates=rates, confidence=confidence) if several else None,
        null_gap=null_gap(rates=rates, generator=generator) if several else None,
        accuracies=accuracies(
            rates=rates,
            generator=generator,
            weights=tally.recall.weights[ranked],
            confidence=confidence,
        ),
        pairs=pairs(rates=rates, margin=margin, confidence=confidence) if several else (),
        adjusted_p_values=(),
        verdict=None,
        disparities=parity_measures(
            tally=tally,
            ranked=ranked,
            negatives=negatives,
            generator=generator,
            min_group_size=min_group_size,
            confidence=confidence,
        ),
    )


def _judged(
    results: Sequence[GroupingResult], *, margin: float, confidence: float
) -> Iterator[GroupingResult]:
    """Yield results with their verdicts; all of them are one family of tests."""
    family = [pair.p_value for result in results for pair in result.pairs]
    adjusted = iter(holm(family).tolist())
    several = [result for result in results if result.pairs]
    equivalence = iter(
        holm([max(p.equivalence_p_value for p in result.pairs) for result in several]).tolist()
    )
    for result in results:
        if not result.pairs:
            yield result
            continue
        p_values = tuple(next(adjusted) for _ in result.pairs)
        found = verdict(
            pairs=result.pairs,
            adjusted_p_values=p_values,
            rates=[result.recall[position] for position in result.ranked],
            adjusted_equivalence_p_value=next(equivalence),
            num_tests=len(family),
            margin=margin,
            confidence=confidence,
        )
        yield replace(result, adjusted_p_values=p_values, verdict=found)


def rates_of(shares: Shares, confidence: float = 0.95) -> tuple[Rate, ...]:
    """Return the rate of each group with its Wilson interval.

    Args:
        shares: of every group.
        confidence: of the intervals, in (0, 1).
    """
    return tuple(
        rate(
            num_successes=float(successes),
            num_trials=int(trials),
            confidence=confidence,
            design_effect=float(effect),
            freedom=float(freedom),
        )
        for successes, trials, effect, freedom in zip(
            shares.num_successes,
            shares.num_trials,
            shares.effects.at(confidence),
            shares.effects.freedom,
            strict=True,
        )
    )
