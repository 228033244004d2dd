"""Judge any model's predictions: how well each group is served, and how sure that is.

It takes a table of predictions and, for groups, one of attributes; neither a model nor torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from numpy.typing import ArrayLike

from debias.data.arrays import (
    Features,
    attributes_from_features,
    predictions_from_arrays,
)
from debias.data.attributes import NOTHING_STATED
from debias.data.joining import (
    RowAttributes,
    negatives_mode,
    no_attributes,
    read_row_attributes,
)
from debias.data.manifest import NO_RENAMING, Condition
from debias.data.predictions import (
    Decisions,
    Predictions,
    given_decisions,
    read_predictions,
)
from debias.data.score_stream import DependentRowsError, can_stream
from debias.errors import UsageError, nearest
from debias.jobs.report_body import ReportBody
from debias.jobs.report_inputs import (
    attributes_id_column,
    decisions_with,
    read_compared,
    require_files,
    require_groups,
)
from debias.jobs.report_models import comparison, over_seeds
from debias.jobs.report_points import operating_points, scored, threshold_sweep
from debias.jobs.report_rows import judged_rows
from debias.jobs.report_slices import slices
from debias.jobs.report_streamed import streamed_body
from debias.reporting.conditions import FailCondition, check_fail_if, parse_fail_if
from debias.reporting.inputs import inputs_json
from debias.reporting.model_card import render_model_card
from debias.reporting.notes import notes
from debias.reporting.outcomes import conditions_json, evaluate_fail_if
from debias.reporting.report_page import render_report
from debias.reporting.rows_document import attributes_json, join_json, rows_json
from debias.reporting.schema import SCHEMA_VERSION, InputJson, ReportJson
from debias.reporting.score_document import calibration_json
from debias.reporting.settings import ReportSettings
from debias.reporting.table_csv import table_csv
from debias.reporting.tables import report_tables
from debias.rundir import RunDir, check_folder, predictions_file, provenance, write_json, write_text

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
    within: Sequence[str] = (),
    output: Path | None = None,
    where: Sequence[Condition] = (),
    columns: Mapping[str, str] = NO_RENAMING,
    compare: Path | None = None,
    compare_columns: Mapping[str, str] = NO_RENAMING,
    embedding: Path | None = None,
    include_ids: bool = False,
    threshold: float | None = None,
    label_provenance: Mapping[str, str] = NOTHING_STATED,
    conditions: Sequence[FailCondition] = (),
    settings: ReportSettings | None = None,
) -> ReportJson:
    """Return the fairness report of a table of predictions, and write it if told where.

    Args:
        predictions: a run directory, or a table of ``image_id``, ``y_true`` and ``y_score`` or
            ``y_pred``; see :func:`debias.data.predictions.read_predictions`. An
            ``operating_point.json`` beside it holds the stored threshold.
        attributes: sensitive attributes by ``image_id``; when None, ``groups`` are columns of
            the predictions.
        groups: the attributes to report on, each alone and in their intersections;
            ``new=column`` renames. None gives the overall figures only.
        within: control features, named like ``groups``: within every combination of their values
            the groups are compared once more.
        output: an existing directory to write to; see :func:`write_report`.
        where: which rows to judge; by default those of the test split, if there are any.
        columns: what columns of the predictions are called in the file; see
            :func:`debias.data.predictions.read_predictions`.
        compare: predictions of a second model for the same images.
        compare_columns: what columns are called in ``compare``; by default the same as in the
            first file, as far as there are such.
        embedding: vectors by ``image_id``, in which regions are looked for where errors
            concentrate; see :func:`debias.data.embeddings.read_embedding`.
        include_ids: name some images of each such region.
        threshold: in use, in place of a stored one; a score of at least that is answered "face".
            It is not that of ``compare``, which keeps its own.
        label_provenance: where the labels of each attribute come from, by its name; it
            overrides what :func:`debias.data.attributes.read_attributes` finds beside the file.
        conditions: which figures would be a failure; see :mod:`debias.reporting.conditions`.
        settings: how to compute.

    Raises:
        UsageError: attributes are given, but no groups; a group is named twice; or provenance
            is unknown, or of what is no group.
        DataError: a file is not what it must be; no face has a row among the attributes.
        OutputError: ``output`` is no folder that can be written to.
    """
    settings = ReportSettings() if settings is None else settings
    if attributes is not None and not groups:
        raise UsageError(
            "a file of attributes is given, but none of them to group by",
            where="groups",
            hint="Name some of its columns",
        )
    predictions = predictions_file(predictions)
    compare = None if compare is None else predictions_file(compare)
    require_files(predictions, compare, attributes, embedding)
    require_groups(predictions, attributes, [*groups, *within])
    if output is not None:
        check_folder(output)
    body = None
    needs_rows = compare is not None or embedding is not None or bool(within)
    if not needs_rows and can_stream(predictions, columns=columns):
        with suppress(DependentRowsError):
            body = streamed_body(
                predictions=predictions,
                attributes=attributes,
                groups=groups,
                where=where,
                columns=columns,
                threshold=threshold,
                label_provenance=label_provenance,
                settings=settings,
            )
    if body is None:
        table = read_predictions(predictions, where=where, columns=columns)
        known = read_row_attributes(
            table,
            attributes or predictions,
            columns=[*groups, *within],
            provenance=label_provenance,
            id_column=attributes_id_column(attributes, columns),
        )
        body = _body(
            table,
            known,
            within=[_new_name(name) for name in within],
            decisions=decisions_with(table, predictions, threshold),
            other=None
            if compare is None
            else read_compared(
                compare,
                predictions,
                where=where,
                columns=columns,
                compare_columns=compare_columns,
            ),
            embedding=embedding,
            include_ids=include_ids,
            settings=settings,
        )
    report = _report(
        body,
        conditions=conditions,
        settings=settings,
        chosen={
            "groups": list(groups),
            "within": list(within),
            "where": [condition.without_names(columns) for condition in where],
            "columns": dict(columns),
            "compare_columns": dict(compare_columns),
        },
        inputs=inputs_json(
            predictions=predictions, attributes=attributes, compare=compare, embedding=embedding
        ),
    )
    if output is not None:
        write_report(report, output)
    return report


def fairness_report(
    *,
    y_true: ArrayLike,
    y_score: ArrayLike | None = None,
    y_pred: ArrayLike | None = None,
    sensitive_features: Features | None = None,
    within: Sequence[str] = (),
    threshold: float | None = None,
    image_id: ArrayLike | None = None,
    identity_id: ArrayLike | None = None,
    picture: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    seed: ArrayLike | None = None,
    label_provenance: Mapping[str, str] = NOTHING_STATED,
    fail_if: Sequence[str] = (),
    settings: ReportSettings | None = None,
) -> ReportJson:
    """Return the fairness report of arrays that belong together row by row.

    What comes back is the content of ``report.json``; :func:`write_report` writes it with its
    page, tables and model card. Arrays are of shape (row,).

    Args:
        y_true: 1 for a face (or another positive), else 0.
        y_score: the higher the more like a face, of any scale.
        y_pred: decisions, in place of or beside scores.
        sensitive_features: a column an attribute, a row a prediction; missing values are unknown,
            and negatives may have none. See :func:`debias.data.arrays.attributes_from_features`.
        within: those of them that are control features.
        threshold: in use; a score of at least that is answered "face".
        image_id: by default the place of the row.
        identity_id: the person of each face, where known.
        picture: what each window was cut from, where known.
        sample_weight: at least 0.
        seed: which of several trained models.
        label_provenance: where the labels of each attribute come from, by its name.
        fail_if: conditions as those of ``debias report --fail-if``.
        settings: how to compute.

    Raises:
        UsageError: an argument is missing, or names what is not there.
        DataError: an argument is not what it must be.
    """
    settings = ReportSettings() if settings is None else settings
    conditions = parse_fail_if(fail_if)
    table = predictions_from_arrays(
        y_true=y_true,
        y_score=y_score,
        y_pred=y_pred,
        image_id=image_id,
        identity_id=identity_id,
        picture=picture,
        sample_weight=sample_weight,
        seed=seed,
    )
    if sensitive_features is None:
        known = no_attributes(table, provenance=label_provenance)
    else:
        known = attributes_from_features(table, sensitive_features, provenance=label_provenance)
    names = [str(name) for name in known.table.columns]
    for name in within:
        if name not in names:
            raise UsageError(f"no attribute {name!r}", where="within", hint=nearest(name, names))
    groups = [name for name in names if name not in within]
    check_fail_if(conditions, columns=groups, within=within, target_fpr=settings.target_fpr)
    body = _body(
        table,
        known,
        within=within,
        decisions=given_decisions(table, threshold=threshold),
        other=None,
        embedding=None,
        include_ids=False,
        settings=settings,
    )
    return _report(
        body,
        conditions=conditions,
        settings=settings,
        chosen={
            "groups": groups,
            "within": list(within),
            "where": [],
            "columns": {},
            "compare_columns": {},
        },
        inputs=[],
    )


def write_report(report: ReportJson, output: Path) -> None:
    """Write a report into an existing directory.

    ``report.json`` holds all of it; ``report.html`` is the page to read and pass on, ``tables/``
    has its figures as CSV, and ``README.md`` is a model card, unless a README of somebody
    else's is there.

    Where nothing but a report is in the directory, a ``run.json`` says that this job made it, so
    that it may be replaced as a whole. A run's own ``run.json`` stays, and a folder that holds
    anything else gets none: it is not ours to replace.

    Args:
        report: what :func:`run_report` or :func:`fairness_report` returned.
        output: the directory.

    Raises:
        OutputError: it cannot be written.
    """
    run = RunDir(path=output)
    ours = {run.report, run.report_page, run.tables, run.model_card}
    if all(item in ours for item in output.glob("*")):
        # First of all: a half-made output can then be replaced like a finished one.
        write_json(run.run_file, {name: report[name] for name in _PROVENANCE})
    has_other_readme = run.model_card.exists() and not run.report.exists()
    write_json(run.report, report)
    for name, table in report_tables(report).items():
        write_text(run.tables / f"{name}.csv", table_csv(table))
    if not has_other_readme:
        write_text(run.model_card, render_model_card(report))
    write_text(run.report_page, render_report(report))


def _body(
    table: Predictions,
    known: RowAttributes,
    *,
    within: Sequence[str],
    decisions: Decisions | None,
    other: tuple[Predictions, Decisions | None] | None,
    embedding: Path | None,
    include_ids: bool,
    settings: ReportSettings,
) -> ReportBody:
    """Return what is found in checked rows."""
    groups = [str(name) for name in known.table.columns if name not in within]
    choice = negatives_mode(settings.negatives, attributes=known, columns=groups)
    judged = judged_rows(table, known, groups=groups, within=within, negatives=choice.mode)
    scores = scored(judged, settings)
    points = operating_points(judged, decisions, scores, settings)
    versus = regions = None
    if other is not None:
        both = None if decisions is None or other[1] is None else (decisions, other[1])
        versus = comparison(judged, known, other[0], both, settings)
    if embedding is not None:
        regions = slices(
            judged, known, decisions, settings, embedding=embedding, include_ids=include_ids
        )
    return ReportBody(
        rows=rows_json(table, negatives=choice.mode),
        attributes=attributes_json(known.faces),
        join=join_json(known.faces) if groups or within else None,
        operating_points=points,
        sweep=threshold_sweep(judged, points, settings),
        calibration=calibration_json(
            scores.calibration,
            groupings=[
                (item.grouping, found)
                for item, found in zip(judged.groupings, scores.calibrations, strict=True)
                if not item.within
            ],
        ),
        comparison=versus,
        seeds=over_seeds(judged, settings),
        slices=regions,
        remarks=tuple(
            filter(None, (*table.remarks, choice.reason, _outside_strata(known, within)))
        ),
        lookalikes=table.lookalikes,
    )


def _outside_strata(known: RowAttributes, within: Sequence[str]) -> str | None:
    """Return how many faces are in no stratum, in words; None where all are in one."""
    num_outside = int(known.faces.table[list(within)].isna().any(axis="columns").sum())
    if not num_outside:
        return None
    return f"{num_outside:,} faces of unknown {' or '.join(within)} are in no stratum."


def _report(
    body: ReportBody,
    *,
    conditions: Sequence[FailCondition],
    settings: ReportSettings,
    chosen: Mapping[str, Any],
    inputs: list[InputJson],
) -> ReportJson:
    """Return the report: what was found, and how it came about."""
    facts = provenance(
        job="report",
        settings={
            **dataclasses.asdict(settings),
            "target_fpr": list(settings.target_fpr),
            **chosen,
        },
    )
    report: ReportJson = {
        "schema_version": SCHEMA_VERSION,
        "job": "report",
        "created": facts["created"],
        "versions": facts["versions"],
        "platform": facts["platform"],
        "settings": facts["settings"],
        "inputs": inputs,
        "rows": body.rows,
        "attributes": body.attributes,
        "join": body.join,
        "operating_points": body.operating_points,
        "sweep": body.sweep,
        "calibration": body.calibration,
        "comparison": body.comparison,
        "seeds": body.seeds,
        "slices": body.slices,
        "conditions": [],
        "notes": [],
    }
    report["conditions"] = conditions_json(evaluate_fail_if(conditions, report))
    report["notes"] = notes(report, remarks=body.remarks, lookalikes=body.lookalikes)
    return report


def _new_name(text: str) -> str:
    """Return what an attribute is called in the report: ``skin_tone`` for ``skin_tone=race``."""
    return text.partition("=")[0].strip()
