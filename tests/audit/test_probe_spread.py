"""What holds in every training is told from what the luck of one gave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from debias.audit.probe_spread import ProbeSpread, spread_over_runs
from debias.audit.probes import AttributeProbe, ProbeSettings, probe_latents

NUM_IMAGES = 400
IS_FEMALE = np.arange(NUM_IMAGES) % 2 == 0
TABLE = pd.DataFrame(
    {
        "gender": np.where(IS_FEMALE, "female", "male"),
        "noise": np.random.default_rng(7).choice(["a", "b"], NUM_IMAGES),
    }
)


def latents(carrier: int | None, *, seed: int, strength: float = 3.0) -> NDArray[np.float64]:
    """Latents of one training, of which one carries the gender, or none."""
    mu = np.random.default_rng(seed).normal(size=(NUM_IMAGES, 4))
    if carrier is not None:
        mu[:, carrier] += strength * IS_FEMALE
    return mu


def probes(mu: NDArray[np.float64], table: pd.DataFrame = TABLE) -> tuple[AttributeProbe, ...]:
    return probe_latents(
        mu,
        table,
        persons=np.arange(len(mu)),
        settings=ProbeSettings(num_permutations=199, num_repeats=2),
        generator=np.random.default_rng(3),
    )


def spread(*runs: tuple[AttributeProbe, ...]) -> dict[str, ProbeSpread]:
    return {each.attribute: each for each in spread_over_runs(runs)}


def test_a_spread_is_over_the_runs() -> None:
    runs = [probes(latents(0, seed=0)), probes(latents(2, seed=1, strength=1.0))]
    found = spread(*runs)["gender"]
    accuracy = [run[0].balanced_accuracy for run in runs]
    shares = [run[0].latents[0].share for run in runs]
    assert (found.attribute, found.num_runs) == ("gender", 2)
    assert (found.lowest, found.highest) == (min(accuracy), max(accuracy))
    assert found.mean == pytest.approx(np.mean(accuracy))
    assert found.most_telling == (min(shares), max(shares))
    assert found.lowest < found.highest
    assert found.most_telling[0] < found.most_telling[1]
    assert [place for place, _ in found.probes] == [0, 1]
    assert [probe.latents[0].latent for _, probe in found.probes] == [0, 2]


def test_what_one_run_alone_shows_does_not_hold_in_all() -> None:
    carried, lost = probes(latents(1, seed=0)), probes(latents(None, seed=1))
    both, one = spread(carried, carried)["gender"], spread(carried, lost)["gender"]
    assert (both.num_told, both.num_carried) == (2, 2)
    assert (one.num_told, one.num_carried, one.num_runs) == (1, 1, 2)
    noise = spread(carried, lost)["noise"]
    assert (noise.num_told, noise.num_carried) == (0, 0)


def test_a_run_whose_shuffled_attribute_does_as_well_does_not_tell() -> None:
    carried = probes(latents(1, seed=0))
    lucky = tuple(replace(each, highest_by_chance=1.0) for each in carried)
    found = spread(carried, lucky)["gender"]
    assert (found.num_told, found.num_carried) == (1, 2)


def test_noise_with_a_rare_value_is_told_by_no_run() -> None:
    rare = TABLE[["noise"]].copy()
    rare.loc[:20, "noise"] = "c"
    runs = [probes(latents(None, seed=seed), rare) for seed in range(3)]
    found = spread(*runs)["noise"]
    assert (found.num_runs, found.num_told) == (3, 0)
    assert all(probe.values == ("a", "b", "c") for _, probe in found.probes)


def test_a_run_that_cannot_be_probed_is_none() -> None:
    unknown = TABLE.assign(gender=None)
    carried, not_probed = probes(latents(1, seed=0)), probes(latents(1, seed=0), unknown)
    found = spread(carried, not_probed)["gender"]
    assert (found.num_runs, found.num_told, found.num_carried) == (1, 1, 1)
    assert found.mean == carried[0].balanced_accuracy
    nowhere = spread(not_probed, not_probed)["gender"]
    assert nowhere.num_runs == 0
    assert np.isnan([nowhere.mean, nowhere.lowest, nowhere.highest, *nowhere.most_telling]).all()


def test_attributes_of_one_run_alone_are_kept() -> None:
    found = spread(probes(latents(0, seed=0)), probes(latents(0, seed=0), TABLE[["noise"]]))
    assert [place for place, _ in found["gender"].probes] == [0]
    assert [place for place, _ in found["noise"].probes] == [0, 1]
