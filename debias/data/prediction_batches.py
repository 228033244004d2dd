"""Predictions read in batches and checked as :mod:`debias.data.predictions` checks them whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from debias.data.cell_codes import CellCodes
from debias.data.hash_partitions import RecordArray
from debias.data.id_hashes import WordArray, hash_ids
from debias.data.manifest import NO_RENAMING, Condition
from debias.data.prediction_checks import (
    NUM_SEEN,
    NUM_SHOWN,
    WINDOW_MARK,
    label_hint,
    num,
    score_hint,
)
from debias.data.prediction_rows import (
    Cells,
    RowChoice,
    RowMask,
    of_test_split,
    row_choice,
    with_pooled,
)
from debias.data.row_join import DECIDED, FACE, IMAGE, LABELLED, ROW
from debias.data.table_batches import TableBatches, numbers, text, word_codes
from debias.data.tables import as_labels
from debias.errors import DataError

_MISSING, _BAD = -1, -2


@dataclass(slots=True, kw_only=True)
class Flaw:
    """Rows that are not what they must be.

    Attributes:
        what: what is wrong with them.
        hint: what to do about it.
        num_rows: how many there are.
        shown: the first few, in words; rows count from 1.
        seen: some words that they hold, in alphabetical order, if they are labels.
    """

    what: str
    hint: str | None = None
    num_rows: int = 0
    shown: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def add(self, rows: NDArray[np.int64], values: Sequence[object]) -> None:
        """Note rows by their position in the file, with what the first few of them hold."""
        self.num_rows += rows.size
        for row, value in zip(rows, values, strict=False):
            if len(self.shown) < NUM_SHOWN:
                self.shown.append(f"row {row + 1} ({value!r})")

    def see(self, words: Iterable[str]) -> None:
        """Note words that stand where 0 or 1 must; the hint lists them."""
        self.seen = sorted({*self.seen, *words})[: NUM_SEEN + 1]
        self.hint = label_hint(self.seen)

    def refuse(self, path: Path) -> None:
        """Raise a DataError if any row was noted."""
        if self.num_rows:
            more = f" and {self.num_rows - NUM_SHOWN:,} more" if self.num_rows > NUM_SHOWN else ""
            raise DataError(
                f"{self.what} in {num(self.num_rows, 'row')}: {', '.join(self.shown)}{more}",
                where=path,
                hint=self.hint,
            )


class Checks:
    """What was counted and found wrong while predictions were read.

    Args:
        names: what each column of predictions is called in the file.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self.num_rows = 0
        self.num_met = 0
        self.num_chosen = 0
        self.num_empty: NDArray[np.int64] | int = 0
        self.num_unlabelled = 0
        self.splits: set[str] = set()
        called = {
            name: name if old == name else f"{name} (column {old!r})" for name, old in names.items()
        }
        self.ids = Flaw(what=f"{called['image_id']} is missing")
        self.repeated = Flaw(what=f"{called['image_id']} is repeated", hint="Give one row an image")
        self.labels = Flaw(what=f"{called['y_true']} is not 0 or 1")
        self.scores = Flaw(what=f"{called['y_score']} is not a finite number")
        self.answers = Flaw(what=f"{called['y_pred']} is not 0 or 1")
        self.windows = Flaw(
            what="windows of one picture are not independent, and there are such",
            hint="Read this table whole",
        )


def mask_of(choice: RowChoice, batch: pa.RecordBatch) -> RowMask:
    """Return which rows of a batch are in question."""
    return choice.of(_cells_of(batch), batch.num_rows)


def chosen_rows(
    table: TableBatches,
    where: Sequence[Condition],
    *,
    columns: Mapping[str, str] = NO_RENAMING,
) -> RowChoice:
    """Return what a table's rows must meet: what was given, and the test split if there is one.

    Args:
        table: the predictions.
        where: the conditions given.
        columns: what columns of predictions are called in the file, where that is another name.

    Raises:
        DataError: a condition's column is absent.
    """
    split = columns.get("split", "split")
    choice = row_choice(where, found=table.names, columns=columns, path=table.path)
    if choice.columns:
        needed = list(dict.fromkeys([*choice.columns, choice.y_true]))
        choice = with_pooled(choice, map(_cells_of, table.read(needed)), split=split)
    if split not in table.names or any(each.column == split for each in where):
        return choice
    test = of_test_split(choice, split=split)
    if any(mask_of(test, batch).kept.any() for batch in table.read(test.columns)):
        return test
    return choice


def values_of(table: TableBatches, column: str) -> Iterator[str]:
    """Yield the words of a column, each at least once."""
    for batch in table.read([column]):
        yield from word_codes(batch.column(column))[1].dropna()


def prediction_batches(
    table: TableBatches,
    chosen: RowChoice,
    *,
    names: Mapping[str, str],
    checks: Checks,
    cells: CellCodes | None,
    salt: int,
) -> Iterator[RecordArray]:
    """Yield the rows in question, of :data:`debias.data.row_join.ROW`.

    Args:
        table: the predictions.
        chosen: which rows.
        names: what each column of predictions is called in the file.
        checks: where to note what is wrong; nothing is raised here.
        cells: numbers the attributes of the same file; None leaves the cell at 0, unknown.
        salt: of the hashes.
    """
    optional = [names[name] for name in ("y_score", "y_pred", "split")]
    own = [] if cells is None else list(cells.columns.values())
    needed = [names["image_id"], names["y_true"], *optional, *own, *chosen.columns]
    columns = dict.fromkeys(needed)
    for whole in table.read([name for name in columns if name in table.names]):
        masks = mask_of(chosen, whole)
        mask = masks.kept
        places = np.flatnonzero(mask) + checks.num_rows
        checks.num_rows += whole.num_rows
        checks.num_met += int(np.count_nonzero(masks.met))
        checks.num_empty = checks.num_empty + masks.num_empty
        checks.num_chosen += places.size
        batch = whole if mask.all() else whole.filter(pa.array(mask))
        if batch.num_rows:
            yield _checked(batch, places, names=names, checks=checks, cells=cells, salt=salt)


