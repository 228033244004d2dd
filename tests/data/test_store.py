from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from debias.data import digests, store_write
from debias.data.decode import Crop, DecodeSettings, decode_picture, read_bytes, to_pixels
from debias.data.manifest import Manifest, manifest_from_folder, manifest_from_table, read_manifest
from debias.data.store import ImageStore, build_store, default_cache
from debias.data.windows import expand_windows
from debias.errors import ConfigError, DataError, OutputError

SMALL = DecodeSettings(image_size=16)


def draw(folder: Path, num_images: int = 6, *, first: int = 0, size: int = 24) -> Path:
    """Write noise, different in each file."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(first, first + num_images):
        noise = np.random.default_rng(k).integers(0, 256, (size, size + k, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{k:03d}.png")
    return folder


def build(manifest: Manifest, cache: Path, **options: Any) -> ImageStore:
    given = {"num_workers": 2, "progress": False} | options
    return build_store(manifest, given.pop("settings", SMALL), cache=cache, **given)


def stores(cache: Path) -> list[str]:
    """Return what lies among the stores, but for locks."""
    place = cache / "stores"
    return sorted(p.name for p in place.iterdir() if p.suffix != ".lock") if place.exists() else []


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return draw(tmp_path / "images")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_store_holds_what_the_files_hold(images: Path, cache: Path) -> None:
    manifest = manifest_from_folder(images)
    store = build(manifest, cache)
    assert store.images.shape == (6, 16, 16, 3)
    assert store.images.dtype == np.uint8
    assert len(store.failures) == 0
    for image_id in manifest.table["image_id"]:
        wanted = to_pixels(decode_picture((images / image_id).read_bytes(), SMALL), SMALL)
        assert np.array_equal(store.gather(store.rows([image_id]))[0], wanted)


def test_the_pixels_are_a_plain_npy_file(images: Path, cache: Path) -> None:
    (images / "broken.png").write_bytes(b"no")  # the header is written before this is known
    store = build(manifest_from_folder(images), cache)
    plain = np.load(store.directory / "pixels.npy", mmap_mode="r", allow_pickle=False)
    assert plain.shape == (6, 16, 16, 3)
    assert np.array_equal(plain, store.images)
    size = (store.directory / "pixels.npy").stat().st_size
    assert size % 64 == 0
    with pytest.raises(ValueError, match="read-only"):
        store.images[0] = 0


@given(seed=st.integers(0, 99), num=st.integers(0, 20), reuse=st.booleans())
@settings(max_examples=30, deadline=None)
def test_gather_is_indexing(seed: int, num: int, reuse: bool) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (7, 4, 4, 3), dtype=np.uint8)
    store = ImageStore(
        directory=Path(), images=images, image_ids=pd.Index(list("gfedcba")), failures=NO_FAILURES
    )
    rows = rng.integers(0, 7, num)
    out = np.empty((num, 4, 4, 3), np.uint8) if reuse else None
    found = store.gather(rows, out)
    assert np.array_equal(found, images[rows])
    assert out is None or found is out
    assert np.array_equal(store.rows(store.image_ids[rows]), rows)


NO_FAILURES = pd.DataFrame(columns=["image_id", "path", "reason"])


@pytest.mark.parametrize("rows", [[-1], [0, 6]])
def test_rows_outside_are_refused(rows: list[int], images: Path, cache: Path) -> None:
    store = build(manifest_from_folder(images), cache)
    with pytest.raises(IndexError, match="of 6"):
        store.gather(np.array(rows))


def test_absent_ids_are_refused_with_the_reason(images: Path, cache: Path) -> None:
    (images / "broken.png").write_bytes(b"no")
    store = build(manifest_from_folder(images), cache)
    with pytest.raises(DataError, match=r"1 images are not .*'broken.png': is not an image"):
        store.rows(["000.png", "broken.png"])
    with pytest.raises(DataError, match=r"'x': it is not among"):
        store.rows(["x"])


def test_a_finished_store_is_reused(
    images: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLED_NS", 0)
    first = build(manifest_from_folder(images), cache)
    (memory,) = (cache / "digests").iterdir()
    written = memory.stat().st_ino

    def forbidden(*_: object) -> bytes:
        raise AssertionError("read again")

    monkeypatch.setattr(digests, "read_bytes", forbidden)
    monkeypatch.setattr(store_write, "read_bytes", forbidden)
    second = build(manifest_from_folder(images), cache)
    assert second.directory == first.directory
    assert np.array_equal(second.images, first.images)
    assert memory.stat().st_ino == written


def test_files_changed_a_moment_ago_are_read_again(images: Path, cache: Path) -> None:
    build(manifest_from_folder(images), cache)
    assert not (cache / "digests").exists()


@pytest.mark.parametrize("settled", [0, digests.SETTLED_NS])
def test_a_changed_file_gives_another_store(
    settled: int, images: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLED_NS", settled)
    first = build(manifest_from_folder(images), cache)
    # Same size, same time of change, other pixels.
    path = images / "000.png"
    before = path.stat()
    Image.new("RGB", (24, 24), "red").save(path)
    path.write_bytes(path.read_bytes().ljust(before.st_size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = build(manifest_from_folder(images), cache)
    assert second.directory != first.directory
    assert (second.gather(second.rows(["000.png"])) == [255, 0, 0]).all()


def test_what_makes_a_store_another(images: Path, cache: Path, tmp_path: Path) -> None:
    manifest = manifest_from_folder(images)
    first = build(manifest, cache)
    shuffled = Manifest(root=images, table=manifest.table.sample(frac=1, random_state=0))
    labelled = Manifest(root=images, table=manifest.table.assign(label=1, split="train"))
    moved = manifest_from_folder(draw(tmp_path / "elsewhere"))
    for same in (shuffled, labelled, moved):
        assert build(same, cache).directory == first.directory
    renamed = Manifest(root=images, table=manifest.table.assign(image_id=list("abcdef")))
    window = manifest.table.assign(crop_side=0.5, crop_x=0.0, crop_y=0.0)
    fewer = manifest.subset(np.arange(6) > 0)
    for other in (renamed, Manifest(root=images, table=window), fewer):
        assert build(other, cache).directory != first.directory
    for setting in (DecodeSettings(image_size=17), DecodeSettings(image_size=16, fit="pad")):
        assert build(manifest, cache, settings=setting).directory != first.directory


def test_copies_of_a_file_are_as_good_as_the_file(images: Path, cache: Path) -> None:
    (images / "copy.png").write_bytes((images / "000.png").read_bytes())
    names = {"image_id": ["a", "b", "c"]}
    one = pd.DataFrame(names | {"path": ["000.png", "001.png", "000.png"]})
    two = pd.DataFrame(names | {"path": ["000.png", "001.png", "copy.png"]})
    places = {build(manifest_from_table(t, root=images), cache).directory for t in (one, two)}
    assert len(places) == 1


def test_builds_do_not_depend_on_order_or_threads(images: Path, tmp_path: Path) -> None:
    manifest = manifest_from_folder(images)
    shuffled = Manifest(root=images, table=manifest.table.sample(frac=1, random_state=1))
    one = build(manifest, tmp_path / "one", num_workers=1)
    many = build(shuffled, tmp_path / "many", num_workers=5)
    for name in ("pixels.npy", "index.parquet", "failures.csv", "store.json"):
        assert (one.directory / name).read_bytes() == (many.directory / name).read_bytes()


def test_windows_are_decoded_from_one_reading(
    images: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = manifest_from_folder(images).table.assign(label=0)
    manifest = expand_windows(manifest_from_table(table, root=images), num_windows=4, seed=3)
    readings = []

    def counted(path: Path, settings: DecodeSettings) -> bytes:
        readings.append(path.name)
        return read_bytes(path, settings)

    monkeypatch.setattr(store_write, "read_bytes", counted)
    store = build(manifest, cache)
    assert sorted(readings) == sorted(p.name for p in images.iterdir())
    assert len(store) == 24
    row = manifest.table[manifest.table["image_id"] == "002.png#w03"].iloc[0]
    crop = Crop(row["crop_side"], row["crop_x"], row["crop_y"])
    wanted = to_pixels(decode_picture((images / "002.png").read_bytes(), SMALL), SMALL, crop)
    assert np.array_equal(store.gather(store.rows(["002.png#w03"]))[0], wanted)


def test_what_fails_is_listed_and_left_out(images: Path, cache: Path) -> None:
    whole = (images / "000.png").read_bytes()
    (images / "bomb.png").write_bytes(whole)
    (images / "cut.png").write_bytes(whole[: len(whole) // 2])
    (images / "empty.jpg").touch()
    (images / "text.jpg").write_text("hello")
    (images / "gone.png").symlink_to("nowhere.png")
    limits = DecodeSettings(image_size=16, max_pixels=24 * 40)
    Image.new("L", (25, 40)).save(images / "bomb.png")
    store = build(manifest_from_folder(images), cache, settings=limits)
    assert len(store) == 6
    reasons = dict(zip(store.failures["image_id"], store.failures["reason"], strict=True))
    assert sorted(reasons) == ["bomb.png", "cut.png", "empty.jpg", "gone.png", "text.jpg"]
    assert "25 x 40 pixels" in reasons["bomb.png"]
    assert "broken" in reasons["cut.png"]
    assert reasons["empty.jpg"] == "is empty"
    assert reasons["text.jpg"] == "is not an image of a known kind"
    assert reasons["gone.png"] == "there is no such file"
    again = build(manifest_from_folder(images), cache, settings=limits)
    pd.testing.assert_frame_equal(again.failures, store.failures)
    images = images.rename(images.with_name("moved"))
    above = manifest_from_folder(images).table
    above["path"] = "moved/" + above["path"]
    moved = build(Manifest(root=images.parent, table=above), cache, settings=limits)
    assert moved.directory == store.directory
    assert moved.failures["path"].tolist() == ["moved/" + path for path in store.failures["path"]]


def test_a_failure_names_the_file_of_its_image(images: Path, cache: Path) -> None:
    (images / "text.jpg").write_text("hello")
    table = pd.DataFrame({"image_id": list("cab"), "path": ["text.jpg", "000.png", "text.jpg"]})
    for _ in range(2):
        failures = build(manifest_from_table(table, root=images), cache).failures
        assert failures["image_id"].tolist() == ["b", "c"]
        assert failures["path"].tolist() == ["text.jpg", "text.jpg"]


def test_strict_stops_and_leaves_nothing(images: Path, cache: Path) -> None:
    (images / "text.jpg").write_text("hello")
    manifest = manifest_from_folder(images)
    with pytest.raises(DataError, match=r"1 of 7 .*text.jpg is not an image"):
        build(manifest, cache, strict=True)
    assert stores(cache) == []
    build(manifest, cache)
    with pytest.raises(DataError, match="1 of 7"):
        build(manifest, cache, strict=True)
    build(manifest.subset(np.arange(7) < 6), cache, strict=True)


def test_no_image_at_all_is_an_error(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(DataError, match="1 of 1 images cannot be decoded"):
        build(manifest_from_folder(tmp_path), cache)
    assert stores(cache) == []


def test_a_repaired_file_is_seen(images: Path, cache: Path) -> None:
    path = images / "late.png"
    table = pd.DataFrame({"path": ["000.png", "late.png"]})
    manifest = manifest_from_table(table, root=images)
    assert len(build(manifest, cache)) == 1
    Image.new("RGB", (9, 9)).save(path)
    assert len(build(manifest, cache)) == 2


def test_a_file_that_changes_between_readings_is_an_error(
    images: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_write, "read_bytes", lambda p, s: read_bytes(p, s) + b"more")
    with pytest.raises(DataError, match="has changed"):
        build(manifest_from_folder(images), cache)
    assert stores(cache) == []


@pytest.mark.parametrize("name", ["pixels.npy", "store.json", "index.parquet", "failures.csv"])
@pytest.mark.parametrize("kept", [None, 0, 0.6])
def test_a_damaged_store_is_built_again(
    name: str, kept: float | None, images: Path, cache: Path
) -> None:
    first = build(manifest_from_folder(images), cache)
    pixels = np.array(first.images)
    path = first.directory / name
    data = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(data[: int(len(data) * kept)])
    second = build(manifest_from_folder(images), cache)
    assert np.array_equal(second.images, pixels)
    assert path.read_bytes() == data


def test_broken_memories_of_digests_only_cost_time(
    images: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLED_NS", 0)
    first = build(manifest_from_folder(images), cache)
    (memory,) = (cache / "digests").iterdir()
    for content in (b"", b"junk", memory.read_bytes()[:-30]):
        memory.write_bytes(content)
        assert build(manifest_from_folder(images), cache).directory == first.directory


@contextmanager
def file_size_limit(num_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_leaves_nothing(images: Path, cache: Path) -> None:
    with file_size_limit(2000), pytest.raises(OutputError, match="DEBIAS_CACHE"):
        build(manifest_from_folder(images), cache)
    assert stores(cache) == []
    assert len(build(manifest_from_folder(images), cache)) == 6


def test_too_little_room_is_said_before_the_work(
    images: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 6 * 16 * 16 * 3 - 1

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(OutputError, match="MB are free"):
        build(manifest_from_folder(images), cache)


def test_a_cache_that_is_no_folder_is_refused(images: Path, cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(OutputError, match="DEBIAS_CACHE"):
        build(manifest_from_folder(images), cache)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may write anywhere: be nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_cache_serves_what_it_has() -> None:
    with TemporaryDirectory() as name:  # pytest's own folders are closed to others
        top = Path(name)
        top.chmod(0o755)
        images, cache = draw(top / "images"), top / "cache"
        manifest = manifest_from_folder(images)
        first = build(manifest, cache)
        for folder, _, _ in os.walk(cache):
            Path(folder).chmod(0o555)
        try:
            with without_privileges():
                assert build(manifest, cache).directory == first.directory
                with pytest.raises(OutputError, match=r"[Pp]ermission denied.*DEBIAS_CACHE"):
                    build(manifest.subset(np.arange(6) > 2), cache)
        finally:
            for folder, _, _ in os.walk(cache):
                Path(folder).chmod(0o755)


BUILDER = """
import sys, time
from pathlib import Path
from debias.data import store_write
from debias.data.decode import DecodeSettings
from debias.data.manifest import manifest_from_folder
from debias.data.store import build_store

