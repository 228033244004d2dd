"""Named torch generators; see :mod:`debias.seeding`, which needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from debias.seeding import derive_seed


def torch_generator(
    seed: int, *names: str | int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return a torch generator on ``device`` for the stream called ``names``."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *names))


@contextmanager
def torch_seeded(seed: int, *names: str | int) -> Iterator[None]:
    """Give code that draws from torch's own state (layer initialisation, dropout) a known one.

    The caller's global state is put back on leaving.
    """
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive_seed(seed, *names))
        yield


def epoch_generators(
    seed: int, epoch: int, *, rank: int, device: torch.device
) -> tuple[torch.Generator, torch.Generator]:
    """Return an epoch's generators of augmentation and of posterior draws, on ``device``.

    They are apart, so that with and without a latent space the images are changed alike. Layers
    that draw by themselves, such as dropout, get a seed of the epoch too.

    Args:
        seed: of the run.
        epoch: counted from 0.
        rank: of this process, which draws for its own part of each batch.
        device: where the images are.
    """
    torch.manual_seed(derive_seed(seed, "layers", epoch, rank))
    changes, noise = (
        torch_generator(seed, name, epoch, rank, device=device)
        for name in ("augmentation", "posterior")
    )
    return changes, noise
