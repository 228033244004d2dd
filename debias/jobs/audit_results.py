"""All that an audit measures of its images, and what a model says of them if there is one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.audit.associations import associations
from debias.audit.duplicates import find_duplicates
from debias.audit.images import AuditedImages
from debias.audit.leakage import find_leakage
from debias.audit.measured import MeasuredImages
from debias.audit.patch_features import patch_features
from debias.audit.possible_persons import possible_persons
from debias.audit.quality import quality_by_group
from debias.audit.rare_kinds import (
    MOST_FACES,
    RareKinds,
    RareKindSettings,
    find_rare_kinds,
)
from debias.audit.reference import Reference
from debias.audit.representation import by_split
from debias.audit.results import AuditResults, ModelFindings
from debias.audit.skin_tone import estimate_report
from debias.audit.suggested_weights import (
    SuggestedWeights,
    UsableImages,
    WeightSettings,
    suggested_weights,
)
from debias.data.combine import ListedSet
from debias.data.manifest import Manifest
from debias.data.prepared_folder import open_prepared
from debias.data.shown import drawn_factors
from debias.data.source import ImageSource
from debias.data.tables import TEXT
from debias.jobs.audit_job import AuditJob
from debias.jobs.audit_sets import write_listed
from debias.rundir import RunDir
from debias.seeding import numpy_generator

Mask = NDArray[np.bool_]


def audit_results(
    job: AuditJob,
    run: RunDir,
    images: AuditedImages,
    measured: MeasuredImages,
    *,
    reference: Reference | None,
    embedding: NDArray[np.floating] | None,
) -> AuditResults:
    """Return all that the measures, and a model, tell of the images.

    Args:
        job: what was asked for.
        run: the audit's directory; a model that is trained first is kept there.
        images: the set, with its attributes.
        measured: what the pixels tell of each image.
        reference: the shares that groups should have; None asks for equal ones.
        embedding: vectors to look for copies in as well, shape (image, dimension).

    Raises:
        DebiasError: the model cannot be trained, or is not what it must be.
    """
    duplicates = find_duplicates(measured, images, embedding=embedding)
    # Copies of one picture are one face, however often they are listed.
    counted = replace(images, counted=measured.readable & duplicates.keep)
    leakage = find_leakage(images.manifest.table, readable=measured.readable)
    usable = measured.readable & duplicates.keep & leakage.keep
    model = _ask(job, run, counted, usable, different=possible_persons(images, duplicates.groups))
    return AuditResults(
        images=images,
        measured=measured,
        representation=by_split(counted, reference=reference),
        associations=associations(
            counted, measured, generator=numpy_generator(job.seed, "associations")
        ),
        quality=quality_by_group(counted, measured),
        duplicates=duplicates,
        leakage=leakage,
        skin_tones=estimate_report(
            measured, images, generator=numpy_generator(job.seed, "skin tones")
        ),
        rare_kinds=rare_kinds_of(counted, measured, seed=job.seed),
        model=model,
        weights=_weights(job, images, usable, model),
    )


def rare_kinds_of(counted: AuditedImages, measured: MeasuredImages, *, seed: int) -> RareKinds:
    """Return faces that share something that few have, by what patches show.

    Args:
        counted: the set, without what cannot be read, and without copies.
        measured: its thumbnails.
        seed: of what is drawn.
    """
    settings, generator = RareKindSettings(), numpy_generator(seed, "rare kinds")
    rows = np.flatnonzero(counted.faces)
    if len(rows) > MOST_FACES:
        rows = np.sort(generator.choice(rows, size=MOST_FACES, replace=False))
    features = (
        patch_features(measured.thumbnails, measured.chroma, rows, generator=generator)
        if len(rows) >= settings.least_faces
        else np.empty((0, 0), dtype=np.float32)
    )
    clusters = counted.clusters
    return find_rare_kinds(
        features,
        rows=rows,
        clusters=None if clusters is None else clusters[rows],
        persons_known=counted.knows_persons,
        settings=settings,
        generator=generator,
    )


def _ask(
    job: AuditJob,
    run: RunDir,
    images: AuditedImages,
    usable: Mask,
    *,
    different: NDArray[np.intp],
) -> ModelFindings | None:
    """Return what the model says, trained first if need be; None where there is none."""
    asked = job.models
    if job.train is not None:
        from debias.jobs.audit_training import train_model  # needs torch

        asked = (run.trained.path,)
        # Whatever splits there are: rare faces of the test are to be seen, too.
        whole = replace(images, manifest=_without_splits(images.manifest))
        shown = usable & (images.faces | images.manifest.non_faces)
        write_listed(whole, shown.astype(np.int64), run.training_set, name="to train on")
        prepared = open_prepared(run.training_set)
        listed = ListedSet(manifest=prepared.manifest, root=prepared.root)
        train_model(job, job.train, ImageSource(sets=(listed,)), run)
    if not asked:
        return None
    from debias.jobs.audit_encoding import ModelToAsk
    from debias.jobs.audit_model import ask_model

    return ask_model(
        images,
        ModelToAsk(
            run=asked[0],
            others=asked[1:],
            device=job.device,
            cache=job.cache,
            num_workers=job.num_workers,
            show_progress=job.show_progress,
            seed=job.seed,
            are_drawn=drawn_factors(job.source, images.manifest) is not None,
            include_images=job.include_images,
        ),
        different=different,
    )


def _without_splits(manifest: Manifest) -> Manifest:
    nothing = pd.Series(pd.NA, index=manifest.table.index, dtype=TEXT)
    return replace(manifest, table=manifest.table.assign(split=nothing))


def _weights(
    job: AuditJob,
    images: AuditedImages,
    usable: Mask,
    model: ModelFindings | None,
) -> SuggestedWeights | None:
    """Return weights of the training faces, or of all faces where nothing is split."""
    train = images.manifest.in_split("train")
    weighted = images.faces & train if train.any() else images.faces
    if model is not None:
        usable = usable & ~model.severe & (np.isfinite(model.mu).all(axis=1) | ~weighted)
    if not (weighted & usable).any():
        return None
    return suggested_weights(
        UsableImages(
            weighted=weighted,
            usable=usable,
            pictures=np.arange(len(images)),
            persons=images.persons if images.knows_persons else None,
        ),
        attributes=images.attributes,
        groups=images.groups,
        mu=None if model is None else model.mu,
        log_var=None if model is None else model.log_var,
        margins=None if model is None else model.logit,
        settings=WeightSettings() if model is None else WeightSettings(resampling=model.resampling),
        generator=numpy_generator(job.seed, "copies"),
    )
