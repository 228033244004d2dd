"""How far skin tone from pixels agrees with labels, and which faces contradict their label."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from debias.audit.findings import Concerned, Finding
from debias.audit.images import AuditedImages
from debias.audit.person_correlation import (
    part_of_largest,
    person_correlation,
    shortfall_p_value,
)
from debias.audit.skin_scales import scale_of
from debias.metrics.association import RankCorrelation
from debias.metrics.pairs import holm

PROVENANCE = "estimated"
LIGHT_BANDS = ("dim", "middling", "bright")
"""Thirds of the faces by the mean lightness of the whole picture."""

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class SkinToneSettings:
    """When estimate and labels disagree.

    Attributes:
        least_agreement: rank correlation, as a part of the largest that labels with so many ties
            can have, below which it is a warning. For two values it is 2 AUC - 1.
        contrary: difference of the places in both orders, in parts of all images, beyond which
            an image's label and estimate contradict each other.
        most_contrary: share of such images above which there is a note.
        least_images: labelled faces with an estimate, one of each person, below which nothing is
            tested.
        most_compared: faces, drawn at random, that correlations are of; more would take long.
        alpha: the chance of any false warning, over all attributes.
        confidence: of intervals.
    """

    least_agreement: float = 0.3
    contrary: float = 0.5
    most_contrary: float = 0.01
    least_images: int = 50
    most_compared: int = 2000
    alpha: float = 0.005
    confidence: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class LightAgreement:
    """How far estimate and labels go together in light of a kind.

    Attributes:
        band: one of :data:`LIGHT_BANDS`.
        brightness: least and greatest mean L* of the pictures.
        num_images: labelled faces with an estimate.
        correlation: of one image a person; None where there are too few.
    """

    band: str
    brightness: tuple[float, float]
    num_images: int
    correlation: RankCorrelation | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelAgreement:
    """How far the estimate agrees with an attribute.

    Attributes:
        attribute: its name.
        provenance: of its labels.
        scale: that they are on, in words.
        values: its values, lightest first: the rows of the table, and all columns but its last.
        confusion: faces by label and estimate, shape (value, value + 1); the last column counts
            the faces without an estimate.
        num_images: labelled faces with an estimate.
        num_unlabelled: faces without a label.
        num_compared: of them the ones that correlations are of: one a person.
        kappa: Cohen's, with quadratic weights, [Cohen1968]; NaN where it is not estimable.
        correlation: Spearman's, of the label and the angle below zero, so that agreement is
            positive; None where there are too few.
        agreement: the correlation as a part of the largest possible one; NaN without one.
        p_value: one-sided, that the agreement is below its limit only by chance, by Holm over
            all attributes; None where it was not tested.
        by_light: the same in each third of the light.
        num_contrary: labelled faces whose estimate contradicts the label.

    References:
        [Cohen1968] Weighted Kappa. Psychological Bulletin 70(4).
    """

    attribute: str
    provenance: str
    scale: str
    values: tuple[str, ...]
    confusion: NDArray[np.int64]
    num_images: int
    num_unlabelled: int
    num_compared: int
    kappa: float
    correlation: RankCorrelation | None
    agreement: float
    p_value: float | None
    by_light: tuple[LightAgreement, ...]
    num_contrary: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasuredFaces:
    """The faces' estimates.

    Attributes:
        rows: their positions among the audited images, shape (face,), ascending.
        persons: the person of each as integers, shape (face,); None where none is known.
        monk: nearest swatch, shape (face,); NaN without skin.
        ita: degrees, shape (face,); NaN where it is not defined.
        brightness: mean L* of the picture, shape (face,).
    """

    rows: Codes
    persons: Codes | None
    monk: Floats
    ita: Floats
    brightness: Floats


def agreements(
    faces: MeasuredFaces,
    images: AuditedImages,
    *,
    settings: SkinToneSettings,
    generator: np.random.Generator,
) -> tuple[tuple[LabelAgreement, ...], tuple[Finding, ...]]:
    """Return the agreement with each attribute that labels skin tone, and what follows.

    Those are the attributes of :data:`~debias.audit.skin_scales.SCALES` whose values are on such
    a scale and whose provenance is not itself ``estimated``.

    Args:
        faces: what the pixels tell.
        images: what the faces are among.
        settings: when estimate and labels disagree.
        generator: draws which image of a person is compared, and samples for intervals.
    """
    judged = list(_judged(faces, images, settings, generator))
    found = _with_p_values([one for one, _ in judged], settings)
    findings = (
        finding
        for one, (_, contrary) in zip(found, judged, strict=True)
        for finding in _findings(one, contrary, settings)
    )
    return found, tuple(findings)


def correlated(
    first: Floats,
    second: Floats,
    persons: Codes | None,
    settings: SkinToneSettings,
    generator: np.random.Generator,
) -> tuple[RankCorrelation | None, int]:
    """Return a rank correlation as the settings ask; see :func:`person_correlation`."""
    return person_correlation(
        first,
        second,
        persons=persons,
        least_images=settings.least_images,
        most_images=settings.most_compared,
        confidence=settings.confidence,
        generator=generator,
    )


def _judged(
    faces: MeasuredFaces,
    images: AuditedImages,
    asked: SkinToneSettings,
    generator: np.random.Generator,
) -> Iterator[tuple[LabelAgreement, Concerned]]:
    """Yield the agreement with each attribute, and the images whose label contradicts it."""
    for name in images.attributes.columns:
        labels = images.attributes[name].iloc[faces.rows]
        source = images.provenance.get(name, "unknown")
        scale = scale_of(name, labels)
        if scale is None or source == PROVENANCE:
            continue
        codes = pd.Categorical(labels, categories=list(scale.values)).codes.astype(np.float64)
        codes[codes < 0] = np.nan
        places = scale.estimate(faces.monk, faces.ita)
        confusion = _confusion(codes, places, len(scale.values))
        correlation, num_compared = correlated(codes, -faces.ita, faces.persons, asked, generator)
        contrary = _contrary(codes, faces, asked.contrary)
        yield (
            LabelAgreement(
                attribute=name,
                provenance=source,
                scale=scale.name,
                values=scale.values,
                confusion=confusion,
                num_images=int(confusion[:, :-1].sum()),
                num_unlabelled=int(np.count_nonzero(np.isnan(codes))),
                num_compared=num_compared,
                kappa=_kappa(codes, places, len(scale.values)),
                correlation=correlation,
                agreement=part_of_largest(correlation),
                p_value=None,
                by_light=tuple(_by_light(codes, faces, asked, generator)),
                num_contrary=len(contrary.rows),
            ),
            contrary,
        )


def _confusion(codes: Floats, places: Floats, num_values: int) -> NDArray[np.int64]:
    labelled = np.isfinite(codes)
    column = np.where(np.isfinite(places), places, num_values)[labelled].astype(np.intp)
    cells = codes[labelled].astype(np.intp) * (num_values + 1) + column
    counts = np.bincount(cells, minlength=num_values * (num_values + 1))
    return counts.reshape(num_values, num_values + 1).astype(np.int64)


def _kappa(codes: Floats, places: Floats, num_values: int) -> float:
    both = np.isfinite(codes) & np.isfinite(places)
    one, other = codes[both].astype(np.intp), places[both].astype(np.intp)
    if np.unique(np.concatenate([one, other])).size < 2:
        return math.nan
    # Slow to import, and most commands do without.
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(one, other, labels=range(num_values), weights="quadratic"))


def _by_light(
    codes: Floats, faces: MeasuredFaces, asked: SkinToneSettings, generator: np.random.Generator
) -> Iterator[LightAgreement]:
    known = np.isfinite(codes) & np.isfinite(faces.ita) & np.isfinite(faces.brightness)
    order = np.flatnonzero(known)[np.argsort(faces.brightness[known], kind="stable")]
    for band, rows in zip(LIGHT_BANDS, np.array_split(order, len(LIGHT_BANDS)), strict=True):
        if not rows.size:
            continue
        light = faces.brightness[rows]
        persons = None if faces.persons is None else faces.persons[rows]
        correlation, _ = correlated(codes[rows], -faces.ita[rows], persons, asked, generator)
        yield LightAgreement(
            band=band,
            brightness=(float(light[0]), float(light[-1])),
            num_images=int(rows.size),
            correlation=correlation,
        )


def _contrary(codes: Floats, faces: MeasuredFaces, limit: float) -> Concerned:
    """Return the images whose places in both orders, in parts of all, lie far apart.

    A value has the mean place of its images; the values are the place by the estimate less that
    by the label, so above zero where the label is the lighter.
    """
    both = np.flatnonzero(np.isfinite(codes) & np.isfinite(faces.ita))
    by_label = stats.rankdata(codes[both])
    by_pixels = stats.rankdata(-faces.ita[both])
    apart = (by_pixels - by_label) / max(both.size, 1)
    far = np.abs(apart) > limit
    return Concerned.of(faces.rows[both[far]], values=apart[far])


def _with_p_values(
    found: list[LabelAgreement], asked: SkinToneSettings
) -> tuple[LabelAgreement, ...]:
    """Return the agreements with Holm's p-values."""
    tested = [
        (
            place,
            shortfall_p_value(
                one.correlation, num_images=one.num_compared, least_part=asked.least_agreement
            ),
        )
        for place, one in enumerate(found)
        if one.correlation is not None and math.isfinite(one.agreement)
    ]
    adjusted = holm([p_value for _, p_value in tested]).tolist()
    p_values = {place: value for (place, _), value in zip(tested, adjusted, strict=True)}
    return tuple(replace(one, p_value=p_values.get(place)) for place, one in enumerate(found))


def _findings(
    found: LabelAgreement, contrary: Concerned, asked: SkinToneSettings
) -> Iterator[Finding]:
    if found.p_value is None or found.correlation is None:
        return
    share = found.num_contrary / found.num_images
    disagree = found.p_value < asked.alpha and found.agreement < asked.least_agreement
    if not disagree and share <= asked.most_contrary:
        return
    order = (
        f"labels and the estimate from pixels go together at {found.agreement:.2f} of what is "
        f"possible (rank correlation {found.correlation.value:.2f})"
    )
    some = f"{found.num_contrary:,} of {found.num_images:,} faces are far lighter or darker by one"
    yield Finding(
        kind="skin-tone-disagreement",
        severity="warning" if disagree else "note",
        subject=found.attribute,
        message=f"{found.attribute}: {order}; {some} than by the other.",
        measure="rank correlation, as a part of the largest possible"
        if disagree
        else "share of the faces whose label and estimate contradict each other",
        value=found.agreement if disagree else share,
        limit=asked.least_agreement if disagree else asked.most_contrary,
        p_value=found.p_value,
        num_images=found.num_contrary,
        images=contrary,
    )
