"""Score tests of the difference of two independent rates, of the right size near rates of 1 too.

The statistic is that of Farrington and Manning: the observed difference minus the hypothetical
one, over its standard error at the maximum-likelihood rates that differ by just that. Its normal
approximation rejects too often near rates of 1 (133 hits of 133 twice would rule out a margin of
0.02, though a true rate of 0.98 does that in 6.8 % of cases). So the p-values here are the exact
binomial probability, at those restricted rates, of a statistic at least as large. Listed for groups
of 20 to 200 and rates of 0.51 to 1, tests at 5 % then err in at most 5.2 % of cases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from debias.metrics.intervals import FloatArray

_CLEAR = (0.8, 6.0)
"""Statistics outside this range leave no doubt: p-values above 0.2, or below 1e-8."""

_MANY = 15.0
"""The standard deviation of a count from which on the normal approximation serves."""

_NEGLECTED = 1e-10
"""Added to exact p-values for the tails of counts that are left out."""

_CELLS = 20_000
"""Elements of the arrays that are worked on at a time: they stay in the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoRates:
    """Pairs of independent rates with whole numbers of effective trials.

    Attributes:
        first: the first rate of each pair, in [0, 1], shape (pair,).
        second: the second rate of each pair, in [0, 1], shape (pair,).
        num_first: its independent trials, shape (pair,).
        num_second: its independent trials, shape (pair,).
    """

    first: FloatArray
    second: FloatArray
    num_first: NDArray[np.int64]
    num_second: NDArray[np.int64]

    def __getitem__(self, part: NDArray[np.intp]) -> TwoRates:
        """Return some of the pairs."""
        return TwoRates(
            first=self.first[part],
            second=self.second[part],
            num_first=self.num_first[part],
            num_second=self.num_second[part],
        )

    @property
    def swapped(self) -> TwoRates:
        """The same pairs the other way round."""
        return TwoRates(
            first=self.second,
            second=self.first,
            num_first=self.num_second,
            num_second=self.num_first,
        )

    @property
    def of_misses(self) -> TwoRates:
        """The shares of misses, the other way round: with the same differences."""
        return TwoRates(
            first=1.0 - self.second,
            second=1.0 - self.first,
            num_first=self.num_second,
            num_second=self.num_first,
        )

    def restricted(self, difference: float) -> tuple[FloatArray, FloatArray]:
        """Return :func:`restricted_rates` of the pairs."""
        return restricted_rates(
            first=self.first,
            second=self.second,
            num_first=self.num_first,
            num_second=self.num_second,
            difference=difference,
        )

    def statistic(self, difference: float) -> FloatArray:
        """Return :func:`score_statistic` of the pairs."""
        return score_statistic(
            first=self.first,
            second=self.second,
            num_first=self.num_first,
            num_second=self.num_second,
            difference=difference,
        )


def two_rates(
    *, rates: tuple[ArrayLike, ArrayLike], num_effective: tuple[ArrayLike, ArrayLike]
) -> TwoRates:
    """Return pairs of rates with their effective trials rounded down, as the tests take them.

    Args:
        rates: the first and the second of each pair, in [0, 1], shape (pair,).
        num_effective: their rows over their design effects, shape (pair,).
    """
    first, second = (np.asarray(rate, dtype=np.float64) for rate in rates)
    # A hair above keeps 100 rows with a computed design effect of 1 at 100.
    sizes = [
        np.floor(np.asarray(size, dtype=np.float64) + 1e-9).astype(np.int64)
        for size in num_effective
    ]
    return TwoRates(first=first, second=second, num_first=sizes[0], num_second=sizes[1])


def difference_p_values(pairs: TwoRates) -> FloatArray:
    """Return the two-sided p-values of equal rates, shape (pair,).

    Two rates that are both 0 or both 1, or of which one has no effective trial, have 1.
    """
    upper, lower = pairs, pairs.swapped
    return np.minimum(1.0, _upper_tail(upper, 0.0) + _upper_tail(lower, 0.0))


