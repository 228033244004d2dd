"""The demo's sampling weights beside the truth, which a testbed knows of every face it drew."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from debias.data.attributes import read_attributes
from debias.data.prepared_folder import PreparedData
from debias.data.tables import read_table
from debias.metrics.association import rank_correlation
from debias.reporting.demo_schema import (
    DemoWeightsJson,
    PictureJson,
    RarityJson,
    WeightedGroupJson,
)
from debias.reporting.measure_document import group_name
from debias.resampling.tempering import effective_sample_size
from debias.rundir import RunDir
from debias.seeding import numpy_generator
from debias.testbed.population import GENDERS, SKIN_TONES, Population
from debias.testbed.rarity import SHARED, planted_shares, true_rarity

NUM_PICTURES = 12
ORDER = [(tone, gender) for tone in SKIN_TONES for gender in GENDERS]
SEEN = ("skin_tone", "gender", "age_group", "pose", "light", "glasses", "hat", "facial_hair")
USUAL = ("none", "frontal", "bright")  # not worth a word in the description of a face


def weights_and_truth(
    run: RunDir, data: PreparedData, *, population: Population, seed: int
) -> DemoWeightsJson:
    """Return the sampling weights of the training faces beside what is true of them.

    Args:
        run: of the DB-VAE.
        data: the drawn images that it was trained on.
        population: that the training faces were drawn from.
        seed: of the bootstrap.
    """
    assert data.attributes is not None
    table = read_table(run.sampling_weights).set_index("image_id")["weight"].astype(np.float64)
    weights = table.sort_index().sort_values(ascending=False, kind="stable")
    people = read_attributes(data.attributes, columns=SEEN).table.loc[weights.index]
    paths = read_table(data.manifest).set_index("image_id")["path"].astype(str).to_dict()
    faces: list[PictureJson] = [
        {
            "image_id": image_id,
            "path": f"{data.root.name}/{paths[image_id]}",
            "weight": float(weight),
            "shown": [word for word in words if word not in USUAL],
        }
        for image_id, weight, words in zip(
            weights.index, weights, people.to_numpy(dtype=object).tolist(), strict=True
        )
    ]
    shares_known = population.accept is None
    sets = (SHARED, *((name,) for name in SHARED)) if shares_known else ()
    return {
        "num_faces": len(weights),
        "effective_sample_size": effective_sample_size(np.asarray(weights, dtype=np.float64)),
        "groups": _weighted_groups(weights, people, population),
        "rarity": [_rarity(seed, weights, people, population, columns) for columns in sets],
        "rarest": faces[:NUM_PICTURES],
        "commonest": faces[: -NUM_PICTURES - 1 : -1],
    }


def _weighted_groups(
    weights: pd.Series[float], people: pd.DataFrame, population: Population
) -> list[WeightedGroupJson]:
    by_group = weights.groupby([people[name] for name in SHARED])
    sizes, means = by_group.size().to_dict(), by_group.mean().to_dict()
    shares = planted_shares(population).to_dict() if population.accept is None else None
    return [
        {
            "name": group_name(values),
            "values": list(values),
            "num_faces": int(sizes.get(values, 0)),
            "planted_share": None if shares is None else float(shares.get(values, 0.0)),
            "mean_weight": float(means[values]) if values in means else None,
        }
        for values in ORDER
    ]


def _rarity(
    seed: int,
    weights: pd.Series[float],
    people: pd.DataFrame,
    population: Population,
    columns: Sequence[str],
) -> RarityJson:
    found = rank_correlation(
        first=weights.to_numpy(),
        second=true_rarity(people, population=population, columns=columns),
        generator=numpy_generator(seed, "demo", "rarity", *columns),
    )
    return {
        "columns": list(columns),
        "value": _finite(found.value),
        "low": _finite(found.low),
        "high": _finite(found.high),
        "largest": _finite(found.largest),
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
