"""Skin has the tone that it was given, as a colorimeter would measure it; no factor is idle."""

from __future__ import annotations

import numpy as np
import pytest
from testbed.drawing import Floats, places

from debias.testbed.colour import (
    individual_typology_angle,
    lab_from_linear,
    linear_from_lab,
    linear_from_srgb,
    skin_light,
)
from debias.testbed.factors import FACTORS, NAMES, Factor, neutral_factors
from debias.testbed.renderer import render

TONES = np.arange(1, 10.01, 0.5)
# Differences of CIELAB (1976) and of the angle, in degrees. Measured: 2.4 and 2.9 at most with
# the light in the middle, 1.8 and 1.6 with neutral factors; 1 is just noticeable.
MOST_DELTA_E, MOST_DEGREES = 3.0, 4.0


def measured(num_images: int, **changes: object) -> Floats:
    """Return the median CIELAB of cheeks and forehead, (image, channel), of bald heads."""
    factors = neutral_factors(num_images, **({"hair": 0, "noise": 0, "blur": 0.4} | changes))
    pixels = render(factors.assign(jpeg=95.0, shift_y=0.0)) / 255
    u, v = places()
    cheeks = (abs(abs(u) - 0.45) < 0.15) & (abs(v - 0.3) < 0.1)
    forehead = (abs(u) < 0.3) & (abs(v + 0.5) < 0.12)
    lab: Floats = np.median(lab_from_linear(linear_from_srgb(pixels[:, cheeks | forehead])), axis=1)
    return lab


@pytest.mark.parametrize("elevation", [0, 20])
def test_skin_shows_its_tone(elevation: float) -> None:
    found = measured(len(TONES), tone=TONES, light_elevation=elevation)
    wanted = lab_from_linear(skin_light(TONES).astype(np.float64))
    assert np.linalg.norm(found - wanted, axis=1).max() < MOST_DELTA_E
    angles = individual_typology_angle(found)
    np.testing.assert_allclose(angles, individual_typology_angle(wanted), atol=MOST_DEGREES)
    assert (np.diff(angles) < 0).all()
    # From the third swatch on each is darker than the one before.
    assert (np.diff(found[TONES >= 3, 0]) < 0).all()


@pytest.mark.parametrize(
    "changes",
    [{"presentation": 1}, {"face_width": 0.9}, {"noise_seed": 99}, {"noise": 3, "jpeg": 60}],
    ids=lambda changes: next(iter(changes)),
)
def test_skin_tone_does_not_depend_on_the_rest(changes: dict[str, float]) -> None:
    found = measured(10, tone=np.arange(1, 11), **changes)
    plain = measured(10, tone=np.arange(1, 11))
    assert np.linalg.norm(found - plain, axis=1).max() < MOST_DELTA_E


def test_dim_light_darkens_what_is_seen_but_not_the_tone() -> None:
    strong, dim = measured(2, tone=3, light_strength=[1, 0.3])
    darker = measured(1, tone=5)[0]
    assert dim[0] < darker[0] < strong[0]
    # What the skin sends back of each light is the same.
    by_light = lab_from_linear(linear_from_lab(dim) / 0.3)
    assert np.linalg.norm(by_light - strong) < MOST_DELTA_E
    assert np.linalg.norm(by_light - darker) > 2 * MOST_DELTA_E


def test_a_nose_whose_base_is_between_the_eyes_can_be_drawn() -> None:
    changes = {"nose_length": 0.4, "nose_shift": [-0.4, -0.3999], "yaw": 30, "noise_seed": 7}
    noses = render(neutral_factors(2, **changes)).astype(int)
    # As if it ended a hair's breadth lower.
    assert np.abs(noses[0] - noses[1]).mean() < 0.1


# Where a factor shows, and between which values if not the ends of its range.
SETTINGS: dict[str, dict[str, float]] = {
    "lens_dark": {"glasses": 1},
    "hat_line": {"hat": 1},
    "brim": {"hat": 1},
    "shadow_angle": {"shadow": 0.8},
    "shadow_place": {"shadow": 0.8},
    "shine": {"light_azimuth": 50},
    "scene_hue": {"scene_saturation": 1},
    "scene_angle": {"stripes": 0.8},
    "stripe_density": {"stripes": 0.8},
}
RANGES = {
    **{"roll": (0, 30), "scale": (0.6, 0.8), "shift_x": (0, 0.2), "shift_y": (0, 0.2)},
    **{"scene_hue": (0, 0.5), "shadow_angle": (0, 180), "scene_angle": (0, 90)},
}


@pytest.mark.parametrize("factor", FACTORS, ids=NAMES)
def test_every_factor_shows(factor: Factor) -> None:
    settings = {"noise_seed": 4, "noise": 0, "jpeg": 95, **SETTINGS.get(factor.name, {})}
    ends = RANGES.get(factor.name, (factor.low, factor.high))
    first, second = render(neutral_factors(2, **{**settings, factor.name: ends})).astype(int)
    assert (np.abs(first - second).max(axis=-1) > 8).sum() >= 12
