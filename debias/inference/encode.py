"""Images of a store to latents, in eval mode and without augmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from debias.data.store import ImageStore
from debias.inference.pixels import take
from debias.models.db_vae import FaceModel
from debias.models.networks import to_float

Autocast = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """Posteriors of images.

    Attributes:
        mu: means, float32 of shape (image, latent).
        log_var: logs of the variances, the same shape; None for an autoencoder.
        logit: log odds of "face", float64 of shape (image,); None for a model of faces alone.
    """

    mu: NDArray[np.float32]
    log_var: NDArray[np.float32] | None
    logit: NDArray[np.float64] | None


@contextmanager
def evaluating(model: nn.Module) -> Iterator[torch.device]:
    """Put a model in eval mode without gradients, give its device, and put its mode back."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield next(model.parameters()).device
    finally:
        model.train(was_training)


def batches(
    store: ImageStore, rows: NDArray[np.int64], *, batch_size: int, device: torch.device
) -> Iterator[Float[Tensor, "batch channel height width"]]:
    """Yield the images of ``rows`` of a store as floats in [0, 1], in that order."""
    for start in range(0, len(rows), batch_size):
        yield to_float(take(store, rows[start : start + batch_size], device))


def encode(
    model: FaceModel,
    store: ImageStore,
    rows: NDArray[np.int64],
    *,
    batch_size: int = 512,
    autocast: Autocast = nullcontext,
) -> Encoding:
    """Return the posteriors of the images in ``rows`` of a store, in that order.

    Args:
        model: a model with a latent space; its train or eval mode is kept.
        store: decoded images.
        rows: rows of the store, shape (image,).
        batch_size: images a pass.
        autocast: the precision to run in; single precision unless told otherwise.

    Raises:
        ConfigError: the model has no latent space.
    """
    found: dict[str, NDArray[np.float32]] = {}
    done = 0
    with evaluating(model) as device, autocast():
        for images in batches(store, rows, batch_size=batch_size, device=device):
            for name, values in model.encode(images)._asdict().items():
                if values is None:
                    continue
                if name not in found:
                    found[name] = np.empty((len(rows), *values.shape[1:]), dtype=np.float32)
                found[name][done : done + len(images)] = values.float().cpu().numpy()
            done += len(images)
    return Encoding(
        mu=found.get("mu", np.empty((0, model.settings.latent_size), dtype=np.float32)),
        log_var=found.get("log_var"),
        logit=found["logit"].astype(np.float64) if "logit" in found else None,
    )
