"""Confidence intervals of rates and of differences of rates.

A rate without a denominator is not estimable: its value and both limits are NaN, never 0 or 1.
Rows that share a person or a picture say less than as many independent ones; how much less is
the design effect, and intervals are those of ``num_trials / design_effect`` independent rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share of trials that succeeded, with its Wilson interval.

    Attributes:
        num_successes: the numerator; fractional where rows have weights.
        num_trials: the denominator, counted in rows.
        value: the share, in [0, 1]; NaN where there are no trials.
        low: lower limit, at most ``value``.
        high: upper limit, at least ``value``.
        design_effect: how many rows are worth one independent row, at least 1.
    """

    num_successes: float
    num_trials: int
    value: float
    low: float
    high: float
    design_effect: float

    @property
    def num_effective(self) -> float:
        """The number of independent rows that would say as much."""
        return self.num_trials / self.design_effect


def rate(
    *,
    num_successes: float,
    num_trials: int,
    confidence: float = 0.95,
    design_effect: float = 1.0,
) -> Rate:
    """Return ``num_successes / num_trials`` with its Wilson interval.

    Args:
        num_successes: from 0 to ``num_trials``.
        num_trials: rows; with none the rate is not estimable (NaN).
        confidence: of the interval, in (0, 1).
        design_effect: see :func:`design_effect`.
    """
    low, high = wilson(
        num_successes=num_successes,
        num_trials=num_trials,
        confidence=confidence,
        design_effect=design_effect,
    )
    return Rate(
        num_successes=_whole(num_successes),
        num_trials=int(num_trials),
        value=float(num_successes / num_trials) if num_trials else float("nan"),
        low=float(low),
        high=float(high),
        design_effect=float(design_effect),
    )


def _whole(number: float) -> float:
    """Return a number as an integer if it is one."""
    return int(number) if float(number).is_integer() else float(number)


def wilson(
    *,
    num_successes: ArrayLike,
    num_trials: ArrayLike,
    confidence: ArrayLike = 0.95,
    design_effect: ArrayLike = 1.0,
) -> tuple[FloatArray, FloatArray]:
    """Return the Wilson score interval of rates: all p that a score test does not reject.

    With p = k / n, m = n / design_effect and z the normal quantile, the limits are
    (p + z^2/2m -+ z sqrt(p (1 - p)/m + z^2/4m^2)) / (1 + z^2/m), within [0, 1].

    Args:
        num_successes: k, any shape.
        num_trials: n; both limits are NaN where it is 0.
        confidence: of the interval, in (0, 1).
        design_effect: at least 1; an infinite one gives [0, 1].

    Returns:
        The lower and the upper limits, in the arguments' common shape.

    Raises:
        ValueError: a number of successes is below 0 or above its number of trials.

    References:
        [Wilson1927] Probable inference, the law of succession, and statistical inference. JASA.
    """
    k, n, level, effect = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (num_successes, num_trials, confidence)),
        np.asarray(design_effect, dtype=np.float64),
    )
    if np.any((k < 0) | (k > n)):
        raise ValueError("the number of successes must be between 0 and the number of trials")
    with np.errstate(divide="ignore", invalid="ignore"):
        p = k / n
        # Multiplied by m^2 throughout, the formula also holds for m = 0 (no information: [0, 1]).
        m = n / effect
        z = -special.ndtri((1.0 - level) / 2.0)
        centre = (m * p + z**2 / 2.0) / (m + z**2)
        half = z * np.sqrt(m * p * (1.0 - p) + z**2 / 4.0) / (m + z**2)
    low = np.where(k == 0, 0.0, np.clip(centre - half, 0.0, p))
    high = np.where(k == n, 1.0, np.clip(centre + half, p, 1.0))
    return np.where(n == 0, np.nan, low), np.where(n == 0, np.nan, high)


