"""The files that an audit leaves behind."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from debias.audit.results import AuditResults
from debias.data.tables import write_csv, write_table
from debias.errors import OutputError
from debias.jobs.audit_job import AuditJob
from debias.jobs.audit_sets import write_listed
from debias.reporting.audit_document import in_order
from debias.reporting.audit_page import render_audit_page
from debias.reporting.audit_schema import AuditJson
from debias.reporting.audit_tables import findings_tables
from debias.rundir import RunDir, write_json, write_text


def remove_earlier(job: AuditJob, run: RunDir, *, trains_anew: bool) -> None:
    """Remove the results of the audit that is continued: they may be of other settings.

    What this one does not make again is said in a line each. What was measured stays, and so does
    a model that was trained, if it is asked again.

    Args:
        job: what is asked for now.
        run: the audit's directory.
        trains_anew: the model that was trained had other settings.

    Raises:
        OutputError: something cannot be removed.
    """
    # The page first: whoever finds it finds all of its audit.
    for path in (run.audit_page, run.audit, run.findings, run.sampling_weights):
        remove(path)
    trained = run.trained
    keeps_model = job.train is not None and not trains_anew and trained.run_file.is_file()
    for path, option, is_made in (
        (run.rebalanced, "--write-manifest", job.write_manifest),
        (run.training_set, "--train-model", job.train is not None),
        (trained.path, "--train-model", job.train is not None),
    ):
        if not path.exists() or (path == trained.path and keeps_model):
            continue
        remove(path)
        if not is_made:
            job.say(f"removed {path}: it is of an earlier audit; add {option}")


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, if it is there.

    Raises:
        OutputError: it cannot be removed.
    """
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot be removed: {error.strerror}", where=path, hint="Check the permissions"
        ) from error


def write_audit(job: AuditJob, run: RunDir, results: AuditResults, audit: AuditJson) -> None:
    """Write the audit; its page last, so that whoever finds that finds all of this audit.

    What an audit before had written is gone by then; see :func:`remove_earlier`.

    Args:
        job: what was asked for.
        run: the audit's directory.
        results: what was found.
        audit: the same as plain data.

    Raises:
        DebiasError: something cannot be written.
    """
    images = results.images
    write_table(results.measured.table, run.measures)
    if results.weights is not None:
        weights = {"image_id": images.manifest.table["image_id"], "weight": results.weights.weights}
        write_table(pd.DataFrame(weights), run.sampling_weights)
    if job.write_manifest:
        job.say(_write_rebalanced(run, results))
    findings = in_order(results.findings)
    write_csv(findings_tables(findings, manifest=images.manifest), run.findings)
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
