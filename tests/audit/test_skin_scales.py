from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from audit.made_images import made_images

from debias.audit.skin_scales import (
    ESTIMATED,
    ITA_CATEGORIES,
    estimated_skin_tone,
    ita_places,
    monk_places,
    scale_of,
    with_estimate,
)
from debias.data.tables import TEXT
from debias.errors import DataError

NAN = float("nan")


def test_categories_of_the_angle() -> None:
    angles = np.array([80, 55.1, 55, 42, 41, 29, 28, 11, 10, -29, -30, -80, NAN])
    names = [*ITA_CATEGORIES]
    found = ita_places(angles, ITA_CATEGORIES)
    assert [names[int(place)] for place in found[:-1]] == [
        *["very light"] * 2,
        *["light"] * 2,
        *["intermediate"] * 2,
        *["tan"] * 2,
        *["brown"] * 2,
        *["dark"] * 2,
    ]
    assert np.isnan(found[-1])


def test_tones_of_swatches() -> None:
    found = monk_places(np.array([*range(1, 11), NAN]))
    np.testing.assert_array_equal(found, [0] * 4 + [1] * 3 + [2] * 3 + [NAN])


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("skin_tone", ["dark", None, "light"], ("light", "medium", "dark")),
        ("skin_tone", ["darker", "lighter"], ("lighter", "darker")),
        ("skin_tone", ["3", "10"], tuple(str(k) for k in range(1, 11))),
        ("fitzpatrick", ["VI", "I"], ("I", "II", "III", "IV", "V", "VI")),
        ("fitzpatrick", ["6", "1"], ("1", "2", "3", "4", "5", "6")),
        ("monk", ["6", "1"], tuple(str(k) for k in range(1, 11))),
        ("skin_tone", ["dark", "blue"], None),
        ("skin_tone", [None, None], None),
        ("gender", ["light", "dark"], None),
    ],
)
def test_scales_by_name_and_values(
    name: str, values: list[str | None], expected: tuple[str, ...] | None
) -> None:
    found = scale_of(name, pd.Series(values, dtype=TEXT))
    assert (found and found.values) == expected


@pytest.mark.parametrize(
    ("name", "value", "places"),
    [
        ("skin_tone", "light", [0, 1, 2, NAN, 0]),
        ("skin_tone", "lighter", [0, 1, 1, NAN, NAN]),
        ("monk", "1", [3, 5, 9, NAN, 1]),
        ("fitzpatrick", "I", [0, 3, 5, NAN, NAN]),
    ],
)
def test_estimates_on_each_scale(name: str, value: str, places: list[float]) -> None:
    scale = scale_of(name, pd.Series([value], dtype=TEXT))
    assert scale is not None
    monk, ita = np.array([4.0, 6, 10, NAN, 2]), np.array([60.0, 20, -80, NAN, NAN])
    np.testing.assert_array_equal(scale.estimate(monk, ita), places)


def test_the_estimate_is_an_attribute() -> None:
    table = pd.DataFrame({"monk": [4.0, 5, 8, NAN, 1], "ita": [30.0, 45, -20, NAN, NAN]})
    by_swatch = estimated_skin_tone(table)
    assert by_swatch.fillna("?").tolist() == ["light", "medium", "dark", "?", "light"]
    by_angle = estimated_skin_tone(table, basis="ita")
    assert by_angle.fillna("?").tolist() == ["medium", "light", "dark", "?", "?"]

    images = made_images({"gender": ["m"] * 5}, label=[1, 1, 0, 1, 1])
    found = with_estimate(images, table)
    assert found.provenance == {"gender": "annotated", ESTIMATED: "estimated"}
    assert found.attributes[ESTIMATED].fillna("?").tolist() == [
        "light",
        "medium",
        "?",
        "?",
        "light",
    ]
    assert ESTIMATED not in images.attributes
    with pytest.raises(DataError, match="already"):
        with_estimate(found, table)