def newcombe(
    *,
    num_successes: tuple[ArrayLike, ArrayLike],
    num_trials: tuple[ArrayLike, ArrayLike],
    confidence: ArrayLike = 0.95,
    design_effect: tuple[ArrayLike, ArrayLike] = (1.0, 1.0),
) -> tuple[FloatArray, FloatArray]:
    """Return the interval of the difference p1 - p2 of two independent rates (method 10).

    With [l, u] the Wilson intervals, the limits are d - sqrt((p1 - l1)^2 + (u2 - p2)^2) and
    d + sqrt((u1 - p1)^2 + (p2 - l2)^2), d = p1 - p2, within [-1, 1].

    Args:
        num_successes: of the first and of the second rate.
        num_trials: of the first and of the second rate; NaN comes out where one is 0.
        confidence: of the interval, in (0, 1).
        design_effect: of the first and of the second rate.

    References:
        [Newcombe1998] Interval estimation for the difference between independent proportions:
        comparison of eleven methods. Statistics in Medicine 17.
    """
    limits = [
        wilson(num_successes=k, num_trials=n, confidence=confidence, design_effect=effect)
        for k, n, effect in zip(num_successes, num_trials, design_effect, strict=True)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        p1, p2 = (
            np.asarray(k, dtype=np.float64) / np.asarray(n, dtype=np.float64)
            for k, n in zip(num_successes, num_trials, strict=True)
        )
    (low1, high1), (low2, high2) = limits
    low = p1 - p2 - np.hypot(p1 - low1, high2 - p2)
    high = p1 - p2 + np.hypot(high1 - p1, p2 - low2)
    return np.clip(low, -1.0, 1.0), np.clip(high, -1.0, 1.0)


def paired_difference(
    *,
    num_gained: float,
    num_lost: float,
    num_pairs: float,
    confidence: float = 0.95,
    design_effect: float = 1.0,
) -> tuple[float, float]:
    """Return the interval of the difference of two rates measured on the same rows.

    The adjusted Wald interval: one row is added to either kind of discordant pair, which keeps
    the interval honest where the two answers hardly ever differ. With a = (gained + 1)/(n + 2),
    b = (lost + 1)/(n + 2), it is a - b -+ z sqrt((a + b - (a - b)^2)/(n + 2)), within [-1, 1].

    Args:
        num_gained: rows that only the first answers rightly.
        num_lost: rows that only the second answers rightly.
        num_pairs: all rows; both limits are NaN when there are none.
        confidence: of the interval, in (0, 1).
        design_effect: see :func:`design_effect`; all three counts are divided by it.

    References:
        [BonettPrice2012] Adjusted Wald confidence interval for a difference of binomial
        proportions based on paired data. J. Educational and Behavioral Statistics 37.
    """
    if num_pairs == 0:
        return float("nan"), float("nan")
    if np.isinf(design_effect):
        return -1.0, 1.0
    size = num_pairs / design_effect + 2.0
    gained = (num_gained / design_effect + 1.0) / size
    lost = (num_lost / design_effect + 1.0) / size
    difference = gained - lost
    z = -float(special.ndtri((1.0 - confidence) / 2.0))
    half = z * float(np.sqrt((gained + lost - difference**2) / size))
    raw = (num_gained - num_lost) / num_pairs
    return max(-1.0, min(raw, difference - half)), min(1.0, max(raw, difference + half))


def mover_sum(
    *,
    values: tuple[ArrayLike, ArrayLike],
    low: tuple[ArrayLike, ArrayLike],
    high: tuple[ArrayLike, ArrayLike],
) -> tuple[FloatArray, FloatArray]:
    """Return the interval of the sum of two independent estimates from the interval of each.

    The distances from either estimate to its limit are added in squares (the method of variance
    estimates recovery, MOVER): [s - hypot(e1 - l1, e2 - l2), s + hypot(u1 - e1, u2 - e2)].

    Args:
        values: the two estimates e.
        low: their lower limits l, at the level that the sum's interval is to have.
        high: their upper limits u.

    References:
        [ZouDonner2008] Construction of confidence limits about effect measures: a general
        approach. Statistics in Medicine 27.
    """
    (e1, e2), (l1, l2), (u1, u2) = (
        tuple(np.asarray(x, dtype=np.float64) for x in pair) for pair in (values, low, high)
    )
    return e1 + e2 - np.hypot(e1 - l1, e2 - l2), e1 + e2 + np.hypot(u1 - e1, u2 - e2)


def mover_ratio(
    *,
    num_successes: tuple[ArrayLike, ArrayLike],
    num_trials: tuple[ArrayLike, ArrayLike],
    confidence: ArrayLike = 0.95,
    design_effect: tuple[ArrayLike, ArrayLike] = (1.0, 1.0),
) -> tuple[FloatArray, FloatArray]:
    """Return the interval of the ratio p1 / p2 of two independent rates (MOVER-R on Wilson).

    The limits are the ratios r at which the MOVER interval of p1 - r p2 has an end at zero. The
    interval of p2 / p1 is that of p1 / p2 turned upside down. Ratios of small trials cover like
    Newcombe's differences: of 2 x 30 and 2 x 100 trials, rates of 0.5 to 0.99, 94 to 98 %.

    Args:
        num_successes: of the first and of the second rate.
        num_trials: of the first and of the second rate; NaN comes out where one is 0.
        confidence: of the interval, in (0, 1).
        design_effect: of the first and of the second rate.

    Returns:
        Limits in [0, inf]; the upper one is infinite where the second rate may be 0.

    References:
        [DonnerZou2012] Closed-form confidence intervals for functions of the normal mean and
        standard deviation. Statistical Methods in Medical Research 21.
    """
    (low1, high1), (low2, high2) = (
        wilson(num_successes=k, num_trials=n, confidence=confidence, design_effect=effect)
        for k, n, effect in zip(num_successes, num_trials, design_effect, strict=True)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        p1, p2 = (
            np.asarray(k, dtype=np.float64) / np.asarray(n, dtype=np.float64)
            for k, n in zip(num_successes, num_trials, strict=True)
        )
        upside_down = _ratio_limit(p2, low2, p1, high1)
        return _ratio_limit(p1, low1, p2, high2), np.asarray(1.0 / upside_down)


def _ratio_limit(p1: FloatArray, low1: FloatArray, p2: FloatArray, high2: FloatArray) -> FloatArray:
    """Return the lower limit of p1 / p2: the smaller r with (p1 - r p2)^2 = the MOVER variance.

    The variance is (p1 - l1)^2 + r^2 (u2 - p2)^2. Written with the root in the denominator, which
    also holds where the quadratic term vanishes (u2 = 2 p2).
    """
    constant = low1 * (2.0 * p1 - low1)
    product = p1 * p2
    root = np.sqrt(np.maximum(product**2 - constant * high2 * (2.0 * p2 - high2), 0.0))
    # Times 0, so that a rate that is not estimable leaves no limit.
    return np.where(constant == 0.0, 0.0 * product, constant / (product + root))


def design_effect(
    *, values: ArrayLike, clusters: ArrayLike | None, confidence: float = 0.95
) -> float:
    """Return how many rows are worth one independent row in the mean of ``values``.

    :func:`design_effects` of one group without weights.

    Args:
        values: 0 or 1 for each row (or -1, 0, 1 for paired differences), shape (row,).
        clusters: the person or picture of each row, as integers, shape (row,); None when rows
            are independent.
        confidence: of the intervals that the result is for.

    Returns:
        A number of at least 1; infinite when there are rows but only one cluster.
    """
    rows = np.asarray(values)
    codes = np.zeros(rows.size, dtype=np.intp)
    units = None if clusters is None else cluster_units(codes=codes, clusters=clusters)
    found = design_effects(
        values=rows, codes=codes, num_groups=1, units=units, confidence=confidence
    )
    return float(found[0])


def cluster_units(*, codes: NDArray[np.intp], clusters: ArrayLike) -> NDArray[np.intp]:
    """Return the part of a cluster that lies in one group, as a number from 0, for each row.

    Args:
        codes: the group of each row, shape (row,); -1 for none.
        clusters: the person or picture of each row as integers, shape (row,).
    """
    labels = np.asarray(clusters)
    if labels.size == 0:
        return np.zeros(0, dtype=np.intp)
    if labels.min() < 0 or labels.max() >= 4 * labels.size:
        labels = np.unique(labels, return_inverse=True)[1]
    width = int(labels.max()) + 1
    pairs = (codes.astype(np.int64) + 1) * width + labels
    if int(pairs.max()) < 4 * pairs.size:
        present = np.bincount(pairs) > 0
        return np.asarray((np.cumsum(present) - 1)[pairs], dtype=np.intp)
    return np.asarray(np.unique(pairs, return_inverse=True)[1], dtype=np.intp)


def design_effects(
    *,
    values: ArrayLike,
    codes: NDArray[np.intp],
    num_groups: int,
    units: NDArray[np.intp] | None = None,
    weights: FloatArray | None = None,
    confidence: float = 0.95,
) -> FloatArray:
    """Return how many rows of each group are worth one independent row in their mean.

    The between-cluster (linearised) variance of the weighted mean over the variance that as many
    independent, equally weighted rows would have; never below what the weights alone cost
    (Kish's n sum w^2 / (sum w)^2; 1 without weights). G = W^2 / sum W_c^2, the number of clusters
    that count (W_c is a cluster's weight: its rows, without weights), takes care of few or
    unequal ones: the variance is scaled by G/(G - 1), and Student's t with G - 1 degrees of
    freedom stands in for the normal quantile. Where all values agree nothing can be learned about
    the clusters, and each is taken to be worth one row: n / G.

    The interval still covers too little where a few clusters hold most rows and agree within
    themselves (200 persons with sizes as uneven as a Zipf law of 2.2 and half of the variance
    between them: 86 to 92 % instead of 95 %, against 50 to 60 % with no correction).

    Args:
        values: 0 or 1 for each row (or -1, 0, 1 for paired differences), shape (row,).
        codes: the group of each row, from 0, shape (row,).
        num_groups: how many groups.
        units: what :func:`cluster_units` says of these rows, or of more rows and then cut to
            these; None when rows are independent.
        weights: positive, shape (row,); None when all rows count the same.
        confidence: of the intervals that the result is for.

    Returns:
        Numbers of at least 1, shape (group,); 1 for an empty group, infinite for one that has
        several rows and only one cluster.

    References:
        [KornGraubard1998] Confidence intervals for proportions with small expected number of
        positive counts estimated from survey data. Survey Methodology 24.
    """
    rows = np.asarray(values, dtype=np.float64)
    if rows.size == 0 or (units is None and weights is None):
        return np.ones(num_groups)
    ones = np.ones(rows.size)
    w = ones if weights is None else weights
    unit = np.arange(rows.size) if units is None else units
    group_of = np.zeros(int(unit.max()) + 1, dtype=np.intp)
    group_of[unit] = codes

    def by_unit(x: FloatArray) -> FloatArray:
        return np.bincount(unit, weights=x, minlength=group_of.size).astype(np.float64)

    def by_group(x: FloatArray) -> FloatArray:
        return np.bincount(group_of, weights=x, minlength=num_groups).astype(np.float64)

    size = by_unit(ones)
    total, found = (size, by_unit(rows)) if weights is None else (by_unit(w), by_unit(w * rows))
    n, num_units, weight = by_group(size), by_group(np.sign(size)), by_group(total)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = by_group(found) / weight
        variance = np.bincount(codes, weights=w * rows**2, minlength=num_groups) / weight - mean**2
        num_clusters = weight**2 / by_group(total**2)
        least = n * np.bincount(codes, weights=w**2, minlength=num_groups) / weight**2
        squares = by_group((found - mean[group_of] * total) ** 2)
        tail = (1.0 - confidence) / 2.0
        few = special.stdtrit(np.maximum(num_clusters - 1.0, 1.0), tail) / special.ndtri(tail)
        effect = n * squares / (weight**2 * variance)
        effect *= num_clusters / (num_clusters - 1.0) * few**2
        effect = np.maximum(np.maximum(effect, least), 1.0)
        effect = np.where(variance <= 0.0, n / num_clusters, effect)
    independent = (num_units == n) & (least <= 1.0 + 1e-12)
    effect = np.where((num_units == 1) & (n > 1), np.inf, effect)
    return np.where(independent | (n == 0), 1.0, effect)
