"""The way on to Fairlearn: the same rows as a ``MetricFrame``, with the measures of a report."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from debias.errors import MissingExtraError
from debias.metrics.counts import attribute_values, group_rows
from debias.metrics.group_rates import ranked_groups
from debias.metrics.measures import Measure, Negatives, group_measures
from debias.metrics.ranking import overall_auc
from debias.metrics.scorers import Features, feature_table
from debias.metrics.tally import as_binary, as_rows, tally_rows

if TYPE_CHECKING:
    from fairlearn.metrics import MetricFrame

Metric: TypeAlias = Callable[[ArrayLike, ArrayLike], float]
MEASURES = ("recall", "fpr", "precision", "accuracy", "balanced_accuracy", "selection_rate")


def to_metricframe(
    *,
    y_true: ArrayLike,
    y_score: ArrayLike,
    sensitive_features: Features,
    threshold: float | None = None,
    control_features: Features | None = None,
    negatives: Negatives = "pool",
    min_group_size: int | None = None,
) -> MetricFrame:
    """Return a Fairlearn ``MetricFrame`` whose metrics are the measures of a report.

    They are ``count`` (positives in a pool, else rows), ``recall``, ``fpr``, ``precision``,
    ``accuracy``, ``balanced_accuracy``, ``selection_rate`` and, of scores, ``auc``. What is not
    estimable or not applicable is NaN.

    Fairlearn knows no negatives that belong to no group. With a "pool" the frame therefore holds
    the rows of positives alone: ``recall`` is theirs; ``balanced_accuracy`` and ``auc`` are those
    of a group's positives against all negatives that were given; and all others are NaN, also in
    ``.overall``, where they would mean positives only.

    Fairlearn compares every group, unknown and small ones too: ``.difference()`` is the gap of a
    report only with a ``min_group_size``.

    Args:
        y_true: 1 for a positive and 0 for a negative, shape (row,).
        y_score: larger is more like a positive; without a threshold decisions, 0 or 1. Shape
            (row,).
        sensitive_features: of each row, missing = unknown; several make intersections. With a
            pool, those of negatives are not looked at.
        threshold: a row with ``y_score >= threshold`` is answered 1.
        control_features: as Fairlearn's: figures are compared within each of their values.
        negatives: whether negatives are one pool that all groups share, or belong to groups.
        min_group_size: leave out groups that have an unknown value or fewer positives, from
            ``.overall`` too; None keeps all.

    Raises:
        MissingExtraError: Fairlearn is not installed.
        ValueError: shapes differ, labels or decisions are not 0 or 1, or no row is left.

    References:
        https://fairlearn.org/main/user_guide/assessment/perform_fairness_assessment.html
    """
    labels = as_binary(y_true, name="y_true")
    scores = as_rows(y_score, name="y_score", num_rows=labels.size)
    answers = as_binary(scores, name="y_score") if threshold is None else scores >= threshold
    features = _words(sensitive_features, kind="sensitive", num_rows=labels.size)
    controls = None
    if control_features is not None:
        controls = _words(control_features, kind="control", num_rows=labels.size)
    keep = labels.copy() if negatives == "pool" else np.ones_like(labels)
    if min_group_size is not None:
        keep &= _in_ranked_group(labels, features, min_group_size=min_group_size)
    if not keep.any():
        raise ValueError("no row is left to compare")
    frame: MetricFrame = _fairlearn()(
        metrics=_metrics(labels, answers, None if threshold is None else scores, negatives),
        y_true=np.flatnonzero(keep),
        y_pred=np.flatnonzero(keep),
        sensitive_features=features[keep],
        control_features=None if controls is None else controls[keep],
    )
    return frame


def _metrics(
    labels: NDArray[np.bool_],
    answers: NDArray[np.bool_],
    scores: NDArray[Any] | None,
    negatives: Negatives,
) -> dict[str, Metric]:
    """Return the measures as functions of the positions of a group's rows, given twice.

    Positions stand in for labels and decisions, so that a measure can see the pool as well.

    Args:
        labels: whether each row is a positive, shape (row,), as are the others.
        answers: the decisions.
        scores: None where there are only decisions.
        negatives: see :func:`to_metricframe`.
    """
    everybody = tally_rows(y_true=labels, y_pred=answers) if negatives == "pool" else None
    shared = np.flatnonzero(~labels) if negatives == "pool" else np.zeros(0, dtype=np.intp)

    def measure(name: str) -> Metric:
        def of_rows(rows: ArrayLike, _: ArrayLike) -> float:
            own = np.asarray(rows)
            tally = tally_rows(y_true=labels[own], y_pred=answers[own])
            return _number(getattr(group_measures(tally=tally, pool=everybody)[0], name))

        return of_rows

    def auc(rows: ArrayLike, _: ArrayLike) -> float:
        assert scores is not None
        own = np.concatenate([np.asarray(rows), shared])
        return _number(overall_auc(y_true=labels[own], y_score=scores[own]))

    metrics: dict[str, Metric] = {
        "count": lambda rows, _: float(np.size(rows)),
        **{name: measure(name) for name in MEASURES},
    }
    return metrics if scores is None else {**metrics, "auc": auc}


def _number(measure: Measure) -> float:
    return float("nan") if measure.value is None else measure.value


def _words(
    features: Features, *, kind: Literal["sensitive", "control"], num_rows: int
) -> pd.DataFrame:
    """Return features as text, ``"unknown"`` where they are missing; one without a name gets one.

    Raises:
        ValueError: there are more or fewer rows.
    """
    table = feature_table(features)
    if len(table) != num_rows:
        raise ValueError(f"{len(table)} rows of {kind} features for {num_rows} labels")
    return pd.DataFrame(
        {
            f"{kind}_feature_{name}" if name.isdigit() else name: attribute_values(table[name])
            for name in table.columns
        }
    )


def _in_ranked_group(
    labels: NDArray[np.bool_], features: pd.DataFrame, *, min_group_size: int
) -> NDArray[np.bool_]:
    """Return whether each row belongs to a group of known values and enough positives."""
    columns = list(features.columns)
    of_positives = group_rows(sensitive_features=features[labels], columns=columns)
    ranked = ranked_groups(grouping=of_positives, min_group_size=min_group_size)
    chosen = {of_positives.groups[position] for position in ranked}
    rows = features.itertuples(index=False, name=None)
    return np.fromiter((row in chosen for row in rows), dtype=np.bool_, count=len(features))


def _fairlearn() -> Any:
    try:
        from fairlearn.metrics import MetricFrame
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "a MetricFrame needs fairlearn, which is not installed",
            hint="Install it with: pip install 'debias-faces[fairlearn]'",
        ) from error
    return MetricFrame
