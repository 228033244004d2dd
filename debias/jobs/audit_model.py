"""The part of an audit that needs a trained model: what its latent space says of the faces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from debias.audit.coverage import CoverageSettings, latent_coverage
from debias.audit.images import AuditedImages
from debias.audit.mislabelled import (
    Mislabelled,
    MislabelSettings,
    cross_fitted_log_probabilities,
    find_mislabelled,
)
from debias.audit.outliers import OutlierSettings, find_outliers
from debias.audit.probes import ProbeSettings, probe_latents
from debias.audit.results import ModelFindings
from debias.config import build
from debias.data.store import build_store, default_cache
from debias.errors import DataError
from debias.inference.latents import (
    TRAVERSED,
    LatentRows,
    decode_latents,
    latent_rows,
    traverse_latents,
)
from debias.models.checkpoint import load_model
from debias.rundir import open_run
from debias.seeding import numpy_generator
from debias.training.device import make_fabric
from debias.training.settings import RunSettings

MOST_TRAVERSED = 16
"""Latents that are drawn: those of the largest KL divergence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelToAsk:
    """Which model looks at the images, and how.

    Attributes:
        run: the directory that `debias train` wrote.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        cache: where decoded images are kept; None for the default.
        num_workers: threads that decode; None uses all cores.
        show_progress: draw progress bars.
        seed: of folds, permutations and reference sets.
    """

    run: Path
    device: str = "auto"
    cache: Path | None = None
    num_workers: int | None = None
    show_progress: bool = True
    seed: int = 0


def open_latent_model(run: Path) -> RunSettings:
    """Return the settings of a finished training whose model has a latent space.

    Raises:
        DataError: there is no such run, or its model has no latent space.
    """
    trained, facts = open_run(run, job="train")
    settings = build(RunSettings, facts["settings"], where=str(trained.run_file))
    if settings.architecture == "classifier":
        raise DataError(
            "a plain classifier has no latent space",
            where=run,
            hint="Train one with --architecture db-vae or vae, or let --train-model do it",
        )
    if not trained.model.is_dir():
        raise DataError(
            "its training is not finished",
            where=run,
            hint="Continue it with debias train --resume",
        )
    return settings


def ask_model(images: AuditedImages, asked: ModelToAsk) -> ModelFindings:
    """Return what a model says of the faces of an image set.

    Args:
        images: the set.
        asked: the model.

    Raises:
        DataError: there is no such model, or no face can be decoded.
    """
    settings = open_latent_model(asked.run)
    store = build_store(
        images.manifest,
        settings.decoding,
        cache=asked.cache or default_cache(),
        num_workers=asked.num_workers,
        progress=asked.show_progress,
    )
    image_ids = images.manifest.table["image_id"]
    seen = np.flatnonzero(image_ids.isin(store.image_ids).to_numpy())
    fabric = make_fabric(asked.device, "fp32")
    model = load_model(open_run(asked.run, job="train")[0].model).to(fabric.device)
    found = latent_rows(model, store, store.rows(image_ids.iloc[seen]))
    assert found.mu is not None
    assert found.error is not None
    is_face = images.faces[seen]
    if not is_face.any():
        raise DataError("no face can be decoded", where=images.manifest.root)
    faces, mu = seen[is_face], found.mu[is_face]
    log_var = None if found.log_var is None else found.log_var[is_face]
    persons = images.persons[faces] if images.knows_persons else None

    coverage = latent_coverage(
        mu,
        log_var,
        rows=faces,
        persons=persons,
        settings=CoverageSettings(resampling=settings.resampling),
        generator=numpy_generator(asked.seed, "coverage"),
    )
    mislabelled = _mislabelled(images, found, seen, asked.seed)
    attributes = images.attributes.iloc[faces].reset_index(drop=True)
    outliers = find_outliers(
        mu[:, list(coverage.active)],
        error=found.error[is_face],
        detail=found.detail[is_face],
        face_logit=_face_logits(images, found, seen, asked.seed),
        attributes=attributes,
        rows=faces,
        persons=persons,
        settings=OutlierSettings(),
        generator=numpy_generator(asked.seed, "outliers"),
    )
    probes = probe_latents(
        mu,
        attributes,
        persons=images.persons[faces],
        settings=ProbeSettings(),
        generator=numpy_generator(asked.seed, "probes"),
    )
    severe = np.zeros(len(images), dtype=np.bool_)
    severe[faces[outliers.severe]] = True
    drawn = sorted(coverage.active, key=lambda latent: -coverage.latents[latent].kl)
    traversed = tuple(drawn[:MOST_TRAVERSED])
    side = model.settings.image_size
    return ModelFindings(
        architecture=settings.architecture,
        num_faces=len(faces),
        mu=_spread(found.mu, seen, len(images)),
        log_var=None if found.log_var is None else _spread(found.log_var, seen, len(images)),
        coverage=coverage,
        probes=probes,
        outliers=outliers,
        mislabelled=mislabelled,
        severe=severe,
        traversed=traversed,
        steps=TRAVERSED,
        traversals=traverse_latents(model, mu, traversed),
        regions=decode_latents(model, np.stack([each.centre for each in coverage.regions]))
        if coverage.regions
        else np.empty((0, side, side, 3), dtype=np.uint8),
    )


