"""The pictures in a folder."""

from __future__ import annotations

import os
from pathlib import Path

from debias.data.decode import image_suffixes
from debias.errors import DataError

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


def require_folder(folder: Path, *, hint: str) -> None:
    """Refuse what is no folder.

    Args:
        folder: what a person named.
        hint: what to do where nothing is there.

    Raises:
        DataError: it is a file, or not there.
    """
    if folder.is_file():
        is_packed = folder.suffix.lower() in ARCHIVES
        advice = "Unpack it and name the folder" if is_packed else "Name the folder that it is in"
        raise DataError("is a file, not a folder", where=folder, hint=advice)
    if not folder.is_dir():
        raise DataError("there is no such folder", where=folder, hint=hint)


def pictures_below(folder: Path) -> list[str]:
    """Return the sorted posix paths of the pictures below ``folder``, relative to it.

    Pictures are the files whose suffix Pillow knows. Hidden files and folders are passed over;
    links are followed, but not in circles.

    Args:
        folder: the folder; folders inside it count.

    Raises:
        DataError: the folder is missing, holds no picture or a name that is not UTF-8, or a
            folder in it cannot be read.
    """
    require_folder(folder, hint="Check the path")
    suffixes = image_suffixes()
    found = []
    seen = set()
    num_others = 0
    for place, folders, files in os.walk(folder, onerror=_refuse_unread, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link back up would go round for ever
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        shown = [name for name in files if not name.startswith(".")]
        pictures = [name for name in shown if Path(name).suffix.lower() in suffixes]
        found += [Path(place, name).relative_to(folder).as_posix() for name in pictures]
        num_others += len(shown) - len(pictures)
    if not found:
        plural = "" if num_others == 1 else "s"
        others = f", but {num_others:,} other file{plural}" if num_others else ""
        raise DataError(
            f"holds no pictures{others}",
            where=folder,
            hint="Known: " + ", ".join(sorted(suffixes)),
        )
    try:
        "".join(found).encode()
    except UnicodeEncodeError:
        raise DataError(
            "holds a file whose name is not UTF-8", where=folder, hint="Rename it"
        ) from None
    return sorted(found)


def _refuse_unread(problem: OSError) -> None:
    """Stop at a folder that cannot be listed: its pictures would be missing without a word."""
    raise DataError(
        f"the folder cannot be read: {problem.strerror}",
        where=problem.filename,
        hint="Check its permissions, or name a folder without it",
    ) from problem
