"""The summary of group accuracies in [Amini2019]: their mean E[A] and their variance Var[A]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from debias.metrics.disparities import ByChance, by_chance, rates_by_chance
from debias.metrics.intervals import FloatArray, Rate
from debias.metrics.stratified import mean_rate_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its interval; all three are NaN where it is not estimable.

    Attributes:
        value: what was found.
        low: lower limit, at most ``value``.
        high: upper limit, at least ``value``.
    """

    value: float
    low: float
    high: float


NOT_ESTIMABLE = Estimate(value=float("nan"), low=float("nan"), high=float("nan"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracies:
    """The summary of group accuracies in [Amini2019].

    Attributes:
        mean_of_groups: E[A], each group counted once; in [0, 1].
        mean_of_images: E[A], each group weighted by its images; in [0, 1].
        variance: Var[A], the sample variance (n - 1) in squared percentage points; not estimable
            for a single group.
        null_variance: the variance that chance alone gives; None for a single group.
    """

    mean_of_groups: Estimate
    mean_of_images: Estimate
    variance: Estimate
    null_variance: ByChance | None


def accuracies(
    *,
    rates: Sequence[Rate],
    generator: np.random.Generator,
    weights: ArrayLike | None = None,
    num_replicates: int = 10_000,
    confidence: float = 0.95,
) -> Accuracies:
    """Return E[A] and Var[A] of the group accuracies.

    The means are of these groups, with these weights, in other images; their intervals are those
    of :func:`debias.metrics.stratified.mean_rate_interval`.

    Var[A] is positive even where all groups are alike: it holds what chance adds, which is why
    that stands beside it. Its interval is of the variance of the true accuracies, without that.
    True accuracies are drawn from Jeffreys posteriors with effective counts, so that the interval
    keeps its width where nobody is missed. Their variance holds what chance adds twice, once for
    the sample and once for the draw: that is taken off each draw for the lower limit, while the
    upper limit is that of the draws as they are. The estimate itself may lie above the interval's
    middle, but never outside. Over 2 to 12 groups of 30 to 2,000 rows, accuracies of 0.8 to 0.998,
    alike or not, it covers 96 to 100 %.

    Args:
        rates: of the groups, each with trials.
        generator: draws what chance gives, and the interval of the variance.
        weights: of the images of each group, shape (group,); None counts images.
        num_replicates: how many to draw.
        confidence: of the intervals, in (0, 1).

    References:
        [Amini2019], tables 1 and 2. The "accuracy" of a group of faces is its recall.
    """
    if weights is None:
        weights = [group.num_trials for group in rates]
    return Accuracies(
        mean_of_groups=_mean(rates, np.ones(len(rates)), confidence),
        mean_of_images=_mean(rates, np.asarray(weights, dtype=np.float64), confidence),
        variance=_variance(rates, generator, num_replicates, confidence),
        null_variance=_null_variance(rates, generator, num_replicates),
    )


def _mean(rates: Sequence[Rate], weights: FloatArray, confidence: float) -> Estimate:
    """Return the weighted mean of rates."""
    counted = [(group, weight) for group, weight in zip(rates, weights, strict=True) if weight > 0]
    if not counted:
        return NOT_ESTIMABLE
    values = np.array([group.value for group, _ in counted])
    shares = np.array([weight for _, weight in counted])
    value = float(values @ shares / shares.sum())
    low, high = mean_rate_interval(
        values=values,
        num_effective=[g.num_trials / g.design_effect_at(confidence) for g, _ in counted],
        weights=shares,
        confidence=confidence,
    )
    return Estimate(value=value, low=min(value, low), high=max(value, high))


def _variance(
    rates: Sequence[Rate], generator: np.random.Generator, num_replicates: int, confidence: float
) -> Estimate:
    """Return the sample variance of rates, in squared percentage points."""
    if len(rates) < 2:
        return NOT_ESTIMABLE
    values = np.array([group.value for group in rates])
    effective = np.array([group.num_trials / group.design_effect_at(confidence) for group in rates])
    a, b = effective * values + 0.5, effective * (1.0 - values) + 0.5
    drawn = _squared_points(generator.beta(a, b, size=(num_replicates, len(rates))))
    noise = 100.0**2 * float(np.mean(a * b / ((a + b) ** 2 * (a + b + 1.0))))
    tail = (1.0 - confidence) / 2.0
    low = float(np.quantile(np.maximum(drawn - 2.0 * noise, 0.0), tail))
    high = float(np.quantile(drawn, 1.0 - tail))
    value = float(_squared_points(values))
    return Estimate(value=value, low=min(value, low), high=max(value, high))


def _null_variance(
    rates: Sequence[Rate], generator: np.random.Generator, num_replicates: int
) -> ByChance | None:
    """Return the variance that chance alone gives."""
    if len(rates) < 2:
        return None
    drawn = rates_by_chance(rates=rates, generator=generator, num_replicates=num_replicates)
    observed = float(_squared_points(np.array([group.value for group in rates])))
    return by_chance(observed=observed, drawn=_squared_points(drawn))


def _squared_points(values: FloatArray) -> FloatArray:
    """Return the sample variance (n - 1) over the last axis, in squared percentage points."""
    return np.asarray(np.var(100.0 * values, axis=-1, ddof=1), dtype=np.float64)
