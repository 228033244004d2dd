from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from testbed.drawing import Mask, Sketch, light_of, places, plain_factors

U, V = places()
FACE = (abs(U) < 0.5) & (abs(V - 0.2) < 0.35)

REGIONS: dict[str, tuple[dict[str, float], dict[str, float], Mask]] = {
    "glasses": ({}, {"glasses": 1}, (abs(U) <= 1) & (abs(V) < 0.3)),
    "lenses": ({"glasses": 1}, {"lens_dark": 1}, (abs(U) < 0.8) & (abs(V) < 0.3)),
    "a hat": ({}, {"hat": 1}, V < -0.45),
    "a low hat": ({"hat": 1}, {"hat_line": -0.4}, V < -0.3),
    "a brim": ({"hat": 1}, {"brim": 1}, abs(V + 0.51) < 0.12),
    "short hair": ({}, {"hair": 1}, ~FACE),
    "long hair": ({"hair": 1}, {"hair_length": 1.5}, (abs(U) > 0.5) | (V > 0.8)),
    "a low hairline": ({"hair": 1}, {"hairline": -0.4}, abs(V + 0.55) < 0.3),
    "voluminous hair": ({"hair": 1}, {"hair_volume": 0.35}, (abs(U) > 0.9) | (V < -0.8)),
    "animal's ears": ({}, {"tufts": 1}, abs(U) > 0.4),
}


@pytest.mark.parametrize(("base", "change", "region"), REGIONS.values(), ids=REGIONS)
def test_what_is_worn_changes_its_region_alone(
    base: dict[str, float], change: dict[str, float], region: Mask, sketch: Sketch
) -> None:
    factors = [plain_factors(1, **base), plain_factors(1, **(base | change))]
    before, after = sketch(pd.concat(factors)).astype(int)
    differs = np.abs(before - after).max(axis=-1) > 2
    assert differs[region].sum() >= 30
    assert not differs[~region].any()


def test_dark_lenses_hide_the_eyes(sketch: Sketch) -> None:
    factors = plain_factors(4, glasses=1, lens_dark=[0, 0, 1, 1], eyes=[0, 1, 0, 1])
    pictures = light_of(sketch(factors))
    behind = (abs(abs(U) - 0.42) < 0.12) & (abs(V) < 0.08)
    assert np.abs(pictures[0] - pictures[1])[behind].mean() > 0.05
    np.testing.assert_allclose(pictures[2][behind], pictures[3][behind], atol=0.002)


def test_hair_has_its_colour(sketch: Sketch) -> None:
    colours = {"hair_dark": [0, 1, 1, 1, 0], "hair_grey": [0, 0, 1, 0, 0]}
    colours |= {"hair_dye": [0, 0, 0, 1, 0], "hair_red": [0, 0, 0, 0, 1]}
    pictures = sketch(plain_factors(5, hair=1, **colours)).astype(float)
    crown = (abs(U) < 0.3) & (abs(V + 0.8) < 0.08)
    blond, black, grey, dyed, red = (seen[crown].mean(axis=0) for seen in pictures)
    assert min(blond.mean(), grey.mean()) > black.mean() + 60
    assert blond[0] > blond[2] + 40
    assert np.ptp(grey) < 15
    assert dyed[2] > dyed[1] + 20
    assert red[0] - red[1] > blond[0] - blond[1] + 15


def test_hair_covers_the_ears(sketch: Sketch) -> None:
    tones = plain_factors(4, hair=1, hair_length=[0.3, 0.3, 0.8, 0.8], tone=[1, 10, 1, 10])
    pictures = light_of(sketch(tones))
    beside = (abs(U) > 1.03) & (abs(U) < 1.15) & (abs(V - 0.12) < 0.1)
    contrast = np.abs(pictures[::2] - pictures[1::2])[:, beside].max(axis=1)
    assert contrast[0] > 0.1
    assert contrast[1] < 0.01
