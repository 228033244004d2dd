"""``debias detect``: boxes of the faces in pictures, with what cannot be read set aside."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from running import Debias

from debias.jobs.detect import list_pictures


@pytest.fixture
def album(drawn: Path, tmp_path: Path) -> Path:
    """Three pictures with faces in them, one of them in a folder, and a file that is none."""
    folder = tmp_path / "album"
    (folder / "inner").mkdir(parents=True)
    for number, name in enumerate(("a.jpg", "b.png", "inner/c.jpg")):
        with Image.open(drawn / "images" / f"face-{number:05d}.jpg") as face:
            picture = Image.new("RGB", (3 * face.width, 2 * face.height), (40, 60, 50))
            picture.paste(face, (number * face.width, face.height // 2))
        picture.save(folder / name)
    (folder / "broken.jpg").write_bytes(b"not a picture")
    return folder


def test_faces_of_a_folder(trained: Path, album: Path, debias: Debias, tmp_path: Path) -> None:
    output = tmp_path / "found"
    outcome = debias(
        *("detect", album, "--model", trained, "--output", output, "--draw", "--quiet"),
        *("--threshold", "0.05"),
    )
    assert outcome.status == 0, outcome.err
    faces = pd.read_parquet(output / "detections.parquet")
    pictures = pd.read_csv(output / "pictures.csv").set_index("image_id")
    assert f"{len(faces)} faces found in 3 pictures; 1 could not be read" in outcome.out
    assert outcome.out.strip().endswith(str(output / "detections.parquet"))
    assert list(pictures.index) == ["a.jpg", "b.png", "inner/c.jpg"]
    assert len(faces) > 0
    assert faces["score"].between(0.05, 1).all()
    assert faces.groupby("image_id").size().to_dict() == {
        name: count for name, count in pictures["num_faces"].items() if count
    }
    size = pictures.loc[faces["image_id"]]
    assert (faces["x"] >= 0).all()
    assert (faces["x"].to_numpy() + faces["width"] <= size["width"].to_numpy() + 1e-6).all()
    assert (faces["y"].to_numpy() + faces["height"] <= size["height"].to_numpy() + 1e-6).all()
    failures = pd.read_csv(output / "failures.csv")
    assert failures["path"].tolist() == ["broken.jpg"]
    drawn_files = sorted(p.relative_to(output / "drawn") for p in output.rglob("drawn/**/*.jpg"))
    assert [str(path) for path in drawn_files] == ["a.jpg", "b.png.jpg", "inner/c.jpg"]


def test_other_tools_read_the_coco_file(
    trained: Path, album: Path, debias: Debias, tmp_path: Path
) -> None:
    output = tmp_path / "found"
    debias("detect", album, "--model", trained, "--output", output, "--threshold", "0.05")
    coco = importlib.import_module("pycocotools.coco").COCO
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = coco(str(output / "detections.json"))
    faces = pd.read_parquet(output / "detections.parquet")
    assert [theirs.imgs[number]["file_name"] for number in theirs.getImgIds()] == [
        *("a.jpg", "b.png", "inner/c.jpg")
    ]
    boxes = [theirs.anns[number]["bbox"] for number in theirs.getAnnIds()]
    np.testing.assert_allclose(boxes, faces[["x", "y", "width", "height"]])


def test_the_threshold_is_the_runs_own(
    trained: Path, album: Path, debias: Debias, tmp_path: Path
) -> None:
    output = tmp_path / "found"
    outcome = debias("detect", album / "a.jpg", "--model", trained, "--output", output)
    assert outcome.status == 0, outcome.err
    point = json.loads((trained / "operating_point.json").read_text())["threshold"]
    used = json.loads((output / "run.json").read_text())["settings"]["detection"]["threshold"]
    assert used == pytest.approx(np.log(point / (1 - point)))
    assert (pd.read_parquet(output / "detections.parquet")["score"] >= point - 1e-6).all()


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        (["nowhere"], 1, "there is no such file or folder"),
        (["album/broken.jpg"], 1, "none of 1 pictures can be read"),
        (["album", "album/inner"], 0, ""),
        (["album", "copy/a.jpg"], 1, "two pictures are called 'a.jpg'"),
        (["album", "--step", "1"], 2, "detection.step"),
        (["album", "--overlapp", "1"], 2, "Did you mean '--overlap'?"),
    ],
)
def test_wrong_paths_and_options(
    words: list[str],
    status: int,
    complaint: str,
    trained: Path,
    album: Path,
    debias: Debias,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "a.jpg").write_bytes((album / "a.jpg").read_bytes())
    outcome = debias("detect", *words, "--model", trained, "--output", "found", "--quiet")
    assert outcome.status == status, outcome.err
    assert complaint in outcome.err
    assert (tmp_path / "found" / "detections.parquet").exists() == (status == 0)


def test_what_cannot_be_searched_replaces_no_earlier_output(
    trained: Path, album: Path, debias: Debias, tmp_path: Path
) -> None:
    words = ("--model", trained, "--output", tmp_path / "found", "--quiet")
    assert debias("detect", album / "a.jpg", *words).status == 0
    assert debias("detect", album / "broken.jpg", *words, "--overwrite").status == 1
    assert (tmp_path / "found" / "detections.parquet").exists()


def test_pictures_are_named_by_where_they_lie(album: Path) -> None:
    found = list_pictures([album / "a.jpg", album / "inner"])
    assert found == {"a.jpg": album / "a.jpg", "c.jpg": album / "inner" / "c.jpg"}
