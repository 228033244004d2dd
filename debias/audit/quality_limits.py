"""What of a picture groups are compared by, and what counts as a flaw or as a difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from debias.audit.measured import QUALITY_MEASURES

COMPARED: Mapping[str, str] = MappingProxyType(
    {
        "side": "shorter side of the picture, pixels",
        **{
            name: unit for name, unit in QUALITY_MEASURES.items() if name not in ("width", "height")
        },
    }
)
"""The measures that groups are compared by, with their units."""
WORSE_ABOVE = ("noise", "compression")
"""Measures of which more is worse; of all others less is."""
FLAWS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "side": ("smaller than 64 pixels", 64.0),
        "brightness": ("darker than L* 15", 15.0),
        "contrast": ("of less contrast than L* 5", 5.0),
        "sharpness": ("less sharp than 0.2", 0.2),
        "noise": ("noisier than 15 grey levels", 15.0),
        "compression": ("with block edges above 2", 2.0),
    }
)
"""The limit beyond which a picture is flawed, by measure, in words and as a number."""
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySettings:
    """What counts as a difference.

    Attributes:
        warning: how far from 0.5 the chance that a picture of the group is above one of the
            others may lie; beyond it is a warning. To both limits comes the allowance of
            :data:`debias.audit.by_nature.DETAIL_ALLOWANCES`.
        serious: beyond this it is serious. 0.1 and 0.2 are 0.36 and 0.74 standard deviations
            between normal distributions: less than what is called medium, and nearly large.
        flawed_warning: difference in the share of flawed pictures from which it is a warning.
        flawed_serious: from which it is serious.
        alpha: the chance of any false finding, over all groups and measures.
        confidence: of the intervals of shares; those of superiority have 95 %.
        least_images: smaller groups are shown and not tested.
        worst_share: the share of a group's pictures that counts as its worst.
        skin_tone_attributes: those that are skin tone, or stand for it; None goes by names, see
            :data:`debias.audit.by_nature.SKIN_TONE_WORDS`.
    """

    warning: float = 0.1
    serious: float = 0.2
    flawed_warning: float = 0.1
    flawed_serious: float = 0.2
    alpha: float = 0.005
    confidence: float = 0.95
    least_images: int = 20
    worst_share: float = 0.05
    skin_tone_attributes: tuple[str, ...] | None = None


def is_flawed(measure: str, values: Values) -> NDArray[np.bool_] | None:
    """Return whether each picture is flawed, shape as ``values``; None without a limit."""
    if measure not in FLAWS:
        return None
    limit = FLAWS[measure][1]
    return values > limit if measure in WORSE_ABOVE else values < limit
