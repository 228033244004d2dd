from __future__ import annotations

import numpy as np
import pytest

from debias.errors import DataError
from debias.explore.posterior import (
    NUM_BINS,
    aggregated_posterior,
    most_telling,
    total_correlation,
)


def test_the_spread_is_that_of_draws_from_all_posteriors() -> None:
    rng = np.random.default_rng(0)
    mu = rng.normal(size=(4000, 3)) * [2.0, 0.5, 0.0] + [1.0, 0.0, -3.0]
    log_var = np.tile(np.log([0.25, 1.0, 0.01]), (4000, 1)) + 0.1 * rng.normal(size=(4000, 3))
    found = aggregated_posterior(mu.astype(np.float32), log_var.astype(np.float32))
    draws = mu + np.exp(log_var / 2) * rng.normal(size=mu.shape)
    np.testing.assert_allclose(found.mean, draws.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(found.spread, draws.std(axis=0), rtol=0.05)
    assert found.kl is not None
    expected = (mu**2 + np.exp(log_var) - 1 - log_var).mean(axis=0) / 2
    np.testing.assert_allclose(found.kl, expected, rtol=1e-4)
    assert (found.num_images, found.num_latents) == (4000, 3)


def test_histograms_reach_three_standard_deviations_and_lose_nobody() -> None:
    mu = np.zeros((100, 2), dtype=np.float32)
    mu[:, 0] = np.r_[-10.0, np.zeros(98), 10.0]
    found = aggregated_posterior(mu, None)
    assert found.kl is None
    assert found.histograms.shape == (2, NUM_BINS)
    np.testing.assert_allclose(found.histograms.sum(axis=1), 1.0)
    row = found.histograms[0]
    assert (row[0], row[-1], row[NUM_BINS // 2]) == (0.01, 0.01, 0.98)
    assert found.histograms[1].max() == 1.0  # a latent that does not vary
    assert found.active(0.1).tolist() == [0]


def test_the_most_telling_come_first() -> None:
    rng = np.random.default_rng(0)
    mu = rng.normal(size=(500, 4)) * [0.1, 3.0, 1.5, 0.01]
    log_var = np.zeros((500, 4))
    posterior = aggregated_posterior(mu, log_var)
    change = np.array([9.0, 1.0, 2.0, 3.0])
    assert posterior.active(0.1).tolist() == [1, 2]
    assert most_telling(posterior, change, number=12, threshold=0.1) == (1, 2)
    assert most_telling(posterior, change, number=1, threshold=0.1) == (1,)
    assert most_telling(posterior, change, number=2, threshold=99.0) == (1, 2)  # none is active
    without_prior = aggregated_posterior(mu, None)
    assert most_telling(without_prior, change, number=3, threshold=0.1) == (0, 3, 2)


def test_total_correlation_of_two_normal_variables() -> None:
    for correlation in (0.0, 0.5, -0.9):
        covariance = np.array([[4.0, 2 * 3 * correlation], [2 * 3 * correlation, 9.0]])
        expected = -0.5 * np.log(1 - correlation**2)
        assert total_correlation(covariance) == pytest.approx(expected, abs=1e-12)
    assert total_correlation(np.eye(1)) == 0.0


@pytest.mark.parametrize("covariance", [np.ones((2, 2)), np.diag([1.0, 0.0]), np.empty((0, 0))])
def test_total_correlation_that_is_infinite_is_not_estimated(covariance: np.ndarray) -> None:
    assert total_correlation(covariance) is None


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="nan"):
        aggregated_posterior(np.array([[0.0], [np.nan]]), None)
