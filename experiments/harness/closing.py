"""What share of the gap that a balanced training set closes, a method closes without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from methods import METHODS
from numpy.typing import NDArray
from scipy import stats
from tables import PLAIN, figure, interval, methods_of, of
from tasks import find_task

Run = Mapping[str, Any]
Floats = NDArray[np.float64]
LEAST_GAP = 1.0
"""Points of recoverable gap below which the share of it that is closed means nothing."""


def closed_table(runs: Sequence[Run], task: str, target: float) -> pd.DataFrame:
    """Return the share of the recoverable gap that each method closes, by ratio of means.

    (gap of plain - gap of the method) / (gap of plain - gap of plain trained on a balanced set of
    the same size), over the seeds that have all three. The interval is Fieller's of the ratio of
    two paired means, 95 %; it is open where the recoverable gap itself is not shown to be above 0.
    Where that is below :data:`LEAST_GAP` on the mean, there is no share.
    """
    rows = []
    for method in methods_of(runs, task):
        gaps = closed_gaps(runs, task, target, method=method)
        if gaps is None:
            continue
        is_there = gaps.possible.mean() >= LEAST_GAP
        low, high = fieller(gaps.closed, gaps.possible) if is_there else (-np.inf, np.inf)
        rows.append(
            {
                "method": method,
                "seeds": str(len(gaps.plain)),
                "gap of plain": f"{gaps.plain.mean():.1f}",
                "recoverable": f"{gaps.possible.mean():.1f}",
                "closed": f"{gaps.closed.mean():.1f}",
                "share closed": _percent(
                    float(gaps.closed.mean() / gaps.possible.mean()) if is_there else np.nan
                ),
                "95 % interval": f"{_percent(low)} to {_percent(high)}",
            }
        )
    return pd.DataFrame(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedGaps:
    """Gaps in points, each of shape (seed,): of plain, what a balanced set closes, and what is."""

    plain: Floats
    possible: Floats
    closed: Floats


def closed_gaps(runs: Sequence[Run], task: str, target: float, *, method: str) -> ClosedGaps | None:
    """Return a method's part of the recoverable gap, by seed; None where there is nothing to tell.

    That is for ``plain`` itself, a task without a balanced set, and no seed that has all three.
    """
    balanced = find_task(task).balanced
    if balanced is None or method == PLAIN:
        return None
    found = of(runs, task, PLAIN), of(runs, balanced, PLAIN), of(runs, task, method)
    seeds = sorted(set.intersection(*({*by_seed} for by_seed in found)))
    if not seeds:
        return None
    plain, even, after = (
        np.array([figure(by_seed[seed], target, "gap") for seed in seeds]) for by_seed in found
    )
    return ClosedGaps(plain=plain, possible=plain - even, closed=plain - after)


def overview_table(runs: Sequence[Run], tasks: Sequence[str], target: float) -> pd.DataFrame:
    """Return the share of the recoverable gap that each method closes on each task, in one table.

    The first row gives the gap that can be recovered, in points, with its t-interval. Where that
    gap is not shown to be above 0, a share has no interval; where it is below :data:`LEAST_GAP`
    on the mean, there is no share.
    """
    shown = [task for task in tasks if _recoverable(runs, task, target) is not None]
    rows: list[dict[str, str]] = [
        {
            "method": "recoverable, points",
            "labels": "",
            **{task: interval(_recoverable(runs, task, target) or []) for task in shown},
        }
    ]
    for method in METHODS:
        cells = {task: _closed_share(runs, task, target, method) for task in shown}
        if any(cells.values()):
            rows.append({"method": method, "labels": METHODS[method].labels, **cells})
    return pd.DataFrame(rows)


def _recoverable(runs: Sequence[Run], task: str, target: float) -> list[float] | None:
    plain, even = of(runs, task, PLAIN), of(runs, find_task(task).balanced or "", PLAIN)
    seeds = sorted(plain.keys() & even.keys())
    if not seeds:
        return None
    return [
        figure(plain[seed], target, "gap") - figure(even[seed], target, "gap") for seed in seeds
    ]


def _closed_share(runs: Sequence[Run], task: str, target: float, method: str) -> str:
    gaps = closed_gaps(runs, task, target, method=method)
    if gaps is None:
        return ""
    if gaps.possible.mean() < LEAST_GAP:
        return "no gap"
    low, high = fieller(gaps.closed, gaps.possible)
    share = f"{100 * gaps.closed.mean() / gaps.possible.mean():.0f} %"
    if not np.isfinite(low + high):
        return f"{share} (seeds: {len(gaps.plain)})"
    return f"{share} [{100 * low:.0f}, {100 * high:.0f}]"


def fieller(numerator: Floats, denominator: Floats) -> tuple[float, float]:
    """Return Fieller's 95 % interval of the ratio of two paired means; infinite where open.

    References:
        Fieller. Some Problems in Interval Estimation. J. R. Statist. Soc. B 16(2), 1954.
    """
    count = len(numerator)
    if count < 2:
        return -np.inf, np.inf
    (v11, v12), (_, v22) = np.cov(numerator, denominator, ddof=1) / count
    top, bottom = numerator.mean(), denominator.mean()
    t2 = stats.t.ppf(0.975, count - 1) ** 2
    a, b, c = bottom**2 - t2 * v22, top * bottom - t2 * v12, top**2 - t2 * v11
    if a <= 0 or b**2 - a * c < 0:
        return -np.inf, np.inf
    root = np.sqrt(b**2 - a * c)
    return float((b - root) / a), float((b + root) / a)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if np.isfinite(share) else "?"
