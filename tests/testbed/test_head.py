"""Pose and light by symmetry and geometry, and features where the factors put them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from testbed.drawing import (
    SIZE,
    Bytes,
    Floats,
    Mask,
    Sketch,
    centre,
    light_of,
    places,
    plain_factors,
)

# What changes sign in a mirror.
SIDES = ("yaw", "roll", "light_azimuth", "gaze", "shift_x")
# The two glints lie right of the pupils in either picture: some 3 x 3 pixels each.
GLINT_PIXELS = 16
U, V = places()
ON_HEAD = U**2 + V**2 < 0.9

anything = {
    "yaw": st.floats(-55, 55),
    "pitch": st.floats(-30, 30),
    "roll": st.floats(-90, 90),
    "light_azimuth": st.floats(-90, 90),
    "light_elevation": st.floats(-30, 70),
    "shadow": st.floats(0, 0.9),
    "shadow_angle": st.floats(0, 180),
    "gaze": st.floats(-0.06, 0.06),
    "shift_x": st.floats(-0.2, 0.2),
    "jaw_taper": st.floats(0, 0.35),
    "smile": st.floats(-0.6, 1),
    "mouth_open": st.floats(0, 1),
    "age": st.floats(18, 80),
    "beard": st.floats(0, 1),
    "moustache": st.floats(0, 1),
    "snout": st.sampled_from([0, 1]),
    "tufts": st.sampled_from([0, 1]),
    "glasses": st.sampled_from([0, 1]),
    "hat": st.sampled_from([0, 1]),
    "hair": st.sampled_from([0, 1]),
}


@given(values=st.fixed_dictionaries(anything))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mirrored_scene_gives_the_mirrored_picture(
    sketch: Sketch, values: dict[str, float]
) -> None:
    turned = values | {name: -values[name] for name in SIDES}
    turned["shadow_angle"] = 180 - values["shadow_angle"]
    pair = [plain_factors(1, **scene) for scene in (values, turned)]
    seen, mirrored = sketch(pd.concat(pair)).astype(int)
    differs = np.abs(seen - mirrored[:, ::-1]).max(axis=-1) > 2
    assert differs.sum() <= GLINT_PIXELS


def test_a_head_turned_by_half_is_upside_down(sketch: Sketch) -> None:
    upright, quarter, half = sketch(plain_factors(3, roll=[0, 90, 180], yaw=20, pitch=10))
    np.testing.assert_allclose(half[::-1, ::-1].astype(int), upright, atol=1)
    # Clockwise: the crown is on the right.
    np.testing.assert_allclose(np.rot90(quarter).astype(int), upright, atol=1)
    assert (upright != upright[::-1, ::-1]).mean() > 0.2


@pytest.mark.parametrize(
    ("feature", "spots"), [("mouth", [(0.0, 0.62)]), ("eyes", [(-0.42, 0.0), (0.42, 0.0)])]
)
def test_features_turn_with_the_head(
    feature: str, spots: list[tuple[float, float]], sketch: Sketch
) -> None:
    """What a feature changes lies where a turned ellipsoid has it: within 2.5 of 64 pixels."""
    random = np.random.default_rng(1)
    limits = {"yaw": (-35, 35), "pitch": (-20, 20), "roll": (-60, 60), "face_width": (0.65, 0.9)}
    limits |= {"scale": (0.5, 0.8), "shift_x": (-0.2, 0.2), "shift_y": (-0.2, 0.2)}
    chosen = pd.DataFrame({name: random.uniform(*ends, 40) for name, ends in limits.items()})
    base = plain_factors(40, ambient=1, nose=0, eyes=int(feature == "eyes"))
    base = base.assign(**chosen.astype(np.float32))
    change = np.abs(light_of(sketch(base)) - light_of(sketch(base.assign(**{feature: 0.0}))))
    for k in range(len(chosen)):
        where = chosen.iloc[k]
        wanted = np.mean([_in_pixels(where, u, v) for u, v in spots], axis=0)
        np.testing.assert_allclose(centre(change[k]), wanted, atol=2.5)


def _in_pixels(pose: pd.Series, u: float, v: float) -> Floats:
    """Return where (column, row) a place on a unit ball is seen; right, down, to the camera."""
    on_ball = [u, v, np.sqrt(1 - u * u - v * v)]
    turn = Rotation.from_euler("xy", [-pose["pitch"], pose["yaw"]], degrees=True)
    x, y, _ = turn.apply(on_ball) * [pose["face_width"], 1, 1]
    tilt = np.radians(pose["roll"])
    right = x * np.cos(tilt) - y * np.sin(tilt)
    down = y * np.cos(tilt) + x * np.sin(tilt)
    place = pose["scale"] * np.array([right, down]) + [pose["shift_x"], pose["shift_y"]]
    pixels: Floats = (place + 1) * SIZE / 2 - 0.5
    return pixels


def test_shifted_features_lie_lower(sketch: Sketch) -> None:
    shifts = {"eyes": "eye_shift", "brows": "brow_shift", "nose": "nose_shift"}
    for feature, shift in (shifts | {"mouth": "mouth_shift"}).items():
        alone = dict.fromkeys([*shifts, "mouth"], 0) | {feature: 1, "ambient": 1}
        base = plain_factors(2, **(alone | {shift: [-0.2, 0.15]}))
        change = np.abs(light_of(sketch(base)) - light_of(sketch(base.assign(**{feature: 0.0}))))
        (_, first), (_, second) = centre(change[0]), centre(change[1])
        # The nose hangs from the eyes, so that only its base moves in full.
        least = 0.4 if feature == "nose" else 0.9
        moved = (second - first) / (0.35 * 0.68 * SIZE / 2)
        assert least < moved < 1.1, feature


# For a change: where it may be seen, and whether it makes that darker (-1) or lighter (1).
REGIONS: list[tuple[dict[str, float], Mask, int]] = [
    ({"mouth_open": 1}, (abs(U) < 0.36) & (abs(V - 0.62) < 0.22), -1),
    ({"mouth": 0}, (abs(U) < 0.4) & (V > 0.45) & (V < 0.8), 1),
    ({"lip_colour": 1}, (abs(U) < 0.36) & (abs(V - 0.62) < 0.12), -1),
    ({"smile": 1}, (abs(U) < 0.4) & (V > 0.35) & (V < 0.75), 0),
    ({"eyes": 0}, (abs(U) < 0.75) & (abs(V) < 0.25), 1),
    ({"eye_open": 0.2}, (abs(abs(U) - 0.42) < 0.32) & (abs(V) < 0.25), 0),
    ({"iris_dark": 0}, (abs(abs(U) - 0.42) < 0.12) & (abs(V) < 0.1), 1),
    ({"gaze": 0.06}, (abs(abs(U) - 0.42) < 0.2) & (abs(V) < 0.1), 0),
    ({"eye_make_up": 1}, (abs(abs(U) - 0.42) < 0.28) & (abs(V + 0.02) < 0.18), -1),
    ({"brows": 0}, (abs(U) < 0.85) & (abs(V + 0.21) < 0.1), 1),
    ({"brow_raise": 1}, (abs(U) < 0.85) & (abs(V + 0.24) < 0.18), 0),
    ({"nose": 0}, (abs(U) < 0.75) & (V > -0.2) & (V < 0.6), 0),
    ({"nose_width": 0.3}, (abs(U) < 0.45) & (V > -0.1) & (V < 0.6), 0),
    ({"beard": 1}, V > 0.4, -1),
    ({"moustache": 1}, (abs(U) < 0.5) & (abs(V - 0.51) < 0.12), -1),
    ({"snout": 1}, (abs(U) < 0.5) & (V > 0.15) & (V < 0.9), 0),
    ({"age": 80}, (abs(U) < 0.8) & (abs(V) < 0.75), -1),
    ({"body": 0}, V > 0.4, 0),
]


@pytest.mark.parametrize(
    ("change", "region", "lighter"), REGIONS, ids=[next(iter(change)) for change, *_ in REGIONS]
)
def test_a_factor_changes_its_region_alone(
    change: dict[str, float], region: Mask, lighter: int, sketch: Sketch
) -> None:
    before, after = sketch(pd.concat([plain_factors(1), plain_factors(1, **change)]))
    differs = _differs(before, after)
    assert differs[region].sum() >= 20
    assert not differs[~region].any()
    step = light_of(after)[differs].mean() - light_of(before)[differs].mean()
    assert lighter == 0 or lighter * step > 0.02


def _differs(first: Bytes, second: Bytes) -> Mask:
    difference: Mask = np.abs(first.astype(int) - second).max(axis=-1) > 2
    return difference


@pytest.mark.parametrize("feature", ["eyes", "brows", "nose", "mouth"])
def test_features_may_be_faint(feature: str, sketch: Sketch) -> None:
    none, half, whole = light_of(sketch(plain_factors(3, **{feature: [0, 0.5, 1]})))
    faint = np.abs(half - none).sum() / np.abs(whole - none).sum()
    assert faint == pytest.approx(0.5, abs=0.12)


def test_brows_go_up(sketch: Sketch) -> None:
    for name, values in (("brow_raise", [-0.6, 1]), ("brow_height", [-0.05, 0.06])):
        base = plain_factors(2, ambient=1, eyes=0, **{name: values})
        change = light_of(sketch(base.assign(brows=0.0))) - light_of(sketch(base))
        (_, lowered), (_, raised) = centre(change[0]), centre(change[1])
        assert raised < lowered - 0.5, name


def test_without_a_head_only_the_scene_is_left(sketch: Sketch) -> None:
    (empty,) = sketch(plain_factors(1, head=0, scene_contrast=0, glasses=1, hat=1, hair=1))
    assert (empty == empty[0, 0]).all()


def test_light_falls_from_where_it_comes(sketch: Sketch) -> None:
    azimuth, elevation = [-60, 60, 0, 0, 0], [0, 0, -40, 60, 0]
    factors = plain_factors(5, light_azimuth=azimuth, light_elevation=elevation, ambient=0.2)
    left, right, low, high, front = light_of(sketch(factors))
    sides = [ON_HEAD & (U < -0.3), ON_HEAD & (U > 0.3), V > 0.4, V < -0.4]
    sides = [side & ON_HEAD for side in sides]
    for lit, bright, dark in ((left, 0, 1), (right, 1, 0), (low, 2, 3), (high, 3, 2)):
        assert lit[sides[bright]].mean() > 1.5 * lit[sides[dark]].mean()
    ratio = front[sides[0]].mean() / front[sides[1]].mean()
    assert ratio == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("light", "bright"),
    [
        ({"light_elevation": 60}, V > 0.4),
        ({"light_azimuth": 60}, U < -0.4),
        ({"shadow": 0.8, "shadow_angle": 90, "shadow_place": 0}, V > 0.4),
    ],
    ids=["from above", "from the right", "shadow below"],
)
def test_light_and_shadow_turn_with_the_roll(
    light: dict[str, float], bright: Mask, sketch: Sketch
) -> None:
    (seen,) = light_of(sketch(plain_factors(1, roll=180, ambient=0.2, **light)))
    opposite = bright[::-1, ::-1]
    assert seen[ON_HEAD & bright].mean() > 1.5 * seen[ON_HEAD & opposite].mean()


def test_a_stronger_light_shows_all_of_the_head_brighter(sketch: Sketch) -> None:
    factors = plain_factors(3, light_strength=[0.25, 0.5, 1], shine=0)
    pictures = light_of(sketch(factors))
    skin = ON_HEAD & (pictures[2] > 0.2)
    for weaker, share in ((pictures[0], 0.25), (pictures[1], 0.5)):
        assert np.median(weaker[skin] / pictures[2][skin]) == pytest.approx(share, rel=0.03)
    outside = (U**2 + V**2 > 2.5) & (V < 0)
    assert pictures[0][outside] == pytest.approx(pictures[2][outside])


def test_light_is_warm_or_cool(sketch: Sketch) -> None:
    cool, white, warm = sketch(plain_factors(3, light_warmth=[-1, 0, 1])).astype(float)[:, ON_HEAD]
    by_blue = [np.median(seen[:, 0] / seen[:, 2]) for seen in (cool, white, warm)]
    assert by_blue[0] < by_blue[1] - 0.1 < by_blue[2] - 0.2


def test_light_from_everywhere_flattens(sketch: Sketch) -> None:
    bare = dict.fromkeys(("eyes", "brows", "nose", "mouth"), 0)
    factors = plain_factors(3, ambient=[0, 0.5, 1], light_azimuth=60, **bare)
    directed, half, flat = (seen[ON_HEAD] for seen in light_of(sketch(factors)))
    assert np.ptp(flat) < 0.01
    assert directed.std() == pytest.approx(2 * half.std(), rel=0.05)


@pytest.mark.parametrize(("angle", "side"), [(0, U), (90, V), (180, -U), (270, -V)])
def test_a_shadow_falls_on_its_side(angle: float, side: Floats, sketch: Sketch) -> None:
    factors = plain_factors(2, shadow=[0, 0.8], shadow_angle=angle, shadow_place=0.1)
    bright, shaded = light_of(sketch(factors))
    # The glints of the eyes pale everywhere.
    skin = ON_HEAD & ((abs(abs(U) - 0.42) > 0.2) | (abs(V) > 0.1))
    np.testing.assert_array_equal(shaded[skin & (side < 0.1)], bright[skin & (side < 0.1)])
    ratio = shaded[skin & (side > 0.4)] / bright[skin & (side > 0.4)]
    assert np.median(ratio) < 0.7


def test_shine_brightens_where_light_is_mirrored(sketch: Sketch) -> None:
    dull, shiny = light_of(sketch(plain_factors(2, shine=[0, 1], light_azimuth=60, tone=9)))
    gain = np.where(ON_HEAD, shiny - dull, 0)
    assert gain.min() >= 0
    column, _ = centre(gain)
    assert column > SIZE / 2 + 3
