"""Score images with a trained model."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from debias.config import to_table
from debias.data.manifest import Manifest
from debias.data.ray_pool import RayCluster
from debias.data.source import ImageSource
from debias.data.store import build_store, default_cache
from debias.data.tables import write_table
from debias.data.windows import expand_windows
from debias.errors import UsageError
from debias.inference.distributed import score_on_ray
from debias.inference.scoring import ScoredImages, decide, read_operating_point, score_images
from debias.models.checkpoint import load_model
from debias.rundir import (
    RunDir,
    check_output,
    create_run,
    provenance,
    write_json,
)
from debias.training.device import make_fabric
from debias.training.settings import RunSettings
from debias.training.trained import open_classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictJob:
    """What to score, by which model, and where to write.

    Attributes:
        source: the images; labels are optional.
        model: the run directory that training wrote.
        output: the directory for ``predictions.parquet`` and what belongs to it.
        windows: windows cut from each non-face picture; None for as many as in training, where
            the images are labelled.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        overwrite: replace an existing output.
        strict: stop if an image cannot be decoded.
        cache: where decoded images are kept.
        num_workers: threads that decode, or with Ray processes that decode and score; None uses
            all cores.
        ray: the Ray cluster that does the work; None does it in this process.
        show_progress: draw progress bars.
        say: takes a line for the person watching.
    """

    source: ImageSource
    model: Path
    output: Path
    windows: int | None = None
    device: str = "auto"
    overwrite: bool = False
    strict: bool = False
    cache: Path | None = None
    num_workers: int | None = None
    ray: RayCluster | None = None
    show_progress: bool = True
    say: Callable[[str], None] = print


def run_predict(job: PredictJob) -> RunDir:
    """Write the predictions of the images and return the directory they are in.

    Raises:
        DebiasError: no such run, a model that does not classify, or bad images.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("runs in one process", where="debias predict", hint="Leave out torchrun")
    source = job.source
    check_output(job.output, overwrite=job.overwrite, inputs=(job.model, *source.inputs))
    trained, settings = open_classifier(job.model)
    point = read_operating_point(trained.operating_point)
    manifest = expand_windows(
        source.load(fractions=settings.data.fractions, seed=settings.data.seed),
        num_windows=settings.data.windows if job.windows is None else job.windows,
        seed=settings.data.seed,
        min_side=settings.data.min_side,
    )
    scored = (_score_here if job.ray is None else _score_on_ray)(job, trained, settings, manifest)
    predictions = decide(scored.predictions, threshold=point.threshold)
    run = create_run(job.output, overwrite=job.overwrite)
    write_json(
        run.run_file,
        provenance(
            job="predict",
            settings=to_table(settings),
            data={"key": scored.key, "num_failed": len(scored.failures)},
            device=scored.device,
        ),
    )
    write_json(run.operating_point, {**dataclasses.asdict(point), "source": "training run"})
    write_table(scored.failures, run.failures)
    write_table(predictions, run.predictions)
    failed = f"; {len(scored.failures):,} could not be decoded" if len(scored.failures) else ""
    faces = int(predictions["y_pred"].sum())
    job.say(f"{len(predictions):,} images scored, {faces:,} called a face{failed}")
    return run


def _score_here(
    job: PredictJob, trained: RunDir, settings: RunSettings, manifest: Manifest
) -> ScoredImages:
    store = build_store(
        manifest,
        settings.decoding,
        cache=job.cache or default_cache(),
        num_workers=job.num_workers,
        strict=job.strict,
        progress=job.show_progress,
    )
    fabric = make_fabric(job.device, "fp32")
    model = load_model(trained.model).to(fabric.device)
    return ScoredImages(
        predictions=score_images(model, store, manifest),
        failures=store.failures,
        key=store.directory.name,
        device=str(fabric.device),
    )


def _score_on_ray(
    job: PredictJob, trained: RunDir, settings: RunSettings, manifest: Manifest
) -> ScoredImages:
    assert job.ray is not None
    return score_on_ray(
        load_model(trained.model),
        manifest,
        settings.decoding,
        cluster=job.ray,
        device=job.device,
        strict=job.strict,
        progress=job.show_progress,
    )
