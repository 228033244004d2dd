"""A person over whatever is behind: head, hair, what is worn, neck and shoulders; compiled."""

from __future__ import annotations

from typing import NamedTuple

from debias.testbed.attire import paint_behind, paint_hair, paint_in_front
from debias.testbed.compiled import compiled
from debias.testbed.head import (
    Parameters,
    brightness,
    gloss,
    paint_features,
    paint_mottling,
    place_on_head,
    relief,
)
from debias.testbed.shapes import Colour, lit_by, over, scaled


class Grain(NamedTuple):
    """Textures of a person at a pixel, each about 0 to 1.

    Attributes:
        strand: streaks, of straight hair.
        curl: fine clouds, of curls.
        skin: fine clouds, of skin and fur.
    """

    strand: float
    curl: float
    skin: float


@compiled
def paint_person(behind: Colour, p: Parameters, x: float, y: float, grain: Grain) -> Colour:
    """Return the light of one pixel.

    What the person covers to a share lets the rest of the light behind through: the result is
    linear in it, with the same factor for every colour.

    Args:
        behind: the light of the pixel without the person.
        p: the person's parameters.
        x: the pixel's centre, -1 the left edge of the person's frame, 1 the right.
        y: -1 the top, 1 the bottom.
        grain: textures.
    """
    hair = grain.strand + (grain.curl - grain.strand) * p.hair_curl
    s = place_on_head(p, x, y)
    light = paint_behind(behind, p, s, hair)
    if s.cover > 0.0:
        skin = scaled(paint_mottling(p, grain.skin), relief(p, s))
        skin = paint_features(skin, p, s)
        skin = scaled(paint_hair(skin, p, s, hair), brightness(p, s))
        shine = gloss(p, s)
        skin = lit_by((skin[0] + shine, skin[1] + shine, skin[2] + shine), p.light_colour)
        light = over(light, skin, s.cover)
    return paint_in_front(light, p, s)
