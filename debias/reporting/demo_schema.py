"""The form of ``demo.json``, which holds every number of the demo's page.

Rates are shares in [0, 1], as in :mod:`debias.reporting.schema`. What cannot be estimated is null.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from debias.reporting.measure_schema import RateJson
from debias.reporting.models_schema import DifferenceJson
from debias.reporting.point_schema import GapJson

DEMO_SCHEMA_VERSION = 1

Change = Literal["higher", "lower", "not shown"]
"""Which way the whole interval of a difference lies, if it does not hold 0."""


class ChangeJson(DifferenceJson):
    """A figure of the DB-VAE minus that of the plain classifier."""

    change: Change


class DemoDataJson(TypedDict):
    """What was drawn."""

    testbed: str
    summary: str
    fraction: float
    image_size: int
    """Height and width of the pictures, in pixels."""
    num_images: int
    num_train_faces: int
    num_train_non_faces: int
    num_test_faces: int
    num_test_non_faces: int


class DemoTrainingJson(TypedDict):
    """What either model was trained with, the same for both."""

    image_size: int
    """Height and width that the models see, in pixels."""
    epochs: int
    steps: int
    batch_size: int
    resampling: str


class DemoModelJson(TypedDict):
    """How one model serves the groups, at the false-positive rate of the comparison."""

    fpr: RateJson
    recall: RateJson
    worst_recall: RateJson
    gap: GapJson


class DemoGroupJson(TypedDict):
    """One group of test faces by either model."""

    name: str
    values: list[str]
    plain: RateJson
    db_vae: RateJson
    difference: ChangeJson


class DemoChangesJson(TypedDict):
    """How the DB-VAE differs from the plain classifier."""

    worst_recall: ChangeJson
    gap: ChangeJson
    recall: ChangeJson


class WeightedGroupJson(TypedDict):
    """One group of training faces: how many there are, and their weights."""

    name: str
    values: list[str]
    num_faces: int
    planted_share: float | None
    """Null where the population's shares are not known."""
    mean_weight: float | None
    """Over the mean of all faces; null without faces."""


class RarityJson(TypedDict):
    """Spearman's correlation of the weights with the true rarity of some attributes."""

    columns: list[str]
    value: float | None
    low: float | None
    high: float | None
    largest: float | None
    """What weights in the order of the true rarity would give: below 1, for the truth has ties."""


class PictureJson(TypedDict):
    """A training face."""

    image_id: str
    path: str
    """From the folder that ``demo.json`` is in."""
    weight: float
    """How often the next epoch would draw it, the mean face being 1."""
    shown: list[str]
    """What is to be seen in it."""


class DemoWeightsJson(TypedDict):
    """The sampling weights beside the truth."""

    num_faces: int
    effective_sample_size: float
    """Kish's, of the weights, in faces."""
    groups: list[WeightedGroupJson]
    rarity: list[RarityJson]
    rarest: list[PictureJson]
    commonest: list[PictureJson]


class StageJson(TypedDict):
    """A part of the demo, and how long it took; null where it was interrupted."""

    name: str
    seconds: float | None


class NextJson(TypedDict):
    """Commands to go on with, quoted for a shell."""

    report: str
    testbed: str
    """The testbed that ``demo`` shows."""
    demo: str


class DemoJson(TypedDict):
    """The whole demo."""

    schema_version: int
    job: Literal["demo"]
    created: str
    versions: dict[str, str]
    platform: str
    settings: dict[str, Any]
    folder: str
    """The demo's folder as the commands below name it."""
    command: str
    next: NextJson
    stages: list[StageJson]
    seconds: float | None
    data: DemoDataJson
    training: DemoTrainingJson
    target_fpr: float
    confidence: float
    plain: DemoModelJson
    db_vae: DemoModelJson
    groups: list[DemoGroupJson]
    changes: DemoChangesJson
    weights: DemoWeightsJson
