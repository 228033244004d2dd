"""The files that a report was made from: what they are called and what they held."""

from __future__ import annotations

import hashlib
from pathlib import Path

from debias.reporting.schema import InputJson, InputRole
from debias.rundir import RUN_FILE, RunDir


def inputs_json(
    *,
    predictions: Path,
    attributes: Path | None,
    compare: Path | None,
    embedding: Path | None = None,
) -> list[InputJson]:
    """Return the name and digest of every file that a report reads.

    Args:
        predictions: the table; an operating point beside it is read too.
        attributes: the sensitive attributes, if they are in a file of their own.
        compare: another model's predictions, if there are any.
        embedding: vectors of the images, if there are any.
    """
    point = RunDir(path=predictions.parent).operating_point
    files: list[tuple[InputRole, Path]] = [("predictions", predictions)]
    files += [("operating point", point)] if point.is_file() else []
    files += [("attributes", attributes)] if attributes is not None else []
    files += [("compare", compare)] if compare is not None else []
    files += [("embedding", embedding)] if embedding is not None else []
    return [
        {"role": role, "path": _public_name(path), "sha256": _sha256(path)} for role, path in files
    ]


def _public_name(path: Path) -> str:
    """Return a file's name, after that of its run if it is in one: reports are shared.

    The folders above may tell whose machine it was.
    """
    folder = path.parent.resolve()
    in_run = (folder / RUN_FILE).is_file()
    return f"{folder.name}/{path.name}" if in_run else path.name or "."


def _sha256(path: Path) -> str:
    """Return the digest of a file, or of the digests of a folder's Parquet parts in order."""
    if path.is_dir():
        parts = "".join(_sha256(part) for part in sorted(path.rglob("*.parquet")))
        return hashlib.sha256(parts.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
