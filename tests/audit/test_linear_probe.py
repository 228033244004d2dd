"""The probe is right as often as it says, and is not surer of it than it may be."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from debias.audit.linear_probe import most_folds, probe_accuracy


def some(
    num_images: int = 240, *, gap: float = 0.0, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    generator = np.random.default_rng(seed)
    y = (generator.random(num_images) < 0.3).astype(np.intp)
    mu = generator.normal(size=(num_images, 5))
    mu[:, 0] += gap * y
    return mu, y


def test_accuracy_is_that_of_scikit_learn() -> None:
    mu, y = some(gap=1.5)
    persons = np.arange(len(y)) // 2
    accuracy, error = probe_accuracy(mu, y, persons, 4, np.random.default_rng(5))
    state = int(np.random.default_rng(5).integers(2**31))
    guessed = cross_val_predict(
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5]),
        mu,
        y,
        groups=persons,
        cv=StratifiedGroupKFold(4, shuffle=True, random_state=state),
    )
    assert accuracy == pytest.approx(balanced_accuracy_score(y, guessed))
    assert 0.02 < error < 0.08


def test_an_error_is_never_nothing() -> None:
    mu, y = some(gap=50.0)
    accuracy, error = probe_accuracy(mu, y, np.arange(len(y)), 5, np.random.default_rng(0))
    assert accuracy == 1.0
    assert error > 0


def test_pictures_of_few_persons_make_it_less_sure() -> None:
    mu, y = some(gap=1.0)
    mu = np.repeat(mu, 5, axis=0)
    y = np.repeat(y, 5)
    alone = probe_accuracy(mu, y, np.arange(len(y)), 5, np.random.default_rng(0))[1]
    shared = probe_accuracy(mu, y, np.arange(len(y)) // 5, 5, np.random.default_rng(0))[1]
    assert shared > 1.8 * alone


def test_luck_is_rarely_taken_for_knowledge() -> None:
    scores = []
    for seed in range(40):
        mu, y = some(120, seed=seed)
        accuracy, error = probe_accuracy(mu, y, np.arange(len(y)), 4, np.random.default_rng(seed))
        scores.append((accuracy - 0.5) / error)
    assert (stats.norm.sf(scores) < 0.05).mean() <= 0.1
    assert np.std(scores) < 1.2


def test_each_fold_has_each_value() -> None:
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1], dtype=np.intp)
    assert most_folds(y, np.arange(8), 3) == 3
    assert most_folds(y, np.arange(8), 9) == 4
    assert most_folds(y, np.array([0, 1, 2, 3, 4, 4, 5, 5]), 9) == 2
