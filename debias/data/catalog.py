"""The definitions of public data sets: where each comes from, and what is to be known before use.

They are the TOML files of ``datasets/``. A wheel carries them inside the package; a checkout has
them beside it. No image is in either.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from debias.config import build, read_toml
from debias.data.attributes import PROVENANCES
from debias.errors import ConfigError, DataError, nearest

ROLES = ("faces", "non-faces", "faces and non-faces")
SUFFIX = ".toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeSource:
    """A sensitive attribute that a data set comes with.

    Args:
        name: the attribute.
        values: what it can be; empty where it is a number.
        provenance: one of :data:`debias.data.attributes.PROVENANCES`.
        how: who said so of whom, and by what means.

    Raises:
        ConfigError: a text is empty, or the provenance is none.
    """

    name: str = ""
    values: tuple[str, ...] = ()
    provenance: str = ""
    how: str = ""

    def __post_init__(self) -> None:
        _check_known("provenance", self.provenance, PROVENANCES)
        _check_texts(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFolder:
    """Folders of a published set that hold the pictures of one split.

    Args:
        path: below the folder of the set; ``{category}`` stands for any one name.
        split: train, val, test, or empty where none is published.
        categories: a text file below the folder of the set, whose lines begin with a picture's
            file name and its category; empty where the path says the category, or nothing does.
    """

    path: str = ""
    split: str = ""
    categories: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a set lies on disk as it is published.

    Args:
        reader: what reads it, one of :data:`debias.data.layouts.readers.READERS`.
        expects: the files and folders that it looks for, in words for a person.
        inside: names of folders that an archive may unpack to, and that may lie in the folder a
            person names.
        folders: where the pictures are, for the readers that ask for it.
        signs: patterns of paths below the folder of the set, such as ``accordion/*``, each of
            which is a picture's; another set of folders of pictures has none.
        leave_out: categories that are no use here; capital letters do not matter.
        leave_out_why: the reason that stands beside their pictures.
        notes: what is decided in reading it, and the user should know.
    """

    reader: str = ""
    expects: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    folders: tuple[PictureFolder, ...] = ()
    signs: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    leave_out_why: str = "left out"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What is to be known of a public data set; a fact that nobody gives reads "not stated".

    Args:
        name: what it is called here; the name of its file.
        title: what its authors call it.
        role: one of :data:`ROLES`, what it is of use for.
        homepage: where its authors describe it, or the page of these docs that does.
        citation: the publication to cite.
        size: how many images, of what size.
        source: where the images come from, and how they were chosen.
        licence: its name.
        terms: what it may be used for, and what may not be done with it.
        access: how to get it, and what must be signed or asked for.
        consent: whether the people shown agreed.
        labels: who labelled what, and how; attributes aside.
        biases: what is known of whom and what it shows too little, too much or wrongly.
        attributes: what is said of the people shown, and by whom.
        layout: how it lies on disk.

    Raises:
        ConfigError: a text is empty, the role is none, or an attribute is described twice.
    """

    name: str = ""
    title: str = ""
    role: str = ""
    homepage: str = ""
    citation: str = ""
    size: str = ""
    source: str = ""
    licence: str = ""
    terms: str = ""
    access: str = ""
    consent: str = ""
    labels: str = ""
    biases: tuple[str, ...] = ()
    attributes: tuple[AttributeSource, ...] = ()
    layout: Layout = Layout()

    def __post_init__(self) -> None:
        _check_known("role", self.role, ROLES)
        _check_texts(self)
        names = [attribute.name for attribute in self.attributes]
        if len(set(names)) < len(names):
            raise ConfigError("an attribute is described twice: " + ", ".join(names))


def list_definitions() -> tuple[str, ...]:
    """Return the names of the data sets that are defined, sorted."""
    files = (file.name for file in _folder().iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in files if name.endswith(SUFFIX)))


def load_definition(name: str) -> Definition:
    """Return what is to be known of a data set.

    Args:
        name: one of :func:`list_definitions`.

    Raises:
        DataError: no data set of that name is defined.
        ConfigError: its file is not TOML, has an unknown key, or lacks one.
    """
    known = list_definitions()
    if name not in known:
        raise DataError(f"no data set {name!r} is defined", hint=nearest(name, known))
    with resources.as_file(_folder() / f"{name}{SUFFIX}") as path:
        definition = build(Definition, read_toml(path), where=path.name)
    if definition.name != name:
        raise ConfigError(f"names itself {definition.name!r}", where=f"{name}{SUFFIX}")
    return definition


def _folder() -> Traversable:
    carried = resources.files("debias") / "_datasets"
    return carried if carried.is_dir() else Path(__file__).parents[2] / "datasets"


def _check_texts(record: Definition | AttributeSource) -> None:
    """Refuse empty texts: what is unknown must say so."""
    for field in fields(record):
        value = getattr(record, field.name)
        several = value if isinstance(value, tuple) else (value,)
        texts = [text for text in several if isinstance(text, str)]
        if not all(text.strip() for text in texts):
            raise ConfigError(
                f"{field.name!r} is missing or empty", hint="Write 'not stated' if nobody says"
            )


def _check_known(key: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{key} {value!r} is not a known value", hint=nearest(value, known))
