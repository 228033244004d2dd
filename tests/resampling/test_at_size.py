"""What must hold for tens of millions of images, most of it shown on small sets in small blocks."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from debias.resampling import blocks, draws
from debias.resampling.bins import bin_indices
from debias.resampling.draws import draw_epoch, shuffled
from debias.resampling.drivers import top_drivers
from debias.resampling.histogram import build_histograms, kl_per_latent
from debias.resampling.sampler import AdaptiveSampler
from debias.resampling.settings import ResamplingSettings, WeightRule
from debias.resampling.weights import SamplingWeights, sampling_weights

RULES: tuple[WeightRule, ...] = ("paper", "max", "product", "margin")


def latents(num_images: int, num_latents: int, *, dtype: type = np.float32) -> NDArray[np.floating]:
    drawn = np.random.default_rng(0).standard_normal((num_images, num_latents))
    spread: NDArray[np.floating] = (drawn * np.geomspace(0.1, 10, num_latents)).astype(dtype)
    return spread


def weigh(
    mu: NDArray[np.floating], rule: WeightRule, *, num_bins: int = 10, num_threads: int = 1
) -> SamplingWeights:
    margins = mu[:, 0].astype(np.float64) + np.random.default_rng(1).standard_normal(len(mu))
    return sampling_weights(
        mu,
        settings=ResamplingSettings(rule=rule, num_bins=num_bins),
        margins=margins,
        num_threads=num_threads,
    )


def assert_same(first: SamplingWeights, second: SamplingWeights) -> None:
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    np.testing.assert_array_equal(first.log_weights, second.log_weights)
    np.testing.assert_array_equal(first.drivers, second.drivers)
    assert first.health == second.health


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut what is small as if it were large."""
    monkeypatch.setattr(blocks, "_LEAST_SHARED", 0)
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", 2**12)
    monkeypatch.setattr(blocks, "_VECTOR_BLOCK", 100)
    monkeypatch.setattr(draws, "_FEW", 100)
    monkeypatch.setattr(draws, "_STRETCH", 300)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_weights_are_the_same_bits_however_many_threads(rule: WeightRule, dtype: type) -> None:
    mu = latents(2000, 9, dtype=dtype)
    assert_same(weigh(mu, rule, num_threads=1), weigh(mu, rule, num_threads=2))
    one, three = (kl_per_latent(mu, mu, num_threads=number) for number in (1, 3))
    np.testing.assert_array_equal(one, three)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("method", ["systematic", "multinomial"])
def test_draws_are_the_same_however_many_threads(method: draws.DrawMethod) -> None:
    shares = np.random.default_rng(3).gamma(0.5, size=1500)
    one, three = (
        draw_epoch(
            shares, 2000, generator=np.random.default_rng(4), method=method, num_threads=number
        )
        for number in (1, 3)
    )
    np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("num_bins", [10, 16, 17, 60])
def test_comparing_in_single_precision_changes_nothing(
    rule: WeightRule, dtype: type, num_bins: int
) -> None:
    mu = latents(700, 5, dtype=dtype)
    mu[:200] = np.round(mu[:200])  # values that often lie on an edge
    narrow = weigh(mu, rule, num_bins=num_bins)
    wide = weigh(mu.astype(np.float64), rule, num_bins=num_bins)
    assert_same(narrow, wide)


@given(
    cuts=st.lists(st.floats(-1e39, 1e39), min_size=3, max_size=20),
    values=st.lists(st.floats(-(2.0**126), 2.0**126, width=32), min_size=1, max_size=20),
)
def test_bins_of_single_precision_are_those_of_double(
    cuts: list[float], values: list[float]
) -> None:
    edges = np.sort(np.array([cuts + values]))  # beyond float32, between its numbers, and on them
    block = np.array([values], dtype=np.float32)
    np.testing.assert_array_equal(
        bin_indices(edges, block), bin_indices(edges, block.astype(np.float64))
    )


@pytest.mark.parametrize("num_latents", [1, 2, 3, 8])
@pytest.mark.parametrize("num_bins", [10, 16, 17])
def test_drivers_are_the_largest_scores_in_order(num_latents: int, num_bins: int) -> None:
    mu = latents(400, num_latents)
    histograms = build_histograms(mu, num_bins=num_bins)
    weights = weigh(mu, "paper", num_bins=num_bins)
    table = -np.log(histograms.bin_masses + 0.01)
    table -= np.average(table, weights=histograms.counts, axis=1)[:, np.newaxis]
    bins = bin_indices(histograms.edges, np.ascontiguousarray(mu.T))
    scores = np.take_along_axis(table, bins.astype(np.intp), axis=1).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :3]
    best = np.take_along_axis(scores, order, axis=1)
    np.testing.assert_array_equal(weights.drivers, np.where(best > 1e-9, order, -1))


