"""Image sets that come as shards: their list, and their pictures in one reading.

A shard is read once to list it, with a digest of each picture, and once more when the store is
built or the pictures are measured; the list is remembered as long as the shard stays the same.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from debias.data.decode import DecodeSettings, ImageError, image_suffixes
from debias.data.digests import READ_FAILED, digest_bytes
from debias.data.shard_files import Member, expand_shards, file_system, members, shard_version
from debias.data.tables import TEXT, as_text, read_table, write_table
from debias.errors import DataError, OutputError

FORMAT = 1
FACTS = ("image_id", "label", "split", "identity_id")
COLUMNS = ["name", "size", "digest", *FACTS]
HINT = "Write image_id into each sample's JSON, or a column image_id into Parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """Where the pictures of an image set are, in shards.

    Paths are those of the manifest: a shard's name, a slash, and a name inside the shard.

    Args:
        urls: of each shard, by its name in paths.
        sizes: bytes of each picture, by path, in the order of the shards.
        digests: of each picture's content, by path.
    """

    urls: dict[str, str]
    sizes: dict[str, int]
    digests: dict[str, str]

    def digest(self, path: str, settings: DecodeSettings) -> str:
        """Return the digest of a picture's content, or why it is refused unread."""
        refusal = _refusal(self.sizes[path], settings)
        return self.digests[path] if refusal is None else f"{READ_FAILED}{refusal}"

    def places(self, paths: pa.LargeStringArray) -> NDArray[np.int32]:
        """Return where each path comes in the order in which they can be read.

        Args:
            paths: of these shards, in any order, repeated or not.
        """
        known = pa.array(list(self.sizes), pa.large_string())
        places: NDArray[np.int32] = pc.index_in(paths, value_set=known).to_numpy()
        return places

    def contents(
        self, paths: Iterable[str], settings: DecodeSettings
    ) -> Iterator[bytes | ImageError]:
        """Yield the content of pictures, or why they are refused, reading each shard once.

        Args:
            paths: some or all, each once, in the order of their :meth:`places`.
            settings: its ``max_bytes`` counts.

        Raises:
            DataError: a shard cannot be read, or has changed since it was listed.
        """
        for shard, group in groupby(paths, key=self._shard):
            wanted = list(group)
            done = 0
            for member in members(self.urls[shard]):
                if done == len(wanted):
                    break
                if f"{shard}/{member.name}" == wanted[done]:
                    refusal = _refusal(member.size, settings)
                    yield member.read() if refusal is None else ImageError(refusal)
                    done += 1
            if done < len(wanted):
                raise DataError(
                    f"no longer holds {wanted[done]!r} where it was",
                    where=self.urls[shard],
                    hint="Run again when nobody writes there",
                )

    def _shard(self, path: str) -> str:
        return next(name for name in _starts(path) if name in self.urls)


def _starts(path: str) -> Iterator[str]:
    """Yield what may be a shard's name: the path's beginnings, shortest first."""
    for place, letter in enumerate(path):
        if letter == "/":
            yield path[:place]


def _refusal(size: int, settings: DecodeSettings) -> str | None:
    if size > settings.max_bytes:
        return f"has {size} bytes, more than {settings.max_bytes}"
    return None if size else "is empty"


def list_shards(patterns: Sequence[str], *, cache: Path) -> tuple[Path, pd.DataFrame, Shards]:
    """Return the folder that holds some shards, their images as a manifest's columns, and them.

    In a tar, the files of a sample share their name up to the first dot: one picture, and, where
    there are, ``.json`` with ``label``, ``image_id``, ``split`` or ``identity_id``, and ``.cls``
    with the label. In Parquet these are columns. An id is by default the picture's name in the
    tar, with its suffix, as it is in a folder.

    Args:
        patterns: see :func:`~debias.data.shard_files.expand_shards`.
        cache: the folder where lists are remembered.

    Raises:
        DataError: a shard is missing, torn or not what it must be, or an id comes twice.
    """
    urls = expand_shards(patterns)
    paths = [file_system(url)[1] for url in urls]
    root = posixpath.commonpath([posixpath.dirname(path) or "." for path in paths])
    names = [posixpath.relpath(path, root) for path in paths]
    tables = []
    for name, url in zip(names, urls, strict=True):
        table = _remembered(url, cache)
        path = f"{name}/" + table["name"]
        tables.append(table.assign(path=path, shard=url, image_id=table["image_id"].fillna(path)))
    table = pd.concat(tables, ignore_index=True)
    if table.empty:
        raise DataError("hold no pictures", where=", ".join(map(str, patterns)))
    _refuse_repeated(table)
    shards = Shards(
        urls=dict(zip(names, urls, strict=True)),
        sizes=dict(zip(table["path"], table["size"].astype(int).tolist(), strict=True)),
        digests=dict(zip(table["path"], table["digest"], strict=True)),
    )
    return Path(root), table[["path", *FACTS]], shards


