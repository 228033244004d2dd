"""The files of an image set as columns: what a plain list of them would say, in little memory."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from dataclasses import asdict, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debias.data import source_files as module
from debias.data.decode import Crop, DecodeSettings
from debias.data.manifest import WINDOW_COLUMNS, Manifest
from debias.data.shards import Shards
from debias.data.source_files import FORMAT, SourceFile, SourceFiles, source_files, store_key
from debias.data.tables import TEXT

SETTINGS = DecodeSettings(image_size=16, fit="pad")
NUM_ROWS = 50_000
MAX_BYTES_AN_IMAGE = 300

UNUSUAL = ["a'b", 'a"b', "a\\b", "a, b", "ä", "脸", "😀", "\u2028", "\x00", "\n", "#w01", "A", "a"]
FRACTIONS = st.floats(0, 1, exclude_min=True)
ROWS = st.lists(
    st.tuples(
        st.text(max_size=6).filter(lambda text: text.isprintable()) | st.sampled_from(UNUSUAL),
        st.sampled_from(["b.jpg", "a/b.jpg", "ü.png", "a.jpg"]),
        st.none() | st.tuples(FRACTIONS, FRACTIONS, FRACTIONS),
    ),
    max_size=12,
    unique_by=lambda row: row[0],
)
Rows = list[tuple[str, str, tuple[float, float, float] | None]]


def as_manifest(rows: Rows) -> Manifest:
    table = pd.DataFrame(
        {
            "image_id": pd.Series([row[0] for row in rows], dtype=TEXT),
            "path": pd.Series([row[1] for row in rows], dtype=TEXT),
        }
    )
    windows = np.array([row[2] or [np.nan] * 3 for row in rows], dtype=np.float64)
    table[list(WINDOW_COLUMNS)] = windows.reshape(-1, 3)
    return Manifest(root=Path("faces"), table=table)


def plain_files(rows: Rows) -> list[SourceFile]:
    """Return the files by their first id, each with its windows by id."""
    found: dict[str, SourceFile] = {}
    for image_id, path, window in sorted(rows):
        file = found.get(path, SourceFile(path=path, image_ids=[], crops=[]))
        crop = None if window is None else Crop(*window)
        ids, crops = [*file.image_ids, image_id], [*file.crops, crop]
        found[path] = replace(file, image_ids=ids, crops=crops)
    return list(found.values())


def plain_key(files: list[SourceFile]) -> str:
    rows = [
        (image_id, file.digest, crop)
        for file in files
        for image_id, crop in zip(file.image_ids, file.crops, strict=True)
    ]
    text = json.dumps([FORMAT, asdict(SETTINGS), sorted(rows, key=lambda row: row[0])])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def digested(files: SourceFiles) -> SourceFiles:
    digests = [f"{k:032x}" if k % 3 else '!cannot be read: "no"' for k in range(len(files))]
    return files.with_digests(pa.array(digests, pa.large_string()))


@given(rows=ROWS, num_at_once=st.integers(1, 4))
@settings(deadline=None)
def test_files_and_key_are_those_of_a_plain_list(rows: Rows, num_at_once: int) -> None:
    with patch.object(module, "NUM_AT_ONCE", num_at_once):
        files = source_files(as_manifest(rows))
        assert list(files) == plain_files(rows)
        files = digested(files)
        assert [file.digest for file in files] == files.digests.to_pylist()
        assert store_key(files, SETTINGS) == plain_key(list(files))


@given(rows=ROWS, first=st.integers(-9, 9), last=st.integers(-9, 9), step=st.sampled_from([1, -2]))
@settings(deadline=None)
def test_files_are_a_sequence(rows: Rows, first: int, last: int, step: int) -> None:
    files, plain = source_files(as_manifest(rows)), plain_files(rows)
    assert len(files) == len(plain)
    assert files[first:last:step] == plain[first:last:step]
    assert [files[k] for k in range(-len(plain), len(plain))] == plain * 2
    for place in (len(plain), -len(plain) - 1):
        with pytest.raises(IndexError):
            files[place]


def test_the_key_stays_what_it_was() -> None:
    """Another key for the same images would leave every store that is there unused."""
    rows: Rows = [
        ("b#w01", "b.jpg", (0.5, 0.25, 1.0)),
        ("b", "b.jpg", None),
        ('"ä"', "a.jpg", (0.1, 1 / 3, 0.0)),
    ]
    key = store_key(digested(source_files(as_manifest(rows))), SETTINGS)
    assert key == "f4b0ec356f8ee165b736f63ce0682533"


def test_files_in_shards_come_as_they_are_read() -> None:
    paths = ["0.tar/c.jpg", "0.tar/a.jpg", "1.tar/b.jpg", "1.tar/unused.jpg", "1.tar/0.jpg"]
    shards = Shards(
        urls={"0.tar": "0.tar", "1.tar": "1.tar"},
        sizes=dict.fromkeys(paths, 1),
        digests=dict.fromkeys(paths, "d"),
    )
    rows: Rows = [(f"{path}{k}", path, None) for path in sorted(paths) for k in "10"]
    manifest = replace(as_manifest([row for row in rows if "unused" not in row[1]]), shards=shards)
    files = source_files(manifest)
    assert [file.path for file in files] == [path for path in paths if "unused" not in path]
    assert all(file.image_ids == [f"{file.path}0", f"{file.path}1"] for file in files)


def test_each_file_has_one_digest() -> None:
    files = source_files(as_manifest([("a", "a.jpg", None), ("b", "b.jpg", None)]))
    assert [file.digest for file in files] == ["", ""]
    with pytest.raises(ValueError, match="1 digests of 2 files"):
        files.with_digests(pa.array(["x"], pa.large_string()))


def test_the_ids_of_some_files() -> None:
    rows: Rows = [("1", "a", None), ("2", "b", None), ("3", "a", None), ("4", "c", None)]
    files = source_files(as_manifest(rows))
    assert files.ids_of(np.array([True, False, True])).to_pylist() == ["1", "3", "4"]
    assert files.ids_of(np.zeros(3, dtype=bool)).to_pylist() == []


@pytest.mark.parametrize("num_windows", [1, 4])
def test_an_image_costs_little_memory(num_windows: int) -> None:
    manifest = as_manifest(
        [
            (f"{k:06d}/{k:06d}_4.jpg#w{window:02d}", f"{k:06d}/{k:06d}_4.jpg", (0.5, 0.1, 0.9))
            for k in range(NUM_ROWS // num_windows)
            for window in range(num_windows)
        ]
    )
    usual = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(usual)  # tracemalloc does not see what Arrow takes
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        store_key(source_files(manifest), SETTINGS)
        peak = tracemalloc.get_traced_memory()[1] + pool.max_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(usual)
    assert peak / NUM_ROWS < MAX_BYTES_AN_IMAGE
