"""Many windows out of each non-face picture, since such pictures are few and larger than faces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from debias.data.manifest import WINDOW_COLUMNS, Manifest
from debias.errors import ConfigError, DataError
from debias.seeding import numpy_generator


def expand_windows(
    manifest: Manifest, *, num_windows: int, seed: int, min_side: float = 0.35
) -> Manifest:
    """Return the manifest with ``num_windows`` rows for each whole non-face picture.

    Window 0 is the row as it was: the whole picture. Window k is a random square: its side is
    uniform in [``min_side``, 1] of the picture's short side, its place uniform in the room left in
    each direction. It is called ``image_id#w01`` and so on, keeps the path and follows its
    picture's row. What it is depends on the seed, the picture's id and k alone, so asking for more
    windows changes none. Faces, unlabelled pictures and rows that are windows already stay as they
    are.

    Args:
        manifest: an image set.
        num_windows: rows for each picture, itself included; 1 changes nothing.
        seed: another seed gives other windows.
        min_side: the smallest side, in (0, 1].

    Raises:
        ConfigError: a setting is out of its range.
        DataError: an id is already that of a window to be.
    """
    if num_windows < 1:
        raise ConfigError(f"num_windows is {num_windows}", hint="It must be at least 1")
    if not 0 < min_side <= 1:
        raise ConfigError(f"min_side is {min_side}", hint="It must be above 0 and at most 1")
    table = manifest.table
    whole = manifest.non_faces & table["crop_side"].isna().to_numpy()
    if num_windows == 1 or not whole.any():
        return manifest
    source = np.repeat(np.arange(len(table)), np.where(whole, num_windows, 1))
    window = np.arange(len(source)) - np.searchsorted(source, source)
    expanded = table.iloc[source].reset_index(drop=True)
    draws = [
        numpy_generator(seed, "windows", image_id).random((num_windows - 1, 3))
        for image_id in table.loc[whole, "image_id"]
    ]
    squares = np.concatenate(draws)
    squares[:, 0] = min_side + (1 - min_side) * squares[:, 0]
    is_new = window > 0
    expanded.loc[is_new, list(WINDOW_COLUMNS)] = squares
    expanded.loc[is_new, "image_id"] = [
        f"{image_id}#w{k:02d}"
        for image_id, k in zip(expanded.loc[is_new, "image_id"], window[is_new], strict=True)
    ]
    twice = expanded["image_id"].duplicated()
    if twice.any():
        raise DataError(
            f"the id {expanded.loc[twice, 'image_id'].iloc[0]!r} is wanted for a window",
            where=manifest.root,
            hint="Rename that image",
        )
    return replace(manifest, table=expanded)
