"""Audit an image set: whom it shows too rarely, what is dirty in it, and what to do about it.

Nothing here needs torch but what a trained model is asked, in :mod:`debias.jobs.audit_model`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from debias.audit.images import AuditedImages
from debias.audit.pixel_pass import PassSettings, measure_images
from debias.audit.reference import Reference, read_reference
from debias.audit.representation import by_split
from debias.audit.skin_scales import with_estimate
from debias.data.embeddings import read_embedding
from debias.data.manifest import Manifest, parse_where
from debias.data.source import ImageSource
from debias.errors import DataError, UsageError, nearest
from debias.jobs.audit_inputs import read_audit_input
from debias.jobs.audit_job import AuditJob, check_models
from debias.jobs.audit_outputs import remove_earlier, write_audit
from debias.jobs.audit_results import audit_results
from debias.reporting.audit_document import audit_json
from debias.reporting.audit_schema import AuditJson
from debias.rundir import RunDir, check_output, create_run, open_run, provenance, write_json


def run_audit(job: AuditJob) -> AuditJson:
    """Audit an image set, write what was found, and return it.

    Raises:
        DebiasError: the images, attributes, reference, model or embedding are not what they must
            be, or the output cannot be written.
    """
    check_models(job.models, trains_model=job.train is not None, include_images=job.include_images)
    check_output(
        job.output,
        overwrite=job.overwrite,
        resume=job.resume,
        can_resume=True,
        inputs=[path for _, path in job.inputs],
    )
    if job.resume:
        open_run(job.output, job="audit")
    if job.source.shards:
        _refuse_for_shards(job)
    changed = _changed_training(job)
    manifest = job.source.load(seed=job.seed, allow_torn=True)
    read = read_audit_input(
        manifest, attributes=job.attributes, groups=job.groups, provenance=job.provenance
    )
    reference = _reference(job, read.images)
    embedding = _embedding(job, manifest)
    # What would be refused after the work is refused before it.
    by_split(read.images, reference=reference)
    if job.models:
        from debias.training.trained import open_latent_model  # needs torch

        for model in job.models:
            open_latent_model(model)
    run = create_run(job.output, overwrite=job.overwrite, resume=job.resume)
    if changed:
        what = ", ".join(changed)
        job.say(f"{run.trained.path} has other settings: {what}; the model will be trained anew")
    facts = provenance(job="audit", settings=_settings(job))
    if not job.resume:
        write_json(run.run_file, facts)
    measured = measure_images(
        manifest,
        settings=PassSettings(),
        directory=run.path / "measures",
        num_workers=job.num_workers,
        ray=job.ray,
        show_progress=job.show_progress,
        resume=job.resume,
    )
    if job.resume:  # the results of other settings shall not stand beside these
        remove_earlier(job, run, trains_anew=bool(changed))
        write_json(run.run_file, facts)
    images = with_estimate(read.images, measured.table, basis="ita")
    results = audit_results(job, run, images, measured, reference=reference, embedding=embedding)
    audit = audit_json(
        results,
        facts=facts,
        chosen=_chosen(job.source),
        left_out=read.left_out,
        num_without_attributes=read.num_without_attributes,
        num_attributes_unmatched=read.num_attributes_unmatched,
        inputs=job.inputs,
        include_ids=job.include_ids,
    )
    write_audit(job, run, results, audit)
    return audit


def _refuse_for_shards(job: AuditJob) -> None:
    """Refuse what writes a list of image files, since a list cannot lead into shards."""
    asked = {
        "--write-manifest": job.write_manifest,
        "--train-model": job.train is not None,
        "--engine ray": job.ray is not None,
    }
    for option, is_asked in asked.items():
        if is_asked:
            raise UsageError(
                "takes image files, and the images are in shards",
                where=option,
                hint="Leave it out, or unpack the shards",
            )


def _changed_training(job: AuditJob) -> list[str]:
    """Return which settings an earlier training had otherwise; refuse those that none can have."""
    if job.train is None:
        return []
    from debias.jobs.audit_training import changed_settings, check_training  # needs torch

    check_training(job.train, device=job.device)
    if not job.resume:
        return []
    return changed_settings(job.train, RunDir(path=job.output).trained, seed=job.seed)


def _reference(job: AuditJob, images: AuditedImages) -> Reference | None:
    """Return the shares asked for; of attributes that are known."""
    if job.reference is None:
        return None
    reference, known = read_reference(job.reference), list(images.attributes.columns)
    if not known:
        raise UsageError(
            "no file says who is in which group",
            where="--reference",
            hint="Name it with --attributes",
        )
    for name in reference.columns:
        if name not in known:
            raise DataError(
                f"has the column {name!r}, which is no attribute",
                where=job.reference,
                hint=nearest(name, known),
            )
    return reference


def _embedding(job: AuditJob, manifest: Manifest) -> NDArray[np.floating] | None:
    if job.embedding is None:
        return None
    ids = manifest.table["image_id"].tolist()
    return read_embedding(job.embedding, image_ids=ids, min_share_matched=1.0).vectors


def _chosen(source: ImageSource) -> str:
    """Return which rows of the manifest are audited, naming nobody."""
    conditions = [each.without_names() for each in parse_where(source.where)]
    return " and ".join(conditions) or "all images"


def _settings(job: AuditJob) -> dict[str, object]:
    train = job.train
    return {
        "images": _chosen(job.source),
        "groups": list(job.groups),
        "train_model": train is not None,
        "preset": None if train is None else train.preset,
        "config": None if train is None or train.config is None else train.config.name,
        "set": [] if train is None else list(train.assignments),
        "device": job.device,
        "write_manifest": job.write_manifest,
        "include_ids": job.include_ids,
        "include_images": job.include_images,
        "seed": job.seed,
    }
