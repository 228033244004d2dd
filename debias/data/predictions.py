"""A table of predictions, by whatever model: read, checked, and cut to the rows in question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.manifest import Condition, choose_rows
from debias.data.tables import as_text, read_table, require_columns
from debias.errors import DataError
from debias.rundir import read_json

WINDOW_MARK = r"#w\d+$"
"""What the id of a window adds to that of the picture it was cut from."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """What a model answered, one row an image.

    Attributes:
        table: ``image_id`` (text, unique), ``y_true`` (bool), ``y_score`` (float64) and
            ``y_pred`` (bool) as far as the file has them, ``cluster`` (text: the person of a
            face, the picture of a non-face; rows that share one are not independent).
        rows: which rows of the file these are, in words.
        num_rows: rows in the file.
        num_unlabelled: rows in question that were left out because they have no label.
        has_identities: whether any face has an ``identity_id``.
    """

    table: pd.DataFrame
    rows: str
    num_rows: int
    num_unlabelled: int
    has_identities: bool

    @property
    def has_scores(self) -> bool:
        """Whether there are scores, and not decisions alone."""
        return "y_score" in self.table

    @property
    def faces(self) -> pd.DataFrame:
        """The rows of faces."""
        return self.table[self.table["y_true"]]

    @property
    def negatives(self) -> pd.DataFrame:
        """The rows of non-faces."""
        return self.table[~self.table["y_true"]]


def read_predictions(path: Path, *, where: Sequence[Condition] = ()) -> Predictions:
    """Return the checked predictions of a file.

    The columns ``image_id`` and ``y_true`` must be there, and ``y_score`` or ``y_pred`` or both.
    Without a condition on ``split``, the rows of the test split are taken if the file has any.

    Args:
        path: CSV or Parquet.
        where: conditions that every row must meet.

    Raises:
        DataError: a column is missing; no row is left; an id is empty or comes twice; a label or
            a decision is not 0 or 1; a score is not a finite number; no row has a label.
    """
    whole = read_table(path)
    require_columns(whole.columns, ["image_id", "y_true"], where=path)
    if not {"y_score", "y_pred"} & set(whole.columns):
        require_columns(whole.columns, ["y_score"], where=path)
    table, rows = _chosen_rows(whole, where, path)
    table = table.assign(image_id=_checked_ids(table["image_id"], path))
    y_true = _zero_or_one(table["y_true"], path, missing_allowed=True)
    num_unlabelled = int(y_true.isna().sum())
    table, y_true = table[y_true.notna()], y_true.dropna()
    if table.empty:
        raise DataError("no row has a label in 'y_true'", where=path, hint="A face is 1, else 0")
    clean = pd.DataFrame({"image_id": table["image_id"], "y_true": y_true.astype(bool)})
    if "y_score" in table:
        clean["y_score"] = _finite(table["y_score"], path)
    if "y_pred" in table:
        clean["y_pred"] = _zero_or_one(table["y_pred"], path, missing_allowed=False).astype(bool)
    identity = _optional_text(table, "identity_id")
    clean["cluster"] = _clusters(clean, identity, _optional_text(table, "picture"))
    return Predictions(
        table=clean.reset_index(drop=True),
        rows=rows,
        num_rows=len(whole),
        num_unlabelled=num_unlabelled,
        has_identities=bool(identity[clean["y_true"]].notna().any()),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decisions:
    """What was answered at the threshold that came with the predictions.

    Attributes:
        answers: whether "face" was answered, in the order of the predictions' table.
        threshold: where the threshold was; None if only the decisions are known.
        target_fpr: the false-positive rate it was set for; None if not known.
    """

    answers: NDArray[np.bool_]
    threshold: float | None
    target_fpr: float | None


def read_decisions(predictions: Predictions, *, path: Path) -> Decisions | None:
    """Return the decisions that came with the predictions, or None if none did.

    Args:
        predictions: the rows.
        path: a JSON object with ``threshold`` and perhaps ``target_fpr``, if there is such a
            file; without one, ``y_pred`` stands for itself.

    Raises:
        DataError: the file is no such object, or ``y_pred`` contradicts its threshold.
    """
    table = predictions.table
    decided = table["y_pred"].to_numpy(dtype=np.bool_) if "y_pred" in table else None
    if not path.is_file():
        if decided is None:
            return None
        return Decisions(answers=decided, threshold=None, target_fpr=None)
    point = read_json(path)
    point = point if isinstance(point, dict) else {}
    threshold, target_fpr = point.get("threshold"), point.get("target_fpr")
    if not _is_number(threshold) or not (target_fpr is None or _is_number(target_fpr)):
        raise DataError(
            "is not an operating point", where=path, hint='It needs a number as "threshold"'
        )
    if not predictions.has_scores:
        answers = decided
    else:
        answers = table["y_score"].to_numpy(dtype=np.float64) >= threshold
        num_contrary = 0 if decided is None else int(np.count_nonzero(decided != answers))
        if num_contrary:
            raise DataError(
                f"its threshold {threshold:g} contradicts y_pred in {_num(num_contrary, 'row')}",
                where=path,
                hint="Take the file of the same run, or remove it to judge y_pred as it is",
            )
    assert answers is not None  # there are scores or decisions
    return Decisions(answers=answers, threshold=threshold, target_fpr=target_fpr)


def pair_up(first: Predictions, second: Predictions, *, where: object) -> pd.DataFrame:
    """Return the images that both predict, with ``y_score_first`` and ``y_score_second``.

    Args:
        first: whose order, labels and clusters are kept.
        second: predictions of the same images.
        where: the second's file, for messages.

    Raises:
        DataError: one has no scores, they share no image, or labels contradict each other.
    """
    if not (first.has_scores and second.has_scores):
        raise DataError("comparing needs the column 'y_score' in both files", where=where)
    both = first.table.merge(
        second.table[["image_id", "y_true", "y_score"]],
        on="image_id",
        suffixes=("_first", "_second"),
        validate="one_to_one",
    )
    if both.empty:
        ids = first.table["image_id"].iloc[0], second.table["image_id"].iloc[0]
        raise DataError(
            f"shares no image_id with the predictions ({ids[1]!r} here, {ids[0]!r} there)",
            where=where,
        )
    contrary = both.loc[both["y_true_first"] != both["y_true_second"], "image_id"]
    if len(contrary):
        raise DataError(
            f"y_true differs for {_num(len(contrary), 'image')}: {', '.join(contrary[:3])}",
            where=where,
        )
    return both.rename(columns={"y_true_first": "y_true"}).drop(columns="y_true_second")


def cluster_codes(clusters: pd.Series[Any]) -> NDArray[np.intp]:
    """Return each row's cluster as an integer from 0, without gaps."""
    codes, _ = pd.factorize(clusters)
    return codes


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _chosen_rows(
    table: pd.DataFrame, where: Sequence[Condition], path: Path
) -> tuple[pd.DataFrame, str]:
    """Return the rows that meet the conditions, and the conditions in words."""
    words = [str(condition) for condition in where]
    table = choose_rows(table, where, path=path)
    names_split = any(condition.column == "split" for condition in where)
    if not names_split and "split" in table:
        test = as_text(table["split"]).fillna("") == "test"
        if test.any():
            table = table[test]
            words.append("split=test")
    if table.empty:
        raise DataError(f"no row is left by {' and '.join(words)}", where=path)
    return table, " and ".join(words) or "all"


