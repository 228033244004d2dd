from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from debias.errors import ConfigError, DataError
from debias.seeding import numpy_generator
from debias.testbed.factors import NAMES, SEED, check_factors
from debias.testbed.population import GENDERS, SKIN_TONES, Population
from debias.testbed.scene_layers import (
    BLURS,
    COLUMNS,
    FACES_OF_SCENES,
    HEAD_KINDS,
    HEADS,
    LAYER_KINDS,
    PLACES,
)
from debias.testbed.scene_layout import (
    CUT_SHARE,
    HIDING_SHARE,
    LEAST_HEIGHT,
    MOST_HEIGHT,
    OTHER_HEADS,
    lay_out,
)
from debias.testbed.scenes import (
    Scenes,
    SceneSet,
    draw_scenes,
    list_scene_sets,
    load_scene_set,
)
from debias.testbed.sets import load_testbed

BLOCK = len(FACES_OF_SCENES)
SMALL = SceneSet(name="small", summary="a few", pictures=(3 * BLOCK, 7, 2 * BLOCK))
CAMERA = ["blur", "noise", "jpeg"]
BEHIND = [name for name in NAMES if name.startswith(("scene_", "stripe"))] + ["clutter"]


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return draw_scenes(SMALL, seed=3)


def test_pictures_are_listed_with_their_layers(scenes: Scenes) -> None:
    pictures, layers = scenes.pictures, scenes.layers
    assert pictures.columns.tolist() == ["image_id", "split", "width", "height"]
    assert layers.columns.tolist() == list(COLUMNS)
    assert len(pictures) == SMALL.num_pictures
    assert pictures["split"].value_counts().to_dict() == {"train": 60, "val": 7, "test": 40}
    assert pictures["image_id"].is_unique
    assert pd.unique(layers["image_id"]).tolist() == pictures["image_id"].tolist()
    assert set(layers["kind"]) == set(LAYER_KINDS)
    check_factors(layers)
    assert np.isfinite(layers[list(PLACES)].to_numpy(np.float64)).all()
    is_face = layers["kind"] == "face"
    assert (layers["face_id"].notna() == is_face).all()
    assert (layers["gender"].notna() == is_face).all()
    faces = scenes.faces()
    assert faces["face_id"].is_unique
    assert (faces["face_id"].str.rsplit("-", n=2).str[0] == faces["image_id"]).all()
    own = layers[layers["kind"] != "hand"]  # which has the factors of whose it is
    assert own[SEED].is_unique


def test_sides_are_within_their_limits(scenes: Scenes) -> None:
    sides = scenes.pictures[["width", "height"]]
    assert sides.min().min() >= 160
    assert sides.max().max() <= 640
    ratio = sides["height"] / sides["width"]
    assert ratio.min() < 0.7
    assert ratio.max() > 1.2
    square = draw_scenes(replace(SMALL, pictures=(1, 1, 1), sides=(200, 200)))
    assert (square.pictures[["width", "height"]] == 200).all().all()


def test_as_many_faces_as_stated(scenes: Scenes) -> None:
    counts = scenes.faces()["image_id"].value_counts()
    for split in ("train", "test"):
        ids = scenes.pictures.loc[scenes.pictures["split"] == split, "image_id"]
        found = counts.reindex(ids, fill_value=0).to_numpy().reshape(-1, BLOCK)
        assert (np.sort(found, axis=1) == FACES_OF_SCENES).all()
        assert (found[0] != found[1]).any()


def test_a_scene_depends_on_its_seed_and_number_alone(scenes: Scenes) -> None:
    again = draw_scenes(SMALL, seed=3)
    pd.testing.assert_frame_equal(again.layers, scenes.layers)
    pd.testing.assert_frame_equal(again.pictures, scenes.pictures)
    fewer = draw_scenes(replace(SMALL, pictures=(BLOCK + 3, 1, BLOCK + 7)), seed=3)
    same = scenes.only(fewer.pictures["image_id"].tolist())
    pd.testing.assert_frame_equal(fewer.pictures, same.pictures)
    pd.testing.assert_frame_equal(fewer.layers, same.layers)
    assert not set(draw_scenes(SMALL, seed=4).layers[SEED]) & set(scenes.layers[SEED])


def test_splits_share_nobody(scenes: Scenes) -> None:
    faces = scenes.faces()[["tone", "age", "eye_spacing"]]
    assert not faces.duplicated().any()