plain = store_write.read_bytes
def slow(path, settings):
    time.sleep(float(sys.argv[3]))
    return plain(path, settings)
store_write.read_bytes = slow
store_write.NUM_FILES_A_TASK = 1
store = build_store(manifest_from_folder(Path(sys.argv[1])), DecodeSettings(image_size=16),
                    cache=Path(sys.argv[2]), num_workers=1, progress=False)
print(len(store))
"""


@contextmanager
def builder_of(images: Path, cache: Path, delay: float) -> Iterator[subprocess.Popen[str]]:
    """Build a store in a process that takes ``delay`` seconds a file, and is dead afterwards."""
    path = os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))
    with subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(images), str(cache), str(delay)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    ) as builder:
        try:
            yield builder
        finally:
            builder.kill()


def wait_for_partial_build(cache: Path) -> Path:
    for _ in range(1000):
        for path in cache.glob("stores/*.tmp/pixels.npy"):
            return path.parent
        time.sleep(0.02)
    raise AssertionError("the build did not start")


def test_a_killed_build_is_never_taken_for_finished(images: Path, cache: Path) -> None:
    manifest = manifest_from_folder(images)
    with builder_of(images, cache, 0.2) as builder:
        partial = wait_for_partial_build(cache)
        builder.send_signal(signal.SIGSTOP)
        # While it lives, another build leaves its unfinished folder alone ...
        other = build(manifest.subset(np.arange(6) < 2), cache)
        assert partial.exists()
        builder.send_signal(signal.SIGKILL)
    # ... and once it is dead, any build removes it.
    assert stores(cache) == sorted([partial.name, other.directory.name])
    build(manifest.subset(np.arange(6) < 3), cache)
    assert not partial.exists()


def test_a_killed_build_is_done_again(images: Path, cache: Path) -> None:
    with builder_of(images, cache, 0.2) as builder:
        partial = wait_for_partial_build(cache)
        builder.send_signal(signal.SIGKILL)
    assert partial.exists()
    store = build(manifest_from_folder(images), cache)
    assert partial.name.startswith(store.directory.name)
    assert len(store) == 6
    assert stores(cache) == [store.directory.name]


def test_two_processes_build_the_same_store_at_once(images: Path, cache: Path) -> None:
    with builder_of(images, cache, 0.05) as one, builder_of(images, cache, 0.05) as two:
        assert one.communicate(timeout=60)[0] == "6\n"
        assert two.communicate(timeout=60)[0] == "6\n"
    assert len(stores(cache)) == 1


def test_an_interrupt_leaves_nothing(
    images: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> NDArray[np.uint8]:
        raise KeyboardInterrupt

    monkeypatch.setattr(store_write, "decode_windows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(manifest_from_folder(images), cache)
    assert stores(cache) == []


def test_without_locks_a_build_still_succeeds(
    images: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", unsupported)
    assert len(build(manifest_from_folder(images), cache)) == 6
    assert len(stores(cache)) == 1


def test_progress_goes_to_standard_error(
    images: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(manifest_from_folder(images), cache, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Decoding" in shown.err
    assert "6/6" in shown.err
    build(manifest_from_folder(images).subset(np.arange(6) < 2), cache)
    assert capsys.readouterr().err == ""


def test_impossible_numbers_of_workers_are_refused(images: Path, cache: Path) -> None:
    with pytest.raises(ConfigError):
        build(manifest_from_folder(images), cache, num_workers=0)


def test_the_default_cache_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DEBIAS_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache() == tmp_path / ".cache" / "debias"
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert default_cache() == Path("/x/debias")
    monkeypatch.setenv("DEBIAS_CACHE", "~/kept")
    assert default_cache() == tmp_path / "kept"


@pytest.mark.skipif("DEBIAS_REAL_FACES" not in os.environ, reason="needs DEBIAS_REAL_FACES")
def test_real_images_decode(cache: Path) -> None:
    folder = Path(os.environ["DEBIAS_REAL_FACES"])
    manifest = read_manifest(folder / "images.csv")
    some = manifest.subset(np.arange(len(manifest)) % 50 == 0)
    store = build(some, cache, settings=DecodeSettings())
    assert len(store) == len(some)
    assert store.images.std() > 30
