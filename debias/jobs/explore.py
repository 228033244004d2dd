"""Explore the latent space of a trained model: numbers, pictures of nobody, and a page of both."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from debias.data.source import ImageSource
from debias.data.tables import write_table
from debias.errors import ConfigError, UsageError
from debias.explore.album import (
    GRID_STEPS,
    NUM_INTERPOLATED,
    NUM_SAMPLES,
    STEPS,
    latent_album,
)
from debias.explore.factors import known_factors
from debias.explore.frames import strip_jpeg
from debias.explore.posterior import total_correlation
from debias.explore.space import LatentSpace, latent_space
from debias.jobs.explore_inputs import ExploredFaces, explored_faces
from debias.models.checkpoint import load_model
from debias.models.db_vae import FaceModel
from debias.reporting.explore_document import continuity_json, latent_scores_json, latents_json
from debias.reporting.explore_page import render_explore
from debias.reporting.explore_schema import (
    EXPLORE_SCHEMA_VERSION,
    ExploredImagesJson,
    ExploredModelJson,
    ExploreJson,
)
from debias.rundir import check_output, create_run, provenance, write_json, write_text
from debias.training.device import make_fabric
from debias.training.settings import RunSettings
from debias.training.trained import open_latent_model

PAGE, NUMBERS = "explore.html", "explore.json"
NUM_RECONSTRUCTED = 8
NO_FACTORS = (
    "Scores against known factors need faces whose factors are known: explore the model on a "
    "testbed, as in --data testbed:balanced."
)
TOO_FEW = "Scores need 200 faces, two active latents and two factors that vary."


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploreJob:
    """Which model to explore, on what, and where to write.

    Attributes:
        source: the images, labelled or not; faces alone are used.
        model: the run directory that training wrote.
        output: the directory for the page and its numbers.
        latents: how many to show, the most telling; or which.
        include_images: show some of the images and what the decoder makes of them, even if they
            are photographs.
        seed: of what is drawn at random.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        overwrite: replace an existing output.
        cache: where decoded images are kept.
        num_workers: threads that decode; None uses all cores.
        show_progress: draw progress bars.
        say: takes a line for the person watching.
    """

    source: ImageSource
    model: Path
    output: Path
    latents: int | tuple[int, ...] = 12
    include_images: bool = False
    seed: int = 0
    device: str = "auto"
    overwrite: bool = False
    cache: Path | None = None
    num_workers: int | None = None
    show_progress: bool = True
    say: Callable[[str], None] = print


def run_explore(job: ExploreJob) -> Path:
    """Write ``explore.json`` and ``explore.html``, and return the page's path.

    Raises:
        DebiasError: no such run, a model without a latent space, latents that it does not have, or
            bad images.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("runs in one process", where="debias explore", hint="Leave out torchrun")
    check_output(job.output, overwrite=job.overwrite, inputs=(job.model, *job.source.inputs))
    trained, settings = open_latent_model(job.model)
    _check_latents(job.latents, settings)
    fabric = make_fabric(job.device, "fp32")
    faces = explored_faces(
        job.source,
        settings,
        trained,
        include_images=job.include_images,
        seed=job.seed,
        cache=job.cache,
        num_workers=job.num_workers,
        show_progress=job.show_progress,
    )
    model = load_model(trained.model).to(fabric.device)
    explore, pictures = _explored(job, settings, faces, model)
    page = render_explore(explore, pictures=pictures)
    run = create_run(job.output, overwrite=job.overwrite)
    own = provenance(job="explore", settings=explore["settings"], device=str(fabric.device))
    write_json(run.run_file, own)
    write_table(faces.store.failures, run.failures)
    write_json(run.path / NUMBERS, explore)
    write_text(run.path / PAGE, page)
    for line in _summary(explore, len(page)):
        job.say(line)
    return run.path / PAGE


def _check_latents(latents: int | tuple[int, ...], settings: RunSettings) -> None:
    size = settings.model.latent_size
    if isinstance(latents, tuple) and (max(latents) >= size or len(set(latents)) < len(latents)):
        wrong = f"latent {max(latents)} does not exist" if max(latents) >= size else "one is twice"
        raise ConfigError(
            wrong, where="--latents", hint=f"The model has latents 0 to {size - 1}; name each once"
        )


