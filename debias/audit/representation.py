"""Whom an image set shows, how often, and how many images of whom would be needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from debias.audit.findings import Finding
from debias.audit.group_shares import (
    ALL,
    GroupingShares,
    GroupShare,
    RepresentationSettings,
)
from debias.audit.images import AuditedImages, num_different
from debias.audit.reference import Reference, uniform_shares
from debias.audit.share_findings import spellings, too_few, unknown_values
from debias.audit.share_tests import share_effects, share_p_values
from debias.data.manifest_checks import SPLITS
from debias.metrics.counts import Grouping, group_rows
from debias.metrics.intervals import Rate, rate, wilson
from debias.metrics.verdicts import planned_per_group

NO_SPLIT = "no split"
SCOPES = (*SPLITS, NO_SPLIT)
"""What is judged apart, where there is more than one."""
MOST_CROSSED = 3
"""Attributes that are crossed at once; more make groups that nobody can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """Whom the set, or a split of it, shows.

    Attributes:
        scope: ``all``, the split, or ``no split``.
        num_faces: of it.
        num_persons: different ones among them; None where persons are not known.
        splits: the names of the splits there are.
        groupings: each attribute alone, then the intersections.
        findings: groups that are seen too rarely, and attributes that are often unknown.
    """

    scope: str
    num_faces: int
    num_persons: int | None
    splits: tuple[str, ...]
    groupings: tuple[GroupingShares, ...]
    findings: tuple[Finding, ...]


def by_split(
    images: AuditedImages,
    *,
    reference: Reference | None = None,
    settings: RepresentationSettings | None = None,
) -> tuple[Representation, ...]:
    """Return how often each group is seen in each split there is, or in all where all is one.

    A set that is balanced as a whole may hide from training whom it shows in the test. Faces
    without a split are one of their own beside the others. Values spelled in two ways are told
    once, whichever splits they are in.

    Args:
        images: what is audited.
        reference: the shares asked for.
        settings: what counts as too few; the chance of a false finding is that of all together.
    """
    settings = settings or RepresentationSettings()
    scopes = [name for name in SCOPES if (_inside(images, name) & images.faces).any()]
    if len(scopes) < 2:
        return (representation(images, reference=reference, settings=settings),)
    each = replace(settings, alpha=settings.alpha / len(scopes))
    first, *others = (
        representation(images, reference=reference, settings=each, scope=name) for name in scopes
    )
    # Of all splits together: one may write throughout what another writes otherwise.
    spelled = tuple(spellings(images, np.flatnonzero(images.faces)))
    return (replace(first, findings=(*first.findings, *spelled)), *others)


def representation(
    images: AuditedImages,
    *,
    reference: Reference | None = None,
    settings: RepresentationSettings | None = None,
    scope: str = ALL,
) -> Representation:
    """Return how often each group of faces is seen, beside how often it should be.

    The attributes that :attr:`AuditedImages.groups` names are held against the reference, and so
    are their intersections; without a reference against the same share for each group. The other
    attributes are counted, and judged only where the reference has them: nobody asks for as many
    hats as bare heads.

    Args:
        images: what is audited; groups are those of its faces.
        reference: the shares asked for.
        settings: what counts as too few.
        scope: the split whose faces count, ``no split``, or ``all``.
    """
    settings = settings or RepresentationSettings()
    faces = np.flatnonzero(images.faces & _inside(images, scope))
    attributes = images.attributes.iloc[faces]
    persons = images.persons[faces] if images.knows_persons else None
    split = images.manifest.table["split"].iloc[faces].fillna(NO_SPLIT).to_numpy(dtype=object)
    splits = tuple(name for name in SCOPES if (split == name).any())
    counted = [
        _counted(attributes, columns=columns, images=images, reference=reference)
        for columns in named_groupings(images)
    ]
    p_values = share_p_values(
        [(grouping, shares) for grouping, shares, _ in counted], persons, settings
    )
    groupings: list[GroupingShares] = []
    findings: list[Finding] = []
    for (grouping, shares, words), adjusted in zip(counted, p_values, strict=True):
        effects = share_effects(grouping, persons, settings.confidence)
        found = _grouping_shares(
            grouping,
            shares=shares,
            words=words,
            p_values=adjusted,
            effects=effects,
            persons=persons,
            split=split,
            splits=splits,
            settings=settings,
        )
        groupings.append(found)
        findings += too_few(found, grouping, faces, settings, scope)
    findings += unknown_values(images, faces, settings, scope)
    if scope == ALL:
        findings += spellings(images, faces)
    return Representation(
        scope=scope,
        num_faces=len(faces),
        num_persons=None if persons is None else num_different(persons),
        splits=splits,
        groupings=tuple(groupings),
        findings=tuple(findings),
    )


def _inside(images: AuditedImages, scope: str) -> NDArray[np.bool_]:
    """Return a mask of the images of a split, of none, or of all."""
    if scope == ALL:
        return np.ones(len(images), dtype=np.bool_)
    if scope == NO_SPLIT:
        return images.manifest.table["split"].isna().to_numpy()
    return images.manifest.in_split(scope)


