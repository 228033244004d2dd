"""Where predictions and attributes of any number meet on ``image_id``, one part at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.data.cell_codes import CellCodes
from debias.data.hash_partitions import HashPartitions, RecordArray, position_of, sorted_by_id
from debias.data.id_hashes import WordArray

FACE, DECIDED, LABELLED = 1, 2, 4
"""Bits of a row's flags: its label, its ``y_pred``, and whether it has a label."""

_HASHES = [("first", "<u8"), ("second", "<u8")]
_ANSWER = [("score", "<f8"), ("cell", "<i4"), ("flags", "u1")]
ROW = np.dtype([*_HASHES, *_ANSWER])
"""A row of predictions; ``cell`` is the number of its combination of attributes."""
KEPT_ROW = np.dtype(_ANSWER)
"""What is left of it once ids have served."""
IMAGE = np.dtype([*_HASHES, ("cell", "<i4")])
"""A row of attributes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joined:
    """How predictions and attributes met.

    Attributes:
        num_faces: labelled 1, by cell, shape (cell,).
        num_negatives: labelled 0, by cell, shape (cell,).
        num_faces_matched: faces that have a row among the attributes.
        num_attributes_unmatched: ids with attributes that no labelled row has.
        repeated: first hashes of ids that come twice among the predictions, shape (id,).
        torn: first hashes of ids whose attributes contradict each other, shape (id,).
    """

    num_faces: NDArray[np.int64]
    num_negatives: NDArray[np.int64]
    num_faces_matched: int
    num_attributes_unmatched: int
    repeated: WordArray
    torn: WordArray


def join_rows(rows: HashPartitions, images: HashPartitions | None, *, cells: CellCodes) -> Joined:
    """Give each row the cell of its image, and keep the labelled ones without their ids, in place.

    Args:
        rows: of :data:`ROW`; afterwards of :data:`KEPT_ROW`.
        images: of :data:`IMAGE`, parted alike; None if rows have their cells already.
        cells: what cells mean; combinations of rows that complete each other are added.

    Raises:
        HashCollisionError: two ids share their first hash.
    """
    num_matched = num_unmatched = 0
    labels: list[NDArray[np.int64]] = []
    repeated, torn = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.uint64)]
    parts = None if images is None else images.read(IMAGE)
    for path, part in rows.read(ROW):
        ordered, starts = sorted_by_id(part)
        repeated.append(_repeated(ordered, starts))
        labelled = ordered[(ordered["flags"] & LABELLED) > 0]
        is_face = (labelled["flags"] & FACE) > 0
        if parts is not None:
            known, torn_here = _one_an_image(next(parts)[1], cells)
            torn.append(torn_here)
            place = position_of(labelled, known)
            is_matched = place >= 0
            labelled["cell"][is_matched] = known["cell"][place[is_matched]]
            num_matched += int(np.count_nonzero(is_matched & is_face))
            is_met = np.zeros(len(known), dtype=np.bool_)
            is_met[place[is_matched]] = True
            num_unmatched += int(np.count_nonzero(~is_met))
        _keep(labelled).tofile(path)
        flat = labelled["cell"].astype(np.int64) * 2 + is_face
        labels.append(np.bincount(flat, minlength=2))
    by_cell = _summed(labels, len(cells.cells))
    return Joined(
        num_faces=by_cell[:, 1],
        num_negatives=by_cell[:, 0],
        num_faces_matched=num_matched,
        num_attributes_unmatched=num_unmatched,
        repeated=np.concatenate(repeated),
        torn=np.concatenate(torn),
    )


def _repeated(ordered: RecordArray, starts: NDArray[np.int64]) -> WordArray:
    """Return the hashes of the ids that have more than one row."""
    if starts.size == len(ordered):
        return np.empty(0, dtype=np.uint64)
    lengths = np.diff(np.append(starts, len(ordered)))
    found: WordArray = ordered["first"][starts[lengths > 1]]
    return found


def _one_an_image(images: RecordArray, cells: CellCodes) -> tuple[RecordArray, WordArray]:
    """Return one row an image, and the hashes of those whose rows contradict each other."""
    ordered, starts = sorted_by_id(images)
    if starts.size == len(ordered):
        return ordered, np.empty(0, dtype=np.uint64)
    merged, is_torn = cells.merged(ordered["cell"].astype(np.int64), starts)
    single = ordered[starts]
    single["cell"] = merged
    return single, single["first"][is_torn]


def _keep(rows: RecordArray) -> RecordArray:
    kept = np.empty(len(rows), dtype=KEPT_ROW)
    for name in KEPT_ROW.names or ():
        kept[name] = rows[name]
    return kept


def _summed(counts: list[NDArray[np.int64]], num_cells: int) -> NDArray[np.int64]:
    """Return the sum of counts of different lengths, shape (cell, 2 label)."""
    total = np.zeros(2 * num_cells, dtype=np.int64)
    for each in counts:
        total[: each.size] += each
    return total.reshape(num_cells, 2)
