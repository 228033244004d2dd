"""The parts of a decoding pass on disk: each is there whole or not at all.

A part is a Parquet file of its rows' measures, named by a key of what it is of: the rows, the
settings, and size and times of the files. Thumbnails go into one array of all images before it
appears. So whatever interrupts a pass, a part that is there is finished, and is of these files.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.audit.hashing import NUM_WORDS
from debias.audit.measured import (
    QUALITY_MEASURES,
    SKIN_MEASURES,
    THUMBNAIL_SIDE,
    MeasuredImages,
)
from debias.data.manifest import Manifest
from debias.data.tables import TEXT, read_table, write_table
from debias.errors import DataError, OutputError
from debias.rundir import atomic_path, read_json, write_json

MEASURES = ("complexity", *QUALITY_MEASURES, *SKIN_MEASURES)
HASH_COLUMNS = tuple(f"hash_{word}" for word in range(NUM_WORDS))
PART_COLUMNS = ("row", "digest", "reason", *MEASURES, *HASH_COLUMNS)
PASS_FILE = "pass.json"
_THUMBNAIL = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
ARRAYS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"thumbnails": _THUMBNAIL, "chroma": (*_THUMBNAIL, 2)}
)
"""The bytes kept of each image beside its measures, by the file's name, and their shape."""
_PARTS = "part-*.parquet"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasuredRows:
    """What was measured of some rows; all arrays are of shape (image, ...).

    Attributes:
        rows: their positions in the manifest.
        digests: text, None where unreadable.
        reasons: text, None where readable.
        measures: float64 of shape (image, measure), in the order of :data:`MEASURES`.
        hashes: uint64 of shape (image, word); zeros where unreadable.
        thumbnails: grey, uint8 of shape (image, height, width); zeros where unreadable.
        chroma: their colour, uint8 of shape (image, height, width, 2); zeros where unreadable.
    """

    rows: NDArray[np.intp]
    digests: NDArray[np.object_]
    reasons: NDArray[np.object_]
    measures: NDArray[np.float64]
    hashes: NDArray[np.uint64]
    thumbnails: NDArray[np.uint8]
    chroma: NDArray[np.uint8]

    @classmethod
    def unknown(cls, num_rows: int) -> MeasuredRows:
        """Return rows of which nothing is known yet."""
        return cls(
            rows=np.zeros(num_rows, dtype=np.intp),
            digests=np.full(num_rows, None, dtype=np.object_),
            reasons=np.full(num_rows, None, dtype=np.object_),
            measures=np.full((num_rows, len(MEASURES)), np.nan),
            hashes=np.zeros((num_rows, NUM_WORDS), dtype=np.uint64),
            **{
                name: np.zeros((num_rows, *shape), dtype=np.uint8) for name, shape in ARRAYS.items()
            },
        )

    def set(self, places: NDArray[np.intp], measures: Mapping[str, NDArray[np.generic]]) -> None:
        """Fill in measures of some of the rows.

        Args:
            places: which of these rows.
            measures: by name, each of shape (place,).
        """
        for name, values in measures.items():
            self.measures[places, MEASURES.index(name)] = values

    def table(self) -> pd.DataFrame:
        """Return all but the thumbnails as a table of :data:`PART_COLUMNS`."""
        measures = dict(zip(MEASURES, self.measures.T, strict=True))
        hashes = dict(zip(HASH_COLUMNS, self.hashes.T, strict=True))
        texts = {"digest": self.digests, "reason": self.reasons}
        words = {name: pd.Series(cells, dtype=TEXT) for name, cells in texts.items()}
        return pd.DataFrame({"row": self.rows, **words, **measures, **hashes})


def joined(parts: Sequence[MeasuredRows]) -> MeasuredRows:
    """Return the rows of several parts, one after the other."""
    return MeasuredRows(
        **{
            each.name: np.concatenate([getattr(part, each.name) for part in parts])
            for each in fields(MeasuredRows)
        }
    )


def key_of(*facts: object) -> str:
    """Return a digest of facts that JSON can hold: 32 hexadecimal digits."""
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()


