"""What a model makes of images, all in one pass, and back from latents to pictures."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from debias.data.store import ImageStore
from debias.errors import ConfigError
from debias.inference.encode import Autocast, batches, evaluating
from debias.models.db_vae import FaceModel
from debias.models.losses import reconstruction_loss

TRAVERSED = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Standard deviations from the mean at which a latent is shown."""
_COARSE = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatentRows:
    """What a model makes of each image; None where it has no such part.

    Attributes:
        mu: posterior means, float32 of shape (image, latent).
        log_var: logs of the posterior variances, the same shape.
        error: mean absolute difference of the picture decoded from ``mu``, on the scale of
            [0, 1], float64 of shape (image,).
        detail: mean absolute difference of the picture from its means over 4 x 4 pixels, on the
            scale of [0, 1]: how hard it is to reconstruct, whatever it shows.
        features: the encoder's, float32 of shape (image, feature).
        logit: log odds of "face", float64 of shape (image,).
    """

    mu: NDArray[np.float32] | None
    log_var: NDArray[np.float32] | None
    error: NDArray[np.float64] | None
    detail: NDArray[np.float64]
    features: NDArray[np.float32]
    logit: NDArray[np.float64] | None


def latent_rows(
    model: FaceModel,
    store: ImageStore,
    rows: NDArray[np.int64],
    *,
    batch_size: int = 512,
    autocast: Autocast = nullcontext,
) -> LatentRows:
    """Return what a model makes of the images in ``rows`` of a store, in that order.

    In eval mode and without augmentation; nothing is drawn, so the same images give the same.

    Args:
        model: any; its train or eval mode is kept.
        store: decoded images.
        rows: rows of the store, shape (image,), at least one.
        batch_size: images a pass.
        autocast: the precision to run in; single precision unless told otherwise.
    """
    # Filled in place: kept one by one, the small results of each batch would hold on to the memory
    # that its large ones gave back, 4 GB for 30,000 images.
    whole: dict[str, NDArray[np.float32]] = {}
    start = 0
    with evaluating(model) as device, autocast():
        for images in batches(store, rows, batch_size=batch_size, device=device):
            stop = start + len(images)
            for name, values in _of_batch(model, images).items():
                if name not in whole:
                    whole[name] = np.empty((len(rows), *values.shape[1:]), dtype=np.float32)
                whole[name][start:stop] = values.float().cpu().numpy()
            start = stop
    doubles = {
        name: whole[name].astype(np.float64) if name in whole else None
        for name in ("error", "logit")
    }
    return LatentRows(
        mu=whole.get("mu"),
        log_var=whole.get("log_var"),
        error=doubles["error"],
        detail=whole["detail"].astype(np.float64),
        features=whole["features"],
        logit=doubles["logit"],
    )


def _of_batch(
    model: FaceModel, images: Float[Tensor, "batch channel height width"]
) -> dict[str, Tensor]:
    features = model.encoder(images)
    found = {"features": features, "detail": _detail(images)}
    if model.classifier is not None:
        found["logit"] = model.classifier(features).squeeze(1)
    if model.latent_head is not None:
        mu, log_var = model.latent_head.posterior(features)
        found["mu"] = mu
        found["error"] = reconstruction_loss(model.decode(mu).clamp(0, 1), images)
        if log_var is not None:
            found["log_var"] = log_var
    return found


def _detail(images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, " batch"]:
    """Return how far each image is, on average, from its means over blocks of pixels."""
    coarse = functional.avg_pool2d(images, _COARSE)
    blocks = functional.interpolate(coarse, scale_factor=float(_COARSE), mode="nearest")
    return reconstruction_loss(blocks, images)


def decode_latents(
    model: FaceModel, latents: NDArray[np.floating], *, batch_size: int = 512
) -> NDArray[np.uint8]:
    """Return the pictures that latents stand for, RGB of shape (image, height, width, channel).

    A picture decoded from the latents of a person's photograph is that person's, as the
    photograph is; one decoded from a mean, or from a mean with one latent moved, is nobody's.

    Args:
        model: a model with a latent space; its train or eval mode is kept.
        latents: shape (image, latent).
        batch_size: images a pass.

    Raises:
        ConfigError: the model has no latent space, or another number of latents.
    """
    if model.latent_head is None:
        raise ConfigError(
            f"a model of architecture {model.architecture!r} has no latent space",
            where="model",
            hint="Train one with --architecture db-vae or vae",
        )
    size = model.settings.latent_size
    if latents.ndim != 2 or latents.shape[1] != size:
        raise ConfigError(f"latents of shape {latents.shape} do not fit a model of {size}")
    side = model.settings.image_size
    pictures = np.empty((len(latents), side, side, 3), dtype=np.uint8)
    with evaluating(model) as device:
        for start in range(0, len(latents), batch_size):
            rows = slice(start, start + batch_size)
            values = torch.from_numpy(np.ascontiguousarray(latents[rows], dtype=np.float32))
            decoded = model.decode(values.to(device)).clamp(0, 1).mul(255).round()
            pictures[rows] = decoded.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return pictures


def traverse_latents(
    model: FaceModel,
    mu: NDArray[np.floating],
    latents: tuple[int, ...],
    *,
    steps: tuple[float, ...] = TRAVERSED,
    spread: NDArray[np.floating] | None = None,
) -> NDArray[np.uint8]:
    """Return pictures in which one latent moves and the others stay at their means.

    They are decoded from means over all images, so that they show nobody.

    Args:
        model: a model with a latent space.
        mu: posterior means of many images, shape (image, latent).
        latents: which to move, counted from 0.
        steps: where to, in standard deviations of the latent, from its mean.
        spread: the standard deviations, shape (all latents,); of the means where None.

    Returns:
        RGB of shape (latent, step, height, width, channel).

    Raises:
        ConfigError: as :func:`decode_latents`.
    """
    values = np.asarray(mu, dtype=np.float64)
    mean = values.mean(axis=0)
    scale = values.std(axis=0) if spread is None else spread
    moved = np.tile(mean, (len(latents), len(steps), 1))
    for place, latent in enumerate(latents):
        moved[place, :, latent] += np.asarray(steps) * scale[latent]
    pictures = decode_latents(model, moved.reshape(-1, len(mean)))
    return pictures.reshape(len(latents), len(steps), *pictures.shape[1:])
