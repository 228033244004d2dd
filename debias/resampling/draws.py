"""Drawing images by their probabilities, without torch.

Sums run in float64: in float32 a cumulative sum stops rising at 2^24 images, and the rest would
never be drawn.

Many draws are shuffled in two steps, since a swap of two places far apart waits for the memory
twice: each draw is sent to one of 256 piles by chance, and each pile is shuffled for itself
[Sandelius1962]. Every order is as likely as any other.

References:
    [Sandelius1962] Sandelius. A Simple Randomization Procedure. Journal of the Royal Statistical
    Society B 24(2), 1962.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from debias.errors import DataError, UsageError
from debias.resampling.blocks import over_stretches, share_out

DrawMethod = Literal["systematic", "multinomial"]

_NUM_PILES = 256
_STRETCH = 2**18  # draws sent to their piles at a time
_FEW = 2**22  # draws that are shuffled in one pile: 32 MiB, of which a cache holds a good part


def draw_epoch(
    probabilities: NDArray[np.float64],
    num_draws: int,
    *,
    generator: np.random.Generator,
    method: DrawMethod = "systematic",
    num_threads: int | None = None,
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
        num_threads: as many as there are cores where None. The result is the same.

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
    if method not in ("systematic", "multinomial"):
        raise UsageError(f"there is no method {method!r}", hint="systematic or multinomial")
    cumulative = np.cumsum(shares)
    cumulative /= cumulative[-1]  # ends on 1 exactly, above every point
    if method == "systematic":
        rows = _systematic(cumulative, num_draws, start=generator.random(), threads=num_threads)
    else:
        points = generator.random(num_draws)
        points.sort()  # neighbouring searches then touch neighbouring memory
        rows = np.searchsorted(cumulative, points, side="right").astype(np.int64, copy=False)
    del cumulative
    return shuffled(rows, generator=generator, num_threads=num_threads)


def shuffled(
    rows: NDArray[np.int64], *, generator: np.random.Generator, num_threads: int | None = None
) -> NDArray[np.int64]:
    """Return ``rows`` in random order; spends ``rows``.

    Args:
        rows: shape (draw,), contiguous.
        generator: of the order.
        num_threads: as many as there are cores where None. The result is the same.
    """
    if rows.size <= _FEW:
        generator.shuffle(rows)
        return rows
    starts = range(0, rows.size, _STRETCH)
    piles, stretches = (
        [np.random.default_rng(seed) for seed in generator.integers(0, 2**63, size=count)]
        for count in (_NUM_PILES, len(starts))
    )

    def sort_by_pile(start: int) -> NDArray[np.int64]:
        part = rows[start : start + _STRETCH]
        chosen = stretches[start // _STRETCH].integers(
            0, _NUM_PILES, size=part.size, dtype=np.uint8
        )
        part[:] = part[np.argsort(chosen, kind="stable")]  # a radix sort, since these are bytes
        ends: NDArray[np.int64] = np.cumsum(np.bincount(chosen, minlength=_NUM_PILES))
        return start + np.append(0, ends)

    shared = partial(share_out, num_values=rows.size, num_threads=num_threads)
    cuts = np.stack(list(shared(sort_by_pile, starts)))
    ends = np.append(0, np.cumsum(np.diff(cuts, axis=1).sum(axis=0)))
    out = np.empty_like(rows)

    def shuffle_pile(pile: int) -> None:
        own = out[ends[pile] : ends[pile + 1]]
        parts = [rows[first:last] for first, last in cuts[:, pile : pile + 2].tolist()]
        np.concatenate(parts, out=own)
        piles[pile].shuffle(own)

    for _ in shared(shuffle_pile, range(_NUM_PILES)):
        pass
    return out


def _systematic(
    cumulative: NDArray[np.float64], num_draws: int, *, start: float, threads: int | None
) -> NDArray[np.int64]:
    """Return the images whose stretch of [0, 1) holds each point (k + start) / num_draws.

    No point is searched for. The first point at or above the end of an image's stretch is number
    ceil(end * num_draws - start), and the image has those from its forerunner's to before its own.
    Rounding moves a point across an end by a few parts in 10^16 of the draws; as ends are in
    order, so are their points, and an image of probability 0 has none.

    Args:
        cumulative: the ends, shape (image,), the last of them 1.
        num_draws: at least 1.
        start: in [0, 1).
        threads: as many as there are cores where None.
    """
    ends = np.empty(cumulative.size + 1, dtype=np.int64)
    ends[0] = 0

    def count(images: slice) -> None:
        part = cumulative[images] * num_draws
        part -= start
        ends[1:][images] = np.ceil(part, out=part)

    for _ in over_stretches(cumulative.size, count, num_threads=threads):
        pass
    # All points are below 1, whatever rounding says: none is left to an image of probability 0.
    ends[1 + int(np.searchsorted(cumulative, 1.0)) :] = num_draws
    rows = np.empty(num_draws, dtype=np.int64)

    def fill(images: slice) -> None:
        own = ends[images.start : images.stop + 1]
        drawn = np.arange(images.start, images.stop)
        rows[own[0] : own[-1]] = np.repeat(drawn, np.diff(own))

    for _ in over_stretches(cumulative.size, fill, num_threads=threads):
        pass
    return rows
