from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from debias.data.decode import DecodeSettings
from debias.data.manifest import read_manifest
from debias.data.store import build_store
from debias.errors import ConfigError, OutputError
from debias.testbed import files
from debias.testbed.factors import NAMES, SEED
from debias.testbed.files import write_testbed
from debias.testbed.renderer import render
from debias.testbed.sets import Testbed, draw_testbed, true_attributes

SMALL = Testbed(name="small", summary="a few", faces=(20, 5, 3), non_faces=(10, 4, 6))
SIZE = 32


@pytest.fixture(scope="module")
def images() -> pd.DataFrame:
    return draw_testbed(SMALL, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("testbed") / "new" / "folder"
    write_testbed(SMALL, place, size=SIZE, seed=3, num_workers=2)
    return place


def test_a_folder_is_read_as_it_was_drawn(
    folder: Path, images: pd.DataFrame, tmp_path: Path
) -> None:
    manifest = read_manifest(folder / "images.csv")
    assert manifest.table["image_id"].tolist() == images["image_id"].tolist()
    assert manifest.table["label"].tolist() == images["label"].tolist()
    assert manifest.table["split"].tolist() == images["split"].tolist()
    store = build_store(
        manifest, DecodeSettings(image_size=SIZE), cache=tmp_path, num_workers=1, progress=False
    )
    assert len(store.failures) == 0
    pixels = store.gather(store.rows(images["image_id"]))
    np.testing.assert_array_equal(pixels, render(images, size=SIZE))


def test_a_folder_holds_every_factor(folder: Path, images: pd.DataFrame) -> None:
    table = pd.read_parquet(folder / "factors.parquet")
    assert table["image_id"].tolist() == images["image_id"].tolist()
    pd.testing.assert_frame_equal(table[[*NAMES, SEED]], images[[*NAMES, SEED]])
    listed = pd.read_csv(folder / "images.csv")
    assert listed["kind"].tolist() == images["kind"].tolist()
    assert (listed["path"] == "images/" + listed["split"] + "/" + listed["image_id"] + ".jpg").all()
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {*listed["path"], "images.csv", "factors.parquet"}


def test_a_folder_is_the_same_however_it_is_drawn(folder: Path, tmp_path: Path) -> None:
    truth = write_testbed(SMALL, tmp_path, size=SIZE, seed=3, num_workers=1, show_progress=False)
    pd.testing.assert_frame_equal(truth, true_attributes(draw_testbed(SMALL, seed=3)))
    for path in folder.rglob("*.*"):
        assert (tmp_path / path.relative_to(folder)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("problem", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_a_folder_half_written_has_no_manifest(
    problem: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object, **__: object) -> Iterator[bytes]:
        yield b"first"
        raise problem

    monkeypatch.setattr(files, "render_files", break_down)
    wanted = OutputError if isinstance(problem, OSError) else KeyboardInterrupt
    with pytest.raises(wanted, match="No space left" if wanted is OutputError else None):
        write_testbed(SMALL, tmp_path, size=SIZE)
    assert len(list(tmp_path.rglob("*.jpg"))) == 1
    assert not (tmp_path / "images.csv").exists()


def test_the_manifest_is_the_last_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def note(_: pd.DataFrame, path: Path) -> None:
        assert len(list(tmp_path.rglob("*.jpg"))) == SMALL.num_images
        written.append(path.name)

    monkeypatch.setattr(files, "write_table", note)
    write_testbed(SMALL, tmp_path, size=16)
    assert written[-1] == "images.csv"


def test_what_cannot_be_written_or_drawn_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot be written"):
        write_testbed(SMALL, tmp_path / "file", size=SIZE)
    with pytest.raises(ConfigError, match="size is 8"):
        write_testbed(SMALL, tmp_path / "new", size=8)
    with pytest.raises(ConfigError, match="num_workers is 0"):
        write_testbed(SMALL, tmp_path / "new", num_workers=0)
    assert not (tmp_path / "new").exists()