def image_batches(
    table: TableBatches, *, cells: CellCodes, salt: int, id_column: str = "image_id"
) -> Iterator[RecordArray]:
    """Yield the rows of a file of attributes, of :data:`debias.data.row_join.IMAGE`.

    Raises:
        DataError: an id is empty.
    """
    num_empty = 0
    for batch in table.read(list(dict.fromkeys([id_column, *cells.columns.values()]))):
        ids = text(batch.column(id_column))
        num_empty += ids.null_count
        images = np.empty(batch.num_rows, dtype=IMAGE)
        images["first"], images["second"] = hash_ids(ids.fill_null(""), salt=salt)
        images["cell"] = cells.of(batch)
        yield images
    if num_empty:
        raise DataError(f"{num_empty} rows have an empty {id_column}", where=table.path)


def rows_with_hash(
    table: TableBatches,
    hashes: WordArray,
    *,
    salt: int,
    id_column: str = "image_id",
    chosen: RowChoice | None = None,
) -> Iterator[tuple[NDArray[np.int64], list[str]]]:
    """Yield the positions and ids of the rows whose id has one of these first hashes."""
    num_rows = 0
    of_conditions = () if chosen is None else chosen.columns
    for batch in table.read(list(dict.fromkeys([id_column, *of_conditions]))):
        ids = text(batch.column(id_column)).fill_null("")
        mask = np.isin(hash_ids(ids, salt=salt)[0], hashes)
        if chosen is not None:
            mask &= mask_of(chosen, batch).kept
        yield np.flatnonzero(mask) + num_rows, ids.filter(pa.array(mask)).to_pylist()
        num_rows += batch.num_rows


def _cells_of(batch: pa.RecordBatch) -> Cells:
    """Return what gives the words of a batch's columns."""
    return lambda column: word_codes(batch.column(column))


def _checked(
    batch: pa.RecordBatch,
    places: NDArray[np.int64],
    *,
    names: Mapping[str, str],
    checks: Checks,
    cells: CellCodes | None,
    salt: int,
) -> RecordArray:
    """Return the rows of a batch, and note what is wrong with them."""
    rows = np.zeros(batch.num_rows, dtype=ROW)
    ids = text(batch.column(names["image_id"]))
    if ids.null_count:
        _note(checks.ids, np.asarray(ids.is_null()), places, ids)
    if pc.any(pc.match_substring(ids, "#w")).as_py():
        is_window = pc.match_substring_regex(ids, WINDOW_MARK).fill_null(False)
        _note(checks.windows, np.asarray(is_window), places, ids)
    rows["first"], rows["second"] = hash_ids(ids.fill_null(""), salt=salt)
    labels = _labels(batch.column(names["y_true"]), checks.labels, places)
    is_labelled = labels >= 0
    checks.num_unlabelled += int(np.count_nonzero(labels == _MISSING))
    rows["flags"] = np.where(is_labelled, LABELLED, 0) | np.where(labels == 1, FACE, 0)
    if names["y_score"] in batch.schema.names:
        scores = numbers(batch.column(names["y_score"]))
        rows["score"] = scores
        bad = is_labelled & ~np.isfinite(scores)
        if bad.any():
            column = batch.column(names["y_score"])
            if not checks.scores.num_rows:
                first = int(bad.argmax())
                checks.scores.hint = score_hint(str(ids[first].as_py()), column[first].as_py())
            _note(checks.scores, bad, places, column)
    else:
        rows["score"] = np.nan
    if names["y_pred"] in batch.schema.names:
        column = batch.column(names["y_pred"])
        answers = _labels(column, None, places)
        bad = is_labelled & (answers < 0)
        if bad.any():
            answered = text(column)
            checks.answers.see(answered.filter(pa.array(bad)).drop_null().unique().to_pylist())
            _note(checks.answers, bad, places, answered)
        rows["flags"] |= np.where(answers == 1, DECIDED, 0).astype(np.uint8)
    if names["split"] in batch.schema.names:
        codes, words = word_codes(batch.column(names["split"]))
        used = np.bincount(codes[is_labelled], minlength=len(words)) > 0
        checks.splits |= set(words.fillna("")[used])
    if cells is not None:
        rows["cell"] = cells.of(batch)
    return rows


def _labels(column: pa.Array, flaw: Flaw | None, places: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return 0 and 1, -1 where nothing is said, -2 where something else is."""
    codes, words = word_codes(column)
    meaning = as_labels(words).fillna(_BAD).to_numpy(dtype=np.int8)
    meaning[words.isna().to_numpy()] = _MISSING
    labels: NDArray[np.int8] = meaning[codes]
    if flaw is not None and (meaning == _BAD).any():
        is_bad = labels == _BAD
        flaw.see(words.iloc[np.unique(codes[is_bad])])
        _note(flaw, is_bad, places, words.to_numpy(dtype=object)[codes])
    return labels


def _note(
    flaw: Flaw, bad: NDArray[np.bool_], places: NDArray[np.int64], values: pa.Array | ArrayLike
) -> None:
    found = np.flatnonzero(bad)
    shown = [values[int(row)] for row in found[:NUM_SHOWN]]  # type: ignore[index]
    words = [value.as_py() if isinstance(value, pa.Scalar) else value for value in shown]
    # Read whole, a gap in a column of text is shown as nan; so it is here.
    flaw.add(places[found], [np.nan if word is None else word for word in words])
