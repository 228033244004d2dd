"""Junk is told from rare faces: both are far out, but rare faces are well reconstructed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from debias.errors import DataError
from debias.resampling.outliers import (
    hold_down,
    neighbour_distances,
    outlier_scores,
    outlier_threshold,
    residual_errors,
    tail_scores,
)
from debias.resampling.settings import ResamplingSettings
from debias.resampling.weights import sampling_weights

Floats = NDArray[np.float64]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_threshold_is_the_normal_quantile() -> None:
    assert outlier_threshold(0.005) == pytest.approx(float(stats.norm.isf(0.005)))


def test_tail_scores_put_normal_values_on_the_standard_scale_whatever_their_unit() -> None:
    scores = tail_scores(7.0 + 300.0 * rng().normal(size=100_000))
    assert float(np.mean(scores)) == pytest.approx(0.0, abs=0.02)
    assert float(np.std(scores)) == pytest.approx(1.0, abs=0.02)


def test_a_few_per_cent_of_junk_hardly_move_the_scale() -> None:
    clean = rng().normal(size=10_000)
    junk = np.full(400, 1e6)
    scores = tail_scores(np.concatenate([clean, junk]))[: clean.size]
    assert 0.001 < (scores > outlier_threshold()).mean() < 0.005


def test_values_that_do_not_differ_have_no_scores() -> None:
    assert np.array_equal(tail_scores(np.full(50, 3.0)), np.zeros(50))


def test_residual_errors_do_not_depend_on_the_detail() -> None:
    detail = np.exp(rng().normal(size=5000))
    surprise = 0.1 * rng(1).normal(size=5000)
    error = np.exp(0.3 + 0.7 * np.log(detail) - 0.1 * np.log(detail) ** 2 + surprise)
    residual = residual_errors(error, detail)
    assert np.corrcoef(residual, surprise)[0, 1] > 0.999
    assert abs(np.corrcoef(residual, np.log(detail))[0, 1]) < 0.02


def test_junk_does_not_bend_the_fit() -> None:
    detail = np.exp(rng().normal(size=1000))
    error = detail * np.exp(0.05 * rng(1).normal(size=1000))
    detailed = np.argsort(-detail)[:40]
    error[detailed] *= 5.0
    residual = residual_errors(error, detail)
    assert residual[detailed].min() > 1.4
    assert abs(np.median(np.delete(residual, detailed))) < 0.02


def test_errors_and_details_of_zero_are_taken() -> None:
    assert np.isfinite(residual_errors(np.zeros(20), np.zeros(20))).all()


def test_distances_are_those_of_a_search_without_oneself() -> None:
    mu = rng().normal(size=(200, 3)) * [1.0, 10.0, 0.1]
    placed = (mu - mu.mean(axis=0)) / mu.std(axis=0)
    index = NearestNeighbors(n_neighbors=4, algorithm="kd_tree").fit(placed)
    expected = index.kneighbors(return_distance=True)[0].mean(axis=1)
    found = neighbour_distances(mu, generator=rng(), num_neighbours=4)
    np.testing.assert_allclose(found, expected)


def test_distances_to_a_part_of_the_images_leave_oneself_out_too() -> None:
    mu = rng().normal(size=(300, 2))
    placed = (mu - mu.mean(axis=0)) / mu.std(axis=0)
    chosen = np.sort(rng(4).choice(300, 100, replace=False))
    every = np.linalg.norm(placed[:, None] - placed[chosen], axis=2)
    every[chosen, np.arange(100)] = np.inf
    expected = np.sort(every, axis=1)[:, :2].mean(axis=1)
    found = neighbour_distances(mu, generator=rng(4), num_neighbours=2, most_references=100)
    np.testing.assert_allclose(found, expected)


def test_copies_of_an_image_are_its_neighbours() -> None:
    mu = np.repeat(rng().normal(size=(50, 2)), 4, axis=0)
    assert neighbour_distances(mu, generator=rng(), num_neighbours=3).max() < 1e-6


@pytest.mark.parametrize("shape", [(1, 3), (5, 0)])
def test_without_others_or_latents_there_is_no_distance(shape: tuple[int, int]) -> None:
    assert np.array_equal(neighbour_distances(np.ones(shape), generator=rng()), np.zeros(shape[0]))


def _planted(seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """2,000 usual faces, then 40 rare ones (far out, well reconstructed), then 40 of junk."""
    generator = rng(seed)
    mu = generator.normal(size=(2080, 5))
    mu[2000:2040] += 2.5
    mu[2040:] -= 2.5
    detail = np.exp(0.5 * generator.normal(size=2080))
    error = 0.1 * detail * np.exp(0.1 * generator.normal(size=2080))
    error[2040:] *= 1.6
    return mu, error, detail


def test_junk_stands_out_and_rare_faces_do_not() -> None:
    mu, error, detail = _planted()
    scores = outlier_scores(mu, error=error, detail=detail, generator=rng())
    is_junk = np.arange(2080) >= 2040
    marked = scores > outlier_threshold()
    assert roc_auc_score(is_junk, scores) > 0.97
    assert marked[2040:].mean() > 0.8
    assert marked[2000:2040].mean() < 0.2
    assert marked[:2000].mean() < 0.01


def test_neither_measure_is_as_sure_by_itself() -> None:
    mu, error, detail = _planted()
    is_junk = np.arange(2080) >= 2040
    both = roc_auc_score(is_junk, outlier_scores(mu, error=error, detail=detail, generator=rng()))
    assert both > roc_auc_score(is_junk, residual_errors(error, detail))
    assert both > roc_auc_score(is_junk, neighbour_distances(mu, generator=rng()))


def test_what_is_held_down_has_the_mean_weight_at_most() -> None:
    probabilities = np.array([0.4, 0.3, 0.2, 0.1])
    outliers = np.array([True, False, False, True])
    held, number = hold_down(probabilities, outliers)
    np.testing.assert_allclose(held, [0.25, 0.3 * 1.3, 0.2 * 1.3, 0.1])
    assert held.sum() == pytest.approx(1.0)
    assert number == 1


def test_without_outliers_or_others_nothing_is_held_down() -> None:
    probabilities = np.array([0.7, 0.3])
    for outliers in (None, np.zeros(2, dtype=np.bool_), np.ones(2, dtype=np.bool_)):
        held, number = hold_down(probabilities, outliers)
        np.testing.assert_allclose(held, probabilities)
        assert number == 0


def test_marks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="2 images need as many outlier marks"):
        hold_down(np.array([0.5, 0.5]), np.array([True]))


def test_sampling_weights_hold_outliers_down_and_say_how_many() -> None:
    mu = rng().normal(size=(500, 2))
    settings = ResamplingSettings()
    free = sampling_weights(mu, settings=settings)
    outliers = np.zeros(500, dtype=np.bool_)
    outliers[np.argsort(-free.probabilities)[:10]] = True
    held = sampling_weights(mu, settings=settings, outliers=outliers)
    assert held.health.num_held_down == 10
    assert held.probabilities[outliers] == pytest.approx(1 / 500)
    assert held.probabilities.sum() == pytest.approx(1.0)
    others = ~outliers
    ratio = held.probabilities[others] / free.probabilities[others]
    assert ratio == pytest.approx(ratio[0])
    assert ratio[0] > 1
    assert free.health.num_held_down == 0