def _spread(
    values: NDArray[np.float32], rows: NDArray[np.intp], num_images: int
) -> NDArray[np.float32]:
    """Return values in the order of all images, NaN where there are none."""
    every = np.full((num_images, values.shape[1]), np.nan, dtype=np.float32)
    every[rows] = values
    return every


def _face_logits(
    images: AuditedImages, found: LatentRows, seen: NDArray[np.intp], seed: int
) -> NDArray[np.float64] | None:
    """Return the log odds of "face" of each face, by a classifier fitted to other images.

    Where there are too few non-faces to fit one, those of the model itself, if it classifies.
    """
    is_face, is_other = images.faces[seen], images.manifest.non_faces[seen]
    settings = MislabelSettings()
    if min(is_face.sum(), is_other.sum()) < settings.least_images:
        return None if found.logit is None else found.logit[is_face]
    judged = np.flatnonzero(is_face | is_other)
    logs = cross_fitted_log_probabilities(
        found.features[judged],
        is_face[judged].astype(np.intp),
        clusters=images.pictures[seen][judged],
        num_folds=settings.num_folds,
        settings=settings,
        generator=numpy_generator(seed, "face logits"),
    )
    return (logs[:, 1] - logs[:, 0])[is_face[judged]]


def _mislabelled(
    images: AuditedImages, found: LatentRows, seen: NDArray[np.intp], seed: int
) -> tuple[Mislabelled, ...]:
    """Return whose label, or attribute, the other images contradict."""
    label = images.manifest.table["label"].iloc[seen]
    words = np.array([None, "face", "non-face"], dtype=object)
    labels = words[label.map({1: 1, 0: 2}).fillna(0).to_numpy(dtype=np.intp)]
    judged = [
        find_mislabelled(
            found.features,
            labels,
            subject="label",
            rows=seen,
            clusters=images.pictures[seen],
            is_note=False,
            is_taught=found.logit is not None,
            settings=MislabelSettings(),
            generator=numpy_generator(seed, "labels"),
        )
    ]
    is_face = images.faces[seen]
    faces = seen[is_face]
    for name in images.groups:
        values = images.attributes[name].iloc[faces].astype(object)
        judged.append(
            find_mislabelled(
                found.features[is_face],
                values.where(values.notna(), None).to_numpy(dtype=object),
                subject=name,
                rows=faces,
                clusters=images.persons[faces],
                is_note=True,
                settings=MislabelSettings(),
                generator=numpy_generator(seed, "attribute", name),
            )
        )
    return tuple(judged)
