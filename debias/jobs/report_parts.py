"""The parts of a report, computed from checked rows and put into plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.audit.slices import find_slices
from debias.data.embeddings import read_embedding
from debias.data.joining import RowAttributes
from debias.data.predictions import Decisions, Predictions, cluster_codes, pair_up
from debias.errors import TooFewNegativesError, UsageError
from debias.metrics.bootstrap import PairedScores
from debias.metrics.comparison import compare_at_fpr, moved_threshold
from debias.metrics.counts import UNKNOWN, Grouping, group_rows
from debias.metrics.evaluation import GroupedRows, evaluate
from debias.metrics.intervals import FloatArray
from debias.metrics.measures import Negatives
from debias.metrics.operating_point import operating_point
from debias.metrics.score_measures import ScoreMeasures, no_score_measures, score_measures
from debias.metrics.seeds import seed_figures, stack_seeds
from debias.metrics.sweep import sweep
from debias.reporting.document import (
    comparison_json,
    moved_threshold_json,
    operating_point_json,
    refused_comparison_json,
    refused_json,
    seed_figure_json,
    sweep_json,
)
from debias.reporting.schema import (
    AttributeJson,
    CalibrationJson,
    ComparisonJson,
    ComparisonPointJson,
    JoinJson,
    OperatingPointJson,
    RowsJson,
    SeedsJson,
    SlicesJson,
    SweepJson,
)
from debias.reporting.settings import ReportSettings
from debias.reporting.slices_document import slices_json
from debias.seeding import numpy_generator

MOST_CROSSED = 4
"""Up to so many attributes, every subset of them makes a grouping."""

NO_SCORES = "There are decisions, but no scores."
SEVERAL_MODELS = "The scores of several models are not on one scale."


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedRows:
    """The rows of a report, and who belongs where.

    Attributes:
        table: the predictions.
        y_true: whether each row is a face, shape (row,).
        clusters: the person or picture of each row as integers from 0, shape (row,).
        sample_weight: of each row, shape (row,); None when all count the same.
        negatives: whether negatives belong to groups.
        groupings: those of all rows, then those within each value of the control features.
    """

    table: Predictions
    y_true: NDArray[np.bool_]
    clusters: NDArray[np.intp]
    sample_weight: FloatArray | None
    negatives: Negatives
    groupings: tuple[GroupedRows, ...]

    @property
    def scores(self) -> FloatArray:
        """The scores, shape (row,)."""
        return self.table.table["y_score"].to_numpy(dtype=np.float64)

    @property
    def several_models(self) -> bool:
        """Whether the rows are of several trained models, so that scores share no scale."""
        return len(self.table.seeds) > 1

    @property
    def of_everybody(self) -> tuple[GroupedRows, ...]:
        """The groupings that are not confined by control features."""
        return tuple(item for item in self.groupings if not item.within)

    def part_of(self, item: GroupedRows, chosen: NDArray[np.bool_]) -> Grouping:
        """Return a grouping cut to chosen rows, in their order.

        Args:
            item: the grouping of some rows.
            chosen: whether each row of the report is wanted, shape (row,).
        """
        grouping = item.grouping
        codes = grouping.codes[chosen[item.rows]]
        return Grouping(columns=grouping.columns, groups=grouping.groups, codes=codes)


def judged_rows(
    table: Predictions,
    known: RowAttributes,
    *,
    groups: Sequence[str],
    within: Sequence[str],
    negatives: Negatives,
) -> JudgedRows:
    """Return the rows to judge, grouped by attributes and within control features.

    Args:
        table: the predictions.
        known: attributes of the same rows.
        groups: the attributes to group by.
        within: control features: within every combination of their known values the groups are
            compared once more.
        negatives: whether negatives belong to groups.
    """
    rows = table.table
    y_true = rows["y_true"].to_numpy(dtype=np.bool_)
    weights = rows["sample_weight"].to_numpy(dtype=np.float64) if table.has_weights else None
    everybody = np.arange(len(rows)) if negatives == "grouped" else np.flatnonzero(y_true)
    features = known.table.reset_index(drop=True)
    groupings = list(_groupings(features[list(groups)], everybody, {}))
    if within:
        strata = group_rows(sensitive_features=features.iloc[everybody], columns=list(within))
        for code, values in enumerate(strata.groups):
            inside = everybody[strata.codes == code]
            if UNKNOWN not in values and inside.size:
                same = dict(zip(within, values, strict=True))
                groupings += _groupings(features[list(groups)], inside, same)
    return JudgedRows(
        table=table,
        y_true=y_true,
        clusters=cluster_codes(rows["cluster"]),
        sample_weight=weights,
        negatives=negatives,
        groupings=tuple(groupings),
    )


def _groupings(
    features: pd.DataFrame, rows: NDArray[np.intp], within: dict[str, str]
) -> Iterator[GroupedRows]:
    """Yield the groupings by each attribute, and by the intersections of several."""
    inside = features.iloc[rows]
    for columns in intersections(list(features.columns)):
        grouping = group_rows(sensitive_features=inside, columns=columns)
        yield GroupedRows(grouping=grouping, rows=rows, within=within)


def intersections(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the sets of attributes that groups are made by: each alone, then several together.

    Of more than :data:`MOST_CROSSED` attributes only pairs and all of them are crossed.
    """
    several = range(2, len(names)) if len(names) <= MOST_CROSSED else range(2, 3)
    sizes = [1, *several, *([len(names)] if len(names) > 1 else [])] if names else []
    return [columns for size in sizes for columns in combinations(names, size)]


