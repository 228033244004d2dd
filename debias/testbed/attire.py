"""What surrounds a face: hair, ears, neck, clothes, glasses and hats; compiled, pixel by pixel."""

from __future__ import annotations

from debias.testbed.compiled import compiled
from debias.testbed.head import Parameters, Place
from debias.testbed.shapes import Colour, box, disc, inside, lit_by, over, rise, scaled, unit

SHOULDERS = 2.3
"""Of a person's shoulders below the middle of the head, in half heights of the head."""
LENGTH = 10.0
"""Of the body below them."""


@compiled
def strands(p: Parameters, s: Place, grain: float) -> float:
    """Return the brightness of hair, which fades downwards."""
    return float((0.5 + 0.8 * grain) * p.hair_light * (1.15 - 0.3 * unit(s.y + 0.5)))


@compiled
def paint_behind(under: Colour, p: Parameters, s: Place, grain: float) -> Colour:
    """Return what a pixel shows before the head is drawn: hanging hair, body, ears.

    Args:
        under: what is behind.
        p: the picture's parameters.
        s: where the pixel meets the head.
        grain: texture, about 0 to 1.
    """
    light, width, pixel = p.light_colour, p.face_width, p.pixel
    if p.hair_on > 0.0:
        reach = width + p.hair_volume
        top, bottom = -1.0 - p.hair_volume * 0.7, p.hair_length
        edge = box(s.x, s.y - (top + bottom) * 0.5, reach, (bottom - top) * 0.5, p.hair_round)
        hair = scaled(lit_by(p.hair_colour, light), 0.8 * strands(p, s, grain))
        under = over(under, hair, inside(edge - grain * 0.05, pixel) * p.hair_on)
    if p.body_on > 0.0 and s.y > 0.2:
        cloth = scaled(lit_by(p.cloth_colour, light), 0.7 + 0.4 * grain)
        under = over(under, cloth, disc(s.x / p.shoulder_width, (s.y - SHOULDERS) / 0.95, pixel))
        neck = inside(box(s.x, s.y - 0.9, width * 0.56, 0.45, 0.1), pixel) * p.body_on
        shade = 0.35 + 0.45 * unit((s.y - 0.95) * 2.5) + s.x * p.light_x * 0.3
        under = over(under, scaled(lit_by(p.skin_colour, light), shade), neck)
    for side in (-1.0, 1.0):
        if p.ears_on > 0.0:
            middle = side * (width * 0.97 * p.cos_yaw + 0.02) + p.sin_yaw * 0.35 * width
            ear = disc((s.x - middle) / 0.12, (s.y - 0.12) / 0.2, pixel * 6.0)
            shade = 0.65 + side * 0.2 * p.light_x
            under = over(under, scaled(lit_by(p.skin_colour, light), shade), ear * p.ears_on)
        if p.tufts_on > 0.0:
            height = s.y + 0.55 + p.tuft_height
            edge = abs(s.x - side * width * 0.72) - height * 0.45 * p.tuft_round
            tuft = inside(edge, pixel) * unit((-0.2 - s.y) / pixel) * p.tufts_on
            under = over(under, scaled(lit_by(p.skin_colour, light), 0.8), tuft)
    return under


@compiled
def paint_figure(under: Colour, p: Parameters, s: Place, grain: float) -> Colour:
    """Return what a pixel shows with the body below the shoulders, upright whatever the roll.

    Pictures of a face do not reach that far.

    Args:
        under: what is behind.
        p: the parameters of the person, or of the animal in a person's clothes.
        s: where the pixel meets the head.
        grain: texture, about 0 to 1.
    """
    low = s.y - SHOULDERS
    x = s.x * p.cos_roll - low * p.sin_roll
    y = low * p.cos_roll + s.x * p.sin_roll
    width = p.shoulder_width
    legs = box(abs(x) - width * 0.42, y - LENGTH * 0.62, width * 0.36, LENGTH * 0.38, 0.2)
    cloth = scaled(lit_by(p.hat_colour, p.light_colour), 0.5 + 0.3 * grain)
    under = over(under, cloth, inside(legs, p.pixel) * p.body_on)
    trunk = box(x, y - LENGTH * 0.17, width * 0.985, LENGTH * 0.2, 0.4)
    # The arms hang beside it.
    gap = inside(abs(abs(x) - width * 0.68) - 0.04, 0.12) * unit(y - 0.5)
    cloth = scaled(lit_by(p.cloth_colour, p.light_colour), (0.7 + 0.4 * grain) * (1.0 - 0.4 * gap))
    return over(under, cloth, inside(trunk, p.pixel) * p.body_on)


@compiled
def paint_hair(skin: Colour, p: Parameters, s: Place, grain: float) -> Colour:
    """Return the head's reflectance with the hair that lies on it."""
    if p.hair_on <= 0.0:
        return skin
    far = s.u * s.u
    line = p.hairline + far * 0.12 + p.fringe * (0.5 - abs(s.u - 0.3)) * 0.3
    line += (grain - 0.5) * 0.12
    on_top = unit((line - s.v) / p.softness * 0.5)
    beside = unit((far - p.side_line) * 6.0) * unit((p.sideburn - s.v) * 6.0)
    cover = max(max(on_top, beside), 1.0 - s.front)
    hair = scaled((p.hair_colour[0], p.hair_colour[1], p.hair_colour[2]), strands(p, s, grain))
    return over(skin, hair, cover * p.hair_on)


@compiled
def paint_in_front(under: Colour, p: Parameters, s: Place) -> Colour:
    """Return what a pixel shows with glasses and a hat over everything else."""
    if p.glasses_on > 0.0 and s.front > 0.0 and s.cover > 0.0:
        us = abs(s.u)
        height = p.lens_width * p.lens_shape
        lens = box(us - p.eye_u, s.v - p.eye_v - 0.02, p.lens_width, height, height * 0.8)
        seen = s.front * s.cover * p.glasses_on
        glass = lit_by(p.lens_colour, p.light_colour)
        under = over(under, glass, inside(lens, p.pixel) * p.lens_dark * seen)
        bridge = inside(abs(s.v - p.eye_v) - p.rim, p.pixel)
        bridge *= unit((abs(us - p.eye_u) - p.lens_width) / p.pixel)
        frame = max(inside(abs(lens) - p.rim, p.pixel), bridge)
        under = over(under, lit_by(p.rim_colour, p.light_colour), frame * seen)
    if p.hat_on > 0.0:
        under = _paint_hat(under, p, s)
    return under


@compiled
def _paint_hat(under: Colour, p: Parameters, s: Place) -> Colour:
    across = s.x - p.sin_yaw * 0.12
    half_width = p.face_width * 1.03 + 0.03
    tall = (1.17 + p.hat_line) * 0.5
    crown = box(across, s.y - p.hat_line + tall, half_width, tall, tall * p.hat_round)
    shade = 0.8 + across * p.light_x * 0.35 - rise(s.y, p.hat_line - 0.25, 0.3) * 0.25
    cloth = lit_by(p.hat_colour, p.light_colour)
    under = over(under, scaled(cloth, shade), inside(crown, p.pixel) * p.hat_on)
    brim = box(across, s.y - p.hat_line - 0.04, p.brim_width, 0.07, 0.06)
    return over(under, scaled(cloth, 0.55), inside(brim, p.pixel) * p.hat_on * p.brim_on)
