"""Scenes put together by hand, and what must be seen in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from testbed.drawing import Bytes, Mask, plain_factors

from debias.testbed.camera import develop
from debias.testbed.scene_layers import COLUMNS, HEADS
from debias.testbed.scene_renderer import RenderedScene, render_scenes
from debias.testbed.scenes import Scenes

Size = tuple[int, int]
"""Width and height of a picture."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer: of what kind, its frame (left, top, size), and its factors, a table of one row."""

    kind: str
    frame: tuple[float, float, float]
    factors: pd.DataFrame
    half_width: float = 1.0
    half_height: float = 1.0
    roundness: float = 0.0
    turn: float = 0.0


def head(x: float, y: float, height: float, **changes: object) -> Layer:
    """Return a plain bald face without a body, by its middle and its height in pixels."""
    factors = plain_factors(1, **({"body": 0} | changes))
    size = height / float(factors["scale"].iloc[0])
    left, top = (
        middle - (1 + float(factors[name].iloc[0])) * size / 2
        for middle, name in ((x, "shift_x"), (y, "shift_y"))
    )
    return Layer(kind="face", frame=(left, top, size), factors=factors)


def ground(size: Size, *, light: float = 0.3) -> Layer:
    """Return a ground of one colour."""
    plain = {"scene_contrast": 0, "scene_saturation": 0, "scene_light": light, "head": 0}
    frame = (0.0, 0.0, float(max(size)))
    factors = plain_factors(1, **plain)
    return Layer(kind="ground", frame=frame, factors=factors, half_width=2.0, half_height=2.0)


def bar(left: float, top: float, width: float, height: float) -> Layer:
    """Return a box of one colour, by its edges in pixels."""
    size = max(width, height)
    x, y = left + width / 2 - size / 2, top + height / 2 - size / 2
    factors = plain_factors(1, scene_contrast=0, head=0)
    halves = (width / size, height / size)
    return Layer(
        kind="bar", frame=(x, y, size), factors=factors, half_width=halves[0], half_height=halves[1]
    )


def scenes_of(size: Size, *stacks: Iterable[Layer]) -> Scenes:
    """Return a picture for each stack of layers, from the farthest to the nearest."""
    names = [f"picture-{number}" for number in range(len(stacks))]
    parts = []
    for name, stack in zip(names, stacks, strict=True):
        for place, layer in enumerate(stack):
            row = layer.factors.assign(
                **dict(zip(("frame_x", "frame_y", "frame_size"), layer.frame, strict=True)),
                **{key: getattr(layer, key) for key in ("half_width", "half_height")},
                **{key: getattr(layer, key) for key in ("roundness", "turn")},
                image_id=name,
                kind=layer.kind,
                face_id=f"{name}-{place}" if layer.kind == "face" else None,
                gender="female" if layer.kind in HEADS else None,
            )
            parts.append(row[list(COLUMNS)])
    pictures = pd.DataFrame({"image_id": names, "split": "test"})
    pictures[["width", "height"]] = size
    return Scenes(pictures=pictures, layers=pd.concat(parts, ignore_index=True))


def rendered(size: Size, *stacks: Iterable[Layer]) -> list[RenderedScene]:
    """Return the pictures of stacks of layers."""
    return list(render_scenes(scenes_of(size, *stacks), num_workers=1))


def pixels_of(size: Size, *stacks: Iterable[Layer]) -> Bytes:
    """Return the pixels of stacks of layers, (picture, height, width, channel)."""
    return np.stack([develop(scene.file) for scene in rendered(size, *stacks)])


def hides(size: Size, layer: Layer) -> Mask:
    """Return where a layer lets less than half of the light behind it through, (height, width).

    It is painted before black and before white, and what differs is what comes through.
    """
    black, white = pixels_of(
        size, [ground(size, light=0.0), layer], [ground(size, light=1.0), layer]
    )
    light = [np.where(seen <= 0.04045, seen / 12.92, ((seen + 0.055) / 1.055) ** 2.4)
             for seen in (black / 255, white / 255)]  # fmt: skip
    hidden: Mask = (light[1] - light[0])[..., 0] < 0.5
    return hidden
