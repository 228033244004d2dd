"""Published sets of faces, read through the command, with the faults that real copies have."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from published import picture, pictures, prepared, text
from running import Debias

ATTRIBUTES = "Blond_Hair Male Young "


def celeba(root: Path) -> Path:
    """The publisher's tree: file 3 is missing, 9 is not listed, and lists are not clean."""
    pictures(root / "Img/img_align_celeba", [f"{k:06d}.jpg" for k in (1, 2, 4, 5, 6, 7, 9)])
    rows = ["000001.jpg -1  1  1", "000002.jpg  1 -1 -1", "000003.jpg  1  1  1"]
    rows += ["000004.jpg  1  0  1", "000005.jpg  1  1", "000006.jpg -1 -1  1 "]
    text(
        root / "Anno/list_attr_celeba.txt",
        "\r\n".join(["000007", ATTRIBUTES, *rows]) + "\r\n",
    )
    splits = {1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 2, 7: 2}
    lines = [f"{k:06d}.jpg {split}" for k, split in splits.items()]
    text(root / "Eval/list_eval_partition.txt", "\n".join([*lines, "000002.jpg 0", ""]))
    people = {1: 2880, 2: 12, 3: 12, 4: 12, 5: 7, 6: 99}
    text(
        root / "Anno/identity_CelebA.txt",
        "".join(f"{k:06d}.jpg {person}\n" for k, person in people.items()),
    )
    return root


def test_celeba(tmp_path: Path, debias: Debias) -> None:
    made = prepared(debias, "celeba", celeba(tmp_path / "celeba"))
    assert made.images["path"].to_dict() == {
        f"00000{k}.jpg": f"Img/img_align_celeba/00000{k}.jpg" for k in (1, 4, 5, 6, 7)
    }
    assert made.images["split"].tolist() == ["train", "val", "val", "test", "test"]
    assert made.images["identity_id"].tolist() == ["2880", "12", "7", "99", ""]
    assert set(made.images["label"]) == {"1"}
    assert made.attributes.to_dict("index") == {
        "000001.jpg": {"gender": "male", "young": "young"},
        "000004.jpg": {"gender": "", "young": "young"},
        "000005.jpg": {"gender": "", "young": ""},
        "000006.jpg": {"gender": "female", "young": "young"},
        "000007.jpg": {"gender": "", "young": ""},
    }
    assert made.provenance == {"gender": "annotated", "young": "annotated"}
    assert made.failed() == {
        "000003.jpg": "there is no such file",
        "Img/img_align_celeba/000009.jpg": "is not listed in list_eval_partition.txt",
        # Listed twice, and of a person who is in val too: nobody may be in two splits.
        "000002.jpg": "its person is also in a later split",
    }
    assert made.failures["reason"].tolist().count("is listed twice") == 1
    assert made.failed(kept=True) == {
        "000004.jpg": "its gender is not a known value",
        "000005.jpg": "its line in list_attr_celeba.txt has too few or too many cells",
    }
    assert len(made.pixels(tmp_path / "cache")) == 5
    assert "1: there is no such file" in made.out
    assert "train 1, val 2, test 2" in made.out


def test_celeba_as_others_pack_it(tmp_path: Path, debias: Debias) -> None:
    """Pictures twice nested and as PNG, lists as CSV, and no identities."""
    root = tmp_path / "in" / "celeba"
    pictures(root / "img_align_celeba/img_align_celeba", ["000001.png", "000002.png"])
    text(root / "list_eval_partition.csv", "image_id,partition\n000001.jpg,0\n000002.jpg,2\n")
    text(root / "list_attr_celeba.csv", "image_id,Male,Young\n000001.jpg,1,-1\n000002.jpg,-1,1\n")
    made = prepared(debias, "celeba", tmp_path / "in")
    assert made.images["path"].tolist() == [
        f"celeba/img_align_celeba/img_align_celeba/00000{k}.png" for k in (1, 2)
    ]
    assert made.attributes["gender"].tolist() == ["male", "female"]
    assert made.attributes["young"].tolist() == ["not young", "young"]
    assert "No identity_CelebA.txt" in made.out
    assert made.failures.empty


