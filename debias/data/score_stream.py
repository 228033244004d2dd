"""A table of predictions of any length: read once, checked, and kept on disk without its ids.

What :func:`debias.data.predictions.read_predictions` checks is checked here too, in bounded
memory. Rows are parted by the hash of their id; in a part, ids that come twice lie side by side,
and so do the predictions and the attributes of one image. What is left of a row is its score, its
labels and the number of its cell: 13 bytes on disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from debias.data.cell_codes import CellCodes
from debias.data.hash_partitions import HashCollisionError, HashPartitions, num_parts_for
from debias.data.manifest import NO_RENAMING, Condition
from debias.data.prediction_batches import (
    Checks,
    chosen_rows,
    image_batches,
    prediction_batches,
    rows_with_hash,
    values_of,
)
from debias.data.prediction_columns import (
    PREDICTION_COLUMNS,
    check_columns,
    lookalikes,
    require_prediction_columns,
)
from debias.data.prediction_rows import RowChoice
from debias.data.predictions import SPLITS_OF_THE_MODEL
from debias.data.row_join import DECIDED, FACE, KEPT_ROW, Joined, join_rows
from debias.data.table_batches import TableBatches, open_batches
from debias.data.tables import require_columns
from debias.errors import DataError

MIN_ROWS = 1_000_000
"""Shorter tables are read whole."""

_NUM_SALTS = 8
_CHUNK_ROWS = 1 << 20


class DependentRowsError(DataError):
    """Rows share pictures, so that they must be read whole."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreChunk:
    """Some labelled rows, in no order.

    Attributes:
        y_score: NaN throughout where the file has none, shape (row,).
        y_true: whether it is a face, shape (row,).
        y_pred: False throughout where the file has none, shape (row,).
        cells: positions in ``ScoreStream.cells``, shape (row,).
    """

    y_score: NDArray[np.float64]
    y_true: NDArray[np.bool_]
    y_pred: NDArray[np.bool_]
    cells: NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreStream:
    """Checked predictions on disk; rows are taken as independent of each other.

    Attributes:
        path: the file that they came from.
        rows: which rows of the file these are, in words that give no person's name.
        num_rows: rows in the file.
        num_unlabelled: rows in question that were left out because they have no label.
        num_faces: labelled 1.
        num_negatives: labelled 0.
        seen_splits: see :class:`debias.data.predictions.Predictions`.
        has_scores: whether there are scores, and not decisions alone.
        has_decisions: whether there is ``y_pred``.
        columns: the attributes.
        cells: the combinations of their values; None is unknown.
        num_unknown: faces of which each attribute is unknown.
        num_faces_matched: faces that have a row among the attributes.
        num_negatives_known: non-faces of which an attribute is known.
        num_negatives_grouped: non-faces of which all attributes are known.
        num_attributes_unmatched: ids with attributes whose image is not among these rows.
        lookalikes: see :class:`debias.data.predictions.Predictions`.
        remarks: see there.
        files: where the rows are.
    """

    path: Path
    rows: str
    num_rows: int
    num_unlabelled: int
    num_faces: int
    num_negatives: int
    seen_splits: tuple[str, ...]
    has_scores: bool
    has_decisions: bool
    columns: tuple[str, ...]
    cells: tuple[tuple[str | None, ...], ...]
    num_unknown: tuple[int, ...]
    num_faces_matched: int
    num_negatives_known: int
    num_negatives_grouped: int
    num_attributes_unmatched: int
    lookalikes: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    files: tuple[Path, ...]

    def chunks(self) -> Iterator[ScoreChunk]:
        """Yield all rows, some at a time; as often as wished."""
        for path in self.files:
            with path.open("rb") as file:
                while len(rows := np.fromfile(file, dtype=KEPT_ROW, count=_CHUNK_ROWS)):
                    yield ScoreChunk(
                        y_score=np.ascontiguousarray(rows["score"]),
                        y_true=(rows["flags"] & FACE) > 0,
                        y_pred=(rows["flags"] & DECIDED) > 0,
                        cells=np.ascontiguousarray(rows["cell"]),
                    )

    def scores(
        self,
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int32]]]:
        """Yield scores, labels and cells, as :func:`debias.metrics.score_counts` counts them."""
        for chunk in self.chunks():
            yield chunk.y_score, chunk.y_true, chunk.cells

    def decisions(
        self,
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int32]]]:
        """Yield the same with decisions for scores: 1.0 is "face", 0.0 is not."""
        for chunk in self.chunks():
            yield chunk.y_pred.astype(np.float64), chunk.y_true, chunk.cells

    def negative_scores(self) -> Iterator[NDArray[np.float64]]:
        """Yield the scores of the non-faces."""
        for chunk in self.chunks():
            yield chunk.y_score[~chunk.y_true]

    def num_contrary(self, threshold: float) -> int:
        """Return how many rows' ``y_pred`` is not what the threshold gives."""
        return sum(
            int(np.count_nonzero((chunk.y_score >= threshold) != chunk.y_pred))
            for chunk in self.chunks()
        )


