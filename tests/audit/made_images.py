"""Image sets that exist as tables only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from debias.audit.images import AuditedImages
from debias.data.manifest import Manifest
from debias.data.tables import TEXT


def made_images(
    attributes: Mapping[str, Sequence[str | None]],
    *,
    groups: Sequence[str] = (),
    num_images: int | None = None,
    label: Sequence[int | None] | None = None,
    split: Sequence[str | None] | None = None,
    identity_id: Sequence[str | None] | None = None,
    path: Sequence[str] | None = None,
) -> AuditedImages:
    """Return images with these attributes; columns that are not given are missing."""
    count = num_images if num_images is not None else len(next(iter(attributes.values())))
    nothing: list[Any] = [None] * count
    ids = [f"i{k}" for k in range(count)]
    table = pd.DataFrame(
        {
            "image_id": pd.Series(ids, dtype=TEXT),
            "path": pd.Series(path or [f"{name}.jpg" for name in ids], dtype=TEXT),
            "label": pd.array(nothing if label is None else label, dtype="Int8"),
            "split": pd.Series(list(split or nothing), dtype=TEXT),
            "identity_id": pd.Series(list(identity_id or nothing), dtype=TEXT),
            "crop_side": float("nan"),
            "crop_x": float("nan"),
            "crop_y": float("nan"),
        }
    )
    known = pd.DataFrame(
        {name: pd.Series(list(values), dtype=TEXT) for name, values in attributes.items()},
        index=pd.RangeIndex(count),
    )
    return AuditedImages(
        manifest=Manifest(root=Path("."), table=table),
        attributes=known,
        provenance=dict.fromkeys(map(str, known.columns), "annotated"),
        groups=tuple(groups),
    )
