"""Train a model: images in; model, sampling weights and predictions out.

This job never reads a sensitive attribute, directly or through others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightning_fabric import Fabric

from debias.config import to_table
from debias.data.manifest import Manifest
from debias.data.source import ImageSource
from debias.data.splits import assign_splits
from debias.data.store import ImageStore, build_store, default_cache
from debias.data.tables import write_table
from debias.data.windows import expand_windows
from debias.errors import ConfigError, DataError, TooFewNegativesError
from debias.inference.scoring import decide, score_images
from debias.metrics.operating_point import negatives_needed, operating_point
from debias.models.checkpoint import load_model
from debias.models.db_vae import CLASSIFYING, FaceModel
from debias.rundir import RunDir, check_output, create_run, provenance, read_json, write_json
from debias.training.device import make_fabric
from debias.training.loop import TrainingData, fit
from debias.training.randomness import torch_seeded
from debias.training.settings import RunSettings
from debias.training.validation import LabelledRows
from debias.training.weighting import face_weights

SPLITS = ("train", "val", "test")
LABELS = ((1, "faces"), (0, "non-faces"))


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
    settings = job.settings
    fabric = make_fabric(job.device, settings.training.precision)
    say = job.say if fabric.is_global_zero else _silent
    if fabric.is_global_zero:
        check_output(job.output, overwrite=job.overwrite, resume=job.resume)
    manifest, store = _prepare(job, fabric)
    _require_negatives(manifest, settings)
    say(_describe(manifest, store, settings))
    run = RunDir(path=job.output)
    if fabric.is_global_zero:
        run = create_run(job.output, overwrite=job.overwrite, resume=job.resume)
    _train_one(job, settings, manifest, store, run, fabric)
    if job.baseline and settings.architecture == "db-vae":
        say("training the plain classifier of the same budget")
        plain = dataclasses.replace(settings, architecture="classifier")
        _train_one(job, plain, manifest, store, run.baseline, fabric)
    return run


def _silent(_: str) -> None:
    return


def _prepare(job: TrainJob, fabric: Fabric) -> tuple[Manifest, ImageStore]:
    """Return the split manifest of the images that decode, and their store."""
    data = job.settings.data
    shares = (1 - data.validation - data.test, data.validation, data.test)
    manifest = assign_splits(job.source.load(), fractions=shares, seed=data.seed)
    manifest = expand_windows(
        manifest, num_windows=data.windows, seed=data.seed, min_side=data.min_side
    )
    with fabric.rank_zero_first():
        store = build_store(
            manifest,
            job.settings.decoding,
            cache=job.cache or default_cache(),
            num_workers=job.num_workers,
            strict=data.strict,
            progress=job.show_progress and fabric.is_global_zero,
        )
    manifest = manifest.subset(manifest.table["image_id"].isin(store.image_ids).to_numpy())
    return manifest, store


def _rows(manifest: Manifest, store: ImageStore, split: str) -> LabelledRows:
    table = manifest.table[manifest.table["split"] == split]
    faces, non_faces = (
        store.rows(table.loc[table["label"] == label, "image_id"]) for label in (1, 0)
    )
    return LabelledRows(faces=faces, non_faces=non_faces)


def _require_negatives(manifest: Manifest, settings: RunSettings) -> None:
    """Refuse, before any training, data that cannot give what is asked for."""
    table = manifest.table
    counts = table.groupby(["split", "label"]).size()
    classifies = settings.architecture in CLASSIFYING
    for split in ("train", "val"):
        for label, name in LABELS:
            if not counts.get((split, label), 0) and (label or classifies):
                raise DataError(
                    f"no {name} in split {split}",
                    where="images",
                    hint="Add some, or give a `split` column that places them",
                )
    if not classifies:
        return
    needed = negatives_needed(target_fpr=settings.target_fpr)
    there = int(counts.get(("val", 0), 0))
    if there < needed:
        windows = -(-needed * settings.data.windows // there)
        raise TooFewNegativesError(
            f"an operating point at a false-positive rate of {settings.target_fpr:.3g} needs "
            f"{needed:,} validation non-faces "
            f"(10 expected false positives) and there are {there:,}",
            where="images",
            hint=f"Cut more windows from each picture (--windows {windows}), add non-face "
            f"pictures, or ask for {10 / there:.2g} or more (--target-fpr)",
        )


def _describe(manifest: Manifest, store: ImageStore, settings: RunSettings) -> str:
    counts = manifest.table.groupby(["split", "label"]).size()
    parts = [
        f"{split} {counts.get((split, 1), 0):,} faces + {counts.get((split, 0), 0):,} non-faces"
        for split in SPLITS
    ]
    failed = f"; {len(store.failures):,} could not be decoded" if len(store.failures) else ""
    return f"{settings.architecture} on {'; '.join(parts)}{failed}"


def _train_one(
    job: TrainJob,
    settings: RunSettings,
    manifest: Manifest,
    store: ImageStore,
    run: RunDir,
    fabric: Fabric,
) -> None:
    """Train one model into a run directory and write what follows from it."""
    if fabric.is_global_zero:
        _record(run, settings, manifest, store, fabric)
    fabric.barrier()
    with torch_seeded(settings.seed, "initialisation"):
        model = FaceModel(settings.model, architecture=settings.architecture)
    data = TrainingData(
        store=store,
        train=_rows(manifest, store, "train"),
        validation=_rows(manifest, store, "val"),
    )
    fit(model, data, settings=settings, fabric=fabric, run=run, show_progress=job.show_progress)
    if fabric.is_global_zero:
        selected = load_model(run.model).to(fabric.device)
        if selected.latent_head is not None:
            _write_weights(selected, data, settings, run, fabric)
        if selected.classifier is not None:
            _write_predictions(selected, manifest, store, settings, run)
        write_table(store.failures, run.failures)
    fabric.barrier()


def _record(
    run: RunDir, settings: RunSettings, manifest: Manifest, store: ImageStore, fabric: Fabric
) -> None:
    """Write what makes this run, or see that a resumed run is the same."""
    table: dict[str, Any] = to_table(settings)
    if run.run_file.exists():
        before = read_json(run.run_file)
        changed = _differences(before["settings"], table)
        if before["data"]["key"] != store.directory.name:
            changed.append("the images")
        if changed:
            raise ConfigError(
                f"a resumed run cannot change: {', '.join(changed)}",
                where=run.path,
                hint="Use the settings and images it was started with, or start a new run",
            )
        return
    counts = manifest.table.groupby(["split", "label"]).size()
    facts = provenance(
        job="train",
        settings=table,
        data={
            "key": store.directory.name,
            "num_images": {
                f"{split}/{name}": int(counts.get((split, label), 0))
                for split in SPLITS
                for label, name in LABELS
            },
            "num_failed": len(store.failures),
        },
        device=str(fabric.device),
        num_processes=fabric.world_size,
    )
    write_json(run.run_file, facts)


def _differences(before: dict[str, Any], after: dict[str, Any], prefix: str = "") -> list[str]:
    changed = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            changed += _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            changed.append(f"{prefix}{key} ({old} -> {new})")
    return changed


def _write_weights(
    model: FaceModel, data: TrainingData, settings: RunSettings, run: RunDir, fabric: Fabric
) -> None:
    """Write the training faces' weights under the selected model, encoded exactly."""
    faces = data.train.faces
    weights = face_weights(
        model, data.store, faces, settings=settings.resampling, autocast=fabric.autocast
    )
    columns: dict[str, Any] = {
        "image_id": data.store.image_ids[faces],
        "weight": weights.probabilities * len(faces),
        "probability": weights.probabilities,
    }
    for place in range(weights.drivers.shape[1]):
        columns[f"driver_{place + 1}"] = weights.drivers[:, place].astype(np.int64)
    write_table(pd.DataFrame(columns), run.sampling_weights)


def _write_predictions(
    model: FaceModel, manifest: Manifest, store: ImageStore, settings: RunSettings, run: RunDir
) -> None:
    """Write the predictions of validation and test, and the operating point they stand at."""
    held_out = manifest.subset(manifest.table["split"].isin(["val", "test"]).to_numpy())
    predictions = score_images(model, store, held_out)
    validation = (predictions["split"] == "val") & (predictions["y_true"] == 0)
    point = operating_point(
        y_score_negatives=predictions.loc[validation, "y_score"].to_numpy(),
        target_fpr=settings.target_fpr,
    )
    write_json(run.operating_point, {**dataclasses.asdict(point), "source": "validation non-faces"})
    write_table(decide(predictions, threshold=point.threshold), run.predictions)
