from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from debias.data.catalog import load_definition
from debias.errors import DataError
from debias.testbed.factors import NAMES, SEED, check_factors, neutral_factors
from debias.testbed.non_faces import NON_FACE_KINDS
from debias.testbed.population import GENDERS, SKIN_TONES, Population
from debias.testbed.sets import (
    TESTBEDS,
    Testbed,
    draw_testbed,
    list_testbeds,
    load_testbed,
    true_attributes,
)

# Of training, the shares of dark faces and of women. In dim, of the dark faces drawn are kept
# P(dim) + 0.05 P(bright), of the others P(bright) + 0.05 P(dim), where P(dim) = 1 - log2(3 / 2).
SHARES = {
    "balanced": (1 / 3, 1 / 2),
    "planted": (0.03, 0.2),
    "dim": (0.268, 1 / 2),
    "frontal": (1 / 3, 1 / 2),
}
NUM = 2000
SMALL = Testbed(
    name="small",
    summary="a few",
    population=Population(skin_tones={"light": 0.8, "dark": 0.2}, female=0.3),
    faces=(20, 5, 3),
    non_faces=(10, 4, 6),
)


@pytest.fixture(scope="module")
def images() -> pd.DataFrame:
    return draw_testbed(SMALL, seed=3)


def test_counts_of_each_split_and_cell(images: pd.DataFrame) -> None:
    assert len(images) == SMALL.num_images == 20 + 5 + 6 * 3 + 10 + 4 + 6
    for label, wanted in ((1, (20, 5, 18)), (0, (10, 4, 6))):
        counts = images.loc[images["label"] == label, "split"].value_counts()
        assert counts.to_dict() == dict(zip(("train", "val", "test"), wanted, strict=True))
    test = true_attributes(images[images["split"] == "test"])
    cells = test.groupby(["skin_tone", "gender"]).size()
    assert cells.to_dict() == {(tone, gender): 3 for tone in SKIN_TONES for gender in GENDERS}
    assert set(true_attributes(images[images["split"] == "train"])["skin_tone"]) <= {
        "light",
        "dark",
    }


def test_images_are_named_once_and_drawn_once(images: pd.DataFrame) -> None:
    assert images["image_id"].is_unique
    assert images[SEED].is_unique
    assert not images[list(NAMES)].duplicated().any()
    columns = ["image_id", "label", "split", "kind", "gender", *NAMES, SEED]
    assert images.columns.tolist() == columns
    check_factors(images)
    assert ((images["kind"] == "face") == (images["label"] == 1)).all()
    assert set(images["kind"]) <= {"face", *NON_FACE_KINDS}
    assert (images["gender"].isna() == (images["label"] == 0)).all()


def test_a_testbed_depends_on_its_seed(images: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(draw_testbed(SMALL, seed=3), images)
    assert not set(draw_testbed(SMALL, seed=4)[SEED]) & set(images[SEED])


def test_all_testbeds_have_the_same_non_faces(images: pd.DataFrame) -> None:
    other = Testbed(name="other", summary="", faces=(1, 1, 1), non_faces=SMALL.non_faces)
    first, second = (table[table["label"] == 0] for table in (images, draw_testbed(other, seed=3)))
    pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True))


def test_a_fraction_keeps_the_first_images(images: pd.DataFrame) -> None:
    half = SMALL.scaled(0.5)
    assert (half.faces, half.non_faces) == ((10, 2, 2), (5, 2, 3))
    assert (half.name, half.population) == (SMALL.name, SMALL.population)
    assert SMALL.scaled(0.001).faces == (1, 1, 1)
    assert SMALL.scaled(2).faces == (40, 10, 6)
    some = draw_testbed(half, seed=3).set_index("image_id")
    pd.testing.assert_frame_equal(some, images.set_index("image_id").loc[some.index])
    for fraction in (0, -1, np.nan):
        with pytest.raises(DataError, match="fraction"):
            SMALL.scaled(fraction)