def named_groupings(images: AuditedImages) -> Iterator[tuple[str, ...]]:
    """Yield each attribute alone, those of the groups first, then the intersections of groups."""
    others = [str(name) for name in images.attributes.columns if name not in images.groups]
    for name in (*images.groups, *others):
        yield (name,)
    for size in range(2, min(len(images.groups), MOST_CROSSED) + 1):
        yield from combinations(images.groups, size)


def _counted(
    attributes: pd.DataFrame,
    *,
    columns: tuple[str, ...],
    images: AuditedImages,
    reference: Reference | None,
) -> tuple[Grouping, NDArray[np.float64] | None, str | None]:
    """Return a grouping of faces, the shares it is held against, and what these are in words."""
    # Values that other splits have, or that are asked for, are groups too where nobody has them.
    parts = [attributes[list(columns)], images.attributes.loc[images.faces, list(columns)].dropna()]
    covered = reference is not None and reference.covers(columns)
    if reference is not None and covered:
        asked = pd.DataFrame(reference.shares.keys(), columns=list(reference.columns))
        parts.append(asked[list(columns)])
    others = pd.concat(parts[1:]).drop_duplicates()
    wide = group_rows(sensitive_features=pd.concat([parts[0], others]), columns=columns)
    grouping = replace(wide, codes=wide.codes[: len(attributes)])
    if reference is not None and covered:
        return grouping, reference.of(grouping), reference.source
    # Beside a reference an attribute of its own can be held to equal shares, a crossing cannot.
    is_judged = set(columns) <= set(images.groups) and (reference is None or len(columns) == 1)
    if not is_judged or grouping.known.sum() < 2:
        return grouping, None, None
    return grouping, uniform_shares(grouping), "the same share for each"


def _grouping_shares(
    grouping: Grouping,
    *,
    shares: NDArray[np.float64] | None,
    words: str | None,
    p_values: NDArray[np.float64],
    effects: Sequence[tuple[float, float]],
    persons: NDArray[np.intp] | None,
    split: NDArray[np.object_],
    splits: tuple[str, ...],
    settings: RepresentationSettings,
) -> GroupingShares:
    known, counts = grouping.known, grouping.num_rows
    total, num_groups = int(counts[known].sum()), int(known.sum())
    needed = (
        planned_per_group(
            recall=settings.recall,
            num_groups=num_groups,
            margin=settings.margin,
            confidence=settings.confidence,
        )
        if num_groups > 1
        else None
    )
    groups = []
    for code, values in enumerate(grouping.groups):
        inside = grouping.codes == code
        count, is_known = int(counts[code]), bool(known[code])
        effect, freedom = effects[code]
        wanted = None if shares is None or not is_known else float(shares[code])
        share = (
            rate(
                num_successes=count,
                num_trials=total,
                confidence=settings.confidence,
                design_effect=effect,
                freedom=freedom,
            )
            if is_known
            else None
        )
        low, high = _family_limits(share, num_groups, settings.confidence)
        ratio = count / total / wanted if wanted and total else None
        num_persons = None if persons is None else num_different(persons[inside])
        independent = count if num_persons is None else num_persons
        groups.append(
            GroupShare(
                values=values,
                known=is_known,
                num_images=count,
                num_persons=num_persons,
                num_by_split=tuple(int((split[inside] == name).sum()) for name in splits),
                share=share,
                family_low=low,
                family_high=high,
                reference=wanted,
                ratio=ratio,
                p_value=None if np.isnan(p_values[code]) else float(p_values[code]),
                num_to_reference=None if wanted is None else _to_add(count, total, wanted),
                num_for_test=max(0, needed - independent) if needed and is_known else None,
            )
        )
    sizes = counts[known] / max(total, 1)
    entropy = -float(special.xlogy(sizes, sizes).sum())
    return GroupingShares(
        columns=grouping.columns,
        num_known=total,
        num_unknown=int(counts[~known].sum()),
        reference=words,
        effective_groups=math.exp(entropy) if total else 0.0,
        smallest_over_largest=float(sizes.min() / sizes.max()) if total else 0.0,
        needed_per_group=needed,
        groups=tuple(groups),
    )


def _family_limits(
    share: Rate | None, num_groups: int, confidence: float
) -> tuple[float | None, float | None]:
    """Return limits that hold for all groups of a grouping together, by Bonferroni."""
    if share is None or not share.num_trials:
        return None, None
    each = 1.0 - (1.0 - confidence) / num_groups
    low, high = wilson(
        num_successes=share.num_successes,
        num_trials=share.num_trials,
        confidence=each,
        design_effect=share.design_effect_at(each),
    )
    return float(low), float(high)


def _to_add(count: int, total: int, share: float) -> int:
    """Return how many images of a group bring it to a share, if all others are kept."""
    if share >= 1.0:
        return 0
    return max(0, math.ceil((share * total - count) / (1.0 - share) - 1e-9))
