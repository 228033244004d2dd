"""Confidence intervals of rates and of differences of rates.

A rate without a denominator is not estimable: its value and both limits are NaN, never 0 or 1.
Rows that share a person or a picture say less than as many independent ones; how much less is
the design effect (:mod:`debias.metrics.design_effects`), and intervals are those of
``num_trials / design_effect`` independent rows.
"""

from __future__ import annotations

import math
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
        design_effect: how many rows are worth one independent row, at least 1; with Student's
            quantile for ``confidence``.
        freedom: degrees of freedom that the design effect is estimated with; infinite where it is
            known.
        confidence: of the interval, in (0, 1).
    """

    num_successes: float
    num_trials: int
    value: float
    low: float
    high: float
    design_effect: float
    freedom: float = math.inf
    confidence: float = 0.95

    @property
    def num_effective(self) -> float:
        """The number of independent rows that would say as much."""
        return self.num_trials / self.design_effect

    def design_effect_at(self, confidence: float) -> float:
        """Return the design effect for intervals of another confidence."""
        effect = scaled_design_effects(
            self.design_effect, freedom=self.freedom, was=self.confidence, now=confidence
        )
        return float(effect)


def rate(
    *,
    num_successes: float,
    num_trials: int,
    confidence: float = 0.95,
    design_effect: float = 1.0,
    freedom: float = math.inf,
) -> Rate:
    """Return ``num_successes / num_trials`` with its Wilson interval.

    Args:
        num_successes: from 0 to ``num_trials``.
        num_trials: rows; with none the rate is not estimable (NaN).
        confidence: of the interval, in (0, 1).
        design_effect: see :class:`Rate`.
        freedom: see there.
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
        freedom=float(freedom),
        confidence=float(confidence),
    )


def student_factor(*, freedom: ArrayLike, confidence: ArrayLike) -> FloatArray:
    """Return Student's quantile over the normal one, at least 1.

    Args:
        freedom: degrees of freedom, any shape; fewer than 1 count as 1, infinite ones give 1.
        confidence: of a two-sided interval, in (0, 1).
    """
    known = np.isinf(np.asarray(freedom, dtype=np.float64))
    degrees = np.where(known, 1.0, np.maximum(freedom, 1.0))
    tail = (1.0 - np.asarray(confidence, dtype=np.float64)) / 2.0
    return np.where(known, 1.0, special.stdtrit(degrees, tail) / special.ndtri(tail))


def scaled_design_effects(
    effects: ArrayLike, *, freedom: ArrayLike, was: float, now: float
) -> FloatArray:
    """Return design effects for intervals of another confidence than they were made for.

    The wider an interval is to be, the more it takes that variances are estimated from few
    clusters: Student's quantile grows faster than the normal one.

    Args:
        effects: at least 1, any shape.
        freedom: degrees of freedom that each is estimated with; infinite where it is known.
        was: the confidence that they were made for, in (0, 1).
        now: the confidence of the intervals, in (0, 1).
    """
    few = student_factor(freedom=freedom, confidence=now)
    few = few / student_factor(freedom=freedom, confidence=was)
    return np.maximum(np.asarray(effects, dtype=np.float64) * few**2, 1.0)


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
        design_effect: see :class:`Rate`; all three counts are divided by it.

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
