"""The face set of MIT's deep-learning course: pictures in an HDF5 file, in the order B, G, R."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from debias.data.catalog import Definition
from debias.data.layouts.places import find_top
from debias.data.layouts.prepared import Failure, PreparedSet, finish, without
from debias.data.pool import in_order, num_cores
from debias.errors import DataError, MissingExtraError, OutputError

if TYPE_CHECKING:
    import h5py

FILE = "train_face.h5"
CHUNK = 1_000
PICTURES = "images"


def read_mit_faces(root: Path, definition: Definition) -> PreparedSet:
    """Return the course's training set; its pictures are written as PNG files.

    Args:
        root: the file, or the folder that holds ``train_face.h5``.
        definition: of the set.

    Raises:
        MissingExtraError: h5py is not installed.
        DataError: the file is not there, or not what it must be.
    """
    path = root if root.is_file() else find_top(root, definition, [FILE]) / FILE
    labels = _labels(path)
    names = [f"{PICTURES}/{k:06d}.png" for k in range(len(labels))]
    table = pd.DataFrame({"image_id": names, "path": names, "label": labels})
    failures: list[Failure] = []
    bad = ~np.isin(labels, (0, 1))
    table = without(table, bad, "its label is not 0 or 1", failures)

    def write_pictures(folder: Path, show_progress: bool) -> None:
        _write_pictures(path, folder, np.flatnonzero(~bad), show_progress)

    return finish(
        table.astype({"label": int}),
        root=path.parent,
        definition=definition,
        failures=failures,
        write_pictures=write_pictures,
    )


def _open(path: Path) -> h5py.File:
    try:
        import h5py
    except ModuleNotFoundError:
        raise MissingExtraError(
            "needs h5py, which is not installed",
            where=path,
            hint="Install it with: pip install 'debias-faces[h5]'",
        ) from None
    try:
        return h5py.File(path, "r")
    except OSError:
        raise DataError(
            "is not an HDF5 file", where=path, hint="Is the download complete?"
        ) from None


def _labels(path: Path) -> NDArray[np.float64]:
    """Return the labels of a file, having seen that its pictures are what they must be."""
    with _open(path) as file:
        found = {str(name): _shape(file[name]) for name in file}
        shape, dtype = found.get("images", ((), ""))
        if len(shape) != 4 or shape[3] != 3 or dtype != "uint8":
            raise DataError(
                f"has no uint8 `images` of shape (image, height, width, 3); found {found}",
                where=path,
            )
        if "labels" not in found or found["labels"][0][:1] != shape[:1]:
            raise DataError(f"has not a label for each image; found {found}", where=path)
        labels: NDArray[Any] = file["labels"][:]
    if labels.size != shape[0]:
        raise DataError(f"has {labels.size} labels of {shape[0]} images", where=path)
    return labels.reshape(-1).astype(np.float64)


def _shape(item: Any) -> tuple[tuple[int, ...], str]:
    return tuple(getattr(item, "shape", ())), str(getattr(item, "dtype", ""))


def _write_pictures(path: Path, folder: Path, rows: NDArray[np.int64], show_progress: bool) -> None:
    """Write rows of the file as PNG, which loses nothing; a thousand at a time are in memory."""
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)

    def write(item: tuple[int, NDArray[np.uint8]]) -> None:
        number, pixels = item
        picture = Image.fromarray(np.ascontiguousarray(pixels[..., ::-1]))
        picture.save(folder / PICTURES / f"{number:06d}.png", compress_level=1)

    try:
        with tqdm(
            total=len(rows), desc="writing", unit=" images", disable=not show_progress
        ) as bar:
            for _ in in_order(write, _pixels(path, rows), num_cores()):
                bar.update()
    except OSError as problem:
        if isinstance(problem, OutputError):
            raise
        raise OutputError(
            f"pictures cannot be written: {problem.strerror or problem}",
            where=folder / PICTURES,
            hint="Check the space left and the permissions",
        ) from problem


def _pixels(path: Path, rows: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    with _open(path) as file:
        images = file["images"]
        bounds = [*range(0, len(images), CHUNK), len(images)]
        for start, stop in pairwise(bounds):
            chunk: NDArray[np.uint8] = images[start:stop]
            wanted = rows[(rows >= start) & (rows < stop)]
            yield from ((int(row), chunk[row - start]) for row in wanted)
