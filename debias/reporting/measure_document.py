"""Rates and measures to the plain data of ``report.json``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from debias.metrics.counts import UNKNOWN
from debias.metrics.intervals import Rate
from debias.metrics.measures import Measure
from debias.reporting.measure_schema import MeasureJson, RateJson

Status = Literal["ranked", "small", "empty", "unknown"]


def group_name(values: Sequence[str]) -> str:
    """Return how a group or grouping is called: its parts with an x between."""
    return " x ".join(values) if values else "all"


def rate_json(rate: Rate) -> RateJson:
    """Return a rate as plain data."""
    return {
        "num_successes": rate.num_successes,
        "num_trials": rate.num_trials,
        "value": finite(rate.value),
        "low": finite(rate.low),
        "high": finite(rate.high),
        "design_effect": finite(rate.design_effect),
    }


def measure_json(measure: Measure) -> MeasureJson:
    """Return a measure as plain data."""
    return {
        "status": measure.status,
        "value": finite(measure.value),
        "low": finite(measure.low),
        "high": finite(measure.high),
        "num_successes": measure.num_successes,
        "num_trials": measure.num_trials,
        "reason": measure.reason,
    }


def statuses(
    groups: Sequence[tuple[str, ...]], num_faces: NDArray[np.int64], ranked: NDArray[np.intp]
) -> list[Status]:
    """Return for each group whether it is ranked, and if not, why."""
    chosen = set(ranked.tolist())

    def status(code: int) -> Status:
        if code in chosen:
            return "ranked"
        if UNKNOWN in groups[code]:
            return "unknown"
        return "small" if num_faces[code] else "empty"

    return [status(code) for code in range(len(groups))]


def finite(number: float | None) -> float | None:
    """Return a number, or None for what JSON has no word for."""
    return None if number is None or not math.isfinite(number) else float(number)
