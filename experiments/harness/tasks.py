"""The tasks: which images train and test a method, and in which groups its recall is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.cache_folder import locked
from debias.data.source import ImageSource
from debias.data.tables import write_table
from debias.errors import DataError, nearest
from debias.seeding import numpy_generator
from debias.testbed.files import write_testbed
from debias.testbed.population import Population
from debias.testbed.sets import TESTBEDS, Testbed

GROUPS = ("skin_tone", "gender")
_MANIFEST = "images.csv"
_PEOPLE = "people.parquet"

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is trained on and what it is tested by.

    Attributes:
        name: what it is called.
        summary: one line.
        groups: the attributes whose combinations are the groups of the test.
        rare: attribute values that are rare in training; the weights' share of them is told.
        balanced: the task of the same size and test whose training set lacks nothing; None where
            there is none.
        judged: the groups whose best and worst make the gap; empty for all.
        settings: of ``debias train``, for all methods alike.
    """

    name: str
    summary: str
    groups: tuple[str, ...] = GROUPS
    rare: Mapping[str, str] = field(default_factory=dict)
    balanced: str | None = None
    judged: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnTask(Task):
    """Faces drawn by a program; another seed draws other people and pictures.

    Attributes:
        testbed: who is drawn.
        junk: pictures without a face that are labelled faces in training, as a share of those.
    """

    testbed: Testbed
    junk: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RealTask(Task):
    """Real faces in a folder with ``images.csv``; the images are the same for every seed.

    Attributes:
        where: the pool of the training faces: ``natural``, or ``controlled``.
        black: of the controlled ones, the share of black faces; None for all faces there are.
        num_faces: how many controlled ones train.
    """

    where: str = "natural"
    black: float | None = None
    num_faces: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskData:
    """The images of a task, and what is known of the people shown.

    Attributes:
        source: the images.
        people: by ``image_id``: the groups' attributes, and whatever a method with labels may use.
    """

    source: ImageSource
    people: pd.DataFrame


def group_names(
    people: pd.DataFrame, image_ids: pd.Index, groups: tuple[str, ...]
) -> NDArray[np.object_]:
    """Return the group of each image, such as ``dark female``; those of no group are None."""
    known = people.reindex(image_ids)[list(groups)].astype(object)
    names = known[groups[0]]
    for other in groups[1:]:
        names = names + " " + known[other]
    return np.asarray(names.where(names.notna(), None), dtype=object)


def _side_lit(faces: pd.DataFrame) -> Mask:
    """Return who is lit strongly from one side, 3.4 % of the usual population."""
    return ((faces["light_azimuth"].abs() >= 60) & (faces["ambient"] <= 0.45)).to_numpy()


def _dark_glasses(faces: pd.DataFrame) -> Mask:
    """Return who wears dark glasses, 4.2 % of the usual population."""
    return ((faces["glasses"] > 0) & (faces["lens_dark"] > 0.4)).to_numpy()


UNNAMED: Mapping[str, Callable[[pd.DataFrame], Mask]] = {
    "side_light": _side_lit,
    "dark_glasses": _dark_glasses,
}
"""Factors that no attribute of the testbed names, by the attribute that names them here."""


def _accepting(trait: str, kept: float, others: float) -> Population:
    """Return the usual population, of which some with a trait, and some others, are kept."""
    has = UNNAMED[trait]
    return Population(accept=lambda faces: np.where(has(faces), kept, others))


def _unnamed(name: str, trait: str, *, kept: float, even: float, words: str) -> list[DrawnTask]:
    """Return a task whose training lacks a trait that half of its test has, and its balanced one.

    Args:
        name: of the task.
        trait: in :data:`UNNAMED`.
        kept: of those with the trait, the share that stays in training.
        even: of those without it, the share that leaves half with it.
        words: how many of the training faces have it.
    """
    half = _accepting(trait, 1.0, even)
    return [
        _drawn(
            name,
            f"{words}; in the test half do",
            _accepting(trait, kept, 1.0),
            test_population=half,
            groups=(trait,),
            rare={trait: "yes"},
            balanced=f"{name}-even",
        ),
        _drawn(
            f"{name}-even",
            f"half of training and test have what is rare in {name}",
            half,
            test_population=half,
            groups=(trait,),
            balanced=None,
        ),
    ]


def _drawn(
    name: str,
    summary: str,
    population: Population,
    *,
    rare: Mapping[str, str] | None = None,
    balanced: str | None = "balanced",
    groups: tuple[str, ...] = GROUPS,
    test_population: Population | None = None,
    junk: float = 0,
) -> DrawnTask:
    testbed = replace(
        TESTBEDS["balanced"],
        name=name,
        summary=summary,
        population=population,
        test_population=test_population or Population(),
    )
    return DrawnTask(
        name=name,
        summary=summary,
        groups=groups,
        rare=rare or {},
        balanced=balanced,
        testbed=testbed,
        junk=junk,
    )


