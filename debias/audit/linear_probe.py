"""How well a linear probe over all latents tells an attribute of persons it was not fitted to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias.metrics.design_effects import design_effect

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


def most_folds(y: Codes, persons: Codes, wanted: int) -> int:
    """Return how many folds there can be with every value in each.

    Args:
        y: values as integers from 0, shape (image,).
        persons: the person of each image, shape (image,).
        wanted: at most so many.
    """
    pairs = np.unique(np.stack([y, persons]), axis=1)
    return min(wanted, int(np.bincount(pairs[0]).min()))


def probe_accuracy(
    mu: Floats, y: Codes, persons: Codes, num_folds: int, generator: np.random.Generator
) -> tuple[float, float]:
    """Return the balanced accuracy of a linear discriminant on persons it was not fitted to.

    Beside it stands its standard error: that of independent persons, times a factor by which
    folds that are fitted to much the same persons vary more [Nadeau2003].

    Args:
        mu: posterior means, shape (image, latent).
        y: values as integers from 0, shape (image,).
        persons: the person of each image, shape (image,).
        num_folds: at least 2, and every value in each; see :func:`most_folds`.
        generator: draws the folds.

    References:
        [Nadeau2003] Inference for the Generalization Error. Machine Learning 52.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedGroupKFold

    folds = StratifiedGroupKFold(
        num_folds, shuffle=True, random_state=int(generator.integers(2**31))
    )
    guessed = np.full(y.size, -1)
    for fitted, tried in folds.split(mu, y, groups=persons):
        seen = np.unique(y[fitted])
        model = LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage="auto", priors=np.full(seen.size, 1.0 / seen.size)
        )
        guessed[tried] = model.fit(mu[fitted], y[fitted]).predict(mu[tried])
    is_right = guessed == y
    recalls, variances = [], []
    for value in range(int(y.max()) + 1):
        of_value = is_right[y == value]
        recall, size = float(of_value.mean()), of_value.size
        smoothed = (of_value.sum() + 1) / (size + 2)  # never certain
        effect = design_effect(values=of_value, clusters=persons[y == value])
        recalls.append(recall)
        variances.append(effect * smoothed * (1 - smoothed) / size)
    overlap = 1 + num_folds / (num_folds - 1)
    return float(np.mean(recalls)), float(np.sqrt(overlap * np.sum(variances))) / len(recalls)
