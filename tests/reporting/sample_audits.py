"""Audits of image sets that exist as tables only."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
from audit.made_images import made_images
from audit.made_measures import made_measures
from numpy.typing import NDArray

from debias.audit.associations import associations
from debias.audit.coverage import CoverageSettings, latent_coverage
from debias.audit.duplicates import find_duplicates
from debias.audit.images import AuditedImages
from debias.audit.leakage import find_leakage
from debias.audit.mislabelled import MislabelSettings, find_mislabelled
from debias.audit.outliers import OutlierSettings, find_outliers
from debias.audit.probe_spread import ProbedRun
from debias.audit.probes import ProbeSettings, probe_latents
from debias.audit.quality import quality_by_group
from debias.audit.rare_kinds import RareKinds
from debias.audit.representation import by_split
from debias.audit.results import AuditResults, ModelFindings
from debias.audit.skin_tone import estimate_report
from debias.audit.suggested_weights import UsableImages, WeightSettings, suggested_weights
from debias.reporting.audit_document import audit_json
from debias.reporting.audit_schema import AuditJson
from debias.resampling.settings import ResamplingSettings
from debias.rundir import provenance

HOSTILE = "<script>alert('x')</script>"
NUM_IMAGES, NUM_LATENTS = 400, 3


def some_images(first: str = "light", second: str = "dark") -> AuditedImages:
    """Return images of two skin tones, nine to one in training, one of them unknown."""
    tones: list[str | None] = [first if k % 10 else second for k in range(NUM_IMAGES)]
    tones[5] = None
    return made_images(
        {"tone": tones, "gender": ["female", "male"] * (NUM_IMAGES // 2)},
        groups=["tone", "gender"],
        split=["test" if k % 4 == 1 else "train" for k in range(NUM_IMAGES)],
    )


def results(images: AuditedImages, *, with_model: bool = True) -> AuditResults:
    """Return what an audit finds of images whose pixels are made up."""
    generator = np.random.default_rng(0)
    measured = made_measures(
        NUM_IMAGES,
        {
            "brightness": generator.normal(50, 10, NUM_IMAGES),
            "sharpness": np.where(np.arange(NUM_IMAGES) % 2, 0.8, 0.3),
            "ita": generator.normal(20, 30, NUM_IMAGES),
            "monk": generator.integers(1, 11, NUM_IMAGES),
        },
    )
    measured.table["digest"] = [f"{k:032x}" for k in range(NUM_IMAGES)]
    return AuditResults(
        images=images,
        measured=measured,
        representation=by_split(images),
        associations=associations(images, measured, generator=generator),
        quality=quality_by_group(images, measured),
        duplicates=find_duplicates(measured, images),
        leakage=find_leakage(images.manifest.table),
        skin_tones=estimate_report(measured, images, generator=generator),
        rare_kinds=RareKinds(num_faces=NUM_IMAGES, kinds=(), findings=()),
        model=model_findings(images) if with_model else None,
        weights=suggested_weights(
            UsableImages(
                weighted=images.faces,
                usable=np.ones(NUM_IMAGES, dtype=np.bool_),
                pictures=np.arange(NUM_IMAGES),
            ),
            attributes=images.attributes,
            groups=images.groups,
            settings=WeightSettings(),
            generator=generator,
        ),
    )


def model_findings(images: AuditedImages) -> ModelFindings:
    """Return what a model of three latents says, one of which is the gender."""
    generator = np.random.default_rng(1)
    rows = np.arange(NUM_IMAGES)
    mu = generator.normal(size=(NUM_IMAGES, NUM_LATENTS)).astype(np.float32)
    mu[:, 1] += 3 * (rows % 2)
    coverage = latent_coverage(
        mu,
        np.full_like(mu, -3.0),
        rows=rows,
        persons=None,
        settings=CoverageSettings(),
        generator=generator,
    )
    outliers = find_outliers(
        mu,
        error=generator.gamma(9.0, size=NUM_IMAGES),
        detail=generator.gamma(9.0, size=NUM_IMAGES),
        face_logit=None,
        attributes=images.attributes,
        rows=rows,
        persons=None,
        settings=OutlierSettings(),
        generator=generator,
    )
    genders = images.attributes["gender"].to_numpy(dtype=object)
    return ModelFindings(
        architecture="vae",
        num_faces=NUM_IMAGES,
        mu=mu,
        log_var=None,
        logit=None,
        resampling=ResamplingSettings(),
        coverage=coverage,
        runs=(probed("model", mu, images, seed=1),),
        outliers=outliers,
        mislabelled=(
            find_mislabelled(
                mu,
                genders,
                subject="gender",
                rows=rows,
                clusters=rows,
                is_note=True,
                settings=MislabelSettings(),
                generator=generator,
            ),
        ),
        severe=np.zeros(NUM_IMAGES, dtype=np.bool_),
        traversed=(1, 0),
        steps=(-3.0, 0.0, 3.0),
        traversals=generator.integers(0, 255, (2, 3, 32, 32, 3)).astype(np.uint8),
        regions=tuple(generator.integers(0, 255, (len(coverage.regions), 32, 32, 3), np.uint8)),
        are_drawn=False,
        faces=None,
    )


def probed(name: str, mu: NDArray[np.float32], images: AuditedImages, *, seed: int) -> ProbedRun:
    """Return what the latents of a model tell of the attributes."""
    return ProbedRun(
        name=name,
        architecture="vae",
        seed=seed,
        num_faces=NUM_IMAGES,
        num_latents=mu.shape[1],
        num_active=mu.shape[1],
        probes=probe_latents(
            mu,
            images.attributes,
            persons=images.persons,
            settings=ProbeSettings(num_permutations=99),
            generator=np.random.default_rng(1),
        ),
    )


def audit_of(found: AuditResults, *, include_ids: bool = False) -> AuditJson:
    """Return an audit as plain data."""
    return audit_json(
        found,
        facts=provenance(job="audit", settings={"groups": ["tone"], "seed": 0}),
        chosen="all images",
        left_out={"born": "has 90 values; to audit it, write it in bands"},
        num_without_attributes=0,
        num_attributes_unmatched=0,
        inputs=[],
        include_ids=include_ids,
    )


@cache
def full_audit() -> AuditJson:
    """Return an audit with all parts."""
    return audit_of(results(some_images()))


@cache
def hostile_audit() -> AuditJson:
    """Return an audit of groups whose names are none."""
    return audit_of(results(some_images(HOSTILE, 'a"b&<b>' + "long" * 30)))


@cache
def bare_audit() -> AuditJson:
    """Return an audit without attributes or a model."""
    images = made_images({}, num_images=NUM_IMAGES)
    return audit_of(results(images, with_model=False))


@cache
def shown_audit() -> AuditJson:
    """Return an audit of drawn faces with two models, that names images."""
    images = some_images()
    found = results(images)
    assert found.model is not None
    generator = np.random.default_rng(2)
    mu = generator.normal(size=(NUM_IMAGES, 5)).astype(np.float32)
    mu[:, 4] += 3 * (np.arange(NUM_IMAGES) % 2)
    num_faces = len(found.model.coverage.rarest) + len(found.model.coverage.most_common)
    model = replace(
        found.model,
        runs=(*found.model.runs, probed("again", mu, images, seed=2)),
        are_drawn=True,
        faces=generator.integers(0, 255, (num_faces, 2, 128, 128, 3), np.uint8),
        regions=tuple(None for _ in found.model.regions),
    )
    return audit_of(replace(found, model=model), include_ids=True)


AUDITS = {"full": full_audit, "hostile": hostile_audit, "bare": bare_audit, "shown": shown_audit}


def findings_of(audit: AuditJson, kind: str) -> pd.DataFrame:
    """Return the findings of a kind."""
    return pd.DataFrame([each for each in audit["findings"] if each["kind"] == kind])
