"""Folders of a cache that are there whole or not at all, whoever is killed and when.

A folder is made under a temporary name and renamed. Who makes it holds a lock that the operating
system lets go of when the process ends, however it ends: a temporary folder whose lock is free is
what a dead process left.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NO_LOCKS_HERE = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL}


@contextmanager
def locked(place: Path, *, on_wait: Callable[[], object]) -> Iterator[None]:
    """Hold the lock of a folder to be, waiting for whoever makes it now.

    While it is held, remains of earlier builds are removed: those of ``place`` and those of other
    folders beside it that nobody is making. Some network file systems have no locks; there two
    processes may do the same work at once, which costs time only, and remains stay.

    Args:
        place: the folder; its parent must exist.
        on_wait: called once if another process holds the lock.
    """
    with _lock_file(place).open("ab") as file:
        has_lock = _try_lock(file.fileno())
        if has_lock is False:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        if has_lock is not None:
            _remove_remains(place)
        yield


@contextmanager
def new_folder(place: Path) -> Iterator[Path]:
    """Give an empty folder that becomes ``place``, safe on disk, when the block succeeds.

    If the block fails, nothing is left. A damaged ``place`` is replaced; one that another process
    finished meanwhile stays.

    Args:
        place: the folder to be.
    """
    folder = place.with_name(f"{place.name}.{secrets.token_hex(4)}.tmp")
    folder.mkdir()
    try:
        yield folder
        for path in (*folder.iterdir(), folder):
            _sync(path)
        try:
            folder.rename(place)
        except OSError as problem:
            if problem.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        _sync(place.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lock_file(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


def _try_lock(descriptor: int) -> bool | None:
    """Return whether the lock was free and is ours now; None where there are no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as problem:
        if problem.errno in NO_LOCKS_HERE:
            return None
        raise
    return True


def _remove_remains(place: Path) -> None:
    for folder in place.parent.glob("*.tmp"):
        name = folder.name.split(".")[0]
        if name == place.name:
            shutil.rmtree(folder, ignore_errors=True)
            continue
        with _lock_file(place.with_name(name)).open("ab") as file:
            if _try_lock(file.fileno()):
                shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
