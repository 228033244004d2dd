from __future__ import annotations

import io
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import ExifTags, Image

from debias.audit import pass_tasks, pixel_pass
from debias.audit.hashing import NUM_WORDS, perceptual_hashes
from debias.audit.measured import (
    QUALITY_MEASURES,
    SKIN_MEASURES,
    THUMBNAIL_SIDE,
    MeasuredImages,
)
from debias.audit.pixel_pass import PassSettings, measure_images
from debias.audit.skin_pixels import skin_measures
from debias.data.decode import Crop, DecodeSettings, read_bytes, to_pixels
from debias.data.manifest import Manifest, manifest_from_table
from debias.errors import ConfigError, DataError, OutputError

NUM_IMAGES = 7
SETTINGS = PassSettings(files_a_part=3)


def write_pictures(folder: Path, *, seed: int = 0) -> Path:
    """Write blocks of colour with noise, of several sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(NUM_IMAGES):
        generator = np.random.default_rng((seed, k))
        blocks = generator.integers(40, 200, (8, 8, 3))
        pixels = np.kron(blocks, np.ones((8 + k, 8 + 2 * k, 1))) + generator.normal(
            0, 6, (64 + 8 * k, 64 + 16 * k, 1)
        )
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{k}.png")
    return folder


def listed(root: Path, paths: list[str] | None = None, **columns: Any) -> Manifest:
    table = pd.DataFrame({"path": paths or [f"{k}.png" for k in range(NUM_IMAGES)], **columns})
    if "image_id" not in columns:
        table["image_id"] = [f"id-{k}" for k in range(len(table))]
    return manifest_from_table(table, root=root)


def reason(found: MeasuredImages, row: int) -> str:
    return str(found.table["reason"].iloc[row])


def measure(manifest: Manifest, directory: Path, **options: Any) -> MeasuredImages:
    given: dict[str, Any] = {"settings": SETTINGS, "num_workers": 2} | options
    return measure_images(manifest, directory=directory, **given)


def assert_same(found: MeasuredImages, expected: MeasuredImages) -> None:
    pd.testing.assert_frame_equal(found.table, expected.table, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(found.hashes, expected.hashes)
    np.testing.assert_array_equal(found.thumbnails, expected.thumbnails)
    np.testing.assert_array_equal(found.chroma, expected.chroma)


def count_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the name of each file that is read."""
    names: list[str] = []

    def counted(path: Path, settings: DecodeSettings) -> bytes:
        names.append(path.name)
        return read_bytes(path, settings)

    monkeypatch.setattr(pass_tasks, "read_bytes", counted)
    return names


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "measured"