def lfw(root: Path) -> Path:
    people = {"Anna_Able": 2, "Bob_de-Baker": 1, "Cy_Case": 1, "Dee_D": 1, "Flo_Free": 1}
    for name, count in people.items():
        pictures(root / "lfw" / name, [f"{name}_{k + 1:04d}.jpg" for k in range(count)])
    text(root / "lfw/pairs.txt", "10\t300\n")
    text(root / "lfw/Anna_Able/Thumbs.db", "")
    text(
        root / "female_names.txt",
        "Anna_Able_0001.jpg\r\n Anna_Able_0002 \r\n\r\nDee_D_0001.jpg\r\nEve_Gone_0001.jpg",
    )
    text(root / "male_names.txt", "Bob_de-Baker_0001.jpg \nDee_D_0001.jpg\n")
    header = "#\tperson\timagenum\tMale\tAsian\tWhite\tBlack\tBaby\tIndian"
    text(
        root / "lfw_attributes.txt",
        "# attributes.txt - scores\n"
        f"{header}\n"
        "Anna Able\t1\t-1.5\t-2\t-0.5\t1.25\t9\t-1e-2\n"
        "Anna Able\t2\t-1.5\t-2\t2.5\t1.25\t9\t-1\n"
        "Bob de-Baker\t1\t1.5\t-2\t-3\t-1.25\t9\t-1\n"
        "Cy Case\t1\t1.5\t-2\n",
    )
    text(root / "peopleDevTrain.txt", "2\nAnna_Able\t2\nCy_Case\t1\n")
    text(root / "peopleDevTest.txt", "2\nBob_de-Baker\t1\nDee_D\t1\n")
    return root


def test_lfw(tmp_path: Path, debias: Debias) -> None:
    made = prepared(debias, "lfw", lfw(tmp_path))
    assert made.images["path"].tolist() == [
        "lfw/Anna_Able/Anna_Able_0001.jpg",
        "lfw/Anna_Able/Anna_Able_0002.jpg",
        "lfw/Bob_de-Baker/Bob_de-Baker_0001.jpg",
        "lfw/Cy_Case/Cy_Case_0001.jpg",
        "lfw/Dee_D/Dee_D_0001.jpg",
    ]
    assert made.images["identity_id"].tolist() == [
        *["Anna_Able", "Anna_Able"],
        *["Bob_de-Baker", "Cy_Case", "Dee_D"],
    ]
    assert made.images["split"].tolist() == ["train", "train", "test", "train", "test"]
    assert made.attributes["gender"].tolist() == ["female", "female", "male", "", ""]
    assert made.attributes["race"].tolist() == ["Black", "White", "Indian", "", ""]
    assert made.provenance == {"gender": "annotated", "race": "estimated"}
    assert made.failed() == {
        "Flo_Free_0001.jpg": "has no split, others have",
        "Eve_Gone_0001.jpg": "is in a list of gender, but no such file",
    }
    assert made.failed(kept=True) == {
        "Dee_D_0001.jpg": "is in both lists of gender",
        "Cy Case": "its line in lfw_attributes.txt cannot be read",
    }
    assert len(made.pixels(tmp_path / "cache")) == 5
    (tmp_path / "peopleDevTest.txt").unlink()  # half of a division is none
    assert "split" not in prepared(debias, "lfw", tmp_path, "--overwrite").images


@pytest.mark.parametrize("named", ["lfw_funneled", "lfw-deepfunneled/lfw-deepfunneled", "."])
def test_lfw_without_lists_in_any_alignment(named: str, tmp_path: Path, debias: Debias) -> None:
    pictures(tmp_path / named / "A_B", ["A_B_0001.jpg"])
    made = prepared(debias, "lfw", tmp_path)
    assert "split" not in made.images
    assert made.attributes.empty
    assert made.images["identity_id"].tolist() == ["A_B"]
    assert made.out.count("No ") == 3


UTK = {
    "26_0_1_20170116184024662.jpg.chip.jpg": ("26", "male", "black"),
    "1_1_4_20161219140623097.jpg.chip.jpg": ("1", "female", "other"),
    "24_0_1_20170116220224657 .jpg.chip.jpg": ("24", "male", "black"),
    "55_0_0_20170116232725357jpg.chip.jpg": ("55", "male", "white"),
    "61_1_20170109142408075.jpg.chip.jpg": ("61", "", ""),
    "53__0_20170116184028385.jpg": ("53", "", "white"),
    "44_1_7_20170116184028385.jpg": ("44", "female", ""),
    "120_1_3_20170116184028385.jpg": ("", "female", "indian"),
    "portrait.jpg": ("", "", ""),
}


