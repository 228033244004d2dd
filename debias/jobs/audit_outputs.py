"""The files that an audit leaves behind."""

from __future__ import annotations

import shlex
import shutil

import numpy as np
import pandas as pd

from debias.audit.results import AuditResults
from debias.data.tables import write_csv, write_table
from debias.jobs.audit_job import AuditJob
from debias.jobs.audit_sets import write_listed
from debias.reporting.audit_document import in_order
from debias.reporting.audit_page import render_audit_page
from debias.reporting.audit_schema import AuditJson
from debias.reporting.audit_tables import findings_tables
from debias.rundir import RunDir, write_json, write_text


def write_audit(job: AuditJob, run: RunDir, results: AuditResults, audit: AuditJson) -> None:
    """Write the audit; its page last, so that whoever finds that finds all of this audit.

    What an audit that is continued had written and this one does not is removed.

    Args:
        job: what was asked for.
        run: the audit's directory.
        results: what was found.
        audit: the same as plain data.

    Raises:
        DebiasError: something cannot be written.
    """
    images = results.images
    run.audit_page.unlink(missing_ok=True)
    write_table(results.measured.table, run.measures)
    if results.weights is not None:
        weights = {"image_id": images.manifest.table["image_id"], "weight": results.weights.weights}
        write_table(pd.DataFrame(weights), run.sampling_weights)
    else:
        run.sampling_weights.unlink(missing_ok=True)
    if job.write_manifest:
        job.say(_write_rebalanced(run, results))
    elif run.rebalanced.exists():
        shutil.rmtree(run.rebalanced)
        job.say(f"removed {run.rebalanced}: it is of an earlier audit; add --write-manifest")
    findings = in_order(results.findings)
    write_csv(findings_tables(findings, manifest=images.manifest), run.findings)
    write_json(run.audit, audit)
    write_text(run.audit_page, render_audit_page(audit))


def _write_rebalanced(run: RunDir, results: AuditResults) -> str:
    """Write the set to train on, and return in a line what it is, or why there is none."""
    if results.weights is None:
        shutil.rmtree(run.rebalanced, ignore_errors=True)
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
