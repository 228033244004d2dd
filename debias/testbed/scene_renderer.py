"""From layers to pictures with boxes, the same whatever the batch, the order or the process."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.pool import in_order, num_cores
from debias.errors import ConfigError, DataError, nearest
from debias.testbed.canvas import Canvas, Frame, Owners, encode
from debias.testbed.clutter import Shape, paint_hand, paint_panel, paint_things
from debias.testbed.colour import encoding_table
from debias.testbed.factors import check_factors
from debias.testbed.renderer import Drawn, build_tables, read_factors
from debias.testbed.scene import texture_atlas
from debias.testbed.scene_heads import Extent, own_surface, paint_head
from debias.testbed.scene_layers import HEADS, LAYER_KINDS, PLACES
from debias.testbed.scenes import Scenes

CHUNK = 8
ATLAS_SIZES = (16, 32, 64, 128)
"""Of the pictures that the textures of heads are made for: a head takes the largest of these that
is not larger than its frame."""
HEIGHTS = (4.0, 16384.0)
"""Least and most height of a head, and of the frame of any other layer, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RenderedScene:
    """A picture and where its faces are, in the order of its layers: from the farthest on.

    Attributes:
        file: a JPEG file.
        boxes: x, y, width and height in whole pixels of the smallest box around a face's surface,
            as if nothing were in front, cut off at the picture's edges; (face, 4).
        visible: the share of each face's surface that is seen, what lies outside of the picture
            and what is hidden counted as not seen; (face,).
    """

    file: bytes
    boxes: NDArray[np.int64]
    visible: NDArray[np.float64]


class _Part(NamedTuple):
    """A few pictures: their widths and heights, how many layers each has, and these."""

    sizes: NDArray[np.int64]
    num_layers: NDArray[np.int64]
    layers: pd.DataFrame


def render_scenes(scenes: Scenes, *, num_workers: int | None = None) -> Iterator[RenderedScene]:
    """Return the pictures of scenes, one by one.

    Args:
        scenes: see :func:`~debias.testbed.scenes.draw_scenes`.
        num_workers: threads; None uses all cores.

    Raises:
        DataError: layers are not those of the pictures in their order, a kind of layer is not
            known, a factor or frame is out of its range, or a face lies outside of its picture.
        ConfigError: there is no thread to work.
    """
    num_layers = _check_layers(scenes)
    num_threads = num_cores() if num_workers is None else num_workers
    if num_threads < 1:
        raise ConfigError(f"num_workers is {num_workers}", hint="At least one thread must draw")
    if len(num_layers):
        build_tables(*ATLAS_SIZES)
    parts = in_order(_render, _parts(scenes, num_layers), num_threads)
    return (picture for part in parts for picture in part)


def _check_layers(scenes: Scenes) -> NDArray[np.int64]:
    """Refuse what cannot be drawn, and return how many layers each picture has."""
    layers = scenes.layers
    check_factors(layers)
    strange = layers.loc[~layers["kind"].isin(LAYER_KINDS), "kind"]
    if len(strange):
        raise DataError(
            f"no kind of layer is {strange.iloc[0]!r}", hint=nearest(strange.iloc[0], LAYER_KINDS)
        )
    numbers = {name: number for number, name in enumerate(scenes.pictures["image_id"])}
    order = np.array([numbers.get(name, -1) for name in layers["image_id"]], dtype=np.int64)
    num_layers = np.bincount(np.maximum(order, 0), minlength=len(scenes.pictures))
    is_whole = scenes.pictures["image_id"].is_unique and bool(num_layers.all())
    if not is_whole or (order < 0).any() or (np.diff(order) < 0).any():
        raise DataError(
            "the layers are not those of the pictures in their order",
            hint="Each picture must have layers, from the farthest to the nearest",
        )
    for name in PLACES:
        if not np.isfinite(layers[name].to_numpy(np.float64)).all():
            raise DataError(f"the {name} of a layer is no number")
    is_head = layers["kind"].isin(HEADS).to_numpy()
    heights = layers["frame_size"].to_numpy() * np.where(is_head, layers["scale"], 1.0)
    wrong = np.flatnonzero((heights < HEIGHTS[0]) | (heights > HEIGHTS[1]))
    if len(wrong):
        first = int(wrong[0])
        raise DataError(
            f"layer {first} ({layers['kind'].iloc[first]}) is {heights[first]:g} pixels high",
            hint=f"It may have {HEIGHTS[0]:g} to {HEIGHTS[1]:g}",
        )
    return num_layers


