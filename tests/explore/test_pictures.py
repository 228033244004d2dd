"""Pictures of a latent space, on a decoder that is known: latent k shades channel k."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from debias.explore.frames import grid_jpeg, strip_jpeg
from debias.explore.pictures import interpolate, latent_grid, picture_change, place_normals
from debias.explore.posterior import AggregatedPosterior, aggregated_posterior
from debias.inference.latents import traverse_latents
from debias.models.db_vae import FaceModel
from debias.models.networks import NetworkSettings

SIDE = 32


class _Shades(nn.Module):
    """Three latents to a flat picture: channel k is 0.5 + 0.1 z_k."""

    def forward(self, latents: Tensor) -> Tensor:
        return (0.5 + 0.1 * latents)[:, :, None, None].expand(-1, -1, SIDE, SIDE)


@pytest.fixture
def model() -> FaceModel:
    settings = NetworkSettings(image_size=SIDE, channels=(4, 4), blocks=(0,), latent_size=3)
    made = FaceModel(settings, architecture="vae")
    assert made.latent_head is not None
    made.latent_head.decoder = _Shades()  # type: ignore[assignment]
    return made


MU = np.random.default_rng(0).normal(size=(400, 3)) * [1.0, 0.5, 0.0] + [0.0, 1.0, -1.0]


@pytest.fixture
def posterior() -> AggregatedPosterior:
    """Means at 0, 1, -1; standard deviations sqrt(1 + 1), sqrt(0.25 + 1), 1 but for the draw."""
    return aggregated_posterior(MU, np.zeros((400, 3)))


def test_a_change_is_the_mean_over_channels(
    model: FaceModel, posterior: AggregatedPosterior
) -> None:
    expected = 0.1 * 4 * posterior.spread / 3  # one of three channels moves by 4 of them
    np.testing.assert_allclose(picture_change(model, posterior), expected, atol=0.004)


def test_a_traversal_moves_one_latent_by_the_spread_it_is_given(
    model: FaceModel, posterior: AggregatedPosterior
) -> None:
    frames = traverse_latents(model, MU, (1,), steps=(-1.0, 0.0, 2.0), spread=posterior.spread)
    assert frames.shape == (1, 3, SIDE, SIDE, 3)
    shades = frames[0, :, 0, 0] / 255
    others = 0.5 + 0.1 * posterior.mean[[0, 2]]
    np.testing.assert_allclose(shades[:, [0, 2]], np.tile(others, (3, 1)), atol=0.003)
    moved = 0.5 + 0.1 * (posterior.mean[1] + np.array([-1, 0, 2]) * posterior.spread[1])
    np.testing.assert_allclose(shades[:, 1], moved, atol=0.003)


def test_a_grid_grows_to_the_right_and_upwards(
    model: FaceModel, posterior: AggregatedPosterior
) -> None:
    grid = latent_grid(model, posterior, (0, 1), steps=(-1.0, 0.0, 1.0))
    assert grid.shape == (3, 3, SIDE, SIDE, 3)
    shades = grid[:, :, 0, 0].astype(int)
    assert (np.diff(shades[:, :, 0], axis=1) > 10).all()
    assert (np.diff(shades[:, :, 0], axis=0) == 0).all()
    assert (np.diff(shades[:, :, 1], axis=0) < -5).all()
    assert (np.diff(shades[:, :, 1], axis=1) == 0).all()


def test_a_way_between_draws_keeps_to_the_sphere() -> None:
    rng = np.random.default_rng(1)
    start, end = rng.standard_normal((2, 64))
    end *= np.linalg.norm(start) / np.linalg.norm(end)
    path = interpolate(start, end, num_frames=9)
    np.testing.assert_allclose(path[[0, -1]], [start, end], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), np.linalg.norm(start))
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[0])


@pytest.mark.parametrize("end", [[2.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_a_way_between_draws_in_line_is_straight(end: list[float]) -> None:
    path = interpolate(np.array([1.0, 0.0]), np.array(end), num_frames=3)
    np.testing.assert_allclose(path[1], (np.array([1.0, 0.0]) + end) / 2)


def test_draws_are_of_the_prior_or_as_the_images_lie(posterior: AggregatedPosterior) -> None:
    normals = np.random.default_rng(2).standard_normal((20_000, 3))
    np.testing.assert_array_equal(place_normals(posterior, normals), normals)
    mu = MU @ np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    of_codes = aggregated_posterior(mu, None)
    placed = place_normals(of_codes, normals)
    np.testing.assert_allclose(placed.mean(axis=0), of_codes.mean, atol=0.05)
    np.testing.assert_allclose(np.cov(placed, rowvar=False), of_codes.covariance, atol=0.05)


def test_strips_and_grids_lie_side_by_side() -> None:
    shades = np.array([[0, 50, 100], [150, 200, 250]], dtype=np.uint8)
    pictures = np.broadcast_to(shades[:, :, None, None, None], (2, 3, 16, 16, 3)).copy()
    sheet = Image.open(io.BytesIO(grid_jpeg(pictures)))
    assert (sheet.format, sheet.mode, sheet.size) == ("JPEG", "RGB", (48, 32))
    centres = np.asarray(sheet)[8::16, 8::16, 0].astype(int)
    np.testing.assert_allclose(centres, shades, atol=3)
    strip = Image.open(io.BytesIO(strip_jpeg(pictures[1])))
    np.testing.assert_allclose(np.asarray(strip)[8, 8::16, 0].astype(int), shades[1], atol=3)


def test_nothing_changes_the_models_mode(model: FaceModel, posterior: AggregatedPosterior) -> None:
    model.train()
    picture_change(model, posterior)
    assert model.training
    assert not torch.is_grad_enabled() or model.training
