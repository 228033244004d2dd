"""Scales of skin tone, and what an estimate from pixels comes to on each.

References:
    [Chardon1991] Chardon, Cretois, Hourseau. Skin Colour Typology and Suntanning Pathways. Int. J.
    Cosmetic Science 13(4), 1991.
    [DelBino2013] Del Bino, Bernerd. Variations in Skin Colour and the Biological Consequences of
    Ultraviolet Radiation Exposure. British J. Dermatology 169(s3), 2013: the categories of ITA.
    [Fitzpatrick1988] The Validity and Practicality of Sun-Reactive Skin Types I Through VI.
    Archives of Dermatology 124(6), 1988.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.audit.images import AuditedImages
from debias.data.tables import TEXT
from debias.errors import DataError
from debias.testbed.colour import MONK
from debias.testbed.population import SKIN_TONES, skin_tone_groups

ESTIMATED = "skin_tone_estimated"
"""What the attribute is called that the estimate makes."""
ITA_CATEGORIES: Mapping[str, float] = MappingProxyType(
    {"very light": 55, "light": 41, "intermediate": 28, "tan": 10, "brown": -30, "dark": -90}
)
"""The angle in degrees above which skin is of each [DelBino2013], lightest first."""
TONES_BY_ITA: Mapping[str, float] = MappingProxyType({"light": 41, "medium": 10, "dark": -90})
"""The same, two categories each taken together."""
Basis = Literal["monk", "ita"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A scale that people label skin tones by.

    Attributes:
        name: in words.
        values: its values, lightest first.
        estimate: the place among the values, from 0, that swatches of the Monk scale and angles
            ITA come to, each of shape (image,); NaN where there is none.
    """

    name: str
    values: tuple[str, ...]
    estimate: Callable[[Floats, Floats], Floats]


def ita_places(ita: Floats, limits: Mapping[str, float]) -> Floats:
    """Return the place of each angle among categories, from 0, NaN where it is NaN.

    Args:
        ita: degrees, shape (image,).
        limits: the angle above which skin is of each, lightest first.
    """
    inner = -np.array(list(limits.values())[:-1], dtype=np.float64)
    return np.where(np.isnan(ita), np.nan, np.searchsorted(inner, -ita, side="right"))


def monk_places(monk: Floats) -> Floats:
    """Return the place of each swatch among light, medium and dark, from 0; NaN where it is NaN."""
    known = np.isfinite(monk)
    places = np.full(monk.shape, np.nan)
    places[known] = pd.Categorical(skin_tone_groups(monk[known]), categories=list(SKIN_TONES)).codes
    return places


_TYPES = ("I", "II", "III", "IV", "V", "VI")
_TONES = Scale(
    name="light, medium, dark",
    values=tuple(SKIN_TONES),
    estimate=lambda monk, ita: monk_places(monk),
)
_HALVES = Scale(
    name="lighter, darker",
    values=("lighter", "darker"),
    estimate=lambda monk, ita: ita_places(ita, {"lighter": 28, "darker": -90}),
)
_MONK = Scale(
    name="Monk scale",
    values=tuple(str(swatch + 1) for swatch in range(len(MONK))),
    estimate=lambda monk, ita: monk - 1,
)
_FITZPATRICK = tuple(
    Scale(
        name="Fitzpatrick types",
        values=values,
        estimate=lambda monk, ita: ita_places(ita, ITA_CATEGORIES),
    )
    for values in (_TYPES, tuple(str(place + 1) for place in range(len(_TYPES))))
)
SCALES: Mapping[str, tuple[Scale, ...]] = MappingProxyType(
    {
        "skin_tone": (_TONES, _HALVES, _MONK),
        "monk": (_MONK,),
        "skin_type": _FITZPATRICK,
        "fitzpatrick": _FITZPATRICK,
    }
)
"""The scales that an attribute of each name may be on. Fitzpatrick's types tell how skin takes the
sun; that they go with the categories of ITA, one by one, is a convention."""


def scale_of(name: str, values: pd.Series[str]) -> Scale | None:
    """Return the scale that labels are on; None where they are on none, or all are unknown.

    Args:
        name: of the attribute.
        values: missing = unknown.
    """
    seen = set(values.dropna().unique())
    return next((scale for scale in SCALES.get(name, ()) if seen and seen <= {*scale.values}), None)


def estimated_skin_tone(table: pd.DataFrame, *, basis: Basis = "monk") -> pd.Series[str]:
    """Return light, medium or dark by the pixels of each image; missing where nothing is known.

    By swatches these are 1 to 4, 5 to 7 and 8 to 10, as in
    :data:`~debias.testbed.population.SKIN_TONES`. Swatches are flat colours that are lighter than
    the light skin of photographs, most of which comes out as medium; for photographs the angle,
    by :data:`TONES_BY_ITA`, tells more apart.

    Args:
        table: a row an image, with ``monk`` and ``ita``; see :mod:`debias.audit.measured`.
        basis: the nearest swatch, or the angle.

    Returns:
        Text, with the index of ``table``.
    """
    values = table[basis].to_numpy(dtype=np.float64)
    places = monk_places(values) if basis == "monk" else ita_places(values, TONES_BY_ITA)
    known = np.isfinite(places)
    words = np.full(len(table), None, dtype=object)
    words[known] = np.array([*SKIN_TONES], dtype=object)[places[known].astype(np.intp)]
    return pd.Series(words, index=table.index, dtype=TEXT, name=ESTIMATED)


def with_estimate(
    images: AuditedImages, table: pd.DataFrame, *, basis: Basis = "monk"
) -> AuditedImages:
    """Return images with the attribute :data:`ESTIMATED`, of provenance ``estimated``.

    Args:
        images: to audit; the attribute is known of faces alone.
        table: a row an image, in their order; see :func:`estimated_skin_tone`.
        basis: see there.

    Raises:
        DataError: there is an attribute of this name.
    """
    if ESTIMATED in images.attributes.columns:
        raise DataError(
            f"the attributes have a column {ESTIMATED!r} already, which the audit adds",
            hint="Give it another name",
        )
    tones = estimated_skin_tone(table, basis=basis).reset_index(drop=True)
    return replace(
        images,
        attributes=images.attributes.assign(**{ESTIMATED: tones.where(images.faces)}),
        provenance={**images.provenance, ESTIMATED: "estimated"},
    )