def test_the_table_is_what_it_says_it_is(pictures: Path, place: Path) -> None:
    manifest = listed(pictures)
    found = measure(manifest, place)
    assert len(found) == NUM_IMAGES
    assert list(found.table.columns) == [
        "image_id",
        "path",
        "digest",
        "reason",
        "complexity",
        *QUALITY_MEASURES,
        *SKIN_MEASURES,
    ]
    assert found.table.index.equals(pd.RangeIndex(NUM_IMAGES))
    for name in ("image_id", "path"):
        assert found.table[name].tolist() == manifest.table[name].tolist()
    for name in ("complexity", *QUALITY_MEASURES, *SKIN_MEASURES):
        assert found.table[name].dtype == np.float64
    for name in ("complexity", *QUALITY_MEASURES):
        assert found.table[name].notna().all(), name
    assert found.readable.all()
    assert found.table["digest"].str.fullmatch("[0-9a-f]{32}").all()
    assert found.table["digest"].is_unique
    assert found.table["width"].tolist() == [64 + 16 * k for k in range(NUM_IMAGES)]
    assert found.table["height"].tolist() == [64 + 8 * k for k in range(NUM_IMAGES)]
    assert found.hashes.shape == (NUM_IMAGES, NUM_WORDS)
    assert found.hashes.dtype == np.uint64
    assert found.thumbnails.shape == (NUM_IMAGES, THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    assert isinstance(found.thumbnails, np.memmap)
    assert found.chroma.shape == (NUM_IMAGES, THUMBNAIL_SIDE, THUMBNAIL_SIDE, 2)
    assert isinstance(found.chroma, np.memmap)
    assert found.directory == place
    np.testing.assert_array_equal(perceptual_hashes(found.thumbnails), found.hashes)


def test_each_row_has_the_measures_of_its_own_picture(pictures: Path, place: Path) -> None:
    order = [5, 0, 3, 6, 1, 4, 2]
    found = measure(listed(pictures, [f"{k}.png" for k in order]), place)
    for row, k in enumerate(order):
        picture = Image.open(pictures / f"{k}.png")
        pixels = to_pixels(picture, SETTINGS.decode)
        grey = np.asarray(Image.fromarray(pixels).reduce(2).convert("L")).astype(int)
        assert np.abs(found.thumbnails[row] - grey).max() <= 1
        colour = np.asarray(Image.fromarray(pixels).reduce(2).convert("YCbCr"))[..., 1:]
        assert np.abs(found.chroma[row] - colour.astype(int)).max() <= 3
        assert found.table.loc[row, "width"] == picture.width
        for name, values in skin_measures(pixels[None]).items():
            np.testing.assert_allclose(found.table[name].to_numpy()[row], values[0], rtol=1e-5)


@pytest.mark.parametrize(("num_workers", "files_a_part", "rows"), [(1, 2, 1), (3, 100, 2)])
def test_neither_workers_nor_batches_nor_parts_matter(
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    num_workers: int,
    files_a_part: int,
    rows: int,
) -> None:
    expected = measure(listed(pictures), tmp_path / "one")
    monkeypatch.setattr(pass_tasks, "ROWS_A_BATCH", rows)
    monkeypatch.setattr(pixel_pass, "FILES_A_TASK", 1)
    other = PassSettings(files_a_part=files_a_part)
    found = measure(listed(pictures), tmp_path / "two", settings=other, num_workers=num_workers)
    assert_same(found, expected)


def test_a_digest_is_of_pixels_whatever_the_container(tmp_path: Path, place: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (400, 480, 3), dtype=np.uint8)
    changed = pixels.copy()
    changed[200, 200, 1] ^= 1  # nothing of it is left when the picture is reduced
    first, second = (
        to_pixels(Image.fromarray(each), SETTINGS.decode) for each in (pixels, changed)
    )
    np.testing.assert_array_equal(first, second)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels).save(tmp_path / "b.bmp")
    Image.fromarray(changed).save(tmp_path / "c.png")
    Image.fromarray(pixels.reshape(480, 400, 3)).save(tmp_path / "d.png")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    Image.fromarray(pixels[::-1, ::-1]).save(tmp_path / "e.png", exif=exif)
    names = ["a.png", "b.bmp", "c.png", "d.png", "e.png"]
    digests = measure(listed(tmp_path, names), place).table["digest"].tolist()
    assert digests[0] == digests[1] == digests[4]
    assert len({digests[0], digests[2], digests[3]}) == 3


