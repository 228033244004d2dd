"""How well single latents stand for single factors: MIG, SAP and DCI, each as its paper has it.

All take latents of shape (image, latent) and factors of the same images. The means of the
posteriors stand for the latents, as in [Locatello2019]. The scores take the factors to be
independent of each other; where they are not, no representation reaches 1.

References:
    [Chen2018] Chen, Li, Grosse, Duvenaud. Isolating Sources of Disentanglement in Variational
    Autoencoders. NeurIPS 2018.
    [Eastwood2018] Eastwood, Williams. A Framework for the Quantitative Evaluation of Disentangled
    Representations. ICLR 2018.
    [Kumar2018] Kumar, Sattigeri, Balakrishnan. Variational Inference of Disentangled Latent
    Concepts from Unlabeled Observations. ICLR 2018.
    [Locatello2019] Locatello et al. Challenging Common Assumptions in the Unsupervised Learning of
    Disentangled Representations. ICML 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias.explore.factors import KnownFactor
from debias.resampling.bins import bin_indices

NUM_BINS = 20
"""Of equal width, into which a latent is cut for mutual information, as in [Locatello2019]."""
NUM_TREES = 20
DEPTH = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Dci:
    """The three scores of [Eastwood2018], each 1 at best.

    Attributes:
        disentanglement: whether a latent matters to one factor only, in [0, 1].
        completeness: whether one latent only matters to a factor, in [0, 1].
        informativeness: how much of the factors the latents tell, at most 1: R^2 on other images
            for a number, and for a class the accuracy on them, from 0 at the commonest class's
            share to 1. The mean over factors.
    """

    disentanglement: float
    completeness: float
    informativeness: float


def mutual_information(
    latents: NDArray[np.floating], factors: Sequence[KnownFactor]
) -> NDArray[np.float64]:
    """Return the mutual information of each latent and factor, in [0, 1] of the factor's entropy.

    Plug-in estimates, a little too high on few images.

    Args:
        latents: shape (image, latent).
        factors: of the same images, none of them constant.

    Returns:
        Shape (latent, factor).
    """
    from sklearn.metrics import mutual_info_score

    values = np.ascontiguousarray(np.asarray(latents, dtype=np.float64).T)
    low, high = values.min(axis=1), values.max(axis=1)
    edges = np.linspace(low, np.where(high > low, high, low + 1.0), NUM_BINS + 1, axis=1)
    bins = bin_indices(edges, values).astype(np.int64)
    found = np.zeros((len(bins), len(factors)))
    for column, factor in enumerate(factors):
        num_classes = int(factor.classes.max()) + 1
        shares = np.bincount(factor.classes) / len(factor.classes)
        entropy = -np.sum(shares[shares > 0] * np.log(shares[shares > 0]))
        if entropy <= 0:
            continue
        for latent, own in enumerate(bins):
            pairs = own * num_classes + factor.classes
            cells = np.bincount(pairs, minlength=NUM_BINS * num_classes)
            table = cells.reshape(NUM_BINS, num_classes)
            table = table[table.any(axis=1)][:, table.any(axis=0)]
            found[latent, column] = mutual_info_score(None, None, contingency=table) / entropy
    return np.clip(found, 0.0, 1.0)


def gap_of_two_best(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far the best latent of each factor is ahead of the second, shape (factor,).

    Args:
        scores: shape (latent, factor), at least 0; a single latent is ahead of none.
    """
    padded = np.vstack([scores, np.zeros((max(0, 2 - len(scores)), scores.shape[1]))])
    best = np.sort(padded, axis=0)
    gaps: NDArray[np.float64] = best[-1] - best[-2]
    return gaps


def mutual_information_gap(latents: NDArray[np.floating], factors: Sequence[KnownFactor]) -> float:
    """Return the MIG of [Chen2018], in [0, 1].

    The mean over factors of the gap between the two latents that share most information with it,
    in units of the factor's entropy.
    """
    return float(gap_of_two_best(mutual_information(latents, factors)).mean())


