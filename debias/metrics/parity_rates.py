"""One rate of all groups, compared between them and to overall, with limits that hold together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from debias.metrics.design_effects import DesignEffects
from debias.metrics.intervals import FloatArray, newcombe
from debias.metrics.mover import mover_ratio
from debias.metrics.tally import Shares

Kind = Literal["difference", "ratio", "index"]
Method = Literal["between_groups", "to_overall"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupRate:
    """One rate of all groups, as it was found and as chance makes it.

    Attributes:
        values: shape (group,); 0 where a group has no trials.
        trials: shape (group,).
        effects: design effects.
        weights: of each group in the rate of all rows, shape (group,); they sum to 1.
        ranked: positions of the ranked groups.
        chance: values where all groups share the ranked groups' rate, shape (replicate, group).
    """

    values: FloatArray
    trials: FloatArray
    effects: DesignEffects
    weights: FloatArray
    ranked: NDArray[np.intp]
    chance: FloatArray

    def limits(self, kind: Kind, method: Method, alpha: float) -> tuple[float, float]:
        """Return the limits of a difference or ratio, simultaneous over what is compared.

        Args:
            kind: ``difference`` or ``ratio``.
            method: what the groups are held against.
            alpha: one minus the confidence of all limits together.
        """
        between = method == "between_groups"
        if kind == "difference":
            return _largest(*(self._pairs(newcombe, alpha) if between else self._overall(alpha)))
        low, high = self._pairs(mover_ratio, alpha) if between else self._overall_ratio(alpha)
        return _most_unequal(low, high)

    def _pairs(
        self, interval: Callable[..., tuple[FloatArray, FloatArray]], alpha: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return the limits of all pairs of ranked groups."""
        first, second = (self.ranked[i] for i in np.triu_indices(self.ranked.size, 1))
        confidence = 1.0 - alpha / first.size
        effects = self.effects.at(confidence)
        return interval(
            num_successes=tuple((self.values * self.trials)[i] for i in (first, second)),
            num_trials=(self.trials[first], self.trials[second]),
            confidence=confidence,
            design_effect=(effects[first], effects[second]),
        )

    def _overall(self, alpha: float) -> tuple[FloatArray, FloatArray]:
        """Return the limits of each ranked group minus all rows.

        A group is part of all rows: p - p_all = (1 - w) (p - p_rest), w its weight in all rows,
        and the two on the right are independent.
        """
        confidence = 1.0 - alpha / self.ranked.size
        low, high = newcombe(**self._against_rest(confidence), confidence=confidence)
        rest = 1.0 - self.weights[self.ranked]
        return rest * low, rest * high

    def _overall_ratio(self, alpha: float) -> tuple[FloatArray, FloatArray]:
        """Return the limits of each ranked group over all rows: 1 / (w + (1 - w) p_rest / p)."""
        confidence = 1.0 - alpha / self.ranked.size
        low, high = mover_ratio(**self._against_rest(confidence), confidence=confidence)
        own = self.weights[self.ranked]
        with np.errstate(divide="ignore"):
            return 1.0 / (own + (1.0 - own) / low), 1.0 / (own + (1.0 - own) / high)

    def _against_rest(self, confidence: float) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Return each ranked group and the rows outside it, as arguments of an interval.

        The rest is worth 1 / sum of (w_h / w_rest)^2 / m_h independent rows, m_h those of group h;
        a group that is one person counts as one.
        """
        inside = np.eye(self.values.size, dtype=np.bool_)[self.ranked]
        outside = np.where(inside, 0.0, self.weights)
        outside = outside / outside.sum(axis=1, keepdims=True)
        effects = self.effects.at(confidence)
        effective = np.maximum(self.trials / effects, 1.0)
        rest_trials = 1.0 / (outside**2 / effective).sum(axis=1)
        rest = np.clip((outside * self.values).sum(axis=1), 0.0, 1.0)
        rest = np.where(((outside > 0) & (self.values < 1.0)).any(axis=1), rest, 1.0)
        own = self.ranked
        return {
            "num_successes": ((self.values * self.trials)[own], rest * rest_trials),
            "num_trials": (self.trials[own], rest_trials),
            "design_effect": (effects[own], np.ones(own.size)),
        }


def group_rate(
    shares: Shares, ranked: NDArray[np.intp], generator: np.random.Generator, num_replicates: int
) -> GroupRate:
    """Return a rate of all groups, with what chance makes of it.

    Args:
        shares: of all groups.
        ranked: positions of those that are compared, each with trials.
        generator: draws what chance gives.
        num_replicates: how often.
    """
    values = np.nan_to_num(shares.values)
    pooled = float(shares.weights[ranked] @ values[ranked] / shares.weights[ranked].sum())
    sizes = np.maximum(1, np.rint(shares.num_effective)).astype(np.int64)
    drawn = generator.binomial(sizes, min(pooled, 1.0), size=(num_replicates, values.size))
    return GroupRate(
        values=values,
        trials=shares.num_trials.astype(np.float64),
        effects=shares.effects,
        weights=shares.weights / shares.weights.sum(),
        ranked=ranked,
        chance=drawn / sizes,
    )


def unequal(values: FloatArray, rate: GroupRate, kind: Kind, method: Method) -> FloatArray:
    """Return the difference or ratio between ranked groups, or of them to overall.

    Args:
        values: of the rate, found or drawn, shape (..., group).
        rate: which groups are ranked, and the weight of each in all rows.
        kind: ``difference`` or ``ratio``.
        method: what the groups are held against.

    Returns:
        Shape (...); NaN for 0 / 0.
    """
    ranked = values[..., rate.ranked]
    if method == "between_groups":
        smallest, largest = ranked.min(axis=-1), ranked.max(axis=-1)
    else:
        everybody = (values @ rate.weights)[..., None]
        smallest, largest = np.minimum(ranked, everybody), np.maximum(ranked, everybody)
    if kind == "difference":
        found = np.asarray(largest - smallest)
        return found if method == "between_groups" else np.asarray(found.max(axis=-1))
    with np.errstate(invalid="ignore"):
        found = np.asarray(smallest / largest)
    return found if method == "between_groups" else np.asarray(found.min(axis=-1))


def _largest(low: FloatArray, high: FloatArray) -> tuple[float, float]:
    """Return the limits of the largest of several differences, either way, that hold together."""
    return float(max(0.0, low.max(), (-high).max())), float(max(high.max(), (-low).max()))


def _most_unequal(low: FloatArray, high: FloatArray) -> tuple[float, float]:
    """Return the limits of the smallest of several ratios, either way up, that hold together."""
    with np.errstate(divide="ignore"):
        low_end, high_end = np.minimum(low, 1.0 / low), np.minimum(high, 1.0 / high)
    alike = (low <= 1.0) & (high >= 1.0)
    nearest = np.where(alike, 1.0, np.maximum(low_end, high_end))
    return float(np.minimum(low_end, high_end).min()), float(nearest.min())
