"""What goes into a training step, and what the step tells of the latents."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from debias.data.store import ImageStore
from debias.inference.pixels import take
from debias.models.db_vae import FaceModel, ModelOutput
from debias.resampling.sampler import EpochPlan
from debias.resampling.settings import ResamplingSettings
from debias.resampling.streaming import LatentStream
from debias.training.processes import Processes


def load_batch(
    store: ImageStore,
    faces: NDArray[np.int64],
    non_faces: NDArray[np.int64],
    *,
    device: torch.device,
) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
    """Return images as uint8 (batch, channel, height, width), labels, and the store's rows.

    The faces come first.

    Args:
        store: decoded images.
        faces: rows of the store, shape (face,).
        non_faces: rows of the store, shape (non-face,).
        device: where the images go.
    """
    chosen = np.concatenate([faces, non_faces])
    y = torch.zeros(len(chosen), device=device)
    y[: len(faces)] = 1
    return take(store, chosen, device), y, chosen


def stream_for(
    model: FaceModel, num_faces: int, *, settings: ResamplingSettings, processes: Processes
) -> LatentStream | None:
    """Return what collects a model's latents while it trains; None where nothing needs it.

    Args:
        model: to be trained.
        num_faces: training faces.
        settings: of resampling.
        processes: that train together.
    """
    if settings.histograms != "streamed" or model.latent_head is None:
        return None
    return LatentStream(
        num_faces,
        model.settings.latent_size,
        num_bins=settings.num_bins,
        variational=model.architecture != "autoencoder",
        classifies=model.classifier is not None,
        rank=processes.rank,
        num_ranks=processes.number,
        add_up=processes.add_up,
    )


class EpochLatents:
    """Hands the latents of an epoch to a stream, many steps at once: the device need not wait.

    Args:
        stream: counts them; None for nothing to do.
        plan: the whole epoch, of all processes.
        probabilities: of drawing each face, shape (face,).
    """

    def __init__(
        self, stream: LatentStream | None, plan: EpochPlan, probabilities: NDArray[np.float64]
    ) -> None:
        self._stream = stream
        self._waiting: list[tuple[Tensor | None, ...]] = []
        if stream is not None:
            stream.start_epoch(plan.face_rows, probabilities)

    def add(self, output: ModelOutput, *, num_faces: int) -> None:
        """Take what the model made of a batch whose first images are its faces."""
        if self._stream is not None:
            logit = None if output.logit is None else output.logit[:num_faces]
            parts = (output.mu, output.log_var, logit)
            self._waiting.append(tuple(p if p is None else p.detach() for p in parts))

    def count(self) -> None:
        """Count what waits, once its losses are known to be finite."""
        if self._stream is None or not self._waiting:
            return
        mu, log_var, margins = (
            None
            if parts[0] is None
            else torch.cat([p for p in parts if p is not None]).float().cpu().numpy()
            for parts in zip(*self._waiting, strict=True)
        )
        self._waiting.clear()
        assert mu is not None
        self._stream.count(mu, log_var=log_var, margins=margins)

    def end(self) -> None:
        """Count the last ones and end the epoch, in all processes at once."""
        if self._stream is not None:
            self.count()
            self._stream.end_epoch()