def can_stream(
    path: Path, *, columns: Mapping[str, str] = NO_RENAMING, min_rows: int | None = None
) -> bool:
    """Tell whether predictions are many, and no column says that some share a person or picture.

    Windows of one picture show by their ids alone; :func:`stream_scores` refuses them.

    Args:
        path: a table of predictions.
        columns: see :func:`debias.data.predictions.read_predictions`.
        min_rows: fewer are better read whole, by default :data:`MIN_ROWS`; of CSV the lines are
            counted.
    """
    table = open_batches(path)
    names = {
        columns.get(name, name) for name in ("identity_id", "picture", "sample_weight", "seed")
    }
    return not names & set(table.names) and table.num_rows >= (
        MIN_ROWS if min_rows is None else min_rows
    )


@contextmanager
def stream_scores(
    path: Path,
    *,
    groups: Mapping[str, str],
    attributes: Path | None = None,
    where: Sequence[Condition] = (),
    columns: Mapping[str, str] = NO_RENAMING,
    id_column: str = "image_id",
    folder: Path | None = None,
) -> Iterator[ScoreStream]:
    """Read a table of predictions of any length and give its rows for as long as the context lasts.

    Args:
        path: CSV, Parquet or a folder of Parquet parts; see
            :func:`debias.data.predictions.read_predictions`, which it must satisfy.
        groups: the file's column by the attribute's name.
        attributes: where these columns are, by id; the predictions themselves if None.
        where: conditions that every row must meet, on the columns as the file calls them.
        columns: for a column of predictions its name in the file, where that is another.
        id_column: what the file of attributes calls ``image_id``.
        folder: where temporary files are made, some 45 bytes a row and 20 a row of attributes;
            by default where the system makes them.

    Raises:
        UsageError: ``columns`` renames what is no column of predictions.
        DependentRowsError: ids are those of windows.
        DataError: as ``read_predictions`` and ``read_attributes``.
    """
    check_columns(columns)
    names = {name: columns.get(name, name) for name in PREDICTION_COLUMNS}
    with tempfile.TemporaryDirectory(dir=folder, prefix="scores-") as temporary:
        for salt in range(_NUM_SALTS):
            reader = _Reader(
                predictions=open_batches(path),
                attributes=None if attributes is None else open_batches(attributes),
                groups=dict(groups),
                where=where,
                names=names,
                id_column=id_column if attributes is not None else names["image_id"],
                folder=Path(temporary),
                salt=salt,
            )
            try:
                stream = reader.read()
            except HashCollisionError:  # 3 in 10,000 at 100 million rows
                continue
            break
        else:
            raise DataError("its ids cannot be told apart by their hashes", where=path)
        yield stream


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Reader:
    """One attempt to read everything, with one salt."""

    predictions: TableBatches
    attributes: TableBatches | None
    groups: dict[str, str]
    where: Sequence[Condition]
    names: dict[str, str]
    id_column: str
    folder: Path
    salt: int

    def read(self) -> ScoreStream:
        """Return the checked rows.

        Raises:
            DataError: see :func:`stream_scores`.
            HashCollisionError: two ids share their first hash.
        """
        table = self.predictions
        names = self.names
        renamed = {name: old for name, old in names.items() if old != name}
        require_prediction_columns(table.names, renamed, where=table.path)
        source = table if self.attributes is None or not self.groups else self.attributes
        require_columns(source.names, [self.id_column, *self.groups.values()], where=source.path)
        chosen = chosen_rows(table, self.where, columns=names)
        cells = CellCodes(self.groups, path=source.path)
        checks = Checks(names)
        own = cells if source is table else None
        num_parts = num_parts_for(max(table.num_rows, source.num_rows))
        with HashPartitions(self.folder, "rows", num_parts=num_parts) as rows:
            for part in prediction_batches(
                table, chosen, names=names, checks=checks, cells=own, salt=self.salt
            ):
                rows.append(part)
        images = None
        if source is not table:
            with HashPartitions(self.folder, "images", num_parts=num_parts) as images:
                for part in image_batches(
                    source, cells=cells, salt=self.salt, id_column=self.id_column
                ):
                    images.append(part)
        joined = join_rows(rows, images, cells=cells)
        self._refuse(checks, chosen, joined)
        if images is not None:
            self._refuse_contradictions(joined)
            self._refuse_strangers(chosen, joined)
        return self._stream(checks, chosen, cells, joined, rows.paths)

    def _stream(
        self,
        checks: Checks,
        chosen: RowChoice,
        cells: CellCodes,
        joined: Joined,
        files: tuple[Path, ...],
    ) -> ScoreStream:
        table = self.predictions
        asked = any(condition.column == self.names["split"] for condition in self.where)
        splits = set() if asked else checks.splits
        is_known = cells.is_known
        num_faces, num_negatives = int(joined.num_faces.sum()), int(joined.num_negatives.sum())
        has_join = self.attributes is not None
        return ScoreStream(
            path=table.path,
            rows=chosen.words,
            num_rows=checks.num_rows,
            num_unlabelled=checks.num_unlabelled,
            num_faces=num_faces,
            num_negatives=num_negatives,
            seen_splits=tuple(sorted(splits)) if splits <= SPLITS_OF_THE_MODEL else (),
            has_scores=self.names["y_score"] in table.names,
            has_decisions=self.names["y_pred"] in table.names,
            columns=tuple(self.groups),
            cells=cells.cells,
            num_unknown=tuple((joined.num_faces @ ~is_known).tolist()),
            num_faces_matched=(
                joined.num_faces_matched if has_join else num_faces if self.groups else 0
            ),
            num_negatives_known=int(joined.num_negatives[is_known.any(axis=1)].sum()),
            num_negatives_grouped=(
                int(joined.num_negatives[is_known.all(axis=1)].sum()) if self.groups else 0
            ),
            num_attributes_unmatched=(
                joined.num_attributes_unmatched
                if has_join
                else checks.num_rows - num_faces - num_negatives
                if self.groups
                else 0
            ),
            lookalikes=lookalikes(
                set(table.names) - set(self.names.values()),
                (name for name, old in self.names.items() if old not in table.names),
            ),
            remarks=chosen.remarks(np.broadcast_to(checks.num_empty, len(chosen.where))),
            files=files,
        )

    def _refuse(self, checks: Checks, chosen: RowChoice, joined: Joined) -> None:
        """Refuse predictions in the order in which they are refused when read whole."""
        path = self.predictions.path
        if checks.num_rows == 0:
            raise DataError("holds no rows", where=path)
        if checks.num_met == 0:
            chosen.refuse_none(partial(values_of, self.predictions), where=path)
        checks.ids.refuse(path)
        if joined.repeated.size:
            for places, ids in rows_with_hash(
                self.predictions,
                joined.repeated,
                salt=self.salt,
                id_column=self.names["image_id"],
                chosen=chosen,
            ):
                checks.repeated.add(places, ids)
            checks.repeated.refuse(path)
        checks.labels.refuse(path)
        if checks.num_chosen == checks.num_unlabelled:
            raise DataError(
                "no row has a label in 'y_true'", where=path, hint="A face is 1, else 0"
            )
        for flaw in (checks.scores, checks.answers):
            flaw.refuse(path)
        try:
            checks.windows.refuse(path)
        except DataError as error:
            raise DependentRowsError(error.what, where=path, hint=error.hint) from None

    def _refuse_contradictions(self, joined: Joined) -> None:
        """Refuse attributes of one image that differ, naming the first images."""
        if not joined.torn.size or self.attributes is None:
            return
        found = rows_with_hash(
            self.attributes, joined.torn, salt=self.salt, id_column=self.id_column
        )
        names = list(dict.fromkeys(name for _, ids in found for name in ids))
        shown = ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")
        raise DataError(
            f"{len(names):,} images have rows that contradict each other: {shown}",
            where=self.attributes.path,
            hint="Keep one row an image",
        )

    def _refuse_strangers(self, chosen: RowChoice, joined: Joined) -> None:
        """Refuse attributes of none of the faces."""
        num_faces = int(joined.num_faces.sum())
        if not num_faces or joined.num_faces_matched or self.attributes is None:
            return
        here = _first_id(self.attributes, self.id_column)
        there = _first_id(self.predictions, self.names["image_id"])
        raise DataError(
            f"none of the {num_faces:,} faces (rows: {chosen.words}) has a row here",
            where=self.attributes.path,
            hint=f"Ids look like {here!r} here and like {there!r} in the predictions",
        )


def _first_id(table: TableBatches, column: str) -> str:
    for batch in table.read([column]):
        if batch.num_rows:
            return str(batch.column(column)[0].as_py())
    return ""