def scored(judged: JudgedRows, settings: ReportSettings) -> ScoreMeasures:
    """Return what the scores say whatever the threshold."""
    if not judged.table.has_scores or judged.several_models:
        reason = SEVERAL_MODELS if judged.table.has_scores else NO_SCORES
        return no_score_measures(groupings=judged.groupings, reason=reason)
    return score_measures(
        y_true=judged.y_true,
        y_score=judged.scores,
        groupings=judged.groupings,
        negatives=judged.negatives,
        clusters=judged.clusters,
        sample_weight=judged.sample_weight,
        confidence=settings.confidence,
    )


def operating_points(
    judged: JudgedRows,
    decisions: Decisions | None,
    scores: ScoreMeasures,
    settings: ReportSettings,
) -> list[OperatingPointJson]:
    """Return what is found at the threshold that came along, then at each target."""
    points = []
    if decisions is not None:
        points.append(
            _at_threshold(
                judged,
                decisions.answers,
                scores,
                settings,
                source="decisions" if decisions.threshold is None else "stored",
                target_fpr=decisions.target_fpr,
                threshold=decisions.threshold,
            )
        )
    return points + [_at_target(judged, target, scores, settings) for target in settings.target_fpr]


def _at_target(
    judged: JudgedRows, target_fpr: float, scores: ScoreMeasures, settings: ReportSettings
) -> OperatingPointJson:
    """Return what the thresholds give that these negatives set for a false-positive rate."""
    if not judged.table.has_scores:
        return refused_json(target_fpr=target_fpr, reason="there are decisions, but no scores")
    try:
        thresholds = _thresholds(judged, target_fpr, settings)
    except TooFewNegativesError as error:
        return refused_json(target_fpr=target_fpr, reason=error.what)
    return _at_threshold(
        judged,
        judged.scores >= thresholds,
        scores,
        settings,
        source="test",
        target_fpr=target_fpr,
        threshold=None if judged.several_models else float(thresholds[0]),
    )


def _thresholds(judged: JudgedRows, target_fpr: float, settings: ReportSettings) -> FloatArray:
    """Return the threshold of each row, shape (row,): each trained model has its own."""
    table = judged.table.table
    thresholds = np.empty(len(table))
    seeds = table["seed"].to_numpy() if judged.table.seeds else np.zeros(len(table))
    for seed in judged.table.seeds or (0.0,):
        rows = seeds == seed
        thresholds[rows] = operating_point(
            y_score_negatives=judged.scores[rows & ~judged.y_true],
            target_fpr=target_fpr,
            min_false_positives=settings.min_false_positives,
        ).threshold
    return thresholds


def _at_threshold(
    judged: JudgedRows,
    answers: NDArray[np.bool_],
    scores: ScoreMeasures,
    settings: ReportSettings,
    *,
    source: Literal["stored", "decisions", "test"],
    target_fpr: float | None,
    threshold: float | None,
) -> OperatingPointJson:
    name = "decisions" if source != "test" else f"target {target_fpr!r}"
    found = evaluate(
        y_true=judged.y_true,
        y_pred=answers,
        groupings=judged.groupings,
        negatives=judged.negatives,
        clusters=judged.clusters,
        sample_weight=judged.sample_weight,
        generator=numpy_generator(settings.seed, "report", name),
        # Every model answers for a face: the size of a group is that in faces.
        min_group_size=settings.min_group_size * max(1, len(judged.table.seeds)),
        margin=settings.margin,
        confidence=settings.confidence,
    )
    return operating_point_json(
        found,
        scored=scores,
        source=source,
        target_fpr=target_fpr,
        threshold=threshold,
    )


