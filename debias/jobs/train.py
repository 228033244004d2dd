"""Train a model: images in; model, sampling weights and predictions out.

This job never reads a sensitive attribute, directly or through others.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from lightning_fabric import Fabric

from debias.data.source import ImageSource
from debias.data.tables import write_table
from debias.errors import UsageError
from debias.inference.scoring import decide, score_images
from debias.metrics.operating_point import operating_point
from debias.models.checkpoint import load_model
from debias.models.db_vae import FaceModel
from debias.rundir import RunDir, check_output, create_run, write_json
from debias.training.device import make_fabric
from debias.training.images import SplitImages, split_images
from debias.training.loop import TrainingData, fit
from debias.training.processes import losses_told
from debias.training.randomness import torch_seeded
from debias.training.record import record_run
from debias.training.settings import RunSettings
from debias.training.weighting import face_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob:
    """What to train, on what, and where to write.

    Attributes:
        source: the images.
        settings: everything that decides the model.
        output: the run directory.
        baseline: also train a plain classifier of the same network and budget, into
            ``output/baseline``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        overwrite: replace an existing run.
        resume: continue an existing run.
        cache: where decoded images are kept.
        num_workers: threads that decode; None uses all cores.
        show_progress: draw progress bars.
        say: takes a line for the person watching.
    """

    source: ImageSource
    settings: RunSettings
    output: Path
    baseline: bool = True
    device: str = "auto"
    overwrite: bool = False
    resume: bool = False
    cache: Path | None = None
    num_workers: int | None = None
    show_progress: bool = True
    say: Callable[[str], None] = print


def run_train(job: TrainJob) -> RunDir:
    """Train, predict on validation and test, and return the run directory.

    Raises:
        DebiasError: bad images, bad settings, too few non-faces for the operating point, or a
            training that does not converge.
    """
    source = job.source
    check_output(
        job.output,
        overwrite=job.overwrite,
        resume=job.resume,
        can_resume=True,
        inputs=source.inputs,
    )
    fabric = make_fabric(job.device, job.settings.training.precision)
    _require_trainable(job.settings, fabric)
    with fabric.rank_zero_first():
        images = split_images(
            source,
            job.settings,
            cache=job.cache,
            num_workers=job.num_workers,
            show_progress=job.show_progress and fabric.is_global_zero,
        )
    run = RunDir(path=job.output)
    if fabric.is_global_zero:
        job.say(f"{job.settings.architecture} on {images.described()}")
        create_run(job.output, overwrite=job.overwrite, resume=job.resume)
    with losses_told(fabric):
        _train_one(job, job.settings, images, run, fabric)
        if job.baseline and job.settings.architecture == "db-vae":
            if fabric.is_global_zero:
                job.say("the plain classifier of the same budget")
            plain = dataclasses.replace(job.settings, architecture="classifier")
            _train_one(job, plain, images, run.baseline, fabric)
    return run


def _require_trainable(settings: RunSettings, fabric: Fabric) -> None:
    """Find out what would fail later, before an existing run is replaced."""
    importlib.import_module("tensorboard")
    with torch_seeded(settings.seed, "initialisation"):
        FaceModel(settings.model, architecture=settings.architecture)
    if settings.training.batch_size // 2 % fabric.world_size:
        raise UsageError(
            f"half a batch of {settings.training.batch_size} cannot be shared by "
            f"{fabric.world_size} processes",
            where="training.batch_size",
            hint=f"Use a multiple of {2 * fabric.world_size}",
        )


def _train_one(
    job: TrainJob, settings: RunSettings, images: SplitImages, run: RunDir, fabric: Fabric
) -> None:
    """Train one model into a run directory and write what follows from it."""
    if fabric.is_global_zero:
        record_run(run, settings, images, fabric=fabric)
    fabric.barrier()
    with torch_seeded(settings.seed, "initialisation"):
        model = FaceModel(settings.model, architecture=settings.architecture)
    data = TrainingData(
        store=images.store, train=images.rows("train"), validation=images.rows("val")
    )
    fit(model, data, settings=settings, fabric=fabric, run=run, show_progress=job.show_progress)
    if fabric.is_global_zero:
        selected = load_model(run.model).to(fabric.device)
        if selected.latent_head is not None:
            _write_weights(selected, data, settings, run)
        if selected.classifier is not None:
            _write_predictions(selected, images, settings, run)
        write_table(images.store.failures, run.failures)
    fabric.barrier()


def _write_weights(
    model: FaceModel, data: TrainingData, settings: RunSettings, run: RunDir
) -> None:
    """Write the training faces' weights under the selected model, encoded in single precision."""
    faces = data.train.faces
    weights = face_weights(
        model, data.store, faces, settings=settings.weighting, autocast=nullcontext
    )
    columns: dict[str, Any] = {
        "image_id": data.store.image_ids[faces],
        "weight": weights.probabilities * len(faces),
        "probability": weights.probabilities,
    }
    for place in range(weights.drivers.shape[1]):
        columns[f"driver_{place + 1}"] = weights.drivers[:, place]
    write_table(pd.DataFrame(columns), run.sampling_weights)


def _write_predictions(
    model: FaceModel, images: SplitImages, settings: RunSettings, run: RunDir
) -> None:
    """Write the predictions of validation and test, and the operating point they stand at."""
    held_out = images.manifest.table["split"].isin(["val", "test"]).to_numpy()
    predictions = score_images(model, images.store, images.manifest.subset(held_out))
    validation = predictions[predictions["split"] == "val"]
    of_negatives, of_faces = (validation["y_score"][validation["y_true"] == k] for k in (0, 1))
    point = operating_point(
        y_score_negatives=of_negatives.to_numpy(),
        y_score_faces=of_faces.to_numpy(),
        target_fpr=settings.target_fpr,
    )
    write_json(run.operating_point, {**dataclasses.asdict(point), "source": "validation non-faces"})
    write_table(decide(predictions, threshold=point.threshold), run.predictions)
