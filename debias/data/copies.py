"""The same picture several times in a manifest, so that training draws it more often."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from debias.data.manifest import Manifest
from debias.errors import DataError


def repeat_images(manifest: Manifest, *, copies: NDArray[np.integer]) -> Manifest:
    """Return a manifest in which each image comes as often as told.

    Copy 0 is the row as it was. Copy k is called ``image_id#r01`` and so on, is the same in all
    else and follows its image's row; since it shares its file, splits that are made later keep
    it with its image.

    Args:
        manifest: an image set.
        copies: how often each row comes, shape (image,); 0 leaves it out.

    Raises:
        DataError: an id is already that of a copy to be, or no image is left.
    """
    table = manifest.table
    assert copies.shape == (len(table),)
    assert not (copies < 0).any()
    source = np.repeat(np.arange(len(table)), copies)
    if not source.size:
        raise DataError(
            "no image is left",
            where=manifest.root,
            hint="Loosen the limits of what counts as no face, or look at what was found",
        )
    copy = np.arange(source.size) - np.searchsorted(source, source)
    repeated = table.iloc[source].reset_index(drop=True)
    again = copy > 0
    repeated.loc[again, "image_id"] = [
        f"{image_id}#r{k:02d}"
        for image_id, k in zip(repeated.loc[again, "image_id"], copy[again], strict=True)
    ]
    twice = repeated["image_id"].duplicated()
    if twice.any():
        raise DataError(
            f"the id {repeated.loc[twice, 'image_id'].iloc[0]!r} is wanted for a copy",
            where=manifest.root,
            hint="Rename that image",
        )
    return replace(manifest, table=repeated)
