"""Whether one group's pictures are worse than another's, before any model sees them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from debias.audit.findings import Concerned, Finding, Severity
from debias.audit.group_quality import (
    Codes,
    GroupQuality,
    compared_groups,
    quality_values,
    ranked_faces,
)
from debias.audit.images import AuditedImages
from debias.audit.measured import MeasuredImages
from debias.audit.quality_limits import (
    COMPARED,
    FLAWS,
    WORSE_ABOVE,
    QualitySettings,
    Values,
    is_flawed,
)
from debias.audit.representation import named_groupings
from debias.metrics.counts import Grouping, group_rows
from debias.metrics.pairs import holm


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityByGroup:
    """The quality of each group's pictures.

    Attributes:
        groups: every group and measure.
        num_tests: tests made.
        findings: of kind ``quality-by-group``.
    """

    groups: tuple[GroupQuality, ...]
    num_tests: int
    findings: tuple[Finding, ...]


def quality_by_group(
    images: AuditedImages,
    measured: MeasuredImages,
    *,
    settings: QualitySettings | None = None,
) -> QualityByGroup:
    """Return how the quality of each group's pictures compares with that of all other faces.

    Groups are those of each attribute, unknown values among them, and of the intersections of
    :attr:`AuditedImages.groups`. Of two groups only the worse one is tested, for the other says the
    same. A
    difference is a finding where it is larger than the limit and than chance explains: the better
    groups only where no group is worse, and an intersection only where none of its attributes has
    the same finding. Images that share a
    person, or else a picture, count as these; see :mod:`debias.metrics.superiority`.

    Where the audit names groups, a difference by any other attribute is a note: a hat changes the
    picture by itself. Light and colour of the picture go with the skin in it: there a difference by
    skin tone is a note, and says so; in sharpness, noise and compression only what goes beyond
    :data:`debias.audit.by_nature.DETAIL_ALLOWANCES` counts. Whether a picture is poor for its own
    group is not looked at.

    Args:
        images: what is audited.
        measured: their measures.
        settings: what counts as a difference.
    """
    settings = settings or QualitySettings()
    faces = np.flatnonzero(images.faces)
    shared, knows_persons = images.clusters, images.knows_persons
    clusters = None if shared is None else np.unique(shared[faces], return_inverse=True)[1]
    attributes = images.attributes.iloc[faces]
    groupings = [
        group_rows(sensitive_features=attributes, columns=columns)
        for columns in named_groupings(images)
    ]
    by_measure = []
    for measure in COMPARED:  # ranked once, for all groupings
        ranked = ranked_faces(quality_values(measured, measure)[faces], measure, clusters)
        by_measure.append(
            [
                compared_groups(grouping, ranked, knows_persons=knows_persons, settings=settings)
                for grouping in groupings
            ]
        )
    compared = [each for of_grouping in zip(*by_measure, strict=True) for each in of_grouping]
    raw = [p for each in compared for p_values in each.p_values.values() for p in p_values]
    adjusted = iter(holm(raw).tolist())
    groups: list[GroupQuality] = []
    for each in compared:
        corrected = {code: [next(adjusted) for _ in found] for code, found in each.p_values.items()}
        for code, group in enumerate(each.groups):
            p_values = corrected.get(code, [])
            groups.append(
                replace(
                    group,
                    p_value=p_values[0] if p_values else None,
                    flawed_p_value=p_values[1] if len(p_values) > 1 else None,
                )
            )
    members = _Members(measured, faces, groupings)
    return QualityByGroup(
        groups=tuple(groups),
        num_tests=len(raw),
        findings=tuple(_findings(groups, members, images, settings)),
    )


class _Members:
    """Tells which images a group's measure was taken of."""

    def __init__(
        self,
        measured: MeasuredImages,
        faces: Codes,
        groupings: Sequence[Grouping],
    ) -> None:
        self._measured, self._faces = measured, faces
        self._groupings = {grouping.columns: grouping for grouping in groupings}

    def of(self, group: GroupQuality) -> tuple[Codes, Values]:
        """Return their positions among all images and the measures, shape (row,) each."""
        grouping = self._groupings[group.columns]
        rows = self._faces[grouping.codes == grouping.groups.index(group.values)]
        values = quality_values(self._measured, group.measure)[rows]
        known = np.isfinite(values)
        return rows[known], values[known]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A difference that passes its limit, of values or (``is_flaw``) of shares of the flawed."""

    is_flaw: bool
    is_worse: bool
    severity: Severity
    value: float
    limit: float
    p_value: float
    message: str

    @property
    def distance(self) -> float:
        """How far the value is from no difference."""
        return abs(self.value - (0.0 if self.is_flaw else 0.5))


def _findings(
    groups: Sequence[GroupQuality],
    members: _Members,
    images: AuditedImages,
    settings: QualitySettings,
) -> Iterator[Finding]:
    judged = [
        (group, each)
        for group in groups
        for each in (_shifted(group, images, settings), _more_flawed(group, images, settings))
        if each is not None
    ]
    told: list[tuple[set[tuple[str, str]], tuple[str, bool, bool]]] = []
    for group, each in judged:
        parts = set(zip(group.columns, group.values, strict=True))
        what = (group.measure, each.is_flaw, each.value > each.limit)
        if any(others < parts and what == known for others, known in told):
            continue
        alike = [
            other
            for beside, other in judged
            if (beside.columns, beside.measure, other.is_flaw)
            == (group.columns, group.measure, each.is_flaw)
        ]
        if not _is_told(each, alike, worst_only=each.severity == "note"):
            continue
        told.append((parts, what))
        chosen, values = members.of(group)
        if each.is_flaw:
            flawed = is_flawed(group.measure, values)
            assert flawed is not None
            chosen, values = chosen[flawed], values[flawed]
        yield Finding(
            kind="quality-by-group",
            severity=each.severity,
            subject=f"{group.name}, {group.measure}",
            message=each.message,
            measure="difference in the share of flawed pictures"
            if each.is_flaw
            else "chance that a picture of the group is above one of the others",
            value=each.value,
            limit=each.limit,
            p_value=each.p_value,
            num_images=len(chosen),
            images=Concerned.of(chosen, values=values),
        )


def _is_told(judged: _Judged, alike: Sequence[_Judged], *, worst_only: bool) -> bool:
    """Tell whether a group is named among those of its grouping that pass the limit.

    All worse ones are; where no group is worse, or for a note, the one that differs the most.
    """
    is_furthest = judged.distance >= max(each.distance for each in alike)
    if worst_only or not any(each.is_worse for each in alike):
        return is_furthest
    return judged.is_worse


def _shifted(
    group: GroupQuality, images: AuditedImages, settings: QualitySettings
) -> _Judged | None:
    if group.p_value is None or group.p_value > settings.alpha:
        return None
    chance = group.superiority
    distance = abs(chance.value - 0.5)
    limits = (settings.warning + group.allowance, settings.serious + group.allowance)
    if distance < limits[0]:
        return None
    message = (
        f"{group.measure} of {group.name} is {'higher' if chance.value > 0.5 else 'lower'}: median "
        f"{group.quartiles[1]:.3g}, and above one of the others with a chance of "
        f"{100 * chance.value:.0f} % [{100 * chance.low:.0f}, {100 * chance.high:.0f}]."
    )
    is_serious = distance >= limits[1]
    return _Judged(
        is_flaw=False,
        is_worse=(chance.value > 0.5) == (group.measure in WORSE_ABOVE),
        severity=_severity(group, images, is_serious, is_light=group.allowance == 0.0),
        value=chance.value,
        limit=0.5 + math.copysign(limits[is_serious], chance.value - 0.5),
        p_value=group.p_value,
        message=message + _reason(group),
    )


def _more_flawed(
    group: GroupQuality, images: AuditedImages, settings: QualitySettings
) -> _Judged | None:
    if group.flawed_p_value is None or group.flawed_p_value > settings.alpha:
        return None
    assert group.flawed is not None
    assert group.flawed_elsewhere is not None
    difference = group.flawed.value - group.flawed_elsewhere.value
    if abs(difference) < settings.flawed_warning:
        return None
    is_serious = abs(difference) >= settings.flawed_serious
    limit = settings.flawed_serious if is_serious else settings.flawed_warning
    message = (
        f"{100 * group.flawed.value:.1f} % of {group.name} are {FLAWS[group.measure][0]}, "
        f"{100 * group.flawed_elsewhere.value:.1f} % of the others."
    )
    return _Judged(
        is_flaw=True,
        is_worse=difference > 0.0,
        severity=_severity(group, images, is_serious, is_light=True),
        value=difference,
        limit=math.copysign(limit, difference),
        p_value=group.flawed_p_value,
        message=message + _reason(group),
    )


def _severity(
    group: GroupQuality, images: AuditedImages, is_serious: bool, *, is_light: bool
) -> Severity:
    if images.groups and not set(group.columns) <= set(images.groups):
        return "note"
    if group.by_nature is not None and is_light:
        return "note"
    return "serious" if is_serious else "warning"


def _reason(group: GroupQuality) -> str:
    return "" if group.by_nature is None else f" By nature: {group.by_nature}."
