"""A long table of predictions, counted in bins of scores, and what the counts say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from debias.data.score_stream import ScoreStream
from debias.errors import DataError, TooFewNegativesError
from debias.jobs.report_points import NO_SCORES, OR_THRESHOLD
from debias.jobs.report_rows import intersections
from debias.metrics.counted_calibration import sum_scores
from debias.metrics.counted_measures import counted_score_measures
from debias.metrics.counted_sweep import counted_sweep
from debias.metrics.counts import Grouping
from debias.metrics.evaluation import Evaluation, TalliedGroups, evaluate_tallies
from debias.metrics.intervals import FloatArray
from debias.metrics.measures import Negatives
from debias.metrics.operating_point import excluded_rank
from debias.metrics.score_counts import IntArray, ScoreCounts, count_scores, edges_for
from debias.metrics.score_measures import ScoreMeasures, no_score_measures
from debias.metrics.score_order import (
    largest_scores,
    lowest_above,
    quantile_edges,
    thresholds_above,
)
from debias.metrics.sweep_groups import sweep_ranks
from debias.metrics.tally import tally_counts
from debias.reporting.point_document import operating_point_json, refused_json
from debias.reporting.point_schema import OperatingPointJson
from debias.reporting.score_document import sweep_json
from debias.reporting.score_schema import SweepJson
from debias.reporting.settings import ReportSettings
from debias.seeding import numpy_generator


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CountedRows:
    """A stream of rows, and the counts that its report is made from.

    Attributes:
        stream: the rows.
        negatives: whether negatives belong to groups.
        settings: how to compute.
        sets: the attributes of each grouping.
        counts: of scores, exact at all thresholds in question; of decisions without scores.
        scored: what the scores say whatever the threshold.
        sweep_thresholds: those of the sweep besides the operating points, shape (threshold,).
        reasons: why a target is refused, by target.
    """

    stream: ScoreStream
    negatives: Negatives
    settings: ReportSettings
    sets: list[tuple[str, ...]]
    counts: ScoreCounts
    scored: ScoreMeasures
    sweep_thresholds: FloatArray
    reasons: Mapping[float, str]

    @property
    def groupings(self) -> list[Grouping]:
        """The groupings of the cells."""
        return [_grouping(self.counts, names, self.negatives) for names in self.sets]

    def sweep(self, points: Sequence[OperatingPointJson]) -> SweepJson | None:
        """Return how rates move with the threshold, by way of those of the operating points.

        None without scores.

        Args:
            points: what :meth:`points` returned.
        """
        if not self.stream.has_scores:
            return None
        settings = self.settings
        given = [point["threshold"] for point in points if point["threshold"] is not None]
        found = counted_sweep(
            self.counts,
            thresholds=np.append(self.sweep_thresholds, given),
            columns=self.sets,
            negatives=self.negatives,
            generator=numpy_generator(settings.seed, "sweep"),
            min_group_size=settings.min_group_size,
            confidence=settings.confidence,
        )
        return None if found is None else sweep_json(found)

    def points(
        self,
        stored: tuple[float, float | None] | None,
        path: Path,
        source: Literal["given", "stored"],
    ) -> list[OperatingPointJson]:
        """Return what is found at the threshold that came along, then at each target.

        Args:
            stored: threshold and target, if any were.
            path: the file that they stand in.
            source: where they come from.
        """
        counts = self.counts
        if not self.stream.has_scores:
            decided = self._of_decisions(stored)  # a threshold without scores can only be stored
            return [decided, *(self._refused(target) for target in self.settings.target_fpr)]
        points = []
        if stored is not None:
            self._refuse_contradiction(stored[0], path)
            found = self._evaluate(counts, counts.at(stored[0]), "decisions")
            points.append(
                operating_point_json(
                    found,
                    scored=self.scored,
                    source=source,
                    target_fpr=stored[1],
                    threshold=stored[0],
                )
            )
        elif self.stream.has_decisions:
            points.append(self._of_decisions(None))
        for target in self.settings.target_fpr:
            if target in self.reasons:
                points.append(self._refused(target))
                continue
            threshold = counts.operating_point(
                target_fpr=target, min_false_positives=self.settings.min_false_positives
            ).threshold
            found = self._evaluate(counts, counts.at(threshold), f"target {target!r}")
            points.append(
                operating_point_json(
                    found, scored=self.scored, source="test", target_fpr=target, threshold=threshold
                )
            )
        return points

    def _refused(self, target_fpr: float) -> OperatingPointJson:
        return refused_json(target_fpr=target_fpr, reason=self.reasons[target_fpr])

    def _refuse_contradiction(self, threshold: float, path: Path) -> None:
        """Refuse a stored threshold that ``y_pred`` contradicts."""
        num = self.stream.num_contrary(threshold) if self.stream.has_decisions else 0
        if num:
            raise DataError(
                f"the threshold {threshold!r} contradicts y_pred in {num:,} rows",
                where=path,
                hint="Take that of the same run, or leave it out to judge y_pred as it is",
            )

    def _of_decisions(self, stored: tuple[float, float | None] | None) -> OperatingPointJson:
        """Return what the decisions give, as they are."""
        counts = _counted_decisions(self.stream)
        found = self._evaluate(counts, counts.at(1.0), "decisions")
        return operating_point_json(
            found,
            scored=self.scored,
            source="decisions" if stored is None else "stored",
            target_fpr=None if stored is None else stored[1],
            threshold=None if stored is None else stored[0],
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


def count_stream(
    stream: ScoreStream,
    *,
    negatives: Negatives,
    settings: ReportSettings,
    thresholds: Sequence[float] = (),
) -> CountedRows:
    """Return the counts that a report is made from, in a few passes and bounded memory.

    Args:
        stream: the rows.
        negatives: whether negatives belong to groups.
        settings: how to compute.
        thresholds: that came along.
    """
    sets = intersections(stream.columns)
    if not stream.has_scores:
        counts = _counted_decisions(stream)
        return CountedRows(
            stream=stream,
            negatives=negatives,
            settings=settings,
            sets=sets,
            counts=counts,
            scored=no_score_measures(
                groupings=[_grouping(counts, names, negatives) for names in sets],
                reason=NO_SCORES,
            ),
            sweep_thresholds=np.empty(0),
            reasons=dict.fromkeys(settings.target_fpr, "there are decisions, but no scores"),
        )
    ranks, reasons = _target_ranks(stream, settings)
    steps = sweep_ranks(
        num_negatives=stream.num_negatives,
        num_thresholds=settings.num_sweep,
        min_false_positives=settings.min_false_positives,
    )
    wanted = [*ranks, *steps.tolist()]
    excluded: FloatArray = np.empty(0)
    if wanted:
        excluded = largest_scores(stream.negative_scores, ranks=wanted)
    above = lowest_above((scores for scores, _, _ in stream.scores()), bounds=excluded)
    cuts = quantile_edges(
        (scores for scores, _, _ in stream.scores()),
        num_scores=stream.num_faces + stream.num_negatives,
    )
    exact = edges_for(excluded=excluded, above=above)
    counts = count_scores(
        stream.scores(),
        columns=stream.columns,
        cells=stream.cells,
        edges=np.concatenate([exact, np.asarray(thresholds), cuts]),
    )
    steps_above = thresholds_above(excluded, above=above)[len(ranks) :]
    sums = sum_scores(stream.scores(), cells=stream.cells, edges=counts.edges)
    return CountedRows(
        stream=stream,
        negatives=negatives,
        settings=settings,
        sets=sets,
        counts=counts,
        scored=counted_score_measures(
            counts, sums, columns=sets, negatives=negatives, confidence=settings.confidence
        ),
        sweep_thresholds=steps_above[np.isfinite(steps_above)],
        reasons=reasons,
    )


def _target_ranks(
    stream: ScoreStream, settings: ReportSettings
) -> tuple[list[int], dict[float, str]]:
    """Return how many negatives may pass at each target, and why others are refused."""
    ranks: list[int] = []
    reasons: dict[float, str] = {}
    for target in settings.target_fpr:
        try:
            ranks.append(
                excluded_rank(
                    target_fpr=target,
                    num_negatives=stream.num_negatives,
                    min_false_positives=settings.min_false_positives,
                )
            )
        except TooFewNegativesError as error:
            reasons[target] = f"{error}{OR_THRESHOLD}"
    return ranks, reasons


def _counted_decisions(stream: ScoreStream) -> ScoreCounts:
    return count_scores(stream.decisions(), columns=stream.columns, cells=stream.cells, edges=[1.0])


def _grouping(counts: ScoreCounts, names: Sequence[str], negatives: Negatives) -> Grouping:
    return counts.grouping(names, faces_only=negatives == "pool")
