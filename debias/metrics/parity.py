"""How unequal groups are, in one number: parity and odds, and the indices of biometrics.

Differences and ratios mean what they mean in Fairlearn: between groups, the largest against the
smallest; to overall, the group that is furthest from all rows together. Their intervals are made
of score intervals, each at the level that lets all of them hold together (Bonferroni), so they
also hold though the groups were picked by looking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from debias.metrics.group_rates import large_enough
from debias.metrics.intervals import FloatArray
from debias.metrics.measures import Negatives, Status
from debias.metrics.parity_rates import GroupRate, Kind, Method, group_rate, unequal
from debias.metrics.tally import RateName, Shares, Tally

ParityName = Literal["demographic_parity", "equal_opportunity", "equalized_odds"]
IndexName = Literal["garbe", "fdr"]


PARITY_RATES: dict[ParityName, tuple[RateName, ...]] = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("recall",),
    "equalized_odds": ("recall", "fpr"),
}
"""The rates that would have to be equal."""

MISSES_ALONE = (
    "The term of misses alone: negatives belong to no group, so the term of false positives is "
    "not applicable."
)
NO_GROUPED_NEGATIVES = "Negatives belong to no group, so groups cannot be compared in it."
TOO_FEW_GROUPS = "Fewer than two groups are ranked."
ALL_ZERO = "The rates of all ranked groups are 0, and nothing can be told in proportion to them."

_KINDS: tuple[Kind, ...] = ("difference", "ratio")
_METHODS: tuple[Method, ...] = ("between_groups", "to_overall")
_Figures = tuple[float, float, float, float | None]

_DENOMINATORS: dict[RateName, str] = {
    "recall": "positives",
    "fpr": "negatives",
    "selection_rate": "rows",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Disparity:
    """How unequal groups are by one measure.

    Attributes:
        name: what would have to be equal, or the index.
        kind: a difference and the index ``garbe`` are 0 where groups are alike, a ratio and the
            index ``fdr`` are 1.
        method: the largest against the smallest group, or each against all rows.
        status: only an estimated disparity has a value.
        value: in [0, 1]; None unless it is estimated, like ``low`` and ``high``.
        low: lower limit.
        high: upper limit.
        null_median: what chance alone gives where all groups share the pooled rates: half of the
            values by chance are more unequal. None unless the value is estimated.
        reason: why there is no value, or what has to be known of it; None where all is plain.
    """

    name: ParityName | IndexName
    kind: Kind
    method: Method
    status: Status
    value: float | None = None
    low: float | None = None
    high: float | None = None
    null_median: float | None = None
    reason: str | None = None


def parity_measures(
    *,
    tally: Tally,
    ranked: NDArray[np.intp],
    negatives: Negatives,
    generator: np.random.Generator,
    num_replicates: int = 10_000,
    min_group_size: int = 1,
    confidence: float = 0.95,
) -> tuple[Disparity, ...]:
    """Return every disparity of the groups of one grouping.

    Demographic parity compares selection rates, equal opportunity recalls, equalized odds recalls
    and false-positive rates, of which the worse counts; each as a difference and a ratio, between
    groups and to overall. Then GARBE and FDR, in their adaptation to detection: the false
    non-match rate is the miss rate 1 - recall, the false match rate the false-positive rate x.

    GARBE is the mean of the Gini coefficients of either, sum |x_i - x_j| / (2 n (n - 1) mean(x))
    over n groups, in [0, 1]. FDR is 1 - (max |x_i - x_j| + max |y_i - y_j|) / 2.

    Simultaneous intervals: all but that of GARBE, of which Jeffreys posteriors with effective
    counts are drawn. As chance adds to inequality, the lower limit is taken after twice the mean
    square that chance alone gives is taken off the square of each draw (once for the sample, once
    for the draw); the upper limit is that of the draws as they are. Over 2 to 6 groups of 50 to
    1,000 positives, miss rates of 0.01 to 0.3, equal or not, it covers 94 to 100 %.

    Args:
        tally: of all groups, ranked or not: together they are the "overall".
        ranked: positions of the groups that are compared, shape (ranked,).
        negatives: with a "pool", demographic parity and equalized odds are not applicable, and
            the indices have their term of misses alone, with all of the weight.
        generator: draws what chance gives, and the interval of GARBE.
        num_replicates: how many to draw.
        min_group_size: with fewer positives, negatives or rows in a ranked group, what is made of
            the rate that they are the denominator of is not estimable.
        confidence: of the intervals, in (0, 1).

    Returns:
        Twelve parities and two indices, in a fixed order.

    References:
        [Howard2022] Evaluating proposed fairness models for face recognition algorithms.
        [Pereira2021] Fairness in biometrics: a figure of merit to assess biometric verification
        systems. IEEE T-BIOM 4.
    """
    alpha = 1.0 - confidence
    applicable = ("recall",) if negatives == "pool" else ("recall", "fpr", "selection_rate")
    rates: dict[RateName, GroupRate] = {}
    for name in ("recall", "fpr", "selection_rate"):
        shares: Shares = getattr(tally, name)
        sizes = shares.effects.num_clusters[ranked]
        enough = large_enough(sizes, min_group_size=min_group_size).all()
        if name in applicable and ranked.size > 1 and enough:
            rates[name] = group_rate(shares, ranked, generator, num_replicates)

    def judge(
        label: Disparity,
        needed: tuple[RateName, ...],
        figures: Callable[[list[GroupRate]], _Figures],
    ) -> Disparity:
        if not set(needed) <= set(applicable):
            return replace(label, status="not_applicable", reason=NO_GROUPED_NEGATIVES)
        if ranked.size < 2:
            return replace(label, reason=TOO_FEW_GROUPS)
        missing = [name for name in needed if name not in rates]
        if missing:
            least = f"fewer than {min_group_size}" if min_group_size > 1 else "no"
            reason = f"A ranked group has {least} {_DENOMINATORS[missing[0]]}."
            return replace(label, reason=reason)
        value, low, high, null_median = figures([rates[name] for name in needed])
        if not np.isfinite(value):
            return replace(label, reason=ALL_ZERO)
        return replace(
            label, status="estimated", value=value, low=low, high=high, null_median=null_median
        )

    found = [
        judge(
            Disparity(name=parity, kind=kind, method=method, status="not_estimable"),
            needed,
            partial(_parity, kind=kind, method=method, alpha=alpha),
        )
        for parity, needed in PARITY_RATES.items()
        for kind in _KINDS
        for method in _METHODS
    ]
    terms: tuple[RateName, ...] = ("recall",) if negatives == "pool" else ("recall", "fpr")
    indices: dict[IndexName, Callable[[list[GroupRate]], _Figures]] = {
        "garbe": partial(_garbe, generator=generator, alpha=alpha),
        "fdr": partial(_fdr, alpha=alpha),
    }
    for index, figures in indices.items():
        empty = Disparity(name=index, kind="index", method="between_groups", status="not_estimable")
        result = judge(empty, terms, figures)
        if negatives == "pool" and result.status == "estimated":
            result = replace(result, reason=MISSES_ALONE)
        found.append(result)
    return tuple(found)


def gini(values: FloatArray) -> FloatArray:
    """Return the Gini coefficient over the last axis, with the factor n / (n - 1).

    Half of the mean absolute difference of two different groups, over the mean; in [0, 1], and
    NaN where all values are 0.

    Args:
        values: not negative, of at least two groups, shape (..., group).
    """
    n = values.shape[-1]
    ordered = np.sort(values, axis=-1)
    differences = ordered @ (2.0 * np.arange(n) - (n - 1))
    with np.errstate(invalid="ignore"):
        return np.asarray(differences / ((n - 1) * ordered.sum(axis=-1)), dtype=np.float64)


def _parity(rates: list[GroupRate], *, kind: Kind, method: Method, alpha: float) -> _Figures:
    """Return the worst of the rates' differences or ratios."""

    def worst(values: list[FloatArray]) -> FloatArray:
        each = [unequal(x, rate, kind, method) for x, rate in zip(values, rates, strict=True)]
        worse = np.max(each, axis=0) if kind == "difference" else np.min(each, axis=0)
        return np.asarray(worse, dtype=np.float64)

    limits = [rate.limits(kind, method, alpha / len(rates)) for rate in rates]
    low, high = np.max(limits, axis=0) if kind == "difference" else np.min(limits, axis=0)
    value = float(worst([rate.values for rate in rates]))
    by_chance = worst([rate.chance for rate in rates])
    # Where limit and value are the same number, rounding must not put them the wrong way round.
    return value, min(float(low), value), max(float(high), value), _median(by_chance)