_REAL = {
    "groups": ("race", "gender"),
    "judged": ("white male", "white female", "black male", "black female"),
    "settings": ("data.windows=12",),
}

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        _drawn("balanced", "a third of each skin tone, half women", Population(), balanced=None),
        _drawn(
            "dark-3",
            "3 % dark, 7 % medium, 20 % women",
            TESTBEDS["planted"].population,
            rare={"skin_tone": "dark"},
        ),
        _drawn(
            "dark-3-junk",
            "the same, and 2 % of what is labelled a face in training shows none",
            TESTBEDS["planted"].population,
            rare={"skin_tone": "dark"},
            junk=0.02,
        ),
        _drawn(
            "dark-1",
            "1 % dark, 7 % medium, 20 % women",
            Population(skin_tones={"light": 0.92, "medium": 0.07, "dark": 0.01}, female=0.2),
            rare={"skin_tone": "dark"},
        ),
        _drawn(
            "female-20",
            "20 % women, a third of each skin tone",
            Population(female=0.2),
            rare={"gender": "female"},
        ),
        _drawn(
            "dark-female",
            "0.5 % dark women, a third of each skin tone, half women else",
            Population(female={"light": 0.5, "medium": 0.5, "dark": 0.015}),
            rare={"skin_tone": "dark", "gender": "female"},
        ),
        *_unnamed(
            "side-light",
            "side_light",
            kept=0.55,
            even=0.035,
            words="2 % are lit strongly from one side",
        ),
        *_unnamed(
            "dark-glasses",
            "dark_glasses",
            kept=0.24,
            even=0.044,
            words="1 % wear dark glasses",
        ),
        RealTask(
            name="natural",
            summary="real faces: trained on LFW, tested on UTKFace",
            **_REAL,  # type: ignore[arg-type]
        ),
        *(
            RealTask(
                name=f"controlled-{share}",
                summary=f"real faces: UTKFace, {share} % of the training faces black, others white",
                where="controlled",
                black=share / 100,
                num_faces=1500,
                rare={"race": "black"} if share else {},
                balanced="controlled-50" if share != 50 else None,
                **_REAL,
            )
            for share in (0, 1, 5, 50)
        ),
    )
}


def find_task(name: str) -> Task:
    """Return a task by its name.

    Raises:
        DataError: none is called so.
    """
    if name not in TASKS:
        raise DataError(f"no task is called {name!r}", hint=nearest(name, TASKS))
    return TASKS[name]


def prepare(
    task: Task, *, seed: int, folder: Path, real: Path | None, fraction: float = 1
) -> TaskData:
    """Return the images of a task, drawn or chosen where that is not done yet.

    Args:
        task: which.
        seed: of the drawn people, or of the choice of the controlled ones.
        folder: where drawn images and lists are kept.
        real: the folder of the real faces.
        fraction: of a testbed's images.

    Raises:
        DataError: real faces are asked for and no folder is given.
    """
    place = folder / f"{task.name}-{seed}"
    if isinstance(task, DrawnTask):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(place, on_wait=lambda: None):
            if not (place / _PEOPLE).exists():
                _draw(task, place, seed=seed, fraction=fraction)
        people = pd.read_parquet(place / _PEOPLE).set_index("image_id")
        return TaskData(source=ImageSource(images=place / _MANIFEST), people=people)
    assert isinstance(task, RealTask)
    if real is None:
        raise DataError(f"task {task.name} needs real faces", hint="Give their folder with --real")
    images = pd.read_csv(real / _MANIFEST, dtype={"image_id": str, "identity_id": str})
    people = images.set_index("image_id")[["race", "gender", "ita"]]
    chosen = images[_chosen(images, task, seed)]
    place.mkdir(parents=True, exist_ok=True)
    listed = chosen[["image_id", "path", "label", "split", "identity_id"]]
    absolute = [str((real / path).resolve()) for path in listed["path"]]
    write_table(listed.assign(path=absolute), place / _MANIFEST)
    return TaskData(source=ImageSource(images=place / _MANIFEST), people=people)


def _draw(task: DrawnTask, place: Path, *, seed: int, fraction: float) -> None:
    """Draw a task's images, and write what is known of the people last."""
    testbed = task.testbed.scaled(fraction)
    people = write_testbed(testbed, place, seed=seed, num_workers=1)
    factors = pd.read_parquet(place / "factors.parquet").set_index("image_id")
    for trait, has in UNNAMED.items():
        people[trait] = np.where(has(factors.loc[people.index]), "yes", "no")
    if task.junk:
        _mislabel(place / _MANIFEST, task.junk, seed=seed)
    write_table(people.reset_index(), place / _PEOPLE)


def _mislabel(manifest: Path, share: float, *, seed: int) -> None:
    """Label some of the training pictures without a face as faces."""
    table = pd.read_csv(manifest)
    train = (table["split"] == "train").to_numpy()
    is_face = (table["label"] == 1).to_numpy()
    others = np.flatnonzero(train & ~is_face)
    count = round(share * np.count_nonzero(train & is_face))
    chosen = numpy_generator(seed, "junk").permutation(others)[:count]
    table.loc[chosen, "label"] = 1
    write_table(table, manifest)


def _chosen(images: pd.DataFrame, task: RealTask, seed: int) -> NDArray[np.bool_]:
    """Return which rows of the real images belong to a task.

    Of the controlled faces the same are drawn whatever the share, as far as it allows: the
    first so many of one order of the white, and of one of the black ones.
    """
    face = (images["label"] == 1).to_numpy()
    controlled = (images["pool"] == "controlled").to_numpy()
    if task.where == "natural":
        return np.asarray(~controlled)
    assert task.black is not None
    test = (images["split"] == "test").to_numpy()
    keep = ~face | (face & test & ~controlled)
    generator = numpy_generator(seed, "controlled")
    for split, size in (("train", task.num_faces), ("val", 200)):
        num_black = round(task.black * size)
        for race, count in (("white", size - num_black), ("black", num_black)):
            is_one = (images["split"] == split) & (images["race"] == race)
            pool = np.flatnonzero(controlled & is_one.to_numpy())
            keep[generator.permutation(pool)[:count]] = True
    return keep
