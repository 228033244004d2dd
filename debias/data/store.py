"""Images decoded once into one memory-mapped array; every later epoch only gathers rows.

A store is a folder of the cache named by its key: a digest of the content of every file, of every
row's id and window, and of the settings. Whatever carries a key's name is finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from debias.data.cache_folder import locked, new_folder
from debias.data.decode import DecodeSettings, quiet_pillow
from debias.data.digests import digest_files
from debias.data.manifest import Manifest
from debias.data.pool import num_cores
from debias.data.source_files import (
    FAILURE_COLUMNS,
    SourceFiles,
    require_decoded,
    source_files,
    store_key,
)
from debias.data.store_write import write_store
from debias.data.tables import TEXT, read_table
from debias.errors import ConfigError, DataError, OutputError

HINT = "Free some space, or set DEBIAS_CACHE to a folder that can be written"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageStore:
    """Decoded images.

    Args:
        directory: where the store lies.
        images: pixels of shape (image, height, width, channel), mapped from disk, read-only.
        image_ids: the id of each image, in the order of the array.
        failures: images that are not in the array: ``image_id``, ``path`` and ``reason``.
    """

    directory: Path
    images: NDArray[np.uint8]
    image_ids: pd.Index[str]
    failures: pd.DataFrame

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, image_ids: ArrayLike) -> NDArray[np.int64]:
        """Return where each image lies in the array.

        Args:
            image_ids: ids, in any order, repeated or not.

        Raises:
            DataError: an id is not in the store.
        """
        wanted = pd.Index(np.asarray(image_ids, dtype=object))
        rows = self.image_ids.get_indexer(wanted)
        absent = wanted[rows < 0]
        if len(absent):
            reasons = dict(zip(self.failures["image_id"], self.failures["reason"], strict=True))
            reason = reasons.get(absent[0], "it is not among the images it was built from")
            raise DataError(
                f"{len(absent)} images are not in the store; {absent[0]!r}: {reason}",
                where=self.directory,
            )
        return rows.astype(np.int64)

    def gather(
        self, rows: NDArray[np.integer], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """Return copies of images, of shape (row, height, width, channel).

        Args:
            rows: which, in any order, repeated or not; see :meth:`rows`.
            out: where to put them; saves the making of a new array.

        Raises:
            IndexError: a row is negative or beyond the last.
        """
        rows = np.asarray(rows)
        self.check_rows(rows)
        # Checked above: mode="raise" would fill a buffer first and copy it to `out` afterwards.
        return np.take(np.asarray(self.images), rows, axis=0, out=out, mode="clip")

    def check_rows(self, rows: NDArray[np.integer]) -> None:
        """Check that rows are there.

        Raises:
            IndexError: a row is negative or beyond the last.
        """
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self.images):
            raise IndexError(f"rows are {rows.min()} to {rows.max()} of {len(self.images)}")


def default_cache() -> Path:
    """Return $DEBIAS_CACHE, or else the user's cache folder for debias."""
    if chosen := os.environ.get("DEBIAS_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "debias"


def build_store(
    manifest: Manifest,
    settings: DecodeSettings,
    *,
    cache: Path,
    num_workers: int | None = None,
    strict: bool = False,
    progress: bool = True,
) -> ImageStore:
    """Return the decoded images of a manifest, from the cache if they are there.

    Files are read once to know their content; what they hold is remembered by size and time, so
    that a second call reads none. An image that cannot be decoded is left out and listed in
    ``failures``. Two processes may ask for the same store at once: the second waits for the first.
    Not for several threads at once; see :func:`debias.data.decode.quiet_pillow`.

    Args:
        manifest: the images; labels and splits do not matter here.
        settings: how to decode them.
        cache: the folder of all stores; made if it is missing. See :func:`default_cache`.
        num_workers: threads; as many as there are cores when None.
        strict: refuse a manifest with images that cannot be decoded.
        progress: show on standard error how far it is, and how long it will take.

    Raises:
        DataError: no image can be decoded, or with ``strict``, one cannot; or files change while
            they are read.
        OutputError: the cache cannot be written.
    """
    if num_workers is not None and num_workers < 1:
        raise ConfigError(f"num_workers is {num_workers}", hint="It must be at least 1")
    job = _Job(
        manifest=manifest,
        settings=settings,
        num_workers=num_workers or num_cores(),
        progress=progress,
        strict=strict,
    )
    try:
        with quiet_pillow():
            return _find_or_build(job, Path(cache))
    except OSError as problem:
        if isinstance(problem, OutputError):
            raise
        reason = problem.strerror or str(problem)
        raise OutputError(f"cannot keep decoded images: {reason}", where=cache, hint=HINT) from (
            problem
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    manifest: Manifest
    settings: DecodeSettings
    num_workers: int
    progress: bool
    strict: bool

    def bar(self, what: str, total: int, *, delay: float = 0.0) -> tqdm[NoReturn]:
        """Return a progress bar over images, on standard error."""
        return tqdm(
            desc=what,
            total=total,
            delay=delay,
            disable=not self.progress,
            unit=" images",
            dynamic_ncols=True,
        )


def _find_or_build(job: _Job, cache: Path) -> ImageStore:
    files = _files(job, cache)
    key = store_key(files, job.settings)
    place = cache / "stores" / key
    store = _open(place)
    if store is None:
        place.parent.mkdir(parents=True, exist_ok=True)
        with locked(place, on_wait=lambda: _say_waiting(job)):
            store = _open(place)
            if store is None:
                store = _build(job, files, place)
    # The same images may have moved since the store was built.
    table = job.manifest.table
    failed = table[table["image_id"].isin(store.failures["image_id"])]
    paths = failed.set_index("image_id")["path"]
    store.failures["path"] = store.failures["image_id"].map(paths)
    require_decoded(store.failures, job.manifest, strict=job.strict)
    return store


def _say_waiting(job: _Job) -> None:
    if job.progress:
        print("Waiting for another process that decodes the same images", file=sys.stderr)


def _files(job: _Job, cache: Path) -> SourceFiles:
    """Return the files with their content's digests."""
    files = source_files(job.manifest)
    shards = job.manifest.shards
    if shards is not None:
        listed = [shards.digest(file.path, job.settings) for file in files]
        return files.with_digests(pa.array(listed, pa.large_string()))
    root = job.manifest.root.resolve()
    memory = hashlib.blake2b(str(root).encode(), digest_size=16).hexdigest()
    with job.bar("Reading", len(files), delay=1.0) as bar:
        digests = digest_files(
            files.paths,
            root=root,
            memory=cache / "digests" / f"{memory}.parquet",
            settings=job.settings,
            num_workers=job.num_workers,
            advance=bar.update,
        )
    return files.with_digests(digests)


def _open(place: Path) -> ImageStore | None:
    """Return the store that lies at ``place``; None if there is none, or it is damaged."""
    try:
        about = json.loads((place / "store.json").read_text())
        images = np.load(place / "pixels.npy", mmap_mode="r")
        index = read_table(place / "index.parquet")
        failures = pd.read_csv(place / "failures.csv", dtype=TEXT, keep_default_na=False)
        failures = failures[FAILURE_COLUMNS]
        is_whole = (
            len(images) == len(index) == about["num_images"]
            and len(failures) == about["num_failures"]
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None
    if not is_whole:
        return None
    return ImageStore(
        directory=place,
        images=images,
        image_ids=pd.Index(index["image_id"].astype(TEXT)),
        failures=failures,
    )


def _build(job: _Job, files: SourceFiles, place: Path) -> ImageStore:
    num_images = len(job.manifest)
    needed = num_images * job.settings.image_size**2 * 3
    free = shutil.disk_usage(place.parent).free
    if needed > free:
        raise OutputError(
            f"decoded images need {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free",
            where=place.parent,
            hint=HINT,
        )
    shutil.rmtree(place, ignore_errors=True)  # what lies there is damaged, or it would be used
    with new_folder(place) as folder, job.bar("Decoding", num_images) as bar:
        failures = write_store(
            folder,
            files,
            root=job.manifest.root,
            shards=job.manifest.shards,
            settings=job.settings,
            num_workers=job.num_workers,
            advance=bar.update,
        )
        require_decoded(failures, job.manifest, strict=job.strict)
    store = _open(place)
    if store is None:
        raise OutputError("what was written there cannot be read back", where=place)
    return store