def _garbe(rates: list[GroupRate], *, generator: np.random.Generator, alpha: float) -> _Figures:
    """Return the mean Gini coefficient of error rates, the first of them from recall."""
    value, by_chance, upper, lower = (0.0, *(np.zeros(len(rates[0].chance)) for _ in range(3)))
    for position, rate in enumerate(rates):
        # gini() of misses, and of false positives as they are.
        errors, chance = (x if position else 1.0 - x for x in (rate.values, rate.chance))
        m, own = rate.trials / rate.effects.values, rate.ranked
        drawn = generator.beta(
            (m * errors + 0.5)[own], (m * (1.0 - errors) + 0.5)[own], size=(len(chance), own.size)
        )
        null, posterior = gini(chance[:, own]), gini(drawn)
        noise = float(np.mean(null[np.isfinite(null)] ** 2)) if np.isfinite(null).any() else 0.0
        value += float(gini(errors[own])) / len(rates)
        by_chance += null / len(rates)
        upper += posterior / len(rates)
        lower += np.sqrt(np.maximum(posterior**2 - 2.0 * noise, 0.0)) / len(rates)
    low, high = np.quantile(lower, alpha / 2.0), np.quantile(upper, 1.0 - alpha / 2.0)
    return value, min(float(low), value), max(float(high), value), _median(by_chance)


def _fdr(rates: list[GroupRate], *, alpha: float) -> _Figures:
    """Return 1 minus the mean of the largest differences."""
    parts = np.array(
        [
            (unequal(rate.values, rate, "difference", "between_groups"), *limits)
            for rate in rates
            for limits in [rate.limits("difference", "between_groups", alpha / len(rates))]
        ]
    )
    value, high, low = (1.0 - parts.mean(axis=0)).tolist()
    by_chance = np.mean([np.ptp(rate.chance[:, rate.ranked], axis=1) for rate in rates], axis=0)
    return value, min(low, value), max(high, value), _median(1.0 - by_chance)


def _median(by_chance: FloatArray) -> float | None:
    """Return the median of what chance gives, where that can be told."""
    finite = by_chance[np.isfinite(by_chance)]
    return float(np.median(finite)) if finite.size else None
