"""Published pictures, boxes and arrays: read through the command, checked by their pixels."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from published import flat_picture, other_pictures, picture, pictures, prepared, text
from running import Debias
from scipy.io import savemat

from debias.data.layouts.wider import MARGIN, square_windows

RED, BLUE, WHITE = (220, 30, 30), (30, 30, 220), (250, 250, 250)


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("101_ObjectCategories", "."),
        ("101_ObjectCategories", "101_ObjectCategories"),
        ("caltech-101/101_ObjectCategories", "."),
        ("caltech-101", "."),
    ],
)
def test_caltech(place: str, named: str, tmp_path: Path, debias: Debias) -> None:
    folder = tmp_path / place
    names = ["accordion/image_0001.jpg", "airplanes/image_0001.jpg", "airplanes/image_0002.jpg"]
    other_pictures(folder, names)
    pictures(folder, ["Faces/image_0001.jpg", "faces_easy/image_0001.jpg"])
    picture(folder / "airplanes/._image_0001.jpg")
    picture(folder / "__MACOSX/image_0001.jpg")
    text(folder / "BACKGROUND_Google/tmp", "no picture")
    made = prepared(debias, "caltech-101", tmp_path / named)
    start = "" if named == place else f"{place}/"
    assert made.images["path"].to_dict() == {name: start + name for name in names}
    assert made.images["category"].tolist() == ["accordion", "airplanes", "airplanes"]
    assert set(made.images["label"]) == {"0"}
    assert "split" not in made.images
    assert made.attributes.empty
    assert made.failed() == {
        "Faces/image_0001.jpg": "is of a category of faces",
        "faces_easy/image_0001.jpg": "is of a category of faces",
    }
    assert len(made.pixels(tmp_path / "cache")) == 3


UTK, LFW = "26_0_1_20170116184024662.jpg", "Anna_Able/Anna_Able_0001.jpg"


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("caltech-101", [f"UTKFace/{UTK}"]),
        ("caltech-101", [LFW, "Bob_B/Bob_B_0001.jpg"]),
        ("caltech-101", ["253.faces-easy-101/253_0001.jpg", "001.ak47/001_0001.jpg"]),
        ("caltech-101", ["accordion/image_0001.jpg", LFW]),
        ("imagenet", ["train/1.jpg", "val/1.jpg"]),
        ("imagenet", [f"train/{LFW}"]),
        ("tiny-imagenet", [f"val/{LFW}", f"val/{UTK}"]),
    ],
)
def test_faces_in_folders_are_not_taken_for_a_set_of_non_faces(
    name: str, files: list[str], tmp_path: Path, debias: Debias
) -> None:
    pictures(tmp_path, files)
    refused = debias("data", "prepare", name, "--root", tmp_path)
    assert refused.status == 1
    assert "not the layout in which" in refused.err
    assert not (tmp_path / "images.csv").exists()


@pytest.mark.parametrize("moved", [False, True])
def test_tiny_imagenet(moved: bool, tmp_path: Path, debias: Debias) -> None:
    top = tmp_path / "tiny-imagenet-200"
    other_pictures(top / "train/n01443537/images", ["n01443537_0.JPEG", "n01443537_1.JPEG"])
    text(top / "train/n01443537/n01443537_boxes.txt", "n01443537_0.JPEG\t0\t10\t63\t58\n")
    other_pictures(top / "test/images", ["test_0.JPEG"])
    val = "val/n03444034/images" if moved else "val/images"
    other_pictures(top / val, ["val_0.JPEG", "val_1.JPEG"])
    text(top / "val/val_annotations.txt", "val_0.JPEG\tn03444034\t0\t32\t44\t62\r\n")
    made = prepared(debias, "tiny-imagenet", tmp_path)
    assert made.images["split"].tolist() == ["train", "train", "test", "test"]
    assert made.images["path"].tolist()[2] == f"tiny-imagenet-200/{val}/val_0.JPEG"
    unknown = "n03444034" if moved else ""
    assert made.images["category"].tolist() == [*["n01443537"] * 2, "n03444034", unknown]
    assert ("Of 1 pictures in val/images/" in made.out) is not moved
    assert made.failures.empty
    assert len(made.pixels(tmp_path / "cache")) == 4


def imagenet(top: Path) -> None:
    other_pictures(top / "train/n01440764", ["n01440764_10026.JPEG"])
    other_pictures(top / "train/n10148035", ["n10148035_1.JPEG"])
    other_pictures(top / "val", [f"ILSVRC2012_val_0000000{k}.JPEG" for k in (1, 2, 3)])


def check_imagenet(tmp_path: Path, debias: Debias, top: str) -> None:
    made = prepared(debias, "imagenet", tmp_path)
    assert made.images[["category", "split"]].to_numpy().tolist() == [
        ["n01440764", "train"],
        ["n01440764", "test"],
        ["n02119789", "test"],
    ]
    assert made.images["path"].tolist()[0] == f"{top}train/n01440764/n01440764_10026.JPEG"
    assert made.failed() == {
        "train/n10148035/n10148035_1.JPEG": "is of a class of people",
        "val/ILSVRC2012_val_00000002.JPEG": "is of a class of people",
    }


def test_imagenet_with_its_kit(tmp_path: Path, debias: Debias) -> None:
    """The ground truth counts classes in an order of its own, which only the kit tells."""
    imagenet(tmp_path)
    kit = tmp_path / "ILSVRC2012_devkit_t12/data"
    text(kit / "ILSVRC2012_validation_ground_truth.txt", "490\n7\n2\n")
    synsets = np.zeros(3, dtype=[("ILSVRC2012_ID", object), ("WNID", object), ("words", object)])
    synsets["ILSVRC2012_ID"] = [2, 7, 490]
    synsets["WNID"] = ["n02119789", "n10148035", "n01440764"]
    synsets["words"] = ["kit fox", "groom", "tench"]
    savemat(kit / "meta.mat", {"synsets": synsets})
    check_imagenet(tmp_path, debias, "")
    text(kit / "meta.mat", "no MATLAB file, whatever its name says")
    refused = debias("data", "prepare", "imagenet", "--root", tmp_path, "--overwrite")
    assert refused.status == 1
    assert "meta.mat: is not the list of synsets" in refused.err


def test_imagenet_as_kaggle_packs_it(tmp_path: Path, debias: Debias) -> None:
    imagenet(tmp_path / "ILSVRC/Data/CLS-LOC")
    rows = ["3,n02119789 1 2 3 4 n02119789 5 6 7 8", "1,n01440764 1 2 3 4", "2,n10148035 9 9 9 9"]
    lines = "".join(f"ILSVRC2012_val_0000000{row}\n" for row in rows)
    text(tmp_path / "LOC_val_solution.csv", f"ImageId,PredictionString\n{lines}")
    check_imagenet(tmp_path, debias, "ILSVRC/Data/CLS-LOC/")


def test_imagenet_without_its_kit(tmp_path: Path, debias: Debias) -> None:
    imagenet(tmp_path)
    made = prepared(debias, "imagenet", tmp_path)
    assert made.images["category"].tolist() == ["n01440764", "", "", ""]
    assert (
        "Of 3 pictures in val/ no category is known, so one that is of a class of people cannot be "
        "left out" in " ".join(made.out.split())
    )


def wider(root: Path) -> Path:
    """Two photographs of 200 x 100 pixels, red where a face is, and the quirks of the real list."""
    for part, name in (("train", "0--Parade/0_a.jpg"), ("val", "1--Rally/1_b.jpg")):
        path = flat_picture(root / f"WIDER_{part}/images/{name}", WHITE, (200, 100))
        with Image.open(path) as image:
            image.paste(RED, (20, 30, 50, 70))
            image.paste(BLUE, (170, 0, 200, 30))
            image.save(path, quality=95)
    picture(root / "WIDER_train/images/0--Parade/0_none.jpg")
    text(
        root / "wider_face_split/wider_face_train_bbx_gt.txt",
        "0--Parade/0_a.jpg\n4\n"
        "20 30 30 40 0 0 0 0 0 0 \n"
        "1 1 9 12 2 0 0 0 2 0 \n"
        "3 4 40 0 2 0 0 0 2 0 \n"
        "60 4 40 40 2 0 0 1 2 0 \n"
        "0--Parade/0_none.jpg\n0\n"
        "0 0 0 0 0 0 0 0 0 0 \n"
        "0--Parade/0_gone.jpg\n1\n"
        "20 30 30 40 0 0 0 0 0 0 \n",
    )
    text(
        root / "wider_face_split/wider_face_val_bbx_gt.txt",
        "1--Rally/1_b.jpg\r\n3\r\n"
        "20 30 30 40 0 0 0 0 0 0 \r\n"
        "250 30 30 40 0 0 0 0 0 0 \r\n"
        "170 0 30 30 0 0 0 0 0 0 \r\n",
    )
    text(
        root / "annotations/demographics_val.csv",
        ",file,perceived_gender,perceived_age,perceived_skin,face\n"
        "0,images/1--Rally/1_b.jpg,Male,Young Adult,V,0\n"
        "3,images/1--Rally/1_b.jpg,Female,Not Sure,II,2\n"
        "4,images/1--Rally/1_b.jpg,Male,Adult,I,7\n",
    )
    return root


def test_wider_face(tmp_path: Path, debias: Debias) -> None:
    made = prepared(debias, "wider-face", wider(tmp_path))
    faces = ["0--Parade/0_a.jpg#f000", "1--Rally/1_b.jpg#f000", "1--Rally/1_b.jpg#f002"]
    assert made.images.index.tolist() == faces
    assert made.images["split"].tolist() == ["train", "test", "test"]
    assert made.images["event"].tolist() == ["0--Parade", "1--Rally", "1--Rally"]
    assert made.attributes.loc[faces[1:]].to_dict("index") == {
        faces[1]: {
            "gender": "male",
            "skin_tone": "darker",
            "fitzpatrick": "V",
            "age": "Young Adult",
        },
        faces[2]: {"gender": "female", "skin_tone": "lighter", "fitzpatrick": "II", "age": ""},
    }
    # Nobody's labels are known of train.
    assert (made.attributes.loc[faces[0]] == "").all()
    assert set(made.provenance.values()) == {"annotated"}
    assert made.failed() == {
        "0--Parade/0_a.jpg#f001": "is smaller than 20 pixels",
        "0--Parade/0_a.jpg#f002": "its box has no area",
        "0--Parade/0_a.jpg#f003": "is marked invalid",
        "0--Parade/0_gone.jpg#f000": "there is no such file",
        "1--Rally/1_b.jpg#f001": "its box is outside the picture",
        "1--Rally/1_b.jpg#f007": "is labelled in demographics_val.csv, but has no box",
    }
    # A box of 30 x 40 gives a window of 60: half of its columns and two thirds of its rows are red.
    side, x, y = made.images.loc[faces[0], ["crop_side", "crop_x", "crop_y"]].astype(float)
    assert (side, x, y) == pytest.approx((0.6, 5 / 140, 20 / 40))
    pixels = made.pixels(tmp_path / "cache", size=60)
    is_red = (pixels[faces[0]][..., 0] > 200) & (pixels[faces[0]][..., 1] < 100)
    assert is_red[12:48, 17:43].all()
    assert not is_red[:8].any()
    assert not is_red[:, :13].any()
    assert not is_red[:, 47:].any()
    is_blue = (pixels[faces[2]][..., 2] > 180) & (pixels[faces[2]][..., 0] < 80)
    assert is_blue[:37, 23:].all()  # pushed into the corner of the picture: 45 pixels, 30 of a face
    assert not is_blue[45:].any()


def test_wider_face_without_labels_or_val(tmp_path: Path, debias: Debias) -> None:
    wider(tmp_path)
    (tmp_path / "annotations/demographics_val.csv").unlink()
    (tmp_path / "wider_face_split/wider_face_val_bbx_gt.txt").unlink()
    made = prepared(debias, "wider-face", tmp_path)
    assert made.images["split"].tolist() == ["train"]
    assert made.attributes.empty
    assert made.out.count("No ") == 2


def test_wider_face_turned_and_broken_pictures(tmp_path: Path, debias: Debias) -> None:
    """Boxes are of the pixels as stored, which would be turned before they are cut."""
    path = wider(tmp_path) / "WIDER_train/images/0--Parade/0_a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(path) as image:
        image.save(path, exif=exif)
    text(tmp_path / "WIDER_train/images/0--Parade/0_gone.jpg", "no picture")
    made = prepared(debias, "wider-face", tmp_path)
    assert made.failed()["0--Parade/0_a.jpg#f000"] == "is turned by its EXIF data, boxes are not"
    assert made.failed()["0--Parade/0_gone.jpg#f000"] == "cannot be read as a picture"


@pytest.mark.parametrize(
    "content", ["a.jpg\nmany\n", "a.jpg\n2\n0 0 9 9 0 0 0 0 0 0\n", "a.jpg\n1\n0 0 9 9\n", "\n"]
)
def test_a_damaged_list_of_boxes_is_refused(content: str, tmp_path: Path, debias: Debias) -> None:
    text(tmp_path / "wider_face_split/wider_face_train_bbx_gt.txt", content)
    refused = debias("data", "prepare", "wider-face", "--root", tmp_path)
    assert refused.status == 1
    assert "wider_face_train_bbx_gt.txt: " in refused.err


sides = st.integers(20, 3000)


@given(width=sides, height=sides, box=st.tuples(*[st.floats(0, 1)] * 4))
def test_a_window_lies_in_its_picture_and_around_its_box(
    width: int, height: int, box: tuple[float, ...]
) -> None:
    size = np.array([width, height], dtype=float)
    corner = np.array(box[:2]) * (size - 1)
    extent = 1 + np.array(box[2:]) * (size - corner - 1)
    (side, x, y) = square_windows(
        np.concatenate([corner, extent])[None], size[None], margin=MARGIN
    )[0]
    assert 0 < side <= 1
    assert 0 <= x <= 1
    assert 0 <= y <= 1
    pixels = side * size.min()
    start = np.array([x, y]) * (size - pixels)
    longest = extent.max()
    if longest <= size.min():
        assert (start <= corner + 1e-6).all()
        assert (start + pixels >= corner + extent - 1e-6).all()
    if (1 + 2 * MARGIN) * longest <= size.min():
        assert pixels == pytest.approx((1 + 2 * MARGIN) * longest)


def mit_faces(path: Path, num_images: int = 2_003) -> None:
    """Blue-green-red, as the course stores them: image k has red k % 251, green 100, blue 7."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = np.empty((num_images, 64, 64, 3), dtype=np.uint8)
    images[...] = (7, 100, 0)
    images[..., 2] = (np.arange(num_images) % 251)[:, None, None]
    labels = (np.arange(num_images) % 2).astype(np.float32)[:, None]
    labels[4] = 0.5
    with h5py.File(path, "w") as file:
        file["images"], file["labels"] = images, labels