@pytest.mark.parametrize("named", ["UTKFace", "utkface_aligned_cropped/UTKFace", "part1", "."])
def test_utkface(named: str, tmp_path: Path, debias: Debias) -> None:
    pictures(tmp_path / named, UTK)
    if named == "UTKFace":  # a part of the same pictures, in some copies
        shutil.copytree(tmp_path / named, tmp_path / "crop_part1")
    made = prepared(debias, "utkface", tmp_path)
    start = "" if named == "." else f"{named}/"
    assert made.images["path"].to_dict() == {name: start + name for name in sorted(UTK)}
    columns = ["age", "gender", "race"]
    assert dict(
        zip(made.attributes.index, made.attributes[columns].to_numpy().tolist(), strict=True)
    ) == {name: list(said) for name, said in sorted(UTK.items())}
    assert made.failed() == {}
    assert made.failed(kept=True) == {
        "61_1_20170109142408075.jpg.chip.jpg": "its name says one of gender and race, not which",
        "53__0_20170116184028385.jpg": "its name has no known gender",
        "44_1_7_20170116184028385.jpg": "its name has no known race",
        "120_1_3_20170116184028385.jpg": "its name has no known age",
        "portrait.jpg": "its name does not say age, gender and race",
    }
    assert set(made.provenance.values()) == {"estimated"}
    assert len(made.pixels(tmp_path / "cache")) == len(UTK)


def test_utkface_in_the_wild_is_in_three_parts(tmp_path: Path, debias: Debias) -> None:
    for part in (1, 2, 3):
        pictures(tmp_path / f"part{part}", [f"2{part}_0_{part}_20170116184024662.jpg"])
    made = prepared(debias, "utkface", tmp_path)
    assert made.attributes["race"].tolist() == ["black", "asian", "indian"]


FAIRFACE = "file,age,gender,race,service_test"


@pytest.mark.parametrize("named", [".", "fairface-img-margin025-trainval"])
def test_fairface(named: str, tmp_path: Path, debias: Debias) -> None:
    pictures(tmp_path / named, ["train/1.jpg", "train/2.jpg", "train/10.jpg", "val/1.jpg"])
    text(
        tmp_path / "fairface_label_train.csv",
        f"\ufeff{FAIRFACE}\r\n"
        "train/1.jpg,50-59,Male,East Asian,True\r\n"
        "train/2.jpg,3-Sep, female ,Latino_Hispanic,False\r\n"
        "train/3.jpg,20-29,Male,White,False\r\n"
        "train/4.jpg,20-29\r\n",
    )
    text(
        tmp_path / "fairface_label_val.csv",
        f"{FAIRFACE}\nval/1.jpg,more than 70,Female,Black,False\n",
    )
    made = prepared(debias, "fairface", tmp_path)
    start = "" if named == "." else f"{named}/"
    assert made.images["path"].to_dict() == {
        name: start + name for name in ("train/1.jpg", "train/2.jpg", "val/1.jpg")
    }
    # There is no published test, and nobody else may have seen it: val is the test.
    assert made.images["split"].tolist() == ["train", "train", "test"]
    assert "val serves as the test" in " ".join(made.out.split())
    assert made.attributes.to_dict("index") == {
        "train/1.jpg": {"race": "East Asian", "gender": "male", "age": "50-59"},
        "train/2.jpg": {"race": "Latino_Hispanic", "gender": "female", "age": ""},
        "val/1.jpg": {"race": "Black", "gender": "female", "age": "more than 70"},
    }
    assert made.failed() == {
        "train/3.jpg": "there is no such file",
        "train/4.jpg": "its line in fairface_label_train.csv has too few or too many cells",
        f"{start}train/10.jpg": "is not listed in fairface_label_train.csv",
    }
    assert made.failed(kept=True) == {"train/2.jpg": "its age is not a known value"}


def test_fairface_without_val(tmp_path: Path, debias: Debias) -> None:
    pictures(tmp_path, ["train/1.jpg"])
    text(tmp_path / "fairface_label_train.csv", f"{FAIRFACE}\ntrain/1.jpg,0-2,Male,White,True\n")
    made = prepared(debias, "fairface", tmp_path)
    assert made.images["split"].tolist() == ["train"]
    assert "No fairface_label_val.csv" in made.out


