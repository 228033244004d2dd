from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.testbed.shapes import (
    blob,
    box,
    disc,
    inside,
    lit_by,
    over,
    rise,
    scaled,
    unit,
    zigzag,
)

PLACES = st.floats(-3, 3)
SHARES = st.floats(0, 1)


def test_unit_limits() -> None:
    assert [unit(x) for x in (-1.0, 0.0, 0.3, 1.0, 7.0)] == [0, 0, 0.3, 1, 1]


@given(x=PLACES, y=PLACES)
def test_a_blob_is_soft_and_round(x: float, y: float) -> None:
    radius = float(np.hypot(x, y))
    wanted = (1 - radius**2) ** 2 if radius < 1 else 0.0
    assert blob(x, y) == pytest.approx(wanted, abs=1e-9)


def test_a_disc_covers_its_inside() -> None:
    for x, y in ((0.0, 0.0), (0.9, 0.0), (-0.6, 0.6)):
        assert disc(x, y, 0.05) == 1
        assert disc(abs(x) + 1.1, y, 0.05) == 0
    assert disc(1.0, 0.0, 0.3) == pytest.approx(0.5)
    # The edge, from 1 to 0, is about as wide as the blur.
    places = np.linspace(0.8, 1.2, 4001)
    soft = [x for x in places if 0 < disc(float(x), 0.0, 0.1) < 1]
    assert soft[-1] - soft[0] == pytest.approx(0.1, rel=0.05)


def test_inside_is_the_share_of_a_pixel() -> None:
    for distance, share in ((-0.2, 1.0), (-0.1, 1.0), (-0.05, 0.75), (0.0, 0.5), (0.1, 0.0)):
        assert inside(distance, 0.2) == pytest.approx(share)


@given(x=PLACES, y=PLACES, width=st.floats(0.2, 1.5), height=st.floats(0.2, 1.5), part=SHARES)
def test_a_box_gives_the_distance_to_its_edge(
    x: float, y: float, width: float, height: float, part: float
) -> None:
    radius = part * min(width, height)
    # The outline: four straight sides and four quarters of a circle.
    along = np.linspace(-1, 1, 401)
    turn = np.linspace(0, np.pi / 2, 201)
    inner_x, inner_y = width - radius, height - radius
    quarter = np.stack([inner_x + radius * np.cos(turn), inner_y + radius * np.sin(turn)])
    side = np.stack([along * inner_x, np.full(401, height)])
    post = np.stack([np.full(401, width), along * inner_y])
    outline = np.concatenate([quarter, side, post], axis=1)
    far = np.hypot(*(outline - np.abs([[x], [y]]))).min()
    corner = np.maximum(np.abs([x, y]) - [inner_x, inner_y], 0)
    within = abs(x) < width and abs(y) < height and np.hypot(*corner) <= radius
    assert box(x, y, width, height, radius) == pytest.approx(-far if within else far, abs=0.01)


def test_a_rise_is_smooth() -> None:
    values = [rise(x, 0.5, 0.2) for x in (-3.0, 0.5, 0.55, 0.6, 0.65, 0.7, 9.0)]
    assert values == pytest.approx([0, 0, 0.15625, 0.5, 0.84375, 1, 1])


@given(x=st.floats(-20, 20), turns=st.integers(-3, 3))
def test_a_zigzag_repeats(x: float, turns: int) -> None:
    assert 0 <= zigzag(x) <= 1
    assert zigzag(x + turns) == pytest.approx(zigzag(x), abs=1e-9)
    assert [zigzag(y) for y in (0.0, 0.25, 0.5, 0.75)] == [0, 0.5, 1, 0.5]


def test_colours_cover_scale_and_filter() -> None:
    red, blue = (1.0, 0.2, 0.0), (0.0, 0.4, 0.8)
    assert over(red, blue, 0.0) == red
    assert over(red, blue, 1.0) == pytest.approx(blue)
    assert over(red, blue, 0.25) == pytest.approx((0.75, 0.25, 0.2))
    assert scaled(red, 0.5) == (0.5, 0.1, 0)
    assert lit_by(red, blue) == pytest.approx((0, 0.08, 0))