def open_parts(directory: Path, *, key: str, num_images: int, resume: bool) -> PartsFolder:
    """Return the folder of a pass, made if need be.

    Args:
        directory: where it lies; other files in it are left alone.
        key: of the pass: which images, and how.
        num_images: rows of the manifest.
        resume: keep the parts of an earlier pass; without it they are removed.

    Raises:
        DataError: ``resume``, and what lies there is another pass.
        OutputError: the folder cannot be written.
    """
    about = {"key": key, "num_images": num_images}
    folder = PartsFolder(directory=directory, num_images=num_images)
    pass_file = directory / PASS_FILE
    if resume and pass_file.exists():
        if read_json(pass_file) != about:
            raise DataError(
                "is a pass over other images, or with other settings or versions",
                where=directory,
                hint="Resume with those, or start another one elsewhere",
            )
        if folder.has_arrays():
            return folder
    try:
        directory.mkdir(parents=True, exist_ok=True)
        pass_file.unlink(missing_ok=True)  # what follows is of no pass until all of it is done
        for part in directory.glob(_PARTS):
            part.unlink()
    except OSError as problem:
        raise OutputError(
            f"cannot be written: {problem.strerror}",
            where=directory,
            hint="Check the space left and the permissions",
        ) from problem
    for name, shape in ARRAYS.items():
        with atomic_path(folder.array(name)) as temporary, temporary.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (num_images, *shape)}
            np.lib.format.write_array_header_1_0(file, header)
            file.truncate(file.tell() + num_images * math.prod(shape))
    write_json(pass_file, about)
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsFolder:
    """The folder of a pass.

    Args:
        directory: where it lies.
        num_images: rows of the manifest.
    """

    directory: Path
    num_images: int

    def array(self, name: str) -> Path:
        """Return the file of one of :data:`ARRAYS`, of all images in the order of the manifest."""
        return self.directory / f"{name}.npy"

    def has_arrays(self) -> bool:
        """Return whether the arrays are there, and for as many images."""
        try:
            return all(
                np.load(self.array(name), mmap_mode="r").shape == (self.num_images, *shape)
                for name, shape in ARRAYS.items()
            )
        except (OSError, EOFError, ValueError):
            return False

    def read(self, number: int, key: str, rows: NDArray[np.intp]) -> pd.DataFrame | None:
        """Return the table of a part; None if it is not there, or damaged.

        Args:
            number: which part.
            key: what it must be of.
            rows: that it must hold, in its order.
        """
        try:
            table = read_table(self._part(number, key), columns=PART_COLUMNS)
        except DataError:
            return None
        return table if np.array_equal(table["row"], rows) else None

    def write(self, number: int, key: str, part: MeasuredRows) -> pd.DataFrame:
        """Keep a part and return its table: its arrays, then its table, which makes it count.

        They are written, never mapped: a full disk is then an error like any other.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        for name, shape in ARRAYS.items():
            self._write_array(name, part.rows, getattr(part, name), math.prod(shape))
        for old in self.directory.glob(f"part-{number:05d}-*.parquet"):
            old.unlink()
        table = part.table()
        write_table(table, self._part(number, key))
        return table

    def _write_array(
        self, name: str, rows: NDArray[np.intp], content: NDArray[np.uint8], num_bytes: int
    ) -> None:
        try:
            with self.array(name).open("r+b") as file:
                first = file.seek(0, os.SEEK_END) - self.num_images * num_bytes
                for start, stop in _runs(rows):
                    file.seek(first + int(rows[start]) * num_bytes)
                    file.write(content[start:stop].tobytes())
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            raise OutputError(
                f"cannot be written: {problem.strerror}",
                where=self.array(name),
                hint="Check the space left and the permissions",
            ) from problem

    def gather(self, tables: Sequence[pd.DataFrame], manifest: Manifest) -> MeasuredImages:
        """Return all parts as one table in the order of the manifest.

        Args:
            tables: of all parts.
            manifest: the images.
        """
        whole = pd.concat(tables, ignore_index=True).sort_values("row", ignore_index=True)
        assert np.array_equal(whole["row"], np.arange(self.num_images))
        table = manifest.table[["image_id", "path"]].reset_index(drop=True)
        for name in ("digest", "reason"):
            table[name] = whole[name].astype(TEXT)
        return MeasuredImages(
            table=pd.concat([table, whole[list(MEASURES)]], axis=1),
            hashes=whole[list(HASH_COLUMNS)].to_numpy(dtype=np.uint64),
            thumbnails=np.load(self.array("thumbnails"), mmap_mode="r"),
            chroma=np.load(self.array("chroma"), mmap_mode="r"),
            directory=self.directory,
        )

    def _part(self, number: int, key: str) -> Path:
        return self.directory / f"part-{number:05d}-{key}.parquet"


def _runs(rows: NDArray[np.integer]) -> Iterator[tuple[int, int]]:
    """Yield start and stop of each stretch of rows that follow one another."""
    ends = np.flatnonzero(np.diff(rows) != 1) + 1
    edges = [0, *ends.tolist(), len(rows)]
    yield from pairwise(edges)
