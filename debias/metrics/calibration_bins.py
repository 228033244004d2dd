"""Calibration from sums over bins of scores; see :mod:`debias.metrics.calibration`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from debias.metrics.intervals import FloatArray, Rate, wilson
from debias.metrics.measures import Measure, Status

NUM_BINS = 15
NO_PROBABILITIES = "Scores lie outside [0, 1], so they are no probabilities."
POOLED_CALIBRATION = "Negatives belong to no group, so a group's share of positives has no meaning."


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Rows of about the same score.

    Attributes:
        num_rows: how many.
        mean_score: what they claim, in [0, 1].
        share: of positives among them. Where rows have weights its counts are of rows, and its
            value is not their quotient.
    """

    num_rows: int
    mean_score: float
    share: Rate


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """A reliability diagram and its expected calibration error.

    Attributes:
        error: the expected calibration error.
        expected_by_chance: what it would be of a perfectly calibrated model, on average over as
            many rows; NaN where the error is not estimated.
        bins: by ascending score, none of them empty; empty where the error is not estimated.
    """

    error: Measure
    expected_by_chance: float
    bins: tuple[CalibrationBin, ...]


def no_calibration(*, num_rows: int, num_positives: int) -> Calibration | None:
    """Return why rows of so many labels have no calibration; None where they have one."""
    if num_rows == 0:
        return not_calibrated("not_estimable", "There are no rows.", 0)
    if num_positives in (0, num_rows):
        return not_calibrated("not_applicable", "All rows have the same label.", num_rows)
    return None


def not_calibrated(status: Status, reason: str, num_rows: int | None = None) -> Calibration:
    """Return that there is no calibration, and why.

    Args:
        status: "not_estimable" or "not_applicable".
        reason: a sentence.
        num_rows: of the group.
    """
    error = Measure(status=status, num_trials=num_rows, reason=reason)
    return Calibration(error=error, expected_by_chance=math.nan, bins=())


def calibration_of_bins(
    *,
    num_rows: NDArray[np.integer],
    num_positives: ArrayLike,
    weight: ArrayLike,
    share: FloatArray,
    mean_score: FloatArray,
    squared_error: FloatArray,
    variance: FloatArray,
    effects: FloatArray,
    confidence: float,
) -> Calibration:
    """Return the calibration of rows that are summed up in bins; all arguments of shape (bin,).

    Args:
        num_rows: of each bin, at least 1.
        num_positives: of these.
        weight: of the rows together; without weights their number.
        share: of positives, weighted.
        mean_score: weighted, in [0, 1].
        squared_error: mean of (label - score)^2, weighted.
        variance: mean of score (1 - score), weighted.
        effects: design effects.
        confidence: of the intervals, in (0, 1).
    """
    n, claim = num_rows, mean_score
    spread = squared_error - (share - claim) ** 2
    # A bin that holds one person alone tells as much as one row.
    effective = np.maximum(n / effects, 1.0)
    errors = np.sqrt(np.maximum(spread, variance) / effective)
    mass = np.asarray(weight, dtype=np.float64) / np.sum(weight)
    value = float(mass @ np.abs(share - claim))
    z = -float(special.ndtri((1.0 - confidence) / 2.0))
    half = z * float(np.linalg.norm(mass * errors))
    bias = math.sqrt(2.0 / math.pi) * float(mass @ errors)
    expected = float(mass @ _mean_deviation(effective, claim))
    error = Measure(
        status="estimated",
        value=value,
        low=max(0.0, value - bias - half),
        high=min(1.0, value + half),
        num_trials=int(n.sum()),
        reason=f"Chance alone would give a perfectly calibrated model {100 * expected:.1f} %.",
    )
    low, high = wilson(
        num_successes=share * n, num_trials=n, confidence=confidence, design_effect=effects
    )
    positives = np.asarray(num_positives)
    bins = tuple(
        CalibrationBin(
            num_rows=int(n[i]),
            mean_score=float(claim[i]),
            share=Rate(
                num_successes=int(positives[i]),
                num_trials=int(n[i]),
                value=float(share[i]),
                low=float(low[i]),
                high=float(high[i]),
                design_effect=float(effects[i]),
            ),
        )
        for i in range(n.size)
    )
    return Calibration(error=error, expected_by_chance=expected, bins=bins)


def parts_of_equal_mass(counts: NDArray[np.integer], *, num_parts: int) -> NDArray[np.intp]:
    """Return the part of each of ascending values, from 0 without gaps: equal parts of mid-ranks.

    Args:
        counts: rows of each value, at least 1, shape (value,).
        num_parts: how many parts, at most.
    """
    middle = np.cumsum(counts) - counts / 2.0
    part = np.minimum((middle * num_parts / counts.sum()).astype(np.intp), num_parts - 1)
    return np.asarray(np.unique(part, return_inverse=True)[1], dtype=np.intp)


def _mean_deviation(trials: FloatArray, chance: FloatArray) -> FloatArray:
    """Return E|k / n - p| of binomial counts k: 2 (v/n) (1 - p) P(k = v), v = floor(n p) + 1.

    References:
        [DiaconisZabell1991] Closed form summation for classical distributions. Stat. Science 6.
    """
    n = np.maximum(np.rint(trials), 1.0)
    v = np.floor(n * chance) + 1.0
    return np.asarray(2.0 * v / n * (1.0 - chance) * stats.binom.pmf(v, n, chance))