def equivalence_p_values(pairs: TwoRates, *, margin: float) -> FloatArray:
    """Return the p-values of "the rates differ by the margin or more", shape (pair,).

    Two one-sided tests: the larger p-value of "first - second <= -margin" and of
    "first - second >= margin". A small one shows that the difference lies within the margin.

    Args:
        pairs: the rates.
        margin: in (0, 1).

    Raises:
        ValueError: the margin is not in (0, 1).

    References:
        [Schuirmann1987] A comparison of the two one-sided tests procedure and the power approach
        for assessing the equivalence of average bioavailability. J. Pharmacokinetics and
        Biopharmaceutics 15.
    """
    if not 0.0 < margin < 1.0:
        raise ValueError(f"the margin must be between 0 and 1, not {margin}")
    return np.maximum(_upper_tail(pairs, -margin), _upper_tail(pairs.swapped, -margin))


def restricted_rates(
    *,
    first: ArrayLike,
    second: ArrayLike,
    num_first: ArrayLike,
    num_second: ArrayLike,
    difference: float,
) -> tuple[FloatArray, FloatArray]:
    """Return the most likely two rates among those with first - second = difference.

    They solve a cubic equation in closed form.

    Args:
        first: observed first rates, any shape.
        second: observed second rates.
        num_first: trials of the first, above 0.
        num_second: trials of the second, above 0.
        difference: in (-1, 1).

    References:
        [FarringtonManning1990] Test statistics and sample size formulae for comparative binomial
        trials with null hypothesis of non-zero risk difference or non-unity relative risk.
        Statistics in Medicine 9.
    """
    p1, p2 = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    ratio = np.asarray(num_second, dtype=np.float64) / np.asarray(num_first, dtype=np.float64)
    if difference == 0.0:
        pooled = np.asarray((p1 + ratio * p2) / (1.0 + ratio), dtype=np.float64)
        return pooled, pooled
    a = 3.0 * (1.0 + ratio)
    b = -(1.0 + ratio + p1 + ratio * p2 + difference * (ratio + 2.0)) / a
    c = (difference**2 + difference * (2.0 * p1 + ratio + 1.0) + p1 + ratio * p2) / a
    d = -p1 * difference * (1.0 + difference) / a
    v = b**3 - 1.5 * b * c + 1.5 * d
    u = np.copysign(np.sqrt(np.maximum(b**2 - c, 0.0)), v)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(u == 0.0, 1.0, v / u**3)
    angle = (np.pi + np.arccos(np.clip(cosine, -1.0, 1.0))) / 3.0
    low, high = max(0.0, difference), min(1.0, 1.0 + difference)
    restricted = np.clip(2.0 * u * np.cos(angle) - b, low, high)
    return restricted, restricted - difference


def score_statistic(
    *,
    first: ArrayLike,
    second: ArrayLike,
    num_first: ArrayLike,
    num_second: ArrayLike,
    difference: float,
) -> FloatArray:
    """Return (first - second - difference) / its standard error; 0 where both are 0.

    Args:
        first: observed first rates, any shape.
        second: observed second rates.
        num_first: trials of the first, above 0.
        num_second: trials of the second, above 0.
        difference: the hypothetical one, in (-1, 1).
    """
    p1, p2 = restricted_rates(
        first=first,
        second=second,
        num_first=num_first,
        num_second=num_second,
        difference=difference,
    )
    n1, n2 = np.asarray(num_first), np.asarray(num_second)
    variance = np.maximum(p1 * (1.0 - p1), 0.0) / n1 + np.maximum(p2 * (1.0 - p2), 0.0) / n2
    excess = np.asarray(first) - np.asarray(second) - difference
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0.0, excess / np.sqrt(variance), 0.0)