def _parts(scenes: Scenes, num_layers: NDArray[np.int64]) -> Iterator[_Part]:
    sizes = scenes.pictures[["width", "height"]].to_numpy(np.int64)
    ends = np.cumsum(num_layers)
    for start in range(0, len(sizes), CHUNK):
        stop = min(start + CHUNK, len(sizes))
        rows = slice(ends[start] - num_layers[start], ends[stop - 1])
        yield _Part(sizes[start:stop], num_layers[start:stop], scenes.layers.iloc[rows])


def _render(part: _Part) -> list[RenderedScene]:
    drawn = read_factors(part.layers, part.layers["frame_size"].to_numpy(np.float64))
    kinds = part.layers["kind"].tolist()
    places = part.layers[list(PLACES)].to_numpy(np.float64)
    scenes, start = [], 0
    for size, count in zip(part.sizes.tolist(), part.num_layers.tolist(), strict=True):
        scenes.append(_render_one(size, drawn, kinds, places, range(start, start + count)))
        start += count
    return scenes


def _render_one(
    size: list[int], drawn: Drawn, kinds: list[str], places: NDArray[np.float64], rows: range
) -> RenderedScene:
    """Return the picture of some layers; its camera is that of the first."""
    width, height = size
    canvas = np.zeros((height, width, 3))
    owners = np.zeros((height, width), dtype=np.int64)
    extents = {}
    for k in rows:
        extent = _paint(canvas, owners, drawn, k, kinds[k], places[k])
        if extent is not None and kinds[k] == "face":
            extents[k + 1] = extent
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    encode(canvas, encoding_table(), pixels)
    num_seen = np.bincount(owners.ravel(), minlength=rows.stop + 1)
    visible = [num_seen[number] / extent.num_pixels for number, extent in extents.items()]
    boxes = [_box(extent, width, height) for extent in extents.values()]
    return RenderedScene(
        file=drawn.take(rows.start, pixels),
        boxes=np.array(boxes, dtype=np.int64).reshape(-1, 4),
        visible=np.array(visible, dtype=np.float64),
    )


def _box(extent: Extent, width: int, height: int) -> tuple[int, int, int, int]:
    """Return x, y, width and height of what lies within a picture.

    Raises:
        DataError: nothing does.
    """
    left, top = max(extent.left, 0), max(extent.top, 0)
    right, bottom = min(extent.right, width), min(extent.bottom, height)
    if left >= right or top >= bottom:
        raise DataError("a face lies outside of its picture")
    return left, top, right - left, bottom - top


def _paint(
    canvas: Canvas, owners: Owners, drawn: Drawn, k: int, kind: str, place: NDArray[np.float64]
) -> Extent | None:
    """Paint a layer, and return where the surface of a head lies; k + 1 owns it then."""
    p = drawn.records[k]
    frame = Frame(*place[:3].tolist())
    offset = (int(drawn.offsets[k, 0]), int(drawn.offsets[k, 1]))
    half_width, half_height, roundness, turn = place[3:].tolist()
    cos, sin = _direction(turn)
    if kind in HEADS:
        paint_head(canvas, owners, p, _atlas_for(frame), offset, frame)
        return own_surface(owners, k + 1, p, frame)
    if kind == "hand":
        paint_hand(canvas, owners, p, frame, cos, sin)
    elif kind == "objects":
        paint_things(canvas, owners, p, texture_atlas(ATLAS_SIZES[-1]), offset, frame)
    else:
        radius = roundness * min(half_width, half_height)
        shape = Shape(half_width, half_height, radius, cos, sin)
        paint_panel(canvas, owners, p, texture_atlas(ATLAS_SIZES[-1]), offset, frame, shape)
    return None


def _atlas_for(frame: Frame) -> NDArray[np.float32]:
    """Return the textures of a head; larger heads than they are made for have them enlarged."""
    fitting = [size for size in ATLAS_SIZES if size <= frame.size]
    return texture_atlas(fitting[-1] if fitting else ATLAS_SIZES[0])


def _direction(degrees: float) -> tuple[float, float]:
    """Return cosine and sine in single precision, which hides how machines differ."""
    angle = math.radians(degrees)
    return float(np.float32(math.cos(angle))), float(np.float32(math.sin(angle)))
