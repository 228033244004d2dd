"""The command ``debias audit``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from debias.cli_images import add_images, image_source
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
    from debias.data.source import ImageSource


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
    model.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="a setting of that training, such as training.epochs=4",
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


def _trainer(chosen: argparse.Namespace) -> Callable[[ImageSource, Path], object]:
    """Return what trains a model of images into a run directory."""
    from debias.jobs.train import TrainJob, run_train
    from debias.training.device import check_device
    from debias.training.settings import load_settings

    check_device(chosen.device)
    load_settings(assignments=chosen.set)  # what is wrong with them shall not come out later

    def train(source: ImageSource, output: Path) -> object:
        num_non_faces = int(source.load().non_faces.sum())
        flags: dict[str, object] = {"architecture": "vae", "seed": chosen.seed}
        if num_non_faces >= LEAST_NON_FACES:
            # Nobody uses its operating point: any that its validation resolves will do.
            rate = max(0.01, 200.0 / num_non_faces)
            flags |= {"architecture": "db-vae", "target_fpr": rate}
        settings = load_settings(assignments=chosen.set, flags=flags)
        unfinished = RunDir(path=output).run_file.is_file()
        return run_train(
            TrainJob(
                source=source,
                settings=settings,
                output=output,
                baseline=False,
                device=chosen.device,
                resume=unfinished,
                cache=chosen.cache,
                num_workers=chosen.workers,
                show_progress=not chosen.quiet,
            )
        )

    return train


def _audit(chosen: argparse.Namespace) -> int:
    from debias.jobs.audit import run_audit
    from debias.jobs.audit_job import AuditJob, check_models
    from debias.reporting.audit_text import render_audit

    if chosen.set and not chosen.train_model:
        raise UsageError("sets a training up, and none is asked for", where="--set")

    def check() -> None:
        check_models(
            chosen.model, trains_model=chosen.train_model, include_images=chosen.include_images
        )

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
            train=_trainer(chosen) if chosen.train_model else None,
            assignments=tuple(chosen.set),
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
            show_progress=not chosen.quiet,
        )
    )
    print(render_audit(audit))
    print(RunDir(path=chosen.output).audit_page)
    return 0
