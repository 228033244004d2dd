from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.testbed.colour import (
    ENCODING_STEPS,
    MONK,
    encoding_table,
    individual_typology_angle,
    lab_from_linear,
    linear_from_lab,
    linear_from_srgb,
    rgb_from_hex,
    skin_light,
    srgb_from_linear,
)

# As scikit-image 0.26 gives them (rgb2lab, D65, 2 degrees), which rounds the white point.
MONK_LAB = (
    (94.211, 1.502, 5.434),
    (92.275, 2.060, 7.292),
    (93.091, 0.215, 14.216),
    (87.573, 0.459, 17.759),
    (77.902, 3.471, 23.144),
    (55.143, 7.784, 26.746),
    (42.470, 12.326, 20.535),
    (30.678, 11.668, 13.339),
    (21.069, 2.690, 5.968),
    (14.610, 1.482, 3.529),
)
# The primaries of sRGB, whose CIELAB values are widely tabulated.
PRIMARIES = {
    "#ff0000": (53.24, 80.09, 67.20),
    "#00ff00": (87.73, -86.18, 83.18),
    "#0000ff": (32.30, 79.19, -107.86),
    "#ffffff": (100, 0, 0),
    "#000000": (0, 0, 0),
}
SHARES = st.floats(0, 1)


@pytest.mark.parametrize(("code", "lab"), [*zip(MONK, MONK_LAB, strict=True), *PRIMARIES.items()])
def test_lab_of_known_colours(code: str, lab: tuple[float, float, float]) -> None:
    found = lab_from_linear(linear_from_srgb(rgb_from_hex(code)))
    np.testing.assert_allclose(found, lab, atol=0.016)


def test_dark_light_has_the_straight_part_of_lab() -> None:
    # Below a light of 0.008856, L* = 903.3 Y (CIE 15).
    light = np.array([1e-4, 1e-3, 8e-3])
    lab = lab_from_linear(np.repeat(light[:, None], 3, axis=1))
    np.testing.assert_allclose(lab[:, 0], 903.2963 * light, rtol=1e-5)
    np.testing.assert_allclose(lab[:, 1:], 0, atol=1e-9)


def test_srgb_of_known_light() -> None:
    # IEC 61966-2-1: half the light is the byte 188, the byte 128 is 21.6 % of the light.
    assert srgb_from_linear(np.array(0.5)) * 255 == pytest.approx(187.52, abs=0.01)
    assert linear_from_srgb(np.array(128 / 255)) == pytest.approx(0.21586, abs=1e-5)
    assert linear_from_srgb(np.array(0.04)) == pytest.approx(0.04 / 12.92)


@given(red=SHARES, green=SHARES, blue=SHARES)
def test_conversions_go_back(red: float, green: float, blue: float) -> None:
    colour = np.array([red, green, blue])
    light = linear_from_srgb(colour)
    assert ((light >= 0) & (light <= 1)).all()
    # The standard's two constants for the same knee differ a little.
    np.testing.assert_allclose(srgb_from_linear(light), colour, atol=1e-6)
    np.testing.assert_allclose(linear_from_lab(lab_from_linear(light)), light, atol=1e-12)


def test_conversions_take_any_leading_axes() -> None:
    light = np.random.default_rng(0).random((2, 4, 3))
    np.testing.assert_array_equal(lab_from_linear(light)[1, 2], lab_from_linear(light[1, 2]))
    np.testing.assert_allclose(linear_from_lab(lab_from_linear(light)), light)


def test_the_individual_typology_angle_of_known_colours() -> None:
    lab = np.array([[60, 3, 10], [50, 9, 20], [40, 0, 10], [50 + 10 * np.sqrt(3), 5, 10]])
    np.testing.assert_allclose(individual_typology_angle(lab), [45, 0, -45, 60], atol=1e-9)
    # Lightness alone does not order the swatches (3 is lighter than 2), the angle does.
    assert (np.diff(individual_typology_angle(np.array(MONK_LAB))) < 0).all()


def test_the_typology_angle_of_a_colour_that_is_not_yellowish_is_undefined() -> None:
    lab = np.array([[[60, 3, -10], [60, 3, 0]], [[40, 0, -1e-9], [60, 3, 1e-9]]])
    found = individual_typology_angle(lab)
    np.testing.assert_array_equal(np.isnan(found), [[True, True], [True, False]])
    assert found[1, 1] == pytest.approx(90)


def test_a_whole_tone_is_its_swatch() -> None:
    light = skin_light(np.arange(1.0, 11.0)).astype(np.float64)
    wanted = [[int(code[k : k + 2], 16) for k in (1, 3, 5)] for code in MONK]
    np.testing.assert_array_equal(np.rint(255 * srgb_from_linear(light)), wanted)


@given(tone=st.integers(1, 9), share=st.sampled_from([0.01, 0.25, 0.5, 0.99]))
def test_between_swatches_the_colour_is_mixed_in_lab(tone: int, share: float) -> None:
    found = lab_from_linear(skin_light(np.array([tone + share])).astype(np.float64))[0]
    first, second = np.array(MONK_LAB[tone - 1]), np.array(MONK_LAB[tone])
    np.testing.assert_allclose(found, first + share * (second - first), atol=0.02)


def test_tones_are_rounded_to_hundredths_and_limited() -> None:
    light = skin_light(np.array([5.004, 5.0, 5.006, 5.01, 0.2, 1, 99, 10]))
    np.testing.assert_array_equal(light[::2], light[1::2])
    assert (light[1] != light[3]).any()
    assert light.shape == (8, 3)
    assert light.dtype == np.float32


def test_the_encoding_table_is_srgb() -> None:
    table = encoding_table()
    assert table.dtype == np.uint8
    bytes_ = np.arange(256)
    root = np.sqrt(linear_from_srgb(bytes_ / 255))
    np.testing.assert_array_equal(table[(root * ENCODING_STEPS + 0.5).astype(int)], bytes_)
    light = np.linspace(0, 1, 10_001)
    found = table[(np.sqrt(light) * ENCODING_STEPS + 0.5).astype(int)].astype(float)
    assert np.abs(found - 255 * srgb_from_linear(light)).max() < 0.6
    assert (np.diff(table.astype(int)) >= 0).all()