def comparison(
    judged: JudgedRows,
    known: RowAttributes,
    other: Predictions,
    decisions: tuple[Decisions, Decisions] | None,
    settings: ReportSettings,
) -> ComparisonJson:
    """Return both models at each target, on the images that both predict.

    Args:
        judged: the rows of the first model.
        known: their attributes.
        other: predictions of the second model.
        decisions: of the first and of the second model, if both came with some.
        settings: how to compute.
    """
    table = judged.table
    both = pair_up(table, other)
    faces, negatives = both[both["y_true"]], both[~both["y_true"]]
    columns = ["y_score_first", "y_score_second"]
    scores = PairedScores(
        faces=faces[columns].to_numpy(dtype=np.float64).T,
        negatives=negatives[columns].to_numpy(dtype=np.float64).T,
        face_clusters=cluster_codes(faces["cluster"]),
        negative_clusters=cluster_codes(negatives["cluster"]),
    )
    features = known.faces.table.loc[faces["image_id"].to_numpy()]
    everybody = group_rows(sensitive_features=features, columns=[])
    used = list(dict.fromkeys(item.grouping.columns for item in judged.of_everybody))
    groupings = [group_rows(sensitive_features=features, columns=list(names)) for names in used]
    points: list[ComparisonPointJson] = []
    for target_fpr in settings.target_fpr:
        try:
            found = compare_at_fpr(
                scores=scores,
                groupings=[everybody, *groupings],
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
    moved = None
    if decisions is not None:
        answers = np.stack(
            [
                pd.Series(each.answers, index=rows.table["image_id"]).loc[both["image_id"]]
                for each, rows in zip(decisions, (table, other), strict=True)
            ]
        ).astype(np.bool_)
        is_face = both["y_true"].to_numpy(dtype=np.bool_)
        moved = moved_threshold(
            face_answers=answers[:, is_face],
            negative_answers=answers[:, ~is_face],
            face_scores=scores.faces[0],
            negative_scores=scores.negatives[0],
        )
    return {
        "num_faces": len(faces),
        "num_negatives": len(negatives),
        "num_only_here": len(table.table) - len(both),
        "num_only_other": len(other.table) - len(both),
        "moved_threshold": moved_threshold_json(moved),
        "points": points,
    }


def threshold_sweep(
    judged: JudgedRows, points: Sequence[OperatingPointJson], settings: ReportSettings
) -> SweepJson | None:
    """Return how rates move with the threshold, by way of those of the operating points.

    None without scores, with those of several models, and where rows have weights.
    """
    if not judged.table.has_scores or judged.several_models or judged.sample_weight is not None:
        return None
    faces, negatives = judged.y_true, ~judged.y_true
    found = sweep(
        face_scores=judged.scores[faces],
        negative_scores=judged.scores[negatives],
        groupings=[judged.part_of(item, faces) for item in judged.of_everybody],
        negative_groupings=None
        if judged.negatives == "pool"
        else [judged.part_of(item, negatives) for item in judged.of_everybody],
        generator=numpy_generator(settings.seed, "sweep"),
        operating_points=[point["threshold"] for point in points if point["threshold"] is not None],
        face_clusters=judged.clusters[faces],
        num_thresholds=settings.num_sweep,
        min_group_size=settings.min_group_size,
        confidence=settings.confidence,
        min_false_positives=settings.min_false_positives,
    )
    return None if found is None else sweep_json(found)


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
                threshold = float(_thresholds(judged, target_fpr, settings)[0])
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


def over_seeds(judged: JudgedRows, settings: ReportSettings) -> SeedsJson | None:
    """Return recall, worst recall and gap of each trained model, each at its own threshold.

    None with fewer than two models, without scores, or where negatives are too few for the first
    target.
    """
    table, target_fpr = judged.table, settings.target_fpr[0]
    if len(table.seeds) < 2 or not table.has_scores:
        return None
    of_first = (table.table["seed"] == table.seeds[0]).to_numpy(dtype=np.bool_)
    try:
        found = seed_figures(
            scores=stack_seeds(table.table, seeds=table.seeds),
            groupings=[
                judged.part_of(item, of_first & judged.y_true) for item in judged.of_everybody
            ],
            target_fpr=target_fpr,
            generator=numpy_generator(settings.seed, "seeds"),
            num_replicates=settings.num_replicates,
            min_group_size=settings.min_group_size,
            confidence=settings.confidence,
            min_false_positives=settings.min_false_positives,
        )
    except TooFewNegativesError:
        return None
    return {
        "seeds": list(table.seeds),
        "target_fpr": target_fpr,
        "figures": [seed_figure_json(figure) for figure in found],
    }
