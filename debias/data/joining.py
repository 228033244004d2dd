"""Where predictions and sensitive attributes meet: strictly on ``image_id``, never by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.attributes import NOTHING_STATED, Attributes, read_attributes
from debias.data.prediction_checks import num
from debias.data.predictions import Predictions
from debias.errors import DataError, UsageError, nearest

NegativesMode = Literal["pool", "grouped"]
RequestedMode = Literal["auto", "pool", "grouped"]
REQUESTED_MODES: tuple[RequestedMode, ...] = ("auto", "pool", "grouped")

LEAST_KNOWN = 0.5
"""The share of the negatives that must have groups for ``auto`` to group them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceAttributes:
    """What is known of the faces of a table of predictions.

    Attributes:
        table: one row a face in the order of the predictions, one column an attribute, missing =
            unknown; its index is ``image_id``.
        provenance: where the labels of each attribute come from.
        num_faces_matched: faces that have a row among the attributes.
        num_negatives_known: non-faces of which an attribute is known.
        num_attributes_unmatched: rows of attributes whose image is not among the predictions.
    """

    table: pd.DataFrame
    provenance: Mapping[str, str]
    num_faces_matched: int
    num_negatives_known: int
    num_attributes_unmatched: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowAttributes:
    """What is known of the faces and the negatives of a table of predictions.

    Counts are of images: one that several seeds judge counts once.

    Attributes:
        table: one row a prediction in the order of the predictions' table, one column an
            attribute, missing = unknown; its index is ``image_id``.
        is_face: whether each row is a face, shape (row,).
        matched: whether each row has a row among the attributes, shape (row,).
        provenance: where the labels of each attribute come from.
        num_attributes_unmatched: rows of attributes whose image is not among the predictions.
    """

    table: pd.DataFrame
    is_face: NDArray[np.bool_]
    matched: NDArray[np.bool_]
    provenance: Mapping[str, str]
    num_attributes_unmatched: int

    @property
    def num_faces_matched(self) -> int:
        """Faces that have a row among the attributes."""
        return self.table.index[self.matched & self.is_face].nunique()

    @property
    def num_negatives_matched(self) -> int:
        """Non-faces that have a row among the attributes."""
        return self.table.index[self.matched & ~self.is_face].nunique()

    @property
    def num_negatives_known(self) -> int:
        """Non-faces of which an attribute is known."""
        known = self.negatives.notna().any(axis="columns")
        return self.negatives.index[known].nunique()

    @property
    def negatives(self) -> pd.DataFrame:
        """The attributes of the non-faces."""
        return self.table[~self.is_face]

    @property
    def faces(self) -> FaceAttributes:
        """The attributes of the faces."""
        return FaceAttributes(
            table=self.table[self.is_face],
            provenance=self.provenance,
            num_faces_matched=self.num_faces_matched,
            num_negatives_known=self.num_negatives_known,
            num_attributes_unmatched=self.num_attributes_unmatched,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativesChoice:
    """Whether negatives belong to groups as faces do.

    Attributes:
        mode: ``grouped`` if they do; ``pool`` if all groups share them.
        reason: what a reader must know of it, in a sentence; None where nothing was in doubt.
    """

    mode: NegativesMode
    reason: str | None


def read_row_attributes(
    predictions: Predictions,
    path: Path,
    *,
    columns: Sequence[str],
    provenance: Mapping[str, str] = NOTHING_STATED,
    id_column: str = "image_id",
) -> RowAttributes:
    """Return the attributes of all rows; those without attributes are unknown, not dropped.

    Args:
        predictions: the images. Where several seeds judge an image, each of its rows gets the
            image's attributes.
        path: the attributes, by ``image_id``.
        columns: which of them; see :func:`debias.data.attributes.read_attributes`. With none the
            file is not read.
        provenance: see :func:`debias.data.attributes.read_attributes`.
        id_column: what the file calls ``image_id``.

    Raises:
        UsageError: provenance is given of what is no attribute.
        DataError: there are faces, and none has a row.
    """
    if not columns:
        return no_attributes(predictions, provenance=provenance)
    attributes = read_attributes(path, columns=columns, provenance=provenance, id_column=id_column)
    known = join_attributes(predictions, attributes)
    faces, ids = predictions.faces["image_id"], attributes.table.index
    if len(faces) and not known.num_faces_matched:
        raise DataError(
            f"none of the {len(faces):,} faces (rows: {predictions.rows}) has a row here",
            where=path,
            hint=f"Ids look like {ids[0]!r} here and like {faces.iloc[0]!r} in the predictions",
        )
    return known


def join_attributes(predictions: Predictions, attributes: Attributes) -> RowAttributes:
    """Return the attributes of all rows, joined on ``image_id``.

    Args:
        predictions: the images.
        attributes: by ``image_id``; other images than those of the predictions are counted.
    """
    images, ids = predictions.table["image_id"], attributes.table.index
    return RowAttributes(
        table=attributes.table.reindex(pd.Index(images, name="image_id")),
        is_face=predictions.table["y_true"].to_numpy(dtype=np.bool_),
        matched=_is_among(images, ids),
        provenance=attributes.provenance,
        num_attributes_unmatched=int(np.count_nonzero(~_is_among(ids, images))),
    )


def no_attributes(
    predictions: Predictions, *, provenance: Mapping[str, str] = NOTHING_STATED
) -> RowAttributes:
    """Return that nothing is known of any row.

    Args:
        predictions: the images.
        provenance: must be empty, since there is no attribute.

    Raises:
        UsageError: it is not.
    """
    if provenance:
        raise UsageError(
            f"provenance of {next(iter(provenance))!r}, but no attribute is named",
            hint="Name the attributes to group by",
        )
    images = predictions.table["image_id"]
    return RowAttributes(
        table=pd.DataFrame(index=pd.Index(images, name="image_id")),
        is_face=predictions.table["y_true"].to_numpy(dtype=np.bool_),
        matched=np.zeros(len(images), dtype=np.bool_),
        provenance={},
        num_attributes_unmatched=0,
    )


def negatives_mode(
    requested: RequestedMode, *, attributes: RowAttributes, columns: Sequence[str] | None = None
) -> NegativesChoice:
    """Return whether negatives belong to groups, or are one pool that all groups share.

    A negative belongs to groups if all attributes are known of it: it is then as likely as a face
    to be somebody's. ``auto`` groups negatives if at least half of them do, and pools them
    otherwise. What is out of the ordinary, such as negatives of which some have attributes and
    some have none, is said in words.

    Args:
        requested: ``auto``, ``pool`` or ``grouped``.
        attributes: of all rows.
        columns: those that make groups; by default all.

    Raises:
        UsageError: another word is requested.
        DataError: groups are requested, but no negative has all attributes known.
    """
    negatives = attributes.negatives
    if columns is not None:
        negatives = negatives[list(columns)]
    return choose_negatives(
        requested,
        columns=[str(name) for name in negatives.columns],
        num_negatives=len(negatives),
        num_grouped=int(negatives.notna().all(axis="columns").sum()),
        any_known=bool(negatives.notna().any(axis=None)),
    )


def choose_negatives(
    requested: RequestedMode,
    *,
    columns: Sequence[str],
    num_negatives: int,
    num_grouped: int,
    any_known: bool,
) -> NegativesChoice:
    """Return what :func:`negatives_mode` does, from counts.

    Args:
        requested: ``auto``, ``pool`` or ``grouped``.
        columns: the attributes that make groups.
        num_negatives: all of them.
        num_grouped: those of which every attribute is known.
        any_known: whether any attribute of any of them is.

    Raises:
        UsageError: another word is requested.
        DataError: groups are requested, but no negative has all attributes known.
    """
    if requested not in REQUESTED_MODES:
        raise UsageError(
            f"unknown mode {requested!r}",
            where="negatives",
            hint=nearest(requested, REQUESTED_MODES),
        )
    total, names = num_negatives, " and ".join(columns)
    num_known = num_grouped if names else 0
    share = f"{num_known:,} of {num(total, 'negative')} {'has' if num_known == 1 else 'have'}"
    if requested == "grouped" and not num_known:
        raise DataError(
            f"negatives cannot be grouped: {share} a known {names}"
            if names
            else "negatives cannot be grouped: no attribute is named",
            where="negatives",
            hint="Give attributes of negatives too, or choose pool",
        )
    if (
        requested == "pool"
        or not num_known
        or (requested == "auto" and num_known < LEAST_KNOWN * total)
    ):
        why = "as asked for" if requested == "pool" else "since these are fewer than half"
        reason = (
            f"{share} a known {names}; {why}, negatives count as one pool that all groups share, "
            "and these attributes are not used."
        )
        return NegativesChoice(mode="pool", reason=reason if any_known else None)
    reason = (
        f"{share} a known {names}; the others are in the groups of unknown values, and in no "
        "group's false-positive rate that is compared."
    )
    return NegativesChoice(mode="grouped", reason=reason if num_known < total else None)


def _is_among(
    ids: pd.Series[Any] | pd.Index[Any], others: pd.Series[Any] | pd.Index[Any]
) -> NDArray[np.bool_]:
    """Tell for each id whether it is among the others (``isin`` is slow on text)."""
    known = pd.Index(others.to_numpy(dtype=object)).unique()
    found: NDArray[np.bool_] = known.get_indexer(ids.to_numpy(dtype=object)) >= 0
    return found