def test_attributes_are_those_of_the_factors() -> None:
    values: dict[str, list[float]] = {
        "tone": [1.2, 4.6, 9.6],
        "age": [18, 40, 85],
        "yaw": [0, 21, 5],
        "pitch": [11, 0, -13],
        "light_strength": [0.79, 0.81, 1.2],
        "glasses": [0, 1, 0],
        "hat": [1, 0, 0],
        "beard": [0, 0.2, 0],
        "moustache": [0, 0, 0.1],
    }
    faces = pd.DataFrame(
        {"image_id": list("abc"), "label": 1, "gender": ["male", "female", "male"], **values}
    )
    nothing = pd.DataFrame({"image_id": ["x"], "label": [0]})
    found = true_attributes(pd.concat([faces, nothing], ignore_index=True))
    wanted = {
        "skin_tone": ["light", "medium", "dark"],
        "gender": ["male", "female", "male"],
        "monk": ["1", "5", "10"],
        "age_group": ["18-35", "36-55", "56-85"],
        "pose": ["frontal", "turned", "turned"],
        "light": ["dim", "bright", "bright"],
        "glasses": ["none", "glasses", "none"],
        "hat": ["hat", "none", "none"],
        "facial_hair": ["none", "facial hair", "facial hair"],
    }
    assert found.index.tolist() == ["a", "b", "c"]
    assert found.to_dict("list") == wanted


def test_named_testbeds_load_and_misspelt_ones_do_not() -> None:
    assert {"balanced", "planted"} <= set(list_testbeds())
    for name in list_testbeds():
        assert load_testbed(name).name == name
        assert load_testbed(f"testbed:{name}") is load_testbed(name)
        assert load_testbed(name).summary
        # Non-faces of test resolve a false-positive rate of 0.1 %.
        assert load_testbed(name).non_faces[2] >= 10_000
    for wrong in ("plantd", "testbed:plantd"):
        with pytest.raises(DataError, match=r"called 'plantd'.*'planted'"):
            load_testbed(wrong)
    for wrong in ("testbed:testbed:planted", "tested:planted", "testbed:"):
        with pytest.raises(DataError, match="no testbed is called"):
            load_testbed(wrong)


def test_swatches_and_groups_meet_at_halves() -> None:
    """A tone between two swatches is called by the darker one, as its group is."""
    tones = [1, 1.5, 2.5, 4.499, 4.5, 5.5, 7.499, 7.5, 9.5, 10]
    factors = neutral_factors(len(tones), tone=tones)
    found = true_attributes(factors.assign(image_id=tones, label=1, gender="male"))
    assert found["monk"].tolist() == ["1", "2", "3", "4", "5", "6", "7", "8", "10", "10"]
    wanted = ["light"] * 4 + ["medium"] * 3 + ["dark"] * 3
    assert found["skin_tone"].tolist() == wanted
    dark = factors.assign(image_id=tones, label=1, gender="male", tone=10.000_005)
    assert set(true_attributes(dark)["monk"]) == {"10"}


def test_the_definition_describes_every_attribute() -> None:
    ends = {"age": [18, 40, 85], "yaw": [0, 30, 0], "light_strength": [0.5, 1, 1]}
    ends |= {"glasses": [0, 1, 0], "hat": [0, 1, 0], "beard": [0, 1, 0]}
    factors = pd.concat([neutral_factors(3, tone=tone, **ends) for tone in range(1, 11)])
    genders = [GENDERS[k % 2] for k in range(len(factors))]
    found = true_attributes(factors.assign(image_id=range(30), label=1, gender=genders))
    described = {one.name: one for one in load_definition("testbed").attributes}
    assert set(described) == set(found.columns)
    for name, one in described.items():
        assert set(one.values) == set(found[name]), name


@pytest.mark.parametrize("name", list_testbeds())
def test_named_testbeds_are_as_their_summaries_say(name: str) -> None:
    testbed = replace(TESTBEDS[name], faces=(NUM, 1, 50), non_faces=(1, 1, 1))
    images = draw_testbed(testbed)
    train = images[(images["label"] == 1) & (images["split"] == "train")]
    truth = true_attributes(train)
    dark, women = (truth["skin_tone"] == "dark").mean(), (truth["gender"] == "female").mean()
    for found, share in zip((dark, women), SHARES[name], strict=True):
        assert found == pytest.approx(share, abs=3.5 * np.sqrt(share * (1 - share) / NUM))
    if name == "dim":
        dim = truth["light"] == "dim"
        assert (dim == (truth["skin_tone"] == "dark")).mean() > 0.85
        test = true_attributes(images[(images["label"] == 1) & (images["split"] == "test")])
        assert 0.3 < (test["light"] == "dim").mean() < 0.7
    if name == "frontal":
        assert train["yaw"].abs().max() <= 8
        assert images.loc[images["split"] == "test", "yaw"].abs().quantile(0.9) > 30
