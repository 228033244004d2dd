"""What is behind the heads of a scene and in front of them: boxes, objects, hands; compiled.

Each function changes a canvas and its owners; see :mod:`debias.testbed.canvas`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

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
from debias.testbed.head import Parameters
from debias.testbed.scene import NUM_OBJECTS, blended, paint_object, paint_scene
from debias.testbed.shapes import box, inside, lit_by, over, scaled, unit

HAND_REACH = 3.0
"""Of a hand and its arm from the middle of its frame, in half frames."""


class Shape(NamedTuple):
    """A box with round corners in the middle of a frame, turned clockwise.

    Attributes:
        half_width: in half frames.
        half_height: in half frames.
        radius: of the corners, in half frames.
        cos: of the angle.
        sin: of the angle.
    """

    half_width: float
    half_height: float
    radius: float
    cos: float
    sin: float


@compiled
def paint_panel(
    canvas: Canvas,
    owners: Owners,
    p: Parameters,
    atlas: Atlas,
    offset: Offset,
    frame: Frame,
    shape: Shape,
) -> None:
    """Fill a box with a scene of its own: ground, stripes and objects.

    Args:
        canvas: changed.
        owners: changed.
        p: the layer's parameters.
        atlas: textures, a cell a pixel.
        offset: where they begin.
        frame: of the layer.
        shape: the box.
    """
    side, half = atlas.shape[0], frame.size * 0.5
    far = math.sqrt(shape.half_width**2 + shape.half_height**2) * half + 1.0
    top, bottom = span(frame.top + half, far, far, owners.shape[0])
    left, right = span(frame.left + half, far, far, owners.shape[1])
    for row in range(top, bottom):
        y = place(row, frame.top, frame.size)
        for column in range(left, right):
            x = place(column, frame.left, frame.size)
            across, down = x * shape.cos + y * shape.sin, y * shape.cos - x * shape.sin
            edge = box(across, down, shape.half_width, shape.half_height, shape.radius)
            cover = inside(edge, p.frame_pixel)
            if cover <= 0.0:
                continue
            texture = atlas[(offset[0] + row) % side, (offset[1] + column) % side]
            light = paint_scene(p, x, y, blended(p, texture))
            put(canvas, row, column, over(colour_at(canvas, row, column), light, cover))
            if cover > 0.5:
                owners[row, column] = 0


@compiled
def paint_things(
    canvas: Canvas, owners: Owners, p: Parameters, atlas: Atlas, offset: Offset, frame: Frame
) -> None:
    """Paint the objects of a scene without its ground; see :func:`paint_panel`."""
    side, half = atlas.shape[0], frame.size * 0.5
    for k in range(NUM_OBJECTS):
        if p.object_on[k] <= 0.0:
            continue
        far = (p.object_w[k] + p.object_h[k]) * half + 1.0
        middle = frame.top + (1.0 + p.object_y[k]) * half
        top, bottom = span(middle, far, far, owners.shape[0])
        middle = frame.left + (1.0 + p.object_x[k]) * half
        left, right = span(middle, far, far, owners.shape[1])
        for row in range(top, bottom):
            y = place(row, frame.top, frame.size)
            for column in range(left, right):
                x = place(column, frame.left, frame.size)
                cells = atlas[(offset[0] + row) % side, (offset[1] + column) % side]
                texture = blended(p, cells)[0]
                behind = colour_at(canvas, row, column)
                put(canvas, row, column, paint_object(behind, p, k, x, y, texture))
                if owners[row, column] > 0:
                    white = paint_object(WHITE, p, k, x, y, texture)
                    if white[0] - paint_object(BLACK, p, k, x, y, texture)[0] < 0.5:
                        owners[row, column] = 0


@compiled
def paint_hand(
    canvas: Canvas, owners: Owners, p: Parameters, frame: Frame, cos: float, sin: float
) -> None:
    """Paint a hand and its arm; see :func:`paint_panel`.

    Args:
        canvas: changed.
        owners: changed.
        p: the parameters of whose hand it is.
        frame: of the layer.
        cos: of the angle by which it is turned clockwise; at 0 the fingers point up.
        sin: of the same.
    """
    half = frame.size * 0.5
    far = HAND_REACH * half + 1.0
    top, bottom = span(frame.top + half, far, far, owners.shape[0])
    left, right = span(frame.left + half, far, far, owners.shape[1])
    skin = lit_by(p.skin_colour, p.light_colour)
    for row in range(top, bottom):
        y = place(row, frame.top, frame.size)
        for column in range(left, right):
            x = place(column, frame.left, frame.size)
            edge = _edge_of_hand(x * cos + y * sin, y * cos - x * sin)
            cover = inside(edge, p.frame_pixel)
            if cover <= 0.0:
                continue
            light = scaled(skin, 0.55 + 0.35 * unit(-edge * 8.0))
            put(canvas, row, column, over(colour_at(canvas, row, column), light, cover))
            if cover > 0.5:
                owners[row, column] = 0


@compiled
def _edge_of_hand(x: float, y: float) -> float:
    """Return the signed distance to a hand: negative inside."""
    edge = min(box(x, y - 0.35, 0.5, 0.42, 0.2), box(x, y - 1.7, 0.3, 1.2, 0.1))
    for finger in range(4):
        middle = (finger - 1.5) * 0.26
        edge = min(edge, box(x - middle, y + 0.3 - middle * middle, 0.105, 0.5, 0.1))
    # The thumb stands off by 45 degrees.
    along, beside = (x - y - 0.4) * 0.7071, (x + y - 0.8) * 0.7071
    return min(edge, box(along, beside, 0.42, 0.11, 0.1))
