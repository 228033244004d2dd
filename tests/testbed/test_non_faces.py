"""What each kind of non-face must be for a person to agree that it shows no whole face."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from testbed.drawing import SIZE, Sketch

from debias.testbed.non_faces import NON_FACE_KINDS, NON_FACE_SKIN_TONES, PLACES
from debias.testbed.population import draw_non_faces, skin_tone_groups

NUM = 3000
HEADS = ("blank", "scrambled", "animal", "off-centre", "partial")


@pytest.fixture(scope="module")
def others() -> pd.DataFrame:
    return draw_non_faces(range(NUM), seed=8)


def of_kind(others: pd.DataFrame, kind: str) -> pd.DataFrame:
    return others[others["kind"] == kind]


@pytest.mark.parametrize("shares", [NON_FACE_KINDS, NON_FACE_SKIN_TONES], ids=["kind", "tone"])
def test_shares_are_as_written(shares: dict[str, float], others: pd.DataFrame) -> None:
    assert sum(shares.values()) == pytest.approx(1)
    tones = skin_tone_groups(others["tone"].to_numpy())
    found = others["kind"] if shares is NON_FACE_KINDS else pd.Series(tones)
    counts = found.value_counts().reindex(list(shares))
    assert stats.chisquare(counts, NUM * np.array(list(shares.values()))).pvalue > 0.001


def test_textures_and_objects_have_no_head(others: pd.DataFrame) -> None:
    texture, objects = of_kind(others, "texture"), of_kind(others, "objects")
    assert (texture["head"] == 0).all()
    assert (objects["head"] == 0).all()
    assert (texture["clutter"] == 0).all()
    assert (texture["scene_contrast"] >= 0.3).all()
    assert objects["clutter"].between(1, 5).all()
    rest = others[others["kind"].isin(HEADS)]
    assert (rest["head"] == 1).all()


def test_blank_heads_have_no_eyes_and_no_whole_face(others: pd.DataFrame) -> None:
    blank = of_kind(others, "blank")
    assert (blank[["eyes", "brows", "glasses"]] == 0).all(axis=None)
    assert ((blank["nose"] > 0) & (blank["mouth"] > 0)).sum() == 0
    kept = blank[["nose", "mouth"]].sum(axis=1)
    assert 0.5 < (kept == 0).mean() < 0.9


def test_scrambled_heads_have_eyes_out_of_place(others: pd.DataFrame) -> None:
    scrambled = of_kind(others, "scrambled")
    assert scrambled["eye_shift"].abs().min() > 0.15
    places = pd.DataFrame({name: scrambled[name] + place for name, place in PLACES.items()})
    order = places.rank(axis=1)
    assert (order.to_numpy() != [1, 2, 3]).any(axis=1).all()
    apart = np.diff(np.sort(places.to_numpy(), axis=1), axis=1)
    assert np.quantile(apart, 0.02) > 0.1
    whole = scrambled[["eyes", "nose", "mouth"]]
    assert (whole == 1).all(axis=None)


def test_animals_have_fur_and_ears_of_their_own(others: pd.DataFrame) -> None:
    animals = of_kind(others, "animal")
    assert (animals[["tufts", "fur", "eyes"]] == 1).all(axis=None)
    assert (animals["snout"] >= 0.5).all()
    assert (animals[["brows", "hair", "hat", "beard", "moustache"]] == 0).all(axis=None)
    others = others[others["kind"] != "animal"]
    assert (others[["tufts", "snout", "fur"]] == 0).all(axis=None)


def test_off_centre_faces_are_cut_by_the_edge(others: pd.DataFrame) -> None:
    aside = of_kind(others, "off-centre")
    shift = aside[["shift_x", "shift_y"]].abs().max(axis=1)
    assert shift.between(0.7, 1.3).all()
    assert (shift + 0.25 * aside["scale"] > 0.9).all()
    # Everything but the place is that of a face.
    assert (aside[["head", "eyes", "nose", "mouth"]] == 1).all(axis=None)


def test_partial_faces_overfill_the_picture(others: pd.DataFrame) -> None:
    part = of_kind(others, "partial")
    assert (part["scale"] >= 1.5).all()
    assert (np.hypot(part["shift_x"], part["shift_y"]) > 0.3 * part["scale"]).all()
    near = others[~others["kind"].isin(["partial", "off-centre"])]
    assert near["scale"].between(0.75, 0.95).all()
    assert (near[["shift_x", "shift_y"]].abs() < 0.25).all(axis=None)


def test_eyes_of_scrambled_heads_are_seen_elsewhere(others: pd.DataFrame, sketch: Sketch) -> None:
    scrambled = of_kind(others, "scrambled").iloc[:20]
    changes = {"shift_y": 0.0, "light_strength": 1.0, "scale": 0.7}
    hidden = ["yaw", "pitch", "roll", "shift_x", "glasses", "hat", "hair", "shadow", "beard"]
    plain = scrambled.assign(**dict.fromkeys(hidden, 0.0), **changes)
    change = np.abs(sketch(plain).astype(int) - sketch(plain.assign(eyes=0.0))).sum(axis=(2, 3))
    rows = (np.arange(SIZE) + 0.5) * 2 / SIZE - 1
    middles = (change * rows / 0.7).sum(axis=1) / change.sum(axis=1)
    # The chin narrows, and cuts off what lies low.
    np.testing.assert_allclose(middles, plain["eye_shift"], atol=0.2)
    assert abs(np.median(middles - plain["eye_shift"])) < 0.06
