"""The interval of a weighted mean of independent rates, by inverting its score test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from debias.metrics.intervals import FloatArray

_NOTHING = 1e-30
"""A squared distance of 0, which rates of 1 keep under a weak pull, is no reason to reject."""


def mean_rate_interval(
    *,
    values: ArrayLike,
    num_effective: ArrayLike,
    weights: ArrayLike,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return the limits of sum of w p over rates p, the weights w taken as given.

    They are all means that a score test does not reject: (found - mean)^2 <= z^2 V, where V is
    sum of w^2 p (1 - p) / m at the rates p that are the likeliest ones with that mean. Of one rate
    this is Wilson's interval; like that, it keeps its width where all rates are 0 or 1. Adding the
    Wilson intervals of the rates in squares (MOVER) does not do here: near 1 the distances to
    their upper limits are too short, and twelve rates of 0.98 in 100 rows each would be
    covered in 90 % of cases.

    Of 2 to 12 rates of 0.8 to 0.998 in as many rows each (50 or 300) it covers 95 to 97 %; with 30
    rows of some and 2,000 of others, 93 to 97 %, or 89 % where hardly any group of 30 holds a miss
    (rates of 0.998), as Wilson's interval of 30 such rows would.

    Args:
        values: the rates, in [0, 1], shape (group,).
        num_effective: independent rows behind each, shape (group,); of a rate without any, all
            values are as likely.
        weights: positive, shape (group,); scaled to a sum of 1.
        confidence: of the interval, in (0, 1).

    Returns:
        Both NaN without a group.

    References:
        [MartinAndres2011] Inferences about a linear combination of proportions. Statistical
        Methods in Medical Research 20.
    """
    p, m, w = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (values, num_effective, weights))
    )
    if p.size == 0:
        return float("nan"), float("nan")
    w = w / w.sum()
    known = m > 0.0
    unknown = float(w[~known].sum())
    z = -float(special.ndtri((1.0 - confidence) / 2.0))
    p, m, w = p[known], m[known], w[known]
    low = _lower_limit(p, m, w, z)
    high = float(w.sum()) - _lower_limit(1.0 - p, m, w, z)
    return max(0.0, low), min(1.0, high + unknown)


def _lower_limit(p: FloatArray, m: FloatArray, w: FloatArray, z: float) -> float:
    """Return the smallest weighted sum that is not rejected."""
    found = float(w @ p)
    if found == 0.0:
        return 0.0

    def excess(pull: float) -> float:
        rates = _pulled(p, m, pull * w)
        variance = float(np.sum(w**2 * rates * (1.0 - rates) / m))
        return (found - float(w @ rates)) ** 2 - z**2 * variance - _NOTHING

    pull = _first_above(excess, start=float(m.sum()))
    return min(found, float(w @ _pulled(p, m, pull * w)))


def _pulled(p: FloatArray, m: FloatArray, pull: FloatArray) -> FloatArray:
    """Return the likeliest rates where a Lagrange multiplier pulls each of them down.

    They solve m p / x - m (1 - p) / (1 - x) = pull, whose smaller root is
    2 m p / (m + pull + sqrt((m + pull)^2 - 4 pull m p)).
    """
    total = m + pull
    root = np.sqrt(np.maximum(total**2 - 4.0 * pull * m * p, 0.0))
    return np.asarray(np.minimum(2.0 * m * p / (total + root), 1.0), dtype=np.float64)


def _first_above(excess: Callable[[float], float], *, start: float) -> float:
    """Return where a function that starts below 0, and ends above, crosses it."""
    high = start
    while excess(high) <= 0.0:
        high *= 2.0
    low = high
    while excess(low) > 0.0:
        low /= 2.0
    return float(optimize.brentq(excess, low, high, rtol=1e-10))
