"""Which rows were judged, and what is known of them, to the plain data of ``report.json``."""

from __future__ import annotations

import numpy as np

from debias.data.joining import FaceAttributes, NegativesMode
from debias.data.predictions import Predictions
from debias.metrics.counts import UNKNOWN, attribute_values
from debias.reporting.schema import AttributeJson, JoinJson, RowsJson


def rows_json(table: Predictions, *, negatives: NegativesMode) -> RowsJson:
    """Return which images the predictions are of.

    Args:
        table: the predictions.
        negatives: whether negatives belong to groups.

    Returns:
        Faces, non-faces, persons and pictures are counted once, however many models judge them.
    """
    once = table.of_seed(table.seeds[0]) if table.seeds else table
    return {
        "chosen": table.rows,
        "num_in_file": table.num_rows,
        "num_unlabelled": table.num_unlabelled,
        "seen_splits": list(table.seen_splits),
        "num_faces": len(once.faces),
        "num_faces_identified": once.num_identified,
        "num_persons": once.num_persons if once.num_identified else None,
        "num_negatives": len(once.negatives),
        "num_pictures": once.negatives["cluster"].nunique(),
        "negatives": negatives,
        "has_weights": table.has_weights,
    }


def attributes_json(known: FaceAttributes) -> list[AttributeJson]:
    """Return what the attributes are and of how many faces they are unknown."""
    faces = known.table[~known.table.index.duplicated()]  # each once, however many models
    return [
        {
            "name": name,
            "provenance": known.provenance[name],
            "num_unknown": int(np.sum(attribute_values(faces[name]) == UNKNOWN)),
        }
        for name in faces.columns
    ]


def join_json(known: FaceAttributes) -> JoinJson:
    """Return how predictions and attributes met."""
    return {
        "num_faces_matched": known.num_faces_matched,
        "num_faces_unmatched": known.table.index.nunique() - known.num_faces_matched,
        "num_negatives_known": known.num_negatives_known,
        "num_attributes_unmatched": known.num_attributes_unmatched,
    }
