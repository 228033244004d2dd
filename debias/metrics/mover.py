"""Intervals of sums and ratios of two estimates, from the interval of each (MOVER)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from debias.metrics.intervals import FloatArray, wilson


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
