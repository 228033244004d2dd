"""Settings of resampling: the rule, its strength, and where the histograms come from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from debias.errors import ConfigError, nearest

WeightRule = Literal["uniform", "max", "paper", "product", "margin"]

OutlierRule = Literal["keep", "downweight"]

HistogramSource = Literal["exact", "streamed"]

LARGEST_TEMPER = {"product": 1.0, "margin": 1e3}
"""The rules that are tempered, and the largest exponent of each. The factors of ``margin`` are
below 1, so its product must be sharpened to reach a small effective sample size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResamplingSettings:
    """How rare faces are found, and how much more often they are drawn.

    Attributes:
        rule: how the dimensions are joined; see the module.
        alpha: added to every bin mass, above 0, as a fraction of the faces. A face in an all but
            empty bin weighs at most 1 / alpha in that dimension; larger values debias less.
        num_bins: bins in each dimension, at least 2.
        target_ess: effective sample size to keep, as a fraction of the faces, in (0, 1]; 1 draws
            uniformly. ``product`` and ``margin`` only.
        cap: largest weight over the mean weight, at least 1. ``product`` and ``margin`` only.
        activity_threshold: mean KL divergence, in nats, below which a dimension is inactive and
            left out of ``product``, ``margin`` and ``max``.
        latents: the dimensions to balance, active or not, whatever the rule; empty for all
            active ones (``paper``: all).
        unexplained: whether ``margin`` counts the margin itself too, by the share of its variance
            that no active dimension explains. Where ``latents`` are named, only they count.
        refresh: epochs between two rebuilds of the weights, at least 1.
        warmup: epochs drawn uniformly first, since an untrained encoder describes no face.
        outliers: ``downweight`` draws what looks like junk, and not like rare faces, at most as
            often as uniform draws would; see :mod:`debias.resampling.outliers`. ``keep`` draws it
            by the rule. No difference where draws are uniform.
        histograms: ``exact`` encodes all faces whenever weights are due; ``streamed`` counts the
            batches that are trained on anyway, an approximation at next to no cost; see
            :mod:`debias.resampling.streaming`.

    Raises:
        ConfigError: a value is out of its range, or the rule cannot do with streamed histograms.
    """

    rule: WeightRule = "product"
    alpha: float = 0.01
    num_bins: int = 10
    target_ess: float = 0.5
    cap: float = 20.0
    activity_threshold: float = 0.1
    latents: tuple[int, ...] = ()
    unexplained: bool = True
    refresh: int = 1
    warmup: int = 1
    outliers: OutlierRule = "keep"
    histograms: HistogramSource = "exact"

    def __post_init__(self) -> None:
        self._check_words()
        if self.histograms == "streamed":
            self._check_streamed()
        allowed = {
            "alpha": (0 < self.alpha < math.inf, "above 0"),
            "num_bins": (self.num_bins >= 2, "at least 2"),
            "target_ess": (0 < self.target_ess <= 1, "above 0 and at most 1"),
            "cap": (self.cap >= 1, "at least 1"),
            "activity_threshold": (self.activity_threshold >= 0, "at least 0"),
            "latents": (
                len(set(self.latents)) == len(self.latents) and min(self.latents, default=0) >= 0,
                "different dimensions, counted from 0",
            ),
            "refresh": (self.refresh >= 1, "at least 1"),
            "warmup": (self.warmup >= 0, "at least 0"),
        }
        for name, (fits, meaning) in allowed.items():
            if not fits:
                raise ConfigError(
                    f"{getattr(self, name)} is out of range",
                    where=f"resampling.{name}",
                    hint=f"It must be {meaning}",
                )

    def _check_words(self) -> None:
        known = {
            "rule": (WeightRule, "there is no rule"),
            "outliers": (OutlierRule, "outliers cannot be treated by"),
            "histograms": (HistogramSource, "histograms cannot be"),
        }
        for name, (words, complaint) in known.items():
            word, allowed = getattr(self, name), get_args(words)
            if word not in allowed:
                raise ConfigError(
                    f"{complaint} {word!r}",
                    where=f"resampling.{name}",
                    hint=nearest(str(word), allowed),
                )

    def _check_streamed(self) -> None:
        refused = {
            "rule=paper": (
                self.rule == "paper",
                "untempered, a handful of faces takes nearly all draws, and says nothing of the "
                "others",
            ),
            "outliers=downweight": (
                self.outliers == "downweight",
                "junk is told by decoding every face, which is what streaming saves",
            ),
            "warmup=0": (self.warmup == 0, "before the first epoch nothing has been streamed"),
        }
        for name, (refuse, reason) in refused.items():
            if refuse:
                raise ConfigError(
                    f"streamed histograms do not go with resampling.{name}: {reason}",
                    where="resampling.histograms",
                    hint="Use exact ones",
                )

    def refresh_due(self, epoch: int) -> bool:
        """Return whether the weights are to be rebuilt before ``epoch`` (counted from 0)."""
        return epoch >= self.warmup and (epoch - self.warmup) % self.refresh == 0