def attribute_predictability(
    latents: NDArray[np.floating], factors: Sequence[KnownFactor]
) -> NDArray[np.float64]:
    """Return how well each latent alone predicts each factor, shape (latent, factor), in [0, 1].

    After [Kumar2018]: the squared correlation for a number; for a class the accuracy, the classes
    weighing alike, of a linear support vector machine on the images it was not fitted on (every
    second one).
    """
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.preprocessing import scale
    from sklearn.svm import LinearSVC

    values = np.asarray(latents, dtype=np.float64)
    spread = values.std(axis=0)
    standard = scale(np.where(spread > 0, values, 0.0))
    found = np.zeros((values.shape[1], len(factors)))
    for column, factor in enumerate(factors):
        if not factor.is_discrete:
            target = factor.values - factor.values.mean()
            norm = np.sqrt(np.mean(target**2))
            if norm > 0:
                found[:, column] = (standard.T @ target / len(target) / norm) ** 2
            continue
        fit, test = slice(0, None, 2), slice(1, None, 2)
        if len(np.unique(factor.classes[fit])) < 2 or not len(factor.classes[test]):
            continue
        for latent in np.flatnonzero(spread > 0):
            machine = LinearSVC(C=0.01, class_weight="balanced", random_state=0)
            machine.fit(standard[fit, latent : latent + 1], factor.classes[fit])
            guess = machine.predict(standard[test, latent : latent + 1])
            found[latent, column] = balanced_accuracy_score(factor.classes[test], guess)
    return found


def separated_predictability(
    latents: NDArray[np.floating], factors: Sequence[KnownFactor]
) -> float:
    """Return the SAP score of [Kumar2018], in [0, 1].

    The mean over factors of the gap between the two latents that predict it best by themselves.
    """
    return float(gap_of_two_best(attribute_predictability(latents, factors)).mean())


def dci(latents: NDArray[np.floating], factors: Sequence[KnownFactor], *, seed: int) -> Dci:
    """Return disentanglement, completeness and informativeness.

    A latent's importance to a factor is that in an ensemble of trees that predicts the factor from
    all latents (extremely randomised ones, in place of the random forests of [Eastwood2018]),
    fitted on every second image and judged on the others.

    Args:
        latents: shape (image, latent).
        factors: of the same images.
        seed: of the trees.
    """
    importance = np.zeros((latents.shape[1], len(factors)))
    told = np.zeros(len(factors))
    for column, factor in enumerate(factors):
        importance[:, column], told[column] = _trees(latents, factor, seed)
    return Dci(
        disentanglement=disentanglement(importance),
        completeness=completeness(importance),
        informativeness=float(told.mean()),
    )


def disentanglement(importance: NDArray[np.float64]) -> float:
    """Return the D of [Eastwood2018], in [0, 1].

    1 less the entropy, in units of the largest, of the factors that a latent matters to; the mean
    over latents, each weighing as it matters.

    Args:
        importance: of each latent to each factor, at least 0, shape (latent, factor).
    """
    whole = importance.sum()
    if whole <= 0:
        return 0.0
    return float(_certainty(importance.T) @ importance.sum(axis=1) / whole)


def completeness(importance: NDArray[np.float64]) -> float:
    """Return the C of [Eastwood2018], in [0, 1].

    1 less the entropy, in units of the largest, of the latents that matter to a factor; the mean
    over factors.

    Args:
        importance: of each latent to each factor, at least 0, shape (latent, factor).
    """
    return float(_certainty(importance).mean())


def _certainty(importance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 less the entropy of each column's shares by its largest; 0 for a column of 0."""
    num_rows = len(importance)
    sums = importance.sum(axis=0)
    shares = importance / np.where(sums > 0, sums, 1.0)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    entropy = -(shares * logs).sum(axis=0) / max(np.log(num_rows), np.finfo(np.float64).tiny)
    certainty: NDArray[np.float64] = np.where(sums > 0, 1.0 - entropy, 0.0)
    return np.clip(certainty, 0.0, 1.0)


def _trees(
    latents: NDArray[np.floating], factor: KnownFactor, seed: int
) -> tuple[NDArray[np.float64], float]:
    """Return the importance of each latent to a factor, and how much of it they tell."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    options: dict[str, Any] = {"n_estimators": NUM_TREES, "max_depth": DEPTH, "random_state": seed}
    fit, test = slice(0, None, 2), slice(1, None, 2)
    if not factor.is_discrete:
        trees = ExtraTreesRegressor(**options).fit(latents[fit], factor.values[fit])
        return trees.feature_importances_, float(trees.score(latents[test], factor.values[test]))
    trees = ExtraTreesClassifier(max_features=None, **options)
    trees.fit(latents[fit], factor.classes[fit])
    commonest = np.bincount(factor.classes[test]).max() / len(factor.classes[test])
    accuracy = float(trees.score(latents[test], factor.classes[test]))
    told = (accuracy - commonest) / (1 - commonest) if commonest < 1 else 0.0
    return trees.feature_importances_, told
