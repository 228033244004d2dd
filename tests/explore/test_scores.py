from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from debias.explore.factors import KnownFactor, known_factors
from debias.explore.scores import LatentScores, latent_scores

NUM = 240
NAMES = ("tone", "yaw")


def truth() -> tuple[np.ndarray, tuple[KnownFactor, ...]]:
    values = np.random.default_rng(3).random((NUM, 2))
    return values, known_factors(pd.DataFrame(values, columns=list(NAMES)), NAMES)


def scored(latents: np.ndarray, chosen: tuple[int, ...], seed: int = 0) -> LatentScores:
    found = latent_scores(
        latents, truth()[1], latents=chosen, generator=np.random.default_rng(seed)
    )
    assert found is not None
    return found


@pytest.fixture(scope="module")
def perfect() -> LatentScores:
    """Latents 5 and 2 are the two factors; 0 is noise, and the others are not judged."""
    latents = np.random.default_rng(1).normal(size=(NUM, 6))
    latents[:, 5], latents[:, 2] = truth()[0].T
    return scored(latents, (0, 2, 5))


def test_a_representation_that_separates_is_far_above_chance(perfect: LatentScores) -> None:
    scores = {score.name: score for score in perfect.scores}
    assert set(scores) == {
        *("mig", "sap", "disentanglement", "completeness", "informativeness"),
        "total_correlation",
    }
    for name in ("mig", "sap", "disentanglement", "completeness", "informativeness"):
        score = scores[name]
        assert score.value is not None
        assert score.low is not None
        assert score.high is not None
        assert score.chance_mean is not None
        assert score.chance_high is not None
        assert score.chance_mean <= score.chance_high
        assert score.low <= score.high
        assert score.value > score.chance_high + 0.3, name
        assert score.low > score.chance_high, name
    assert scores["total_correlation"].value == pytest.approx(0.0, abs=0.05)


def test_what_a_latent_tells_is_named_by_its_number(perfect: LatentScores) -> None:
    assert [name for name, _ in perfect.told(5)] == ["tone"]
    assert [name for name, _ in perfect.told(2)] == ["yaw"]
    assert perfect.told(0) == []
    assert perfect.told(1) == []  # not judged
    ((_, share),) = perfect.told(5)
    assert 0.5 < share <= 1.0
    assert perfect.information.shape == (3, 2)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer halves and permutations."""
    monkeypatch.setattr("debias.explore.scores.NUM_SPLITS", 1)
    monkeypatch.setattr("debias.explore.scores.NUM_PERMUTATIONS", 9)


@pytest.mark.usefixtures("quick")
def test_noise_is_not_above_chance() -> None:
    above = 0
    for seed in range(3):
        latents = np.random.default_rng(100 + seed).normal(size=(NUM, 3))
        found = scored(latents, (0, 1, 2), seed)
        mig = found.scores[0]
        assert mig.name == "mig"
        assert mig.value is not None
        assert mig.chance_high is not None
        above += mig.value > mig.chance_high
    assert above <= 1


@pytest.mark.usefixtures("quick")
def test_the_same_seed_gives_the_same_scores() -> None:
    latents = np.random.default_rng(2).normal(size=(NUM, 2))
    latents[:, 1] = latents[:, 0] + 0.1 * latents[:, 1]
    first, again = scored(latents, (0, 1)), scored(latents, (0, 1))
    assert first.scores == again.scores
    assert first.chance_information == again.chance_information
    correlation = first.scores[-1]  # by chance, the latents do not go together
    assert correlation.name == "total_correlation"
    assert (correlation.value or 0) > 1.5
    assert correlation.chance_high is not None
    assert correlation.chance_high < 0.1


def test_too_little_to_judge_gives_none() -> None:
    values, factors = truth()
    generator = np.random.default_rng(0)
    few = [factor.take(np.arange(199)) for factor in factors]
    assert latent_scores(values[:199], few, latents=(0, 1), generator=generator) is None
    assert latent_scores(values, factors, latents=(0,), generator=generator) is None
    assert latent_scores(values, factors[:1], latents=(0, 1), generator=generator) is None
