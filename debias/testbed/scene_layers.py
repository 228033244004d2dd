"""The layers of scenes: what is where, with the factors that each is drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.seeding import derive_seed, numpy_generator
from debias.testbed.factors import NAMES, SEED
from debias.testbed.population import (
    GENDERS,
    SKIN_TONES,
    Population,
    draw_faces,
    draw_non_faces,
)
from debias.testbed.scene_layout import Piece, lay_out

FACES_OF_SCENES = (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6)
"""How many faces each of 20 scenes shows, in any order: 42, 7 of each skin tone and gender."""
RATIOS = (9 / 16, 4 / 3)
"""Least and most height of a picture by its width, where the limits of its sides allow it."""
BLURS = (0.15, 0.9)
"""Least and most standard deviation of the lens blur, in pixels."""
HEAD_KINDS: Mapping[str, float] = {"blank": 0.38, "scrambled": 0.38, "animal": 0.24}
"""Shares of heads that are no faces; see :data:`~debias.testbed.non_faces.NON_FACE_KINDS`."""
HEADS = ("face", *HEAD_KINDS)
LAYER_KINDS = ("ground", "panel", "objects", *HEADS, "bar", "hand")
"""What a layer is: the ground, a box that shows another ground, objects, a head, or what is put in
front of one."""
PLACES = (
    *("frame_x", "frame_y", "frame_size"),
    *("half_width", "half_height", "roundness", "turn"),
)
"""Where a layer is: its frame's left and top edge and size in pixels; and of a box in the middle of
it half width and half height in half frames, how round its corners are, 0 to 1, and its angle in
degrees clockwise, which a hand has too."""
COLUMNS = ("image_id", "kind", "face_id", "gender", *PLACES, *NAMES, SEED)
_BEHIND = ("clutter", *(name for name in NAMES if name.startswith(("scene_", "stripe"))))
_OBJECTS, _PATTERNS = {"objects": 1.0}, {"objects": 0.6, "texture": 0.4}
_BACKGROUND = {
    "ground": _OBJECTS,
    "panel": _PATTERNS,
    "objects": _OBJECTS,
    "other": HEAD_KINDS,
    "bar": _PATTERNS,
}
_MOST_OF_A_KIND = 16


def draw_split(
    population: Population,
    split: str,
    count: int,
    *,
    sides: tuple[int, int],
    is_even: bool,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the pictures of a split and their layers; see :class:`~debias.testbed.scenes.Scenes`.

    Args:
        population: who is shown.
        split: its name.
        count: how many pictures.
        sides: least and most width and height in pixels.
        is_even: whether to show as many faces of each skin tone and gender, whatever the
            population's shares.
        seed: of the split.
    """
    sizes, places, blurs = [], [], []
    for number, num_faces in enumerate(_numbers_of_faces(count, seed)):
        random = numpy_generator(seed, "scene", number)
        size = _size(random, sides)
        sizes.append(size)
        blurs.append(100 * (BLURS[0] + (BLURS[1] - BLURS[0]) * random.random()) / size[0])
        places += [(number, *piece) for piece in lay_out(random, size, num_faces)]
    layout = pd.DataFrame(places, columns=["picture", *Piece._fields])
    ids = np.array([f"{split}-{number:05d}" for number in range(count)], dtype=object)
    pictures = pd.DataFrame({"image_id": ids, "split": split})
    pictures[["width", "height"]] = np.array(sizes, dtype=np.int64)
    layers = _factors(population, layout, is_even=is_even, seed=seed)
    own = ids[layout["picture"]]
    face_ids = own + "-face-" + layout["number"].astype(str).to_numpy(dtype=object)
    layers = layers.assign(
        image_id=own,
        face_id=pd.Series(face_ids).where(layout["kind"] == "face", None),
        kind=layers["kind"].where(layout["kind"] == "other", layout["kind"]),
    )
    _share(layers, layout["picture"].to_numpy(), np.array(blurs, dtype=np.float32))
    layers = layers.assign(**_frames(layout, layers))
    return pictures, layers[list(COLUMNS)]


