from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from debias.errors import DataError
from debias.resampling.bins import bin_indices
from debias.resampling.blocks import as_matrix
from debias.resampling.histogram import LatentHistograms, build_histograms, kl_per_latent


def gaussian(num_images: int, num_latents: int, *, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(num_images, num_latents))


def test_counts_of_a_matrix_worked_by_hand() -> None:
    latents = np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 6.0], [4.0, 9.0]])
    histograms = build_histograms(latents, num_bins=4)
    np.testing.assert_array_equal(histograms.edges[0], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(histograms.edges[1], [5, 6, 7, 8, 9])
    # A value on an edge belongs to the bin above, the largest value to the last bin.
    np.testing.assert_array_equal(histograms.counts, [[1, 1, 1, 1], [2, 1, 0, 1]])
    np.testing.assert_array_equal(
        histograms.mass(latents), [[0.25, 0.5], [0.25, 0.5], [0.25, 0.25], [0.25, 0.25]]
    )
    assert histograms.num_images == 4


@pytest.mark.parametrize("num_bins", [1, 2, 10, 51, 52, 300])
@pytest.mark.parametrize("shape", [(1, 3), (7, 1), (1000, 6)])
def test_agrees_with_numpy_histogram(num_bins: int, shape: tuple[int, int]) -> None:
    latents = gaussian(*shape)
    histograms = build_histograms(latents, num_bins=num_bins)
    if shape[0] > 1:  # NumPy widens a single value by another margin
        for latent, values in enumerate(latents.T):
            counts, edges = np.histogram(values, bins=num_bins)
            np.testing.assert_array_equal(histograms.counts[latent], counts)
            np.testing.assert_allclose(histograms.edges[latent], edges, rtol=1e-12)
    np.testing.assert_array_equal(histograms.counts.sum(axis=1), shape[0])


@given(
    num_bins=st.integers(2, 80),
    values=st.lists(st.integers(-1000, 1000), min_size=2, max_size=40),
)
def test_bins_are_those_of_a_plain_loop(num_bins: int, values: list[int]) -> None:
    edges = np.sort(np.random.default_rng(0).normal(0, 500, size=(1, num_bins + 1)))
    edges[0, 1] = values[0]  # a value on an edge
    edges.sort()
    expected = [sum(value >= cut for cut in edges[0, 1:-1]) for value in values]
    found = bin_indices(edges, np.array([values], dtype=np.float64))
    assert found.tolist() == [expected]


@pytest.mark.parametrize("chunk", [1, 7, 500, 10_000])
def test_blocks_of_any_size_give_the_same_result(chunk: int) -> None:
    latents = gaussian(500, 5).astype(np.float32)
    whole = build_histograms(latents)
    blocked = build_histograms(latents, chunk=chunk)
    np.testing.assert_array_equal(blocked.edges, whole.edges)
    np.testing.assert_array_equal(blocked.counts, whole.counts)


@given(exponent=st.integers(-900, 900), seed=st.integers(0, 10))
def test_mass_does_not_change_with_scale(exponent: int, seed: int) -> None:
    latents = gaussian(200, 2, seed=seed)
    stretched = latents * 2.0**exponent  # exact, so no value changes its bin by rounding
    np.testing.assert_array_equal(
        build_histograms(stretched).mass(stretched), build_histograms(latents).mass(latents)
    )


@given(shift=st.integers(-(2**30), 2**30), seed=st.integers(0, 10))
def test_mass_does_not_change_with_shift_or_mirroring(shift: int, seed: int) -> None:
    latents = np.random.default_rng(seed).integers(1, 1025, size=(200, 2)).astype(np.float64)
    latents[0], latents[1] = 0.5, 1024.5  # so the edges are halves, and no value lies on one
    masses = build_histograms(latents, num_bins=8).mass(latents)
    for moved in (latents + shift, -latents + shift):
        np.testing.assert_array_equal(build_histograms(moved, num_bins=8).mass(moved), masses)


@pytest.mark.parametrize("value", [0.0, -3.5, 1e-30, 1e30])
def test_a_constant_dimension_has_all_its_mass_in_one_bin(value: float) -> None:
    latents = np.column_stack([np.full(50, value), gaussian(50, 1)])
    histograms = build_histograms(latents)
    assert np.sort(histograms.counts[0]).tolist() == [0.0] * 9 + [50.0]
    assert (np.diff(histograms.edges[0]) > 0).all()
    np.testing.assert_array_equal(histograms.mass(latents)[:, 0], 1.0)


def test_a_range_of_a_few_ulps_is_cut_without_disorder() -> None:
    latents = np.array([[1.0], [np.nextafter(1.0, 2.0)], [np.nextafter(1.0, 0.0)]])
    histograms = build_histograms(latents)
    assert histograms.num_images == 3
    again = build_histograms(latents, edges=histograms.edges)
    np.testing.assert_array_equal(again.counts, histograms.counts)


def test_one_image_has_mass_one() -> None:
    latents = gaussian(1, 4)
    np.testing.assert_array_equal(build_histograms(latents).mass(latents), np.ones((1, 4)))


def test_values_outside_the_edges_fall_in_the_outermost_bins() -> None:
    edges = np.array([[0.0, 1.0, 2.0, 3.0]])
    histograms = build_histograms(np.array([[-9.0], [0.5], [1.5], [99.0]]), edges=edges)
    np.testing.assert_array_equal(histograms.counts, [[2, 1, 1]])
    np.testing.assert_array_equal(
        histograms.mass(np.array([[-1e9], [1.2], [1e9]])), [[0.5], [0.25], [0.25]]
    )


def test_weights_count_an_image_as_often_as_repeating_it() -> None:
    latents = gaussian(30, 3)
    times = np.arange(30) % 4 + 1
    weighted = build_histograms(latents, weights=times)
    repeated = build_histograms(np.repeat(latents, times, axis=0))
    np.testing.assert_array_equal(weighted.edges, repeated.edges)
    np.testing.assert_array_equal(weighted.counts, repeated.counts)


def test_merging_parts_gives_the_whole() -> None:
    latents = gaussian(100, 3)
    whole = build_histograms(latents)
    first = build_histograms(latents[:30], edges=whole.edges)
    second = build_histograms(latents[30:], edges=whole.edges)
    np.testing.assert_array_equal(first.merge(second).counts, whole.counts)


def test_forgetting_moves_the_masses_towards_the_new_images() -> None:
    edges = np.array([[0.0, 1.0, 2.0]])
    old = build_histograms(np.array([[0.5]] * 4), edges=edges)
    new = build_histograms(np.array([[1.5]] * 3), edges=edges)
    merged = old.scaled(0.25).merge(new)
    np.testing.assert_array_equal(merged.counts, [[1.0, 3.0]])
    np.testing.assert_array_equal(merged.bin_masses, [[0.25, 0.75]])
    assert merged.num_images == 4.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_give_what_arrays_give(dtype: torch.dtype) -> None:
    tensor = torch.from_numpy(gaussian(60, 3)).to(dtype).requires_grad_()
    array = tensor.detach().double().numpy()
    np.testing.assert_array_equal(build_histograms(tensor).counts, build_histograms(array).counts)


def test_an_array_mapped_from_a_file_is_not_copied_whole(tmp_path: Path) -> None:
    np.save(tmp_path / "latents.npy", gaussian(300, 4).astype(np.float32))
    mapped = np.load(tmp_path / "latents.npy", mmap_mode="r")
    assert as_matrix(mapped) is mapped
    expected = build_histograms(np.array(mapped)).counts
    np.testing.assert_array_equal(build_histograms(mapped).counts, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("given_edges", [False, True])
def test_a_value_that_is_not_finite_is_named(value: float, given_edges: bool) -> None:
    latents = gaussian(50, 4)
    edges = build_histograms(latents).edges if given_edges else None
    latents[37, 2] = value
    with pytest.raises(DataError, match=r"row 37.*dimension 2"):
        build_histograms(latents, edges=edges, chunk=10)
    with pytest.raises(DataError, match=r"row 37.*dimension 2"):
        build_histograms(gaussian(50, 4)).mass(latents)


@pytest.mark.parametrize(
    "latents",
    [
        np.zeros((0, 3)),
        np.zeros((3, 0)),
        np.zeros(3),
        np.zeros((2, 2, 2)),
        np.zeros((2, 2), dtype=complex),
        np.array([["a", "b"]]),
    ],
)
def test_what_is_no_matrix_of_numbers_is_refused(latents: NDArray[Any]) -> None:
    with pytest.raises(DataError, match="shape"):
        build_histograms(latents)


def test_a_range_beyond_float64_is_refused() -> None:
    latents = np.array([[0.0, -1.7e308], [1.0, 1.7e308]])
    with pytest.raises(DataError, match=r"latent 1.*too wide"):
        build_histograms(latents)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(4), "as many weights"),
        (np.array([1, 1, -1.0]), "row 2"),
        (np.array([1, np.nan, 1]), "row 1"),
        (np.zeros(3), "without images"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights: NDArray[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        build_histograms(gaussian(3, 2), weights=weights)


@pytest.mark.parametrize(
    "edges", [np.zeros((3, 4)), np.zeros(4), np.zeros((2, 1)), np.array([[0, 1], [1, 0]])]
)
def test_edges_that_do_not_fit_are_refused(edges: NDArray[Any]) -> None:
    with pytest.raises(DataError, match="edges"):
        build_histograms(gaussian(5, 2), edges=edges)


def test_histograms_that_cannot_be_are_refused() -> None:
    edges = np.array([[0.0, 1.0, 2.0]])
    for counts in ([[1.0, -1.0]], [[np.nan, 1.0]], [[0.0, 0.0]], [[1.0, 1.0, 1.0]]):
        with pytest.raises(DataError):
            LatentHistograms(edges=edges, counts=np.array(counts))
    histograms = LatentHistograms(edges=edges, counts=np.array([[1.0, 2.0]]))
    with pytest.raises(DataError, match="different edges"):
        histograms.merge(LatentHistograms(edges=edges + 1, counts=histograms.counts))
    for factor in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(DataError, match="scaled"):
            histograms.scaled(factor)
    with pytest.raises(DataError, match="do not fit"):
        histograms.mass(gaussian(5, 2))
    with pytest.raises(DataError, match="at least one bin"):
        build_histograms(gaussian(5, 2), num_bins=0)


def test_kl_is_zero_at_the_prior_and_only_there() -> None:
    prior = np.zeros((10, 3))
    np.testing.assert_array_equal(kl_per_latent(prior, prior), 0.0)
    moved = prior.copy()
    moved[:, 1] = 0.1
    assert (kl_per_latent(moved, prior) > 0).tolist() == [False, True, False]
    assert (kl_per_latent(prior, moved) > 0).tolist() == [False, True, False]


def test_kl_agrees_with_torch() -> None:
    mu, log_var = torch.from_numpy(gaussian(2, 500)), torch.from_numpy(gaussian(2, 500, seed=1))
    posterior = torch.distributions.Normal(mu, torch.exp(0.5 * log_var))
    prior = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    expected = torch.distributions.kl_divergence(posterior, prior).mean(dim=0)
    np.testing.assert_allclose(kl_per_latent(mu, log_var), expected.numpy(), rtol=1e-10)


def test_kl_faults() -> None:
    latents = gaussian(5, 3)
    with pytest.raises(DataError, match="shape"):
        kl_per_latent(latents, latents[:, :2])
    huge = latents.copy()
    huge[2, 1] = 1000.0
    with pytest.raises(DataError, match="latent 1"):
        kl_per_latent(latents, huge)
    huge[2, 1] = np.nan
    with pytest.raises(DataError, match="row 2"):
        kl_per_latent(latents, huge)
