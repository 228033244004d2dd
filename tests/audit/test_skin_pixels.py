from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from debias.audit.measured import SKIN_MEASURES
from debias.audit.skin_pixels import REGION, SIDE, skin_measures
from debias.testbed.colour import MONK, individual_typology_angle, lab_from_linear, linear_from_srgb
from debias.testbed.factors import neutral_factors
from debias.testbed.population import Population, draw_faces
from debias.testbed.renderer import render

Bytes = NDArray[np.uint8]


def of_colour(*codes: str) -> Bytes:
    """Return pictures all of one colour."""
    colours = [[int(code[k : k + 2], 16) for k in (1, 3, 5)] for code in codes]
    flat = np.array(colours, dtype=np.uint8)[:, None, None]
    return np.broadcast_to(flat, (len(codes), SIDE, SIDE, 3)).copy()


@pytest.fixture(scope="module")
def faces() -> tuple[Bytes, NDArray[np.float64]]:
    """Return balanced test faces and their tones."""
    drawn = draw_faces(Population(), range(300), seed=3)
    return render(drawn), drawn["tone"].to_numpy(np.float64)


def test_swatches_are_themselves() -> None:
    pictures = of_colour(*MONK)
    found = skin_measures(pictures)
    assert list(found) == list(SKIN_MEASURES)
    for name in ("monk", "monk_low", "monk_high"):
        np.testing.assert_array_equal(found[name], np.arange(1, 11))
    lab = lab_from_linear(linear_from_srgb(pictures[:, 0, 0] / 255))
    np.testing.assert_allclose(found["ita"], individual_typology_angle(lab), atol=1e-3)
    np.testing.assert_allclose(found["ita_error"], 0, atol=1e-4)
    np.testing.assert_allclose(found["light_uneven"], 0, atol=1e-4)
    region = (REGION[0].stop - REGION[0].start) * (REGION[1].stop - REGION[1].start)
    np.testing.assert_allclose(found["skin_share"], region / SIDE**2)
    assert all(values.dtype == np.float64 for values in found.values())


@pytest.mark.parametrize("code", ["#000000", "#ffffff", "#808080", "#2050c0", "#20c040", "#a020c0"])
def test_no_skin_is_nan(code: str) -> None:
    found = skin_measures(of_colour(code))
    assert all(np.isnan(values).all() for values in found.values())


def test_pictures_in_grey_tell_nothing(faces: tuple[Bytes, NDArray[np.float64]]) -> None:
    grey = []
    for picture in faces[0][:50]:
        file = io.BytesIO()
        Image.fromarray(picture).convert("L").convert("RGB").save(file, "JPEG", quality=70)
        grey.append(np.asarray(Image.open(file)))
    assert np.isnan(skin_measures(np.stack(grey))["monk"]).all()


def test_bluish_skin_has_a_swatch_but_no_angle() -> None:
    picture = of_colour("#e8e0ec")
    found = skin_measures(picture)
    assert np.isfinite(found["monk"]).all()
    assert np.isnan(found["ita"]).all()
    assert np.isnan(found["ita_error"]).all()


def test_nothing_gives_nothing() -> None:
    found = skin_measures(np.empty((0, SIDE, SIDE, 3), dtype=np.uint8))
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(
        SKIN_MEASURES, (0,)
    )


@pytest.mark.parametrize("size", [1, 7, 64])
def test_batches_do_not_matter(faces: tuple[Bytes, NDArray[np.float64]], size: int) -> None:
    pictures = faces[0][:64]
    whole = skin_measures(pictures)
    parts = [skin_measures(pictures[k : k + size]) for k in range(0, len(pictures), size)]
    for name, values in whole.items():
        joined = np.concatenate([part[name] for part in parts])
        np.testing.assert_allclose(joined, values, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("swatch", [1, 4, 6, 8, 10])
def test_what_covers_skin_does_not_count(swatch: int) -> None:
    picture = of_colour(MONK[swatch - 1])
    alone = skin_measures(picture)
    picture[:, 20:28, 18:46] = 5  # dark glasses, or hair
    picture[:, 40:46, 26:38] = (30, 60, 160)  # and something blue
    covered = skin_measures(picture)
    np.testing.assert_allclose(covered["ita"], alone["ita"], atol=0.5)
    assert covered["monk"] == alone["monk"]
    assert covered["skin_share"] < alone["skin_share"]


def test_what_is_outside_the_region_does_not_count() -> None:
    picture = of_colour(MONK[4])
    alone = skin_measures(picture)
    outside = np.ones((SIDE, SIDE), dtype=np.bool_)
    outside[REGION] = False
    picture[:, outside] = (20, 90, 200)
    for name, values in skin_measures(picture).items():
        np.testing.assert_array_equal(values, alone[name])


def test_side_light_is_uneven_and_widens_the_range() -> None:
    """Halves of L* 55 and 40, about: the darker one is not the skin's tone, but in its range."""
    light = linear_from_srgb(of_colour(MONK[5]) / 255)
    light[:, :, SIDE // 2 :] *= 0.5
    picture = np.rint(255 * np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 0))
    found = skin_measures(picture.astype(np.uint8))
    lit, dim = (
        lab_from_linear(np.full(3, linear @ [0.2126, 0.7152, 0.0722]))[0]
        for linear in (light[0, 0, 0], light[0, 0, -1])
    )
    np.testing.assert_allclose(found["light_uneven"], lit - dim, atol=0.5)
    assert found["monk_low"] == 6
    assert found["monk"] == 6
    assert found["monk_high"] >= 7
    assert found["ita_error"] > 5


def test_the_standard_error_is_that_of_four_quarters() -> None:
    picture = of_colour(MONK[5])
    rows, columns = slice(18, 34), slice(18, 32)
    picture[:, rows, columns] = of_colour("#b08e62")[:, rows, columns]
    angles = skin_measures(of_colour("#b08e62", MONK[5], MONK[5], MONK[5]))["ita"]
    expected = angles.std(ddof=1) / 2
    np.testing.assert_allclose(skin_measures(picture)["ita_error"], expected, rtol=1e-3)


def test_drawn_faces_of_all_tones(faces: tuple[Bytes, NDArray[np.float64]]) -> None:
    """What the docs say, with room for chance: found, ordered, and near, dark ones no less."""
    pictures, tones = faces
    found = skin_measures(pictures)
    swatch = np.minimum(np.floor(tones + 0.5), 10)
    has_skin = np.isfinite(found["monk"])
    assert has_skin[swatch >= 8].mean() > 0.98
    assert has_skin[swatch <= 2].mean() > 0.93
    off = np.abs(found["monk"] - swatch)
    assert np.nanmean(off[swatch >= 5]) < 0.6
    assert np.nanmean(off) < 1
    known = np.isfinite(found["ita"])
    assert (
        np.corrcoef(tones[known].argsort().argsort(), found["ita"][known].argsort().argsort())[0, 1]
        < -0.94
    )
    assert (found["monk_low"] <= found["monk"])[has_skin].all()
    assert (found["monk_high"] >= found["monk"])[has_skin].all()


def test_the_estimate_follows_the_light() -> None:
    """The caveat that every page must state: dim light makes skin look darker."""
    factors = neutral_factors(3).assign(tone=5.0, light_strength=[0.6, 0.85, 1.2])
    found = skin_measures(render(factors))
    assert (np.diff(found["ita"]) > 3).all()
    assert found["monk"][0] > found["monk"][2]
