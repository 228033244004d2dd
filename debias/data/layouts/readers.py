"""What reads each published layout, by the name that a definition gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from debias.data.catalog import Definition
from debias.data.folders import require_folder
from debias.data.layouts.arrays import read_mit_faces
from debias.data.layouts.categories import read_categories, read_imagenet
from debias.data.layouts.celeba import read_celeba
from debias.data.layouts.folder import read_folder
from debias.data.layouts.lfw import read_lfw
from debias.data.layouts.listed import read_fairface, read_ppb
from debias.data.layouts.places import how_to_get
from debias.data.layouts.prepared import PreparedSet
from debias.data.layouts.utkface import read_utkface
from debias.data.layouts.wider import read_wider
from debias.errors import ConfigError, nearest

TAKE_FILES = frozenset({"mit-faces"})
"""The readers that take a file as well as the folder that it lies in."""
READERS: Mapping[str, Callable[[Path, Definition], PreparedSet]] = MappingProxyType(
    {
        "categories": read_categories,
        "celeba": read_celeba,
        "fairface": read_fairface,
        "folder": read_folder,
        "imagenet": read_imagenet,
        "lfw": read_lfw,
        "mit-faces": read_mit_faces,
        "ppb": read_ppb,
        "utkface": read_utkface,
        "wider-face": read_wider,
    }
)


def read_published(root: Path, definition: Definition) -> PreparedSet:
    """Return a public data set, read from the layout in which it is published.

    Args:
        root: the folder of the set, or a file of it for those of :data:`TAKE_FILES`.
        definition: of the set.

    Raises:
        ConfigError: the definition names no reader.
        DataError: the folder is not of that layout.
        MissingExtraError: reading it needs an optional part of the installation.
    """
    check_readable(root, definition)
    return READERS[definition.layout.reader](root, definition)


def check_readable(root: Path, definition: Definition) -> None:
    """Refuse what no reader can read, before anything is looked at or written.

    Raises:
        ConfigError: the definition names no reader.
        DataError: there is no such folder, or a file is named and the set is read from a folder.
    """
    reader = definition.layout.reader
    if reader not in READERS:
        raise ConfigError(
            f"layout {reader!r} has no reader",
            where=f"{definition.name}.toml",
            hint=nearest(reader, READERS),
        )
    if reader not in TAKE_FILES:
        require_folder(root, hint=how_to_get(definition))
