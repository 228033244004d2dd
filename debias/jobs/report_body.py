"""What a report found, as plain data, before it is said how that came about."""

from __future__ import annotations

from dataclasses import dataclass

from debias.reporting.models_schema import ComparisonJson, SeedsJson
from debias.reporting.point_schema import OperatingPointJson
from debias.reporting.schema import AttributeJson, JoinJson, RowsJson, SlicesJson
from debias.reporting.score_schema import CalibrationJson, SweepJson


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportBody:
    """What was found, as plain data; a report adds how it came about.

    Attributes:
        rows: which were judged, and the like for the next, as in
            :class:`debias.reporting.schema.ReportJson`.
        attributes: what is known of them.
        join: None where no attribute was named.
        operating_points: one for each threshold.
        sweep: over all thresholds.
        calibration: of the scores.
        comparison: with a second model.
        seeds: over several models.
        slices: of an embedding.
        remarks: for the notes.
        lookalikes: see :class:`debias.data.predictions.Predictions`.
    """

    rows: RowsJson
    attributes: list[AttributeJson]
    join: JoinJson | None
    operating_points: list[OperatingPointJson]
    sweep: SweepJson | None
    calibration: CalibrationJson
    comparison: ComparisonJson | None = None
    seeds: SeedsJson | None = None
    slices: SlicesJson | None = None
    remarks: tuple[str, ...] = ()
    lookalikes: tuple[tuple[str, str], ...] = ()
