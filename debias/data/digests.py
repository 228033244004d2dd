"""What each file holds, as a digest, remembered so that a second look need not read it again.

Like the index of a version-control system: a file whose size and times are those remembered is
taken to be unchanged. A file that changed within moments of being read is not remembered, since
another change right after the reading could leave its times as they were.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd

from debias.data.decode import DecodeSettings, ImageError, read_bytes
from debias.data.pool import in_order
from debias.data.tables import read_table, write_table
from debias.errors import DataError, OutputError

COLUMNS = ["path", "size", "mtime_ns", "ctime_ns", "digest"]
READ_FAILED = "!"  # before the reason, in place of a digest
SETTLED_NS = 2_000_000_000  # coarser than the clock of any file system
NUM_FILES_A_TASK = 64

Stamp = tuple[int, int, int]  # size, mtime_ns, ctime_ns
Memory = dict[str, tuple[Stamp, str]]  # by path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    path: str
    digest: str
    stamp: Stamp | None  # None: not to be remembered
    is_new: bool


def digest_bytes(data: bytes) -> str:
    """Return the digest of a file's content: 32 hexadecimal digits of BLAKE2b."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def digest_files(
    paths: Iterable[str],
    *,
    root: Path,
    memory: Path,
    settings: DecodeSettings,
    num_workers: int,
    advance: Callable[[int], object],
) -> dict[str, str]:
    """Return the digest of each file; for one that cannot be read, ``READ_FAILED`` and why.

    Args:
        paths: files, relative to ``root``, each once.
        root: their folder.
        memory: the Parquet file of what is remembered of this root. One that is missing, broken or
            not writable costs a reading of the files, no more.
        settings: its ``max_bytes`` counts.
        num_workers: threads.
        advance: called with a number of files each time that so many more are done.
    """
    known = _recall(memory)

    def look(task: list[str]) -> list[_Look]:
        return [_look(path, root, known.get(path), settings) for path in task]

    digests: dict[str, str] = {}
    fresh: Memory = {}
    for looks in in_order(look, _tasks(paths), num_workers):
        for seen in looks:
            digests[seen.path] = seen.digest
            if seen.is_new and seen.stamp is not None:
                fresh[seen.path] = (seen.stamp, seen.digest)
        advance(len(looks))
    if fresh:
        # Another process may have written meanwhile; what is lost to it costs a reading.
        _remember(memory, _recall(memory) | fresh)
    return digests


def _tasks(paths: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(paths)
    while task := list(islice(rest, NUM_FILES_A_TASK)):
        yield task


def _look(
    path: str, root: Path, known: tuple[Stamp, str] | None, settings: DecodeSettings
) -> _Look:
    file = root / path
    try:
        about = os.stat(file)
    except OSError:
        stamp = None
    else:
        stamp = (about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    if known is not None and known[0] == stamp and stamp[0] <= settings.max_bytes:
        return _Look(path=path, digest=known[1], stamp=stamp, is_new=False)
    now = time.time_ns()
    try:
        digest = digest_bytes(read_bytes(file, settings))
    except ImageError as problem:
        return _Look(path=path, digest=f"{READ_FAILED}{problem.what}", stamp=None, is_new=True)
    if stamp is not None and now - max(stamp[1], stamp[2]) < SETTLED_NS:
        stamp = None
    return _Look(path=path, digest=digest, stamp=stamp, is_new=True)


def _recall(memory: Path) -> Memory:
    try:
        table = read_table(memory, columns=COLUMNS)
    except DataError:
        return {}
    stamps = zip(table["size"], table["mtime_ns"], table["ctime_ns"], strict=True)
    return {
        path: ((int(size), int(mtime), int(ctime)), digest)
        for path, (size, mtime, ctime), digest in zip(
            table["path"], stamps, table["digest"], strict=True
        )
    }


def _remember(memory: Path, known: Memory) -> None:
    rows = [(path, *stamp, digest) for path, (stamp, digest) in known.items()]
    with suppress(OutputError):
        write_table(pd.DataFrame(rows, columns=COLUMNS), memory)
