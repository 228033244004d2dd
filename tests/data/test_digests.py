"""Digests of files: in the order of their paths, whatever is remembered of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from debias.data import digests
from debias.data.decode import DecodeSettings, read_bytes
from debias.data.digests import READ_FAILED, digest_bytes, digest_files

NAMES = [f"{k}.jpg" for k in range(7)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    for name in NAMES:
        (tmp_path / "files" / name).write_bytes(name.encode())
    return tmp_path / "files"


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read."""
    read: list[str] = []

    def counted(path: Path, settings: DecodeSettings) -> bytes:
        read.append(path.name)
        return read_bytes(path, settings)

    monkeypatch.setattr(digests, "read_bytes", counted)
    monkeypatch.setattr(digests, "SETTLED_NS", 0)
    monkeypatch.setattr(digests, "NUM_FILES_A_TASK", 2)
    return read


def look(root: Path, names: Sequence[str], max_bytes: int = 100) -> list[str]:
    done: list[int] = []
    found: list[str] = digest_files(
        pa.array(names, pa.large_string()),
        root=root,
        memory=root.parent / "memory.parquet",
        settings=DecodeSettings(max_bytes=max_bytes),
        num_workers=3,
        advance=done.append,
    ).to_pylist()
    assert sum(done) == len(names)
    return found


def test_only_what_is_not_remembered_is_read(root: Path, readings: list[str]) -> None:
    expected = {name: digest_bytes(name.encode()) for name in NAMES}
    assert look(root, NAMES[3:]) == [expected[name] for name in NAMES[3:]]
    assert sorted(readings) == NAMES[3:]
    readings.clear()
    (root / NAMES[4]).write_bytes(b"changed")
    expected[NAMES[4]] = digest_bytes(b"changed")
    mixed = [NAMES[k] for k in (5, 0, 4, 3)]
    assert look(root, mixed) == [expected[name] for name in mixed]
    assert sorted(readings) == [NAMES[0], NAMES[4]]
    readings.clear()
    # What was remembered of the files that the second look left out is remembered still.
    backwards = [NAMES[k] for k in (6, 5, 4, 3, 0)]
    assert look(root, backwards) == [expected[name] for name in backwards]
    assert readings == []
    table = pd.read_parquet(root.parent / "memory.parquet")
    assert dict(zip(table["path"], table["digest"], strict=True)) == {
        name: expected[name] for name in backwards
    }


def test_what_cannot_be_read_is_never_remembered(root: Path, readings: list[str]) -> None:
    (root / NAMES[1]).unlink()
    failed = f"{READ_FAILED}there is no such file"
    for _ in range(2):
        assert look(root, NAMES[:3])[1] == failed
    assert sorted(readings) == [*NAMES[:2], NAMES[1], NAMES[2]]
    # Remembered, and still refused where less is allowed now.
    assert look(root, NAMES[:1], max_bytes=3) == [f"{READ_FAILED}has 5 bytes, more than 3"]
    (root / NAMES[0]).unlink()
    assert look(root, NAMES[:1]) == [failed]


@pytest.mark.parametrize("change", [{"size": "large"}, {"digest": 7}, {"mtime_ns": np.nan}])
def test_a_memory_of_other_types_is_none(
    change: dict[str, Any], root: Path, readings: list[str]
) -> None:
    first, memory = look(root, NAMES), root.parent / "memory.parquet"
    pd.read_parquet(memory).assign(**change).to_parquet(memory)
    readings.clear()
    assert look(root, NAMES) == first
    assert sorted(readings) == NAMES
    readings.clear()
    assert look(root, NAMES) == first
    assert readings == []


def test_no_files_have_no_digests(root: Path) -> None:
    assert look(root, []) == []
    assert not (root.parent / "memory.parquet").exists()
