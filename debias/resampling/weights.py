"""From the histograms of a latent space to the probability of drawing each image.

An image in sparsely filled bins is rare and is drawn more often. Each dimension l gives an image
the score s_l = -log(Q_l(z_l) + alpha), and a rule joins the scores of all dimensions:

- ``paper``: w = exp(sum of s_l) over all dimensions, the product of [Amini2019]. With many
  dimensions a handful of images takes nearly all draws; it is here for comparison.
- ``product``: the same product over the active dimensions, tempered. w^t with the largest t in
  [0, 1] that keeps the effective sample size at its target, and no weight above a cap.
- ``margin``: the tempered product again, of the dimensions that the classifier's margin depends
  on: s_l counts by the share of the margin's variance that the dimension explains, and only in
  bins that are rarer than most and whose faces have a mean margin below that of all. What no
  dimension explains, the margin itself counts for, as one dimension more; see :mod:`.margin`.
  These factors are below 1, so here t may be up to 1,000.
- ``max``: each dimension's exp(s_l) is normalised over the images, and an image takes its
  largest: the rule of MIT's teaching lab. Two things differ. The lab adds its constant to a
  density, so its strength depends on the scale of each latent; here it is added to a mass (the
  lab's constant c is an alpha of c times the bin width). And the lab takes collapsed dimensions
  along, whose noise then decides many of the maxima; here only active dimensions count.
- ``uniform``: every image alike.

[Amini2019] Amini, Soleimany, Schwarting, Bhatia, Rus. Uncovering and Mitigating Algorithmic Bias
through Learned Latent Structure. AIES 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias.errors import ConfigError, DataError
from debias.resampling.activity import active_latents
from debias.resampling.blocks import LatentArray, as_matrix
from debias.resampling.drivers import join_scores, top_drivers
from debias.resampling.histogram import LatentHistograms, build_histograms
from debias.resampling.margin import low_margin_scores, margin_factors
from debias.resampling.outliers import hold_down
from debias.resampling.settings import LARGEST_TEMPER, ResamplingSettings
from debias.resampling.tempering import capped_softmax, effective_sample_size, temper_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightHealth:
    """What the weights do to an epoch, to be logged whenever they are rebuilt.

    Attributes:
        num_images: images weighted.
        effective_sample_size: Kish's, 1 / sum of squared probabilities, in images, in
            [1, num_images]: a mean over the draws is as uncertain as one over so many images
            drawn alike.
        largest_over_mean: the largest weight over the mean weight, at least 1.
        temper: the exponent t, in [0, 1], for ``margin`` in [0, 1000]; 1 where the rule does not
            temper.
        num_capped: images held at the cap.
        num_held_down: outliers that the rule would draw more often than the mean image.
        unexplained: what the margin itself counts beside the dimensions, in [0, 1]: the share of
            its variance that none of them explains; 0 for rules other than ``margin``.
        active: the active dimensions: those that vary and, where the KL divergence is known,
            reach the threshold.
        balanced: the dimensions that the weights are made of.
        nothing_to_balance: the rule found no active dimension, so the weights are uniform.
        top_drivers: the dimensions that are the first driver of most draws, most first.
        top_driver_shares: the share of the draws each of them drives, in [0, 1].
    """

    num_images: int
    effective_sample_size: float
    largest_over_mean: float
    temper: float
    num_capped: int
    num_held_down: int
    unexplained: float
    active: tuple[int, ...]
    balanced: tuple[int, ...]
    nothing_to_balance: bool
    top_drivers: tuple[int, ...]
    top_driver_shares: tuple[float, ...]

    @property
    def num_active(self) -> int:
        """Return the number of active dimensions."""
        return len(self.active)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SamplingWeights:
    """The probability of drawing each image, and why.

    Attributes:
        probabilities: shape (image,), above 0, summing to 1.
        log_weights: shape (image,), the natural log of each weight before tempering and cap,
            up to a constant.
        drivers: shape (image, driver), the dimensions that raise each image's weight most, most
            first; -1 where no further dimension raises it. A dimension raises an image whose
            score is above the mean score of the images (``max``: whose normalised weight is
            above the mean weight).
        health: what to log.
    """

    probabilities: NDArray[np.float64]
    log_weights: NDArray[np.float64]
    drivers: NDArray[np.int32]
    health: WeightHealth


def sampling_weights(
    latents: LatentArray,
    *,
    settings: ResamplingSettings,
    kl_per_latent: NDArray[Any] | None = None,
    histograms: LatentHistograms | None = None,
    outliers: NDArray[np.bool_] | None = None,
    margins: NDArray[np.float64] | None = None,
    num_threads: int | None = None,
) -> SamplingWeights:
    """Return how often each image should be drawn, by the rule in ``settings``.

    Args:
        latents: shape (image, latent), the encoder's mu of every image that is to be weighted.
        settings: the rule and its strength.
        kl_per_latent: shape (latent,), nats, as :func:`.histogram.kl_per_latent` gives it; where
            None, every dimension that varies is active.
        histograms: masses to use in place of those of ``latents``, such as streamed ones or
            those of another image set.
        outliers: a mask, shape (image,), of what is to be drawn no more often than by uniform
            draws, whatever its latents say; None for none. Their weights then are at most the
            mean weight, and those of the others rise in proportion.
        margins: the log odds of "face" that a classifier gives each image, shape (image,);
            needed by ``margin``.
        num_threads: as many as there are cores where None. The result is the same, bit for bit.

    Raises:
        DataError: latents or margins that are not finite, or shapes that do not fit; ``margin``
            without margins.
        ConfigError: ``settings.latents`` names a dimension that is not there.
    """
    matrix = as_matrix(latents)
    if histograms is None:
        own = build_histograms(matrix, num_bins=settings.num_bins, num_threads=num_threads)
        histograms, counts = own, own.counts
    else:
        own = build_histograms(matrix, edges=histograms.edges, num_threads=num_threads)
        counts = own.counts
    factors = None
    if settings.rule == "margin":
        margins = _checked_margins(margins, len(matrix))
        factors = margin_factors(matrix, histograms, margins, num_threads=num_threads)
    scored = score_bins(
        histograms, counts, settings=settings, kl_per_latent=kl_per_latent, factors=factors
    )
    log_weights, drivers = scored.join(matrix, num_threads=num_threads)
    return weights_of(
        log_weights,
        drivers,
        scored,
        settings=settings,
        outliers=outliers,
        margins=margins,
        num_threads=num_threads,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BinScores:
    """What each bin adds to the log weight of the images in it.

    Attributes:
        histograms: whose bins are meant.
        scores: shape (latent, bin).
        active: the active dimensions.
        balanced: those whose scores count.
        take_largest: whether an image takes the largest score of its bins, not their sum.
        unexplained: what the margin itself counts: the share of its variance that no balanced
            dimension explains, in [0, 1]; 0 for rules other than ``margin``.
    """

    histograms: LatentHistograms
    scores: NDArray[np.float64]
    active: NDArray[np.int64]
    balanced: NDArray[np.int64]
    take_largest: bool
    unexplained: float

    def join(
        self, matrix: NDArray[Any], *, num_threads: int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """Return log weights and drivers of images; see :func:`.drivers.join_scores`."""
        return join_scores(
            matrix,
            self.histograms,
            self.scores,
            self.balanced,
            take_largest=self.take_largest,
            num_threads=num_threads,
        )


def score_bins(
    histograms: LatentHistograms,
    counts: NDArray[np.float64],
    *,
    settings: ResamplingSettings,
    kl_per_latent: NDArray[Any] | None,
    factors: NDArray[np.float64] | None,
) -> BinScores:
    """Return the scores of the bins by the rule in ``settings``.

    Args:
        histograms: the masses.
        counts: of the images to be weighted in each bin, shape (latent, bin).
        settings: the rule and its strength.
        kl_per_latent: as :func:`sampling_weights` takes it.
        factors: what each bin counts under ``margin``, as :func:`.margin.margin_factors` gives
            it; None for the other rules.
    """
    active = active_latents(counts, kl_per_latent, threshold=settings.activity_threshold)
    balanced = _balanced_latents(active, settings, counts.shape[0])
    scores, unexplained = _scores(histograms.bin_masses, counts, settings), 0.0
    if factors is not None:
        scores = np.maximum(scores, 0) * factors
        if settings.unexplained and not settings.latents:
            unexplained = max(0.0, 1 - float(factors[balanced].max(axis=1).sum()))
    return BinScores(
        histograms=histograms,
        scores=scores,
        active=active,
        balanced=balanced,
        take_largest=settings.rule == "max",
        unexplained=unexplained,
    )


def weights_of(
    log_weights: NDArray[np.float64],
    drivers: NDArray[np.int32],
    scored: BinScores,
    *,
    settings: ResamplingSettings,
    outliers: NDArray[np.bool_] | None = None,
    margins: NDArray[np.float64] | None = None,
    num_threads: int | None = None,
) -> SamplingWeights:
    """Return the weights of images whose log weights are known, tempered as the rule asks.

    Args:
        log_weights: what the dimensions give all images, shape (image,).
        drivers: shape (image, driver).
        scored: what they were joined from.
        settings: the rule and its strength.
        outliers: as :func:`sampling_weights` takes them.
        margins: of all images; needed where something is left unexplained.
        num_threads: as many as there are cores where None.
    """
    if scored.unexplained:
        assert margins is not None
        own = low_margin_scores(margins, num_bins=settings.num_bins, alpha=settings.alpha)
        log_weights = log_weights + scored.unexplained * own
    if settings.rule in LARGEST_TEMPER:
        temper, probabilities = temper_weights(
            log_weights,
            target_ess=settings.target_ess,
            cap=settings.cap,
            largest=LARGEST_TEMPER[settings.rule],
            num_threads=num_threads,
        )
    else:
        temper = 1.0
        probabilities = capped_softmax(log_weights, cap=math.inf, num_threads=num_threads)
    probabilities, num_held_down = hold_down(probabilities, outliers)
    health = _health(
        probabilities,
        drivers,
        scored.active,
        scored.balanced,
        temper=temper,
        num_held_down=num_held_down,
        unexplained=scored.unexplained,
        settings=settings,
    )
    return SamplingWeights(
        probabilities=probabilities, log_weights=log_weights, drivers=drivers, health=health
    )


def given_weights(probabilities: NDArray[np.float64]) -> SamplingWeights:
    """Return weights that come from elsewhere, such as another density, with their health.

    Args:
        probabilities: of drawing each image, shape (image,), above 0; any scale.

    Raises:
        DataError: a probability is not a number above 0.
    """
    if not (np.isfinite(probabilities).all() and (probabilities > 0).all()):
        raise DataError("every sampling probability must be a number above 0")
    shares: NDArray[np.float64] = probabilities / probabilities.sum()
    return SamplingWeights(
        probabilities=shares,
        log_weights=np.log(shares),
        drivers=np.empty((shares.size, 0), dtype=np.int32),
        health=WeightHealth(
            num_images=shares.size,
            effective_sample_size=effective_sample_size(shares),
            largest_over_mean=float(shares.max() * shares.size),
            temper=1.0,
            num_capped=0,
            num_held_down=0,
            unexplained=0.0,
            active=(),
            balanced=(),
            nothing_to_balance=False,
            top_drivers=(),
            top_driver_shares=(),
        ),
    )


def _checked_margins(margins: NDArray[np.float64] | None, num_images: int) -> NDArray[np.float64]:
    if margins is None:
        raise DataError("the rule 'margin' needs the margins of a classifier")
    if margins.shape != (num_images,) or not np.isfinite(margins).all():
        raise DataError(
            f"{num_images} images need as many finite margins; got shape {margins.shape}"
        )
    return margins


def _balanced_latents(
    active: NDArray[np.int64], settings: ResamplingSettings, num_latents: int
) -> NDArray[np.int64]:
    if settings.rule == "uniform":
        return np.empty(0, dtype=np.int64)
    if settings.latents:
        if max(settings.latents) >= num_latents:
            raise ConfigError(
                f"there is no latent dimension {max(settings.latents)}",
                where="resampling.latents",
                hint=f"The dimensions are 0 to {num_latents - 1}",
            )
        return np.asarray(settings.latents, dtype=np.int64)
    return np.arange(num_latents) if settings.rule == "paper" else active


def _scores(
    masses: NDArray[np.float64], counts: NDArray[np.float64], settings: ResamplingSettings
) -> NDArray[np.float64]:
    """Return -log(Q + alpha) less its mean over the images, shape (latent, bin).

    ``max`` compares dimensions, so there it is the mean weight that is made 1, not the mean score
    that is made 0: exp(score) / n is then the dimension's probability of drawing the image.
    """
    scores: NDArray[np.float64] = -np.log(masses + settings.alpha)
    if settings.rule == "max":
        centre = np.log(np.average(np.exp(scores), weights=counts, axis=1))
    else:
        centre = np.average(scores, weights=counts, axis=1)
    centred: NDArray[np.float64] = scores - centre[:, np.newaxis]
    return centred


def _health(
    probabilities: NDArray[np.float64],
    drivers: NDArray[np.int32],
    active: NDArray[np.int64],
    balanced: NDArray[np.int64],
    *,
    temper: float,
    num_held_down: int,
    unexplained: float,
    settings: ResamplingSettings,
) -> WeightHealth:
    # Reached but for rounding; compared without a further vector of the images' length.
    at_cap = probabilities >= settings.cap / probabilities.size * (1 - 1e-9)
    top, shares = top_drivers(drivers, probabilities)
    return WeightHealth(
        num_images=probabilities.size,
        effective_sample_size=effective_sample_size(probabilities),
        largest_over_mean=float(probabilities.max() * probabilities.size),
        temper=temper,
        num_capped=int(at_cap.sum()) if settings.rule in LARGEST_TEMPER else 0,
        num_held_down=num_held_down,
        unexplained=unexplained,
        active=tuple(active.tolist()),
        balanced=tuple(balanced.tolist()),
        nothing_to_balance=settings.rule != "uniform" and balanced.size == 0,
        top_drivers=top,
        top_driver_shares=shares,
    )
