"""The files of an image set, each with the windows wanted of it: what any engine decodes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from debias.data.decode import Crop, DecodeSettings
from debias.data.manifest import WINDOW_COLUMNS, Manifest
from debias.errors import DataError

FORMAT = 1  # raise it when the same files and settings come to give other pixels
FAILURE_COLUMNS = ["image_id", "path", "reason"]
NUM_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file of an image set and the windows wanted of it.

    Args:
        path: relative to the root.
        image_ids: a name for each window.
        crops: the windows; None is the whole picture.
        digest: of its content, or why it cannot be read; see :mod:`debias.data.digests`. Empty
            as long as nobody has read it.
    """

    path: str
    image_ids: Sequence[str]
    crops: Sequence[Crop | None]
    digest: str = ""


def source_files(manifest: Manifest) -> list[SourceFile]:
    """Return the files of a manifest, unread, in an order that only the ids decide.

    Those in shards come in the order in which they are read.
    """
    table = manifest.table.sort_values("image_id")
    ids: dict[str, list[str]] = {}
    crops: dict[str, list[Crop | None]] = {}
    windows = table[list(WINDOW_COLUMNS)].to_numpy()
    for path, image_id, window in zip(table["path"], table["image_id"], windows, strict=True):
        ids.setdefault(path, []).append(image_id)
        crops.setdefault(path, []).append(None if np.isnan(window[0]) else Crop(*window.tolist()))
    paths = list(ids) if manifest.shards is None else manifest.shards.in_order(ids)
    return [SourceFile(path=path, image_ids=ids[path], crops=crops[path]) for path in paths]


def store_key(files: Sequence[SourceFile], settings: DecodeSettings) -> str:
    """Return the name of the decoded images: where the files lie and in what order is no matter.

    Args:
        files: with digests.
        settings: how they are decoded.
    """
    rows = [
        (image_id, file.digest, crop)
        for file in files
        for image_id, crop in zip(file.image_ids, file.crops, strict=True)
    ]
    text = json.dumps([FORMAT, asdict(settings), sorted(rows, key=lambda row: row[0])])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def require_decoded(failures: pd.DataFrame, manifest: Manifest, *, strict: bool) -> None:
    """Refuse images that cannot be decoded, if they are all, or if none is allowed.

    Args:
        failures: a row for each, of :data:`FAILURE_COLUMNS`.
        manifest: all images.
        strict: allow none.

    Raises:
        DataError: it is so.
    """
    num_images = len(manifest)
    if len(failures) < max(num_images, 1) and not (strict and len(failures)):
        return
    shown = [
        f"{path} {why}" for path, why in zip(failures["path"], failures["reason"], strict=True)
    ]
    more = ", ..." if len(shown) > NUM_SHOWN else ""
    raise DataError(
        f"{len(failures)} of {num_images} images cannot be decoded: "
        f"{', '.join(shown[:NUM_SHOWN])}{more}",
        where=manifest.root,
        hint="Mend or remove them" + ("; without strict they are left out" if strict else ""),
    )
