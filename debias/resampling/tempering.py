"""Holding weights to a target effective sample size and a cap.

A product over many dimensions spreads weights over hundreds of magnitudes, so everything here
takes the logs of the weights and returns probabilities.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq


def effective_sample_size(probabilities: NDArray[np.float64]) -> float:
    """Return Kish's effective sample size, (sum w)^2 / sum w^2, in [1, image].

    Args:
        probabilities: shape (image,), not negative, not all 0; any scale.
    """
    shares = probabilities / probabilities.max()  # so that no square underflows
    return float(shares.sum() ** 2 / (shares**2).sum())


def temper_weights(
    log_weights: NDArray[np.float64],
    *,
    target_ess: float,
    cap: float = math.inf,
    largest: float = 1.0,
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
    """
    target = target_ess * log_weights.size

    def surplus(exponent: float) -> float:
        tempered = capped_softmax(exponent * log_weights, cap=cap)
        return effective_sample_size(tempered) - target

    # At t = 0 all images are alike and the surplus is (1 - target_ess) n, so a root is bracketed.
    if surplus(largest) >= 0:
        exponent = largest
    else:
        exponent = float(brentq(surplus, 0.0, largest, xtol=1e-14))
    return exponent, capped_softmax(exponent * log_weights, cap=cap)


def capped_softmax(log_weights: NDArray[np.float64], *, cap: float) -> NDArray[np.float64]:
    """Return probabilities proportional to the weights, but none above ``cap`` times the mean.

    p = min(cap / n, c w) with c such that they sum to 1: what the cap takes from the largest
    goes to all others in proportion. This moves probability from larger to smaller ones only, so
    the effective sample size does not fall. All is done on logs, so weights may differ by any
    number of magnitudes; a probability too small for float64 becomes its smallest normal number.

    Args:
        log_weights: shape (image,), finite, natural log.
        cap: largest over mean probability, at least 1; infinite for none.
    """
    num_images = log_weights.size
    limit = cap / num_images
    # As many at the limit as leave something for the others. Where the images divide evenly,
    # rounding must not make it one more: nothing would be left.
    most = max(0, math.ceil(num_images / cap * (1 - 1e-12)) - 1)
    split = num_images - most
    ordered = np.partition(log_weights, split - 1) if most else log_weights
    below, top = ordered[:split], np.sort(ordered[split:])
    # Entry k is for the k largest held at the limit: the log sum of the others, the largest
    # among them, and the log of the factor that makes all sum to 1.
    heaviest = below.max()
    rest = heaviest + np.log(np.exp(below - heaviest).sum())
    others = np.logaddexp.accumulate(np.append(rest, top))[::-1]
    largest = np.append(heaviest, top)[::-1]
    factors = (np.log1p(-limit * np.arange(most + 1)) if most else 0.0) - others
    fits = largest + factors <= math.log(limit)
    fits[-1] = True  # here but for rounding, since what is left is at most the limit
    factor = factors[int(np.argmax(fits))]
    probabilities = np.exp(np.minimum(log_weights + factor, math.log(limit)))
    floored: NDArray[np.float64] = np.maximum(probabilities, np.finfo(np.float64).tiny)
    floored /= floored.sum()
    return floored