def test_heads_stand_from_the_farthest_to_the_nearest(scenes: Scenes) -> None:
    heads = scenes.layers[scenes.layers["kind"].isin(HEADS)]
    height = (heads["scale"] * heads["frame_size"]).to_numpy(np.float64)
    assert height.min() > LEAST_HEIGHT - 0.1
    sides = scenes.pictures.set_index("image_id")[["width", "height"]].min(axis=1)
    most = MOST_HEIGHT * sides[heads["image_id"]].to_numpy()
    assert (height < most + 0.1).all()
    for _, group in pd.Series(height).groupby(heads["image_id"].to_numpy()):
        assert group.is_monotonic_increasing
    for _, kinds in scenes.layers.groupby("image_id", sort=False)["kind"]:
        order = kinds.tolist()
        assert order[0] == "ground"
        first = [kind in (*HEADS, "bar", "hand") for kind in order].index(True) if set(
            order
        ) & set(HEADS) else len(order)  # fmt: skip
        assert set(order[:first]) == {"ground", "panel", "objects"}
        assert set(order[first:]) <= {*HEADS, "bar", "hand"}


def test_layers_of_a_picture_have_one_camera_and_heads_its_ground(scenes: Scenes) -> None:
    layers = scenes.layers
    assert (layers.groupby("image_id")[CAMERA].nunique() == 1).all().all()
    width = scenes.pictures.set_index("image_id")["width"]
    blur = layers["blur"] / 100 * width[layers["image_id"]].to_numpy()
    assert BLURS[0] - 1e-4 < blur.min() < 0.25
    assert 0.8 < blur.max() < BLURS[1] + 1e-4
    before = layers[layers["kind"].isin([*HEADS, "ground", "hand"])]
    assert (before.groupby("image_id")[BEHIND].nunique() == 1).all().all()
    panels = layers[layers["kind"] == "panel"]
    assert (panels.groupby("image_id")["scene_hue"].nunique() > 1).all()


def test_hands_are_of_whom_they_are_in_front_of(scenes: Scenes) -> None:
    layers = scenes.layers
    hands = np.flatnonzero(layers["kind"] == "hand")
    assert len(hands) > 3
    columns = [*NAMES, SEED]
    own, others = layers.iloc[hands][columns], layers.iloc[hands - 1]
    np.testing.assert_array_equal(own.to_numpy(), others[columns].to_numpy())
    assert others["kind"].isin(HEADS).all()


def test_attributes_are_those_of_the_factors_by_face(scenes: Scenes) -> None:
    found, faces = scenes.attributes(), scenes.faces()
    assert found.index.name == "face_id"
    assert found.index.tolist() == faces["face_id"].tolist()
    assert found["gender"].tolist() == faces["gender"].tolist()
    for tone, (low, high) in SKIN_TONES.items():
        assert ((found["skin_tone"] == tone).to_numpy() == faces["tone"].between(
            low, high, inclusive="both" if high == 10 else "left"
        )).all()  # fmt: skip
    assert ((found["hat"] == "hat").to_numpy() == (faces["hat"] > 0)).all()


def test_the_test_shows_as_many_of_each_group() -> None:
    """In every block of scenes, also where the population has no women and nobody dark."""
    lone = Population(skin_tones={"light": 1.0}, female=0.0)
    some = replace(SMALL, population=lone, test_population=lone)
    truth = draw_scenes(some, seed=1).attributes()
    split = truth.index.str.split("-").str[0]
    assert set(truth.loc[split == "train", "skin_tone"]) == {"light"}
    assert set(truth.loc[split == "val", "gender"]) == {"male"}
    counts = truth[split == "test"].groupby(["skin_tone", "gender"]).size()
    assert counts.to_dict() == dict.fromkeys(product(SKIN_TONES, GENDERS), 14)


def test_planted_scenes_are_as_their_summary_says() -> None:
    planted = load_scene_set("scenes-planted")
    assert planted.population == load_testbed("planted").population
    truth = draw_scenes(replace(planted, pictures=(60 * BLOCK, 1, 10 * BLOCK))).attributes()
    split = truth.index.str.split("-").str[0]
    train, test = truth[split == "train"], truth[split == "test"]
    num = len(train)
    assert num == 60 * sum(FACES_OF_SCENES)
    for column, value, share in (
        ("skin_tone", "dark", 0.03),
        ("skin_tone", "medium", 0.07),
        ("gender", "female", 0.2),
    ):
        found = (train[column] == value).mean()
        assert found == pytest.approx(share, abs=3.5 * np.sqrt(share * (1 - share) / num))
    assert set(test.groupby(["skin_tone", "gender"]).size()) == {70}


def test_sets_differ_in_their_faces_alone() -> None:
    one, other = (
        draw_scenes(replace(load_scene_set(name), pictures=(12, 1, 3)))
        for name in ("scenes", "scenes-planted")
    )
    pd.testing.assert_frame_equal(one.pictures, other.pictures)
    behind = ~one.layers["kind"].isin(["face", "hand"])
    pd.testing.assert_frame_equal(one.layers[behind], other.layers[behind])
    test = one.layers["image_id"].str.startswith("test")
    pd.testing.assert_frame_equal(one.layers[test], other.layers[test])
    faces = one.layers["kind"] == "face"
    assert (one.layers.loc[faces & ~test, "tone"] != other.layers.loc[faces & ~test, "tone"]).any()


