"""Which latents the classifier finds hard: how its margin varies along each dimension.

Most of what makes a face rare in a latent space costs a classifier nothing: an unusual background,
long hair. What costs it something shows in its margin, the log odds of "face" that it gives to
training faces. Each dimension's histogram says here, beside how many faces a bin holds, how large
their mean margin is. A dimension counts by the share of the margin's variance that its bins
explain, and a bin only where its faces' mean margin is below that of all. No label of a person is
read.

What no dimension explains, a kind of face that the latents do not describe may: the margin is a
dimension of its own then, which counts by the share of its variance that is left. Latents come
first because they average: of a face that the classifier doubts for no reason that others share,
such as a picture labelled wrongly, a bin of other faces says nothing, and the margin alone all.

The share is epsilon squared [Kelley1935], the correlation ratio less what bins explain by chance,
and a dimension whose bins explain no more than chance may counts for nothing: what is left is
sharpened until it fills the effective sample size, and noise would be too.

References:
    [Kelley1935] Kelley. An Unbiased Correlation Ratio Measure. Proceedings of the National Academy
    of Sciences 21(9), 1935.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from debias.resampling.bins import cell_indices, cell_totals
from debias.resampling.blocks import over_blocks
from debias.resampling.histogram import LatentHistograms, build_histograms
from debias.resampling.sums import AddUp, alone

ALPHA = 0.01
"""Chance that margins which have nothing to do with any dimension make one count."""


def margin_factors(
    matrix: NDArray[Any],
    histograms: LatentHistograms,
    margins: NDArray[np.float64],
    *,
    add_up: AddUp = alone,
    num_threads: int | None = None,
) -> NDArray[np.float64]:
    """Return what each bin's score counts, shape (latent, bin): from 0 to 1.

    That is epsilon squared of its dimension where the mean margin of its faces is below that of all
    by more than its standard error, and 0 elsewhere; 0 throughout a dimension for which the F test
    of equal means, by Bonferroni over the dimensions, is above :data:`ALPHA`.

    Args:
        matrix: latents, shape (image, latent).
        histograms: whose bins are meant.
        margins: log odds of "face", finite, shape (image,).
        add_up: where the images are shared by processes, adds up what each found of its own.
        num_threads: as many as there are cores where None. The result is the same.
    """
    num_latents, num_bins = histograms.edges.shape[0], histograms.edges.shape[1] - 1
    num_images, sum_of_all = add_up(np.array([len(margins), margins.sum()]))
    centred = margins - sum_of_all / num_images

    def count(rows: slice, block: NDArray[np.floating]) -> tuple[NDArray[np.float64], ...]:
        cells = cell_indices(histograms.edges, block)
        like = num_latents, num_bins
        return cell_totals(cells, like), cell_totals(cells, like, centred[rows])

    counts, sums = np.zeros((2, num_latents, num_bins))
    for counted, summed in over_blocks(matrix, count, num_threads=num_threads):
        counts += counted
        sums += summed
    counts, sums = add_up(np.stack([counts, sums]))
    total = float(add_up(np.array([centred @ centred]))[0])
    between = (sums**2 / np.maximum(counts, 1)).sum(axis=1)
    freedom = (counts > 0).sum(axis=1) - 1
    left = num_images - 1 - freedom
    tested = (freedom > 0) & (left > 0) & (total > 0)
    within = np.where(tested, np.maximum(total - between, 0) / np.maximum(left, 1), np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(tested, between / np.maximum(freedom, 1) / within, 0.0)
        share = np.where(tested, (between - freedom * within) / total, 0.0)
        deficit = -sums / np.sqrt(np.maximum(counts, 1)) / np.sqrt(within)[:, np.newaxis]
    p_values = special.fdtrc(np.maximum(freedom, 1), np.maximum(left, 1), ratio) * num_latents
    share = np.where(p_values <= ALPHA, share, 0.0)
    factors: NDArray[np.float64] = np.where(deficit > 1, share[:, np.newaxis], 0.0)
    return factors


def low_margin_scores(
    margins: NDArray[np.float64], *, num_bins: int, alpha: float
) -> NDArray[np.float64]:
    """Return how rare each image's margin is, on the low side, at least 0, shape (image,).

    That is -log(Q(m) + alpha) less its mean over the images, where both are above 0 and the margin
    is below the mean; elsewhere 0. Q is the mass of the margin's bin.

    Args:
        margins: log odds of "face", finite, shape (image,).
        num_bins: of equal width between the lowest and the highest margin.
        alpha: added to every mass, above 0.
    """
    column = margins[:, np.newaxis]
    scores = -np.log(build_histograms(column, num_bins=num_bins).mass(column)[:, 0] + alpha)
    centred: NDArray[np.float64] = np.maximum(scores - scores.mean(), 0)
    return np.where(margins < margins.mean(), centred, 0.0)
