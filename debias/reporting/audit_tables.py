"""An audit's findings as tables: a row an image and finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from debias.audit.findings import Finding
from debias.data.manifest import Manifest

FINDING_COLUMNS = (
    "finding",
    "severity",
    "kind",
    "subject",
    "image_id",
    "path",
    "other_image_id",
    "measure",
    "value",
    "limit",
    "message",
)


def findings_tables(findings: Sequence[Finding], *, manifest: Manifest) -> Iterator[pd.DataFrame]:
    """Yield a table for each finding: a row an image, or one row for the set as a whole.

    ``value`` is the image's own measure where it has one, and the finding's otherwise. The first
    table has no rows, so that there is one even where nothing was found.

    Args:
        findings: in the order in which they are numbered.
        manifest: the audited images.
    """
    yield pd.DataFrame({name: pd.Series(dtype=object) for name in FINDING_COLUMNS})
    for number, each in enumerate(findings, start=1):
        yield _rows(number, each, manifest)


def _rows(number: int, finding: Finding, manifest: Manifest) -> pd.DataFrame:
    images = finding.images
    table = manifest.table.iloc[images.rows]
    ids, paths = table["image_id"].to_numpy(object), table["path"].to_numpy(object)
    is_paired = images.others >= 0
    others = np.full(len(ids), None, dtype=object)
    others[is_paired] = manifest.table["image_id"].to_numpy(object)[images.others[is_paired]]
    whole = np.nan if finding.value is None else finding.value
    values = np.where(np.isnan(images.values), whole, images.values)
    if not len(ids):
        ids, paths, others, values = (np.array([each]) for each in (None, None, None, whole))
    columns = {
        "finding": number,
        "severity": finding.severity,
        "kind": finding.kind,
        "subject": finding.subject,
        "image_id": ids,
        "path": paths,
        "other_image_id": others,
        "measure": finding.measure,
        "value": values.astype(np.float64),
        "limit": np.nan if finding.limit is None else finding.limit,
        "message": finding.message,
    }
    return pd.DataFrame(columns, columns=list(FINDING_COLUMNS), index=range(len(ids)))
