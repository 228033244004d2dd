"""Image sets that an audit writes: what it trains on, and what it suggests to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.audit.images import AuditedImages
from debias.data.attributes import Attributes
from debias.data.copies import repeat_images
from debias.data.layouts.prepared import PreparedSet
from debias.data.prepared_folder import write_prepared


def write_listed(
    images: AuditedImages, copies: NDArray[np.integer], folder: Path, *, name: str
) -> None:
    """Write an image set in which each image is listed as often as told.

    It is for `debias train --data`, or for any other training that draws all rows alike. Faces
    that nobody labelled are labelled so.

    Args:
        images: the audited set.
        copies: how often each image is listed, shape (image,).
        folder: where to write; pictures stay where they are.
        name: of the set.

    Raises:
        DataError: no image is left.
        OutputError: the folder cannot be written.
    """
    manifest = repeat_images(images.manifest, copies=copies)
    rows = np.repeat(np.arange(len(images)), copies)
    known = [name for name in images.provenance if images.provenance[name] != "estimated"]
    attributes = (
        images.attributes[known]
        .iloc[rows]
        .set_axis(pd.Index(manifest.table["image_id"], name="image_id"))
    )
    labels = manifest.table["label"].mask(images.faces[rows], 1)
    found = PreparedSet(
        root=manifest.root,
        images=manifest.table.assign(label=labels),
        attributes=Attributes(
            table=attributes, provenance={name: images.provenance[name] for name in known}
        )
        if len(attributes.columns)
        else None,
        failures=(),
        notes=(
            "Made by `debias audit`; rows whose id ends in #r01 and so on repeat a picture. "
            "Train with --resampling uniform, or what is listed more often is balanced twice",
        ),
    )
    write_prepared(found, folder, name=name, overwrite=True)