def test_of_equal_scores_the_first_dimension_drives() -> None:
    rare = (np.arange(100) < 5).astype(np.float32)
    weights = weigh(np.stack([rare] * 4, axis=1), "paper")
    assert weights.drivers[:5].tolist() == [[0, 1, 2]] * 5


@pytest.mark.usefixtures("small_blocks")
def test_top_drivers_are_summed_over_all_stretches() -> None:
    drivers = np.random.default_rng(0).integers(-1, 4, size=(1001, 1)).astype(np.int32)
    probabilities = np.random.default_rng(1).dirichlet(np.ones(1001))
    top, shares = top_drivers(drivers, probabilities)
    assert sorted(top) == [0, 1, 2, 3]
    for latent, share in zip(top, shares, strict=True):
        assert share == pytest.approx(probabilities[drivers[:, 0] == latent].sum())


def test_weights_from_a_file_are_those_of_the_array_and_need_a_few_vectors(tmp_path: Path) -> None:
    num_images, num_latents = 200_000, 64
    mu = latents(num_images, num_latents, dtype=np.float16)
    np.save(tmp_path / "mu.npy", mu)
    mapped = np.load(tmp_path / "mu.npy", mmap_mode="r")
    settings = ResamplingSettings(rule="product")
    expected = sampling_weights(mu, settings=settings, num_threads=1)
    del mu
    tracemalloc.start()
    try:
        found = sampling_weights(mapped, settings=settings, num_threads=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert_same(found, expected)
    blocks_in_work = 12 * 2**20
    assert peak < 8 * num_images * 8 + blocks_in_work  # a float32 copy would be 51 MB by itself


@given(
    weights=st.lists(st.floats(0, 1e6), min_size=1, max_size=40).filter(lambda w: sum(w) > 0),
    num_draws=st.integers(1, 200),
    seed=st.integers(0, 1000),
)
def test_counted_draws_are_those_of_a_search(
    weights: list[float], num_draws: int, seed: int
) -> None:
    shares = np.array(weights)
    rows = draw_epoch(shares, num_draws, generator=np.random.default_rng(seed))
    cumulative = np.cumsum(shares) / np.cumsum(shares)[-1]
    start = np.random.default_rng(seed).random()
    points = np.minimum((np.arange(num_draws) + start) / num_draws, np.nextafter(1.0, 0.0))
    expected = np.searchsorted(cumulative, points, side="right")
    # Where a point lies on an end but for rounding, one draw may fall on the neighbour.
    near = np.abs(np.subtract.outer(points, cumulative[:-1])).min(axis=1, initial=1) < 1e-14
    differs = np.sort(rows) != expected
    assert not (differs & ~near).any()


@pytest.mark.usefixtures("small_blocks")
def test_shuffling_in_piles_keeps_all_and_favours_no_place() -> None:
    places = np.zeros((8, 8))
    for seed in range(100):
        order = shuffled(np.arange(800), generator=np.random.default_rng(seed), num_threads=1)
        assert np.array_equal(np.sort(order), np.arange(800))
        np.add.at(places, (order // 100, np.arange(800) // 100), 1)
    assert chisquare(places.ravel()).pvalue > 0.001
    # Neighbours are not kept together either.
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.12


def test_an_epoch_is_handed_out_in_order_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(AdaptiveSampler(1000, seed=3))
    monkeypatch.setattr("debias.resampling.sampler._LISTED", 7)
    pieces = list(AdaptiveSampler(1000, seed=3))
    assert pieces == whole
    assert all(type(row) is int for row in pieces)


@pytest.mark.slow
def test_beyond_two_to_the_24_the_upper_half_is_drawn_as_often_as_it_should_be() -> None:
    num_images = 2**24 + 1000
    shares = np.ones(num_images)
    shares[-1000:] = 1000.0
    rows = draw_epoch(shares, num_images, generator=np.random.default_rng(0))
    expected = shares[num_images // 2 :].sum() / shares.sum() * num_images
    assert np.count_nonzero(rows >= num_images // 2) == pytest.approx(expected, abs=1.5)
    assert np.count_nonzero(rows >= num_images - 1000) == pytest.approx(
        1e6 / shares.sum() * num_images, abs=1.5
    )
    for part in np.array_split(rows, 7):  # no order is left
        assert part.mean() == pytest.approx(rows.mean(), rel=0.002)
    assert abs(np.corrcoef(rows[:-1:16], rows[1::16])[0, 1]) < 0.005
