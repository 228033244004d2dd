"""A folder that ``debias data prepare`` wrote: a manifest, attributes, and where the pictures are.

Its ``data.json`` is written first, as unfinished, and last, as complete: what a killed run leaves
can be told from what a finished one wrote, and be written anew.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from debias.data.attributes import Attributes, write_attributes
from debias.data.layouts.prepared import FAILURE_COLUMNS, PreparedSet
from debias.data.tables import as_labels, as_text, read_table, write_table
from debias.errors import DataError, OutputError
from debias.rundir import provenance, read_json, write_json

DATA_FILE = "data.json"
MANIFEST, FAILURES = "images.csv", "failures.csv"
ATTRIBUTES, PROVENANCE = "attributes.csv", "attributes.provenance.json"
PICTURES, FACTORS = "images", "factors.parquet"
JOB = "data"
_AGAIN = "Run the same `debias data prepare` with --overwrite"
DEFAULT_GROUPS = ("skin_tone", "gender")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedData:
    """A prepared folder, to read from.

    Attributes:
        name: of the data set.
        folder: where its files lie.
        root: the folder that the manifest's paths are relative to.
        attribute_names: what is known of the people shown.
        is_drawn: whether the pictures were drawn here, so that they show nobody.
    """

    name: str
    folder: Path
    root: Path
    attribute_names: tuple[str, ...]
    is_drawn: bool = False

    @property
    def manifest(self) -> Path:
        """The list of images."""
        return self.folder / MANIFEST

    @property
    def attributes(self) -> Path | None:
        """Sensitive attributes by image id, or None where there are none."""
        return self.folder / ATTRIBUTES if self.attribute_names else None

    @property
    def factors(self) -> Path | None:
        """Every factor of every picture, or None where the pictures were not drawn."""
        return self.folder / FACTORS if self.is_drawn else None

    @property
    def groups(self) -> tuple[str, ...]:
        """What to report by unless told otherwise: skin tone and gender, where they are known."""
        return tuple(name for name in DEFAULT_GROUPS if name in self.attribute_names)


def open_prepared(folder: Path) -> PreparedData:
    """Return a prepared folder.

    Raises:
        DataError: it is none, it is not finished, it is damaged, or its pictures are no longer
            where they were.
    """
    if not (folder / DATA_FILE).is_file():
        raise DataError(
            f"not a prepared data set (no {DATA_FILE})",
            where=folder,
            hint="Make one with: debias data prepare NAME --root DIR",
        )
    facts = read_json(folder / DATA_FILE)
    if not _is_ours(facts):
        raise DataError("not written by `debias data prepare`", where=folder / DATA_FILE)
    if not facts["complete"]:
        raise DataError("was left unfinished", where=folder, hint=_AGAIN)
    if not isinstance(facts.get("attributes"), dict):
        raise DataError("is damaged: it has no `attributes`", where=folder / DATA_FILE, hint=_AGAIN)
    root = folder / facts["root"]
    if not root.is_dir():
        raise DataError(
            f"its pictures are no longer in {root}",
            where=folder,
            hint="Prepare it again from where they are now",
        )
    return PreparedData(
        name=facts["name"],
        folder=folder,
        root=root,
        attribute_names=tuple(facts["attributes"]),
        is_drawn=facts.get("draws") is True,
    )


@contextmanager
def preparation(
    folder: Path, facts: Mapping[str, Any], *, overwrite: bool = False, draws: bool = False
) -> Iterator[None]:
    """Keep ``data.json`` while a folder is written: unfinished before, complete after.

    Args:
        folder: made if need be.
        facts: what is to be known of the set; what is added to it in the block counts.
        overwrite: an earlier preparation may be replaced.
        draws: pictures are written too; an earlier preparation's are removed first.

    Raises:
        OutputError: something stands in the way, or the folder cannot be written.
    """
    check_target(folder, overwrite=overwrite, draws=draws)
    write_json(folder / DATA_FILE, {**facts, "draws": draws, "complete": False})
    if draws:
        shutil.rmtree(folder / PICTURES, ignore_errors=True)
    yield
    write_json(folder / DATA_FILE, {**facts, "draws": draws, "complete": True})


def check_target(folder: Path, *, overwrite: bool, draws: bool) -> None:
    """See that nothing but an earlier preparation is replaced, and that only if wanted.

    What that one did not write is not replaced: pictures that it only listed are a person's.

    Args:
        folder: where to write.
        overwrite: an earlier preparation may be replaced.
        draws: pictures are written too.

    Raises:
        OutputError: something stands in the way, or the folder cannot be written.
    """
    names = [DATA_FILE, MANIFEST, ATTRIBUTES, PROVENANCE, FAILURES]
    names += [PICTURES, FACTORS] if draws else []
    there = [name for name in names if (folder / name).exists()]
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise OutputError(
            "cannot be written",
            where=folder,
            hint="Write elsewhere with --output DIR; the pictures stay where they are",
        )
    if not there:
        return
    earlier: Any = read_json(folder / DATA_FILE) if DATA_FILE in there else None
    ours = _written_by(earlier)
    if not overwrite:
        unfinished = bool(ours) and not earlier["complete"]
        raise OutputError(
            "was left unfinished" if unfinished else f"already holds {there[0]}",
            where=folder,
            hint="Write elsewhere with --output DIR, or replace it with --overwrite",
        )
    others = [name for name in there if name not in ours]
    if others:
        raise OutputError(
            f"holds {others[0]}, which `debias data prepare` did not make, so it is not replaced",
            where=folder,
            hint="Write elsewhere with --output DIR",
        )


def _written_by(facts: Any) -> set[str]:
    """Return the names of what a preparation wrote, from what its ``data.json`` says."""
    if not _is_ours(facts):
        return set()
    names = {DATA_FILE, MANIFEST, FAILURES}
    if facts.get("attributes") or not facts["complete"]:
        names |= {ATTRIBUTES, PROVENANCE}
    if facts.get("draws") is True:
        names |= {PICTURES, FACTORS}
    return names


def _is_ours(facts: Any) -> bool:
    return (
        isinstance(facts, dict)
        and facts.get("job") == JOB
        and isinstance(facts.get("name"), str)
        and isinstance(facts.get("root"), str)
        and isinstance(facts.get("complete"), bool)
    )


def write_prepared(
    found: PreparedSet,
    folder: Path,
    *,
    name: str,
    overwrite: bool = False,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Write a set that was read, and return what ``data.json`` says of it.

    Args:
        found: the set.
        folder: where to write.
        name: of the set.
        overwrite: an earlier preparation may be replaced.
        show_progress: draw progress bars.

    Raises:
        OutputError: see :func:`preparation`; or a file cannot be written.
    """
    draws = found.write_pictures is not None
    facts = about(name=name, root=folder if draws else found.root, folder=folder)
    facts["notes"] = list(found.notes)
    with preparation(folder, facts, overwrite=overwrite, draws=draws):
        if found.write_pictures is not None:
            found.write_pictures(folder, show_progress)
        write_table(found.images, folder / MANIFEST)
        write_contents(folder, facts, attributes=found.attributes, failures=found.failure_table())
    return facts


