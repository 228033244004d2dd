from __future__ import annotations

import numpy as np
import pytest

from debias.errors import DataError
from debias.resampling.activity import active_latents
from debias.resampling.histogram import build_histograms
from debias.resampling.settings import ResamplingSettings, WeightRule
from debias.resampling.weights import sampling_weights

MU = np.random.default_rng(0).normal(size=(200, 4)) * [1.0, 1.0, 0.0, 1.0]
KL = np.array([0.5, 0.2, 0.9, 0.1])


def test_what_varies_and_reaches_the_threshold_is_active() -> None:
    counts = build_histograms(MU, num_bins=5).counts
    assert active_latents(counts, KL, threshold=0.2).tolist() == [0, 1]
    assert active_latents(counts, None, threshold=0.2).tolist() == [0, 1, 3]
    assert active_latents(counts, KL, threshold=9.0).tolist() == []


@pytest.mark.parametrize("divergence", [np.ones(3), np.array([1.0, np.nan, 1.0, 1.0])])
def test_each_dimension_needs_a_divergence(divergence: np.ndarray) -> None:
    with pytest.raises(DataError, match="4 latent dimensions need as many KL divergences"):
        active_latents(build_histograms(MU).counts, divergence, threshold=0.1)


@pytest.mark.parametrize("rule", ["uniform", "paper", "product", "max"])
def test_it_is_the_rule_of_sampling_weights(rule: WeightRule) -> None:
    settings = ResamplingSettings(rule=rule, num_bins=5, activity_threshold=0.2)
    active = active_latents(build_histograms(MU, num_bins=5).counts, KL, threshold=0.2)
    weights = sampling_weights(MU, settings=settings, kl_per_latent=KL)
    assert weights.health.active == tuple(active.tolist())
