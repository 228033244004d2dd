"""Any folder of pictures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from debias.data.catalog import Definition
from debias.data.folders import pictures_below
from debias.data.layouts.prepared import PreparedSet, finish
from debias.data.tables import TEXT

LABELS = {"faces": 1, "non-faces": 0}


def read_folder(root: Path, definition: Definition) -> PreparedSet:
    """Return the pictures below a folder, labelled where ``faces`` and ``non-faces`` are in it.

    The first folder on a picture's path is its category.

    Args:
        root: the folder.
        definition: of the layout.

    Raises:
        DataError: the folder is missing or holds no picture, or a part of it cannot be read.
    """
    table = pd.DataFrame({"path": pictures_below(root)}, dtype=TEXT)
    table["image_id"] = table["path"]
    first, slash = table["path"].str.partition("/")[0], table["path"].str.contains("/")
    table["category"] = first.mask(~slash)
    table["label"] = table["category"].map(LABELS).astype("Int8")
    notes = []
    num_unknown = int(table["label"].isna().sum())
    if num_unknown:
        notes.append(
            f"{num_unknown:,} pictures are in neither faces/ nor non-faces/: they have no label, "
            "so they can be predicted, not trained on"
        )
    return finish(table, root=root, definition=definition, failures=[], notes=notes)
