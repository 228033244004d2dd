"""A table of predictions, by whatever model: read, checked, and cut to the rows in question."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.manifest import NO_RENAMING, Condition
from debias.data.prediction_checks import PERSON, check_predictions, num, optional_text
from debias.data.prediction_columns import (
    PREDICTION_COLUMNS,
    check_columns,
    lookalikes,
    require_prediction_columns,
)
from debias.data.prediction_rows import RowChoice, RowMask, of_test_split, row_choice, with_pooled
from debias.data.tables import as_text, read_table
from debias.errors import DataError, UsageError, nearest
from debias.rundir import read_json

SPLITS_OF_THE_MODEL = frozenset({"train", "val"})
"""The splits that make a model: what it learns from, and what chooses it and its threshold."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """What a model answered, one row an image; of several trained models, one for each of them.

    Attributes:
        table: ``image_id`` (text, unique within a seed), ``y_true`` (bool), ``y_score`` (float64)
            and ``y_pred`` (bool) as far as the file has them, ``cluster`` (text: the person of a
            face, the picture of a non-face; rows that share one are not independent), and where
            the file has them ``sample_weight`` (float64, at least 0, not all 0) and ``seed``
            (text: which of several trained models; each judges the same images).
        positions: for each row of the table its place among the rows of the file, from 0.
        path: the file; None for what was given as arrays.
        rows: which rows of the file these are, in words that give no person's name.
        num_rows: rows in the file.
        num_unlabelled: rows in question that were left out because they have no label.
        seen_splits: where the file has splits, none was asked for, and all rows turned out to be
            of training or validation: which of the two, in alphabetical order. Else empty.
        lookalikes: columns that were not used, each with the name it would be used by and that
            the file lacks: ``("identity", "identity_id")``.
    """

    table: pd.DataFrame
    positions: NDArray[np.intp]
    path: Path | None
    rows: str
    num_rows: int
    num_unlabelled: int
    seen_splits: tuple[str, ...]
    lookalikes: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def has_scores(self) -> bool:
        """Whether there are scores, and not decisions alone."""
        return "y_score" in self.table

    @property
    def has_weights(self) -> bool:
        """Whether rows have weights."""
        return "sample_weight" in self.table

    @property
    def seeds(self) -> tuple[str, ...]:
        """The trained models that these rows are of, numbers by size; empty if not stated."""
        return tuple(sorted(self.table["seed"].unique(), key=_by_size)) if self._has_seeds else ()

    @property
    def faces(self) -> pd.DataFrame:
        """The rows of faces."""
        return self.table[self.table["y_true"]]

    @property
    def negatives(self) -> pd.DataFrame:
        """The rows of non-faces."""
        return self.table[~self.table["y_true"]]

    @property
    def num_identified(self) -> int:
        """Rows of faces with an ``identity_id``."""
        return len(self._persons)

    @property
    def num_persons(self) -> int:
        """How many identities these have."""
        return self._persons.nunique()

    def of_seed(self, seed: str) -> Predictions:
        """Return the predictions of one of several trained models, without the column ``seed``.

        Args:
            seed: one of :attr:`seeds`.

        Raises:
            UsageError: there is no such seed.
        """
        if seed not in self.seeds:
            raise UsageError(f"no seed {seed!r}", where=self.path, hint=nearest(seed, self.seeds))
        chosen = (self.table["seed"] == seed).to_numpy(dtype=np.bool_)
        table = self.table[chosen].drop(columns="seed").reset_index(drop=True)
        return dataclasses.replace(self, table=table, positions=self.positions[chosen])

    @property
    def _has_seeds(self) -> bool:
        return "seed" in self.table

    @property
    def _persons(self) -> pd.Series[Any]:
        clusters = self.faces["cluster"]
        return clusters[clusters.str.startswith(PERSON)]


def read_predictions(
    path: Path,
    *,
    where: Sequence[Condition] = (),
    columns: Mapping[str, str] = NO_RENAMING,
    option: str = "--column",
) -> Predictions:
    """Return the checked predictions of a file.

    The columns ``image_id`` and ``y_true`` must be there, and ``y_score`` or ``y_pred`` or both.
    Scores may be any finite numbers. Without a condition on ``split``, the rows of the test split
    are taken if the file has any. Conditions on a column in which no non-face has a value leave
    non-faces be; see :mod:`debias.data.prediction_rows`. With a column ``seed`` the file holds the
    predictions of several trained models for the same images.

    Args:
        path: CSV or Parquet, or a folder of Parquet parts.
        where: conditions that every row must meet, on the columns as the file calls them.
        columns: for a column of predictions its name in the file, where that is another; see
            :func:`debias.data.prediction_columns.parse_columns`.
        option: what names columns of this file, for messages.

    Raises:
        UsageError: ``columns`` renames what is no column of predictions.
        DataError: a column is missing; no row is left; an id is empty or comes twice (in a seed);
            a label or a decision is not 0 or 1; a score is not a finite number; a weight is not
            finite or is negative, or all are 0; a seed is missing, or seeds judge different images
            or by different labels; no row has a label.
    """
    check_columns(columns)
    whole = read_table(path)
    names = {name: columns.get(name, name) for name in PREDICTION_COLUMNS}
    present = {name: old for name, old in names.items() if old in whole.columns}
    require_prediction_columns(list(whole.columns), columns, where=path, option=option)
    asked = any(condition.column == names["split"] for condition in where)
    choice, mask = _chosen_rows(whole, where, path, names=names)
    chosen = whole[mask.kept]
    table = pd.DataFrame({name: chosen[old] for name, old in present.items()})
    clean = check_predictions(table, path=path, names=names)
    split = optional_text(table, "split")[clean.index]
    return Predictions(
        table=clean.reset_index(drop=True),
        positions=clean.index.to_numpy(dtype=np.intp),
        path=path,
        rows=choice.words,
        num_rows=len(whole),
        num_unlabelled=len(table) - len(clean),
        seen_splits=() if asked else _seen_splits(split),
        lookalikes=lookalikes(set(whole.columns) - set(present.values()), names.keys() - present),
        remarks=choice.remarks(mask.num_empty),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decisions:
    """What was answered at the threshold that came with the predictions.

    Attributes:
        source: whether a threshold was given or stored with the predictions, or decisions
            stand for themselves.
        answers: whether "face" was answered, in the order of the predictions' table.
        threshold: where the threshold was; None if only the decisions are known.
        target_fpr: the false-positive rate it was set for; None if not known.
    """

    source: Literal["given", "stored", "decisions"]
    answers: NDArray[np.bool_]
    threshold: float | None
    target_fpr: float | None


def given_decisions(
    predictions: Predictions, *, threshold: float | None = None
) -> Decisions | None:
    """Return the decisions of a threshold, or those in ``y_pred``; None if there are neither.

    Args:
        predictions: the rows.
        threshold: a score of at least that is answered "face"; None takes ``y_pred``.

    Raises:
        UsageError: a threshold is given, but no scores; or it is not finite.
        DataError: ``y_pred`` contradicts the threshold.
    """
    if threshold is None:
        return _decided(predictions)
    check_threshold(threshold, has_scores=predictions.has_scores)
    return _at_threshold(
        predictions, threshold, source="given", target_fpr=None, path=predictions.path
    )


def check_threshold(threshold: float, *, has_scores: bool) -> None:
    """Refuse a threshold that cannot be used.

    Args:
        threshold: as it was given.
        has_scores: whether there are scores to compare with it.

    Raises:
        UsageError: there are no scores, or it is not finite.
    """
    if not has_scores:
        raise UsageError("a threshold is given, but no y_score", where="threshold")
    if not math.isfinite(threshold):
        raise UsageError(f"{threshold!r} is not a finite number", where="threshold")


def read_decisions(predictions: Predictions, *, path: Path) -> Decisions | None:
    """Return the decisions that came with the predictions, or None if none did.

    Args:
        predictions: the rows.
        path: a JSON object with ``threshold`` and perhaps ``target_fpr``, if there is such a
            file; without one, ``y_pred`` stands for itself.

    Raises:
        DataError: the file is no such object, or ``y_pred`` contradicts its threshold.
    """
    if not path.is_file():
        return _decided(predictions)
    threshold, target_fpr = read_threshold(path)
    return _at_threshold(predictions, threshold, source="stored", target_fpr=target_fpr, path=path)


def read_threshold(path: Path) -> tuple[float, float | None]:
    """Return a stored threshold and the false-positive rate it was set for, if that is known.

    Args:
        path: see :func:`read_decisions`.

    Raises:
        DataError: the file is no such object.
    """
    point = read_json(path)
    point = point if isinstance(point, dict) else {}
    threshold, target_fpr = _number(point.get("threshold")), _number(point.get("target_fpr"))
    if threshold is None or (target_fpr is None and point.get("target_fpr") is not None):
        raise DataError(
            "is not an operating point", where=path, hint='It needs a number as "threshold"'
        )
    return threshold, target_fpr


def _decided(predictions: Predictions) -> Decisions | None:
    """Return the decisions as they are, if there are any."""
    if "y_pred" not in predictions.table:
        return None
    answers = predictions.table["y_pred"].to_numpy(dtype=np.bool_)
    return Decisions(source="decisions", answers=answers, threshold=None, target_fpr=None)


def _at_threshold(
    predictions: Predictions,
    threshold: float,
    *,
    source: Literal["given", "stored"],
    target_fpr: float | None,
    path: Path | None,
) -> Decisions:
    """Return the decisions at a threshold, which those in ``y_pred`` must agree with."""
    decided = _decided(predictions)
    if not predictions.has_scores:
        assert decided is not None  # there are scores or decisions
        answers = decided.answers
    else:
        answers = predictions.table["y_score"].to_numpy(dtype=np.float64) >= threshold
        contrary = 0 if decided is None else int(np.count_nonzero(decided.answers != answers))
        if contrary:
            raise DataError(
                f"the threshold {threshold!r} contradicts y_pred in {num(contrary, 'row')}",
                where=path,
                hint="Take that of the same run, or leave it out to judge y_pred as it is",
            )
    return Decisions(source=source, answers=answers, threshold=threshold, target_fpr=target_fpr)


def pair_up(first: Predictions, second: Predictions) -> pd.DataFrame:
    """Return the images that both predict, with ``y_score_first`` and ``y_score_second``.

    Args:
        first: whose order, labels and clusters are kept.
        second: predictions of the same images.

    Raises:
        DataError: one has no scores or several seeds, they share no image, or labels contradict
            each other.
    """
    for each in (first, second):
        if not each.has_scores:
            raise DataError("comparing needs the column 'y_score' in both files", where=each.path)
        if len(each.seeds) > 1:
            raise DataError(
                f"comparing needs one model, not {len(each.seeds)} seeds",
                where=each.path,
                hint=f"Choose one, such as seed={each.seeds[0]}",
            )
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
            f"y_true differs for {num(len(contrary), 'image')}: {', '.join(contrary[:3])}",
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


def _by_size(seed: str) -> tuple[float, str]:
    """Order numbers by size, then words by letter."""
    try:
        number = float(seed)
    except ValueError:
        number = math.inf
    return (math.inf if math.isnan(number) else number, seed)


def _chosen_rows(
    table: pd.DataFrame, where: Sequence[Condition], path: Path, *, names: Mapping[str, str]
) -> tuple[RowChoice, RowMask]:
    """Return which rows are in question: those of the test split if there are any."""

    def cells(column: str) -> tuple[slice, pd.Series[Any]]:
        return slice(None), as_text(table[column])

    split = names["split"]
    choice = row_choice(where, found=list(table.columns), columns=names, path=path)
    choice = with_pooled(choice, iter([cells]), split=split)
    mask = choice.of(cells, len(table))
    if not mask.met.any():
        choice.refuse_none(lambda column: as_text(table[column]).dropna(), where=path)
    if split in table and all(condition.column != split for condition in where):
        test = of_test_split(choice, split=split)
        of_test = test.of(cells, len(table))
        if of_test.kept.any():
            return test, of_test
    return choice, mask


def _seen_splits(split: pd.Series[Any]) -> tuple[str, ...]:
    """Return the splits of the rows if all are of those that make a model."""
    found = set(split.fillna(""))
    return tuple(sorted(found)) if found <= SPLITS_OF_THE_MODEL else ()
