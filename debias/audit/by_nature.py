"""What goes together in any set, however fair: no finding against those who collected it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

from debias.audit.measured import SKIN_MEASURES

SKIN_TONE_WORDS = frozenset(
    {
        "skin",
        "skintone",
        "tone",
        "complexion",
        "monk",
        "mst",
        "fitzpatrick",
        "ita",
        "race",
        "ethnicity",
        "ethnic",
        "ancestry",
    }
)
"""Words in the name of an attribute that is skin tone, or stands for it."""
LIGHT_MEASURES = ("brightness", "contrast", "colourfulness")
"""Measures of light on the whole picture, of which skin is a part."""
DETAIL_ALLOWANCES: Mapping[str, float] = MappingProxyType(
    {"sharpness": 0.17, "noise": 0.17, "compression": 0.06}
)
"""How far from 0.5 the chance that a picture of one skin tone is above one of the others lies where
blur, noise and compression are the same of all: of drawn faces, a third of each skin tone,
sharpness is 0.33 for light and 0.63 for dark skin, noise 0.67 and 0.33, compression 0.44 and 0.56.
They are measured on edges and shades, which a light face has others of than a dark one; at equal
brightness and contrast it is hardly less."""
GENDER_WORDS = frozenset({"gender", "sex", "male", "female"})
BEARD_WORDS = frozenset({"beard", "goatee", "moustache", "mustache", "sideburns", "facialhair"})
BEARDS = "beards go with gender"
SAME_THING = "both tell of skin tone"
SKIN_ITSELF = "it is measured on the skin"
SKIN_IN_PICTURE = (
    "the skin is part of the picture that is measured, so its lightness and colour are in the "
    "measure; light and background alone are not measured"
)
SKIN_IN_DETAIL = (
    "edges and shades of light and dark skin differ in pictures of the same sharpness, noise and "
    "compression, so only what goes beyond that counts"
)


def is_skin_tone(name: str, *, named: tuple[str, ...] | None = None) -> bool:
    """Tell whether an attribute is skin tone, or stands for it as race does.

    Args:
        name: of the attribute.
        named: the attributes that are; None goes by the words of the name.
    """
    return name in named if named is not None else bool(SKIN_TONE_WORDS & _words(name))


def _words(name: str) -> set[str]:
    """Return the words of a name, and every two of them as one."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold()
    words = re.findall("[a-z]+", spaced)
    return {*words, *(first + second for first, second in pairwise(words))}


def goes_by_nature(
    attribute: str, other: str, *, named: tuple[str, ...] | None = None
) -> str | None:
    """Return why an attribute goes with another, or with a measure, in any set; None if not.

    Args:
        attribute: its name.
        other: the name of an attribute or of an image measure.
        named: the attributes that are skin tone; None goes by their names.
    """
    for one, two in ((attribute, other), (other, attribute)):
        if GENDER_WORDS & _words(one) and BEARD_WORDS & _words(two):
            return BEARDS
    if not is_skin_tone(attribute, named=named):
        return None
    if other in SKIN_MEASURES:
        return SKIN_ITSELF
    if other in LIGHT_MEASURES:
        return SKIN_IN_PICTURE
    if other in DETAIL_ALLOWANCES:
        return SKIN_IN_DETAIL
    return SAME_THING if is_skin_tone(other, named=named) else None
