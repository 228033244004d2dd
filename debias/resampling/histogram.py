"""Per-dimension histograms of a latent space.

For each latent dimension the range of mu over the images is cut into bins of equal width, and a
bin's *mass* is the fraction of the images in it. Mass, unlike density, does not change when a
dimension is stretched or shifted, so what is added to it later means the same at any scale.

Everything here is NumPy and reads the latents in blocks of rows, so an array mapped from a file is
never held in memory whole. What is float16 or float32 is compared in float32, with edges rounded so
that each value falls in the bin that float64 would put it in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias.errors import DataError
from debias.resampling.bins import bin_indices, cell_indices, cell_totals
from debias.resampling.blocks import LatentArray, as_matrix, over_blocks, read_block


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentHistograms:
    """One histogram for each latent dimension, all with the same number of bins.

    A value on an edge belongs to the bin above it. The outermost bins are open: a value outside
    the edges counts in the bin nearest to it, so latents that move while a histogram is
    streamed are never lost.

    Attributes:
        edges: shape (latent, bin + 1), each row non-decreasing, in the latents' own unit.
        counts: shape (latent, bin), images in each bin; not whole numbers where images were
            weighted or older ones are being forgotten.

    Raises:
        DataError: shapes that do not fit, edges out of order, counts that are negative, not
            finite or all zero.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.counts.ndim != 2 or self.edges.shape[-1] != self.num_bins + 1:
            raise DataError(
                f"histogram counts of shape {self.counts.shape} do not fit edges of shape "
                f"{self.edges.shape}",
                hint="They need shape (latent, bin)",
            )
        _check_edges(self.edges, self.num_latents)
        if not np.isfinite(self.counts).all() or (self.counts < 0).any():
            raise DataError("histogram counts must be finite and not negative")
        if not (self.counts.sum(axis=1) > 0).all():
            raise DataError("a histogram without images has no masses")

    @property
    def num_latents(self) -> int:
        """Return the number of latent dimensions."""
        return int(self.counts.shape[0])

    @property
    def num_bins(self) -> int:
        """Return the number of bins in each dimension."""
        return int(self.counts.shape[1])

    @property
    def num_images(self) -> float:
        """Return the number of images counted; weighted and forgotten ones count in part."""
        return float(self.counts[0].sum())

    @property
    def bin_masses(self) -> NDArray[np.float64]:
        """Return the mass Q of each bin, shape (latent, bin); each row sums to 1."""
        masses: NDArray[np.float64] = self.counts / self.counts.sum(axis=1, keepdims=True)
        return masses

    def mass(self, latents: LatentArray) -> NDArray[np.float64]:
        """Return the mass Q_i(z_i) of the bin each image falls in, shape (image, latent).

        The range is [0, 1]; 0 is possible only for images that were not counted.

        Args:
            latents: shape (image, latent), in the unit of the edges.

        Raises:
            DataError: as :func:`build_histograms`, or the number of dimensions differs.
        """
        matrix = as_matrix(latents)
        _check_edges(self.edges, matrix.shape[1])
        masses = self.bin_masses
        out = np.empty(matrix.shape, dtype=np.float64)

        def look_up(rows: slice, block: NDArray[np.floating]) -> None:
            out[rows] = np.take_along_axis(masses, bin_indices(self.edges, block), axis=1).T

        for _ in over_blocks(matrix, look_up):
            pass
        return out

    def merge(self, other: LatentHistograms) -> LatentHistograms:
        """Return the histograms of both sets of images together.

        Args:
            other: histograms over the same edges.

        Raises:
            DataError: the edges differ.
        """
        if not np.array_equal(self.edges, other.edges):
            raise DataError(
                "histograms over different edges cannot be merged",
                hint="Build the second with edges=first.edges",
            )
        return LatentHistograms(edges=self.edges, counts=self.counts + other.counts)

    def scaled(self, factor: float) -> LatentHistograms:
        """Return the same histograms, counted ``factor`` times.

        ``old.scaled(0.9).merge(new)`` lets old images fade while new ones arrive.

        Args:
            factor: above 0.

        Raises:
            DataError: the factor is not a positive finite number.
        """
        if not 0 < factor < np.inf:
            raise DataError(f"a histogram cannot be scaled by {factor}", hint="Give it above 0")
        return LatentHistograms(edges=self.edges, counts=self.counts * factor)


