"""What each file holds, as a digest, remembered so that a second look need not read it again.

Like the index of a version-control system: a file whose size and times are those remembered is
taken to be unchanged. A file that changed within moments of being read is not remembered, since
another change right after the reading could leave its times as they were.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from debias.data.decode import DecodeSettings, ImageError, read_bytes
from debias.data.pool import in_order
from debias.data.tables import read_table, write_table
from debias.errors import DataError, OutputError

READ_FAILED = "!"  # before the reason, in place of a digest
SETTLED_NS = 2_000_000_000  # coarser than the clock of any file system
NUM_FILES_A_TASK = 64
MEMORY = pa.schema(
    [
        ("path", pa.large_string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("ctime_ns", pa.int64()),
        ("digest", pa.large_string()),
    ]
)

Stamp = tuple[int, int, int]  # size, mtime_ns, ctime_ns
Look = tuple[str, Stamp | None]
"""A digest and the stamp to remember it by; None if it is remembered already, or must not be."""


def digest_bytes(data: bytes) -> str:
    """Return the digest of a file's content: 32 hexadecimal digits of BLAKE2b."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def digest_files(
    paths: pa.LargeStringArray,
    *,
    root: Path,
    memory: Path,
    settings: DecodeSettings,
    num_workers: int,
    advance: Callable[[int], object],
) -> pa.LargeStringArray:
    """Return the digest of each file; for one that cannot be read, ``READ_FAILED`` and why.

    Args:
        paths: files, relative to ``root``, each once.
        root: their folder.
        memory: the Parquet file of what is remembered of this root. One that is missing, broken or
            not writable costs a reading of the files, no more.
        settings: its ``max_bytes`` counts.
        num_workers: threads.
        advance: called with a number of files each time that so many more are done.

    Returns:
        Text of shape (file,), in the order of the paths.
    """
    known = _recall(memory)
    rows = pc.index_in(paths, value_set=known["path"])
    known = known.drop_columns(["path"])
    known = known.take(rows)  # nulls where nothing is remembered

    def look(first: int) -> list[Look]:
        columns = known.slice(first, NUM_FILES_A_TASK).to_pydict().values()
        return [
            _look(path, root, (size, mtime, ctime), digest, settings)
            for path, size, mtime, ctime, digest in zip(
                paths[first : first + NUM_FILES_A_TASK].to_pylist(), *columns, strict=True
            )
        ]

    digests: list[pa.LargeStringArray] = []
    stamps = np.zeros((len(paths), 3), dtype=np.int64)
    is_fresh = np.zeros(len(paths), dtype=np.bool_)
    firsts = range(0, len(paths), NUM_FILES_A_TASK)
    for first, looks in zip(firsts, in_order(look, firsts, num_workers), strict=True):
        for place, (_, stamp) in enumerate(looks, first):
            if stamp is not None:
                stamps[place] = stamp
                is_fresh[place] = True
        digests.append(pa.array([digest for digest, _ in looks], pa.large_string()))
        advance(len(looks))
    found = pa.chunked_array(digests, pa.large_string()).combine_chunks()
    if is_fresh.any():
        mask = pa.array(is_fresh)
        columns = [paths.filter(mask), *stamps[is_fresh].T, found.filter(mask)]
        _remember(memory, pa.Table.from_arrays(columns, schema=MEMORY))
    return found


def _look(
    path: str,
    root: Path,
    known_stamp: tuple[int | None, int | None, int | None],
    known_digest: str | None,
    settings: DecodeSettings,
) -> Look:
    file = root / path
    try:
        about = os.stat(file)
    except OSError:
        stamp = None
    else:
        stamp = (about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        if known_digest is not None and known_stamp == stamp and stamp[0] <= settings.max_bytes:
            return known_digest, None
    now = time.time_ns()
    try:
        digest = digest_bytes(read_bytes(file, settings))
    except ImageError as problem:
        return f"{READ_FAILED}{problem.what}", None
    if stamp is not None and now - max(stamp[1], stamp[2]) < SETTLED_NS:
        stamp = None
    return digest, stamp


def _recall(memory: Path) -> pa.Table:
    try:
        table = read_table(memory, columns=MEMORY.names)
        return pa.Table.from_pandas(table, schema=MEMORY, preserve_index=False)
    except (DataError, pa.ArrowException):
        return MEMORY.empty_table()


def _remember(memory: Path, fresh: pa.Table) -> None:
    # Another process may have written meanwhile; what is lost to it costs a reading.
    known = _recall(memory)
    is_replaced = pc.is_in(known["path"], value_set=fresh["path"])
    known = pa.concat_tables([known.filter(pc.invert(is_replaced)), fresh])
    with suppress(OutputError):
        write_table(known.to_pandas(), memory)
