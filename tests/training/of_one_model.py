"""What some processes make of one model that does not change; run under torchrun, or alone.

    python tests/training/of_one_model.py STORE OUTPUT

STORE is ``images.npy``, of which the first half are faces. Every process writes which rows it
trained on and the weights by a full encoding; the run directory is the streamed training.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from debias.data.store import ImageStore
from debias.models.db_vae import FaceModel
from debias.rundir import RunDir
from debias.training.augment import AugmentSettings
from debias.training.device import make_fabric
from debias.training.loop import TrainingData, fit
from debias.training.processes import processes_of
from debias.training.randomness import torch_seeded
from debias.training.settings import load_settings
from debias.training.validation import LabelledRows
from debias.training.weighting import Rebuild, latent_weigher

BATCH = 12
GATHERED: list[Any] = []


class _Noted(ImageStore):
    """A store that notes which rows are read."""

    def gather(self, rows: Any, out: Any = None) -> Any:
        GATHERED.append(rows)
        return super().gather(rows, out)


def main(images: Path, output: Path) -> None:
    """Write what this process makes of the images."""
    torch.set_num_threads(1)
    fabric = make_fabric("cpu", "fp32")
    pixels = np.load(images)
    store = _Noted(
        directory=output,
        images=pixels,
        image_ids=pd.Index([f"image-{row}" for row in range(len(pixels))]),
        failures=pd.DataFrame(columns=["image_id", "path", "reason"]),
    )
    faces, others = np.array_split(np.arange(len(pixels)), 2)
    # A rate that moves no weight, and no batch statistics: all see the same latents.
    settings = load_settings(
        assignments=[
            *("model.image_size=32", "model.channels=[8,16]", "model.blocks=[0]"),
            *("model.latent_size=4", "model.norm=none", "resampling.histograms=streamed"),
            *("resampling.activity_threshold=0.0", "resampling.target_ess=0.3"),
            *("training.epochs=4", "training.min_epoch_steps=1", "training.learning_rate=1e-30"),
            *("training.weight_decay=0.0", f"training.batch_size={BATCH}"),
        ]
    )
    settings = dataclasses.replace(settings, augmentation=AugmentSettings.none())
    with torch_seeded(0, "initialisation"):
        model = FaceModel(settings.model)
        normed = FaceModel(dataclasses.replace(settings.model, norm="batch"))
    with torch.no_grad():
        for one in (model, normed):
            assert one.latent_head is not None
            for parameter in one.latent_head.parameters():
                parameter.mul_(3)
    for buffer in normed.buffers():  # each process has its own statistics
        buffer.add_(fabric.global_rank)
    exact = latent_weigher(
        Rebuild(
            model=normed,
            store=store,
            faces=faces,
            non_faces=others,
            epoch=1,
            settings=dataclasses.replace(settings.resampling, histograms="exact"),
            autocast=fabric.autocast,
            processes=processes_of(fabric),
        )
    )
    num_encoded = sum(len(rows) for rows in GATHERED)
    GATHERED.clear()
    rows = LabelledRows(faces=faces, non_faces=others)
    fit(
        model,
        TrainingData(store=store, train=rows, validation=rows),
        settings=settings,
        fabric=fabric,
        run=RunDir(path=output / "run"),
        show_progress=False,
    )
    own = BATCH // fabric.world_size
    np.savez(
        output / f"process-{fabric.global_rank}.npz",
        exact=exact.probabilities,
        num_encoded=num_encoded,
        # What is read to validate is another number of images.
        rows=np.stack([rows for rows in GATHERED if len(rows) == own]),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
