"""Holding weights to a target effective sample size and a cap.

A product over many dimensions spreads weights over hundreds of magnitudes, so everything here
takes the logs of the weights and returns probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from debias.resampling.blocks import over_stretches


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """Log weights apart by whether the cap may hold them, whatever they are multiplied by.

    Attributes:
        below: those that never are, in any order.
        top: the others, in ascending order.
        limit: the largest probability.
    """

    below: NDArray[np.float64]
    top: NDArray[np.float64]
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Capped:
    """What the cap makes of the weights, all in logs.

    Attributes:
        factor: of a weight to its probability.
        limit: the largest probability.
        effective_sample_size: in images.
    """

    factor: float
    limit: float
    effective_sample_size: float


def effective_sample_size(probabilities: NDArray[np.float64]) -> float:
    """Return Kish's effective sample size, (sum w)^2 / sum w^2, in [1, image].

    Args:
        probabilities: shape (image,), not negative, not all 0; any scale.
    """
    largest = probabilities.max()

    def sums(images: slice) -> tuple[float, float]:
        shares = probabilities[images] / largest  # so that no square underflows
        return float(shares.sum()), float((shares**2).sum())

    total, squares = _added(over_stretches(probabilities.size, sums))
    return total**2 / squares


def temper_weights(
    log_weights: NDArray[np.float64],
    *,
    target_ess: float,
    cap: float = math.inf,
    largest: float = 1.0,
    num_threads: int | None = None,
) -> tuple[float, NDArray[np.float64]]:
    """Return the exponent t and the probabilities, proportional to exp(t log_weight) and capped.

    t is the largest in [0, ``largest``] whose effective sample size, after the cap, is at least
    ``target_ess`` times the number of images: ``largest`` if the weights reach that there, and
    otherwise the one that meets it. A root finder can find it because the effective sample size
    is continuous and never rises with t: a larger t lowers the probability of every image below
    some weight and raises that of every image above it (the cap leaves this so), and moving
    probability from lighter to heavier images raises the sum of squares.

    Args:
        log_weights: shape (image,), finite, natural log.
        target_ess: fraction of the images, in (0, 1].
        cap: largest over mean probability, at least 1.
        largest: the largest exponent, above 0.
        num_threads: as many as there are cores where None. The result is the same.
    """
    exponent, capped = _solve(log_weights, target_ess, cap, largest, num_threads)
    return exponent, _probabilities(log_weights, exponent, capped, num_threads)


def _solve(
    log_weights: NDArray[np.float64],
    target_ess: float,
    cap: float,
    largest: float,
    num_threads: int | None,
) -> tuple[float, _Capped]:
    target = target_ess * log_weights.size
    split = _split(log_weights, cap)  # the order of the weights is that of all their powers

    def surplus(exponent: float) -> float:
        if exponent == 0:  # all images are alike, and rounding must not say otherwise
            return log_weights.size - target
        return _capped(split, exponent, num_threads).effective_sample_size - target

    # At t = 0 the surplus is (1 - target_ess) n, so a root is bracketed.
    if surplus(largest) >= 0:
        exponent = largest
    else:
        exponent = float(brentq(surplus, 0.0, largest, xtol=1e-14))
    return exponent, _capped(split, exponent, num_threads)


def capped_softmax(
    log_weights: NDArray[np.float64], *, cap: float, num_threads: int | None = None
) -> NDArray[np.float64]:
    """Return probabilities proportional to the weights, but none above ``cap`` times the mean.

    p = min(cap / n, c w) with c such that they sum to 1: what the cap takes from the largest
    goes to all others in proportion. This moves probability from larger to smaller ones only, so
    the effective sample size does not fall. All is done on logs, so weights may differ by any
    number of magnitudes; a probability too small for float64 becomes its smallest normal number.

    Args:
        log_weights: shape (image,), finite, natural log.
        cap: largest over mean probability, at least 1; infinite for none.
        num_threads: as many as there are cores where None. The result is the same.
    """
    capped = _capped(_split(log_weights, cap), 1.0, num_threads)
    return _probabilities(log_weights, 1.0, capped, num_threads)


def _split(log_weights: NDArray[np.float64], cap: float) -> _Split:
    num_images = log_weights.size
    # As many at the limit as leave something for the others. Where the images divide evenly,
    # rounding must not make it one more: nothing would be left.
    most = max(0, math.ceil(num_images / cap * (1 - 1e-12)) - 1)
    split = num_images - most
    ordered = np.partition(log_weights, split - 1) if most else log_weights
    return _Split(below=ordered[:split], top=np.sort(ordered[split:]), limit=cap / num_images)


def _capped(split: _Split, exponent: float, num_threads: int | None) -> _Capped:
    """Return which weights are held at the limit, once all are raised to ``exponent``."""
    below, top = split.below, exponent * split.top
    heaviest = exponent * float(below.max())

    def sums(images: slice) -> tuple[float, float]:
        shares = exponent * below[images]
        shares -= heaviest
        np.exp(shares, out=shares)
        total = float(shares.sum())
        return total, float(np.square(shares, out=shares).sum())

    total, squares = _added(over_stretches(below.size, sums, num_threads=num_threads))
    # Entry k is for the k largest held at the limit: the log sum of the others, the largest
    # among them, and the log of the factor that makes all sum to 1.
    others = np.logaddexp.accumulate(np.append(heaviest + math.log(total), top))[::-1]
    largest = np.append(heaviest, top)[::-1]
    limit = math.log(split.limit)
    free = np.log1p(-split.limit * np.arange(top.size + 1)) if top.size else 0.0
    factors = free - others
    fits = largest + factors <= limit
    fits[-1] = True  # here but for rounding, since what is left is at most the limit
    num_held = int(np.argmax(fits))
    # The effective sample size, with the probabilities of those not held over the largest of them.
    reference = largest[num_held]
    rest = np.exp(top[: top.size - num_held] - reference)
    scale = math.exp(heaviest - reference)
    total, squares = total * scale + rest.sum(), squares * scale**2 + (rest**2).sum()
    at_limit = math.exp(min(reference + factors[num_held] - limit, 0.0)) if num_held else 1.0
    size = (num_held + total * at_limit) ** 2 / (num_held + squares * at_limit**2)
    return _Capped(factor=float(factors[num_held]), limit=limit, effective_sample_size=float(size))


def _probabilities(
    log_weights: NDArray[np.float64], exponent: float, capped: _Capped, num_threads: int | None
) -> NDArray[np.float64]:
    out = np.empty(log_weights.size)

    def fill(images: slice) -> tuple[float]:
        part = out[images]
        np.multiply(log_weights[images], exponent, out=part)
        part += capped.factor
        np.minimum(part, capped.limit, out=part)
        np.exp(part, out=part)
        np.maximum(part, np.finfo(np.float64).tiny, out=part)
        return (float(part.sum()),)

    (total,) = _added(over_stretches(out.size, fill, num_threads=num_threads))
    out /= total
    return out


def _added(parts: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    """Return the sums of each place, in which the number of terms leaves no rounding."""
    return tuple(math.fsum(each) for each in zip(*parts, strict=True))
