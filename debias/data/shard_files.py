"""Shards of pictures - tar files as WebDataset writes them, Parquet - read from start to end.

A shard lies on this machine or wherever fsspec reaches: ``s3://``, ``gs://``, ``memory://``.
"""

from __future__ import annotations

import lzma
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from debias.errors import DataError, MissingExtraError, UsageError

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
SUFFIXES = (*TARS, ".parquet")
ROWS_A_READ = 16
_BLOCK = tarfile.BLOCKSIZE
_BROKEN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, pa.ArrowException, OSError)
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs"}
_PACKAGES |= {"az": "adlfs", "hf": "huggingface_hub", "http": "aiohttp", "https": "aiohttp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a tar shard, or the picture of one row of a Parquet shard.

    Args:
        name: inside the shard.
        size: bytes.
        read: gives the content; to be called before the next member is asked for.
        row: the other columns of a Parquet row, and ``image_id`` where the picture has a path.
    """

    name: str
    size: int
    read: Callable[[], bytes]
    row: dict[str, Any]


def expand_shards(patterns: Sequence[str]) -> list[str]:
    """Return the URLs or paths that some patterns name, in their order.

    ``{000..010}`` counts, with as many digits as are written; ``*`` and ``?`` match what is there,
    sorted.

    Args:
        patterns: what a person wrote.

    Raises:
        DataError: a pattern matches nothing, or a shard comes twice.
        MissingExtraError, UsageError: see :func:`file_system`.
    """
    found: list[str] = []
    for pattern in patterns:
        for url in _counted(pattern):
            if not url.lower().endswith(SUFFIXES):
                raise UsageError(
                    "is no shard by its name", where=url, hint="Known: " + ", ".join(SUFFIXES)
                )
            found += _matching(url) if re.search(r"[*?\[]", url) else [url]
    for url in found:
        if found.count(url) > 1:
            raise DataError("is named twice", where=url, hint="Name each shard once")
    return found


def _counted(pattern: str) -> Iterator[str]:
    pieces = re.split(r"\{(\d+)\.\.(\d+)\}", pattern)
    ranges = []
    for first, last in zip(pieces[1::3], pieces[2::3], strict=True):
        if int(first) > int(last):
            raise UsageError(f"{{{first}..{last}}} counts down", where=pattern)
        ranges.append([f"{k:0{len(first)}d}" for k in range(int(first), int(last) + 1)])
    texts = pieces[0::3]
    for numbers in product(*ranges):
        yield texts[0] + "".join(n + t for n, t in zip(numbers, texts[1:], strict=True))


def _matching(pattern: str) -> list[str]:
    system, path = file_system(pattern)
    found = sorted(str(one) for one in system.glob(path))
    if not found:
        raise DataError("no shard is called so", where=pattern, hint="Check the path")
    return [str(system.unstrip_protocol(one)) if "://" in pattern else one for one in found]


def file_system(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL or path, and the path in it.

    Raises:
        MissingExtraError: the package for this kind of URL is not installed.
        UsageError: the kind is unknown.
    """
    kind = url.partition("://")[0]
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        package = _PACKAGES.get(kind, error.name or "its fsspec package")
        raise MissingExtraError(
            f"{kind}:// needs {package}, which is not installed",
            where=url,
            hint=f"Install it with: pip install {package}",
        ) from None
    except ValueError as error:
        raise UsageError(f"cannot be reached: {error}", where=url) from None
    return system, str(path)


def shard_version(url: str) -> str:
    """Return what changes when a shard does: of its size and times, or what its store has.

    Raises:
        DataError: there is no such file.
    """
    system, path = file_system(url)
    with _readable(url):
        return str(system.ukey(path))


def members(url: str) -> Iterator[Member]:
    """Yield what is in a shard, read once from start to end.

    Hidden files and folders of a tar are passed over.

    Raises:
        DataError: it is missing, torn or of another kind; or Parquet without a column of pictures.
    """
    system, path = file_system(url)
    with _readable(url), system.open(path, "rb") as file:
        yield from (_rows if url.lower().endswith(".parquet") else _tar_files)(file, url)


@contextmanager
def _readable(url: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DataError("there is no such file", where=url, hint="Check the path") from None
    except _BROKEN as problem:
        if isinstance(problem, DataError):
            raise
        reason = " ".join(str(problem).split())[:200] or type(problem).__name__
        raise DataError(
            f"is torn, or no shard of its kind: {reason}",
            where=url,
            hint="Copy it again; tars may be plain or packed by gzip, bzip2 or xz",
        ) from problem


def _tar_files(file: BinaryIO, url: str) -> Iterator[Member]:
    with tarfile.open(fileobj=file, mode="r:*") as tar:
        for entry in tar:
            name = PurePosixPath(entry.name)
            if entry.isdir() or name.name.startswith("."):
                continue
            if not entry.isreg() or ".." in name.parts or name.is_absolute():
                raise DataError(
                    f"{entry.name!r} is a link, or leads out of the shard",
                    where=url,
                    hint="Pack plain files, by names relative to their folder",
                )
            yield Member(name=str(name), size=entry.size, read=_reader(tar, entry, url), row={})
        # tarfile stops without a word where a header is broken, or the file was cut before one.
        # Reading on to the end makes whoever unpacks it check the rest, too.
        assert tar.fileobj is not None
        tar.fileobj.seek(tar.offset)
        if tar.fileobj.read(_BLOCK) != bytes(_BLOCK):
            raise tarfile.ReadError(f"nothing readable follows byte {tar.offset}, and no end")
        while rest := tar.fileobj.read(_BLOCK * 128):
            if rest.strip(b"\0"):
                raise tarfile.ReadError("something follows its end; tars cannot be joined by cat")


def _reader(tar: tarfile.TarFile, entry: tarfile.TarInfo, url: str) -> Callable[[], bytes]:
    def read() -> bytes:
        with _readable(url):  # it is called outside of the iteration
            content = tar.extractfile(entry)
            assert content is not None  # a plain file
            data: bytes = content.read()
        return data

    return read


def _rows(file: BinaryIO, url: str) -> Iterator[Member]:
    parquet = pq.ParquetFile(file)
    picture = _picture_column(parquet.schema_arrow, url)
    number = 0
    for batch in parquet.iter_batches(batch_size=ROWS_A_READ):
        for row in batch.to_pylist():
            content = row.pop(picture)
            if isinstance(content, dict):
                path, content = content.get("path"), content.get("bytes")
                row = {"image_id": path} | row
            data = content or b""
            name = f"{number:08d}"
            yield Member(name=name, size=len(data), read=BytesIO(data).getvalue, row=row)
            number += 1


def _picture_column(schema: pa.Schema, url: str) -> str:
    """Return ``image``, or else the only column of bytes."""

    def holds_bytes(kind: pa.DataType) -> bool:
        if pa.types.is_struct(kind):
            return any(
                kind.field(k).name == "bytes" and holds_bytes(kind.field(k).type)
                for k in range(kind.num_fields)
            )
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    found = [field.name for field in schema if holds_bytes(field.type)]
    if "image" in found:
        return "image"
    if len(found) != 1:
        raise DataError(
            f"has {len(found)} columns of bytes" + (f": {', '.join(found)}" if found else ""),
            where=url,
            hint="Keep the content of image files in a column called image",
        )
    return str(found[0])
