"""Whose skin tone the pixels tell, and how far that agrees with what people say.

All of it is an estimate: the light counts as much as the skin, and labels by people come first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.audit.findings import Finding
from debias.audit.images import AuditedImages
from debias.audit.measured import MeasuredImages
from debias.audit.skin_agreement import (
    PROVENANCE,
    LabelAgreement,
    MeasuredFaces,
    SkinToneSettings,
    agreements,
    correlated,
)
from debias.audit.skin_scales import ITA_CATEGORIES, ita_places
from debias.metrics.association import RankCorrelation
from debias.metrics.design_effects import design_effect
from debias.metrics.intervals import Rate, rate
from debias.testbed.colour import MONK

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToneShare:
    """How many faces are of a tone.

    Attributes:
        name: of the swatch, 1 to 10, or of the category.
        share: of the faces that have an estimate.
    """

    name: str
    share: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class SkinTones:
    """Skin tone from pixels: an estimate, to be named so.

    Attributes:
        num_faces: audited.
        num_unreadable: of them the ones that cannot be decoded.
        num_no_skin: of them the readable ones in which no skin was found.
        num_no_angle: of them the ones with skin whose angle is not defined, as b* <= 0.
        monk: the share of each swatch of the Monk scale.
        ita: the share of each category of the angle.
        median_error: median standard error of the angle within a picture, degrees; NaN without.
        median_width: median width of the range of swatches of a picture; NaN without.
        with_brightness: rank correlation of the angle with the mean lightness of the picture:
            how much of the order may be light; None where there are too few faces.
        agreements: with each attribute that labels skin tone, in their order.
        findings: of the kind ``skin-tone-disagreement``.
        provenance: of all estimates.
    """

    num_faces: int
    num_unreadable: int
    num_no_skin: int
    num_no_angle: int
    monk: tuple[ToneShare, ...]
    ita: tuple[ToneShare, ...]
    median_error: float
    median_width: float
    with_brightness: RankCorrelation | None
    agreements: tuple[LabelAgreement, ...]
    findings: tuple[Finding, ...]
    provenance: str = PROVENANCE


def estimate_report(
    measured: MeasuredImages,
    images: AuditedImages,
    *,
    generator: np.random.Generator,
    settings: SkinToneSettings | None = None,
) -> SkinTones:
    """Return the skin tones that pixels tell, and their agreement with attributes that label it.

    See :func:`~debias.audit.skin_agreement.agreements` for which attributes these are.

    Args:
        measured: by the decoding pass, a row an image.
        images: the same, in the same order; only faces count.
        generator: draws which image of a person is compared, and samples for intervals.
        settings: when estimate and labels disagree.
    """
    asked = settings or SkinToneSettings()
    assert len(measured) == len(images)
    inside = np.flatnonzero(images.faces)
    table = measured.table.iloc[inside]
    faces = MeasuredFaces(
        rows=inside,
        persons=images.persons[inside] if images.knows_persons else None,
        monk=table["monk"].to_numpy(np.float64),
        ita=table["ita"].to_numpy(np.float64),
        brightness=table["brightness"].to_numpy(np.float64),
    )
    readable = measured.readable[inside]
    found = np.isfinite(faces.monk)
    widths = (table["monk_high"] - table["monk_low"]).to_numpy(np.float64)
    agreed, findings = agreements(faces, images, settings=asked, generator=generator)
    return SkinTones(
        num_faces=len(inside),
        num_unreadable=int(np.count_nonzero(~readable)),
        num_no_skin=int(np.count_nonzero(readable & ~found)),
        num_no_angle=int(np.count_nonzero(found & np.isnan(faces.ita))),
        monk=_shares(
            faces.monk - 1, tuple(str(k + 1) for k in range(len(MONK))), faces.persons, asked
        ),
        ita=_shares(
            ita_places(faces.ita, ITA_CATEGORIES), tuple(ITA_CATEGORIES), faces.persons, asked
        ),
        median_error=_median(table["ita_error"].to_numpy(np.float64)),
        median_width=_median(widths),
        with_brightness=correlated(faces.ita, faces.brightness, faces.persons, asked, generator)[0],
        agreements=agreed,
        findings=findings,
    )


def _shares(
    places: Floats, names: tuple[str, ...], persons: Codes | None, asked: SkinToneSettings
) -> tuple[ToneShare, ...]:
    known = np.isfinite(places)
    clusters = None if persons is None else persons[known]
    shares = []
    for place, name in enumerate(names):
        inside = places[known] == place
        share = rate(
            num_successes=int(np.count_nonzero(inside)),
            num_trials=inside.size,
            confidence=asked.confidence,
            design_effect=design_effect(
                values=inside, clusters=clusters, confidence=asked.confidence
            ),
        )
        shares.append(ToneShare(name=name, share=share))
    return tuple(shares)


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else math.nan