def _checked_ids(column: pd.Series[Any], path: Path) -> pd.Series[Any]:
    ids = as_text(column)
    _refuse(ids.fillna("").str.strip() == "", "image_id is missing", ids, path)
    _refuse(ids.duplicated(keep=False), "image_id is repeated", ids, path, "Give one row an image")
    return ids


def _zero_or_one(column: pd.Series[Any], path: Path, *, missing_allowed: bool) -> pd.Series[Any]:
    """Return a column of 0, 1 and, where allowed, NA, from numbers, truth values or their text."""
    words = as_text(column).replace({"": np.nan})
    meaning = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
    values = words.str.lower().map(meaning)
    bad = values.isna() & words.notna() if missing_allowed else values.isna()
    _refuse(bad, f"{column.name} is not 0 or 1", words, path)
    return values


def _finite(column: pd.Series[Any], path: Path) -> pd.Series[Any]:
    values = pd.to_numeric(column, errors="coerce").astype("float64")
    bad = pd.Series(~np.isfinite(values.to_numpy(dtype=np.float64)), index=values.index)
    _refuse(bad, f"{column.name} is not a finite number", column, path)
    return values


def _optional_text(table: pd.DataFrame, name: str) -> pd.Series[Any]:
    """Return a column as text, missing throughout where the file lacks it."""
    if name not in table:
        return pd.Series(np.nan, index=table.index, dtype="object")
    return as_text(table[name]).replace({"": np.nan})


def _clusters(
    table: pd.DataFrame, identity: pd.Series[Any], picture: pd.Series[Any]
) -> pd.Series[Any]:
    """Return what each row shares with others: a face its person, a non-face its picture."""
    source = table["image_id"].str.replace(WINDOW_MARK, "", regex=True)
    picture = ("picture " + picture).fillna("id " + source)
    person = ("person " + identity).fillna(picture)
    return person.where(table["y_true"], picture)


def _refuse(
    bad: pd.Series[Any], what: str, values: pd.Series[Any], path: Path, hint: str | None = None
) -> None:
    """Raise a DataError if any row is bad, showing the first three; rows count from 1."""
    if not bad.any():
        return
    flagged = bad[bad].index
    shown = ", ".join(f"row {row + 1} ({values[row]!r})" for row in flagged[:3])
    more = ", ..." if len(flagged) > 3 else ""
    raise DataError(f"{what} in {_num(len(flagged), 'row')}: {shown}{more}", where=path, hint=hint)


def _num(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
