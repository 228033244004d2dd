"""Mutual information of latents with attributes, by counts in bins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
_AT_ONCE = 2**22  # values of an indicator array


def mutual_information(bins: Codes, values: Codes) -> Floats:
    """Return the mutual information of each latent with an attribute, nats, shape (latent,).

    sum over bins b and values v of p(b, v) log(p(b, v) / (p(b) p(v))), at least 0.

    Args:
        bins: of each latent, shape (image, latent), from 0.
        values: of the attribute, shape (image,), from 0.
    """
    found: Floats = informations(bins, values[np.newaxis])[0]
    return found


def informations(bins: Codes, values: Codes) -> Floats:
    """Return the information for many versions of an attribute, shape (version, latent).

    Args:
        bins: of each latent, shape (image, latent), from 0.
        values: of each version of the attribute, shape (version, image), from 0.
    """
    (num_images, num_latents), num_bins = bins.shape, int(bins.max()) + 1
    num_versions, num_values = len(values), int(values.max()) + 1
    places = np.zeros((num_images, num_latents * num_bins), dtype=np.float32)
    columns = bins + np.arange(num_latents) * num_bins
    np.put_along_axis(places, columns, 1.0, axis=1)
    result = np.empty((num_versions, num_latents))
    step = max(1, _AT_ONCE // (num_images * num_values))
    for start in range(0, num_versions, step):
        part = values[start : start + step]
        is_value = (part[:, np.newaxis] == np.arange(num_values)[:, np.newaxis]).astype(np.float32)
        counts = is_value.reshape(-1, num_images) @ places
        joint = counts.astype(np.float64).reshape(len(part), num_values, num_latents, num_bins)
        result[start : start + len(part)] = _from_counts(joint, num_images)
    return result


def _from_counts(joint: Floats, num_images: int) -> Floats:
    """Return the information from counts of shape (version, value, latent, bin)."""
    expected = joint.sum(axis=1, keepdims=True) * joint.sum(axis=3, keepdims=True) / num_images
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(joint > 0, joint * np.log(joint / expected), 0.0)
    return np.asarray(np.maximum(terms.sum(axis=(1, 3)) / num_images, 0.0), dtype=np.float64)


def latent_bins(mu: Floats, num_bins: int) -> Codes:
    """Return bins of equally many images each, shape (image, latent); equal values share one."""
    cuts = np.quantile(mu, np.linspace(0, 1, num_bins + 1)[1:-1], axis=0)
    return np.stack(
        [
            np.searchsorted(edges, values, side="right")
            for edges, values in zip(cuts.T, mu.T, strict=True)
        ],
        axis=1,
    )
