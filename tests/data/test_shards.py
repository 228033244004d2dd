"""Shards: the same images as in a folder; what is torn or ambiguous is refused."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from debias.audit.pixel_pass import PassSettings, measure_images
from debias.data import shards as shards_module
from debias.data.decode import DecodeSettings
from debias.data.manifest import Manifest, manifest_from_folder, manifest_from_shards, parse_where
from debias.data.shard_files import expand_shards, members
from debias.data.source import ImageSource
from debias.data.store import ImageStore, build_store
from debias.data.windows import expand_windows
from debias.errors import DataError, MissingExtraError, UsageError

SMALL = DecodeSettings(image_size=16, max_bytes=6_000)
Files = Mapping[str, bytes]


def picture(seed: int) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (20, 24 + seed, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "png")
    return file.getvalue()


def samples() -> dict[str, bytes]:
    """Return pictures by name, not in the order of names: broken, empty and too large ones too."""
    names = [f"{kind}/{k:03d}.png" for k in (3, 0, 4, 1, 2) for kind in ("b", "a")]
    files = {name: picture(k) for k, name in enumerate(names)}
    large = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90), dtype=np.uint8)).save(
        large, "png"
    )
    return {**files, "a/broken.png": b"no", "b/none.png": b"", "b/large.png": large.getvalue()}


def tar(files: Files, mode: Any = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def label(name: str) -> int:
    return int(name.startswith("a"))


def write_tars(folder: Path, mode: str = "w", suffix: str = "tar") -> str:
    """Write the samples into three tars, labels as .cls or .json, and return their pattern."""
    folder.mkdir(exist_ok=True)
    names = list(samples())
    for number in range(3):
        files: dict[str, bytes] = {}
        for name in names[number::3]:
            stem = name.removesuffix(".png")
            if number == 1:
                files[f"{stem}.json"] = json.dumps({"label": label(name), "width": 3}).encode()
                files[f"./{name}"] = samples()[name]
            else:
                files[name] = samples()[name]
                files[f"{stem}.cls"] = f"{label(name)}\n".encode()
        (folder / f"{number:03d}.{suffix}").write_bytes(tar(files, mode))
    return f"{folder}/{{000..002}}.{suffix}"


def write_parquet(folder: Path) -> str:
    """Write the samples into Parquet shards in the two forms that are usual."""
    folder.mkdir(exist_ok=True)
    names = list(samples())
    plain, nested = names[:6], names[6:]
    pq.write_table(
        pa.table(
            {
                "jpg": [samples()[name] for name in plain],
                "image_id": plain,
                "label": [label(name) for name in plain],
            }
        ),
        folder / "0.parquet",
        row_group_size=4,
    )
    pq.write_table(
        pa.table(
            {
                "image": [{"bytes": samples()[name], "path": name} for name in nested],
                "label": [str(label(name)) for name in nested],
                "thumbnail": [b"x"] * len(nested),
            }
        ),
        folder / "1.parquet",
    )
    return f"{folder}/*.parquet"


def pixels(store: ImageStore, image_id: str) -> NDArray[np.uint8]:
    chosen: NDArray[np.uint8] = store.gather(store.rows([image_id]))[0]
    return chosen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in samples().items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "folder"


def shards_of(kind: str, tmp_path: Path) -> str:
    if kind == "parquet":
        return write_parquet(tmp_path / "shards")
    if kind == "memory":
        system = fsspec.filesystem("memory")
        pattern = write_tars(tmp_path / "shards")
        for file in (tmp_path / "shards").iterdir():
            system.pipe(f"/{tmp_path.name}/{file.name}", file.read_bytes())
        return pattern.replace(str(tmp_path / "shards"), f"memory://{tmp_path.name}")
    if kind == "file":
        return "file://" + write_tars(tmp_path / "shards")
    return write_tars(tmp_path / "shards", "w:gz" if kind == "tgz" else "w", kind)


def load(pattern: str, tmp_path: Path, **options: Any) -> Manifest:
    return manifest_from_shards([pattern], cache=tmp_path / "cache", **options)


def write(tmp_path: Path, files: Files, name: str = "x.tar") -> str:
    (tmp_path / name).write_bytes(tar(files))
    return str(tmp_path / name)


@pytest.mark.parametrize("kind", ["tar", "tgz", "parquet", "memory", "file"])
def test_shards_are_the_folder(kind: str, folder: Path, tmp_path: Path) -> None:
    pattern = shards_of(kind, tmp_path)
    listed = manifest_from_folder(folder)
    sharded = load(pattern, tmp_path)
    labels = sharded.table.set_index("image_id")["label"]
    assert sorted(labels.index) == sorted(listed.table["image_id"])
    assert all(labels[name] == label(name) for name in labels.index)
    listed.table["label"] = listed.table["image_id"].map(label).astype("Int8")
    # Each in a cache of its own, or the second would find the first one's store.
    stores = [
        build_store(
            expand_windows(manifest, num_windows=3, seed=0),
            SMALL,
            cache=tmp_path / f"cache-{place}",
            progress=False,
            num_workers=2,
        )
        for place, manifest in enumerate((listed, sharded))
    ]
    one, other = stores
    assert one.directory.name == other.directory.name
    assert sorted(one.image_ids) == sorted(other.image_ids)
    assert len(one) == 5 + 5 * 3
    for image_id in one.image_ids:
        assert np.array_equal(pixels(one, image_id), pixels(other, image_id))
    reasons = [
        store.failures.set_index("image_id")["reason"].sort_index().to_dict() for store in stores
    ]
    assert reasons[0] == reasons[1]
    assert reasons[0]["a/broken.png"] == "is not an image of a known kind"
    assert reasons[0]["b/none.png#w01"] == "is empty"
    assert "more than 6000" in reasons[0]["b/large.png"]


def test_measures_of_shards_are_those_of_the_folder(folder: Path, tmp_path: Path) -> None:
    passing = PassSettings(files_a_part=4)
    listed = manifest_from_folder(folder)
    sharded = load(shards_of("tar", tmp_path), tmp_path)
    one, other = (
        measure_images(manifest, settings=passing, directory=tmp_path / str(k), num_workers=2)
        for k, manifest in enumerate((listed, sharded))
    )
    tables = [each.table.set_index("image_id").drop(columns="path") for each in (one, other)]
    pd.testing.assert_frame_equal(tables[1].loc[tables[0].index], tables[0])
    next((tmp_path / "1").glob("part-00001-*")).unlink()
    again = measure_images(sharded, settings=passing, directory=tmp_path / "1", resume=True)
    pd.testing.assert_frame_equal(again.table, other.table)


def test_each_shard_is_listed_once_and_then_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def counted(url: str) -> Any:
        opened.append(url)
        return members(url)

    monkeypatch.setattr(shards_module, "members", counted)
    pattern = shards_of("tar", tmp_path)
    load(pattern, tmp_path)
    assert len(opened) == 3
    manifest = load(pattern, tmp_path)
    assert len(opened) == 3
    build_store(manifest, SMALL, cache=tmp_path / "cache", progress=False)
    assert opened[3:] == opened[:3]
    build_store(manifest, SMALL, cache=tmp_path / "cache", progress=False)
    assert len(opened) == 6


def test_a_shard_that_changes_is_listed_anew(tmp_path: Path) -> None:
    pattern = write(tmp_path, {"a.png": picture(1)})
    manifest = load(pattern, tmp_path)
    write(tmp_path, {"a.png": picture(1), "b.png": picture(2)})
    assert len(load(pattern, tmp_path)) == 2
    write(tmp_path, {"a.png": picture(3)})
    with pytest.raises(DataError, match="has changed since it was first read"):
        build_store(manifest, SMALL, cache=tmp_path / "cache", progress=False)
    write(tmp_path, {"b.png": picture(1)})
    with pytest.raises(DataError, match=r"x\.tar: no longer holds 'x\.tar/a\.png'"):
        build_store(manifest, SMALL, cache=tmp_path / "cache", progress=False)


def test_what_a_sample_may_say(tmp_path: Path) -> None:
    facts = {"image_id": "first", "label": 1, "split": "val", "identity_id": "p", "age": 3}
    pattern = write(
        tmp_path,
        {
            "one.png": picture(0),
            "one.json": json.dumps(facts).encode(),
            "two.v2.png": picture(1),
            "two.cls": b"0",
            "._two.png": b"of another system",
            "three.png": picture(2),
        },
    )
    table = load(pattern, tmp_path).table.set_index("image_id")
    assert table.index.tolist() == ["first", "two.v2.png", "three.png"]
    first = table.iloc[0]
    assert [first[name] for name in ("label", "split", "identity_id")] == [1, "val", "p"]
    assert table["label"].tolist()[1:] == [0, pd.NA]
    chosen = load(pattern, tmp_path, where=parse_where(["label=0"]))
    assert chosen.table["image_id"].tolist() == ["two.v2.png"]
    store = build_store(chosen, SMALL, cache=tmp_path / "cache", progress=False)
    assert store.image_ids.tolist() == ["two.v2.png"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.x.png": b"1", "a.y.png": b"2"}, r"'a\.x\.png' and 'a\.y\.png' are pictures of one"),
        ({"a.png": b"1", "b.cls": b"1"}, "1 samples have no picture, such as 'b'"),
        ({"a.png": b"1", "a.json": b"{"}, r"'a\.json' is no JSON"),
        ({"a.png": b"1", "a.json": b"[]"}, r"'a\.json' is no JSON object"),
        ({"a.png": b"1", "a.cls": b"cat"}, "label that is not 0 or 1"),
        ({"../a.png": b"1"}, "leads out of the shard"),
        ({"a.txt": b"1"}, "hold no pictures"),
    ],
)
def test_tars_that_are_refused(files: Files, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        load(write(tmp_path, files), tmp_path)


def test_an_id_in_two_shards_names_both(tmp_path: Path) -> None:
    for name in ("x.tar", "y.tar"):
        write(tmp_path, {"0.png": picture(0)}, name)
    with pytest.raises(DataError, match=r"x\.tar: the id '0\.png' is here and in .*y\.tar"):
        load(f"{tmp_path}/?.tar", tmp_path)


@given(where=st.floats(0, 1, exclude_max=True), packed=st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_torn_tar_is_never_taken_for_a_whole_one(where: float, packed: bool) -> None:
    whole = tar({f"{k}.png": picture(k) for k in range(3)}, "w:gz" if packed else "w")
    end = len(whole) if packed else len(whole.rstrip(b"\0"))
    system = fsspec.filesystem("memory")
    system.pipe("/torn.tar", whole[: int(where * end)])
    with pytest.raises(DataError, match="is torn"):
        shards_module._tar_samples("memory://torn.tar")


def test_a_broken_header_is_no_end(tmp_path: Path) -> None:
    whole = bytearray(tar({"a.png": b"1", "b.png": b"2", "c.png": b"3"}))
    whole[1024:1100] = b"\xff" * 76
    (tmp_path / "x.tar").write_bytes(whole)
    with pytest.raises(DataError, match="nothing readable follows byte 1024"):
        load(str(tmp_path / "x.tar"), tmp_path)


def test_joined_tars_are_no_tar(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(tar({"a.png": b"1"}) + tar({"b.png": b"2"}))
    with pytest.raises(DataError, match="something follows its end"):
        load(str(tmp_path / "x.tar"), tmp_path)


def test_parquet_that_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"path": ["a.png"]}), path)
    with pytest.raises(DataError, match="has 0 columns of bytes"):
        load(str(path), tmp_path)
    pq.write_table(pa.table({"p": [b"1"], "q": [b"2"]}), path)
    with pytest.raises(DataError, match="has 2 columns of bytes: p, q"):
        load(str(path), tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="is torn"):
        load(str(path), tmp_path)


def test_patterns(tmp_path: Path) -> None:
    assert expand_shards(["a/{08..10}.tar", "b.parquet"]) == [
        *("a/08.tar", "a/09.tar", "a/10.tar", "b.parquet")
    ]
    assert len(expand_shards(["{0..1}/{0..2}.tar"])) == 6
    with pytest.raises(DataError, match=r"b\.tar: is named twice"):
        expand_shards(["b.tar", "b.tar"])
    with pytest.raises(UsageError, match="counts down"):
        expand_shards(["{3..1}.tar"])
    with pytest.raises(UsageError, match="is no shard by its name"):
        expand_shards(["a.zip"])
    with pytest.raises(DataError, match="no shard is called so"):
        expand_shards([f"{tmp_path}/*.tar"])
    with pytest.raises(DataError, match="there is no such file"):
        load(f"{tmp_path}/a.tar", tmp_path)


def test_stores_that_need_a_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtraError, match=r"s3:// needs s3fs.*pip install s3fs"):
        load("s3://bucket/a.tar", tmp_path)
    with pytest.raises(UsageError, match="cannot be reached"):
        load("nothing://bucket/a.tar", tmp_path)


def test_shards_are_one_way_to_name_images(tmp_path: Path) -> None:
    pattern = write(tmp_path, {"a.png": picture(0)})
    source = ImageSource(shards=(pattern,), cache=tmp_path / "cache")
    assert source.load().table["image_id"].tolist() == ["a.png"]
    assert source.inputs == (Path(pattern),)
    with pytest.raises(UsageError, match="name the images in one way"):
        ImageSource(shards=(pattern,), faces=tmp_path).load()
    with pytest.raises(UsageError, match="Name it with --shards"):
        ImageSource(images=Path(pattern)).load()