def test_the_light_of_a_population_counts() -> None:
    dim = replace(SMALL, population=Population(ranges={"light_strength": (0.6, 0.7)}))
    faces = draw_scenes(replace(dim, pictures=(BLOCK, 1, 1))).faces()
    train = faces[faces["image_id"].str.startswith("train")]
    assert train["light_strength"].between(0.599, 0.701).all()


@pytest.mark.parametrize("picture", [(320, 240), (160, 400)])
def test_layouts_are_as_stated(picture: tuple[int, int]) -> None:
    width, height = picture
    random = numpy_generator(0, "layouts", width)
    num, num_faces = 600, 2
    layouts = [lay_out(random, picture, num_faces) for _ in range(num)]
    heads = [piece for pieces in layouts for piece in pieces if piece.kind in ("face", "other")]
    heights = np.array([head.size for head in heads])
    most = MOST_HEIGHT * min(picture)
    even = np.log(heights / LEAST_HEIGHT) / np.log(most / LEAST_HEIGHT)
    assert stats.kstest(even, "uniform").pvalue > 1e-3
    others = [sum(piece.kind == "other" for piece in pieces) for pieces in layouts]
    shares = np.bincount(others, minlength=len(OTHER_HEADS)) / num
    np.testing.assert_allclose(shares, OTHER_HEADS, atol=0.07)
    assert all(sum(piece.kind == "face" for piece in pieces) == num_faces for pieces in layouts)
    hiding = np.mean([any(piece.kind in ("bar", "hand") for piece in pieces) for pieces in layouts])
    assert hiding == pytest.approx(HIDING_SHARE, abs=0.06)
    is_cut = np.array(
        [
            not (0.4 * head.size < head.x < width - 0.4 * head.size)
            or not (0.5 * head.size < head.y < height - 0.5 * head.size)
            for head in heads
        ]
    )
    assert 0.5 * CUT_SHARE < is_cut.mean() < 1.3 * CUT_SHARE


def test_what_is_in_front_follows_its_head() -> None:
    random = numpy_generator(0, "hands")
    found = 0
    for _ in range(100):
        pieces = lay_out(random, (320, 240), 1)
        for before, piece in pairwise(pieces):
            if piece.kind in ("bar", "hand"):
                found += 1
                assert before.kind in ("face", "other")
                assert np.hypot(piece.x - before.x, piece.y - before.y) < before.size
    assert found > 10


def test_some_pictures_can_be_taken_out(scenes: Scenes) -> None:
    ids = ["test-00004", "train-00002"]
    some = scenes.only(ids)
    assert some.pictures["image_id"].tolist() == ids
    assert pd.unique(some.layers["image_id"]).tolist() == ids
    wanted = scenes.layers[scenes.layers["image_id"] == ids[0]].reset_index(drop=True)
    pd.testing.assert_frame_equal(some.only(ids[:1]).layers, wanted)
    assert len(scenes.only([]).layers) == 0
    with pytest.raises(DataError, match=r"no picture is called 'test-4'"):
        scenes.only(["test-4"])


def test_fractions_of_sets() -> None:
    planted = load_scene_set("scenes-planted")
    half = planted.scaled(0.5)
    assert half.pictures == (1000, 250, 750)
    assert (half.name, half.population, half.sides) == (
        *(planted.name, planted.population, planted.sides),
    )
    assert planted.scaled(1e-6).pictures == (1, 1, 1)
    for fraction in (0, -1, np.nan):
        with pytest.raises(DataError, match="the fraction of a testbed is"):
            planted.scaled(fraction)


def test_named_sets_load_and_misspelt_ones_do_not() -> None:
    assert list_scene_sets() == ("scenes", "scenes-planted")
    for name in list_scene_sets():
        one = load_scene_set(name)
        assert (one.name, one.pictures) == (name, (2000, 500, 1500))
        assert one.summary
    with pytest.raises(DataError, match=r"called 'scene-planted'.*'scenes-planted'"):
        load_scene_set("scene-planted")


@pytest.mark.parametrize("sides", [(63, 640), (160, 1025), (200, 199), (160.0, 640), (160,)])
def test_other_sides_are_refused(sides: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=r"the sides of pictures are .*numbers from 64 to 1024"):
        replace(SMALL, sides=sides)


@pytest.mark.parametrize("pictures", [(0, 1, 1), (5, 5), (2.5, 1, 1)])
def test_other_numbers_of_pictures_are_refused(pictures: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match=r"the numbers of pictures are .*above 0"):
        replace(SMALL, pictures=pictures)


def test_heads_that_are_no_faces_are_of_the_stated_kinds(scenes: Scenes) -> None:
    kinds = scenes.layers["kind"]
    shares = kinds[kinds.isin(list(HEAD_KINDS))].value_counts(normalize=True)
    for kind, share in HEAD_KINDS.items():
        assert shares[kind] == pytest.approx(share, abs=0.15)
    animals = scenes.layers[kinds == "animal"]
    assert (animals["snout"] > 0.8).all()
