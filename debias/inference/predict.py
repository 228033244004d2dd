"""Images of a store to scores."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray

from debias.data.store import ImageStore
from debias.inference.encode import Autocast, batches, evaluating
from debias.models.db_vae import FaceModel


def predict_logits(
    model: FaceModel,
    store: ImageStore,
    rows: NDArray[np.int64],
    *,
    batch_size: int = 512,
    autocast: Autocast = nullcontext,
) -> NDArray[np.float64]:
    """Return the log odds of "face" of the images in ``rows`` of a store, in that order.

    Args:
        model: a model with a classification head; its train or eval mode is kept.
        store: decoded images.
        rows: rows of the store, shape (image,).
        batch_size: images a pass.
        autocast: the precision to run in; single precision unless told otherwise, since half
            precision makes ties of scores that an operating point must tell apart.

    Raises:
        ConfigError: the model does not classify.
    """
    logits = np.empty(len(rows), dtype=np.float64)
    with evaluating(model) as device, autocast():
        done = 0
        for images in batches(store, rows, batch_size=batch_size, device=device):
            logit = model.classify(images)
            logits[done : done + len(logit)] = logit.float().cpu().numpy()
            done += len(logit)
    return logits


def probability(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``1 / (1 + exp(-logit))`` in double precision, without overflow."""
    small = np.exp(-np.abs(logits))
    share: NDArray[np.float64] = np.where(logits >= 0, 1.0, small) / (1.0 + small)
    return share
