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
from debias.data.tables import TEXT, as_labels, as_text, read_table, require_columns
from debias.errors import DataError
from debias.rundir import read_json

WINDOW_MARK = r"#w\d+$"
"""What the id of a window adds to that of the picture it was cut from."""

SPLITS_OF_THE_MODEL = frozenset({"train", "val"})
"""The splits that make a model: what it learns from, and what chooses it and its threshold."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """What a model answered, one row an image.

    Attributes:
        table: ``image_id`` (text, unique), ``y_true`` (bool), ``y_score`` (float64) and
            ``y_pred`` (bool) as far as the file has them, ``cluster`` (text: the person of a
            face, the picture of a non-face; rows that share one are not independent).
        path: the file.
        rows: which rows of the file these are, in words that give no person's name.
        num_rows: rows in the file.
        num_unlabelled: rows in question that were left out because they have no label.
        num_identified: faces with an ``identity_id``.
        num_persons: how many identities they have.
        seen_splits: where the file has splits, none was asked for, and all rows turned out to be
            of training or validation: which of the two, in alphabetical order. Else empty.
    """

    table: pd.DataFrame
    path: Path
    rows: str
    num_rows: int
    num_unlabelled: int
    num_identified: int
    num_persons: int
    seen_splits: tuple[str, ...]

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
    persons = identity[clean["y_true"]].dropna()
    return Predictions(
        table=clean.reset_index(drop=True),
        path=path,
        rows=rows,
        num_rows=len(whole),
        num_unlabelled=num_unlabelled,
        num_identified=len(persons),
        num_persons=persons.nunique(),
        seen_splits=() if _name_split(where) else _seen_splits(_optional_text(table, "split")),
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
    threshold, target_fpr = _number(point.get("threshold")), _number(point.get("target_fpr"))
    if threshold is None or (target_fpr is None and point.get("target_fpr") is not None):
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


def pair_up(first: Predictions, second: Predictions) -> pd.DataFrame:
    """Return the images that both predict, with ``y_score_first`` and ``y_score_second``.

    Args:
        first: whose order, labels and clusters are kept.
        second: predictions of the same images.

    Raises:
        DataError: one has no scores, they share no image, or labels contradict each other.
    """
    for each in (first, second):
        if not each.has_scores:
            raise DataError("comparing needs the column 'y_score' in both files", where=each.path)
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
            where=second.path,
        )
    contrary = both.loc[both["y_true_first"] != both["y_true_second"], "image_id"]
    if len(contrary):
        raise DataError(
            f"y_true differs for {_num(len(contrary), 'image')}: {', '.join(contrary[:3])}",
            where=second.path,
        )
    return both.rename(columns={"y_true_first": "y_true"}).drop(columns="y_true_second")


def cluster_codes(clusters: pd.Series[Any]) -> NDArray[np.intp]:
    """Return each row's cluster as an integer from 0, without gaps."""
    codes, _ = pd.factorize(clusters)
    return codes


def _number(value: object) -> float | None:
    """Return a number of a JSON file as a finite float, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of more than 308 digits
        return None
    return number if math.isfinite(number) else None


def _chosen_rows(
    table: pd.DataFrame, where: Sequence[Condition], path: Path
) -> tuple[pd.DataFrame, str]:
    """Return the rows that meet the conditions, and the conditions in words."""
    words = [condition.without_names() for condition in where]
    table = choose_rows(table, where, path=path)
    if table.empty:
        raise DataError(f"no row is left by {' and '.join(map(str, where))}", where=path)
    is_test = _optional_text(table, "split").fillna("") == "test"
    if is_test.any() and not _name_split(where):
        table = table[is_test]
        words.append("split=test")
    return table, " and ".join(words) or "all"


def _name_split(where: Sequence[Condition]) -> bool:
    return any(condition.column == "split" for condition in where)


def _seen_splits(split: pd.Series[Any]) -> tuple[str, ...]:
    """Return the splits of the rows if all are of those that make a model."""
    found = set(split.fillna(""))
    return tuple(sorted(found)) if found <= SPLITS_OF_THE_MODEL else ()


def _checked_ids(column: pd.Series[Any], path: Path) -> pd.Series[Any]:
    ids = as_text(column)
    _refuse(ids.isna(), "image_id is missing", ids, path)
    _refuse(ids.duplicated(keep=False), "image_id is repeated", ids, path, "Give one row an image")
    return ids


def _zero_or_one(column: pd.Series[Any], path: Path, *, missing_allowed: bool) -> pd.Series[Any]:
    """Return a column of 0, 1 and, where allowed, NA, from numbers, truth values or their text."""
    words = as_text(column)
    values = as_labels(words)
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
        return pd.Series(np.nan, index=table.index, dtype=TEXT)
    return as_text(table[name])


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
