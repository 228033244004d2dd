from __future__ import annotations

import pytest

from debias.audit.by_nature import goes_by_nature, is_skin_tone


@pytest.mark.parametrize(
    "name", ["skin_tone", "SkinType", "monk", "Fitzpatrick type", "race", "Pale_Skin", "ita"]
)
def test_skin_tone_is_known_by_its_names(name: str) -> None:
    assert is_skin_tone(name)


@pytest.mark.parametrize("name", ["gender", "capital", "stone", "racing_helmet", "hair", "age"])
def test_other_names_are_no_skin_tone(name: str) -> None:
    assert not is_skin_tone(name)


def test_a_flag_goes_before_names() -> None:
    assert is_skin_tone("group", named=("group",))
    assert not is_skin_tone("race", named=("group",))
    assert goes_by_nature("group", "brightness", named=("group",))


@pytest.mark.parametrize(
    ("attribute", "other", "expected"),
    [
        ("skin_tone", "ita", True),
        ("skin_tone", "contrast", True),
        ("skin_tone", "sharpness", True),
        ("skin_tone", "compression", True),
        ("skin_tone", "width", False),
        ("skin_tone", "race", True),
        ("skin_tone", "gender", False),
        ("gender", "ita", False),
        ("gender", "brightness", False),
        ("gender", "facial_hair", True),
        ("Goatee", "sex", True),
        ("gender", "hair", False),
    ],
)
def test_what_goes_by_nature(attribute: str, other: str, expected: bool) -> None:
    assert (goes_by_nature(attribute, other) is not None) == expected
