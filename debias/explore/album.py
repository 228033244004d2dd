"""The pictures of a page about a latent space, none of which shows a person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.explore.continuity import longest_step
from debias.explore.frames import grid_jpeg, picture_name, strip_jpeg
from debias.explore.pictures import interpolate, latent_grid, place_normals
from debias.explore.posterior import AggregatedPosterior
from debias.inference.latents import decode_latents, traverse_latents
from debias.models.db_vae import FaceModel
from debias.seeding import numpy_generator

STEPS = tuple(step / 2 for step in range(-6, 7))
GRID_STEPS = tuple(float(step) for step in range(-3, 4))
SAMPLE_ROWS, SAMPLE_COLUMNS = 3, 8
NUM_SAMPLES = SAMPLE_ROWS * SAMPLE_COLUMNS
NUM_INTERPOLATED = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Album:
    """Pictures decoded from means and from random draws.

    Attributes:
        pictures: JPEG files: ``latent-K`` for each latent shown, ``grid`` of the first two (where
            there are two), ``samples`` and ``interpolation``.
        pair: the latents of the grid, across and up; None where there is none.
        longest_step: the longest step's share of the interpolation; None where it stands still.
    """

    pictures: dict[str, bytes]
    pair: tuple[int, int] | None
    longest_step: float | None


def latent_album(
    model: FaceModel, posterior: AggregatedPosterior, shown: tuple[int, ...], *, seed: int
) -> Album:
    """Return the pictures of a latent space.

    Args:
        model: a model with a latent space.
        posterior: where images lie in it.
        shown: the latents to move.
        seed: of the random draws.
    """
    mean = posterior.mean[np.newaxis]
    frames = traverse_latents(model, mean, shown, steps=STEPS, spread=posterior.spread)
    pictures = {
        picture_name(latent): strip_jpeg(strip) for latent, strip in zip(shown, frames, strict=True)
    }
    pair = (shown[0], shown[1]) if len(shown) > 1 else None
    if pair is not None:
        pictures["grid"] = grid_jpeg(latent_grid(model, posterior, pair, steps=GRID_STEPS))
    samples, path = _draws(model, posterior, seed=seed)
    pictures["samples"] = grid_jpeg(samples)
    pictures["interpolation"] = strip_jpeg(path)
    return Album(pictures=pictures, pair=pair, longest_step=longest_step(path))


def _draws(
    model: FaceModel, posterior: AggregatedPosterior, *, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a sheet of random draws, and the frames between two further ones."""
    generator = numpy_generator(seed, "samples")
    normals = generator.standard_normal((NUM_SAMPLES + 2, posterior.num_latents))
    between = interpolate(normals[-2], normals[-1], num_frames=NUM_INTERPOLATED)
    samples, path = (
        decode_latents(model, place_normals(posterior, points))
        for points in (normals[:-2], between)
    )
    return samples.reshape(SAMPLE_ROWS, SAMPLE_COLUMNS, *samples.shape[1:]), path
