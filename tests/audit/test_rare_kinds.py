"""Rare kinds: a few faces apart are found and named; tails, noise and single faces are not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from debias.audit.rare_kinds import RareKinds, RareKindSettings, find_rare_kinds

NUM_FACES, NUM_FEATURES = 1200, 30
SETTINGS = RareKindSettings(num_starts=150)
Floats = NDArray[np.float64]


def noise(seed: int = 0, num_faces: int = NUM_FACES) -> Floats:
    return np.random.default_rng(seed).normal(size=(num_faces, NUM_FEATURES))


def with_kind(num_rare: int, distance: float = 9.0, seed: int = 0) -> Floats:
    """Return faces whose first ones lie off in a direction of three features."""
    features = noise(seed)
    features[:num_rare, :3] += distance / np.sqrt(3)
    return features


def found(features: Floats, persons: NDArray[np.intp] | None = None) -> RareKinds:
    return find_rare_kinds(
        features,
        rows=np.arange(len(features)) * 2,
        clusters=persons,
        persons_known=persons is not None,
        settings=SETTINGS,
        generator=np.random.default_rng(5),
    )


@pytest.mark.parametrize("num_rare", [24, 44])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_kind_is_found_and_named(num_rare: int, seed: int) -> None:
    result = found(with_kind(num_rare, seed=seed))
    (kind,) = result.kinds
    assert set(kind.rows) == set(2 * np.arange(num_rare))
    assert kind.share.value == pytest.approx(num_rare / NUM_FACES)
    assert kind.share.low < kind.share.value < kind.share.high
    assert kind.num_persons is None
    assert (kind.distances > SETTINGS.beyond - 0.5).all()
    (finding,) = result.findings
    assert (finding.kind, finding.severity) == ("rare-kind", "warning")
    assert finding.num_images == num_rare
    assert np.array_equal(finding.images.rows, kind.rows)
    assert f"{num_rare} faces" in finding.message


def test_what_is_less_rare_is_a_note() -> None:
    (finding,) = found(with_kind(90)).findings
    assert finding.severity == "note"


def test_what_is_not_rare_is_not_told() -> None:
    assert found(with_kind(240)).findings == ()


def test_two_kinds_are_two() -> None:
    features = with_kind(30)
    features[30:60, 10] -= 9.0
    kinds = found(features).kinds
    first, second = sorted(kinds, key=lambda kind: int(kind.rows[0]))
    assert set(2 * np.arange(30)) <= set(first.rows)
    assert set(2 * np.arange(30, 60)) <= set(second.rows)
    assert max(len(first.rows), len(second.rows)) <= 32


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_kinds(seed: int) -> None:
    result = found(noise(seed))
    assert result.num_faces == NUM_FACES
    assert result.kinds == ()


@pytest.mark.parametrize("seed", range(3))
def test_long_tails_are_no_kinds(seed: int) -> None:
    features = noise(seed)
    generator = np.random.default_rng(100 + seed)
    features[:, 0] = generator.exponential(size=NUM_FACES)
    features[:, 1] = generator.gamma(0.5, size=NUM_FACES)
    assert found(features).kinds == ()


def test_single_faces_are_no_kind() -> None:
    features = noise()
    features[np.arange(20), np.arange(20)] += 40.0
    assert found(features).kinds == ()


def test_one_person_is_no_kind() -> None:
    persons = np.arange(NUM_FACES)
    persons[:36] = 0
    features = with_kind(36)
    assert found(features, persons).kinds == ()
    several = np.arange(NUM_FACES)
    several[:36] = np.arange(36) // 2
    several[36:] += 100
    (kind,) = found(features, several).kinds
    assert kind.num_persons == np.unique(several[kind.rows // 2]).size < len(kind.rows)
    assert set(2 * np.arange(36)) <= set(kind.rows)
    assert f"{kind.num_persons} people" in found(features, several).findings[0].message


def test_the_order_of_faces_does_not_matter() -> None:
    order = np.random.default_rng(3).permutation(NUM_FACES)
    (kind,) = found(with_kind(40)[order]).kinds
    assert set(order[kind.rows // 2]) == set(range(40))


def test_few_faces_are_not_looked_at() -> None:
    result = found(noise(num_faces=SETTINGS.least_faces - 1))
    assert (result.num_faces, result.kinds, result.findings) == (0, (), ())


def test_faces_that_are_all_the_same_are_no_kind() -> None:
    features = np.zeros((600, NUM_FEATURES))
    assert found(features).kinds == ()
    features[:, 0] = np.arange(600) % 2
    assert found(features).kinds == ()
