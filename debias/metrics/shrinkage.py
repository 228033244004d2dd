"""Rates of small groups drawn towards that of all, as far as the groups look alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from debias.metrics.intervals import Rate

_LOG_ODDS = np.linspace(-9.0, 7.0, 200)
"""Grid of the log odds of B = M / (M + m), how far a group of m rows is drawn to all others."""

_SHARE = 0.25
"""B is judged for this share of a typical group; by simulation, see :func:`shrunken_rates`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunken:
    """A rate drawn towards that of all groups.

    Attributes:
        value: posterior mean, in [0, 1]; NaN where no group has trials.
        low: lower limit of the central posterior interval.
        high: upper limit.
    """

    value: float
    low: float
    high: float


def shrunken_rates(*, rates: Sequence[Rate], confidence: float = 0.95) -> tuple[Shrunken, ...]:
    """Return a shrunken rate for each group: the fewer rows, the nearer to that of all groups.

    Successes are binomial in the effective trials m, and the groups' true rates come from a beta
    distribution of mean a and precision M. Given M, a group's posterior mean is
    (M a + m p) / (M + m); what is not known of a adds to its variance. M is not estimated but
    averaged over, by its likelihood and a prior, so that few groups do not pretend to tell how
    alike they are: M / (M + m0) is uniform in (0, 1), with m0 a quarter of the harmonic mean of
    m. Limits are those of the beta distribution of the same mean and variance.

    Drawn from that model with 2 to 50 groups of 10 to 200 or 1000 to 5000 rows and means of 0.7
    to 0.99, the 95 % intervals cover 93 to 96 % over all groups (98 to 100 % where all groups are
    alike), and are up to half as wide as Wilson's. They make no promise for a single group that
    is unlike all others: it is drawn towards them.

    Args:
        rates: of the groups of one grouping; one without trials takes what the others say.
        confidence: of the intervals, in (0, 1).

    References:
        [Morris1983] Parametric empirical Bayes inference: theory and applications. JASA 78.
        [KassSteffey1989] Approximate Bayesian inference in conditionally independent hierarchical
        models. JASA 84. (On averaging over hyperparameters.)
        [Daniels1999] A prior for the variance in hierarchical models. Canadian J. Statistics 27.
    """
    effective = np.array([group.num_effective if group.num_trials else 0.0 for group in rates])
    values = np.array([group.value if group.num_trials else 0.0 for group in rates])
    if not effective.sum() > 0.0:
        nothing = Shrunken(value=math.nan, low=math.nan, high=math.nan)
        return (nothing,) * len(rates)
    hits, misses = effective * values, effective * (1.0 - values)
    typical = 1.0 / np.mean(1.0 / effective[effective > 0.0])
    precision = _SHARE * typical * np.exp(_LOG_ODDS)[:, None]  # (precision, 1)
    # Given M, each group says as much about the mean as this many independent rows do.
    worth = effective / (1.0 + (effective - 1.0).clip(min=0.0) / (precision + 1.0))
    total = worth.sum(axis=1)
    mean = ((worth @ values) + 0.5) / (total + 1.0)
    mean_variance = mean * (1.0 - mean) / (total + 1.0)
    a, b = mean[:, None] * precision, (1.0 - mean[:, None]) * precision
    likelihood = (special.betaln(a + hits, b + misses) - special.betaln(a, b)).sum(axis=1)
    log_prior = special.log_expit(_LOG_ODDS) + special.log_expit(-_LOG_ODDS)
    log_weight = likelihood + log_prior + 0.5 * np.log(mean_variance)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    drawn = precision / (precision + effective)
    posterior = drawn * mean[:, None] + (1.0 - drawn) * values
    variance = posterior * (1.0 - posterior) / (precision + effective + 1.0)
    variance += drawn**2 * mean_variance[:, None]
    value = weight @ posterior
    spread = weight @ (variance + (posterior - value) ** 2)
    size = np.maximum(value * (1.0 - value) / spread - 1.0, 1e-3)
    tail = (1.0 - confidence) / 2.0
    low, high = (
        stats.beta.ppf(share, value * size, (1.0 - value) * size) for share in (tail, 1.0 - tail)
    )
    return tuple(
        Shrunken(value=float(v), low=float(min(lo, v)), high=float(max(hi, v)))
        for v, lo, hi in zip(value, low, high, strict=True)
    )
