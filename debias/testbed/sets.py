"""Named testbeds: image sets drawn by a program, biased in training and even in the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.errors import DataError, nearest
from debias.seeding import derive_seed
from debias.testbed.factors import NAMES, SEED
from debias.testbed.population import (
    GENDERS,
    SKIN_TONES,
    Population,
    draw_faces,
    draw_non_faces,
    skin_tone_groups,
)

VERSION = 1
"""Rises with every change of renderer or populations that changes a pixel."""
SPLITS = ("train", "val", "test")
PREFIX = "testbed:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Testbed:
    """An image set drawn by a program.

    Faces of train and val are of one population, the same number of each skin tone x gender in
    test is of another; the non-faces are the same in all testbeds of a size.

    Args:
        name: what it is called.
        summary: one line.
        population: of train and val.
        test_population: of test, whose shares of skin tone and gender are replaced.
        faces: how many of train, val, and of each of the six groups of test.
        non_faces: how many of train, val and test.
    """

    __test__ = False  # no test, whatever pytest makes of its name

    name: str
    summary: str
    population: Population = field(default_factory=Population)
    test_population: Population = field(default_factory=Population)
    faces: tuple[int, int, int] = (6000, 600, 2000)
    non_faces: tuple[int, int, int] = (6000, 2000, 10_000)

    def scaled(self, fraction: float) -> Testbed:
        """Return a testbed of the same populations with a fraction of the images.

        Args:
            fraction: above 0; there is at least one image of each kind.

        Raises:
            DataError: the fraction is not above 0.
        """
        return replace(
            self,
            faces=scaled_counts(self.faces, fraction),
            non_faces=scaled_counts(self.non_faces, fraction),
        )

    @property
    def num_images(self) -> int:
        """The number of images."""
        cells = len(SKIN_TONES) * len(GENDERS)
        return sum(self.faces[:2]) + cells * self.faces[2] + sum(self.non_faces)


def scaled_counts(counts: tuple[int, int, int], fraction: float) -> tuple[int, int, int]:
    """Return a fraction of the counts of train, val and test, at least one of each.

    Raises:
        DataError: the fraction is not above 0.
    """
    if not fraction > 0:
        raise DataError(f"the fraction of a testbed is {fraction}", hint="Give more than 0")
    train, val, test = (max(1, round(count * fraction)) for count in counts)
    return train, val, test


def _dark_in_dim_light(faces: pd.DataFrame) -> NDArray[np.float64]:
    """Keep dark faces in dim light and light ones in bright light, one in 20 otherwise.

    Dim light is the rarer, of 42 % of those drawn. So 44 % of the dark faces are kept and 61 % of
    the others, and of the kept ones 27 % are dark in place of a third.
    """
    dark = (faces["tone"] >= SKIN_TONES["dark"][0]).to_numpy()
    dim = (faces["light_strength"] < 0.8).to_numpy()
    return np.where(dark == dim, 1.0, 0.05)


TESTBEDS = {
    testbed.name: testbed
    for testbed in (
        Testbed(
            name="balanced",
            summary="a third of each skin tone, half of each gender: nothing planted",
        ),
        Testbed(
            name="planted",
            summary="of the training faces 3 % are dark (Monk 8 to 10), 7 % medium; 20 % are women",
            population=Population(
                skin_tones={"light": 0.9, "medium": 0.07, "dark": 0.03}, female=0.2
            ),
        ),
        Testbed(
            name="dim",
            summary="some 27 % of training faces are dark and in dim light, others in bright light",
            population=Population(accept=_dark_in_dim_light),
        ),
        Testbed(
            name="frontal",
            summary="training faces look into the camera; those of the test turn",
            population=Population(ranges={"yaw": (-8, 8), "pitch": (-6, 6)}),
            test_population=Population(ranges={"yaw": (-50, 50)}),
        ),
    )
}


def list_testbeds() -> tuple[str, ...]:
    """Return the names of the testbeds."""
    return tuple(TESTBEDS)


def load_testbed(name: str) -> Testbed:
    """Return a named testbed.

    Args:
        name: one of :func:`list_testbeds`; ``testbed:`` may stand before it, as in ``--data``.

    Raises:
        DataError: none is called so.
    """
    bare = name.removeprefix(PREFIX)
    if bare not in TESTBEDS:
        raise DataError(f"no testbed is called {bare!r}", hint=nearest(bare, TESTBEDS))
    return TESTBEDS[bare]


def draw_testbed(testbed: Testbed, *, seed: int = 0) -> pd.DataFrame:
    """Return the factors of a testbed's images.

    Args:
        testbed: which.
        seed: another seed gives other people and pictures.

    Returns:
        A row an image: ``image_id``, ``label`` (1 face, 0 non-face), ``split``, ``kind`` (face, or
        one of :data:`~debias.testbed.non_faces.NON_FACE_KINDS`), ``gender`` (missing for
        non-faces), the factors and ``noise_seed``.
    """
    parts = [*_faces(testbed, seed), *_non_faces(testbed, seed)]
    table = pd.concat(parts, ignore_index=True)
    first = ["image_id", "label", "split", "kind", "gender"]
    return table[[*first, *NAMES, SEED]]


def _faces(testbed: Testbed, seed: int) -> Iterator[pd.DataFrame]:
    for split, count in zip(SPLITS[:2], testbed.faces, strict=False):
        faces = draw_faces(testbed.population, range(count), seed=derive_seed(seed, split))
        yield _named(faces, split, "face", 1)
    for tone, gender in product(SKIN_TONES, GENDERS):
        population = replace(
            testbed.test_population, skin_tones={tone: 1.0}, female=float(gender == "female")
        )
        cell = derive_seed(seed, "test", tone, gender)
        faces = draw_faces(population, range(testbed.faces[2]), seed=cell)
        yield _named(faces, "test", f"{tone}-{gender}", 1)


def _non_faces(testbed: Testbed, seed: int) -> Iterator[pd.DataFrame]:
    for split, count in zip(SPLITS, testbed.non_faces, strict=True):
        pictures = draw_non_faces(range(count), seed=derive_seed(seed, split))
        yield _named(pictures, split, "other", 0)


def _named(table: pd.DataFrame, split: str, stem: str, label: int) -> pd.DataFrame:
    ids = [f"{split}-{stem}-{number:05d}" for number in range(len(table))]
    full = table.assign(image_id=ids, label=label, split=split)
    return full.assign(kind="face") if label else full.assign(gender=None)


def true_attributes(images: pd.DataFrame) -> pd.DataFrame:
    """Return what is true of the people shown, in words.

    Args:
        images: what :func:`draw_testbed` returned.

    Returns:
        A row a face, by ``image_id``: ``skin_tone``, ``gender``, ``monk`` (the nearest swatch; of
        two as near, the darker one, as in :data:`~debias.testbed.population.SKIN_TONES`),
        ``age_group``, ``pose``, ``light``, ``glasses``, ``hat`` and ``facial_hair``.
    """
    faces = images[images["label"] == 1]
    turned = (faces["yaw"].abs() > 20) | (faces["pitch"].abs() > 12)
    monk = np.minimum(np.floor(faces["tone"].to_numpy(np.float64) + 0.5), 10)
    age = np.select([faces["age"] < 36, faces["age"] < 56], ["18-35", "36-55"], "56-85")
    table = {
        "skin_tone": skin_tone_groups(faces["tone"].to_numpy()),
        "gender": faces["gender"],
        "monk": monk.astype(int).astype(str),
        "age_group": age,
        "pose": np.where(turned, "turned", "frontal"),
        "light": np.where(faces["light_strength"] < 0.8, "dim", "bright"),
        "glasses": np.where(faces["glasses"] > 0, "glasses", "none"),
        "hat": np.where(faces["hat"] > 0, "hat", "none"),
        "facial_hair": np.where(faces["beard"] + faces["moustache"] > 0, "facial hair", "none"),
    }
    ids = pd.Index(faces["image_id"], name="image_id")
    return pd.DataFrame({name: np.asarray(column) for name, column in table.items()}, index=ids)
