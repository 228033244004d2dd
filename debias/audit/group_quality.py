"""One measure of quality of the pictures of each group, beside that of all other faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from debias.audit.by_nature import DETAIL_ALLOWANCES, goes_by_nature
from debias.audit.measured import MeasuredImages
from debias.audit.quality_limits import (
    WORSE_ABOVE,
    QualitySettings,
    Values,
    is_flawed,
)
from debias.metrics.counts import Grouping
from debias.metrics.design_effects import cluster_units, design_effects
from debias.metrics.intervals import Rate, rate
from debias.metrics.superiority import Superiority, shift_p_values, superiorities

Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupQuality:
    """One measure of a group's pictures.

    Attributes:
        columns: the attributes that make the group.
        values: of these.
        measure: its name, one of :data:`debias.audit.quality_limits.COMPARED`.
        num_images: measured.
        num_persons: different ones among them; None where persons are not known.
        num_unmeasured: faces of the group that cannot be read or measured.
        quartiles: lower quartile, median and upper quartile; NaN without images.
        worst: the value that the worst pictures of the group reach or are beyond.
        superiority: the chance that a picture of the group has a larger value than one of all
            other faces, ties counting half; with its interval.
        p_value: of no difference, or none beyond the allowance, by Holm over all groups and
            measures; None if not tested.
        flawed: the share of its pictures that are flawed, see
            :data:`debias.audit.quality_limits.FLAWS`; None of measures without a limit.
        flawed_elsewhere: that of all other faces.
        flawed_p_value: of no difference between the two, in the same family; None if not tested.
        by_nature: why a difference is to be expected of any set; None if not.
        allowance: how far from 0.5 the superiority may lie by nature.
    """

    columns: tuple[str, ...]
    values: tuple[str, ...]
    measure: str
    num_images: int
    num_persons: int | None
    num_unmeasured: int
    quartiles: tuple[float, float, float]
    worst: float
    superiority: Superiority
    p_value: float | None
    flawed: Rate | None
    flawed_elsewhere: Rate | None
    flawed_p_value: float | None
    by_nature: str | None
    allowance: float

    @property
    def name(self) -> str:
        """The group in words, such as ``skin_tone dark``."""
        parts = zip(self.columns, self.values, strict=True)
        return ", ".join(f"{column} {value}" for column, value in parts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComparedGroups:
    """A measure of the faces of one grouping.

    Attributes:
        grouping: of all faces.
        measure: one of :data:`debias.audit.quality_limits.COMPARED`.
        rows: positions among the audited images of the faces measured, shape (row,).
        values: of the measure, shape (row,).
        codes: the group of each, shape (row,).
        superiorities: of each group, with intervals of 95 %.
        flawed: which pictures are, shape (row,); None where the measure has no limit.
        flaw_p_values: of each group; none where no picture is flawed, or all are.
        tested: the groups that are tested.
        by_nature: why they differ in any set; None if they need not.
        allowance: how far from 0.5 superiorities may lie by nature.
    """

    grouping: Grouping
    measure: str
    rows: Codes
    values: Values
    codes: Codes
    superiorities: tuple[Superiority, ...]
    flawed: NDArray[np.bool_] | None
    flaw_p_values: tuple[float, ...]
    tested: tuple[int, ...]
    by_nature: str | None
    allowance: float


def quality_values(measured: MeasuredImages, measure: str) -> Values:
    """Return a measure of all images, shape (image,); NaN where it cannot be taken.

    Args:
        measured: the measures of the decoding pass.
        measure: one of :data:`debias.audit.quality_limits.COMPARED`.
    """
    if measure == "side":
        sides = measured.table[["width", "height"]].to_numpy(dtype=np.float64)
        return np.asarray(sides.min(axis=1), dtype=np.float64)
    return measured.table[measure].to_numpy(dtype=np.float64)


def p_values_of(compared: ComparedGroups, code: int) -> list[float]:
    """Return the p-values of a group: of its values, and of the flawed ones if there are any."""
    found = [_p_value(compared.superiorities[code], compared.allowance)]
    return [*found, *compared.flaw_p_values[code : code + 1]]


def _p_value(found: Superiority, allowance: float) -> float:
    """Return the p-value of no difference beyond what is allowed.

    Beyond 0 it is that of a normal distribution with the deviation that the 95 % interval shows.
    """
    if allowance == 0.0 or found.p_value == 1.0:
        return found.p_value
    deviation = (found.high - found.low) / (2.0 * special.ndtri(0.975))
    beyond = (abs(found.value - 0.5) - allowance) / deviation
    return max(found.p_value, min(1.0, float(2.0 * special.ndtr(-beyond))))


def compared_groups(
    grouping: Grouping,
    measure: str,
    faces: Codes,
    values: Values,
    clusters: Codes | None,
    *,
    settings: QualitySettings,
) -> ComparedGroups:
    """Return a measure of the groups of faces, tested.

    Args:
        grouping: of the faces.
        measure: one of :data:`debias.audit.quality_limits.COMPARED`.
        faces: their positions among the audited images, shape (face,).
        values: of the measure, shape (face,); NaN where it cannot be taken.
        clusters: what the audited images share, shape (image,); None for nothing.
        settings: which groups are large enough.
    """
    usable = np.flatnonzero(np.isfinite(values))
    rows, known, codes = faces[usable], values[usable], grouping.codes[usable]
    shared = None if clusters is None else clusters[rows]
    num_groups = len(grouping.groups)
    ranked = superiorities(values=known, codes=codes, num_groups=num_groups, clusters=shared)
    reasons = (
        goes_by_nature(name, measure, named=settings.skin_tone_attributes)
        for name in grouping.columns
    )
    by_nature = next((reason for reason in reasons if reason is not None), None)
    flawed = is_flawed(measure, known)
    flaw_p_values: tuple[float, ...] = ()
    if flawed is not None and flawed.any() and not flawed.all():
        flaw_p_values = shift_p_values(
            values=flawed, codes=codes, num_groups=num_groups, clusters=shared
        )
    return ComparedGroups(
        grouping=grouping,
        measure=measure,
        rows=rows,
        values=known,
        codes=codes,
        superiorities=ranked,
        flawed=flawed,
        flaw_p_values=flaw_p_values,
        tested=_tested(grouping, measure, known, codes, ranked, settings),
        by_nature=by_nature,
        allowance=0.0 if by_nature is None else DETAIL_ALLOWANCES.get(measure, 0.0),
    )


def _tested(
    grouping: Grouping,
    measure: str,
    values: Values,
    codes: Codes,
    ranked: Sequence[Superiority],
    settings: QualitySettings,
) -> tuple[int, ...]:
    """Return the groups that are tested: large enough ones, and the worse of two that mirror."""
    counts = np.bincount(codes, minlength=len(grouping.groups))
    if values.size == 0 or values.min() == values.max():
        return ()
    single = len(grouping.columns) == 1
    others = counts.sum() - counts
    enough = (counts >= settings.least_images) & (others >= settings.least_images)
    chosen = np.flatnonzero(enough & (grouping.known | single))
    if np.count_nonzero(counts) == 2:
        sign = -1.0 if measure in WORSE_ABOVE else 1.0
        chosen = np.array(sorted(chosen, key=lambda code: sign * ranked[int(code)].value)[:1])
    return tuple(chosen.tolist())


def group_quality(
    compared: ComparedGroups,
    code: int,
    p_values: Sequence[float],
    clusters: Codes | None,
    *,
    knows_persons: bool,
    settings: QualitySettings,
) -> GroupQuality:
    """Return one group of a measure.

    Args:
        compared: all groups of it.
        code: the position of the group.
        p_values: those of :func:`p_values_of` after correction; none if it was not tested.
        clusters: what the audited images share, shape (image,); None for nothing.
        knows_persons: whether that is persons.
        settings: how to count.
    """
    grouping, inside = compared.grouping, compared.codes == code
    values = compared.values[inside]
    worst = settings.worst_share
    if compared.measure in WORSE_ABOVE:
        worst = 1.0 - worst
    levels = (0.25, 0.5, 0.75, worst)
    low, median, high, tail = (
        np.quantile(values, levels).tolist() if values.size else [math.nan] * 4
    )
    rows = compared.rows[inside]
    return GroupQuality(
        columns=grouping.columns,
        values=grouping.groups[code],
        measure=compared.measure,
        num_images=int(values.size),
        num_persons=None
        if clusters is None or not knows_persons
        else len(np.unique(clusters[rows])),
        num_unmeasured=int((grouping.codes == code).sum() - values.size),
        quartiles=(low, median, high),
        worst=tail,
        superiority=compared.superiorities[code],
        p_value=p_values[0] if p_values else None,
        flawed=_rate(compared, inside, clusters, settings),
        flawed_elsewhere=_rate(compared, ~inside, clusters, settings),
        flawed_p_value=p_values[1] if len(p_values) > 1 else None,
        by_nature=compared.by_nature,
        allowance=compared.allowance,
    )


def _rate(
    compared: ComparedGroups,
    chosen: NDArray[np.bool_],
    clusters: Codes | None,
    settings: QualitySettings,
) -> Rate | None:
    """Return the share of flawed pictures; None where the measure has no limit."""
    if compared.flawed is None:
        return None
    flawed = compared.flawed[chosen]
    nobody = np.zeros(flawed.size, dtype=np.intp)
    units = None
    if clusters is not None:
        units = cluster_units(codes=nobody, clusters=clusters[compared.rows[chosen]])
    effects = design_effects(
        values=flawed, codes=nobody, num_groups=1, units=units, confidence=settings.confidence
    )
    return rate(
        num_successes=int(flawed.sum()),
        num_trials=flawed.size,
        confidence=settings.confidence,
        design_effect=float(effects.values[0]),
        freedom=float(effects.freedom[0]),
    )
