"""Sampling weights from other sources than the library's rules: what rivals draw by.

Each function returns a weigher, as :func:`~debias.training.loop.fit` takes it. Those of the first
part read no label of any kind; those of the second read who belongs to which group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from context import Context, Rows
from last_layer import encoder_features
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from debias.audit.skin_pixels import skin_measures
from debias.inference.encode import encode
from debias.inference.predict import predict_logits
from debias.metrics.counts import UNKNOWN
from debias.resampling.histogram import kl_per_latent
from debias.resampling.settings import LARGEST_TEMPER
from debias.resampling.tempering import temper_weights
from debias.resampling.weights import SamplingWeights, given_weights
from debias.seeding import numpy_generator
from debias.training.weighting import Rebuild, Weigher

Floats = NDArray[np.float64]


def tempered(log_weights: Callable[[Rebuild], Floats]) -> Weigher:
    """Return a weigher that tempers logs of weights to the settings' target, after the warm-up.

    The exponent may be as large as that of ``margin``, so that every rival is held to the same
    effective sample size.
    """

    def weigh(rebuild: Rebuild) -> SamplingWeights:
        settings = rebuild.settings
        if rebuild.epoch < settings.warmup:
            return given_weights(np.ones(len(rebuild.faces)))
        logs = log_weights(rebuild)
        _, probabilities = temper_weights(
            logs, target_ess=settings.target_ess, cap=settings.cap, largest=LARGEST_TEMPER["margin"]
        )
        return given_weights(probabilities)

    return weigh


def active_latents(rebuild: Rebuild) -> Floats:
    """Return the active latents of the training faces, whitened: identity covariance."""
    encoded = encode(rebuild.model, rebuild.store, rebuild.faces, autocast=rebuild.autocast)
    assert encoded.log_var is not None
    nats = kl_per_latent(encoded.mu, encoded.log_var)
    mu = encoded.mu[:, nats >= rebuild.settings.activity_threshold].astype(np.float64)
    if not mu.shape[1]:
        return np.zeros((len(mu), 1))
    centred = mu - mu.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(mu))
    whitened: Floats = centred @ vectors / np.sqrt(np.maximum(values, 1e-12))
    return whitened


def neighbours(num_neighbours: int = 50) -> Weigher:
    """Return weights by a nearest-neighbour density of the latents: 1 / p, p ~ 1 / r^d.

    With d latents log w is d log r, up to a constant.
    """

    def logs(rebuild: Rebuild) -> Floats:
        latents = active_latents(rebuild)
        count = min(num_neighbours, len(latents) - 1)
        distances = NearestNeighbors(n_neighbors=count + 1).fit(latents).kneighbors(latents)[0]
        radii = np.maximum(distances[:, -1], 1e-9)
        return np.asarray(np.log(radii) * latents.shape[1], dtype=np.float64)

    return tempered(logs)


def mixture(num_components: int = 16) -> Weigher:
    """Return weights by a Gaussian mixture of the latents, with full covariances: 1 / p."""

    def logs(rebuild: Rebuild) -> Floats:
        latents = active_latents(rebuild)
        if not latents.any():
            return np.zeros(len(latents))
        count = min(num_components, len(latents))
        fitted = GaussianMixture(count, reg_covar=1e-3, random_state=0).fit(latents)
        return np.asarray(-fitted.score_samples(latents), dtype=np.float64)

    return tempered(logs)


def low_margin() -> Weigher:
    """Return weights by the classifier's own margin: the lower the logit, the more often."""
    return tempered(lambda rebuild: -predict_logits(rebuild.model, rebuild.store, rebuild.faces))


