"""Results to plain data: what JSON can hold, under the names that the results have."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from debias.metrics.intervals import Rate
from debias.reporting.measure_document import rate_json

LEFT_OUT = frozenset({"findings", "rows"})
"""Fields that are told elsewhere, or name images."""


def plain(value: Any) -> Any:
    """Return a result as dictionaries, lists, numbers and text.

    Dataclasses become dictionaries by the names of their fields, without :data:`LEFT_OUT`; rates
    are as in :mod:`debias.reporting.measure_schema`; numbers that are not finite are null.

    Args:
        value: a dataclass, a mapping, a sequence, an array, or a single value.
    """
    if isinstance(value, Rate):
        return rate_json(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in dataclasses.fields(value))
        return {name: plain(getattr(value, name)) for name in names if name not in LEFT_OUT}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
