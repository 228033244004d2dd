"""Explicit random generators, each named by what it is for.

There is no global random state: whoever draws gets a generator derived from the run's seed and
a path of names, such as ``("plan", epoch)``. Two consequences follow. Adding a draw in one
place changes no draw in another, and a resumed run needs no saved random state, because the
generator of epoch ``k`` is made from ``k`` alone.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed for the stream called ``names``.

    Args:
        seed: the run's seed, any integer.
        *names: the stream's path; order matters, and ``1`` differs from ``"1"``.
    """
    text = repr((int(seed), *names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def numpy_generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return a NumPy generator for the stream called ``names``; see :func:`derive_seed`."""
    return np.random.default_rng(derive_seed(seed, *names))
