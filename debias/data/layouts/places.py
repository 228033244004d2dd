"""Where the parts of a published set lie below the folder that a person named."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from debias.data.catalog import Definition
from debias.data.decode import image_suffixes
from debias.data.folders import require_folder
from debias.errors import DataError

NUM_SHOWN = 6
LEFTOVERS = ("__MACOSX",)


def find_top(root: Path, definition: Definition, wanted: Sequence[str]) -> Path:
    """Return the folder where a set begins: ``root``, or one of the layout's names inside it.

    Args:
        root: what a person named.
        definition: of the set.
        wanted: paths below the folder; one of them must be there.

    Raises:
        DataError: there is no such folder, or none of the paths is in it.
    """
    for name in ("", *definition.layout.inside):
        if first_of(root / name, wanted) is not None:
            return root / name
    refuse_layout(root, definition, wanted)


def first_of(top: Path, names: Iterable[str]) -> Path | None:
    """Return the first of some paths below a folder that exists, or None."""
    return next((top / name for name in names if (top / name).exists()), None)


def other_copies(chosen: Path, candidates: Iterable[Path], *, root: Path) -> list[str]:
    """Return a note that names the other copies of a set's pictures; none where there are none.

    Args:
        chosen: the folder that is read.
        candidates: folders that hold the same pictures, aligned or cut in another way.
        root: what a person named.
    """
    others = [one for one in dict.fromkeys(candidates) if one != chosen]
    if not others:
        return []
    names = ", ".join(f"{below(root, one) or './'}" for one in others)
    here = below(root, chosen) or "the folder itself"
    return [f"Read from {here}; also there: {names}. Name another with --root"]


def refuse_layout(root: Path, definition: Definition, wanted: Sequence[str]) -> NoReturn:
    """Say that a folder is not there or is not what was published, and how to get what is.

    Raises:
        DataError: always.
    """
    require_folder(root, hint=how_to_get(definition))
    names = ", ".join(f"{name}/" for name in definition.layout.inside)
    inside = f" (also in {names})" if names else ""
    raise DataError(
        f"not the layout in which {definition.title} is published: looked for "
        f"{' or '.join(dict.fromkeys(wanted))}{inside}; found {_what_is_in(root)}",
        where=root,
        hint=how_to_get(definition),
    )


def how_to_get(definition: Definition) -> str:
    """Return what to do to have a set."""
    return f"`debias data show {definition.name}` says what is expected. To get it: " + (
        definition.access.rstrip(".")
    )


def names_in(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the pictures and of the folders in a folder, each sorted.

    Pictures are the files whose suffix Pillow knows. Hidden ones are passed over, and what a
    packer of archives leaves behind. Links count as what they lead to.

    Raises:
        DataError: the folder cannot be listed, or a name in it is not UTF-8.
    """
    suffixes = image_suffixes()
    pictures, folders = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name in LEFTOVERS:
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif os.path.splitext(entry.name)[1].lower() in suffixes:
                    pictures.append(entry.name)
    except OSError as problem:
        raise DataError(f"cannot be listed: {problem.strerror}", where=folder) from None
    try:
        "".join((*pictures, *folders)).encode()
    except UnicodeEncodeError:
        raise DataError("holds a name that is not UTF-8", where=folder, hint="Rename it") from None
    return sorted(pictures), sorted(folders)


def below(root: Path, folder: Path) -> str:
    """Return what to put before a name in ``folder`` to make its path below ``root``."""
    inside = folder.relative_to(root).as_posix()
    return "" if inside == "." else inside + "/"


def _what_is_in(root: Path) -> str:
    try:
        names = sorted(
            entry.name + ("/" if entry.is_dir() else "")
            for entry in os.scandir(root)
            if not entry.name.startswith(".")
        )
    except OSError as problem:
        return f"that it cannot be listed ({problem.strerror})"
    more = f" and {len(names) - NUM_SHOWN:,} more" if len(names) > NUM_SHOWN else ""
    return (", ".join(names[:NUM_SHOWN]) + more) or "nothing"
