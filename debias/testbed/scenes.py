"""Scenes: pictures in which faces of known factors stand before clutter, to be found in them.

A scene is a stack of layers, each drawn from a row of factors in a square frame of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from debias.errors import ConfigError, DataError, nearest
from debias.seeding import derive_seed
from debias.testbed.population import Population
from debias.testbed.scene_layers import draw_split
from debias.testbed.sets import SPLITS, load_testbed, scaled_counts, true_attributes

SCENE_VERSION = 1
"""Rises with every change that changes a pixel or a box of a scene."""
SIDES = (64, 1024)
"""Least and most width and height of a picture that may be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSet:
    """A set of scenes drawn by a program.

    Of a population, who is shown and in what light counts; what it says of the place in the
    picture, of the background and of the camera does not: a scene has its own.

    Args:
        name: what it is called.
        summary: one line.
        population: of train and val.
        test_population: of test, whose shares of skin tone and gender are replaced: there are as
            many faces of each of the six groups.
        pictures: how many of train, val and test, each at least 1.
        sides: least and most width and height of pictures, in pixels.

    Raises:
        ConfigError: a number of pictures or a side is no whole number in its range.
    """

    name: str
    summary: str
    population: Population = field(default_factory=Population)
    test_population: Population = field(default_factory=Population)
    pictures: tuple[int, int, int] = (2000, 500, 1500)
    sides: tuple[int, int] = (160, 640)

    def __post_init__(self) -> None:
        if not (_are_whole(self.pictures, 3) and min(self.pictures) >= 1):
            raise ConfigError(
                f"the numbers of pictures are {self.pictures}",
                hint="They are three whole numbers above 0, of train, val and test",
            )
        low, high = SIDES
        if not (_are_whole(self.sides, 2) and low <= self.sides[0] <= self.sides[1] <= high):
            raise ConfigError(
                f"the sides of pictures are {self.sides}",
                hint=f"They are the least and the most, whole numbers from {low} to {high}",
            )

    def scaled(self, fraction: float) -> SceneSet:
        """Return a set of the same populations with a fraction of the pictures.

        Args:
            fraction: above 0; there is at least one picture of each split.

        Raises:
            DataError: the fraction is not above 0.
        """
        return replace(self, pictures=scaled_counts(self.pictures, fraction))

    @property
    def num_pictures(self) -> int:
        """The number of pictures."""
        return sum(self.pictures)


def _are_whole(numbers: Sequence[object], count: int) -> bool:
    return len(numbers) == count and all(np.asarray(one).dtype.kind in "iu" for one in numbers)


SCENE_SETS = {
    one.name: one
    for one in (
        SceneSet(
            name="scenes",
            summary="pictures to find faces in: a third of each skin tone, half of each gender",
        ),
        SceneSet(
            name="scenes-planted",
            summary="pictures to find faces in: in training 3 % are dark, 7 % medium; 20 % women",
            population=load_testbed("planted").population,
        ),
    )
}


def list_scene_sets() -> tuple[str, ...]:
    """Return the names of the sets of scenes."""
    return tuple(SCENE_SETS)


def load_scene_set(name: str) -> SceneSet:
    """Return a named set of scenes.

    Raises:
        DataError: none is called so.
    """
    if name not in SCENE_SETS:
        raise DataError(f"no set of scenes is called {name!r}", hint=nearest(name, SCENE_SETS))
    return SCENE_SETS[name]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenes:
    """What pictures of scenes are drawn from.

    Attributes:
        pictures: a row a picture: ``image_id``, ``split``, ``width`` and ``height`` in pixels.
        layers: a row a layer, those of a picture together, in the order of the pictures, and from
            the farthest to the nearest. Its columns are
            :data:`~debias.testbed.scene_layers.COLUMNS`: ``image_id``, ``kind`` (one of
            :data:`~debias.testbed.scene_layers.LAYER_KINDS`), ``face_id`` and ``gender`` (missing
            but for faces), :data:`~debias.testbed.scene_layers.PLACES`, the factors and
            ``noise_seed``. The layers of a picture have one camera; of heads and hands, the
            factors of what is behind are those of the picture's ground.
    """

    pictures: pd.DataFrame
    layers: pd.DataFrame

    def faces(self) -> pd.DataFrame:
        """Return the layers that are faces."""
        return self.layers[self.layers["kind"] == "face"].reset_index(drop=True)

    def attributes(self) -> pd.DataFrame:
        """Return what is true of the faces, in words.

        Returns:
            A row a face, by ``face_id``; see :func:`debias.testbed.sets.true_attributes`.
        """
        faces = self.faces()
        images = faces.assign(image_id=faces["face_id"], label=1)
        return true_attributes(images).rename_axis("face_id")

    def only(self, image_ids: Sequence[str]) -> Scenes:
        """Return some of the pictures, in the order given.

        Raises:
            DataError: there is no such picture.
        """
        number_of = {name: number for number, name in enumerate(self.pictures["image_id"])}
        for name in image_ids:
            if name not in number_of:
                raise DataError(f"no picture is called {name!r}", hint=nearest(name, number_of))
        places = [number_of[name] for name in image_ids]
        rows = self.layers.groupby("image_id", sort=False).indices
        chosen = [np.empty(0, dtype=np.intp), *(rows[image_id] for image_id in image_ids)]
        return Scenes(
            pictures=self.pictures.iloc[places].reset_index(drop=True),
            layers=self.layers.iloc[np.concatenate(chosen)].reset_index(drop=True),
        )


def draw_scenes(scene_set: SceneSet, *, seed: int = 0) -> Scenes:
    """Return the factors of scenes, and where everything in them is.

    A scene depends on the set's populations and sides, the seed, its split and its number alone,
    not on how many there are. Sets of the same sides differ in nothing but their faces.

    Args:
        scene_set: which.
        seed: another seed gives other people and pictures.
    """
    parts = [
        draw_split(
            scene_set.test_population if split == "test" else scene_set.population,
            split,
            count,
            sides=scene_set.sides,
            is_even=split == "test",
            seed=derive_seed(seed, "scenes", split),
        )
        for split, count in zip(SPLITS, scene_set.pictures, strict=True)
    ]
    pictures, layers = (pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))
    return Scenes(pictures=pictures, layers=layers)
