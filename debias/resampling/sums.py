"""Adding up what several processes counted, each over images of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

AddUp: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From an array of this process to the sum of those of all processes, the same in each."""


def alone(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the array as it is: the sum over one process."""
    return array
