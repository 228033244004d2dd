"""The parts of a report on a table too long to be held: its rows are counted, memory stays flat."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from debias.data.attributes import attribute_columns, attribute_provenance
from debias.data.joining import choose_negatives
from debias.data.manifest import Condition
from debias.data.predictions import check_threshold, read_threshold
from debias.data.score_stream import ScoreStream, stream_scores
from debias.errors import DataError, TooFewNegativesError
from debias.jobs.report_parts import NO_SCORES, ReportBody, intersections
from debias.metrics.calibration import Calibration
from debias.metrics.evaluation import Evaluation, TalliedGroups, evaluate_tallies
from debias.metrics.intervals import FloatArray
from debias.metrics.measures import Measure, Negatives
from debias.metrics.operating_point import excluded_rank
from debias.metrics.ranking import POOLED_AUC, area_measure, no_area
from debias.metrics.score_counts import IntArray, ScoreCounts, count_scores, edges_for
from debias.metrics.score_figures import binned_auc
from debias.metrics.score_measures import ScoreMeasures
from debias.metrics.score_order import largest_scores, quantile_edges
from debias.metrics.tally import tally_counts
from debias.reporting.document import calibration_json, operating_point_json, refused_json
from debias.reporting.schema import OperatingPointJson
from debias.reporting.settings import ReportSettings
from debias.rundir import RunDir
from debias.seeding import numpy_generator

STREAMED = (
    "The table is long and its rows stand alone, so it was counted without being held: thresholds "
    "and rates are exact, areas under the ROC curve are those of scores in some 1,000 bins, and "
    "calibration and the sweep over thresholds are left out."
)
NO_CALIBRATION = "A table of this length is counted in bins, which do not keep the mean score."


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
        id_column="image_id" if attributes else columns.get("image_id", "image_id"),
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
        counted = _Counted(stream, choice.mode, settings)
        points = counted.points(stored, point)
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
        sweep=None,
        calibration=calibration_json(_no_calibration()),
        remarks=tuple(filter(None, (STREAMED, choice.reason))),
        lookalikes=stream.lookalikes,
    )


def _no_calibration() -> Calibration:
    error = Measure(status="not_applicable", reason=NO_CALIBRATION)
    return Calibration(error=error, expected_by_chance=math.nan, bins=())


class _Counted:
    """A stream of rows, and the counts that its operating points are made from."""

    def __init__(self, stream: ScoreStream, negatives: Negatives, settings: ReportSettings) -> None:
        self.stream, self.negatives, self.settings = stream, negatives, settings
        self.sets = intersections(stream.columns)

    def points(
        self, stored: tuple[float, float | None] | None, path: Path
    ) -> list[OperatingPointJson]:
        """Return what is found at the threshold that came along, then at each target.

        Args:
            stored: threshold and target, if any were.
            path: the file that they stand in.
        """
        stream, settings = self.stream, self.settings
        if not stream.has_scores:
            decided = self._of_decisions(stored)
            reason = "there are decisions, but no scores"
            return [decided, *(refused_json(target_fpr=t, reason=reason) for t in self._targets)]
        reasons: dict[float, str] = {}
        ranks: dict[float, int] = {}
        for target in self._targets:
            try:
                ranks[target] = excluded_rank(
                    target_fpr=target,
                    num_negatives=stream.num_negatives,
                    min_false_positives=settings.min_false_positives,
                )
            except TooFewNegativesError as error:
                reasons[target] = error.what
        counts = self._counts(list(ranks.values()), [] if stored is None else [stored[0]])
        scored = self._scored(counts)
        points = []
        if stored is not None:
            self._refuse_contradiction(stored[0], path)
            found = self._evaluate(counts, counts.at(stored[0]), "decisions")
            points.append(
                operating_point_json(
                    found, scored=scored, source="stored", target_fpr=stored[1], threshold=stored[0]
                )
            )
        elif stream.has_decisions:
            points.append(self._of_decisions(None, scored))
        for target in self._targets:
            if target in reasons:
                points.append(refused_json(target_fpr=target, reason=reasons[target]))
                continue
            threshold = counts.operating_point(
                target_fpr=target, min_false_positives=settings.min_false_positives
            ).threshold
            found = self._evaluate(counts, counts.at(threshold), f"target {target!r}")
            points.append(
                operating_point_json(
                    found, scored=scored, source="test", target_fpr=target, threshold=threshold
                )
            )
        return points

    @property
    def _targets(self) -> tuple[float, ...]:
        return self.settings.target_fpr

    def _refuse_contradiction(self, threshold: float, path: Path) -> None:
        """Refuse a stored threshold that ``y_pred`` contradicts."""
        num = self.stream.num_contrary(threshold) if self.stream.has_decisions else 0
        if num:
            raise DataError(
                f"the threshold {threshold:g} contradicts y_pred in {num:,} rows",
                where=path,
                hint="Take that of the same run, or leave it out to judge y_pred as it is",
            )

    def _counts(self, ranks: Sequence[int], thresholds: Sequence[float]) -> ScoreCounts:
        """Return the counts by cell, label and bin, exact at all thresholds in question."""
        stream = self.stream
        excluded: FloatArray = np.empty(0)
        if ranks:
            excluded = np.asarray(largest_scores(stream.negative_scores, ranks=ranks))
        cuts = quantile_edges(
            (scores for scores, _, _ in stream.scores()),
            num_scores=stream.num_faces + stream.num_negatives,
        )
        return count_scores(
            stream.scores(),
            columns=stream.columns,
            cells=stream.cells,
            edges=np.concatenate([edges_for(excluded), np.asarray(thresholds), cuts]),
        )

    def _of_decisions(
        self,
        stored: tuple[float, float | None] | None,
        scored: ScoreMeasures | None = None,
    ) -> OperatingPointJson:
        """Return what the decisions give, as they are."""
        counts = count_scores(
            self.stream.decisions(),
            columns=self.stream.columns,
            cells=self.stream.cells,
            edges=[1.0],
        )
        found = self._evaluate(counts, counts.at(1.0), "decisions")
        if scored is None:
            auc = Measure(status="not_applicable", reason=NO_SCORES)
            scored = self._same_for_all(counts, auc)
        return operating_point_json(
            found,
            scored=scored,
            source="decisions" if stored is None else "stored",
            target_fpr=None if stored is None else stored[1],
            threshold=None if stored is None else stored[0],
        )

    def _same_for_all(self, counts: ScoreCounts, auc: Measure) -> ScoreMeasures:
        sizes = [len(self._grouping_of(counts, names)) for names in self.sets]
        return ScoreMeasures(
            auc=auc,
            calibration=_no_calibration(),
            aucs=tuple((auc,) * size for size in sizes),
            calibrations=tuple((_no_calibration(),) * size for size in sizes),
        )

    def _grouping_of(
        self, counts: ScoreCounts, names: Sequence[str]
    ) -> tuple[tuple[str, ...], ...]:
        return counts.grouping(names, faces_only=self.negatives == "pool").groups

    def _scored(self, counts: ScoreCounts) -> ScoreMeasures:
        """Return areas under the ROC curve, overall and by group."""
        by_cell = counts.counts.transpose(1, 0, 2)  # (cell, label, bin)
        everybody = by_cell.sum(axis=0)[None]
        pooled = self.negatives == "pool"
        aucs = []
        for names in self.sets:
            table = counts.marginal(names, by_cell, faces_only=pooled).counts
            negatives = everybody[:, 0] if pooled else table[:, 0]
            aucs.append(self._areas(counts, table[:, 1], negatives, POOLED_AUC if pooled else None))
        (auc,) = self._areas(counts, everybody[:, 1], everybody[:, 0], None)
        return ScoreMeasures(
            auc=auc,
            calibration=_no_calibration(),
            aucs=tuple(aucs),
            calibrations=tuple((_no_calibration(),) * len(found) for found in aucs),
        )

    def _areas(
        self, counts: ScoreCounts, positives: IntArray, negatives: IntArray, reason: str | None
    ) -> tuple[Measure, ...]:
        areas = binned_auc(
            positives=positives, negatives=negatives, is_exact=counts.is_exact
        ).areas()
        negatives = np.broadcast_to(negatives, positives.shape)
        sizes = zip(positives.sum(axis=-1).tolist(), negatives.sum(axis=-1).tolist(), strict=True)
        return tuple(
            no_area(num_positives=num_positives, num_negatives=num_negatives)
            if area is None
            else area_measure(
                area,
                num_rows=num_positives + num_negatives,
                reason=reason,
                confidence=self.settings.confidence,
            )
            for area, (num_positives, num_negatives) in zip(areas, sizes, strict=True)
        )

    def _evaluate(self, counts: ScoreCounts, table: IntArray, name: str) -> Evaluation:
        """Return what answers counted by cell, label and decision say."""
        pooled, settings = self.negatives == "pool", self.settings
        groupings = []
        for names in self.sets:
            found = counts.marginal(names, table, faces_only=pooled)
            by_group = found.counts.copy()
            if pooled:
                by_group[:, 0] = 0  # negatives are those of the pool
            groupings.append(
                TalliedGroups(
                    columns=found.columns, groups=found.groups, tally=tally_counts(by_group)
                )
            )
        return evaluate_tallies(
            overall=tally_counts(table.sum(axis=0)[None]),
            groupings=groupings,
            negatives=self.negatives,
            generator=numpy_generator(settings.seed, "report", name),
            min_group_size=settings.min_group_size,
            margin=settings.margin,
            confidence=settings.confidence,
        )