def _refuse_repeated(table: pd.DataFrame) -> None:
    twice = table[table["image_id"].duplicated(keep=False)]
    if len(twice):
        image_id = twice["image_id"].iloc[0]
        first, second = twice.loc[twice["image_id"] == image_id, "shard"].iloc[:2]
        raise DataError(
            f"the id {image_id!r} is here and in {second}"
            if first != second
            else f"the id {image_id!r} comes twice",
            where=first,
            hint=HINT,
        )


def _remembered(url: str, cache: Path) -> pd.DataFrame:
    """Return the list of a shard, from the cache if the shard is still the same."""
    facts = json.dumps([FORMAT, url, shard_version(url)])
    key = hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()
    memory = cache / "shards" / f"{key}.parquet"
    with suppress(DataError):
        return read_table(memory, columns=COLUMNS)
    found = _parquet_samples(url) if url.lower().endswith(".parquet") else _tar_samples(url)
    table = pd.DataFrame(found, columns=COLUMNS)
    for name in (*FACTS, "name", "digest"):
        table[name] = as_text(table[name]).astype(TEXT)
    with suppress(OutputError):
        write_table(table, memory)
    return table


def _parquet_samples(url: str) -> list[dict[str, Any]]:
    return [
        {
            "name": member.name,
            "size": member.size,
            "digest": digest_bytes(member.read()),
            **{name: member.row.get(name) for name in FACTS},
        }
        for member in members(url)
    ]


def _tar_samples(url: str) -> list[dict[str, Any]]:
    pictures: dict[str, dict[str, Any]] = {}
    told: dict[str, dict[str, Any]] = {}
    for member in members(url):
        key, suffix = _key(member.name)
        if "." + suffix.rpartition(".")[2] in image_suffixes():
            if key in pictures:
                raise DataError(
                    f"{pictures[key]['name']!r} and {member.name!r} are pictures of one sample",
                    where=url,
                    hint="A sample's files share their name up to the first dot: "
                    "write names without other dots",
                )
            pictures[key] = {
                "name": member.name,
                "size": member.size,
                "digest": digest_bytes(member.read()),
                "image_id": member.name,
            }
        elif suffix == "json":
            told.setdefault(key, {}).update(_json(member, url))
        elif suffix == "cls":
            told.setdefault(key, {}).setdefault("label", _label(member))
    alone = [key for key in told if key not in pictures]
    if alone:
        raise DataError(
            f"{len(alone)} samples have no picture, such as {alone[0]!r}",
            where=url,
            hint="Known: " + ", ".join(sorted(image_suffixes())),
        )
    return [row | told.get(key, {}) for key, row in pictures.items()]


def _key(name: str) -> tuple[str, str]:
    """Return what the files of a sample share, and the rest in small letters."""
    path = PurePosixPath(name)
    stem, _, suffix = path.name.partition(".")
    return (path.parent / stem).as_posix(), suffix.lower()


def _label(member: Member) -> str:
    return member.read().decode("utf-8", errors="replace").strip()


def _json(member: Member, url: str) -> dict[str, Any]:
    try:
        facts = json.loads(member.read())
    except ValueError as problem:
        raise DataError(f"{member.name!r} is no JSON: {problem}", where=url) from None
    if not isinstance(facts, dict):
        raise DataError(f"{member.name!r} is no JSON object", where=url)
    return {name: facts[name] for name in FACTS if facts.get(name) is not None}
