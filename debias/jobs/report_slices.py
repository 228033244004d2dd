"""Where errors concentrate in an embedding."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from debias.audit.slices import find_slices
from debias.data.embeddings import read_embedding
from debias.data.joining import RowAttributes
from debias.data.predictions import Decisions
from debias.errors import TooFewNegativesError, UsageError
from debias.jobs.report_points import target_thresholds
from debias.jobs.report_rows import JudgedRows
from debias.reporting.schema import SlicesJson
from debias.reporting.settings import ReportSettings
from debias.reporting.slices_document import slices_json
from debias.seeding import numpy_generator


def slices(
    judged: JudgedRows,
    known: RowAttributes,
    decisions: Decisions | None,
    settings: ReportSettings,
    *,
    embedding: Path,
    include_ids: bool,
) -> SlicesJson | None:
    """Return the regions of an embedding in which more faces are missed than elsewhere.

    Faces are missed at the threshold that came along, or else at that of the first target that
    the negatives resolve. None where there is no such threshold.

    Args:
        judged: the rows.
        known: their attributes, which describe what was found.
        decisions: that came along, if any did.
        settings: how to compute.
        embedding: the file; see :func:`debias.data.embeddings.read_embedding`.
        include_ids: name some images of each region.

    Raises:
        UsageError: the predictions are of several models.
        DataError: the file is not what it must be.
    """
    if judged.several_models:
        raise UsageError(
            "slices are sought in the errors of one model, and these are of "
            f"{len(judged.table.seeds)}",
            where="embedding",
            hint="Choose one: --where seed=...",
        )
    faces = np.flatnonzero(judged.y_true)
    ids = [str(name) for name in judged.table.faces["image_id"]]
    space = read_embedding(embedding, image_ids=ids)
    answers, target_fpr, threshold = None, None, None
    if decisions is not None:
        answers, target_fpr = decisions.answers, decisions.target_fpr
        threshold = decisions.threshold
    elif judged.table.has_scores:
        for target_fpr in settings.target_fpr:
            try:
                threshold = float(target_thresholds(judged, target_fpr, settings)[0])
            except TooFewNegativesError:
                continue
            answers = judged.scores >= threshold
            break
    if answers is None:
        return None
    rows = faces[space.positions]
    found = find_slices(
        embedding=space.vectors,
        errors=~answers[rows],
        generator=numpy_generator(settings.seed, "slices"),
        clusters=judged.clusters[rows],
        sensitive_features=known.table.iloc[rows].reset_index(drop=True),
        min_size=settings.min_group_size,
        confidence=settings.confidence,
    )
    return slices_json(
        found,
        embedding=embedding.name,
        target_fpr=target_fpr,
        threshold=threshold,
        image_ids=[ids[place] for place in space.positions] if include_ids else None,
    )
