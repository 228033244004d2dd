"""What reads each published layout, by the name that a definition gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from debias.data.catalog import Definition
from debias.data.layouts.arrays import read_mit_faces
from debias.data.layouts.categories import read_categories, read_imagenet
from debias.data.layouts.celeba import read_celeba
from debias.data.layouts.folder import read_folder
from debias.data.layouts.lfw import read_lfw
from debias.data.layouts.listed import read_fairface, read_ppb
from debias.data.layouts.prepared import PreparedSet
from debias.data.layouts.utkface import read_utkface
from debias.data.layouts.wider import read_wider
from debias.errors import ConfigError, nearest

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
        root: the folder of the set.
        definition: of the set.

    Raises:
        ConfigError: the definition names no reader.
        DataError: the folder is not of that layout.
        MissingExtraError: reading it needs an optional part of the installation.
    """
    reader = definition.layout.reader
    if reader not in READERS:
        raise ConfigError(
            f"layout {reader!r} has no reader",
            where=f"{definition.name}.toml",
            hint=nearest(reader, READERS),
        )
    return READERS[reader](root, definition)
