"""The files of an image set, each with the windows wanted of it: what any engine decodes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import overload

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from debias.data.decode import Crop, DecodeSettings
from debias.data.manifest import WINDOW_COLUMNS, Manifest
from debias.data.tables import arrow_text
from debias.errors import DataError

FORMAT = 1  # raise it when the same files and settings come to give other pixels
FAILURE_COLUMNS = ["image_id", "path", "reason"]
NUM_SHOWN = 3
NUM_AT_ONCE = 1024  # as Python objects


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceFiles(Sequence[SourceFile]):
    """The files of an image set as columns; each is made a :class:`SourceFile` when asked for.

    Args:
        paths: text of shape (file,).
        starts: shape (file + 1,): where the windows of each file start, and at last their number.
        image_ids: text of shape (window,).
        windows: shape (window, 3): side, x and y of each crop, NaN for the whole picture.
        digests: text of shape (file,).
    """

    paths: pa.LargeStringArray
    starts: NDArray[np.int64]
    image_ids: pa.LargeStringArray
    windows: NDArray[np.float64]
    digests: pa.LargeStringArray

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, place: int) -> SourceFile: ...
    @overload
    def __getitem__(self, place: slice) -> list[SourceFile]: ...
    def __getitem__(self, place: int | slice) -> SourceFile | list[SourceFile]:
        places = range(len(self))[place]
        if isinstance(places, int):
            return self._between(places, places + 1)[0]
        if places and places.step == 1:
            return self._between(places.start, places.stop)
        return [self[k] for k in places]

    def __iter__(self) -> Iterator[SourceFile]:
        for first in range(0, len(self), NUM_AT_ONCE):
            yield from self[first : first + NUM_AT_ONCE]

    def _between(self, first: int, last: int) -> list[SourceFile]:
        starts = self.starts[first : last + 1].tolist()
        image_ids = self.image_ids[starts[0] : starts[-1]].to_pylist()
        crops = _crops(self.windows[starts[0] : starts[-1]])
        ends = [start - starts[0] for start in starts]
        return [
            SourceFile(path=path, image_ids=image_ids[a:b], crops=crops[a:b], digest=digest)
            for path, digest, a, b in zip(
                self.paths[first:last].to_pylist(),
                self.digests[first:last].to_pylist(),
                ends[:-1],
                ends[1:],
                strict=True,
            )
        ]

    def with_digests(self, digests: pa.LargeStringArray) -> SourceFiles:
        """Return the files with the digests of their content.

        Args:
            digests: text of shape (file,).

        Raises:
            ValueError: there are more or fewer than files.
        """
        if len(digests) != len(self):
            raise ValueError(f"{len(digests)} digests of {len(self)} files")
        return replace(self, digests=digests)

    def ids_of(self, chosen: NDArray[np.bool_]) -> pa.LargeStringArray:
        """Return the ids of all windows of some files.

        Args:
            chosen: a mask of shape (file,).
        """
        return self.image_ids.filter(pa.array(np.repeat(chosen, np.diff(self.starts))))


def _crops(windows: NDArray[np.float64]) -> list[Crop | None]:
    return [None if math.isnan(side) else Crop(side, x, y) for side, x, y in windows.tolist()]


def source_files(manifest: Manifest) -> SourceFiles:
    """Return the files of a manifest, unread, in an order that only the ids decide.

    Those in shards come in the order in which they are read.
    """
    table = manifest.table
    image_ids = arrow_text(table["image_id"])
    by_id = pc.array_sort_indices(image_ids)
    paths = arrow_text(table["path"]).take(by_id)
    # A number for each file, in their order: by its first id, unless shards decide.
    if manifest.shards is None:
        files = paths.dictionary_encode().indices.to_numpy()
    else:
        files = manifest.shards.places(paths)
    by_file = np.argsort(files, kind="stable")
    starts = np.flatnonzero(np.diff(files[by_file], prepend=-1))
    rows = by_id.to_numpy()[by_file]
    paths = paths.take(pa.array(by_file[starts]))
    return SourceFiles(
        paths=paths,
        starts=np.append(starts, len(rows)),
        image_ids=image_ids.take(pa.array(rows)),
        windows=table[list(WINDOW_COLUMNS)].to_numpy(dtype=np.float64)[rows],
        digests=pa.repeat(pa.scalar("", pa.large_string()), len(paths)),
    )


def store_key(files: SourceFiles, settings: DecodeSettings) -> str:
    """Return the name of the decoded images: where the files lie and in what order is no matter.

    It is the hash of one JSON text, ``[FORMAT, settings, [[image_id, digest, crop], ...]]`` by
    image id, of which only a few rows are in memory at a time.

    Args:
        files: with digests.
        settings: how they are decoded.
    """
    text = json.dumps([FORMAT, asdict(settings)])
    key = hashlib.blake2b(f"{text[:-1]}, [".encode(), digest_size=16)
    by_id = pc.array_sort_indices(files.image_ids).to_numpy().view(np.int64)
    for first in range(0, len(by_id), NUM_AT_ONCE):
        rows = by_id[first : first + NUM_AT_ONCE]
        file_of_row = np.searchsorted(files.starts, rows, side="right") - 1
        image_ids = files.image_ids.take(pa.array(rows)).to_pylist()
        digests = files.digests.take(pa.array(file_of_row)).to_pylist()
        text = json.dumps(list(zip(image_ids, digests, _crops(files.windows[rows]), strict=True)))
        key.update(f"{', ' if first else ''}{text[1:-1]}".encode())
    key.update(b"]]")
    return key.hexdigest()


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
