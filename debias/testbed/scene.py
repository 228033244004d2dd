"""What is behind a face: textures, gradients and clutter."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from debias.testbed.compiled import compiled
from debias.testbed.head import Parameters
from debias.testbed.shapes import Colour, box, inside, lit_by, over, scaled, zigzag

NUM_OBJECTS = 5
ATLAS_SIZE = 8
"""Width of the atlas in pictures."""
COARSE, FINE = (8, 16, 32), (64, 128, 256)
"""Cells across the atlas of each octave."""


@cache
def texture_atlas(size: int) -> NDArray[np.float32]:
    """Return textures to cut pictures' textures from, about 0 to 1.

    Args:
        size: height and width of a picture in pixels.

    Returns:
        An array of shape (height, width, layer), height and width :data:`ATLAS_SIZE` pictures:
        three layers of coarse clouds, then three of fine ones. It repeats without a seam.
    """
    side = ATLAS_SIZE * size
    layers = []
    for number, octaves in enumerate((COARSE, FINE)):
        layer = np.zeros((side, side, 3), dtype=np.float32)
        for cells in octaves:
            layer += _clouds(cells, side, seed=1000 * number + cells)
        layers.append(layer / np.float32(len(octaves)))
    spread = np.concatenate(layers, axis=-1)
    # Averages of octaves crowd around a half; give them back the spread of one.
    stretched: NDArray[np.float32] = (spread - np.float32(0.5)) * np.float32(1.7) + np.float32(0.5)
    return stretched.clip(0, 1)


def _clouds(cells: int, side: int, *, seed: int) -> NDArray[np.float32]:
    """Return smooth random colours that repeat after ``side`` pixels."""
    words = np.random.SFC64(seed).random_raw(-(-cells * cells * 3 // 8)).astype("<u8")
    grid = words.view(np.uint8)[: cells * cells * 3].reshape(cells, cells, 3)
    wrapped = np.pad(grid, ((2, 2), (2, 2), (0, 0)), mode="wrap")
    edge = 2
    smooth = Image.fromarray(wrapped).resize(
        (side, side), Image.Resampling.BICUBIC, box=(edge, edge, edge + cells, edge + cells)
    )
    return np.asarray(smooth, dtype=np.float32) / np.float32(255)


@compiled
def blended(p: Parameters, texture: NDArray[np.float32]) -> Colour:
    """Return the texture of a pixel of the scene, from the layers (layer,) of the atlas."""
    rough, smooth = p.scene_roughness, 1.0 - p.scene_roughness
    red = texture[0] * smooth + texture[3] * rough
    green = texture[1] * smooth + texture[4] * rough
    blue = texture[2] * smooth + texture[5] * rough
    # Textures differ more in lightness than in hue.
    return (red, red * 0.7 + green * 0.3, red * 0.7 + blue * 0.3)


@compiled
def paint_scene(p: Parameters, x: float, y: float, texture: Colour) -> Colour:
    """Return the light that a pixel gets from what is behind.

    Args:
        p: the picture's parameters.
        x: the pixel's centre, -1 the left edge, 1 the right.
        y: -1 the top, 1 the bottom.
        texture: about 0 to 1.
    """
    along = x * p.scene_cos + y * p.scene_sin
    ground = scaled(
        (p.scene_colour[0], p.scene_colour[1], p.scene_colour[2]), 1.0 + along * p.scene_gradient
    )
    depth = 2.0 * p.scene_contrast
    light = lit_by(
        ground,
        (
            1.0 + (texture[0] - 0.5) * depth,
            1.0 + (texture[1] - 0.5) * depth,
            1.0 + (texture[2] - 0.5) * depth,
        ),
    )
    if p.stripes > 0.0:
        wave = zigzag(along * p.stripe_density + texture[1] * p.stripe_warp)
        light = scaled(light, 1.0 - min(max(wave * 4.0 - 1.5, 0.0), 1.0) * p.stripes)
    for k in range(NUM_OBJECTS):
        if p.object_on[k] > 0.0:
            light = paint_object(light, p, k, x, y, texture[0])
    return light


@compiled
def paint_object(
    under: Colour, p: Parameters, k: int, x: float, y: float, texture: float
) -> Colour:
    """Return the light that a pixel gets from object ``k`` of a scene and what is behind it."""
    dx, dy = x - p.object_x[k], y - p.object_y[k]
    w, h = p.object_w[k], p.object_h[k]
    if dx * dx + dy * dy > (w + h + p.frame_pixel) ** 2:
        return under
    across = dx * p.object_cos[k] + dy * p.object_sin[k]
    down = dy * p.object_cos[k] - dx * p.object_sin[k]
    edge = box(across, down, w, h, min(w, h) * p.object_round[k])
    cover = inside(edge, p.frame_pixel) * p.object_on[k]
    if cover <= 0.0:
        return under
    bevel = 1.0 + 0.3 * (down / h * p.light_y + across / w * p.light_x)
    colour = p.object_colour[k]
    tinted = scaled((colour[0], colour[1], colour[2]), bevel * (0.7 + 0.6 * texture))
    return over(under, tinted, cover)