def _upper_tail(pairs: TwoRates, difference: float) -> FloatArray:
    """Return how probable a statistic at least the observed one is, at the restricted rates.

    With a hypothetical difference of 0 the observed statistic counts without its sign. Exact where
    it matters: not where the p-value is clear anyway, nor where counts vary so much that the
    normal approximation has the right size.

    References:
        [KangChen2000] An approximate unconditional test of non-inferiority between two
        proportions. Statistics in Medicine 19.
    """
    informed = np.flatnonzero((pairs.num_first > 0) & (pairs.num_second > 0))
    p_values = np.ones(pairs.first.size)
    if informed.size == 0:
        return p_values
    pairs = pairs[informed]
    statistic = pairs.statistic(difference)
    if difference == 0.0:
        statistic = np.abs(statistic)
    result = special.ndtr(-statistic)
    p1, p2 = pairs.restricted(difference)
    deviation = [_deviation(p1, pairs.num_first), _deviation(p2, pairs.num_second)]
    exact = (statistic > _CLEAR[0]) & (statistic < _CLEAR[1])
    exact &= np.minimum(*deviation) < _MANY
    # The sum goes over the count that varies less. Counting misses the other way round, the
    # second rate becomes the first, and the difference and the statistic stay the same.
    for turned in (False, True):
        chosen = np.flatnonzero(exact & ((deviation[1] < deviation[0]) == turned))
        part = pairs[chosen].of_misses if turned else pairs[chosen]
        result[chosen] = _exact_tail(part, statistic[chosen], difference)
    p_values[informed] = result
    return p_values


def _deviation(rate: FloatArray, size: NDArray[np.int64]) -> FloatArray:
    """Return the standard deviation of a binomial count."""
    return np.sqrt(np.maximum(size * rate * (1.0 - rate), 0.0))


def _window(rate: FloatArray, size: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """Return the first and the last count that matter: the others have some 1e-10 of the mass."""
    reach = 6.5 * _deviation(rate, size) + 12.0
    low = np.maximum(np.floor(size * rate - reach), 0.0).astype(np.int64)
    return low, np.minimum(np.ceil(size * rate + reach).astype(np.int64), size)


def _exact_tail(pairs: TwoRates, statistic: FloatArray, difference: float) -> FloatArray:
    """Return the tail probabilities beyond ``statistic``, as many pairs at a time as fit."""
    low, high = _window(pairs.restricted(difference)[0], pairs.num_first)
    order = np.argsort(high - low, kind="stable")
    widths = (high - low)[order] + 1
    tails = np.empty(order.size)
    start = 0
    while start < order.size:
        cells = widths[start:] * np.arange(1, order.size - start + 1)
        part = order[start : start + max(1, int(np.searchsorted(cells, _CELLS, side="right")))]
        tails[part] = _tail_of_part(pairs[part], statistic[part], difference)
        start += part.size
    return tails


def _tail_of_part(pairs: TwoRates, statistic: FloatArray, difference: float) -> FloatArray:
    """Return the tail probabilities of pairs that are few enough for one array (pair, count)."""
    p1, p2 = pairs.restricted(difference)
    (low1, high1), (low2, high2) = _window(p1, pairs.num_first), _window(p2, pairs.num_second)
    n1, n2 = pairs.num_first[:, None], pairs.num_second[:, None]
    offsets = np.arange(int((high1 - low1).max()) + 1)
    count = np.minimum(low1[:, None] + offsets, n1)
    mass = _binomial_mass(count, n1, p1[:, None])
    mass[low1[:, None] + offsets > high1[:, None]] = 0.0
    # The statistic falls with the second count. Halving finds the largest one, "inside", whose
    # statistic is no smaller than the observed, with "outside" always above it.
    inside = np.broadcast_to(low2[:, None] - 1, count.shape)
    outside = np.broadcast_to(high2[:, None] + 1, count.shape)
    for _ in range(int((high2 - low2 + 1).max()).bit_length()):
        middle = np.maximum((inside + outside) // 2, 0)
        there = score_statistic(
            first=count / n1,
            second=middle / n2,
            num_first=n1,
            num_second=n2,
            difference=difference,
        )
        extreme = (there >= statistic[:, None] - 1e-9) & (inside < outside - 1)
        inside, outside = np.where(extreme, middle, inside), np.where(extreme, outside, middle)
    share = np.where(inside >= 0, special.bdtr(np.maximum(inside, 0), n2, p2[:, None]), 0.0)
    return np.asarray((mass * share).sum(axis=1), dtype=np.float64) + _NEGLECTED


def _binomial_mass(
    count: NDArray[np.int64], size: NDArray[np.int64], rate: FloatArray
) -> FloatArray:
    """Return the binomial probability of each count."""
    ways = special.gammaln(size + 1.0) - special.gammaln(count + 1.0)
    ways -= special.gammaln(size - count + 1.0)
    power = special.xlogy(count, rate) + special.xlog1py(size - count, -rate)
    return np.asarray(np.exp(ways + power), dtype=np.float64)
