"""The files of a store: decoded in threads, written in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.decode import DecodeSettings, ImageError, decode_windows, read_bytes
from debias.data.digests import READ_FAILED, digest_bytes
from debias.data.pool import in_order
from debias.data.shards import Shards
from debias.data.source_files import FAILURE_COLUMNS, SourceFile, SourceFiles
from debias.data.tables import TEXT, write_table
from debias.errors import DataError

NUM_FILES_A_TASK = 16
BYTES_A_TASK = 4_000_000

Loaded = Sequence[tuple[SourceFile, bytes | ImageError | None]]
"""Files with their content, or why they are refused; None where they are still to be read."""


def write_store(
    folder: Path,
    files: SourceFiles,
    *,
    root: Path,
    shards: Shards | None = None,
    settings: DecodeSettings,
    num_workers: int,
    advance: Callable[[int], object],
) -> pd.DataFrame:
    """Write ``pixels.npy``, ``index.parquet``, ``failures.csv`` and ``store.json``.

    Pixels are appended, never mapped: a full disk is then an error like any other.

    Args:
        folder: an empty folder.
        files: what to decode.
        root: the folder of their paths.
        shards: what holds the files, where they are no files of the folder; each is read once.
        settings: how to decode.
        num_workers: threads.
        advance: called with a number of windows each time that so many more are done.

    Returns:
        The windows that could not be decoded, with reasons; see :class:`ImageStore`.

    Raises:
        DataError: a file is not what its digest says.
        OSError: the disk is full, or the folder cannot be written.
    """

    def decode(task: Loaded) -> list[tuple[SourceFile, NDArray[np.uint8] | str]]:
        return [(file, _decode(file, content, root, settings)) for file, content in task]

    shape = (settings.image_size, settings.image_size, 3)
    is_decoded = np.zeros(len(files), dtype=np.bool_)
    failures: list[tuple[str, str, str]] = []
    with (folder / "pixels.npy").open("wb") as out:
        _write_header(out, (len(files.image_ids), *shape))
        loaded = _loaded(files, shards, settings)
        place = 0
        for task in in_order(decode, loaded, num_workers):
            for file, result in task:
                if isinstance(result, str):
                    failures += [(image_id, file.path, result) for image_id in file.image_ids]
                else:
                    out.write(result.data)
                    is_decoded[place] = True
                place += 1
            advance(sum(len(file.crops) for file, _ in task))
        image_ids = files.ids_of(is_decoded)
        # Only now is it known how many there are; the header keeps room for any number.
        out.seek(0)
        _write_header(out, (len(image_ids), *shape))
    table = pd.DataFrame(failures, columns=FAILURE_COLUMNS)
    table.to_csv(folder / "failures.csv", index=False, lineterminator="\n")
    index = pd.DataFrame({"image_id": pd.array(image_ids, dtype=TEXT)})
    write_table(index, folder / "index.parquet")
    about = {
        "num_images": len(image_ids),
        "num_failures": len(failures),
        "settings": asdict(settings),
        "versions": {name: version(name) for name in ("numpy", "pillow")},
    }
    (folder / "store.json").write_text(json.dumps(about, indent=2) + "\n")
    return table


def _tasks(files: Iterable[SourceFile], num_bytes: int) -> Iterator[Sequence[SourceFile]]:
    """Yield a few files at a time: enough to be worth a thread's while, few enough for memory."""
    task: list[SourceFile] = []
    waiting = 0
    for file in files:
        task.append(file)
        waiting += len(file.crops) * num_bytes
        if len(task) == NUM_FILES_A_TASK or waiting >= BYTES_A_TASK:
            yield task
            task, waiting = [], 0
    if task:
        yield task


def _loaded(
    files: SourceFiles, shards: Shards | None, settings: DecodeSettings
) -> Iterator[Loaded]:
    """Yield the files in tasks, with their content where it is not the threads that read."""
    tasks = _tasks(files, settings.image_size**2 * 3)
    if shards is None:
        yield from ([(file, None) for file in task] for task in tasks)
        return
    contents = shards.contents((file.path for file in files), settings)
    for task in tasks:
        yield list(zip(task, islice(contents, len(task)), strict=True))


def _decode(
    file: SourceFile, content: bytes | ImageError | None, root: Path, settings: DecodeSettings
) -> NDArray[np.uint8] | str:
    """Return a file's windows, or the reason why there are none."""
    if file.digest.startswith(READ_FAILED):
        return file.digest.removeprefix(READ_FAILED)
    data = read_bytes(root / file.path, settings) if content is None else content
    if isinstance(data, ImageError):
        return data.what
    if digest_bytes(data) != file.digest:
        raise DataError(
            "has changed since it was first read",
            where=root / file.path,
            hint="Run again when nobody writes there; if this recurs, empty the cache",
        )
    try:
        return decode_windows(data, file.crops, settings)
    except ImageError as problem:
        return problem.what


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    about = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, about)
