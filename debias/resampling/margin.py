"""Which latents the classifier finds hard: how its margin varies along each dimension.

Most of what makes a face rare in a latent space costs a classifier nothing: an unusual background,
long hair. What costs it something shows in its margin, the log odds of "face" that it gives to
training faces. Each dimension's histogram says here, beside how many faces a bin holds, how large
their mean margin is. A dimension counts by the share of the margin's variance that its bins explain
(the correlation ratio eta squared), and a bin only where its faces' mean margin is below that of
all. No label of a person is read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias.resampling.histogram import LatentHistograms, bin_indices, latent_blocks


def margin_factors(
    matrix: NDArray[Any], histograms: LatentHistograms, margins: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what each bin's score counts, shape (latent, bin): from 0 to 1.

    That is eta squared of its dimension where the mean margin of its faces is below that of all,
    and 0 elsewhere. All are 0 where the margins do not vary.

    Args:
        matrix: latents, shape (image, latent).
        histograms: whose bins are meant.
        margins: log odds of "face", finite, shape (image,).
    """
    num_latents, num_bins = histograms.edges.shape[0], histograms.edges.shape[1] - 1
    centred = margins - margins.mean()
    variance = float(centred.var())
    if variance == 0:
        return np.zeros((num_latents, num_bins))
    counts = np.zeros((num_latents, num_bins))
    sums = np.zeros_like(counts)
    for rows, block in latent_blocks(matrix):
        for latent, filled in enumerate(bin_indices(histograms.edges, block)):
            counts[latent] += np.bincount(filled, minlength=num_bins)
            sums[latent] += np.bincount(filled, weights=centred[rows], minlength=num_bins)
    between = (sums**2 / np.maximum(counts, 1)).sum(axis=1) / len(margins)
    factors: NDArray[np.float64] = np.where(sums < 0, (between / variance)[:, np.newaxis], 0.0)
    return factors
