"""The classifications that an audit compares: which images, in which values or ranges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.audit.images import AuditedImages, num_different
from debias.audit.measured import QUALITY_MEASURES, SKIN_MEASURES, MeasuredImages
from debias.metrics.counts import UNKNOWN, attribute_values

OTHER_VALUES = "other values"
MEASURES = tuple(
    name
    for name in (*QUALITY_MEASURES, *SKIN_MEASURES)
    if name not in ("ita_error", "monk_low", "monk_high")
)
"""The measures compared; the others say how sure these are."""
Partner = Literal["label", "split", "attribute", "measure"]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationSettings:
    """How associations are sought, and what counts as one.

    The limits of Cramer's V are those of [ReaParker2014]: below 0.1 negligible, 0.1 to 0.2 weak,
    0.2 to 0.4 moderate, above relatively strong and stronger.

    Attributes:
        note: Cramer's V from which an association is a note.
        warning: from which it is a warning.
        serious: from which it is serious.
        alpha: the chance of any false finding, over all associations.
        confidence: of intervals.
        num_bins: that a measure is cut into, each with as many images; fewer in small sets.
        least_images: rarer values of an attribute are put together.
        most_values: of an attribute; beyond these the rarer ones are put together.
        skin_tone_attributes: those that are skin tone, or stand for it; None goes by names, see
            :data:`debias.audit.by_nature.SKIN_TONE_WORDS`.

    References:
        [ReaParker2014] Designing and Conducting Survey Research. Jossey-Bass, 4th edition.
    """

    note: float = 0.1
    warning: float = 0.2
    serious: float = 0.4
    alpha: float = 0.005
    confidence: float = 0.95
    num_bins: int = 10
    least_images: int = 20
    most_values: int = 20
    skin_tone_attributes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variable:
    """A classification of all images.

    Attributes:
        name: of the attribute or the measure, ``label`` or ``split``.
        kind: what it is.
        values: in order; of a measure the ranges.
        codes: of these, shape (image,); -1 where unknown, or not to be compared.
        about: the attributes that it tells of.
    """

    name: str
    kind: Partner
    values: tuple[str, ...]
    codes: Codes
    about: tuple[str, ...] = ()


def compared(
    images: AuditedImages,
    measured: MeasuredImages,
    settings: AssociationSettings,
) -> Iterator[tuple[Variable, Variable]]:
    """Yield every two variables that are compared, an attribute first.

    Args:
        images: what is audited.
        measured: their measures.
        settings: how measures are cut into ranges.
    """
    faces = images.faces
    everybody = [_attribute(images.attributes[name], settings) for name in images.attributes]
    attributes = [_among(each, faces) for each in everybody]
    known = list(_known(attributes, faces))
    label = _words(images.manifest.table["label"].map({0: "non-face", 1: "face"}), "label")
    split = _among(_words(images.manifest.table["split"], "split"), faces)
    clusters = images.clusters
    measures = [
        _measure(measured.table[name], name, faces, clusters, settings) for name in MEASURES
    ]
    for place, attribute in enumerate(attributes):
        yield everybody[place], label
        yield attribute, split
        for other in attributes[place + 1 :]:
            yield attribute, other
    for attribute in (*attributes, *known):
        for measure in measures:
            yield attribute, measure
    for attribute in known:
        yield attribute, split


def _words(column: pd.Series, name: Partner) -> Variable:
    codes, values = pd.factorize(column, sort=True)
    return Variable(
        name=name, kind=name, values=tuple(map(str, values)), codes=codes.astype(np.intp)
    )


def _attribute(column: pd.Series, settings: AssociationSettings) -> Variable:
    words = attribute_values(column)
    codes, values = pd.factorize(pd.Series(words).where(words != UNKNOWN), sort=True)
    return Variable(
        name=str(column.name),
        kind="attribute",
        values=tuple(map(str, values)),
        codes=codes.astype(np.intp),
        about=(str(column.name),),
    )


def _among(variable: Variable, chosen: NDArray[np.bool_]) -> Variable:
    """Return a variable that is unknown of all other images."""
    return replace(variable, codes=np.where(chosen, variable.codes, -1))


def _known(attributes: list[Variable], faces: NDArray[np.bool_]) -> Iterator[Variable]:
    """Yield whether attributes are known; those that are missing together once."""
    names: dict[bytes, list[str]] = {}
    for attribute in attributes:
        is_known = attribute.codes[faces] >= 0
        if is_known.any() and not is_known.all():
            names.setdefault(np.packbits(is_known).tobytes(), []).append(attribute.name)
    by_name = {attribute.name: attribute for attribute in attributes}
    for alike in names.values():
        codes = np.where(faces, (by_name[alike[0]].codes >= 0).astype(np.intp), -1)
        yield Variable(
            name=f"{', '.join(alike)} known",
            kind="attribute",
            values=("no", "yes"),
            codes=codes,
            about=tuple(alike),
        )


def _measure(
    column: pd.Series,
    name: str,
    faces: NDArray[np.bool_],
    clusters: Codes | None,
    settings: AssociationSettings,
) -> Variable:
    """Return the ranges that a measure lies in; a value that many images have is in one range."""
    values = column.to_numpy(dtype=np.float64)
    usable = faces & np.isfinite(values)
    codes = np.full(len(values), -1, dtype=np.intp)
    if not usable.any():
        return Variable(name=name, kind="measure", values=(), codes=codes)
    sizes = np.ones(int(usable.sum())) if clusters is None else np.bincount(clusters[usable])
    enough = float(sizes.sum() ** 2 / (sizes.astype(np.float64) ** 2).sum()) / settings.least_images
    num_bins = int(np.clip(enough, 2, settings.num_bins))
    within = np.quantile(values[usable], np.linspace(0, 1, num_bins + 1)[1:-1], method="lower")
    edges = np.unique(within[within < values[usable].max()])
    codes[usable] = np.searchsorted(edges, values[usable], side="left")
    ends = [f"{edge:.4g}" for edge in edges]
    words = [f"{values[usable][0]:.4g}"]
    if ends:
        between = (f"above {low}, to {high}" for low, high in pairwise(ends))
        words = [f"at most {ends[0]}", *between, f"above {ends[-1]}"]
    return Variable(name=name, kind="measure", values=tuple(words), codes=codes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadyPair:
    """Two variables of the images of which both are known.

    Attributes:
        rows: positions of the images, shape (row,).
        first: codes of these, of ``values``, shape (row,).
        second: codes of these, of ``partner_values``, shape (row,).
        values: that occur, the rare ones of an attribute put together.
        partner_values: likewise.
        num_left_out: images of which either is unknown.
        reason: why the two cannot be tested; empty where they can.
    """

    rows: Codes
    first: Codes
    second: Codes
    values: tuple[str, ...]
    partner_values: tuple[str, ...]
    num_left_out: int
    reason: str


def ready_pair(
    first: Variable,
    second: Variable,
    clusters: Codes | None,
    settings: AssociationSettings,
) -> ReadyPair:
    """Return two variables of the images of which both are known.

    Args:
        first: of all images.
        second: likewise.
        clusters: what images share, shape (image,); None for nothing.
        settings: which values are rare.
    """
    rows = np.flatnonzero((first.codes >= 0) & (second.codes >= 0))
    one, values = _pooled(first, rows, settings)
    other, partner_values = _pooled(second, rows, settings)
    either = (first.codes >= 0) | (second.codes >= 0)
    reason = ""
    if rows.size < settings.least_images:
        reason = f"both are known of {rows.size:,} images only"
    elif clusters is not None and num_different(clusters[rows]) < settings.least_images:
        reason = f"the images show fewer than {settings.least_images} persons or pictures"
    elif len(values) < 2 or len(partner_values) < 2:
        name = first.name if len(values) < 2 else second.name
        reason = f"{name} is the same of all images compared"
    return ReadyPair(
        rows=rows,
        first=one,
        second=other,
        values=values,
        partner_values=partner_values,
        num_left_out=int(either.sum()) - rows.size,
        reason=reason,
    )


def _pooled(
    variable: Variable, rows: Codes, settings: AssociationSettings
) -> tuple[Codes, tuple[str, ...]]:
    """Return codes of the values that the rows have, the rare ones of attributes together."""
    counts = np.bincount(variable.codes[rows], minlength=len(variable.values))
    rank = np.argsort(np.argsort(-counts, kind="stable"), kind="stable")
    rare = (counts < settings.least_images) | (rank >= settings.most_values)
    rare &= (counts > 0) & (variable.kind == "attribute")
    if rare.sum() < 2:
        rare[:] = False
    kept = np.flatnonzero((counts > 0) & ~rare)
    place = np.full(len(variable.values), len(kept), dtype=np.intp)
    place[kept] = np.arange(len(kept))
    words = tuple(variable.values[code] for code in kept)
    return place[variable.codes[rows]], (*words, OTHER_VALUES) if rare.any() else words
