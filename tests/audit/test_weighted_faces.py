"""A face is rare by weight for reasons that can be named: latents, and where it lies in them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from debias.audit.rare_regions import RareRegion, rare_regions
from debias.audit.weighted_faces import WeightedFace, places, relative_weights, weighted_faces
from debias.resampling.settings import ResamplingSettings
from debias.resampling.weights import SamplingWeights, sampling_weights

Floats = NDArray[np.float64]
FAR = 10


def planted(num_faces: int = 400) -> tuple[Floats, SamplingWeights]:
    """Faces of which the first ten lie far out in latent 2, and the next ten in latent 0."""
    mu = np.random.default_rng(0).normal(size=(num_faces, 3))
    mu[:FAR, 2] = 6.0
    mu[FAR : 2 * FAR, 0] = -6.0
    return mu, sampling_weights(mu, settings=ResamplingSettings())


def of(faces: list[int]) -> tuple[WeightedFace, ...]:
    mu, weights = planted()
    asked = np.array(faces, dtype=np.intp)
    return weighted_faces(mu, weights, faces=asked, rows=7 * np.arange(len(mu)))


def test_a_weight_is_that_over_the_mean() -> None:
    _, weights = planted()
    assert relative_weights(weights).mean() == pytest.approx(1.0)
    faces = of([3, 100])
    assert [face.row for face in faces] == [21, 700]
    expected = weights.probabilities[[3, 100]] / weights.probabilities.mean()
    assert [face.weight for face in faces] == pytest.approx(expected)
    assert faces[0].weight > 1.5 > faces[1].weight


def test_the_latent_in_which_a_face_is_rare_drives_it() -> None:
    mu, _ = planted()
    first, second = of([0, FAR])
    assert first.drivers[0].latent == 2
    assert first.drivers[0].place == pytest.approx((6 - mu[:, 2].mean()) / mu[:, 2].std())
    assert second.drivers[0].latent == 0
    assert second.drivers[0].place < -2


def test_a_face_that_is_common_everywhere_has_no_driver() -> None:
    _, weights = planted()
    common = int(np.argmin(weights.probabilities))
    assert of([common])[0].drivers == ()


def test_places_are_standard_deviations_from_the_mean() -> None:
    mu = np.random.default_rng(0).normal(size=(500, 3)) * [1, 5, 9] + [0, 2, -4]
    named = np.array([2, 1])
    mean, spread = mu.mean(axis=0), mu.std(axis=0)
    found = places(mu, np.stack([mean, mean + 2 * spread]), named)
    np.testing.assert_allclose(found, [[0, 0], [2, 2]], atol=1e-12)


def regions_of(
    mu: Floats,
    rarest: NDArray[np.intp],
    *,
    persons: NDArray[np.intp] | None = None,
    different: NDArray[np.intp] | None = None,
    least_persons: int = 8,
) -> tuple[RareRegion, ...]:
    return rare_regions(
        mu,
        mu / mu.std(axis=0),
        rarest=rarest,
        rows=7 * np.arange(len(mu)),
        persons=persons,
        different=different,
        weights=sampling_weights(mu, settings=ResamplingSettings()),
        most_regions=4,
        least_persons=least_persons,
    )


def test_regions_are_told_by_weight_persons_and_drivers() -> None:
    mu, weights = planted()
    persons = np.arange(len(mu))
    persons[1] = 0
    regions = regions_of(mu, np.arange(2 * FAR), persons=persons)
    by_first = sorted(regions, key=lambda region: int(region.rows.min()))
    assert [len(region.rows) for region in by_first] == [FAR, FAR]
    assert [region.num_persons for region in by_first] == [FAR - 1, FAR]
    assert [region.drivers[0].latent for region in by_first] == [2, 0]
    assert by_first[0].rows.tolist() == (7 * np.arange(FAR)).tolist()
    np.testing.assert_allclose(by_first[0].centre, mu[:FAR].mean(axis=0))
    relative = weights.probabilities[:FAR] * len(mu)
    assert by_first[0].weight == pytest.approx(relative.mean())
    assert by_first[0].drivers[0].place == pytest.approx((6 - mu[:, 2].mean()) / mu[:, 2].std())


def test_regions_are_joined_until_each_has_persons_enough() -> None:
    mu, _ = planted()
    some = np.arange(FAR + 5)  # ten in one direction, five in the other
    assert [len(each.rows) for each in regions_of(mu, some, least_persons=5)][:2] == [FAR, 5]
    (whole,) = regions_of(mu, some, least_persons=6)
    assert (whole.num_persons, whole.num_different) == (None, FAR + 5)
    # Ten pictures of four persons are no ten persons.
    alike = np.where(np.arange(len(mu)) < FAR, np.arange(len(mu)) % 4, np.arange(len(mu)))
    (mixed,) = regions_of(mu, np.arange(2 * FAR), persons=alike, least_persons=6)
    assert (mixed.num_persons, len(mixed.rows)) == (4 + FAR, 2 * FAR)


def test_few_persons_are_one_region_that_says_so() -> None:
    mu, _ = planted()
    (region,) = regions_of(mu, np.arange(5), persons=np.zeros(len(mu), dtype=np.intp))
    assert (region.num_persons, region.num_different, len(region.rows)) == (1, 1, 5)


def test_images_that_may_show_one_person_are_not_counted_as_several() -> None:
    mu, _ = planted()
    every = np.arange(len(mu))
    copied = np.where(every < FAR, 0, every)
    (region,) = regions_of(mu, np.arange(2 * FAR), different=copied)
    assert (region.num_persons, region.num_different) == (None, 1 + FAR)
    # Said of the region is who is known, even if a copy shows that two names are of one.
    (region,) = regions_of(mu, np.arange(2 * FAR), persons=every, different=copied)
    assert (region.num_persons, region.num_different) == (2 * FAR, 1 + FAR)
    assert len(regions_of(mu, np.arange(2 * FAR), persons=every)) == 2
