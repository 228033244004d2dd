"""Audit an image set: whom it shows too rarely, what is dirty in it, and what to do about it.

Nothing here needs torch but what a trained model is asked, in :mod:`debias.jobs.audit_model`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.audit.associations import associations
from debias.audit.duplicates import find_duplicates
from debias.audit.images import AuditedImages
from debias.audit.leakage import find_leakage
from debias.audit.measured import MeasuredImages
from debias.audit.pixel_pass import PassSettings, measure_images
from debias.audit.quality import quality_by_group
from debias.audit.reference import Reference, read_reference
from debias.audit.representation import by_split
from debias.audit.results import AuditResults, ModelFindings
from debias.audit.skin_scales import with_estimate
from debias.audit.skin_tone import estimate_report
from debias.audit.suggested_weights import (
    SuggestedWeights,
    UsableImages,
    WeightSettings,
    suggested_weights,
)
from debias.data.combine import ListedSet
from debias.data.embeddings import read_embedding
from debias.data.manifest import Manifest, parse_where
from debias.data.prepared_folder import open_prepared
from debias.data.source import ImageSource
from debias.data.tables import TEXT, write_table
from debias.errors import DataError, UsageError, nearest
from debias.jobs.audit_inputs import read_audit_input
from debias.jobs.audit_sets import write_listed
from debias.reporting.audit_document import audit_json, in_order
from debias.reporting.audit_page import render_audit_page
from debias.reporting.audit_schema import AuditJson
from debias.reporting.audit_tables import findings_table
from debias.rundir import (
    RunDir,
    check_output,
    create_run,
    open_run,
    provenance,
    write_json,
    write_text,
)
from debias.seeding import numpy_generator

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditJob:
    """What to audit, and where to write.

    Attributes:
        source: the images.
        output: the directory for ``audit.html`` and what belongs to it.
        attributes: what is known of the people shown, by ``image_id``; None for nothing.
        groups: the attributes whose shares are judged, and crossed; ``new=column`` renames.
        provenance: where the labels of each attribute come from, by its name.
        reference: a table of the shares that groups should have; None asks for equal ones.
        model: the run directory of a model with a latent space; None asks no model.
        train: trains such a model on an image set into a run directory; None trains none.
        embedding: vectors by ``image_id``, to look for copies in as well.
        write_manifest: also write a cleaned, rebalanced set to train on.
        include_ids: name some images of each finding in the page.
        seed: of everything that is drawn at random.
        device: of the model: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        overwrite: replace an existing audit.
        resume: continue an interrupted audit: pictures that were measured are not read again.
        cache: where images decoded for the model are kept.
        num_workers: threads that decode; None uses all cores.
        show_progress: draw progress bars.
        say: takes a line for the person watching.
    """

    source: ImageSource
    output: Path
    attributes: Path | None = None
    groups: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    reference: Path | None = None
    model: Path | None = None
    train: Callable[[ImageSource, Path], object] | None = None
    embedding: Path | None = None
    write_manifest: bool = False
    include_ids: bool = False
    seed: int = 0
    device: str = "auto"
    overwrite: bool = False
    resume: bool = False
    cache: Path | None = None
    num_workers: int | None = None
    show_progress: bool = True
    say: Callable[[str], None] = print

    @property
    def inputs(self) -> list[tuple[str, Path]]:
        """Role and path of what is read, and no output may replace."""
        files = {
            "attributes": self.attributes,
            "reference": self.reference,
            "model": self.model,
            "embedding": self.embedding,
        }
        named = [(role, path) for role, path in files.items() if path is not None]
        return [*(("images", path) for path in self.source.inputs), *named]


def run_audit(job: AuditJob) -> AuditJson:
    """Audit an image set, write what was found, and return it.

    Raises:
        DebiasError: the images, attributes, reference, model or embedding are not what they must
            be, or the output cannot be written.
    """
    check_output(
        job.output,
        overwrite=job.overwrite,
        resume=job.resume,
        can_resume=True,
        inputs=[path for _, path in job.inputs],
    )
    if job.resume:
        open_run(job.output, job="audit")
    manifest = job.source.load(seed=job.seed, allow_torn=True)
    read = read_audit_input(
        manifest, attributes=job.attributes, groups=job.groups, provenance=job.provenance
    )
    reference = _reference(job, read.images)
    embedding = _embedding(job, manifest)
    # What would be refused after the work is refused before it.
    by_split(read.images, reference=reference)
    if job.model is not None:
        from debias.jobs.audit_model import open_latent_model  # needs torch

        open_latent_model(job.model)
    run = create_run(job.output, overwrite=job.overwrite, resume=job.resume)
    facts = provenance(job="audit", settings=_settings(job))
    if not job.resume:
        write_json(run.run_file, facts)
    measured = measure_images(
        manifest,
        settings=PassSettings(),
        directory=run.path / "measures",
        num_workers=job.num_workers,
        show_progress=job.show_progress,
        resume=job.resume,
    )
    write_json(run.run_file, facts)
    images = with_estimate(read.images, measured.table, basis="ita")
    results = _results(job, run, images, measured, reference=reference, embedding=embedding)
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
    _write(job, run, results, audit)
    return audit


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
    return {
        "images": _chosen(job.source),
        "groups": list(job.groups),
        "train_model": job.train is not None,
        "write_manifest": job.write_manifest,
        "include_ids": job.include_ids,
        "seed": job.seed,
    }


def _results(
    job: AuditJob,
    run: RunDir,
    images: AuditedImages,
    measured: MeasuredImages,
    *,
    reference: Reference | None,
    embedding: NDArray[np.floating] | None,
) -> AuditResults:
    """Return all that the measures, and a model, tell of the images."""
    duplicates = find_duplicates(measured, images, embedding=embedding)
    # Copies of one picture are one face, however often they are listed.
    counted = replace(images, counted=measured.readable & duplicates.keep)
    leakage = find_leakage(images.manifest.table)
    usable = measured.readable & duplicates.keep & leakage.keep
    model = _ask(job, run, images, usable)
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
        model=model,
        weights=_weights(job, images, usable, model),
    )


def _ask(job: AuditJob, run: RunDir, images: AuditedImages, usable: Mask) -> ModelFindings | None:
    """Return what the model says, trained first if need be; None where there is none."""
    asked = job.model
    if job.train is not None:
        asked = run.trained.path
        # Whatever splits there are: rare faces of the test are to be seen, too.
        whole = replace(images, manifest=_without_splits(images.manifest))
        shown = usable & (images.faces | images.manifest.non_faces)
        write_listed(whole, shown.astype(np.int64), run.training_set, name="to train on")
        prepared = open_prepared(run.training_set)
        listed = ListedSet(manifest=prepared.manifest, root=prepared.root)
        job.train(ImageSource(sets=(listed,)), asked)
    if asked is None:
        return None
    from debias.jobs.audit_model import ModelToAsk, ask_model

    return ask_model(
        images,
        ModelToAsk(
            run=asked,
            device=job.device,
            cache=job.cache,
            num_workers=job.num_workers,
            show_progress=job.show_progress,
            seed=job.seed,
        ),
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
        settings=WeightSettings(),
        generator=numpy_generator(job.seed, "copies"),
    )


def _write(job: AuditJob, run: RunDir, results: AuditResults, audit: AuditJson) -> None:
    """Write the audit; its page last, so that whoever finds that finds all."""
    images = results.images
    write_table(results.measured.table, run.measures)
    if results.weights is not None:
        weights = {"image_id": images.manifest.table["image_id"], "weight": results.weights.weights}
        write_table(pd.DataFrame(weights), run.sampling_weights)
    if job.write_manifest:
        job.say(_write_rebalanced(run, results))
    findings = in_order(results.findings)
    write_table(findings_table(findings, manifest=images.manifest), run.findings)
    write_json(run.audit, audit)
    write_text(run.audit_page, render_audit_page(audit))


def _write_rebalanced(run: RunDir, results: AuditResults) -> str:
    """Write the set to train on, and return in a line what it is, or why there is none."""
    if results.weights is None:
        return "no rebalanced set: no face of training is left to list"
    images, table = results.images, results.images.manifest.table
    trainable = images.faces | images.manifest.non_faces
    if table["split"].notna().any():
        trainable &= table["split"].notna().to_numpy()
    copies = np.where(trainable, results.weights.copies, 0)
    write_listed(images, copies, run.rebalanced, name="rebalanced")
    left_out = int((~trainable & (results.weights.copies > 0)).sum())
    command = ["debias", "train", "--data", str(run.rebalanced), "--resampling", "uniform"]
    without = f", without {left_out:,} images of no label or split" if left_out else ""
    faces = int(copies[images.faces].sum())
    return f"a cleaned, rebalanced set of {faces:,} faces{without}: {shlex.join(command)}"
