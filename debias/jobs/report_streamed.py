"""The parts of a report on a table too long to be held: its rows are counted, memory stays flat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from debias.data.attributes import attribute_columns, attribute_provenance
from debias.data.joining import choose_negatives
from debias.data.manifest import Condition
from debias.data.predictions import check_threshold, read_threshold
from debias.data.score_stream import stream_scores
from debias.jobs.report_body import ReportBody
from debias.jobs.report_counted import count_stream
from debias.jobs.report_inputs import attributes_id_column
from debias.reporting.score_document import calibration_json
from debias.reporting.settings import ReportSettings
from debias.rundir import RunDir

STREAMED = (
    "The table is long and its rows stand alone, so it was counted without being held: thresholds "
    "and rates, those of the sweep too, are exact. Scores were counted in some 1,000 bins: areas "
    "under the ROC curve take scores of one bin as tied, and the bins of calibration are made of "
    "whole ones, so that they hold only about the same number of rows each."
)


def streamed_body(
    *,
    predictions: Path,
    attributes: Path | None,
    groups: Sequence[str],
    where: Sequence[Condition],
    columns: Mapping[str, str],
    threshold: float | None,
    label_provenance: Mapping[str, str],
    settings: ReportSettings,
) -> ReportBody:
    """Return what :func:`debias.jobs.report.run_report` finds, of a table of any length.

    Args:
        predictions: that :func:`debias.data.score_stream.can_stream` accepts.
        attributes: see :func:`debias.jobs.report.run_report`, like the rest.
        groups: see there.
        where: see there.
        columns: see there.
        threshold: see there.
        label_provenance: see there.
        settings: see there.

    Raises:
        DependentRowsError: rows share pictures, so that the table has to be held.
        DataError: a file is not what it must be.
    """
    names = attribute_columns(groups) if groups else {}
    provenance = attribute_provenance(
        attributes or predictions, names=names, provenance=label_provenance
    )
    point = RunDir(path=predictions.parent).operating_point
    stored: tuple[float, float | None] | None = None
    if threshold is not None:
        stored, point = (threshold, None), predictions
    elif point.is_file():
        stored = read_threshold(point)
    with stream_scores(
        predictions,
        groups=names,
        attributes=attributes if names else None,
        where=where,
        columns=columns,
        id_column=attributes_id_column(attributes, columns),
    ) as stream:
        if threshold is not None:
            check_threshold(threshold, has_scores=stream.has_scores)
        choice = choose_negatives(
            settings.negatives,
            columns=list(names),
            num_negatives=stream.num_negatives,
            num_grouped=stream.num_negatives_grouped,
            any_known=stream.num_negatives_known > 0,
        )
        known = () if stored is None else (stored[0],)
        counted = count_stream(stream, negatives=choice.mode, settings=settings, thresholds=known)
        points = counted.points(stored, point, "stored" if threshold is None else "given")
    return ReportBody(
        rows={
            "chosen": stream.rows,
            "num_in_file": stream.num_rows,
            "num_unlabelled": stream.num_unlabelled,
            "seen_splits": list(stream.seen_splits),
            "num_faces": stream.num_faces,
            "num_faces_identified": 0,
            "num_persons": None,
            "num_negatives": stream.num_negatives,
            "num_pictures": stream.num_negatives,
            "negatives": choice.mode,
            "has_weights": False,
        },
        attributes=[
            {"name": name, "provenance": provenance[name], "num_unknown": num_unknown}
            for name, num_unknown in zip(stream.columns, stream.num_unknown, strict=True)
        ],
        join={
            "num_faces_matched": stream.num_faces_matched,
            "num_faces_unmatched": stream.num_faces - stream.num_faces_matched,
            "num_negatives_known": stream.num_negatives_known,
            "num_attributes_unmatched": stream.num_attributes_unmatched,
        }
        if names
        else None,
        operating_points=points,
        sweep=counted.sweep(points),
        calibration=calibration_json(
            counted.scored.calibration,
            groupings=list(zip(counted.groupings, counted.scored.calibrations, strict=True)),
        ),
        remarks=tuple(filter(None, (STREAMED, *stream.remarks, choice.reason))),
        lookalikes=stream.lookalikes,
    )
