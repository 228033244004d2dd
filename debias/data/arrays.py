"""Predictions and attributes that are in memory already, checked as those of a file are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from debias.data.attributes import NOTHING_STATED, PROVENANCES
from debias.data.joining import RowAttributes
from debias.data.prediction_checks import check_predictions, num
from debias.data.predictions import Predictions
from debias.data.tables import TEXT, as_text
from debias.errors import DataError, UsageError, nearest

Features = pd.DataFrame | pd.Series | Mapping[str, ArrayLike] | ArrayLike
"""Sensitive features as Fairlearn takes them: one column or several, a row a prediction."""

UNNAMED = "sensitive_feature_0"
"""What Fairlearn calls a sensitive feature that has no name."""


def predictions_from_arrays(
    *,
    y_true: ArrayLike,
    y_score: ArrayLike | None = None,
    y_pred: ArrayLike | None = None,
    image_id: ArrayLike | None = None,
    identity_id: ArrayLike | None = None,
    picture: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    seed: ArrayLike | None = None,
) -> Predictions:
    """Return the checked predictions of arrays, which belong together row by row.

    All are of shape (row,): NumPy arrays, lists, pandas Series (whose index is ignored), or
    whatever NumPy takes for an array. They mean what the columns of
    :func:`debias.data.predictions.read_predictions` do; rows without a label are left out.

    Args:
        y_true: 1 for a face, else 0; missing = unlabelled.
        y_score: any finite numbers, the higher the more like a face.
        y_pred: 1 where "face" was answered, else 0.
        image_id: unique within a seed; by default the place of the row, from 0.
        identity_id: the person of a face, where known.
        picture: what a window was cut from, where known.
        sample_weight: at least 0, not all 0.
        seed: which of several trained models; each must judge the same images.

    Raises:
        UsageError: there is neither ``y_score`` nor ``y_pred``, or ``seed`` without ``image_id``.
        DataError: an argument is not of one dimension or not as long as ``y_true``, or is refused
            as :func:`debias.data.predictions.read_predictions` would refuse it in a file.
    """
    if y_score is None and y_pred is None:
        raise UsageError("neither y_score nor y_pred is given", hint="Give one or both")
    if seed is not None and image_id is None:
        raise UsageError(
            "seed is given without image_id", hint="It tells which rows are of the same image"
        )
    truth = _column("y_true", y_true)
    if truth.empty:
        raise DataError("y_true holds no rows")
    given = {
        "y_score": y_score,
        "y_pred": y_pred,
        "image_id": image_id,
        "identity_id": identity_id,
        "picture": picture,
        "sample_weight": sample_weight,
        "seed": seed,
    }
    columns = {"y_true": truth} | {
        name: _column(name, values, num_rows=len(truth))
        for name, values in given.items()
        if values is not None
    }
    table = pd.DataFrame(columns)
    if image_id is None:
        table["image_id"] = pd.Series(table.index.astype(str), dtype=TEXT)
    clean = check_predictions(table, path=None, names={})
    return Predictions(
        table=clean.reset_index(drop=True),
        positions=clean.index.to_numpy(dtype=np.intp),
        path=None,
        rows="all",
        num_rows=len(table),
        num_unlabelled=len(table) - len(clean),
        seen_splits=(),
    )


def attributes_from_features(
    predictions: Predictions,
    sensitive_features: Features,
    *,
    columns: Sequence[str] | None = None,
    provenance: Mapping[str, str] = NOTHING_STATED,
) -> RowAttributes:
    """Return the attributes that were given together with the predictions, row by row.

    Unlike attributes from a file these are matched by position, since they belong to the same
    call; their index is ignored.

    Args:
        predictions: what :func:`predictions_from_arrays` made of the same call.
        sensitive_features: a row a row of the arrays, unlabelled ones included: a DataFrame, a
            mapping of arrays, or an array or Series of one attribute, which is called by the
            Series' name or :data:`UNNAMED`. Missing values and blank text are unknown.
        columns: which of them, in this order; by default all.
        provenance: where labels come from; see :func:`debias.data.attributes.read_attributes`.

    Raises:
        UsageError: a column is not there or named twice, or provenance is unknown or of what is
            no attribute.
        DataError: there are more or fewer rows than predictions were given.
    """
    features = _features(sensitive_features, predictions.num_rows)
    names = list(features.columns) if columns is None else list(columns)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(f"the attribute {twice[0]!r} is named twice")
    for name in names:
        if name not in features:
            hint = nearest(name, features.columns)
            raise UsageError(f"no attribute {name!r}", where="sensitive_features", hint=hint)
    for name, source in provenance.items():
        if name not in names:
            raise UsageError(f"provenance of {name!r}, no attribute", hint=nearest(name, names))
        if source not in PROVENANCES:
            raise UsageError(
                f"unknown provenance {source!r} of {name!r}", hint=nearest(source, PROVENANCES)
            )
    table = pd.DataFrame({name: as_text(features[name]).str.strip() for name in names})
    table = table.iloc[predictions.positions]
    table.index = pd.Index(predictions.table["image_id"], name="image_id")
    return RowAttributes(
        table=table,
        is_face=predictions.table["y_true"].to_numpy(dtype=np.bool_),
        matched=np.ones(len(table), dtype=np.bool_),
        provenance={name: provenance.get(name, "unknown") for name in names},
        num_attributes_unmatched=0,
    )


def _features(given: Features, num_rows: int) -> pd.DataFrame:
    """Return features as a table with a fresh index, its columns called by text."""
    columns: Mapping[str, ArrayLike | pd.Series]
    if isinstance(given, pd.DataFrame):
        columns = {str(name): column for name, column in given.items()}
    elif isinstance(given, Mapping):
        columns = given
    elif isinstance(given, pd.Series) and given.name is not None:
        columns = {str(given.name): given}
    else:
        columns = {UNNAMED: given}
    return pd.DataFrame(
        {
            name: _column(f"sensitive_features[{name!r}]", column, num_rows=num_rows)
            for name, column in columns.items()
        }
    )


def _column(name: str, values: ArrayLike | pd.Series, *, num_rows: int | None = None) -> pd.Series:
    """Return an argument as a column with a fresh index.

    Raises:
        DataError: it is not of one dimension, or not of as many rows as told.
    """
    if isinstance(values, pd.Series):
        column = values.reset_index(drop=True).rename(name)
    else:
        try:
            array = np.asarray(values)
        except ValueError as problem:
            raise DataError(f"{name} is no array: {problem}") from None
        if array.ndim != 1:
            raise DataError(
                f"{name} is of shape {array.shape}, not (row,)",
                hint="Give one value a row; .ravel() drops axes of length 1",
            )
        column = pd.Series(array, name=name)
    if num_rows is not None and len(column) != num_rows:
        raise DataError(f"{name} has {num(len(column), 'row')}, but y_true {num_rows:,}")
    return column
