"""From the rates of groups to how unequal they are, and how unequal chance alone would make them.

All functions take the groups that are to be ranked: known values, and rows enough to say
something. Which ones those are is decided by :func:`debias.metrics.group_rates.ranked_groups`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from debias.metrics.intervals import FloatArray, Rate, wilson
from debias.metrics.pairs import family_confidence, pair_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The largest rate minus the smallest.

    Attributes:
        value: in [0, 1].
        low: lower limit, simultaneous over all pairs.
        high: upper limit, simultaneous over all pairs.
        worst: position of the smallest rate.
        best: position of the largest rate.
    """

    value: float
    low: float
    high: float
    worst: int
    best: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstRate:
    """The smallest rate of several groups.

    Attributes:
        value: in [0, 1].
        low: lower limit of the smallest true rate, whichever group has it.
        high: upper limit of it.
        group: position of the group that has the smallest observed rate.
    """

    value: float
    low: float
    high: float
    group: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ByChance:
    """What a figure is by chance alone, when every group has the pooled rate.

    Attributes:
        median: half of the figures by chance are larger.
        percentile_95: one in twenty figures by chance is larger.
        p_value: the share of figures by chance that are at least the observed one.
    """

    median: float
    percentile_95: float
    p_value: float


def gap(*, rates: Sequence[Rate], confidence: float = 0.95) -> Gap:
    """Return the largest rate minus the smallest, and which groups have them.

    The interval comes from the Newcombe intervals of all pairs, each at the level that makes them
    hold together (Bonferroni): the gap is at least the largest lower limit of any pair and at
    most the largest upper one. So it also holds though worst and best were picked by looking.

    Args:
        rates: of at least two groups, each with trials.
        confidence: of the interval, in (0, 1).
    """
    values = np.array([group.value for group in rates])
    worst, best = int(values.argmin()), int(values.argmax())
    _, low, high = pair_limits(
        rates, confidence=family_confidence(len(rates), confidence), is_family=True
    )
    return Gap(
        value=float(values[best] - values[worst]),
        low=float(max(0.0, low.max(), (-high).max())),
        high=float(max(high.max(), (-low).max())),
        worst=worst,
        best=best,
    )


def worst_rate(*, rates: Sequence[Rate], confidence: float = 0.95) -> WorstRate:
    """Return the smallest rate, with limits that hold though it was picked by looking.

    They are the smallest lower and the smallest upper limit of Wilson intervals that hold for all
    groups together (Bonferroni).

    Args:
        rates: of at least one group, each with trials.
        confidence: of the interval, in (0, 1).
    """
    values = np.array([group.value for group in rates])
    level = 1.0 - (1.0 - confidence) / len(rates)
    low, high = wilson(
        num_successes=[group.num_successes for group in rates],
        num_trials=[group.num_trials for group in rates],
        confidence=level,
        design_effect=[group.design_effect_at(level) for group in rates],
    )
    worst = int(values.argmin())
    return WorstRate(
        value=float(values[worst]), low=float(low.min()), high=float(high.min()), group=worst
    )


def null_gap(
    *, rates: Sequence[Rate], generator: np.random.Generator, num_replicates: int = 10_000
) -> ByChance:
    """Return the distribution of the gap when all groups have the pooled rate, by simulation.

    Each group draws from a binomial with its effective number of rows. The gap is positive even
    then, and the larger the more and the smaller the groups are.

    Args:
        rates: of at least two groups, each with trials.
        generator: draws the replicates.
        num_replicates: how many gaps to draw.
    """
    drawn = rates_by_chance(rates=rates, generator=generator, num_replicates=num_replicates)
    observed = float(np.ptp([group.value for group in rates]))
    return by_chance(observed=observed, drawn=np.ptp(drawn, axis=1))


def rates_by_chance(
    *, rates: Sequence[Rate], generator: np.random.Generator, num_replicates: int = 10_000
) -> FloatArray:
    """Return rates of groups that all have the pooled one, shape (replicate, group).

    Args:
        rates: see :func:`null_gap`, like the rest.
        generator: see there.
        num_replicates: see there.
    """
    pooled = sum(group.num_successes for group in rates) / sum(group.num_trials for group in rates)
    sizes = np.array([max(1, round(group.num_effective)) for group in rates])
    drawn = generator.binomial(sizes, pooled, size=(num_replicates, len(rates)))
    return np.asarray(drawn / sizes, dtype=np.float64)


def by_chance(*, observed: float, drawn: FloatArray) -> ByChance:
    """Return where a figure lies among those that chance alone gives.

    Args:
        observed: the figure; the larger, the more unequal the groups.
        drawn: the same of groups that are alike, shape (replicate,).
    """
    at_least = int(np.count_nonzero(drawn >= observed - 1e-12))
    return ByChance(
        median=float(np.median(drawn)),
        percentile_95=float(np.quantile(drawn, 0.95)),
        p_value=(at_least + 1) / (drawn.size + 1),
    )