def _numbers_of_faces(count: int, seed: int) -> NDArray[np.int64]:
    """Return how many faces each scene shows, (picture,)."""
    num_blocks = -(-count // len(FACES_OF_SCENES))
    return np.concatenate(
        [
            numpy_generator(seed, "faces", block).permutation(FACES_OF_SCENES)
            for block in range(num_blocks)
        ]
    )[:count]


def _size(random: np.random.Generator, sides: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of a picture."""
    low, high = sides
    width = round(low * (high / low) ** random.random())
    ratio = RATIOS[0] * (RATIOS[1] / RATIOS[0]) ** random.random()
    return width, min(max(round(width * ratio), low), high)


def _factors(
    population: Population, layout: pd.DataFrame, *, is_even: bool, seed: int
) -> pd.DataFrame:
    """Return the factors of each layer of the layout, with ``gender`` and ``kind``."""
    kinds = layout["kind"].to_numpy()
    numbers = layout["picture"].to_numpy() * _MOST_OF_A_KIND + layout["number"].to_numpy()
    parts = []
    for kind, shares in _BACKGROUND.items():
        rows = np.flatnonzero(kinds == kind)
        drawn = draw_non_faces(numbers[rows].tolist(), seed=derive_seed(seed, kind), kinds=shares)
        parts.append(drawn.assign(gender=None).set_axis(rows))
    rows = np.flatnonzero(kinds == "face")
    if is_even:
        parts += _even_faces(population, rows, numbers[rows], seed)
    else:
        drawn = draw_faces(population, numbers[rows].tolist(), seed=seed)
        parts.append(drawn.set_axis(rows))
    factors = pd.concat(parts)
    hands = np.flatnonzero(kinds == "hand")
    whose = factors.loc[hands - 1]
    return pd.concat([factors, whose.assign(gender=None).set_axis(hands)]).sort_index()


def _even_faces(
    population: Population, rows: NDArray[np.intp], numbers: NDArray[np.int64], seed: int
) -> list[pd.DataFrame]:
    """Return the factors of faces, a part for each skin tone and gender, of rows of the layout.

    As many of each in every whole block of scenes, so that none depends on scenes of other blocks.
    """
    groups = list(product(SKIN_TONES, GENDERS))
    blocks = numbers // (_MOST_OF_A_KIND * len(FACES_OF_SCENES))
    group_of = np.empty(len(rows), dtype=np.int64)
    for block in np.unique(blocks):
        ours = np.flatnonzero(blocks == block)
        order = numpy_generator(seed, "groups", int(block)).permutation(sum(FACES_OF_SCENES))
        group_of[ours] = order[: len(ours)] % len(groups)
    parts = []
    for number, (tone, gender) in enumerate(groups):
        who = replace(population, skin_tones={tone: 1.0}, female=float(gender == "female"))
        ours = np.flatnonzero(group_of == number)
        drawn = draw_faces(who, numbers[ours].tolist(), seed=derive_seed(seed, tone, gender))
        parts.append(drawn.set_axis(rows[ours]))
    return parts


def _share(layers: pd.DataFrame, picture: NDArray[np.intp], blurs: NDArray[np.float32]) -> None:
    """Give the layers of a picture one camera, and its heads and hands its ground; in place."""
    ground = layers[layers["kind"] == "ground"]
    layers["blur"] = blurs[picture]
    for name in ("noise", "jpeg"):
        layers[name] = ground[name].to_numpy()[picture]
    before = layers["kind"].isin([*HEADS, "hand"]).to_numpy()
    for name in _BEHIND:
        layers.loc[before, name] = ground[name].to_numpy()[picture[before]]


def _frames(layout: pd.DataFrame, factors: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Return :data:`PLACES`: frames in which heads have the height and place of the layout."""
    is_head = layout["kind"].isin(["face", "other"]).to_numpy()
    scale, right, down = (
        np.where(is_head, factors[name].to_numpy(np.float64), neutral)
        for name, neutral in (("scale", 1.0), ("shift_x", 0.0), ("shift_y", 0.0))
    )
    size = layout["size"].to_numpy() / scale
    return {
        "frame_x": layout["x"].to_numpy() - (1 + right) * size / 2,
        "frame_y": layout["y"].to_numpy() - (1 + down) * size / 2,
        "frame_size": size,
        **{name: layout[name].to_numpy() for name in PLACES[3:]},
    }