def ppb(root: Path) -> Path:
    pictures(root / "PPB-2017/imgs", ["0001_1_f_FL.jpg", "0002_5_m_SA.jpg", "0009_2_m_IL.jpg"])
    text(root / "PPB-2017/imgs/notes.txt", "not a picture")
    rows = [
        "image_id,filename,gender,fitzpatrick skin type category,bi.fitz,country",
        "1,0001_1_f_FL.jpg,Female,1,lighter,Finland",
        "2,0002_5_m_SA.jpg,Male,5,Darker,South Africa",
        "3,0003_6_m_RW.jpg,Male,6,darker,Rwanda",
    ]
    text(root / "PPB-2017/PPB-2017-metadata.csv", "\r".join(rows))
    return root


@pytest.mark.parametrize("named", [".", "PPB-2017"])
def test_ppb(named: str, tmp_path: Path, debias: Debias) -> None:
    made = prepared(debias, "ppb", ppb(tmp_path) / named, "--output", tmp_path / "out")
    assert made.images["split"].tolist() == ["test", "test"]
    assert made.attributes.to_dict("index") == {
        "0001_1_f_FL.jpg": {
            "skin_tone": "lighter",
            "gender": "female",
            "fitzpatrick": "I",
            "country": "Finland",
        },
        "0002_5_m_SA.jpg": {
            "skin_tone": "darker",
            "gender": "male",
            "fitzpatrick": "V",
            "country": "South Africa",
        },
    }
    start = "PPB-2017/imgs" if named == "." else "imgs"
    assert made.failed() == {
        "0003_6_m_RW.jpg": "there is no such file",
        f"{start}/0009_2_m_IL.jpg": "is not listed in PPB-2017-metadata.csv",
    }
    assert len(made.pixels(tmp_path / "cache")) == 2


def test_ppb_with_other_columns_is_refused(tmp_path: Path, debias: Debias) -> None:
    text(
        ppb(tmp_path) / "PPB-2017/PPB-2017-metadata.csv", "filename,gender\n0001_1_f_FL.jpg,Male\n"
    )
    refused = debias("data", "prepare", "ppb", "--root", tmp_path)
    assert refused.status == 1
    assert "has 2 columns, not 6" in refused.err


@pytest.mark.parametrize(
    ("name", "sought"),
    [
        ("celeba", "looked for img_align_celeba/img_align_celeba or"),
        ("lfw", "lfw-deepfunneled"),
        ("utkface", "pictures called AGE_GENDER_RACE_DATE.jpg"),
        ("fairface", "fairface_label_train.csv or fairface_label_val.csv"),
        ("ppb", "PPB-2017-metadata.csv (also in PPB-2017/, PPB/)"),
        ("wider-face", "wider_face_split/wider_face_train_bbx_gt.txt"),
        ("imagenet", "looked for train or val (also in"),
        ("tiny-imagenet", "looked for train or val/images or val (also in"),
        ("caltech-101", "{category}/image_0001.jpg"),
        ("mit-faces", "looked for train_face.h5"),
    ],
)
def test_another_layout_is_refused_with_what_to_do(
    name: str, sought: str, tmp_path: Path, debias: Debias
) -> None:
    picture(tmp_path / "mine.jpg")
    text(tmp_path / "b.txt", "x")
    refused = debias("data", "prepare", name, "--root", tmp_path)
    assert refused.status == 1
    assert sought in refused.err
    assert "found b.txt, mine.jpg" in refused.err
    assert f"`debias data show {name}` says what is expected. To get it:" in refused.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.txt", "mine.jpg"]
    nowhere = debias("data", "prepare", name, "--root", tmp_path / "none")
    assert nowhere.status == 1
    assert "there is no such folder" in nowhere.err
    assert not (tmp_path / "none").exists()


def test_lists_without_pictures_are_refused(tmp_path: Path, debias: Debias) -> None:
    text(tmp_path / "fairface_label_train.csv", f"{FAIRFACE}\ntrain/1.jpg,0-2,Male,White,True\n")
    refused = debias("data", "prepare", "fairface", "--root", tmp_path)
    assert "looked for train/1.jpg" in refused.err
    (tmp_path / "train").mkdir()
    refused = debias("data", "prepare", "fairface", "--root", tmp_path)
    assert "holds no image that can be used: there is no such file" in refused.err