def local_margin(num_neighbours: int = 20) -> Weigher:
    """Return weights by the mean margin of a face's neighbours, itself left out.

    The lower it is, the more often the face is drawn; neighbours are the nearest by the
    classifier's features, each standardised.
    """

    def logs(rebuild: Rebuild) -> Floats:
        margins = predict_logits(rebuild.model, rebuild.store, rebuild.faces)
        features = encoder_features(rebuild.model, rebuild.store, rebuild.faces)
        places = StandardScaler().fit_transform(features)
        near = NearestNeighbors(n_neighbors=num_neighbours + 1).fit(places)
        means: Floats = margins[near.kneighbors(places)[1][:, 1:]].mean(axis=1)
        return -means

    return tempered(logs)


def by_share(shares: Mapping[str, float], names: NDArray[np.object_]) -> Floats:
    """Return probabilities that give each group its share, alike within a group."""
    probabilities = np.zeros(len(names))
    for group, share in shares.items():
        members = names == group
        probabilities[members] = share / members.sum()
    return probabilities


def strata(context: Context, rows: Rows) -> NDArray[np.object_]:
    """Return the group of each row of the store, those of no known group as one more."""
    return pd.Series(context.names(rows)).fillna(UNKNOWN).to_numpy(dtype=object)


def group_balanced(context: Context) -> Weigher:
    """Return weights that give every group of the training faces the same share.

    Faces of no known group are one more group.
    """

    def weigh(rebuild: Rebuild) -> SamplingWeights:
        names = strata(context, rebuild.faces)
        groups = np.unique(names)
        return given_weights(by_share(dict.fromkeys(groups, 1 / len(groups)), names))

    return weigh


def by_tone(*, num_bins: int = 10) -> Weigher:
    """Return weights by the rarity of a skin tone that is estimated from pixels, tempered.

    The individual typology angle of :mod:`debias.audit.skin_pixels`; a face without one has
    the mean log weight. The histogram's bins are of equal width between the percentiles 0.5 and
    99.5 of the angles.
    """
    known_angles: list[Floats] = []  # the same whenever weights are made

    def logs(rebuild: Rebuild) -> Floats:
        if not known_angles:
            known_angles.append(typology_angles(rebuild))
        angles = known_angles[0]
        known = np.isfinite(angles)
        if not known.any():
            return np.zeros(len(angles))
        low, high = np.quantile(angles[known], [0.005, 0.995])
        edges = np.linspace(low, high, num_bins + 1)[1:-1]
        bins = np.digitize(angles[known], edges)
        masses = np.bincount(bins, minlength=num_bins) / known.sum()
        found = np.zeros(len(angles))
        found[known] = -np.log(masses[bins] + rebuild.settings.alpha)
        found[~known] = found[known].mean()
        return found

    return tempered(logs)


def typology_angles(rebuild: Rebuild, *, num_images: int = 512) -> Floats:
    """Return the training faces' angles in degrees, shape (image,); NaN where there is none."""
    faces = rebuild.faces
    chunks = [faces[start : start + num_images] for start in range(0, len(faces), num_images)]
    return np.concatenate([skin_measures(rebuild.store.gather(rows))["ita"] for rows in chunks])


def few_labels(context: Context, *, num_labelled: int, seed: int) -> Weigher:
    """Return weights by a direction that few labels give in the latent space.

    Of the training faces ``num_labelled`` are drawn and labelled as rare or not; a regularised
    logistic regression on the whitened active latents gives each face its log odds of being rare,
    and these are the logs of the weights.
    """

    def logs(rebuild: Rebuild) -> Floats:
        latents = active_latents(rebuild)
        generator = numpy_generator(seed, "labelled")
        chosen = np.sort(generator.permutation(len(latents))[:num_labelled])
        rare = context.is_rare(rebuild.faces[chosen])
        if rare.all() or not rare.any():
            return np.zeros(len(latents))
        model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)
        fitted = model.fit(latents[chosen], rare)
        return np.asarray(fitted.decision_function(latents), dtype=np.float64)

    return tempered(logs)


def fixed(probabilities: Floats) -> Weigher:
    """Return the same weights for every epoch, warm-up included."""
    weights = given_weights(probabilities)
    return lambda rebuild: weights
