"""The validation loss, which selects the model that is kept. It reads no demographic label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from debias.data.store import ImageStore
from debias.inference.encode import Autocast, batches, evaluating
from debias.models.db_vae import FaceModel
from debias.models.losses import (
    LossSettings,
    classification_loss,
    kl_divergence,
    reconstruction_loss,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRows:
    """Rows of a store by label, each of shape (image,)."""

    faces: NDArray[np.int64]
    non_faces: NDArray[np.int64]

    def sample(self, num_images: int, *, generator: np.random.Generator) -> LabelledRows:
        """Return at most ``num_images`` rows (0: all), half of each label where there are."""
        if not num_images:
            return self
        half = max(1, num_images // 2)
        faces, non_faces = (
            np.sort(generator.permutation(rows)[:half]) for rows in (self.faces, self.non_faces)
        )
        return LabelledRows(faces=faces, non_faces=non_faces)


def validation_figures(
    model: FaceModel,
    store: ImageStore,
    rows: LabelledRows,
    *,
    settings: LossSettings,
    autocast: Autocast,
    batch_size: int = 512,
) -> dict[str, float]:
    """Return the mean validation loss and, of classifiers, the balanced accuracy.

    ``val_loss`` is the cross-entropy, averaged within each label and then over the two, for a
    model that classifies; else the reconstruction and KL terms of the faces, weighted as in
    training, with the latents at their posterior means. ``val_accuracy`` is the mean of both
    labels' shares on the right side of a logit of 0.
    """
    if model.classifier is None:
        return {
            "val_loss": _generative_loss(model, store, rows.faces, settings, autocast, batch_size)
        }
    losses, hits = [], []
    with evaluating(model) as device, autocast():
        for label, chosen in ((1.0, rows.faces), (0.0, rows.non_faces)):
            total, right = 0.0, 0
            for images in batches(store, chosen, batch_size=batch_size, device=device):
                logit = model.classify(images).float()
                y = torch.full_like(logit, label)
                total += float(classification_loss(logit, y).sum())
                right += int(((logit >= 0) == (y == 1)).sum())
            losses.append(total / len(chosen))
            hits.append(right / len(chosen))
    return {"val_loss": sum(losses) / 2, "val_accuracy": sum(hits) / 2}


def _generative_loss(
    model: FaceModel,
    store: ImageStore,
    faces: NDArray[np.int64],
    settings: LossSettings,
    autocast: Autocast,
    batch_size: int,
) -> float:
    total = 0.0
    with evaluating(model) as device, autocast():
        for images in batches(store, faces, batch_size=batch_size, device=device):
            mu, log_var, _ = model.encode(images)
            error = reconstruction_loss(
                model.decode(mu),
                images,
                pixel_loss=settings.pixel_loss,
                reduction=settings.pixel_reduction,
            )
            total += settings.reconstruction * float(error.sum())
            if log_var is not None:
                total += settings.kl * float(kl_divergence(mu, log_var).sum())
    return total / len(faces)