def test_a_picture_that_is_a_link_out_of_the_folder_is_refused(
    tmp_path: Path, debias: Debias
) -> None:
    elsewhere = picture(tmp_path / "elsewhere.jpg")
    (tmp_path / "set/UTKFace").mkdir(parents=True)
    (tmp_path / "set/UTKFace/26_0_1_20170116184024662.jpg").symlink_to(elsewhere)
    refused = debias("data", "prepare", "utkface", "--root", tmp_path / "set")
    assert refused.status == 1
    assert "leaves the root" in refused.err


def test_every_picture_is_listed_or_failed(tmp_path: Path, debias: Debias) -> None:
    """Nothing is dropped without a word."""
    made = prepared(debias, "lfw", lfw(tmp_path))
    there = {path.name for path in tmp_path.rglob("*.jpg")}
    assert there <= set(made.images.index) | set(made.failures["image_id"])


def copies_note(out: str, chosen: str, *others: str) -> bool:
    named = ", ".join(f"{other}/" for other in others)
    return f"Read from {chosen}/; also there: {named}. Name another" in " ".join(out.split())


def test_of_several_copies_of_lfw_the_one_read_is_told(tmp_path: Path, debias: Debias) -> None:
    for place in ("lfw-deepfunneled/lfw-deepfunneled", "lfw"):
        pictures(tmp_path / place / "A_B", ["A_B_0001.jpg"])
    made = prepared(debias, "lfw", tmp_path)
    assert copies_note(made.out, "lfw-deepfunneled/lfw-deepfunneled", "lfw")
    other = prepared(debias, "lfw", tmp_path / "lfw")
    assert other.images["path"].tolist() == ["A_B/A_B_0001.jpg"]
    assert "also there" not in other.out


def test_of_several_copies_of_utkface_the_one_read_is_told(tmp_path: Path, debias: Debias) -> None:
    for place in ("UTKFace", "crop_part1"):
        pictures(tmp_path / place, UTK)
    made = prepared(debias, "utkface", tmp_path)
    assert copies_note(made.out, "UTKFace", "crop_part1")
    assert "also there" not in prepared(debias, "utkface", tmp_path / "crop_part1").out


def test_of_two_margins_of_fairface_one_is_chosen_by_its_folder(
    tmp_path: Path, debias: Debias
) -> None:
    usual, wide = (f"fairface-img-margin{margin}-trainval" for margin in ("025", "125"))
    for place in (usual, wide):
        pictures(tmp_path / place, ["train/1.jpg"])
    text(tmp_path / "fairface_label_train.csv", f"{FAIRFACE}\ntrain/1.jpg,0-2,Male,White,True\n")
    made = prepared(debias, "fairface", tmp_path)
    assert made.images["path"].tolist() == [f"{usual}/train/1.jpg"]
    assert copies_note(made.out, usual, wide)
    chosen = prepared(debias, "fairface", tmp_path / wide)
    assert chosen.images["path"].tolist() == ["train/1.jpg"]
    assert chosen.attributes["gender"].tolist() == ["male"]
    assert "also there" not in chosen.out
    assert len(chosen.pixels(tmp_path / "cache")) == 1


@pytest.mark.parametrize("lists", ["", "Eval/"])
def test_of_two_copies_of_celeba_one_is_chosen_by_its_folder(
    lists: str, tmp_path: Path, debias: Debias
) -> None:
    start = "Img/" if lists else ""
    usual, other = (f"{start}img_align_celeba{kind}" for kind in ("", "_png"))
    pictures(tmp_path / usual, ["000001.jpg"])
    pictures(tmp_path / other, ["000001.png"])
    text(tmp_path / f"{lists}list_eval_partition.txt", "000001.jpg 2\n")
    made = prepared(debias, "celeba", tmp_path)
    assert made.images["path"].tolist() == [f"{usual}/000001.jpg"]
    assert copies_note(made.out, usual, other)
    chosen = prepared(debias, "celeba", tmp_path / other)
    assert chosen.images["path"].tolist() == ["000001.png"]
    assert chosen.images["split"].tolist() == ["test"]
    assert "also there" not in chosen.out


def test_an_empty_file_is_no_picture(tmp_path: Path, debias: Debias) -> None:
    pictures(tmp_path, UTK)
    text(tmp_path / "53__0_20170116184028385.jpg", "")
    made = prepared(debias, "utkface", tmp_path)
    assert made.failed() == {"53__0_20170116184028385.jpg": "is an empty file"}
    assert len(made.images) == len(UTK) - 1
    assert "Pictures are not opened here: train and predict list" in " ".join(made.out.split())
