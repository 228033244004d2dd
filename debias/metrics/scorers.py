"""How well the worst group is served, as scikit-learn's model selection wants it.

The functions are plain ones of arrays. :func:`sklearn.metrics.make_scorer` turns them into
scorers, and metadata routing hands the sensitive features through cross-validation::

    sklearn.set_config(enable_metadata_routing=True)
    scorer = make_scorer(
        worst_group_recall_score,
        response_method=("decision_function", "predict_proba"),
        target_fpr=0.05,
    ).set_score_request(sensitive_features=True)
    cross_val_score(model, X, y, scoring=scorer, params={"sensitive_features": groups})

A choice among models by a figure that was computed on the same rows flatters the one that is
chosen: judge it on rows that took no part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from debias.errors import UsageError
from debias.metrics.counts import group_rows
from debias.metrics.group_rates import ranked_groups
from debias.metrics.intervals import FloatArray
from debias.metrics.operating_point import operating_point
from debias.metrics.tally import as_binary, as_rows, tally_rows

Features: TypeAlias = pd.DataFrame | pd.Series | Mapping[str, Any] | Sequence[Any] | ArrayLike
"""One attribute of each row or several: a table, columns by name, or shape (row[, attribute])."""


def worst_group_recall_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Features,
    target_fpr: float | None = None,
    threshold: float | None = None,
    min_group_size: int = 30,
    min_false_positives: int = 10,
) -> float:
    """Return the smallest recall of the groups; larger is better.

    Without ``target_fpr`` and ``threshold``, ``y_score`` must be decisions, 0 or 1.

    Args:
        y_true: 1 for a face and 0 for a non-face, shape (row,).
        y_score: larger is more like a face, or the decisions, shape (row,).
        sensitive_features: of each row, missing = unknown; several make intersections. Those of
            negatives are not looked at: there is one threshold for everybody.
        target_fpr: of all negatives, in (0, 1); it sets the threshold on these very rows, so that
            models compare by what they find at the same price.
        threshold: a row with ``y_score >= threshold`` is answered 1.
        min_group_size: groups with fewer positives do not count, nor do unknown ones. The
            smallest of many noisy rates is low by chance alone; 1 lets every group in.
        min_false_positives: a target that expects fewer in these rows is refused.

    Returns:
        A share in [0, 1]; NaN where no group is large enough.

    Raises:
        UsageError: both a target and a threshold are given.
        TooFewNegativesError: the negatives cannot resolve the target.
        ValueError: shapes differ, or labels or decisions are not 0 or 1.
    """
    recalls = _ranked_recalls(
        y_true,
        y_score,
        sensitive_features=sensitive_features,
        target_fpr=target_fpr,
        threshold=threshold,
        min_group_size=min_group_size,
        min_false_positives=min_false_positives,
    )
    return float(recalls.min()) if recalls.size else float("nan")


def recall_gap_score(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Features,
    target_fpr: float | None = None,
    threshold: float | None = None,
    min_group_size: int = 30,
    min_false_positives: int = 10,
) -> float:
    """Return the largest recall of the groups minus the smallest, a loss: smaller is better.

    Make a scorer of it with ``greater_is_better=False``. A model that finds nobody has a gap of
    0: look at the recall as well. Arguments and errors are those of
    :func:`worst_group_recall_score`.

    Returns:
        A difference in [0, 1]; NaN where fewer than two groups are large enough.
    """
    recalls = _ranked_recalls(
        y_true,
        y_score,
        sensitive_features=sensitive_features,
        target_fpr=target_fpr,
        threshold=threshold,
        min_group_size=min_group_size,
        min_false_positives=min_false_positives,
    )
    return float(np.ptp(recalls)) if recalls.size > 1 else float("nan")


def feature_table(sensitive_features: Features) -> pd.DataFrame:
    """Return sensitive features as a table, one column an attribute, its names as text.

    Args:
        sensitive_features: a table or series; columns by name; or values of shape (row,) or
            (row, attribute), as an array, a list or a tensor on the CPU.
    """
    if isinstance(sensitive_features, Mapping):
        # An array of objects keeps a missing value apart from the text "nan" or "None".
        columns = {name: _values(column) for name, column in sensitive_features.items()}
        table = pd.DataFrame(columns)
    elif isinstance(sensitive_features, pd.DataFrame | pd.Series):
        table = pd.DataFrame(sensitive_features)
    else:
        table = pd.DataFrame(_values(sensitive_features))
    return table.set_axis([str(name) for name in table.columns], axis="columns")


def _values(values: Any) -> Any:
    """Return what pandas reads: arrays and tensors as arrays, all else as a list."""
    is_sequence = isinstance(values, Sequence) and not isinstance(values, str)
    return list(values) if is_sequence else np.asarray(values)


def _ranked_recalls(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Features,
    target_fpr: float | None,
    threshold: float | None,
    min_group_size: int,
    min_false_positives: int,
) -> FloatArray:
    """Return the recall of each group that counts, shape (group,)."""
    faces = as_binary(y_true, name="y_true")
    scores = as_rows(y_score, name="y_score", num_rows=faces.size)
    if target_fpr is not None and threshold is not None:
        raise UsageError("a target_fpr and a threshold are given", hint="Give one of the two")
    if target_fpr is not None:
        threshold = operating_point(
            y_score_negatives=scores[~faces],
            y_score_faces=scores[faces],
            target_fpr=target_fpr,
            min_false_positives=min_false_positives,
        ).threshold
    answers = as_binary(scores, name="y_score") if threshold is None else scores >= threshold
    table = feature_table(sensitive_features)
    if len(table) != faces.size:
        raise ValueError(f"{len(table)} rows of sensitive features for {faces.size} labels")
    grouping = group_rows(sensitive_features=table[faces], columns=list(table.columns))
    ranked = ranked_groups(grouping=grouping, min_group_size=min_group_size)
    tally = tally_rows(
        y_true=faces[faces],
        y_pred=answers[faces],
        codes=grouping.codes,
        num_groups=len(grouping.groups),
    )
    return tally.recall.values[ranked]
