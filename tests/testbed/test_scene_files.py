from __future__ import annotations

import contextlib
import importlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from debias.data.attributes import read_attributes
from debias.errors import ConfigError, DataError, OutputError
from debias.testbed import scene_files
from debias.testbed.scene_files import LEAST_VISIBLE, coco, write_scenes
from debias.testbed.scene_renderer import RenderedScene, render_scenes
from debias.testbed.scenes import Scenes, SceneSet, draw_scenes

# They have no types.
COCO: Any = importlib.import_module("pycocotools.coco").COCO
COCOeval: Any = importlib.import_module("pycocotools.cocoeval").COCOeval
SMALL = SceneSet(name="small", summary="a few", pictures=(8, 2, 6), sides=(64, 110))
TWICE = SceneSet(name="twice", summary="a few", pictures=(16, 4, 12), sides=(64, 110))
SEED = 2
FILES = {
    *("pictures.csv", "boxes.csv", "factors.parquet", "annotations.json"),
    *("attributes.csv", "attributes.provenance.json"),
}


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return draw_scenes(SMALL, seed=SEED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("scenes") / "new" / "folder"
    write_scenes(SMALL, place, seed=SEED, num_workers=2)
    return place


def test_a_folder_holds_what_was_drawn(folder: Path, scenes: Scenes) -> None:
    listed = pd.read_csv(folder / "pictures.csv")
    assert listed.columns.tolist() == ["image_id", "path", "split", "width", "height"]
    pd.testing.assert_frame_equal(listed.drop(columns="path"), scenes.pictures, check_dtype=False)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {*listed["path"], *FILES}
    boxes = pd.read_csv(folder / "boxes.csv")
    names = ["face_id", "image_id", "x", "y", "width", "height", "visible", "ignore"]
    assert boxes.columns.tolist() == names
    assert boxes["face_id"].tolist() == scenes.faces()["face_id"].tolist()
    assert len(boxes) > 15
    rendered = list(render_scenes(scenes))
    for row, scene in zip(listed.itertuples(), rendered, strict=True):
        assert row.path == f"images/{row.split}/{row.image_id}.jpg"
        assert (folder / str(row.path)).read_bytes() == scene.file
        with Image.open(io.BytesIO(scene.file)) as picture:
            assert picture.size == (row.width, row.height)
        own = boxes[boxes["image_id"] == row.image_id]
        np.testing.assert_array_equal(own[["x", "y", "width", "height"]], scene.boxes)
        np.testing.assert_allclose(own["visible"], scene.visible, atol=5e-5)
    assert set(boxes["ignore"]) == {0, 1}
    assert ((boxes["visible"] < LEAST_VISIBLE) == (boxes["ignore"] == 1)).all()


def test_a_folder_holds_attributes_and_every_factor(folder: Path, scenes: Scenes) -> None:
    truth = scenes.attributes()
    found = read_attributes(
        folder / "attributes.csv", columns=list(truth.columns), id_column="face_id"
    )
    assert found.table.index.tolist() == truth.index.tolist()
    assert found.table.to_dict("list") == truth.to_dict("list")
    assert set(found.provenance.values()) == {"constructed"}
    table = pd.read_parquet(folder / "factors.parquet")
    assert table.columns.tolist() == scenes.layers.columns.tolist()
    for name in table:
        np.testing.assert_array_equal(table[name].isna(), scenes.layers[name].isna())
        assert table[name].dropna().tolist() == scenes.layers[name].dropna().tolist()
    again = Scenes(pictures=scenes.pictures, layers=table).only(["val-00001"])
    (scene,) = render_scenes(again)
    assert (folder / "images/val/val-00001.jpg").read_bytes() == scene.file


def test_a_folder_is_the_same_however_it_is_drawn(
    folder: Path, scenes: Scenes, tmp_path: Path
) -> None:
    truth = write_scenes(TWICE, tmp_path, fraction=0.5, seed=SEED, num_workers=1)
    pd.testing.assert_frame_equal(truth, scenes.attributes())
    for path in folder.rglob("*.*"):
        assert (tmp_path / path.relative_to(folder)).read_bytes() == path.read_bytes()


def test_the_form_of_coco_says_the_same(folder: Path) -> None:
    pictures, boxes = (pd.read_csv(folder / f"{name}.csv") for name in ("pictures", "boxes"))
    made = json.loads((folder / "annotations.json").read_text())
    assert made["info"] == {"description": "a few", "version": "1", "seed": SEED}
    assert made["categories"] == [{"id": 1, "name": "face", "supercategory": "person"}]
    images = pd.DataFrame(made["images"])
    assert images["id"].is_unique
    for name, other in (("file_name", "path"), ("width",) * 2, ("height",) * 2, ("split",) * 2):
        assert images[name].tolist() == pictures[other].tolist()
    image_of = dict(zip(images["id"], pictures["image_id"], strict=True))
    rows = pd.DataFrame(made["annotations"])
    assert rows["id"].tolist() == list(range(1, len(boxes) + 1))
    assert rows["image_id"].map(image_of).tolist() == boxes["image_id"].tolist()
    assert rows["face_id"].tolist() == boxes["face_id"].tolist()
    assert rows["bbox"].tolist() == boxes[["x", "y", "width", "height"]].to_numpy().tolist()
    assert rows["area"].tolist() == (boxes["width"] * boxes["height"]).tolist()
    assert rows["ignore"].tolist() == rows["iscrowd"].tolist() == boxes["ignore"].tolist()
    assert rows["visible"].tolist() == boxes["visible"].tolist()
    assert set(rows["category_id"]) == {1}


def average_precision(file: Path, detections: list[dict[str, object]]) -> float:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(file))
        judged = COCOeval(truth, truth.loadRes(detections), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return float(judged.stats[0])


def test_coco_judges_what_is_ignored_as_neither_found_nor_missed(folder: Path) -> None:
    file = folder / "annotations.json"
    faces = json.loads(file.read_text())["annotations"]
    plain = [face for face in faces if not face["ignore"]]
    assert 0 < len(plain) < len(faces)

    def found(some: list[dict[str, Any]]) -> list[dict[str, object]]:
        names = ("image_id", "category_id", "bbox")
        return [{"score": 0.9, **{name: face[name] for name in names}} for face in some]

    assert average_precision(file, found(plain)) == pytest.approx(1)
    assert average_precision(file, found(faces)) == pytest.approx(1)
    assert average_precision(file, found(plain[1:])) < 0.99


def test_no_faces_give_no_annotations() -> None:
    pictures = pd.DataFrame({"image_id": ["a"], "path": ["a.jpg"], "split": ["test"]})
    boxes = pd.DataFrame(columns=["face_id", "image_id", "x", "y", "width", "height"])
    made = coco(pictures.assign(width=64, height=80), boxes)
    assert made["annotations"] == []
    assert made["images"] == [
        {"id": 1, "file_name": "a.jpg", "width": 64, "height": 80, "split": "test"}
    ]


@pytest.mark.parametrize("problem", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_a_folder_half_written_has_no_manifest(
    problem: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object, **__: object) -> Iterator[RenderedScene]:
        nobody = np.empty((0, 4), dtype=np.int64)
        yield RenderedScene(file=b"first", boxes=nobody, visible=np.empty(0))
        raise problem

    monkeypatch.setattr(scene_files, "render_scenes", break_down)
    wanted = OutputError if isinstance(problem, OSError) else KeyboardInterrupt
    with pytest.raises(wanted, match="No space left" if wanted is OutputError else None):
        write_scenes(SMALL, tmp_path)
    assert len(list(tmp_path.rglob("*.jpg"))) == 1
    assert not FILES & {path.name for path in tmp_path.iterdir()}


def test_the_list_of_pictures_is_the_last_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def note(_: object, path: Path) -> None:
        assert len(list(tmp_path.rglob("*.jpg"))) == 3
        written.append(path.name)

    monkeypatch.setattr(scene_files, "write_table", lambda table, path: note(table, path))
    monkeypatch.setattr(scene_files, "write_json", lambda path, value: note(value, path))
    write_scenes(SMALL, tmp_path, fraction=0.001)
    assert set(written) == FILES
    assert written[-2:] == ["boxes.csv", "pictures.csv"]


def test_what_cannot_be_written_or_drawn_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot be written"):
        write_scenes(SMALL, tmp_path / "file")
    with pytest.raises(ConfigError, match="num_workers is 0"):
        write_scenes(SMALL, tmp_path / "new", num_workers=0)
    with pytest.raises(DataError, match="the fraction of a testbed is 0"):
        write_scenes(SMALL, tmp_path / "new", fraction=0)
    assert not (tmp_path / "new").exists()
