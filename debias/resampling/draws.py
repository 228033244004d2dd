"""Drawing images by their probabilities, without torch.

Sums run in float64: in float32 a cumulative sum stops rising at 2^24 images, and the rest would
never be drawn.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from debias.errors import DataError, UsageError

DrawMethod = Literal["systematic", "multinomial"]


def draw_epoch(
    probabilities: NDArray[np.float64],
    num_draws: int,
    *,
    generator: np.random.Generator,
    method: DrawMethod = "systematic",
) -> NDArray[np.int64]:
    """Return ``num_draws`` images drawn by their probabilities, in random order.

    ``systematic`` cuts [0, 1) into ``num_draws`` equal parts and takes the same random point in
    each, so an image of probability p comes floor(p num_draws) or one more time: the expected
    counts are those of independent draws, without their noise. ``multinomial`` draws
    independently. Neither draws an image of probability 0.

    Args:
        probabilities: shape (image,), not negative; divided by their sum.
        num_draws: at least 1; may exceed the number of images.
        generator: of all randomness here.
        method: how the points are chosen.

    Raises:
        DataError: probabilities that are negative, not finite or all 0.
        UsageError: no draws, or an unknown method.
    """
    if num_draws < 1:
        raise UsageError(f"an epoch of {num_draws} draws is empty")
    shares = np.asarray(probabilities, dtype=np.float64)
    if shares.ndim != 1 or shares.size == 0:
        raise DataError(f"probabilities must have shape (image,), not {shares.shape}")
    if not shares.min() >= 0 or not 0 < shares.sum() < math.inf:
        raise DataError("probabilities must be finite, not negative and not all 0")
    if method == "systematic":
        points = (np.arange(num_draws) + generator.random()) / num_draws
        points = np.minimum(points, np.nextafter(1.0, 0.0))  # the last may round up to 1
    elif method == "multinomial":
        points = generator.random(num_draws)
        points.sort()  # neighbouring searches then touch neighbouring memory
    else:
        raise UsageError(f"there is no method {method!r}", hint="systematic or multinomial")
    cumulative = np.cumsum(shares)
    cumulative /= cumulative[-1]  # ends on 1 exactly, above every point
    rows: NDArray[np.int64] = np.searchsorted(cumulative, points, side="right").astype(np.int64)
    generator.shuffle(rows)
    return rows