def build_histograms(
    latents: LatentArray,
    *,
    num_bins: int = 10,
    weights: NDArray[Any] | None = None,
    edges: NDArray[Any] | None = None,
    chunk: int | None = None,
    num_threads: int | None = None,
) -> LatentHistograms:
    """Return the histograms of ``latents``, counted exactly.

    Without ``edges``, each dimension's range from its smallest to its largest value is cut into
    ``num_bins`` bins of equal width. A dimension with one value only has all its mass in one
    bin.

    Args:
        latents: shape (image, latent); a NumPy array (also mapped from a file) or a tensor, of
            any real type.
        num_bins: bins in each dimension; ignored where ``edges`` are given.
        weights: shape (image,), how often each image counts; once where None.
        edges: shape (latent, bin + 1), bins to use in place of equal ones, such as those of an
            earlier histogram.
        chunk: rows read at once; chosen to fit the cache where None. The result is the same.
        num_threads: as many as there are cores where None. The result is the same.

    Raises:
        DataError: no images or dimensions, a value that is not finite (its row is named), a
            dimension too wide for float64, or edges or weights that do not fit.
    """
    matrix = as_matrix(latents)
    if edges is None:
        if num_bins < 1:
            raise DataError(f"a histogram needs at least one bin, not {num_bins}")
        low, high = _ranges(matrix, chunk=chunk, num_threads=num_threads)
        cuts = equal_edges(low, high, num_bins=num_bins)
    else:
        cuts = np.asarray(edges, dtype=np.float64)
        _check_edges(cuts, matrix.shape[1])
    image_weights = None if weights is None else _image_weights(weights, len(matrix))
    like = len(cuts), cuts.shape[1] - 1

    def count(rows: slice, block: NDArray[np.floating]) -> NDArray[np.float64]:
        part = None if image_weights is None else image_weights[rows]
        return cell_totals(cell_indices(cuts, block), like, part)

    counts = np.zeros(like)
    for part in over_blocks(matrix, count, chunk=chunk, num_threads=num_threads):
        counts += part
    return LatentHistograms(edges=cuts, counts=counts)


def kl_per_latent(
    mu: LatentArray,
    log_var: LatentArray,
    *,
    weights: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[np.float64]:
    """Return each dimension's KL divergence from the prior, in nats, shape (latent,).

    The mean over images of (mu^2 + exp(log_var) - 1 - log_var) / 2, at least 0. A dimension
    near 0 is inactive: the encoder says nothing about the image there.

    Args:
        mu: shape (image, latent), the posterior's mean.
        log_var: shape (image, latent), the natural log of the posterior's variance.
        weights: shape (image,), how often each image counts, not all 0; once where None.
        num_threads: as many as there are cores where None. The result is the same.

    Raises:
        DataError: the shapes differ, or a value is not finite or too large to square.
    """
    means, log_vars = as_matrix(mu), as_matrix(log_var)
    if means.shape != log_vars.shape:
        raise DataError(f"mu has shape {means.shape} and log_var {log_vars.shape}")
    image_weights = np.ones(len(means)) if weights is None else _image_weights(weights, len(means))
    total = np.zeros(means.shape[1])

    def divergence_of(rows: slice, mean: NDArray[np.floating]) -> NDArray[np.float64]:
        spread = read_block(log_vars, rows, dtype=np.float64)
        with np.errstate(over="ignore"):  # told in words below
            terms: NDArray[np.float64] = mean**2 + np.expm1(spread) - spread
            return terms @ image_weights[rows]

    with np.errstate(over="ignore"):
        for part in over_blocks(means, divergence_of, dtype=np.float64, num_threads=num_threads):
            total += part
    if not np.isfinite(total).all():
        latent = int(np.flatnonzero(~np.isfinite(total))[0])
        raise DataError("the KL divergence is too large for float64", where=f"latent {latent}")
    divergence: NDArray[np.float64] = np.maximum(total, 0.0) / (2 * image_weights.sum())
    return divergence


def _check_edges(edges: NDArray[np.float64], num_latents: int) -> None:
    if edges.ndim != 2 or len(edges) != num_latents or edges.shape[1] < 2:
        raise DataError(
            f"histogram edges of shape {edges.shape} do not fit {num_latents} latent dimensions",
            hint="They need shape (latent, bin + 1)",
        )
    if not np.isfinite(edges).all() or (np.diff(edges, axis=1) < 0).any():
        raise DataError("histogram edges must be finite and in ascending order")


def _ranges(
    matrix: NDArray[Any], *, chunk: int | None, num_threads: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low = np.full(matrix.shape[1], np.inf)
    high = np.full(matrix.shape[1], -np.inf)
    ends = over_blocks(
        matrix,
        lambda _, block: (block.min(axis=1), block.max(axis=1)),
        chunk=chunk,
        num_threads=num_threads,
    )
    for smallest, largest in ends:
        np.minimum(low, smallest, out=low)
        np.maximum(high, largest, out=high)
    return low, high


def equal_edges(
    low: NDArray[np.float64], high: NDArray[np.float64], *, num_bins: int
) -> NDArray[np.float64]:
    """Return the edges of bins of equal width between two ends, shape (latent, bin + 1).

    Args:
        low: each dimension's smallest value, shape (latent,).
        high: each dimension's largest value, shape (latent,).
        num_bins: bins in each dimension.

    Raises:
        DataError: a dimension is too wide for float64.
    """
    with np.errstate(over="ignore"):
        too_wide = np.flatnonzero(~np.isfinite(high - low))
    if too_wide.size:
        raise DataError("the range is too wide for float64", where=f"latent {too_wide[0]}")
    constant = low == high
    margin = np.where(constant, 0.5 * np.maximum(1.0, np.abs(low)), 0.0)
    edges: NDArray[np.float64] = np.linspace(low - margin, high + margin, num_bins + 1, axis=1)
    return edges


def _image_weights(weights: NDArray[Any], num_images: int) -> NDArray[np.float64]:
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != (num_images,):
        raise DataError(f"{num_images} images need as many weights, not shape {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array) | (array < 0))
    if bad.size:
        raise DataError(f"an image cannot count {array[bad[0]]} times", where=f"row {bad[0]}")
    return array
