"""The command ``debias audit``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from debias.cli_images import add_engine, add_images, image_source, ray_cluster
from debias.cli_options import (
    add_groups,
    add_include_images,
    add_output,
    label_provenance,
    names,
    prepared_data,
    take_groups,
)
from debias.errors import UsageError
from debias.rundir import RunDir

if TYPE_CHECKING:
    from debias.jobs.audit_job import AuditTraining


LEAST_NON_FACES = 500
"""With fewer, a classifier learns little, and ``--train-model`` trains a VAE of the faces."""


def add_audit(jobs: Any, add_job: Callable[..., Any]) -> None:
    """Add the command ``audit`` to a parser; see :func:`debias.cli_data.add_data`."""
    parser = add_job(
        jobs, "audit", _audit, "find whom an image set shows too rarely, and what is dirty in it"
    )
    images = add_images(parser, folder="a folder of faces, labelled or not")
    images.add_argument(
        "--embedding",
        type=Path,
        metavar="FILE",
        help="vectors by image_id, to look for copies in as well",
    )
    add_engine(images)
    groups = add_groups(parser)
    groups.add_argument(
        "--reference",
        type=Path,
        metavar="FILE",
        help="the shares that groups should have: a column an attribute, and `share` (by default "
        "the same for each)",
    )
    model = parser.add_argument_group("latent space")
    model.add_argument(
        "--model",
        type=Path,
        action="append",
        default=[],
        metavar="RUN",
        help="a run directory of a DB-VAE or VAE to ask; repeatable: what the latents of further "
        "ones tell of attributes stands beside that of the first",
    )
    model.add_argument(
        "--train-model",
        action="store_true",
        help="train one on these images first, without copies and what is in two splits: a "
        f"DB-VAE if there are at least {LEAST_NON_FACES} non-faces, else a VAE of the faces",
    )
    model.add_argument("--preset", help="the settings of that training: default, paper or mit-lab")
    model.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file of settings of that training"
    )
    model.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="one setting of that training, such as training.epochs=4 (the images decide the "
        "architecture)",
    )
    model.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    model.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of training, folds and permutations (0)"
    )
    output = add_output(parser, resume=True)
    output.add_argument(
        "--write-manifest",
        action="store_true",
        help="also write a cleaned, rebalanced set to DIR/rebalanced, for debias train --data",
    )
    output.add_argument(
        "--include-ids",
        action="store_true",
        help="name some images of each finding, and the rarest faces, in the page",
    )
    add_include_images(output)


def _training(chosen: argparse.Namespace) -> AuditTraining | None:
    """Return with which settings a model is trained; None where none is asked for."""
    from debias.jobs.audit_job import AuditTraining

    if chosen.train_model:
        return AuditTraining(
            least_non_faces=LEAST_NON_FACES,
            preset="default" if chosen.preset is None else chosen.preset,
            config=chosen.config,
            assignments=tuple(chosen.set),
        )
    given = {"--preset": chosen.preset, "--config": chosen.config, "--set": chosen.set or None}
    for option, value in given.items():
        if value is not None:
            raise UsageError(
                "sets a training up, and none is asked for",
                where=option,
                hint="Add --train-model, or leave it out",
            )
    return None


def _audit(chosen: argparse.Namespace) -> int:
    from debias.jobs.audit import run_audit
    from debias.jobs.audit_job import AuditJob, check_models
    from debias.reporting.audit_text import render_audit

    training, cluster = _training(chosen), ray_cluster(chosen)

    def check() -> None:
        check_models(
            chosen.model, trains_model=chosen.train_model, include_images=chosen.include_images
        )
        if training is not None:
            from debias.jobs.audit_training import check_training

            check_training(training, device=chosen.device)

    prepared = prepared_data(chosen, check=check)
    take_groups(chosen, prepared)
    source = image_source(chosen, prepared)
    audit = run_audit(
        AuditJob(
            source=source,
            output=chosen.output,
            attributes=chosen.attributes,
            groups=tuple(names(chosen.groups)),
            provenance=label_provenance(chosen),
            reference=chosen.reference,
            models=tuple(chosen.model),
            train=training,
            embedding=chosen.embedding,
            write_manifest=chosen.write_manifest,
            include_ids=chosen.include_ids,
            include_images=chosen.include_images,
            seed=chosen.seed,
            device=chosen.device,
            overwrite=chosen.overwrite,
            resume=chosen.resume,
            cache=chosen.cache,
            num_workers=chosen.workers,
            ray=cluster,
            show_progress=not chosen.quiet,
        )
    )
    print(render_audit(audit))
    print(RunDir(path=chosen.output).audit_page)
    return 0
