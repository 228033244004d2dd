"""A classifier's last layer, fitted again on features that stay as they are.

Everything here but :func:`encoder_features`, :func:`last_layer` and :func:`put_last_layer` works
on plain arrays.

References:
    [Kirichenko2023] Kirichenko, Izmailov, Wilson. Last Layer Re-Training is Sufficient for
    Robustness to Spurious Correlations. ICLR 2023.
    [Qiu2023] Qiu, Potapczynski, Izmailov, Wilson. Simple and Fast Group Robustness by Automatic
    Feature Reweighting. ICML 2023.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from debias.data.store import ImageStore
from debias.inference.encode import batches, evaluating
from debias.inference.predict import probability
from debias.metrics.counts import UNKNOWN
from debias.models.db_vae import FaceModel

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Names = NDArray[np.object_]

NON_FACES = "non-faces"
STRENGTHS = (1.0, 0.7, 0.3, 0.1, 0.07, 0.03, 0.01)
"""Inverse strengths of the L1 penalty that [Kirichenko2023] chooses from for photographs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LastLayer:
    """A linear layer: ``logit = features @ weight + bias``, weights of shape (feature,)."""

    weight: Floats
    bias: float

    def logits(self, features: Floats) -> Floats:
        """Return the log odds of "face" of features of shape (image, feature)."""
        found: Floats = features @ self.weight + self.bias
        return found


def encoder_features(
    model: FaceModel, store: ImageStore, rows: NDArray[np.int64], *, batch_size: int = 512
) -> Floats:
    """Return what the last layer sees of images, in eval mode and without augmentation.

    Shape (image, feature), in the order of ``rows``.
    """
    with evaluating(model) as device:
        found = [
            model.encoder(images).float().cpu().numpy()
            for images in batches(store, rows, batch_size=batch_size, device=device)
        ]
    return np.concatenate(found).astype(np.float64)


def last_layer(model: FaceModel) -> LastLayer:
    """Return a copy of a model's last layer."""
    linear = _linear(model)
    weight = linear.weight.detach().cpu().double().numpy()[0]
    return LastLayer(weight=weight, bias=float(linear.bias.detach()))


def put_last_layer(model: FaceModel, layer: LastLayer) -> FaceModel:
    """Give a model another last layer, in place; returns the model."""
    linear = _linear(model)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(layer.weight)[None])
        linear.bias.fill_(layer.bias)
    return model


def _linear(model: FaceModel) -> nn.Linear:
    assert isinstance(model.classifier, nn.Sequential)
    return cast(nn.Linear, model.classifier[-1])


def loss_shares(logits: Floats, y: Mask, *, gamma: float) -> Floats:
    """Return how much each image counts where the model's own doubt says it, summing to 1.

    exp(-gamma p) / n, p the probability that the model gives to the image's label and n the
    number of images of that label: the weights of [Qiu2023]. A gamma of 0 balances the labels; a
    label that the model doubts more gets more than half.

    Args:
        logits: log odds of "face", shape (image,).
        y: whether each is a face.
        gamma: at least 0.
    """
    right = probability(np.where(y, logits, -logits))
    shares = np.exp(-gamma * right) / np.where(y, y.sum(), (~y).sum())
    return np.asarray(shares / shares.sum())


def pulled_layer(
    features: Floats, y: Mask, *, shares: Floats, start: LastLayer, pull: float
) -> LastLayer:
    """Return the layer that minimises a weighted loss near another layer.

    sum of shares x cross-entropy + pull / 2 (|weight - start's|^2 + (bias - start's)^2). The
    factor of a half makes it the two-column layer of [Qiu2023] with their coefficient, whose
    best columns differ from the start's by half of this change each. It is convex, and solved.

    Args:
        features: shape (image, feature).
        y: whether each is a face.
        shares: how much each counts, shape (image,), summing to 1.
        start: where the pull goes.
        pull: above 0.
    """
    design = np.column_stack([features, np.ones(len(features))])
    origin = np.append(start.weight, start.bias)
    sign = np.where(y, 1.0, -1.0)

    def objective(theta: Floats) -> tuple[float, Floats]:
        margin = sign * (design @ theta)
        away = theta - origin
        loss = shares @ np.logaddexp(0.0, -margin) + pull / 2 * (away @ away)
        slope = -(shares * sign * probability(-margin)) @ design + pull * away
        return float(loss), slope

    options = {"maxiter": 5000, "gtol": 1e-8, "ftol": 1e-14}
    found = minimize(objective, origin, jac=True, method="L-BFGS-B", options=options).x
    return LastLayer(weight=found[:-1], bias=float(found[-1]))


def balanced_subset(groups: Names, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return images among which every group of faces is as large, and non-faces are half.

    The smallest known group sets the size. Faces of no known group are a group that does not:
    of them come as many as of the others, or all there are.

    Args:
        groups: of each image, :data:`NON_FACES` and :data:`UNKNOWN` among them, shape (image,).
        generator: draws, without replacement.
    """
    members = {name: np.flatnonzero(groups == name) for name in sorted(set(groups))}
    others = members.pop(NON_FACES)
    known = [len(rows) for name, rows in members.items() if name != UNKNOWN]
    size = min(*known, len(others) // len(members)) if known else len(others)
    faces = [generator.permutation(rows)[: max(1, size)] for rows in members.values()]
    num_faces = sum(map(len, faces))
    return np.concatenate([*faces, generator.permutation(others)[:num_faces]])


def balanced_layer(
    features: Floats,
    groups: Names,
    *,
    strength: float,
    num_subsets: int,
    generator: np.random.Generator,
) -> LastLayer:
    """Return the mean of L1-penalised logistic regressions, each on a group-balanced subset.

    Features are standardised by all images that are given [Kirichenko2023].

    Args:
        features: shape (image, feature).
        groups: as :func:`balanced_subset`.
        strength: inverse of the penalty's, above 0.
        num_subsets: regressions.
        generator: draws the subsets.
    """
    scaler = StandardScaler().fit(features)
    layers = []
    for _ in range(num_subsets):
        rows = balanced_subset(groups, generator)
        regression = LogisticRegression(
            l1_ratio=1.0, solver="liblinear", C=strength, max_iter=1000, random_state=0
        )
        fitted = regression.fit(scaler.transform(features[rows]), groups[rows] != NON_FACES)
        layers.append(np.append(fitted.coef_[0], fitted.intercept_))
    *weight, bias = np.mean(layers, axis=0)
    unscaled = np.array(weight) / scaler.scale_
    return LastLayer(weight=unscaled, bias=float(bias - unscaled @ scaler.mean_))


def worst_accuracy(layer: LastLayer, features: Floats, groups: Names) -> float:
    """Return the smallest share of a group, non-faces among them, on the right side of 0."""
    right = (layer.logits(features) >= 0) == (groups != NON_FACES)
    return float(min(right[groups == name].mean() for name in set(groups)))


def best_strength(
    features: Floats,
    groups: Names,
    *,
    judged_features: Floats,
    judged_groups: Names,
    generator: np.random.Generator,
    strengths: Iterable[float] = STRENGTHS,
) -> float:
    """Return the penalty whose layer, from one subset, serves the worst judged group best.

    Of equal ones it is the first.
    """

    def worst(strength: float) -> float:
        layer = balanced_layer(
            features, groups, strength=strength, num_subsets=1, generator=generator
        )
        return worst_accuracy(layer, judged_features, judged_groups)

    return max(strengths, key=worst)