def about(*, name: str, root: Path, folder: Path, **settings: object) -> dict[str, Any]:
    """Return the beginning of what ``data.json`` says."""
    is_here = root.resolve() == folder.resolve()
    return provenance(
        job=JOB, settings=settings, name=name, root="." if is_here else str(root.resolve())
    )


def write_contents(
    folder: Path,
    facts: dict[str, Any],
    *,
    attributes: Attributes | None,
    failures: pd.DataFrame | None = None,
) -> None:
    """Write what goes with a manifest that is there, and count it all into ``facts``."""
    if failures is None:
        failures = pd.DataFrame(columns=list(FAILURE_COLUMNS))
    if attributes is None:  # those of an earlier preparation would be taken for this one's
        (folder / ATTRIBUTES).unlink(missing_ok=True)
        (folder / PROVENANCE).unlink(missing_ok=True)
    else:
        write_attributes(attributes, folder / ATTRIBUTES)
    write_table(failures, folder / FAILURES)
    by_reason = Counter(zip(failures["kept"], failures["reason"], strict=True))
    facts["attributes"] = {} if attributes is None else dict(attributes.provenance)
    facts["counts"] = _counts(read_table(folder / MANIFEST))
    facts["failures"] = [
        {"reason": reason, "kept": bool(kept), "count": count}
        for (kept, reason), count in sorted(by_reason.items())
    ]


def _counts(images: pd.DataFrame) -> dict[str, int]:
    table = images.reindex(columns=["label", "split", "identity_id"])
    labels = as_labels(as_text(table["label"]))
    counts = {
        "images": len(table),
        "faces": int((labels == 1).sum()),
        "non-faces": int((labels == 0).sum()),
        "people": int(table["identity_id"].nunique()),
    }
    return counts | {str(k): int(n) for k, n in table["split"].value_counts(sort=False).items()}
