"""What a report finds of two models, or of several."""

from __future__ import annotations

import numpy as np
import pandas as pd

from debias.data.joining import RowAttributes
from debias.data.predictions import Decisions, Predictions, cluster_codes, pair_up
from debias.errors import TooFewNegativesError
from debias.jobs.report_rows import JudgedRows
from debias.metrics.bootstrap import PairedScores
from debias.metrics.comparison import compare_at_fpr
from debias.metrics.counts import group_rows
from debias.metrics.moved_threshold import moved_threshold
from debias.metrics.seeds import seed_figures, stack_seeds
from debias.reporting.models_document import (
    comparison_json,
    moved_threshold_json,
    refused_comparison_json,
    seed_figure_json,
)
from debias.reporting.models_schema import ComparisonJson, ComparisonPointJson, SeedsJson
from debias.reporting.settings import ReportSettings
from debias.seeding import numpy_generator


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
            points.append(refused_comparison_json(target_fpr=target_fpr, reason=str(error)))
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
            face_clusters=scores.face_clusters,
            negative_clusters=scores.negative_clusters,
            confidence=settings.confidence,
        )
    return {
        "num_faces": len(faces),
        "num_negatives": len(negatives),
        "num_only_here": len(table.table) - len(both),
        "num_only_other": len(other.table) - len(both),
        "moved_threshold": moved_threshold_json(moved),
        "points": points,
    }


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
