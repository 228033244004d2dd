"""Where predictions and sensitive attributes meet: strictly on ``image_id``, never by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.attributes import NOTHING_STATED, read_attributes
from debias.data.predictions import Predictions
from debias.errors import DataError, UsageError


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


def read_face_attributes(
    predictions: Predictions,
    path: Path,
    *,
    columns: Sequence[str],
    provenance: Mapping[str, str] = NOTHING_STATED,
) -> FaceAttributes:
    """Return the attributes of the faces; those without a row are unknown, not dropped.

    Args:
        predictions: the images.
        path: the attributes, by ``image_id``.
        columns: which of them; see :func:`debias.data.attributes.read_attributes`. With none the
            file is not read.
        provenance: see :func:`debias.data.attributes.read_attributes`.

    Raises:
        UsageError: provenance is given of what is no attribute.
        DataError: there are faces, and none has a row.
    """
    faces = predictions.faces["image_id"]
    if not columns:
        if provenance:
            raise UsageError(
                f"provenance of {next(iter(provenance))!r}, but no attribute is named",
                hint="Name the attributes to group by",
            )
        return FaceAttributes(
            table=pd.DataFrame(index=pd.Index(faces)),
            provenance={},
            num_faces_matched=0,
            num_negatives_known=0,
            num_attributes_unmatched=0,
        )
    attributes = read_attributes(path, columns=columns, provenance=provenance)
    ids, known_of = attributes.table.index, attributes.table.notna().any(axis="columns")
    num_matched = int(_is_among(faces, ids).sum())
    if len(faces) and not num_matched:
        raise DataError(
            f"none of the {len(faces):,} faces (rows: {predictions.rows}) has a row here",
            where=path,
            hint=f"Ids look like {ids[0]!r} here and like {faces.iloc[0]!r} in the predictions",
        )
    negatives, everything = predictions.negatives["image_id"], predictions.table["image_id"]
    return FaceAttributes(
        table=attributes.table.reindex(pd.Index(faces, name="image_id")),
        provenance=attributes.provenance,
        num_faces_matched=num_matched,
        num_negatives_known=int(_is_among(negatives, ids[known_of.to_numpy()]).sum()),
        num_attributes_unmatched=int((~_is_among(ids, everything)).sum()),
    )


def _is_among(
    ids: pd.Series[Any] | pd.Index[Any], others: pd.Series[Any] | pd.Index[Any]
) -> NDArray[np.bool_]:
    """Tell for each id whether it is among the others (``isin`` is slow on text)."""
    known = pd.Index(others.to_numpy(dtype=object))
    found: NDArray[np.bool_] = known.get_indexer(ids.to_numpy(dtype=object)) >= 0
    return found
