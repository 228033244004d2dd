"""Heads in a scene, with what they wear and the bodies below them, and where they lie; compiled."""

from __future__ import annotations

import math
from typing import NamedTuple

from debias.testbed.attire import LENGTH, SHOULDERS, paint_figure
from debias.testbed.canvas import (
    BLACK,
    WHITE,
    Atlas,
    Canvas,
    Frame,
    Offset,
    Owners,
    colour_at,
    place,
    put,
    span,
)
from debias.testbed.compiled import compiled
from debias.testbed.head import Parameters, place_on_head
from debias.testbed.person import Grain, paint_person
from debias.testbed.scene import ATLAS_SIZE
from debias.testbed.shapes import Colour

HEAD_REACH = 1.75
"""Of a head, its hair and its hat from the middle of the head, in half heights of the head."""
BODY_REACH = 3.6
"""Of the shoulders from the same."""
HALF_BODY = 2.2
"""Of a body from its middle line, in the same unit."""
SURFACE_REACH = 1.2
"""Of the surface of a head from its middle, in the same unit."""


class Extent(NamedTuple):
    """Where the surface of a head lies, in whole pixels; it may lie outside of the picture.

    Attributes:
        left: the first column.
        top: the first row.
        right: the column after the last.
        bottom: the row after the last.
        num_pixels: how many pixels it covers.
    """

    left: int
    top: int
    right: int
    bottom: int
    num_pixels: int


@compiled
def paint_head(
    canvas: Canvas, owners: Owners, p: Parameters, atlas: Atlas, offset: Offset, frame: Frame
) -> None:
    """Paint a head, what it wears, and the body below it, also outside of its frame.

    Args:
        canvas: see :mod:`debias.testbed.canvas`; changed.
        owners: see the same; changed.
        p: the layer's parameters.
        atlas: textures, which grow with the frame.
        offset: where they begin.
        frame: of the layer.
    """
    zoom = atlas.shape[0] / ATLAS_SIZE / frame.size
    length, centre, middle = _middle(p, frame)
    aside = (SHOULDERS + HALF_BODY) * length + 2.0
    low = (SHOULDERS + LENGTH) * length + 1.0
    top, bottom = span(middle, BODY_REACH * length + 2.0, low, owners.shape[0])
    left, right = span(centre, aside, aside, owners.shape[1])
    for row in range(top, bottom):
        y = place(row, frame.top, frame.size)
        down = (row + 0.5 - frame.top) * zoom - 0.5
        for column in range(left, right):
            x = place(column, frame.left, frame.size)
            is_near, is_low = _reach(p, x, y)
            if not (is_near or is_low):
                continue
            across = (column + 0.5 - frame.left) * zoom - 0.5
            grain = _grain(atlas, offset, down, across)
            light = _person(colour_at(canvas, row, column), p, x, y, grain, is_near, is_low)
            put(canvas, row, column, light)
            if owners[row, column] > 0:
                white = _person(WHITE, p, x, y, grain, is_near, is_low)
                black = _person(BLACK, p, x, y, grain, is_near, is_low)
                if white[0] - black[0] < 0.5:
                    owners[row, column] = 0


@compiled
def _middle(p: Parameters, frame: Frame) -> tuple[float, float, float]:
    """Return half the height of a head, and the column and the row of its middle, in pixels."""
    half = frame.size * 0.5
    column, row = frame.left + (1.0 + p.shift_x) * half, frame.top + (1.0 + p.shift_y) * half
    return p.scale * half, column, row


@compiled
def _reach(p: Parameters, x: float, y: float) -> tuple[bool, bool]:
    """Return whether a pixel may show a person down to the shoulders, and the body below them."""
    across, down = (x - p.shift_x) / p.scale, (y - p.shift_y) / p.scale
    aside = abs(across * p.cos_roll + down * p.sin_roll) - 2.0 * p.pixel
    low = down * p.cos_roll - across * p.sin_roll
    is_near = aside < (HEAD_REACH if low < 1.2 else HALF_BODY)
    is_near = is_near and -HEAD_REACH < low < BODY_REACH + p.pixel
    beside = abs(across + SHOULDERS * p.sin_roll) < HALF_BODY + p.pixel
    return is_near, bool(p.body_on > 0.0 and beside and down > SHOULDERS * p.cos_roll - 0.5)


@compiled
def _person(
    behind: Colour, p: Parameters, x: float, y: float, grain: Grain, is_near: bool, is_low: bool
) -> Colour:
    """Return what a pixel shows of a person: the body, then all from the shoulders up."""
    light = behind
    if is_low:
        light = paint_figure(light, p, place_on_head(p, x, y), grain.strand)
    if is_near:
        light = paint_person(light, p, x, y, grain)
    return light


@compiled
def _grain(atlas: Atlas, offset: Offset, down: float, across: float) -> Grain:
    """Return the textures of a person at a place in cells of the atlas."""
    return Grain(
        _between(atlas, 3, offset[0] + down / 8.0, offset[1] + across),
        _between(atlas, 4, offset[0] + down, offset[1] + across),
        _between(atlas, 5, offset[0] + down, offset[1] + across),
    )


@compiled
def _between(atlas: Atlas, layer: int, down: float, across: float) -> float:
    """Return a texture between four cells."""
    side = atlas.shape[0]
    row, column = math.floor(down), math.floor(across)
    low, right = down - row, across - column
    row, column = row % side, column % side
    below, beside = (row + 1) % side, (column + 1) % side
    top = atlas[row, column, layer] * (1.0 - right) + atlas[row, beside, layer] * right
    bottom = atlas[below, column, layer] * (1.0 - right) + atlas[below, beside, layer] * right
    return float(top + (bottom - top) * low)


@compiled
def own_surface(owners: Owners, number: int, p: Parameters, frame: Frame) -> Extent:
    """Give a head its pixels, and return where they lie, those outside of the picture included.

    The surface of a head is what lies within the outline of skull and face, from the crown to the
    chin: the pixels whose middle does. Hair and hats that stand off, ears and neck are not of it;
    what grows or is worn on it is.

    Args:
        owners: see :mod:`debias.testbed.canvas`; changed.
        number: of the head, from 1.
        p: the layer's parameters.
        frame: of the layer.
    """
    length, centre, middle = _middle(p, frame)
    reach = SURFACE_REACH * length + 1.0
    num_rows, num_columns = owners.shape
    left, top, right, bottom, count = 1 << 40, 1 << 40, -(1 << 40), -(1 << 40), 0
    for row in range(math.floor(middle - reach), math.ceil(middle + reach)):
        y = place(row, frame.top, frame.size)
        for column in range(math.floor(centre - reach), math.ceil(centre + reach)):
            x = place(column, frame.left, frame.size)
            if place_on_head(p, x, y).cover <= 0.5:
                continue
            left, right = min(left, column), max(right, column + 1)
            top, bottom = min(top, row), max(bottom, row + 1)
            count += 1
            if 0 <= row < num_rows and 0 <= column < num_columns:
                owners[row, column] = number
    return Extent(left, top, right, bottom, count)
