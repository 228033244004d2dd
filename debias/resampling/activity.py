"""Which dimensions of a latent space say something of the images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias.errors import DataError


def active_latents(
    counts: NDArray[np.float64], divergence: NDArray[Any] | None, *, threshold: float
) -> NDArray[np.int64]:
    """Return the dimensions that vary and whose KL divergence reaches a threshold, ascending.

    Args:
        counts: of the images in each bin, shape (latent, bin).
        divergence: shape (latent,), nats, as :func:`.histogram.kl_per_latent` gives it; where
            None, every dimension that varies is active.
        threshold: nats.

    Raises:
        DataError: there is not one divergence for each dimension, or one is NaN.
    """
    varies = (counts > 0).sum(axis=1) > 1
    if divergence is None:
        return np.flatnonzero(varies)
    nats = np.asarray(divergence, dtype=np.float64)
    if nats.shape != varies.shape or np.isnan(nats).any():
        raise DataError(
            f"{varies.size} latent dimensions need as many KL divergences, none of them NaN; got "
            f"shape {nats.shape}"
        )
    return np.flatnonzero(varies & (nats >= threshold))
