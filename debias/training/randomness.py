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
