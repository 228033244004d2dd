from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from debias.audit.regions import cluster_regions, half_spaces, principal_components
from debias.audit.slices import (
    FAMILIES,
    Slices,
    _adjusted,
    _candidates,
    _overlap,
    find_slices,
)
from debias.metrics.intervals import wilson
from debias.metrics.pairs import holm

NUM_IMAGES = 1500


def embedding_of(inside: np.ndarray, *, seed: int = 0, distance: float = 4.0) -> np.ndarray:
    """Return noise in which the images inside stand apart in one of eight dimensions."""
    generator = np.random.default_rng(seed)
    embedding = generator.normal(size=(inside.size, 8))
    embedding[:, 3] += distance * inside
    return embedding


def planted(
    *, share: float = 0.1, inside_rate: float = 0.4, outside_rate: float = 0.05, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return an embedding, errors, and where they concentrate."""
    inside = np.arange(NUM_IMAGES) < share * NUM_IMAGES
    generator = np.random.default_rng(seed + 100)
    errors = generator.random(NUM_IMAGES) < np.where(inside, inside_rate, outside_rate)
    return embedding_of(inside, seed=seed), errors, inside


def search(embedding: np.ndarray, errors: np.ndarray, *, seed: int = 0, **others: object) -> Slices:
    generator = np.random.default_rng(seed)
    return find_slices(embedding=embedding, errors=errors, generator=generator, **others)  # type: ignore[arg-type]


def test_a_planted_slice_is_found() -> None:
    embedding, errors, inside = planted()
    found = search(embedding, errors)
    assert (found.num_dimensions, found.num_images) == (8, NUM_IMAGES)
    assert found.num_candidates > 20
    first = found.slices[0]
    assert inside[first.midst].mean() >= 0.9
    assert inside[first.inside].mean() >= 0.8
    assert first.adjusted_p_value < 1e-4
    assert first.low > first.error_rate_elsewhere.value
    together = np.unique(np.concatenate([each.inside for each in found.slices]))
    assert np.isin(np.flatnonzero(inside), together).mean() >= 0.5


def test_a_direction_that_is_no_cluster_is_found() -> None:
    generator = np.random.default_rng(0)
    embedding = generator.normal(size=(3000, 20))
    rising = embedding @ np.r_[1.0, 1.0, 1.0, np.zeros(17)]
    inside = rising >= np.quantile(rising, 0.9)
    errors = generator.random(3000) < np.where(inside, 0.4, 0.03)
    found = search(embedding, errors).slices
    assert inside[found[0].midst].mean() >= 0.9
    assert any(each.error_rate.num_trials < each.inside.size for each in found)


def test_figures_are_those_of_the_images_that_had_no_say() -> None:
    embedding, errors, _ = planted()
    found = search(embedding, errors)
    for each in found.slices:
        assert (np.diff(each.inside) > 0).all()
        assert np.isin(each.midst, each.inside).all()
        assert each.midst.size == 10
        rate = each.error_rate
        if rate.num_trials == each.inside.size:
            assert rate.num_successes == errors[each.inside].sum()
            assert each.error_rate_elsewhere.num_trials == NUM_IMAGES - each.inside.size
        else:
            assert 0.3 < rate.num_trials / each.inside.size < 0.7
            assert rate.num_trials + each.error_rate_elsewhere.num_trials == NUM_IMAGES // 2
        low, high = wilson(
            num_successes=rate.num_successes,
            num_trials=rate.num_trials,
            confidence=1.0 - 0.05 / found.num_candidates,
        )
        assert (each.low, each.high) == pytest.approx((float(low), float(high)))
        assert each.low < rate.low
        assert rate.high < each.high


@pytest.mark.parametrize("seed", range(4))
def test_slices_are_sorted_distinct_and_significant(seed: int) -> None:
    embedding, errors, _ = planted(seed=seed)
    found = search(embedding, errors, seed=seed).slices
    assert found
    rates = [each.error_rate.value for each in found]
    assert rates == sorted(rates, reverse=True)
    for k, each in enumerate(found):
        assert each.adjusted_p_value <= 0.05
        assert each.error_rate.value > each.error_rate_elsewhere.value
        for other in found[:k]:
            common = np.intersect1d(each.inside, other.inside).size
            assert common <= 0.5 * min(each.inside.size, other.inside.size)


def test_an_echo_of_a_slice_is_left_out() -> None:
    # Errors are at one end of a direction; clusters that reach into it have more than others.
    generator = np.random.default_rng(0)
    embedding = generator.normal(size=(4000, 6)) * np.array([2.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    inside = embedding[:, 0] >= np.quantile(embedding[:, 0], 0.8)
    errors = generator.random(4000) < np.where(inside, 0.5, 0.05)
    (only,) = search(embedding, errors).slices
    assert inside[only.inside].mean() > 0.9


def test_two_slices_are_told_apart() -> None:
    generator = np.random.default_rng(0)
    embedding = generator.normal(size=(3000, 6))
    first, second = np.arange(3000) < 200, np.arange(3000) >= 2750
    embedding[first, 1] += 6.0
    embedding[second, 4] -= 6.0
    rate = np.select([first, second], [0.6, 0.4], 0.05)
    found = search(embedding, generator.random(3000) < rate).slices
    assert first[found[0].midst].mean() >= 0.9
    assert second[found[1].midst].mean() >= 0.9


def test_p_values_of_clusters_are_fishers_by_holm_and_doubled() -> None:
    # Errors in the middle of three lumps: no direction leads there, so that clusters find them.
    generator = np.random.default_rng(0)
    lump = generator.choice([-8.0, 0.0, 8.0], NUM_IMAGES, p=[0.45, 0.1, 0.45])
    embedding = np.c_[lump, np.zeros((NUM_IMAGES, 3))] + generator.normal(size=(NUM_IMAGES, 4))
    errors = generator.random(NUM_IMAGES) < np.where(lump == 0.0, 0.3, 0.1)
    found = search(embedding, errors)
    components = principal_components(embedding, generator=np.random.default_rng(0))
    clusters = cluster_regions(*components, min_size=30, generator=np.random.default_rng(0))
    regions = [region.inside for region in clusters]
    alone = [
        stats.fisher_exact(
            [
                [np.sum(errors & inside), np.sum(~errors & inside)],
                [np.sum(errors & ~inside), np.sum(~errors & ~inside)],
            ],
            alternative="greater",
        ).pvalue
        for inside in regions
    ]
    names = [np.flatnonzero(inside).tobytes() for inside in regions]
    expected = dict(zip(names, np.minimum(2 * holm(alone), 1.0), strict=True))
    whole = [each for each in found.slices if each.error_rate.num_trials == each.inside.size]
    assert whole
    for each in whole:
        assert each.adjusted_p_value == pytest.approx(expected[each.inside.tobytes()])


def test_families_are_corrected_apart() -> None:
    generator = np.random.default_rng(0)
    p_values, names = generator.random(20) ** 4, generator.choice(list(FAMILIES), 20)
    found = _adjusted(p_values.tolist(), names.tolist())
    for family, share in FAMILIES.items():
        holm = multipletests(p_values[names == family], method="holm")[1]
        np.testing.assert_allclose(found[names == family], np.minimum(holm / share, 1.0))
    assert sum(FAMILIES.values()) == 1.0


def test_no_structure_seldom_gives_a_slice() -> None:
    alarms = 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        embedding = generator.normal(size=(500, 40))
        errors = generator.random(500) < 0.1
        alarms += bool(search(embedding, errors, seed=seed).slices)
    assert alarms <= 6  # more than 6 of 60 at 5 % each: 2 %


def test_persons_who_are_often_wrong_seldom_give_a_slice() -> None:
    # Each person's images lie together and are mostly all right or all wrong.
    alarms = blind = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        persons = np.repeat(np.arange(150), 6)
        embedding = generator.normal(size=(150, 6))[persons] + 0.2 * generator.normal(size=(900, 6))
        errors = (generator.random(150) < 0.15)[persons] ^ (generator.random(900) < 0.03)
        alarms += bool(search(embedding, errors, seed=seed, clusters=persons, min_size=20).slices)
        blind += bool(search(embedding, errors, seed=seed, min_size=20).slices)
    assert alarms <= 5
    assert blind >= 20


def test_a_person_is_in_one_half_only() -> None:
    persons = np.repeat(np.arange(300), 5)
    embedding, errors, _ = planted()
    candidates = _candidates(
        embedding, errors, persons, min_size=30, generator=np.random.default_rng(0)
    )
    halves = [
        next(each.tested for each in candidates if each.family == family)
        for family in ("first half", "second half")
    ]
    np.testing.assert_array_equal(halves[0], ~halves[1])
    by_person = halves[0].reshape(300, 5)
    assert (by_person.all(axis=1) | ~by_person.any(axis=1)).all()
    assert by_person.all(axis=1).sum() == 150
    assert all(each.tested.all() for each in candidates if each.family == "clusters")


def test_a_region_needs_persons_enough_to_test_it() -> None:
    embedding, errors, _ = planted()
    persons = np.arange(NUM_IMAGES) // 60  # 25 persons
    assert search(embedding, errors, clusters=persons).num_candidates == 0
    assert search(embedding, errors, clusters=persons, min_size=5).num_candidates > 0


def test_a_slice_is_described_by_what_it_has_more_of() -> None:
    embedding, errors, inside = planted()
    generator = np.random.default_rng(0)
    features = pd.DataFrame(
        {
            "hat": pd.Series(inside ^ (generator.random(NUM_IMAGES) < 0.1)).map({True: "yes"}),
            "gender": generator.choice(["female", "male"], NUM_IMAGES),
        }
    ).rename(index="image-{}".format)
    found = search(embedding, errors, sensitive_features=features)
    for each in found.slices:
        (common,) = each.attributes
        assert (common.name, common.value) == ("hat", "yes")
        assert common.share > 0.7
        assert common.share_elsewhere < 0.4
        assert common.adjusted_p_value < 1e-6
        if each.error_rate.num_trials == each.inside.size:
            wears = features["hat"].notna().to_numpy()[each.inside]
            assert common.share == pytest.approx(wears.mean())


def test_what_is_unknown_describes_too() -> None:
    embedding, errors, inside = planted()
    features = pd.DataFrame({"hat": pd.Series(inside).map({False: "yes"})})
    (common,) = search(embedding, errors, sensitive_features=features).slices[0].attributes
    assert (common.name, common.value) == ("hat", "unknown")


def test_attributes_have_no_say_in_what_is_found() -> None:
    embedding, errors, inside = planted()
    features = pd.DataFrame({"hat": inside, "id": np.arange(NUM_IMAGES) % 7})
    first, second = (
        search(embedding, errors),
        search(embedding, errors, sensitive_features=features),
    )
    assert [each.inside.tolist() for each in first.slices] == [
        each.inside.tolist() for each in second.slices
    ]


def test_the_same_generator_finds_the_same() -> None:
    embedding, errors, _ = planted()
    first, second = (search(embedding, errors).slices for _ in range(2))
    assert [each.adjusted_p_value for each in first] == [each.adjusted_p_value for each in second]


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_without_errors_or_with_nothing_else_nothing_is_sought(rate: float) -> None:
    embedding, _, _ = planted()
    found = search(embedding, np.full(NUM_IMAGES, rate))
    assert (found.num_candidates, found.slices) == (0, ())


@pytest.mark.parametrize("num_images", [0, 1, 5, 40])
def test_few_images_give_nothing(num_images: int) -> None:
    generator = np.random.default_rng(0)
    found = search(generator.normal(size=(num_images, 3)), generator.random(num_images) < 0.5)
    assert found.slices == ()
    assert found.num_images == num_images


def test_a_constant_embedding_gives_nothing() -> None:
    _, errors, _ = planted()
    found = search(np.full((NUM_IMAGES, 4), 1e6 / 3), errors)
    assert (found.num_candidates, found.slices) == (0, ())


@pytest.mark.parametrize("unit", [1e-150, 1e-5, 1e9, 1e150])
def test_unit_origin_and_constant_dimensions_do_not_matter(unit: float) -> None:
    embedding, errors, _ = planted()
    moved = np.c_[(embedding + 50.0) * unit, np.full(NUM_IMAGES, 3.0 * unit)]
    first, second = search(embedding, errors), search(moved, errors)
    assert [each.inside.tolist() for each in first.slices] == [
        each.inside.tolist() for each in second.slices
    ]


def test_a_stray_image_hides_nothing() -> None:
    embedding, errors, inside = planted()
    embedding[-1] = 300.0
    first = search(embedding, errors).slices[0]
    assert inside[first.midst].mean() >= 0.8


def test_shapes_and_values_are_checked() -> None:
    embedding, errors, _ = planted()
    with pytest.raises(ValueError, match="shape"):
        search(embedding, errors[:-1])
    with pytest.raises(ValueError, match="shape"):
        search(embedding[:, 0], errors)
    embedding[7, 2] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        search(embedding, errors)


def test_components_are_white() -> None:
    generator = np.random.default_rng(0)
    mixed = generator.normal(size=(4000, 5)) @ generator.normal(size=(5, 12)) * 7.0 + 3.0
    found, spread = principal_components(mixed, generator=generator)
    assert spread[0] == 1.0
    assert (np.diff(spread) < 0.0).all()
    assert found.shape == (4000, 5)  # the other seven are combinations of them
    np.testing.assert_allclose(found.mean(axis=0), 0.0, atol=0.01)
    np.testing.assert_allclose(np.cov(found, rowvar=False), np.eye(5), atol=0.02)
    stray = np.r_[mixed, 1e4 * mixed[:1]]
    assert np.abs(principal_components(stray, generator=generator)[0]).max() == 5.0


def test_components_of_the_largest_variance_come_first() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(4000, 100)) * np.where(np.arange(100) == 70, 9.0, 1.0)
    rows[:, 30] *= 1e-3  # an inactive unit
    found, spread = principal_components(rows, generator=generator)
    assert spread[1] == pytest.approx(1 / 9, rel=0.2)
    assert found.shape == (4000, 64)
    assert abs(np.corrcoef(found[:, 0], rows[:, 70])[0, 1]) > 0.99
    assert max(abs(np.corrcoef(column, rows[:, 30])[0, 1]) for column in found.T) < 0.1


def test_many_images_are_placed_by_axes_from_some_of_them() -> None:
    generator = np.random.default_rng(0)
    many = generator.normal(size=(30_000, 3)).astype(np.float32) * np.array([1, 10, 100])
    found, _ = principal_components(many, generator=generator)
    assert found.shape == (30_000, 3)
    np.testing.assert_allclose(np.cov(found, rowvar=False), np.eye(3), atol=0.05)


def test_clusters_part_all_images_at_each_resolution() -> None:
    embedding, _, _ = planted()
    regions = list(
        cluster_regions(
            *principal_components(embedding, generator=np.random.default_rng(0)),
            min_size=1,
            generator=np.random.default_rng(0),
        )
    )
    covered = np.sum([region.inside for region in regions], axis=0)
    assert (covered == 6).all()  # three resolutions, twice
    for region in regions:
        assert region.depth[region.inside].mean() > region.depth[~region.inside].mean()


def test_half_spaces_look_at_no_error_but_those_searched() -> None:
    embedding, errors, _ = planted()
    components, _ = principal_components(embedding, generator=np.random.default_rng(0))
    searched = np.random.default_rng(0).random(NUM_IMAGES) < 0.5
    first, second = (
        list(half_spaces(components, errors=given_, searched=searched))
        for given_ in (errors, np.where(searched, errors, ~errors))
    )
    assert len(first) == len(second) > 8
    for region, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(region.inside, other.inside)
    shares = [region.inside[searched].mean() for region in first[:4]]
    assert shares == pytest.approx([0.025, 0.05, 0.1, 0.2], abs=0.002)


def test_a_second_direction_is_that_of_the_errors_left() -> None:
    generator = np.random.default_rng(0)
    components = generator.normal(size=(4000, 5)).astype(np.float32)
    rate = np.select([components[:, 0] > 1.5, components[:, 3] < -1.5], [0.8, 0.5], 0.02)
    errors = generator.random(4000) < rate
    regions = list(half_spaces(components, errors=errors, searched=np.ones(4000, dtype=bool)))
    first, second = regions[0].depth, regions[4].depth
    assert np.corrcoef(first, components[:, 0])[0, 1] > 0.8
    assert np.corrcoef(second, components[:, 3])[0, 1] < -0.5


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 0], 0.5),
        ([1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0], 1.0),
        ([1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0], 0.0),
    ],
)
def test_overlap_is_of_the_smaller(first: list[int], second: list[int], expected: float) -> None:
    masks = np.array(first, dtype=bool), np.array(second, dtype=bool)
    assert _overlap(*masks) == _overlap(*masks[::-1]) == expected
