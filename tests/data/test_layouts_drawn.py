"""Drawn faces, packed as each set is published: what is read of each is what it was drawn with."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from published import SIDE, Made, people, pixels_of, prepared, scenes, text, write
from running import Debias

RACES = {"light": "White", "medium": "Indian", "dark": "Black"}
FITZPATRICK = ("I", "II", "III", "IV", "V", "VI")


def types() -> NDArray[np.int64]:
    """Return a Fitzpatrick type, 1 to 6, that rises with the tone."""
    return np.ceil(people()["tone"].to_numpy() * 0.6).astype(np.int64)


def check(made: Made, ids: list[str], expected: dict[str, list[str]], cache: Path) -> None:
    """See that each image has the words of its face, and the pixels too."""
    assert made.attributes.loc[ids].to_dict("list") == expected
    assert len(made.images) == len(made.attributes) == len(ids)
    pixels = made.pixels(cache, size=SIDE)
    for image_id, file in zip(ids, people()["file"], strict=True):
        assert np.array_equal(pixels[image_id], pixels_of(file))


def test_utkface(tmp_path: Path, debias: Debias) -> None:
    codes = {"light": 0, "medium": 3, "dark": 1}
    ids = []
    for k, face in people().iterrows():
        gender = int(face["gender"] == "female")
        start = f"{int(face['age'])}_{gender}_{codes[face['skin_tone']]}"
        ids.append(f"{start}_201701161840{k:05d}.jpg.chip.jpg")
        write(tmp_path / "set/UTKFace" / ids[-1], face["file"])
    expected = {
        "gender": people()["gender"].tolist(),
        "race": people()["skin_tone"].map(RACES).str.lower().tolist(),
        "age": people()["age"].astype(int).astype(str).tolist(),
    }
    check(prepared(debias, "utkface", tmp_path / "set"), ids, expected, tmp_path / "cache")


def test_celeba(tmp_path: Path, debias: Debias) -> None:
    root = tmp_path / "set"
    ids = [f"{k + 1:06d}.jpg" for k in range(len(people()))]
    for image_id, file in zip(ids, people()["file"], strict=True):
        write(root / "Img/img_align_celeba" / image_id, file)
    male = np.where(people()["gender"] == "male", 1, -1)
    young = np.where(people()["age"] < 40, 1, -1)
    rows = [f"{name} {m} {y}" for name, m, y in zip(ids, male, young, strict=True)]
    text(root / "Anno/list_attr_celeba.txt", "\n".join([str(len(ids)), "Male Young", *rows]))
    text(root / "Eval/list_eval_partition.txt", "".join(f"{name} 2\n" for name in ids))
    expected = {
        "gender": people()["gender"].tolist(),
        "young": np.where(young == 1, "young", "not young").tolist(),
    }
    check(prepared(debias, "celeba", root), ids, expected, tmp_path / "cache")


def test_fairface(tmp_path: Path, debias: Debias) -> None:
    root = tmp_path / "set"
    ids = [f"{'val' if k % 3 else 'train'}/{k}.jpg" for k in range(len(people()))]
    ages = pd.cut(
        people()["age"],
        [0, 20, 30, 40, 50, 60, 70, 120],
        right=False,
        labels=["10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"],
    )
    race = people()["skin_tone"].map(RACES)
    for part in ("train", "val"):
        rows = ["file,age,gender,race,service_test"]
        for image_id, age, gender, said, file in zip(
            ids, ages, people()["gender"], race, people()["file"], strict=True
        ):
            if image_id.startswith(part):
                rows.append(f"{image_id},{age},{gender.title()},{said},True")
                write(root / image_id, file)
        text(root / f"fairface_label_{part}.csv", "\n".join(rows))
    expected = {
        "race": race.tolist(),
        "gender": people()["gender"].tolist(),
        "age": ages.astype(str).tolist(),
    }
    check(prepared(debias, "fairface", root), ids, expected, tmp_path / "cache")


def test_lfw(tmp_path: Path, debias: Debias) -> None:
    root = tmp_path / "set"
    ids = [f"Person_{chr(65 + k)}_0001.jpg" for k in range(len(people()))]
    races = ["Asian", "Black", "Indian", "White"]
    lines = ["#\tperson\timagenum\t" + "\t".join(races)]
    for image_id, (_, face) in zip(ids, people().iterrows(), strict=True):
        person = image_id.removesuffix("_0001.jpg")
        write(root / "lfw" / person / image_id, face["file"])
        scores = ["1.5" if race == RACES[face["skin_tone"]] else "-0.5" for race in races]
        lines.append("\t".join([person.replace("_", " "), "1", *scores]))
    text(root / "lfw_attributes.txt", "\n".join(lines))
    for gender in ("female", "male"):
        there = people()["gender"] == gender
        named = [name for name, is_there in zip(ids, there, strict=True) if is_there]
        text(root / f"{gender}_names.txt", "\n".join(named))
    expected = {
        "gender": people()["gender"].tolist(),
        "race": people()["skin_tone"].map(RACES).tolist(),
    }
    check(prepared(debias, "lfw", root), ids, expected, tmp_path / "cache")


def test_ppb(tmp_path: Path, debias: Debias) -> None:
    root = tmp_path / "set"
    ids = [f"{k + 1:04d}_face.jpg" for k in range(len(people()))]
    rows = ["image_id,filename,gender,fitzpatrick skin type category,bi.fitz,country"]
    tone = np.where(types() <= 3, "lighter", "darker")
    for image_id, gender, number, word, file in zip(
        ids, people()["gender"], types(), tone, people()["file"], strict=True
    ):
        rows.append(f"1,{image_id},{gender.title()},{number},{word},Senegal")
        write(root / "imgs" / image_id, file)
    text(root / "PPB-2017-metadata.csv", "\r".join(rows))
    expected = {
        "skin_tone": tone.tolist(),
        "gender": people()["gender"].tolist(),
        "fitzpatrick": [FITZPATRICK[number - 1] for number in types()],
        "country": ["Senegal"] * len(ids),
    }
    check(prepared(debias, "ppb", root), ids, expected, tmp_path / "cache")


@pytest.mark.parametrize("order", [1, -1])
def test_mit_faces(order: int, tmp_path: Path, debias: Debias) -> None:
    """Faces and others, in either order: the pixels of each label are those it was drawn with."""
    files = [*people()["file"], *scenes()][::order]
    labels = np.array([1] * len(people()) + [0] * len(scenes()))[::order]
    pixels = np.stack([pixels_of(file) for file in files])
    (tmp_path / "set").mkdir()
    with h5py.File(tmp_path / "set/train_face.h5", "w") as file:
        file["images"], file["labels"] = pixels[..., ::-1], labels[:, None].astype(np.float32)
    made = prepared(debias, "mit-faces", tmp_path / "set")
    assert made.images["label"].astype(int).tolist() == labels.tolist()
    decoded = made.pixels(tmp_path / "cache", size=SIDE)
    for image_id, expected in zip(made.images.index, pixels, strict=True):
        assert np.array_equal(decoded[image_id], expected)