@pytest.mark.parametrize("by_file", [False, True])
def test_mit_faces(by_file: bool, tmp_path: Path, debias: Debias) -> None:
    path = tmp_path / "in/train_face.h5"
    mit_faces(path)
    words = ["--output", tmp_path / "out"] if by_file else []
    made = prepared(debias, "mit-faces", path if by_file else path.parent, *words)
    assert made.folder == (tmp_path / "out" if by_file else path.parent)
    assert len(made.images) == 2_002
    assert made.images["label"].tolist()[:6] == ["0", "1", "0", "1", "1", "0"]
    assert made.failed() == {"images/000004.png": "its label is not 0 or 1"}
    assert not (made.folder / "images/000004.png").exists()
    assert len(list((made.folder / "images").iterdir())) == 2_002
    pixels = made.pixels(tmp_path / "cache")
    for k in (0, 3, 999, 1_000, 1_001, 2_002):
        assert (pixels[f"images/{k:06d}.png"] == (k % 251, 100, 7)).all()


def test_mit_faces_again_replaces_its_own_pictures(tmp_path: Path, debias: Debias) -> None:
    mit_faces(tmp_path / "train_face.h5", 9)
    prepared(debias, "mit-faces", tmp_path)
    refused = debias("data", "prepare", "mit-faces", "--root", tmp_path)
    assert refused.status == 1
    assert "--overwrite" in refused.err
    mit_faces(tmp_path / "train_face.h5", 5)
    prepared(debias, "mit-faces", tmp_path, "--overwrite")
    assert len(list((tmp_path / "images").iterdir())) == 4


