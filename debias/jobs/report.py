"""Judge any model's predictions: how well each group is served, and how sure that is.

It takes a table of predictions and, for groups, one of attributes; neither a model nor torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.attributes import NOTHING_STATED
from debias.data.joining import read_face_attributes
from debias.data.manifest import Condition
from debias.data.predictions import (
    Predictions,
    cluster_codes,
    pair_up,
    read_decisions,
    read_predictions,
)
from debias.errors import TooFewNegativesError, UsageError
from debias.metrics.bootstrap import PairedScores
from debias.metrics.comparison import compare_at_fpr
from debias.metrics.counts import Grouping, group_rows
from debias.metrics.evaluation import Evaluation, evaluate
from debias.metrics.operating_point import operating_point
from debias.reporting.document import (
    attributes_json,
    comparison_json,
    join_json,
    operating_point_json,
    refused_comparison_json,
    refused_json,
    rows_json,
)
from debias.reporting.inputs import inputs_json
from debias.reporting.notes import notes
from debias.reporting.schema import (
    SCHEMA_VERSION,
    ComparisonJson,
    ComparisonPointJson,
    OperatingPointJson,
    ReportJson,
)
from debias.reporting.settings import ReportSettings
from debias.rundir import RunDir, predictions_file, provenance, write_json
from debias.seeding import numpy_generator

# What a run.json says of any job; a report says the same of itself.
_PROVENANCE: tuple[Literal["job", "created", "versions", "platform", "settings", "inputs"], ...] = (
    "job",
    "created",
    "versions",
    "platform",
    "settings",
    "inputs",
)


def run_report(
    *,
    predictions: Path,
    attributes: Path | None = None,
    groups: Sequence[str] = (),
    output: Path | None = None,
    where: Sequence[Condition] = (),
    compare: Path | None = None,
    label_provenance: Mapping[str, str] = NOTHING_STATED,
    settings: ReportSettings | None = None,
) -> ReportJson:
    """Return the fairness report of a table of predictions, and write it if told where.

    Args:
        predictions: a run directory, or a table of ``image_id``, ``y_true`` and ``y_score`` or
            ``y_pred``; see :func:`debias.data.predictions.read_predictions`. An
            ``operating_point.json`` beside it holds the stored threshold.
        attributes: sensitive attributes by ``image_id``; when None, ``groups`` are columns of
            the predictions.
        groups: the attributes to report on, each alone and all of them together; ``new=column``
            renames. None gives the overall figures only.
        output: an existing directory to write to; see :func:`write_report`.
        where: which rows to judge; by default those of the test split, if there are any.
        compare: predictions of a second model for the same images.
        label_provenance: where the labels of each attribute come from, by its name; it
            overrides what :func:`debias.data.attributes.read_attributes` finds beside the file.
        settings: how to compute.

    Raises:
        UsageError: attributes are given, but no groups; a group is named twice; or provenance
            is unknown, or of what is no group.
        DataError: a file is not what it must be; no face has a row among the attributes.
    """
    settings = ReportSettings() if settings is None else settings
    if attributes is not None and not groups:
        raise UsageError("which attributes?", where="groups", hint="Name the columns to group by")
    predictions = predictions_file(predictions)
    table = read_predictions(predictions, where=where)
    known = read_face_attributes(
        table, attributes or predictions, columns=groups, provenance=label_provenance
    )
    groupings = _groupings(known.table)
    points = [
        *_at_given_decisions(table, predictions.parent, groupings, settings),
        *(_at_test_target(table, target, groupings, settings) for target in settings.target_fpr),
    ]
    versus = None
    if compare is not None:
        compare = predictions_file(compare)
        other = read_predictions(compare, where=where)
        versus = _compare(table, other, known.table, settings)
    facts = provenance(
        job="report",
        settings={
            **dataclasses.asdict(settings),
            "target_fpr": list(settings.target_fpr),
            "groups": list(groups),
            "where": [condition.without_names() for condition in where],
        },
    )
    report: ReportJson = {
        "schema_version": SCHEMA_VERSION,
        "job": "report",
        "created": facts["created"],
        "versions": facts["versions"],
        "platform": facts["platform"],
        "settings": facts["settings"],
        "inputs": inputs_json(predictions=predictions, attributes=attributes, compare=compare),
        "rows": rows_json(table),
        "attributes": attributes_json(known),
        "join": join_json(known) if groups else None,
        "operating_points": points,
        "comparison": versus,
        "notes": [],
    }
    report["notes"] = notes(report)
    if output is not None:
        write_report(report, output)
    return report


def write_report(report: ReportJson, output: Path) -> None:
    """Write a report into an existing directory, as ``report.json``.

    Where nothing but a report is in the directory, a ``run.json`` says that this job made it, so
    that it may be replaced as a whole. A run's own ``run.json`` stays, and a folder that holds
    anything else gets none: it is not ours to replace.

    Args:
        report: what :func:`run_report` returned.
        output: the directory.

    Raises:
        OutputError: it cannot be written.
    """
    run = RunDir(path=output)
    if all(item == run.report for item in output.glob("*")):
        # First of all: a half-made output can then be replaced like a finished one.
        write_json(run.run_file, {name: report[name] for name in _PROVENANCE})
    write_json(run.report, report)


def _groupings(features: pd.DataFrame) -> list[Grouping]:
    """Return the grouping by each attribute, then the one by all of them together."""
    names = list(features.columns)
    sets = [[name] for name in names] + ([names] if len(names) > 1 else [])
    return [group_rows(sensitive_features=features, columns=columns) for columns in sets]


def _at_given_decisions(
    table: Predictions, folder: Path, groupings: Sequence[Grouping], settings: ReportSettings
) -> list[OperatingPointJson]:
    """Return what the threshold that came with the predictions gives, if one came."""
    decisions = read_decisions(table, path=RunDir(path=folder).operating_point)
    if decisions is None:
        return []
    found = _evaluate(table, decisions.answers, groupings, settings, "decisions")
    return [
        operating_point_json(
            found,
            source="decisions" if decisions.threshold is None else "stored",
            target_fpr=decisions.target_fpr,
            threshold=decisions.threshold,
        )
    ]


def _at_test_target(
    table: Predictions, target_fpr: float, groupings: Sequence[Grouping], settings: ReportSettings
) -> OperatingPointJson:
    """Return what the threshold gives that these non-faces set for a false-positive rate."""
    if not table.has_scores:
        return refused_json(target_fpr=target_fpr, reason="there are decisions, but no scores")
    try:
        point = operating_point(
            y_score_negatives=table.negatives["y_score"].to_numpy(),
            target_fpr=target_fpr,
            min_false_positives=settings.min_false_positives,
        )
    except TooFewNegativesError as error:
        return refused_json(target_fpr=target_fpr, reason=error.what)
    answers = table.table["y_score"].to_numpy() >= point.threshold
    found = _evaluate(table, answers, groupings, settings, f"target {target_fpr!r}")
    return operating_point_json(
        found, source="test", target_fpr=target_fpr, threshold=point.threshold
    )


def _evaluate(
    table: Predictions,
    answers: NDArray[np.bool_],
    groupings: Sequence[Grouping],
    settings: ReportSettings,
    name: str,
) -> Evaluation:
    faces = table.table["y_true"].to_numpy()
    return evaluate(
        face_answers=answers[faces],
        negative_answers=answers[~faces],
        groupings=groupings,
        face_clusters=cluster_codes(table.faces["cluster"]),
        negative_clusters=cluster_codes(table.negatives["cluster"]),
        generator=numpy_generator(settings.seed, "report", name),
        min_group_size=settings.min_group_size,
        confidence=settings.confidence,
    )


def _compare(
    table: Predictions,
    other: Predictions,
    features: pd.DataFrame,
    settings: ReportSettings,
) -> ComparisonJson:
    """Return both models at each target, on the images that both predict."""
    both = pair_up(table, other)
    faces, negatives = both[both["y_true"]], both[~both["y_true"]]
    columns = ["y_score_first", "y_score_second"]
    scores = PairedScores(
        faces=faces[columns].to_numpy(dtype=np.float64).T,
        negatives=negatives[columns].to_numpy(dtype=np.float64).T,
        face_clusters=cluster_codes(faces["cluster"]),
        negative_clusters=cluster_codes(negatives["cluster"]),
    )
    common = features.loc[faces["image_id"].to_numpy()]
    everybody = group_rows(sensitive_features=common, columns=[])
    points: list[ComparisonPointJson] = []
    for target_fpr in settings.target_fpr:
        try:
            found = compare_at_fpr(
                scores=scores,
                groupings=[everybody, *_groupings(common)],
                target_fpr=target_fpr,
                generator=numpy_generator(settings.seed, "compare", repr(target_fpr)),
                num_replicates=settings.num_replicates,
                min_group_size=settings.min_group_size,
                confidence=settings.confidence,
                min_false_positives=settings.min_false_positives,
            )
        except TooFewNegativesError as error:
            points.append(refused_comparison_json(target_fpr=target_fpr, reason=error.what))
        else:
            points.append(comparison_json(found, target_fpr=target_fpr))
    return {
        "num_faces": len(faces),
        "num_negatives": len(negatives),
        "num_only_here": len(table.table) - len(both),
        "num_only_other": len(other.table) - len(both),
        "points": points,
    }
