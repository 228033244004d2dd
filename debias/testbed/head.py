"""A head: an ellipsoid whose features lie on its surface and turn with it, under a light.

Compiled functions of one pixel. ``p`` is a row of :func:`debias.testbed.appearance.parameters`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

from debias.testbed.compiled import compiled
from debias.testbed.shapes import (
    Colour,
    blob,
    disc,
    inside,
    over,
    rise,
    scaled,
    unit,
    zigzag,
)

Parameters: TypeAlias = Any


class Place(NamedTuple):
    """Where a pixel meets the head; lengths are in half heights of the head.

    Attributes:
        x: to the right of the head's centre, upright with the head.
        y: below it.
        nx: the surface's direction, to the right; means nothing outside of the head.
        ny: downwards.
        nz: towards the camera.
        u: place on the head whatever its pose: -1 its right side, 1 its left.
        v: -1 the crown, 1 the chin.
        front: 1 on the side of the face, 0 on the back of the head.
        cover: how much of the pixel the head covers.
        nose_u: from the middle of the nose, which stands out and so moves when the head turns.
    """

    x: float
    y: float
    nx: float
    ny: float
    nz: float
    u: float
    v: float
    front: float
    cover: float
    nose_u: float


@compiled
def place_on_head(p: Parameters, x: float, y: float) -> Place:
    """Return where a pixel meets the head.

    Args:
        p: the picture's parameters.
        x: the pixel's centre, -1 the left edge of the picture, 1 the right.
        y: -1 the top, 1 the bottom.
    """
    across, down = (x - p.shift_x) / p.scale, (y - p.shift_y) / p.scale
    x = across * p.cos_roll + down * p.sin_roll
    y = down * p.cos_roll - across * p.sin_roll
    low = unit(y)
    taper = 1.0 + low * (1.0 - low) * p.jaw_squareness - low * low * p.jaw_taper
    nx = x / (taper * p.face_width)
    far = nx * nx + y * y
    nz = math.sqrt(max(1.0 - far, 0.0))
    turned = nx * p.sin_yaw + nz * p.cos_yaw
    u = nx * p.cos_yaw - nz * p.sin_yaw
    v = y * p.cos_pitch - turned * p.sin_pitch
    front = unit((y * p.sin_pitch + turned * p.cos_pitch) * 4.0)
    cover = inside((math.sqrt(far) - 1.0) * p.face_width, p.pixel)
    return Place(x, y, nx, y, nz, u, v, front, cover, u - p.nose_lean * unit(v / p.nose_v))


@compiled
def brightness(p: Parameters, s: Place) -> float:
    """Return how bright the surface is: 1 where a frontal light meets it squarely."""
    facing = s.nx * p.light_x + s.ny * p.light_y + s.nz * p.light_z
    # The nose is a ridge: one flank faces a light from the side, the other turns away.
    across = s.nose_u / p.nose_width
    if abs(across) < 1.0:
        length = rise(s.v, p.eye_v - 0.12, 0.25) * unit((p.nose_v - s.v) * 8.0 + 1.0)
        facing += (1.0 - across * across) * across * length * p.light_x * p.nose_on * 0.9
    shadow = 1.0 - p.shadow * rise(s.nx * p.shadow_cos + s.ny * p.shadow_sin, p.shadow_place, 0.15)
    beside = blob((s.nose_u + p.light_x * 0.22) / 0.16, (s.v - p.nose_v + 0.02) / 0.2)
    shadow *= 1.0 - beside * p.nose_on * unit(abs(p.light_x) * 1.2) * 0.6
    return float(p.ambient + (1.0 - p.ambient) * unit((facing + 0.2) / 1.2) * shadow)


@compiled
def relief(p: Parameters, s: Place) -> float:
    """Return what hollows and edges do to the brightness: 1 on smooth skin."""
    us = abs(s.u)
    below_nose = s.v - p.nose_v
    dark = p.eyes_on * (
        p.socket * blob((us - p.eye_u) / (p.eye_width * 1.7), (s.v - p.eye_v + 0.03) / 0.2)
        + 0.22 * blob((us - p.eye_u + 0.22) / 0.14, (s.v - p.eye_v) / 0.16)
    )
    wings = (abs(s.nose_u) - p.nose_width * 0.55) / 0.055
    dark += p.nose_on * (
        0.75 * disc(wings, (below_nose - 0.01) / 0.038, 0.7)
        + (0.28 + 0.3 * max(-p.light_y, 0.0))
        * blob(s.nose_u / (p.nose_width * 1.5), (below_nose - 0.05) / 0.075)
    )
    under_lip = (s.v - p.mouth_v - p.lip_height * 2.0 - 0.04) / 0.07
    dark += 0.25 * p.mouth_on * blob(s.u / p.mouth_width, under_lip)
    crease = blob((us - 0.16 - below_nose * 0.75) / 0.07, (below_nose - 0.13) / 0.2)
    dark += crease * max(p.smile, 0.0) * p.mouth_on * 0.2
    if p.wrinkles > 0.0:
        bag = blob((us - p.eye_u) / 0.24, (s.v - p.eye_v - 0.17) / 0.055)
        lines = max(zigzag(s.v * 11.0) - 0.55, 0.0) * blob(s.u / 0.6, (s.v + 0.38) / 0.22)
        dark += (0.4 * crease + 0.25 * bag + 0.5 * lines) * p.wrinkles * p.eyes_on
    ridge = blob(s.nose_u / (p.nose_width * 0.45), (below_nose + 0.18) / 0.3)
    cheek = blob((us - 0.47) / 0.25, (s.v - 0.32) / 0.22)
    bright = p.nose_on * (0.16 * ridge + 0.07 * cheek)
    return float((1.0 - unit(dark) * s.front * 0.85) * (1.0 + bright * s.front))


@compiled
def paint_features(skin: Colour, p: Parameters, s: Place) -> Colour:
    """Return the reflectance of the skin with lips, beard, brows and eyes on it."""
    if s.front <= 0.0:
        return skin
    if p.mouth_on > 0.0:
        skin = _paint_mouth(skin, p, s)
    if p.beard + p.moustache > 0.0:
        skin = _paint_beard(skin, p, s)
    if p.brows_on > 0.0:
        arch = (abs(s.u) - p.eye_u) / 0.26
        height = s.v - p.brow_v + (1.0 - arch * arch) * p.brow_arch
        brow = disc(arch, height / p.brow_thickness, p.softness / p.brow_thickness)
        skin = over(skin, p.brow_colour, brow * p.brows_on * s.front)
    if p.eyes_on > 0.0:
        skin = _paint_eyes(skin, p, s)
    if p.snout > 0.0:
        skin = _paint_snout(skin, p, s)
    return skin


@compiled
def _paint_snout(skin: Colour, p: Parameters, s: Place) -> Colour:
    muzzle = disc(s.nose_u / 0.42, (s.v - p.nose_v - 0.1) / 0.3, 0.3) * s.front * p.snout
    skin = over(skin, p.muzzle_colour, muzzle * 0.7)
    nose = disc(s.nose_u / 0.17, (s.v - p.nose_v + 0.06) / 0.11, 0.4) * s.front * p.snout
    return over(skin, p.pupil_colour, nose * p.nose_on)


@compiled
def _paint_mouth(skin: Colour, p: Parameters, s: Place) -> Colour:
    across = s.u / p.mouth_width
    narrow = 1.0 - across * across
    if narrow <= 0.0:
        return skin
    # The corners of a smiling mouth are up.
    below = s.v - p.mouth_v + across * across * p.smile * 0.07 - p.smile * 0.02
    gap = p.mouth_open * 0.09
    lips = disc(across, below / (p.lip_height * 1.5 + gap), p.softness / p.lip_height)
    lips *= p.mouth_on * s.front
    if lips <= 0.0:
        return skin
    skin = over(skin, p.lip_colour, lips * p.lips_visible)
    opening = inside(abs(below) - gap * narrow - 0.016, p.softness) * lips
    skin = over(skin, p.mouth_colour, opening * 0.85)
    teeth = inside(abs(below + gap * 0.35) - gap * 0.5 * narrow, p.softness)
    return over(skin, p.teeth_colour, teeth * opening * p.teeth)


@compiled
def _paint_beard(skin: Colour, p: Parameters, s: Place) -> Colour:
    us = abs(s.u)
    low = rise(s.v + us * us * 0.1, 0.5, 0.25) * rise(s.v + us * 0.75, 0.85, 0.2)
    lip = blob(s.u / (p.mouth_width * 1.25), (s.v - (p.mouth_v + p.nose_v) * 0.5) / 0.11)
    mouth = blob(s.u / p.mouth_width, (s.v - p.mouth_v) / (p.lip_height * 2.5 + 0.02))
    hair = unit(low * p.beard + lip * 2.0 * p.moustache) * unit(1.0 - mouth * 2.0)
    return over(skin, p.hair_colour, hair * s.front)


@compiled
def _paint_eyes(skin: Colour, p: Parameters, s: Place) -> Colour:
    us = abs(s.u)
    across = (us - p.eye_u) / p.eye_width
    if abs(across) > 1.6:
        return skin
    down = (s.v - p.eye_v + across * p.eye_tilt) / p.eye_height
    seen = p.eyes_on * s.front
    blur = p.softness / p.eye_height
    lid = disc(across * 0.85, (down + 0.35) * 0.62, blur * 0.6)
    skin = over(skin, p.lash_colour, lid * p.lash * seen)
    white = disc(across, down * (1.0 + across * across * 0.6), blur) * seen
    if white <= 0.0:
        return skin
    eye = over(skin, p.sclera_colour, white)
    middle = p.eye_u if s.u > 0.0 else -p.eye_u
    round_x = (s.u - middle - p.gaze) / p.iris_size
    round_y = (s.v - p.eye_v) / (p.iris_size * p.face_width * 1.1)
    edge = p.softness / p.iris_size
    eye = over(eye, p.iris_colour, disc(round_x, round_y, edge) * white)
    eye = over(eye, p.pupil_colour, disc(round_x * 2.0, round_y * 2.0, edge * 2.0) * white)
    spot = disc((round_x - 0.35) * 2.8, (round_y + 0.4) * 2.8, edge * 3.0)
    return over(eye, p.glint_colour, spot * white * p.glint)


@compiled
def gloss(p: Parameters, s: Place) -> float:
    """Return the light that shiny skin mirrors, by Blinn's half vector to the power of 16."""
    half = s.nx * p.light_x + s.ny * p.light_y + s.nz * (1.0 + p.light_z)
    half = max(half / p.half_length, 0.0)
    for _ in range(4):
        half *= half
    return float(half * p.shine * 0.06 * (1.0 - p.ambient) * s.front)


@compiled
def paint_mottling(p: Parameters, grain: float) -> Colour:
    """Return the bare skin's reflectance: nearly even, or like fur."""
    return scaled(
        (p.skin_colour[0], p.skin_colour[1], p.skin_colour[2]),
        1.0 + (grain - 0.5) * (0.06 + 0.5 * p.fur),
    )
