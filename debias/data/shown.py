"""Which faces a page may show without being asked to: drawn ones, and means of enough persons."""

from __future__ import annotations

import pandas as pd

from debias.data.manifest import Manifest
from debias.data.prepared_folder import open_prepared
from debias.data.source import ImageSource
from debias.data.tables import read_table
from debias.errors import DataError

LEAST_PERSONS = 20
"""The mean of fewer would be much of a person's face."""


def drawn_factors(source: ImageSource, manifest: Manifest) -> pd.DataFrame | None:
    """Return the factors of faces that are all of one drawn testbed, in the manifest's order.

    Args:
        source: what a person named.
        manifest: the rows of it that are looked at.

    Returns:
        A row an image; None where the images are no drawn ones, or may not be.
    """
    named = [one.manifest for one in source.sets]
    if source.images is not None and source.images.is_file():
        named.append(source.images)
    if len(named) != 1:
        return None
    try:
        prepared = open_prepared(named[0].parent)
    except DataError:
        return None
    if prepared.factors is None or prepared.manifest.resolve() != named[0].resolve():
        return None
    table = read_table(prepared.factors).set_index("image_id")
    ids = manifest.table["image_id"]
    return table.loc[ids].reset_index(drop=True) if ids.isin(table.index).all() else None