def test_somebodys_pictures_are_not_written_over(tmp_path: Path, debias: Debias) -> None:
    mit_faces(tmp_path / "train_face.h5", 9)
    mine = picture(tmp_path / "images/000001.png")
    before = mine.read_bytes()
    for words in ([], ["--overwrite"]):
        refused = debias("data", "prepare", "mit-faces", "--root", tmp_path, *words)
        assert refused.status == 1
        assert "images" in refused.err
    assert mine.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "train_face.h5"]


@pytest.mark.parametrize(
    ("shape", "labels", "message"),
    [
        ((5, 64, 64), 5, "has no uint8 `images` of shape (image, height, width, 3)"),
        ((5, 8, 8, 3), 4, "has not a label for each image"),
    ],
)
def test_other_arrays_are_refused(
    shape: tuple[int, ...], labels: int, message: str, tmp_path: Path, debias: Debias
) -> None:
    with h5py.File(tmp_path / "train_face.h5", "w") as file:
        file["images"] = np.zeros(shape, dtype=np.uint8)
        file["labels"] = np.zeros(labels)
    refused = debias("data", "prepare", "mit-faces", "--root", tmp_path)
    assert refused.status == 1
    assert message in refused.err


def test_a_broken_file_and_a_missing_library_are_named(
    tmp_path: Path, debias: Debias, monkeypatch: pytest.MonkeyPatch
) -> None:
    text(tmp_path / "train_face.h5", "half a download")
    refused = debias("data", "prepare", "mit-faces", "--root", tmp_path)
    assert "is not an HDF5 file. Is the download complete?" in refused.err
    monkeypatch.setitem(sys.modules, "h5py", None)
    refused = debias("data", "prepare", "mit-faces", "--root", tmp_path)
    assert refused.status == 1
    assert "pip install 'debias-faces[h5]'" in refused.err


def test_any_folder(tmp_path: Path, debias: Debias) -> None:
    pictures(tmp_path, ["faces/a.png", "faces/deep/b.jpg", "non-faces/c.jpg", "d.jpg", "x/e.jpg"])
    made = prepared(debias, "folder", tmp_path)
    assert made.images[["label", "category"]].to_numpy().tolist() == [
        *(["", ""], ["1", "faces"], ["1", "faces"], ["0", "non-faces"], ["", "x"])
    ]
    assert "2 pictures are in neither faces/ nor non-faces/" in made.out
    facts = json.loads((tmp_path / "data.json").read_text())
    assert facts["counts"] == {"images": 5, "faces": 2, "non-faces": 1, "people": 0}