def test_a_digest_is_of_more_than_a_checksum(tmp_path: Path, place: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    changed = pixels.copy()
    # The bits of CRC-32's own polynomial change no CRC-32.
    polynomial = [int(bit) for bit in f"{0x104C11DB7:b}"]
    changed.reshape(-1)[3000:3005] ^= np.packbits(polynomial, bitorder="little")
    assert zlib.crc32(pixels.tobytes()) == zlib.crc32(changed.tobytes())
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(changed).save(tmp_path / "b.png")
    assert measure(listed(tmp_path, ["a.png", "b.png"]), place).table["digest"].is_unique


def test_windows_of_a_picture_are_rows_of_one_decoding(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_pictures(tmp_path / "pictures")
    # Rows of a file lie apart, and the whole file is one of them.
    paths = ["6.png", "1.png", "6.png", "0.png", "6.png"]
    crops = [Crop(0.5, 1.0, 0.0), None, None, None, Crop(0.25, 0.0, 1.0)]
    windows = [crop or (np.nan,) * 3 for crop in crops]
    columns = dict(zip(("crop_side", "crop_x", "crop_y"), np.transpose(windows), strict=True))
    names = count_files(monkeypatch)
    found = measure(listed(root, paths, **columns), place)
    assert sorted(names) == ["0.png", "1.png", "6.png"]
    picture = Image.open(root / "6.png")  # 160 wide, 112 high
    cut = [picture.crop((104, 0, 160, 56)), picture, picture.crop((0, 84, 28, 112))]
    for k, each in enumerate(cut):
        each.save(tmp_path / f"{k}.png")
    expected = measure(listed(tmp_path, ["0.png", "1.png", "2.png"]), tmp_path / "other")
    rows = found.table.iloc[[0, 2, 4]].reset_index(drop=True)
    same = rows.columns.difference(["image_id", "path"])
    pd.testing.assert_frame_equal(rows[same], expected.table[same], rtol=1e-6)
    assert rows["width"].tolist() == [56, 160, 28]
    assert rows["sharpness"].isna().tolist() == [False, False, True]  # too small for it
    np.testing.assert_array_equal(found.thumbnails[[0, 2, 4]], expected.thumbnails)


def broken_files(folder: Path) -> dict[str, str]:
    """Write broken files; return what is to be said of each."""
    good = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(good, "JPEG")
    (folder / "cut.jpg").write_bytes(good.getvalue()[: len(good.getvalue()) // 2])
    (folder / "text.jpg").write_text("no picture")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "folder.jpg").mkdir()
    Image.new("1", (10_100, 10_000)).save(folder / "bomb.png")
    return {
        "cut.jpg": "truncated",
        "text.jpg": "known kind",
        "empty.jpg": "is empty",
        "folder.jpg": "plain file",
        "bomb.png": "pixels",
        "missing.jpg": "no such file",
    }


def test_a_broken_file_is_a_row_with_a_reason(pictures: Path, place: Path) -> None:
    expected = broken_files(pictures)
    found = measure(listed(pictures, ["0.png", *expected, "1.png"]), place)
    table = found.table
    assert found.readable.tolist() == [True, *[False] * len(expected), True]
    for row, (name, words) in enumerate(expected.items(), 1):
        assert words in reason(found, row), name
        assert table["digest"].isna().iloc[row]
        assert table.loc[row, ["complexity", *QUALITY_MEASURES, *SKIN_MEASURES]].isna().all()
        assert not found.hashes[row].any()
        assert not found.thumbnails[row].any()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_row_with_a_reason(pictures: Path, place: Path) -> None:
    (pictures / "2.png").chmod(0)
    assert "cannot be read" in reason(measure(listed(pictures), place), 2)
    (pictures / "2.png").chmod(0o600)
    assert measure(listed(pictures), place, resume=True).readable.all()


def test_a_set_of_nothing_but_broken_files_is_measured(tmp_path: Path, place: Path) -> None:
    found = measure(listed(tmp_path, ["a.jpg", "b.jpg"]), place)
    assert not found.readable.any()
    assert not found.hashes.any()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (31, 31), (400, 33)])
def test_pictures_of_any_size_are_measured(
    tmp_path: Path, place: Path, size: tuple[int, int]
) -> None:
    Image.new("RGB", size, (90, 120, 60)).save(tmp_path / "a.png")
    table = measure(listed(tmp_path, ["a.png"]), place).table
    assert table["reason"].isna().all()
    assert (table.loc[0, "width"], table.loc[0, "height"]) == size
    assert table["noise"].isna().iloc[0] == (min(size) < 32)


def interrupted(at: int) -> Callable[..., Any]:
    """Return a way of measuring files that is interrupted at the task ``at``."""
    tasks = 0

    def measured(*args: Any, **options: Any) -> Any:
        nonlocal tasks
        tasks += 1
        if tasks > at:
            raise KeyboardInterrupt
        return pass_tasks.measure_files(*args, **options)

    return measured


@pytest.mark.parametrize("at", [0, 4, 6])
def test_an_interrupted_pass_goes_on_where_it_was(
    pictures: Path, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    manifest = listed(pictures)
    expected = measure(manifest, tmp_path / "in one go")
    with monkeypatch.context() as patch:
        patch.setattr(pixel_pass, "FILES_A_TASK", 1)
        patch.setattr(pixel_pass, "measure_files", interrupted(at))
        with pytest.raises(KeyboardInterrupt):
            measure(manifest, place, num_workers=1)
    assert not list(place.glob(".*")), "half a file is left"
    names = count_files(monkeypatch)
    assert_same(measure(manifest, place, resume=True), expected)
    num_left = NUM_IMAGES - at // SETTINGS.files_a_part * SETTINGS.files_a_part
    assert len(names) == num_left
    names.clear()
    assert_same(measure(manifest, place, resume=True), expected)
    assert not names
    measure(manifest, place)
    assert len(names) == NUM_IMAGES


def test_files_that_changed_are_measured_anew(
    pictures: Path, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = listed(pictures)
    measure(manifest, place)
    (pictures / "4.png").unlink()
    shutil.copy(pictures / "0.png", pictures / "5.png")
    names = count_files(monkeypatch)
    found = measure(manifest, place, resume=True)
    assert sorted(names) == ["3.png", "4.png", "5.png"], "the files of one part"
    assert reason(found, 4) == "there is no such file"
    digests = found.table["digest"].tolist()
    assert digests[5] == digests[0]
    assert_same(found, measure(manifest, tmp_path / "other"))
    assert len(list(place.glob("part-*"))) == 3


def test_a_damaged_part_is_measured_anew(pictures: Path, tmp_path: Path, place: Path) -> None:
    expected = measure(listed(pictures), tmp_path / "other")
    measure(listed(pictures), place)
    parts = sorted(place.glob("part-*"))
    parts[0].write_bytes(parts[0].read_bytes()[:200])
    parts[1].write_bytes(b"")
    assert_same(measure(listed(pictures), place, resume=True), expected)
    for name in ("thumbnails.npy", "chroma.npy"):
        (place / name).write_bytes(b"")
        assert_same(measure(listed(pictures), place, resume=True), expected)
        (place / name).unlink()
        assert_same(measure(listed(pictures), place, resume=True), expected)


def test_another_pass_is_neither_mixed_in_nor_thrown_away(pictures: Path, place: Path) -> None:
    measure(listed(pictures), place)
    before = sorted(path.name for path in place.iterdir())
    fewer = listed(pictures, ["0.png", "1.png"])
    renamed = listed(pictures, image_id=[f"other-{k}" for k in range(NUM_IMAGES)])
    cut = listed(pictures, crop_side=[0.5] * NUM_IMAGES, crop_x=0.0, crop_y=0.0)
    for manifest in (fewer, renamed, cut):
        with pytest.raises(DataError, match="other images, or with other settings"):
            measure(manifest, place, resume=True)
    for settings in (PassSettings(fit="pad", files_a_part=3), PassSettings(files_a_part=2)):
        with pytest.raises(DataError, match="other images, or with other settings"):
            measure(listed(pictures), place, resume=True, settings=settings)
    assert sorted(path.name for path in place.iterdir()) == before
    assert len(measure(fewer, place)) == 2  # without resume it is replaced
    assert len(list(place.glob("part-*"))) == 1


def test_another_folder_of_the_same_names_is_measured_anew(tmp_path: Path, place: Path) -> None:
    first, second = write_pictures(tmp_path / "1"), write_pictures(tmp_path / "2", seed=1)
    before = measure(listed(first), place).table["digest"].tolist()
    after = measure(listed(second), place, resume=True)
    assert not {*before} & {*after.table["digest"]}
    assert_same(after, measure(listed(second), tmp_path / "other"))


def test_other_files_in_the_directory_are_left_alone(pictures: Path, place: Path) -> None:
    place.mkdir()
    (place / "notes.txt").write_text("mine")
    measure(listed(pictures), place)
    assert (place / "notes.txt").read_text() == "mine"


def test_a_progress_bar_counts_images(
    pictures: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measure(listed(pictures), place)
    assert capsys.readouterr().err == ""
    measure(listed(pictures), place, show_progress=True)
    assert f"{NUM_IMAGES}/{NUM_IMAGES}" in capsys.readouterr().err
    measure(listed(pictures), place, show_progress=True, resume=True)
    assert f"{NUM_IMAGES}/{NUM_IMAGES}" in capsys.readouterr().err


def test_what_cannot_be_is_refused(pictures: Path, tmp_path: Path, place: Path) -> None:
    with pytest.raises(ConfigError, match="files_a_part is 0"):
        PassSettings(files_a_part=0)
    with pytest.raises(ConfigError, match="max_bytes is 0"):
        PassSettings(max_bytes=0)
    with pytest.raises(ConfigError, match="num_workers is 0"):
        measure(listed(pictures), place, num_workers=0)
    with pytest.raises(DataError, match="no images"):
        measure(listed(pictures).subset(np.zeros(NUM_IMAGES, dtype=bool)), place)
    assert not place.exists()
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        measure(listed(pictures), in_the_way)


def test_a_full_disk_is_an_error(
    pictures: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("debias.audit.pass_parts.os.fsync", full)
        with pytest.raises(OutputError, match="No space left on device"):
            measure(listed(pictures), place)
    assert measure(listed(pictures), place, resume=True).readable.all()
