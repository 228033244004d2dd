"""One measure of quality of the pictures of each group, beside that of all other faces."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from debias.audit.by_nature import DETAIL_ALLOWANCES, goes_by_nature
from debias.audit.images import num_different
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
from debias.metrics.superiority import (
    RankedRows,
    Superiority,
    rank_rows,
    shift_p_values,
    superiorities,
)

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
class RankedFaces:
    """The faces of which a measure could be taken, by ascending value.

    Attributes:
        measure: one of :data:`debias.audit.quality_limits.COMPARED`.
        faces: their places among all faces, shape (row,).
        values: of the measure, shape (row,).
        ranked: the values, to compare groups by.
        flawed: which pictures are, shape (row,); None where the measure has no limit.
        ranked_flaws: those likewise; None where no picture is flawed, or all are.
        clusters: what the faces share, shape (row,); None for nothing.
    """

    measure: str
    faces: Codes
    values: Values
    ranked: RankedRows
    flawed: NDArray[np.bool_] | None
    ranked_flaws: RankedRows | None
    clusters: Codes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedGroups:
    """A measure of the faces of one grouping.

    Attributes:
        groups: of the grouping, in its order, not tested yet.
        p_values: before correction, by the position of each group that is tested: of its values,
            and of the flawed ones if there are any.
    """

    groups: tuple[GroupQuality, ...]
    p_values: Mapping[int, tuple[float, ...]]


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


def ranked_faces(values: Values, measure: str, clusters: Codes | None) -> RankedFaces:
    """Return the faces by a measure, to be held against any number of groupings.

    Args:
        values: of the measure, shape (face,); NaN where it cannot be taken.
        measure: one of :data:`debias.audit.quality_limits.COMPARED`.
        clusters: what the faces share, shape (face,); None for nothing.
    """
    order = np.argsort(values, kind="stable")
    order = order[np.isfinite(values[order])]
    known = values[order]
    shared = None if clusters is None else clusters[order]
    flawed = is_flawed(measure, known)
    differ = flawed is not None and flawed.any() and not flawed.all()
    return RankedFaces(
        measure=measure,
        faces=order,
        values=known,
        ranked=rank_rows(values=known, clusters=shared),
        flawed=flawed,
        ranked_flaws=rank_rows(values=flawed, clusters=shared)
        if flawed is not None and differ
        else None,
        clusters=shared,
    )


def compared_groups(
    grouping: Grouping, faces: RankedFaces, *, knows_persons: bool, settings: QualitySettings
) -> ComparedGroups:
    """Return one measure of each group of a grouping, with p-values before correction.

    Args:
        grouping: of all faces.
        faces: by the measure.
        knows_persons: whether what they share is persons.
        settings: which groups are large enough.
    """
    codes, num_groups = grouping.codes[faces.faces], len(grouping.groups)
    ranked = superiorities(faces.ranked, codes=codes, num_groups=num_groups)
    reasons = (
        goes_by_nature(name, faces.measure, named=settings.skin_tone_attributes)
        for name in grouping.columns
    )
    by_nature = next((reason for reason in reasons if reason is not None), None)
    allowance = 0.0 if by_nature is None else DETAIL_ALLOWANCES.get(faces.measure, 0.0)
    flaw_p_values: tuple[float, ...] = ()
    if faces.ranked_flaws is not None:
        flaw_p_values = shift_p_values(faces.ranked_flaws, codes=codes, num_groups=num_groups)
    return ComparedGroups(
        groups=tuple(
            _group_quality(
                grouping,
                code,
                faces,
                codes == code,
                found,
                by_nature=by_nature,
                allowance=allowance,
                knows_persons=knows_persons,
                settings=settings,
            )
            for code, found in enumerate(ranked)
        ),
        p_values={
            code: (_p_value(ranked[code], allowance), *flaw_p_values[code : code + 1])
            for code in _tested(grouping, faces, codes, ranked, settings)
        },
    )


def _p_value(found: Superiority, allowance: float) -> float:
    """Return the p-value of no difference beyond what is allowed.

    Beyond 0 it is that of a normal distribution with the deviation that the 95 % interval shows.
    """
    if allowance == 0.0 or found.p_value == 1.0:
        return found.p_value
    deviation = (found.high - found.low) / (2.0 * special.ndtri(0.975))
    beyond = (abs(found.value - 0.5) - allowance) / deviation
    return max(found.p_value, min(1.0, float(2.0 * special.ndtr(-beyond))))


def _tested(
    grouping: Grouping,
    faces: RankedFaces,
    codes: Codes,
    ranked: Sequence[Superiority],
    settings: QualitySettings,
) -> tuple[int, ...]:
    """Return the groups that are tested: large enough ones, and the worse of two that mirror."""
    counts = np.bincount(codes, minlength=len(grouping.groups))
    if faces.values.size == 0 or faces.values[0] == faces.values[-1]:
        return ()
    single = len(grouping.columns) == 1
    others = counts.sum() - counts
    enough = (counts >= settings.least_images) & (others >= settings.least_images)
    chosen = np.flatnonzero(enough & (grouping.known | single))
    if np.count_nonzero(counts) == 2:
        sign = -1.0 if faces.measure in WORSE_ABOVE else 1.0
        chosen = np.array(sorted(chosen, key=lambda code: sign * ranked[int(code)].value)[:1])
    return tuple(chosen.tolist())


def _group_quality(
    grouping: Grouping,
    code: int,
    faces: RankedFaces,
    inside: NDArray[np.bool_],
    found: Superiority,
    *,
    by_nature: str | None,
    allowance: float,
    knows_persons: bool,
    settings: QualitySettings,
) -> GroupQuality:
    """Return one group of a measure."""
    rows = np.flatnonzero(inside)
    worst = settings.worst_share
    if faces.measure in WORSE_ABOVE:
        worst = 1.0 - worst
    levels = (0.25, 0.5, 0.75, worst)
    low, median, high, tail = (
        np.quantile(faces.values[rows], levels).tolist() if rows.size else [math.nan] * 4
    )
    num_persons = None
    if faces.clusters is not None and knows_persons:
        num_persons = num_different(faces.clusters[rows])
    return GroupQuality(
        columns=grouping.columns,
        values=grouping.groups[code],
        measure=faces.measure,
        num_images=rows.size,
        num_persons=num_persons,
        num_unmeasured=int(np.count_nonzero(grouping.codes == code)) - rows.size,
        quartiles=(low, median, high),
        worst=tail,
        superiority=found,
        p_value=None,
        flawed=_rate(faces, rows, settings),
        flawed_elsewhere=_rate(faces, np.flatnonzero(~inside), settings),
        flawed_p_value=None,
        by_nature=by_nature,
        allowance=allowance,
    )


def _rate(faces: RankedFaces, rows: Codes, settings: QualitySettings) -> Rate | None:
    """Return the share of flawed pictures; None where the measure has no limit."""
    if faces.flawed is None:
        return None
    flawed = faces.flawed[rows]
    nobody = np.zeros(flawed.size, dtype=np.intp)
    units = None
    if faces.clusters is not None:
        units = cluster_units(codes=nobody, clusters=faces.clusters[rows])
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
