"""From a model and a set of images to the table of predictions that every report reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from debias.config import build
from debias.data.manifest import Manifest
from debias.data.store import ImageStore
from debias.errors import ConfigError, DataError
from debias.inference.predict import predict_logits, probability
from debias.metrics.operating_point import OperatingPoint
from debias.models.db_vae import FaceModel
from debias.rundir import read_json

POINT_FIELDS = tuple(OperatingPoint.__slots__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredImages:
    """The scores of an image set, by whatever engine.

    Attributes:
        predictions: see :func:`score_images`.
        failures: images without a score: ``image_id``, ``path`` and ``reason``.
        key: the name of the store of these images; a digest of what was decoded.
        device: what computed the scores.
    """

    predictions: pd.DataFrame
    failures: pd.DataFrame
    key: str
    device: str


def score_images(model: FaceModel, store: ImageStore, manifest: Manifest) -> pd.DataFrame:
    """Return one row an image, without a decision yet.

    Args:
        model: a model that classifies.
        store: the decoded images of the manifest; those that failed have no row.
        manifest: the images.

    Returns:
        Columns ``image_id``, ``y_true`` (1 face, 0 non-face, NA unlabelled), ``y_score`` (the
        probability of "face", in double precision), ``split``, ``identity_id`` and ``picture``
        (the first id in the manifest that shares the file: windows of one picture are not
        independent).
    """
    table = manifest.table
    ids = table.loc[table["image_id"].isin(store.image_ids), "image_id"]
    logits = predict_logits(model, store, store.rows(ids))
    return prediction_rows(manifest, pd.Series(logits, index=pd.Index(ids)))


def prediction_rows(manifest: Manifest, logits: pd.Series[float]) -> pd.DataFrame:
    """Return one row an image that has a logit, in the manifest's order; see :func:`score_images`.

    Args:
        manifest: the images.
        logits: log odds of "face" in double precision, by image id, in any order.
    """
    table = manifest.table
    # An id and not the path, which may tell of the machine that the file lies on.
    table = table.assign(picture=table.groupby("path")["image_id"].transform("first"))
    table = table[table["image_id"].isin(logits.index)]
    places = logits.index.get_indexer(pd.Index(table["image_id"]))
    return pd.DataFrame(
        {
            "image_id": table["image_id"].to_numpy(),
            "y_true": table["label"].array,
            "y_score": probability(np.asarray(logits, dtype=np.float64)[places]),
            "split": table["split"].array,
            "identity_id": table["identity_id"].array,
            "picture": table["picture"].to_numpy(),
        }
    )


def decide(predictions: pd.DataFrame, *, threshold: float) -> pd.DataFrame:
    """Return the predictions with the column ``y_pred``, 1 where ``y_score >= threshold``."""
    y_pred = (predictions["y_score"].to_numpy() >= threshold).astype(np.int8)
    return predictions.assign(y_pred=y_pred)


def read_operating_point(path: Path) -> OperatingPoint:
    """Return the operating point that training stored.

    Raises:
        DataError: the file is missing, lacks a field, or has one of the wrong type.
    """
    fields = read_json(path)
    if not isinstance(fields, dict):
        raise DataError("not an operating point", where=path)
    known = {name: fields[name] for name in POINT_FIELDS if name in fields}
    try:
        return build(OperatingPoint, known, where=str(path))
    except ConfigError as error:
        raise DataError(f"not an operating point: {error.what}", where=error.where) from None
