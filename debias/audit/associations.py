"""What goes with what: attributes with the label, the split, each other and the pictures' measures.

A model can learn the one from the other. Values that nobody knows are left out of a comparison and
counted; whether a value is known is compared like an attribute of its own, for it too can go with
the split or with the pictures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from debias.audit.association_variables import (
    AssociationSettings,
    Codes,
    Partner,
    Variable,
    compared,
    ready_pair,
)
from debias.audit.by_nature import SKIN_ITSELF, goes_by_nature
from debias.audit.findings import Finding, Severity
from debias.audit.images import AuditedImages, num_different
from debias.audit.measured import QUALITY_MEASURES, MeasuredImages
from debias.audit.skin_scales import ESTIMATED
from debias.metrics.contingency import Contingency, contingency
from debias.metrics.pairs import holm


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """How far an attribute goes with something else.

    Attributes:
        attribute: its name; ``NAME known`` for whether its value is known.
        partner: what it is compared with.
        partner_kind: what that is.
        values: of the attribute.
        partner_values: of the other; of a measure the ranges.
        counts: images by both, the attribute's values first.
        num_images: compared.
        num_persons: different ones among them; None where persons are not known.
        num_left_out: images of which either is unknown or cannot be measured.
        cramers_v: bias-corrected; NaN where it was not tested.
        low: lower limit of its interval.
        high: upper limit.
        information: mutual information, nats.
        by_chance: the information that chance alone gives, nats.
        share: of the attribute's entropy that the information is, in [0, 1].
        p_value: of no relation, by Holm over all; None where it was not tested.
        is_judged: whether it concerns one of the groups that the audit names, or it names none.
        by_nature: why the two go together in any set; None if they need not.
        reason: why it was not tested; empty where it was.
        together: the two values that go together the most; empty where it was not tested.
    """

    attribute: str
    partner: str
    partner_kind: Partner
    values: tuple[str, ...]
    partner_values: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    num_images: int
    num_persons: int | None
    num_left_out: int
    cramers_v: float
    low: float
    high: float
    information: float
    by_chance: float
    share: float
    p_value: float | None
    is_judged: bool
    by_nature: str | None
    reason: str
    together: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Associations:
    """What goes with what.

    Attributes:
        pairs: all that were compared, the strongest first within each kind of partner.
        num_tests: tests made.
        findings: of kind ``association``.
    """

    pairs: tuple[Association, ...]
    num_tests: int
    findings: tuple[Finding, ...]


def associations(
    images: AuditedImages,
    measured: MeasuredImages,
    *,
    settings: AssociationSettings | None = None,
    generator: np.random.Generator,
) -> Associations:
    """Return how far each attribute goes with label, split, other attributes and measures.

    With the label all images are compared whose attribute is known; with everything else faces.
    Persons, or pictures of which there are several windows, are permuted whole; see
    :func:`debias.metrics.contingency.contingency`. Measures are cut into ranges of equally many
    images, so that any relation is seen, not only a shift. What goes together by nature is shown
    and never found. A note at most is what goes with the pictures' quality, which
    :func:`debias.audit.quality.quality_by_group` judges, and what concerns none of the groups that
    the audit names.

    Args:
        images: what is audited.
        measured: their measures.
        settings: what counts as an association.
        generator: draws random tables where few images are compared.
    """
    settings = settings or AssociationSettings()
    clusters, knows_persons = images.clusters, images.knows_persons
    two = list(compared(images, measured, settings))
    # One pair after the other: all pairs' rows at once would take more memory than anything else.
    pairs = [
        _association(
            first,
            second,
            groups=images.groups,
            clusters=clusters,
            knows_persons=knows_persons,
            # So small that Holm's correction for as many pairs can still find it.
            smallest=settings.alpha / (2.0 * len(two)),
            settings=settings,
            generator=generator,
        )
        for first, second in two
    ]
    raw = {place: each.p_value for place, each in enumerate(pairs) if each.p_value is not None}
    for place, p_value in zip(raw, holm(list(raw.values())).tolist(), strict=True):
        pairs[place] = replace(pairs[place], p_value=p_value)
    order: tuple[Partner, ...] = ("label", "split", "attribute", "measure")
    pairs.sort(key=lambda pair: (order.index(pair.partner_kind), -np.nan_to_num(pair.cramers_v)))
    return Associations(
        pairs=tuple(pairs), num_tests=len(raw), findings=tuple(_findings(pairs, settings))
    )


def _association(
    first: Variable,
    second: Variable,
    *,
    groups: tuple[str, ...],
    clusters: Codes | None,
    knows_persons: bool,
    smallest: float,
    settings: AssociationSettings,
    generator: np.random.Generator,
) -> Association:
    """Return how far two variables go together, with the p-value before correction."""
    ready = ready_pair(first, second, clusters, settings)
    shared = None if clusters is None else clusters[ready.rows]
    found: Contingency | None = None
    together: tuple[str, ...] = ()
    if not ready.reason:
        found = contingency(
            first=ready.first,
            second=ready.second,
            clusters=shared,
            smallest=smallest,
            confidence=settings.confidence,
            generator=generator,
        )
        row, column = np.unravel_index(np.argmax(found.residuals), found.counts.shape)
        together = (ready.values[row], ready.partner_values[column])
    shares = np.bincount(ready.first) / max(ready.rows.size, 1)
    entropy = -float(np.sum(shares[shares > 0] * np.log(shares[shares > 0])))
    return Association(
        attribute=first.name,
        partner=second.name,
        partner_kind=second.kind,
        values=ready.values,
        partner_values=ready.partner_values,
        counts=() if found is None else tuple(map(tuple, found.counts.tolist())),
        num_images=int(ready.rows.size),
        num_persons=num_different(shared) if shared is not None and knows_persons else None,
        num_left_out=ready.num_left_out,
        cramers_v=math.nan if found is None else found.cramers_v,
        low=math.nan if found is None else found.low,
        high=math.nan if found is None else found.high,
        information=math.nan if found is None else found.information,
        by_chance=math.nan if found is None else found.by_chance,
        share=math.nan if found is None else min(1.0, found.information / entropy),
        p_value=None if found is None else found.p_value,
        is_judged=not groups or bool(set(groups) & {*first.about, *second.about}),
        by_nature=_by_nature(first, second, settings),
        reason=ready.reason,
        together=together,
    )


def _by_nature(first: Variable, second: Variable, settings: AssociationSettings) -> str | None:
    if first.name not in first.about:  # it says who is known, not who is shown
        by_pixels = first.about == (ESTIMATED,) and second.kind == "measure"
        return SKIN_ITSELF if by_pixels else None
    return goes_by_nature(first.name, second.name, named=settings.skin_tone_attributes)


def _findings(pairs: list[Association], settings: AssociationSettings) -> Iterator[Finding]:
    for pair in pairs:
        if pair.p_value is None or pair.by_nature is not None:
            continue
        if pair.cramers_v < settings.note or pair.p_value > settings.alpha:
            continue
        severity: Severity = "note"
        limit = settings.note
        if pair.is_judged and pair.partner not in QUALITY_MEASURES:
            if pair.cramers_v >= settings.serious:
                severity, limit = "serious", settings.serious
            elif pair.cramers_v >= settings.warning:
                severity, limit = "warning", settings.warning
        yield Finding(
            kind="association",
            severity=severity,
            subject=f"{pair.attribute}, {pair.partner}",
            message=f"{pair.attribute} goes with {pair.partner}: {_shares(pair)}; Cramer's V "
            f"{pair.cramers_v:.2f} [{pair.low:.2f}, {pair.high:.2f}].",
            measure="bias-corrected Cramer's V",
            value=pair.cramers_v,
            limit=limit,
            p_value=pair.p_value,
            num_images=pair.num_images,
        )


def _shares(pair: Association) -> str:
    """Return how often the two values that go together the most do, in words."""
    value, partner_value = pair.together
    counts = np.array(pair.counts)
    row, column = pair.values.index(value), pair.partner_values.index(partner_value)
    inside = counts[row, column] / counts[row].sum()
    others = np.delete(counts, row, axis=0)
    outside = others[:, column].sum() / others.sum()
    return (
        f"{pair.partner} is {partner_value} of {100 * inside:.0f} % of {pair.attribute} {value}, "
        f"of {100 * outside:.0f} % of the others"
    )
