"""Small tables of predictions whose groups are served as planned, for tests of whole reports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from running import Debias

from debias.reporting.point_schema import GroupingJson, OperatingPointJson
from debias.reporting.schema import ReportJson

SMALL = ("--target-fpr", "0.05", "--replicates", "20")
"""Options for which 200 negatives are enough, and the bootstrap short."""

TONES, GENDERS = ("dark", "light"), ("female", "male")


def face_tables(
    *, num_each: int = 60, num_negatives: int = 400, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return predictions and attributes of faces; dark women score lower, non-faces have no group.

    Args:
        num_each: faces of each tone, gender and pose.
        num_negatives: non-faces.
        seed: of the scores.
    """
    generator = np.random.default_rng(seed)
    people = pd.MultiIndex.from_product(
        [TONES, GENDERS, ("frontal", "profile"), range(num_each)],
        names=["skin_tone", "gender", "pose", "number"],
    ).to_frame(index=False)
    people.insert(0, "image_id", [f"f{k:04d}" for k in range(len(people))])
    dark_woman = (people["skin_tone"] == "dark") & (people["gender"] == "female")
    scores = generator.normal(3.0 - 1.5 * dark_woman - 0.5 * (people["pose"] == "profile"))
    faces = pd.DataFrame({"image_id": people["image_id"], "y_true": 1, "y_score": scores})
    negatives = pd.DataFrame(
        {
            "image_id": [f"n{k:04d}" for k in range(num_negatives)],
            "y_true": 0,
            "y_score": generator.normal(size=num_negatives),
        }
    )
    return pd.concat([faces, negatives], ignore_index=True), people.drop(columns="number")


def gender_table(*, num_rows: int = 800, seed: int = 1) -> pd.DataFrame:
    """Return what a gender classifier answered: every row is somebody, so negatives have groups.

    Args:
        num_rows: pictures.
        seed: of tones, ages, genders and scores.
    """
    generator = np.random.default_rng(seed)
    tone = generator.choice(["dark", "light", "medium"], p=[0.3, 0.4, 0.3], size=num_rows)
    y_true = generator.integers(0, 2, size=num_rows)
    logit = generator.normal(np.where(y_true == 1, 1.5, -1.5) + 0.8 * (tone == "dark"), 1.2)
    return pd.DataFrame(
        {
            "image_id": [f"p{k:04d}" for k in range(num_rows)],
            "y_true": y_true,
            "y_score": 1.0 / (1.0 + np.exp(-logit)),
            "y_pred": (logit >= 0.0).astype(int),
            "skin_tone": tone,
            "age": generator.choice(["old", "young"], size=num_rows),
        }
    )


def write_tables(folder: Path, predictions: pd.DataFrame, attributes: pd.DataFrame) -> list[str]:
    """Write both tables as CSV, and return the words that name them to the command."""
    predictions.to_csv(folder / "scores.csv", index=False)
    attributes.to_csv(folder / "people.csv", index=False)
    return [str(folder / "scores.csv"), "--attributes", str(folder / "people.csv")]


def reported(debias: Debias, output: Path, *words: object, status: int = 0) -> ReportJson:
    """Run ``debias report WORDS...`` into a folder, and return what it wrote there."""
    outcome = debias("report", *words, "--output", output, *SMALL)
    assert outcome.status == status, outcome.err
    report: ReportJson = json.loads((output / "report.json").read_text())
    return report


def grouping_of(
    point: OperatingPointJson, columns: Sequence[str], within: Mapping[str, str] | None = None
) -> GroupingJson:
    """Return the grouping by these attributes, of all rows or within values of controls."""
    return next(
        found
        for found in point["groupings"]
        if found["columns"] == list(columns) and found["within"] == dict(within or {})
    )


def measured(grouping: GroupingJson, name: str, key: str = "value") -> dict[str, Any]:
    """Return a measure of each group by its name."""
    return {group["name"]: group["measures"][name][key] for group in grouping["groups"]}  # type: ignore[literal-required]


def disparity(grouping: GroupingJson, name: str, kind: str, method: str) -> Any:
    """Return one disparity of a grouping."""
    return next(
        found
        for found in grouping["disparities"]
        if (found["name"], found["kind"], found["method"]) == (name, kind, method)
    )
