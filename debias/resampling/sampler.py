"""From the probability of each image to the images of an epoch, the same on every rank."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler

from debias.errors import CheckpointError, ConfigError, DataError, UsageError
from debias.resampling import histogram
from debias.resampling.blocks import LatentArray, as_matrix
from debias.resampling.draws import DrawMethod, draw_epoch, shuffled
from debias.resampling.settings import ResamplingSettings
from debias.resampling.weights import SamplingWeights, WeightHealth, sampling_weights
from debias.seeding import numpy_generator

_LISTED = 2**16  # draws made plain integers at a time


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EpochPlan:
    """Which images each batch of an epoch holds: half faces, half non-faces.

    Attributes:
        face_rows: shape (num_batches, half), rows of the face probabilities.
        non_face_rows: shape (num_batches, half), in [0, num_non_faces).
    """

    face_rows: NDArray[np.int64]
    non_face_rows: NDArray[np.int64]

    @property
    def num_batches(self) -> int:
        """Return the number of batches in the epoch."""
        return len(self.face_rows)

    def shard(self, rank: int, num_replicas: int) -> EpochPlan:
        """Return the part of every batch that one rank trains on; the parts are of equal size.

        Args:
            rank: in [0, num_replicas).
            num_replicas: ranks that share each batch.

        Raises:
            ConfigError: half a batch does not divide by the ranks.
        """
        _check_rank(rank, num_replicas)
        half = self.face_rows.shape[1]
        if half % num_replicas:
            raise ConfigError(
                f"{half} faces a batch cannot be shared equally by {num_replicas} ranks",
                where="training.batch_size",
                hint=f"Make it a multiple of {2 * num_replicas}",
            )
        return EpochPlan(
            face_rows=self.face_rows[:, rank::num_replicas],
            non_face_rows=self.non_face_rows[:, rank::num_replicas],
        )


class AdaptiveSampler(Sampler[int]):
    """Draws rare images more often, in any PyTorch loop and from any latents.

    Draws are uniform until the first :meth:`update`::

        sampler = AdaptiveSampler(len(faces), settings=ResamplingSettings(), seed=0)
        loader = DataLoader(faces, batch_size=64, sampler=sampler)
        for epoch in range(num_epochs):
            sampler.set_epoch(epoch)
            for batch in loader: ...
            if sampler.settings.refresh_due(epoch + 1):
                health = sampler.update(mu, log_var=log_var)  # of all images, in order

    An epoch's draws depend on the seed, the epoch and the weights alone. Where several ranks
    train together, each makes the sampler with its own rank and updates it with the latents of
    all images; the ranks then take interleaved parts of one and the same epoch.

    Args:
        num_images: images in the data set, at least 1.
        settings: how weights follow from latents; the defaults where None. When to refresh is
            the caller's affair: an update counts from the next epoch on.
        seed: of the draws.
        num_draws: draws in an epoch over all ranks, rounded up to a multiple of the ranks;
            ``num_images`` where None.
        rank: this process, in [0, num_replicas).
        num_replicas: processes that share each epoch.
        method: see :func:`draw_epoch`.

    Raises:
        ConfigError: a number is out of its range.
    """

    def __init__(
        self,
        num_images: int,
        *,
        settings: ResamplingSettings | None = None,
        seed: int = 0,
        num_draws: int | None = None,
        rank: int = 0,
        num_replicas: int = 1,
        method: DrawMethod = "systematic",
    ) -> None:
        super().__init__()
        num_draws = num_images if num_draws is None else num_draws
        if num_images < 1 or num_draws < 1:
            raise ConfigError(f"{num_draws} draws of {num_images} images: both must be at least 1")
        _check_rank(rank, num_replicas)
        self.settings = ResamplingSettings() if settings is None else settings
        self.num_images = num_images
        self.seed = seed
        self.epoch = 0
        self.rank = rank
        self.num_replicas = num_replicas
        self.method: DrawMethod = method
        self.num_draws_per_rank = math.ceil(num_draws / num_replicas)
        self.probabilities: NDArray[np.float64] = np.full(num_images, 1.0 / num_images)
        self.weights: SamplingWeights | None = None

    def set_epoch(self, epoch: int) -> None:
        """Name the epoch that the next iteration draws.

        Without it each iteration draws the epoch after the last one drawn.
        """
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the draws of this rank in an epoch."""
        return self.num_draws_per_rank

    def __iter__(self) -> Iterator[int]:
        """Return this rank's draws of the epoch; the next iteration is the epoch after."""
        draws = draw_epoch(
            self.probabilities,
            self.num_draws_per_rank * self.num_replicas,
            generator=numpy_generator(self.seed, "draw", self.epoch),
            method=self.method,
        )
        self.epoch += 1
        return _integers(draws[self.rank :: self.num_replicas])

    def update(
        self,
        latents: LatentArray,
        *,
        log_var: LatentArray | None = None,
        kl_per_latent: NDArray[Any] | None = None,
        margins: NDArray[np.float64] | None = None,
    ) -> WeightHealth:
        """Rebuild the probabilities and return what they do; ``self.weights`` says the rest.

        Args:
            latents: shape (image, latent), mu of all images in the data set's order, encoded in
                evaluation mode without augmentation; or any other description of them.
            log_var: shape (image, latent), natural log of the posterior's variance, from which
                inactive dimensions are told.
            kl_per_latent: shape (latent,), nats, in place of ``log_var`` where it is known.
            margins: shape (image,), a classifier's log odds of "face"; for the rule ``margin``.

        Raises:
            UsageError: both ``log_var`` and ``kl_per_latent``.
            DataError: latents of another number of images, or not finite.
        """
        if log_var is not None:
            if kl_per_latent is not None:
                raise UsageError("give log_var or kl_per_latent, not both")
            kl_per_latent = histogram.kl_per_latent(latents, log_var)
        matrix = as_matrix(latents)
        if len(matrix) != self.num_images:
            raise DataError(
                f"latents of {len(matrix)} images for a sampler of {self.num_images}",
                hint="Encode every image of the data set once, in its order",
            )
        weights = sampling_weights(
            matrix, settings=self.settings, kl_per_latent=kl_per_latent, margins=margins
        )
        self.weights = weights
        self.probabilities = weights.probabilities
        return weights.health

    def state_dict(self) -> dict[str, Any]:
        """Return what the next epochs depend on: integers and a float64 tensor (image,)."""
        return {
            "seed": self.seed,
            "epoch": self.epoch,
            "probabilities": torch.tensor(self.probabilities, dtype=torch.float64),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken.

        Args:
            state: what it returned; the probabilities may also be a NumPy array.

        Raises:
            CheckpointError: the state is of another number of images, or incomplete.
        """
        missing = sorted({"seed", "epoch", "probabilities"} - set(state))
        if missing:
            raise CheckpointError(f"the sampler's state lacks {', '.join(missing)}")
        saved = torch.as_tensor(state["probabilities"], dtype=torch.float64, device="cpu")
        probabilities = saved.numpy().copy()
        if probabilities.shape != (self.num_images,):
            raise CheckpointError(
                f"the sampler's state has probabilities of shape {probabilities.shape} and the "
                f"sampler {self.num_images} images"
            )
        self.seed, self.epoch = int(state["seed"]), int(state["epoch"])
        self.probabilities = probabilities
        self.weights = None


def plan_epoch(
    *,
    face_probabilities: NDArray[np.float64],
    num_non_faces: int,
    batch_size: int,
    seed: int,
    epoch: int,
    num_batches: int | None = None,
) -> EpochPlan:
    """Return the batches of an epoch: faces by their probabilities, non-faces each as often.

    Non-faces are taken from shuffled passes that follow one another through all epochs, so that
    none is seen an n-th time before each was seen n - 1 times. The plan depends on the arguments
    alone: a resumed run needs no saved state.

    Args:
        face_probabilities: shape (face,).
        num_non_faces: at least 1.
        batch_size: images in a batch, even; half are faces.
        seed: of the run.
        epoch: counted from 0.
        num_batches: batches in the epoch; where None, as many whole ones as the faces fill, and
            at least 1. Where it changes between epochs, non-faces may skip or repeat.

    Raises:
        ConfigError: a number is out of its range.
        DataError: as :func:`draw_epoch`, or no non-faces.
    """
    if batch_size < 2 or batch_size % 2:
        raise ConfigError(
            f"{batch_size} images cannot be half faces and half non-faces",
            where="training.batch_size",
            hint="Give an even number",
        )
    if num_non_faces < 1:
        raise DataError("there are no non-faces to draw")
    half = batch_size // 2
    if num_batches is None:
        num_batches = max(1, len(face_probabilities) // half)
    if num_batches < 1:
        raise ConfigError(f"an epoch of {num_batches} batches is empty")
    num_draws = num_batches * half
    generator = numpy_generator(seed, "draw", epoch)
    faces = draw_epoch(face_probabilities, num_draws, generator=generator)
    others = _successive_passes(num_non_faces, start=epoch * num_draws, length=num_draws, seed=seed)
    shape = (num_batches, half)
    return EpochPlan(face_rows=faces.reshape(shape), non_face_rows=others.reshape(shape))


def _successive_passes(num_rows: int, *, start: int, length: int, seed: int) -> NDArray[np.int64]:
    """Return a stretch of the endless sequence of shuffled passes over ``num_rows`` rows."""
    first, last = start // num_rows, (start + length - 1) // num_rows
    passes = [
        shuffled(np.arange(num_rows), generator=numpy_generator(seed, "non-faces", number))
        for number in range(first, last + 1)
    ]
    offset = start - first * num_rows
    rows = passes[0] if len(passes) == 1 else np.concatenate(passes)
    return rows[offset : offset + length]


def _integers(rows: NDArray[np.int64]) -> Iterator[int]:
    """Yield plain integers: a list of all would take four times the memory of the rows."""
    for start in range(0, len(rows), _LISTED):
        yield from rows[start : start + _LISTED].tolist()


def _check_rank(rank: int, num_replicas: int) -> None:
    if not 0 <= rank < num_replicas:
        raise ConfigError(f"rank {rank} is not one of {num_replicas} ranks, counted from 0")