def _explored(
    job: ExploreJob, settings: RunSettings, faces: ExploredFaces, model: FaceModel
) -> tuple[ExploreJson, dict[str, bytes]]:
    """Return the numbers, and the pictures as JPEG files."""
    threshold = settings.resampling.activity_threshold
    space = latent_space(
        model,
        faces.store,
        faces.described,
        faces.judged,
        latents=job.latents,
        threshold=threshold,
        factors=() if faces.factors is None else known_factors(faces.factors),
        seed=job.seed,
        track=lambda turns: tqdm(turns, "Scoring", unit=" turns", disable=not job.show_progress),
    )
    album = latent_album(model, space.posterior, space.shown, seed=job.seed)
    beside = _beside_originals(job, faces, space)
    facts = provenance(job="explore", settings=_choices(job))
    of_active = space.posterior.covariance[np.ix_(space.active, space.active)]
    explore: ExploreJson = {
        "schema_version": EXPLORE_SCHEMA_VERSION,
        "job": "explore",
        "created": facts["created"],
        "versions": facts["versions"],
        "platform": facts["platform"],
        "settings": facts["settings"],
        "model": _model_json(job, settings),
        "images": _images_json(faces),
        "includes_images": bool(beside),
        "activity_threshold": threshold,
        "num_active": len(space.active),
        "shown": list(space.shown),
        "steps": list(STEPS),
        "latents": latents_json(space.posterior, space.change, space.scores, threshold=threshold),
        "r_squared": space.r_squared,
        "continuity": None if space.continuity is None else continuity_json(space.continuity),
        "longest_step": album.longest_step,
        "num_interpolated": NUM_INTERPOLATED,
        "num_samples": NUM_SAMPLES,
        "num_reconstructed": min(NUM_RECONSTRUCTED, len(faces.judged)) if beside else 0,
        "grid": None
        if album.pair is None
        else {"across": album.pair[0], "up": album.pair[1], "steps": list(GRID_STEPS)},
        "total_correlation": total_correlation(of_active),
        "scores": None if space.scores is None else latent_scores_json(space.scores),
        "scores_missing": None
        if space.scores
        else (NO_FACTORS if faces.factors is None else TOO_FEW),
    }
    return explore, {**album.pictures, **beside}


def _beside_originals(
    job: ExploreJob, faces: ExploredFaces, space: LatentSpace
) -> dict[str, bytes]:
    """Return originals and reconstructions: of drawn faces, of photographs only if asked to."""
    if faces.factors is None and not job.include_images:
        return {}
    originals = faces.store.gather(faces.judged[:NUM_RECONSTRUCTED])
    return {
        "originals": strip_jpeg(originals),
        "reconstructions": strip_jpeg(space.reconstructions[: len(originals)]),
    }


def _choices(job: ExploreJob) -> dict[str, Any]:
    """Return the settings that decide the numbers and pictures."""
    chosen = list(job.latents) if isinstance(job.latents, tuple) else None
    return {
        "latents": chosen,
        "num_latents": None if chosen else job.latents,
        "include_images": job.include_images,
        "seed": job.seed,
    }


def _model_json(job: ExploreJob, settings: RunSettings) -> ExploredModelJson:
    is_variational = settings.architecture != "autoencoder"
    return {
        "run": job.model.resolve().name,  # folders above may tell whose machine it is
        "architecture": settings.architecture,
        "image_size": settings.model.image_size,
        "num_latents": settings.model.latent_size,
        "seed": settings.seed,
        "kl_weight": settings.objective.kl if is_variational else None,
        "resampling": settings.weighting.rule,
        "balanced": list(settings.resampling.latents),
    }


def _images_json(faces: ExploredFaces) -> ExploredImagesJson:
    return {
        "num_faces": faces.num_faces,
        "num_persons": faces.num_persons,
        "num_described": len(faces.described),
        "are_trained_on": faces.are_trained_on,
        "num_judged": len(faces.judged),
        "are_others": faces.are_others,
        "num_failed": len(faces.store.failures),
        "are_drawn": faces.factors is not None,
    }


def _summary(explore: ExploreJson, num_characters: int) -> list[str]:
    """Return what a person wants to know before opening the page."""
    share = explore["r_squared"]
    judged = explore["images"]["num_judged"]
    shown = "" if share is None else f"; the decoder shows {100 * share:.0f} % of the variance of "
    told = f"{shown}{judged:,} faces' pixels" if shown else ""
    return [
        f"{explore['num_active']} of {explore['model']['num_latents']} latents are active{told}",
        f"{len(explore['shown'])} latents on a page of {num_characters / 1e6:.1f} MB",
    ]
