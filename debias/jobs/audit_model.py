"""The part of an audit that needs a trained model: what its latent space says of the faces."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from debias.audit.coverage import CoverageSettings, latent_coverage
from debias.audit.images import AuditedImages, num_different
from debias.audit.mislabelled import (
    Mislabelled,
    MislabelSettings,
    cross_fitted_log_probabilities,
    find_mislabelled,
)
from debias.audit.outliers import OutlierSettings, find_outliers
from debias.audit.probe_spread import ProbedRun
from debias.audit.results import ModelFindings
from debias.inference.latents import TRAVERSED, LatentRows
from debias.jobs.audit_encoding import EncodedImages, ModelToAsk, encode_images, probed_run
from debias.jobs.audit_pictures import model_pictures
from debias.resampling.settings import ResamplingSettings
from debias.seeding import numpy_generator
from debias.training.settings import RunSettings

Number = TypeVar("Number", bound=np.floating)


def ask_model(
    images: AuditedImages, asked: ModelToAsk, *, different: NDArray[np.intp]
) -> ModelFindings:
    """Return what a model says of the faces of an image set.

    Args:
        images: the set.
        asked: the model, and others for what their latents tell of attributes.
        different: integers that differ where images surely show different persons, shape
            (image,); see :func:`~debias.audit.possible_persons.possible_persons`.

    Raises:
        DataError: there is no such model, or no face can be decoded.
    """
    encoded = encode_images(images, asked.run, asked=asked, chosen=np.ones(len(images), np.bool_))
    settings, found, seen = encoded.settings, encoded.found, encoded.seen
    assert found.error is not None
    is_face = images.faces[seen]
    faces, mu = seen[is_face], encoded.mu[is_face]
    log_var = None if found.log_var is None else found.log_var[is_face]
    persons = images.persons[faces] if images.knows_persons else None

    resampling = _weighed_by(settings)
    coverage = latent_coverage(
        mu,
        log_var,
        rows=faces,
        persons=persons,
        different=different[faces],
        margins=None if found.logit is None else found.logit[is_face],
        settings=CoverageSettings(resampling=resampling),
        generator=numpy_generator(asked.seed, "coverage"),
    )
    outliers = find_outliers(
        mu[:, list(coverage.active)],
        error=found.error[is_face],
        detail=found.detail[is_face],
        face_logit=_face_logits(images, found, seen, asked.seed),
        attributes=images.attributes.iloc[faces].reset_index(drop=True),
        rows=faces,
        persons=persons,
        settings=OutlierSettings(),
        generator=numpy_generator(asked.seed, "outliers"),
    )
    severe = np.zeros(len(images), dtype=np.bool_)
    severe[faces[outliers.severe]] = True
    pictures = model_pictures(
        images,
        encoded,
        coverage,
        num_different=num_different(different[faces]),
        shows_faces=asked.shows_faces,
    )
    return ModelFindings(
        architecture=settings.architecture,
        num_faces=len(faces),
        mu=_spread(encoded.mu, seen, len(images)),
        log_var=None if found.log_var is None else _spread(found.log_var, seen, len(images)),
        logit=None if found.logit is None else _spread(found.logit, seen, len(images)),
        resampling=resampling,
        coverage=coverage,
        runs=_runs(images, encoded, asked),
        outliers=outliers,
        mislabelled=_mislabelled(images, found, seen, asked.seed),
        severe=severe,
        traversed=pictures.traversed,
        steps=TRAVERSED,
        traversals=pictures.traversals,
        regions=pictures.regions,
        are_drawn=asked.are_drawn,
        faces=pictures.faces,
    )


def _runs(
    images: AuditedImages, encoded: EncodedImages, asked: ModelToAsk
) -> tuple[ProbedRun, ...]:
    """Return what the latents of each model tell of attributes; of others faces alone are asked."""
    found = [probed_run(images, asked.run, encoded, seed=asked.seed)]
    for run in asked.others:
        other = encode_images(images, run, asked=asked, chosen=images.faces)
        found.append(probed_run(images, run, other, seed=asked.seed))
    return tuple(found)


def _weighed_by(settings: RunSettings) -> ResamplingSettings:
    """Return the rule that the model was trained by; ``product`` where it drew uniformly."""
    drawn_by = settings.weighting
    return replace(drawn_by, rule="product") if drawn_by.rule == "uniform" else drawn_by


def _spread(values: NDArray[Number], rows: NDArray[np.intp], num_images: int) -> NDArray[Number]:
    """Return values in the order of all images, NaN where there are none."""
    every = np.full((num_images, *values.shape[1:]), np.nan, dtype=values.dtype)
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
