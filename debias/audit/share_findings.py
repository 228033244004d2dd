"""What is found in the shares of groups: too few, unknown, or spelled in two ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.audit.findings import Concerned, Finding, Severity
from debias.audit.group_shares import ALL, GroupingShares, RepresentationSettings
from debias.audit.images import AuditedImages
from debias.metrics.counts import UNKNOWN, Grouping, attribute_values


def too_few(
    found: GroupingShares,
    grouping: Grouping,
    faces: NDArray[np.intp],
    settings: RepresentationSettings,
    scope: str,
) -> Iterator[Finding]:
    """Yield the groups whose share is too small beyond chance; how small says how serious it is.

    Args:
        found: the shares.
        grouping: who belongs where.
        faces: the positions of the grouped faces among all images.
        settings: what counts as too small.
        scope: the split they are of, or ``all``.
    """
    for code, group in enumerate(found.groups):
        if group.ratio is None or group.p_value is None or group.reference is None:
            continue
        if group.ratio >= settings.note_ratio or group.p_value > settings.alpha:
            continue
        assert group.share is not None
        share = group.share
        severity, limit = _severity(group.ratio, settings)
        name = _name(found.columns, group.values) + _of(scope)
        more = group.num_to_reference
        needed = f"; {more:,} more would make it so" if more else ""
        yield Finding(
            kind="under-represented",
            severity=severity,
            subject=name,
            message=(
                f"{name}: {group.num_images:,} of {found.num_known:,} faces "
                f"({100 * share.value:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}]), "
                f"where {100 * group.reference:.1f} % are asked for{needed}."
            ),
            measure="share of the faces over the reference's share",
            value=group.ratio,
            limit=limit,
            p_value=group.p_value,
            num_images=group.num_images,
            images=Concerned.of(faces[grouping.codes == code]),
        )


def _severity(ratio: float, settings: RepresentationSettings) -> tuple[Severity, float]:
    """Return how serious a share below its reference is, with the limit that it passes."""
    if ratio < settings.serious_ratio:
        return "serious", settings.serious_ratio
    if ratio < settings.warning_ratio:
        return "warning", settings.warning_ratio
    return "note", settings.note_ratio


def _of(scope: str) -> str:
    return "" if scope == ALL else f" in {scope}"


def unknown_values(
    images: AuditedImages, faces: NDArray[np.intp], settings: RepresentationSettings, scope: str
) -> Iterator[Finding]:
    """Yield the attributes that are unknown of many faces; see :func:`too_few`."""
    for name in map(str, images.attributes.columns):
        missing = attribute_values(images.attributes[name].iloc[faces]) == UNKNOWN
        share = float(missing.mean()) if len(faces) else 0.0
        if share <= settings.most_unknown:
            continue
        yield Finding(
            kind="missing-attribute",
            severity="warning" if name in images.groups else "note",
            subject=name + _of(scope),
            message=f"{name} is unknown of {int(missing.sum()):,} of {len(faces):,} faces"
            f"{_of(scope)} ({100 * share:.1f} %).",
            measure="share of the faces with an unknown value",
            value=share,
            limit=settings.most_unknown,
            num_images=int(missing.sum()),
            images=Concerned.of(faces[missing]),
        )


def spellings(images: AuditedImages, faces: NDArray[np.intp]) -> Iterator[Finding]:
    """Yield values that are the same but for capitals, spaces, hyphens and underscores."""
    for name in map(str, images.attributes.columns):
        values = images.attributes[name].iloc[faces]
        known = pd.Series(sorted(values.dropna().unique()), dtype=object)
        plain = known.str.casefold().str.replace(r"[\s_-]+", "", regex=True)
        for _, alike in known.groupby(plain):
            if len(alike) < 2:
                continue
            rows = faces[values.isin(alike.tolist()).to_numpy()]
            written = ", ".join(repr(value) for value in alike)
            yield Finding(
                kind="value-spelling",
                severity="warning",
                subject=name,
                message=f"{name} has {written}, which differ in spelling alone.",
                measure="spellings of one value",
                value=float(len(alike)),
                limit=1.0,
                num_images=len(rows),
                images=Concerned.of(rows),
            )


def _name(columns: Sequence[str], values: Sequence[str]) -> str:
    return ", ".join(f"{column} {value}" for column, value in zip(columns, values, strict=True))
