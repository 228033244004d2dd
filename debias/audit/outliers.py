"""Junk among faces, told apart from rare faces, and whom a filter of outliers would throw out.

Three measures: how badly a model of faces reconstructs an image beyond what its detail leads to
expect, how far it lies from all others in the latent space, and how little it looks like a face to
a classifier, where there is one. See :mod:`debias.resampling.outliers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from debias.audit.findings import Concerned, Finding, Severity
from debias.metrics.design_effects import design_effect
from debias.metrics.intervals import Rate, rate
from debias.metrics.pairs import holm
from debias.metrics.score_tests import difference_p_values, two_rates
from debias.resampling.outliers import (
    FALSE_POSITIVE_RATE,
    neighbour_distances,
    outlier_threshold,
    residual_errors,
    tail_scores,
)

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Mask = NDArray[np.bool_]
UNKNOWN = "unknown"
_SMALLEST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierSettings:
    """When a face is taken for junk.

    Attributes:
        threshold: score above which a face is flagged, without a classifier and with one, whose
            scores have a heavier tail. Of drawn faces without junk either flags some 0.5 %.
        severe: score above which it is hardly a face, so that it counts for nothing in suggested
            weights; the same two.
        false_positive_rate: share of a set without junk that the threshold flags, as measured.
        limit: share of severe images above which it is a warning.
        gap: difference between a group's rate and that of the other images above which it is a
            warning, in [0, 1].
        alpha: of either kind of test, for all tests of the kind together.
    """

    threshold: tuple[float, float] = (outlier_threshold(), 3.5)
    severe: tuple[float, float] = (3.5, 4.0)
    false_positive_rate: float = FALSE_POSITIVE_RATE
    limit: float = 0.003
    gap: float = 0.05
    alpha: float = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOutliers:
    """How often a group's images are flagged.

    Attributes:
        attribute: its name.
        value: of the attribute; ``unknown`` where it is missing.
        flagged: the rate, with its interval.
        others: that of all other images.
        num_persons: in the group; None where no person is known.
        p_value: of equal rates.
        adjusted_p_value: for all groups of all attributes, by Holm's method.
    """

    attribute: str
    value: str
    flagged: Rate
    others: Rate
    num_persons: int | None
    p_value: float
    adjusted_p_value: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outliers:
    """What was measured of each face, and what follows.

    Attributes:
        residual: the score of the reconstruction error beyond what the detail explains, shape
            (face,); a standard normal's scale, whose upper half fits the bulk.
        distance: the score of the log distance to the nearest neighbours in the latent space.
        unlikeness: the score of the log odds against "face"; None without a classifier.
        score: of junk: the smaller of the first two, with the third added.
        flagged: a mask of the faces taken for junk.
        severe: a mask of those that are hardly anything else.
        threshold: of the score.
        groups: the rates by group.
        findings: of the kinds ``junk`` and ``outliers-by-group``.
    """

    residual: Floats
    distance: Floats
    unlikeness: Floats | None
    score: Floats
    flagged: Mask
    severe: Mask
    threshold: float
    groups: tuple[GroupOutliers, ...]
    findings: tuple[Finding, ...]


def find_outliers(
    mu: NDArray[np.floating],
    *,
    error: Floats,
    detail: Floats,
    face_logit: Floats | None,
    attributes: pd.DataFrame,
    rows: Codes,
    persons: Codes | None,
    settings: OutlierSettings,
    generator: np.random.Generator,
) -> Outliers:
    """Return which faces look like no face of this set, and how often in each group.

    Args:
        mu: posterior means of the active latents, finite, shape (face, latent).
        error: reconstruction errors, shape (face,).
        detail: how hard each image is to reconstruct, such as
            :attr:`debias.inference.latents.LatentRows.detail` or ``complexity`` of
            :class:`debias.audit.measured.MeasuredImages`, shape (face,).
        face_logit: log odds of "face", best by a classifier fitted to other images; None without.
        attributes: a row a face, in the order of ``mu``; missing = unknown.
        rows: the position of each face among the audited images, ascending, shape (face,).
        persons: the person of each face as integers from 0; None where none is known.
        settings: when a face is taken for junk.
        generator: draws the faces among which neighbours are sought, where there are many.
    """
    far = neighbour_distances(mu, generator=generator)
    residual = tail_scores(residual_errors(error, detail))
    distance = tail_scores(np.log(np.maximum(far, _SMALLEST)))
    score = tail_scores(np.minimum(residual, distance))
    unlikeness = None
    if face_logit is not None:
        # Doubled, since it was taught what is no face, and the others were not.
        unlikeness = tail_scores(-face_logit)
        score = tail_scores(score + 2.0 * unlikeness)
    place = 0 if face_logit is None else 1
    threshold, clear = settings.threshold[place], settings.severe[place]
    flagged, severe = score > threshold, score > clear
    groups = _by_group(flagged, attributes, persons)
    return Outliers(
        residual=residual,
        distance=distance,
        unlikeness=unlikeness,
        score=score,
        flagged=flagged,
        severe=severe,
        threshold=threshold,
        groups=groups,
        findings=(
            *_junk(flagged, severe, score, rows, clear, settings),
            *chain.from_iterable(_gap(group, settings) for group in groups),
        ),
    )


def _junk(
    flagged: Mask,
    severe: Mask,
    score: Floats,
    rows: Codes,
    clear: float,
    settings: OutlierSettings,
) -> tuple[Finding, ...]:
    num_faces, num_severe = len(flagged), int(severe.sum())
    if not flagged.any():
        return ()
    p_value = float(stats.binom.sf(num_severe - 1, num_faces, settings.limit))
    severity: Severity = "warning" if p_value < settings.alpha else "note"
    number = int(flagged.sum())
    return (
        Finding(
            kind="junk",
            severity=severity,
            subject="faces",
            message=f"{number:,} of {num_faces:,} faces ({100 * number / num_faces:.1f} %) look "
            f"like no face of this set, {num_severe:,} of them clearly; about "
            f"{settings.false_positive_rate * num_faces:.0f} would without any junk.",
            measure=f"share of faces with a score of junk above {clear:g}",
            value=num_severe / num_faces,
            limit=settings.limit,
            p_value=p_value,
            num_images=number,
            images=Concerned.of(rows[flagged], values=score[flagged]),
        ),
    )


def _by_group(
    flagged: Mask, attributes: pd.DataFrame, persons: Codes | None
) -> tuple[GroupOutliers, ...]:
    """Return each group's rate beside that of all other images."""
    found = [
        _group(str(name), str(value), values == value, flagged, persons)
        for name in attributes.columns
        for values in [attributes[name].astype(object).where(attributes[name].notna(), UNKNOWN)]
        for value in sorted(values.unique(), key=lambda each: (each == UNKNOWN, str(each)))
        if (values != value).any()
    ]
    if not found:
        return ()
    tests = two_rates(
        rates=([g.flagged.value for g in found], [g.others.value for g in found]),
        num_effective=(
            [g.flagged.num_effective for g in found],
            [g.others.num_effective for g in found],
        ),
    )
    p_values = difference_p_values(tests)
    return tuple(
        GroupOutliers(
            attribute=group.attribute,
            value=group.value,
            flagged=group.flagged,
            others=group.others,
            num_persons=group.num_persons,
            p_value=float(p_value),
            adjusted_p_value=float(adjusted),
        )
        for group, p_value, adjusted in zip(found, p_values, holm(p_values), strict=True)
    )


def _group(
    attribute: str,
    value: str,
    inside: pd.Series,
    flagged: Mask,
    persons: Codes | None,
) -> GroupOutliers:
    mask = inside.to_numpy(dtype=np.bool_)
    own, others = (_rate(flagged, part, persons) for part in (mask, ~mask))
    return GroupOutliers(
        attribute=attribute,
        value=value,
        flagged=own,
        others=others,
        num_persons=None if persons is None else int(np.unique(persons[mask]).size),
        p_value=float("nan"),
        adjusted_p_value=float("nan"),
    )


def _rate(flagged: Mask, part: Mask, persons: Codes | None) -> Rate:
    clusters = None if persons is None else persons[part]
    return rate(
        num_successes=int(flagged[part].sum()),
        num_trials=int(part.sum()),
        design_effect=design_effect(values=flagged[part], clusters=clusters),
    )


def _gap(group: GroupOutliers, settings: OutlierSettings) -> tuple[Finding, ...]:
    """Return a finding about a group that is flagged more often than the others."""
    difference = group.flagged.value - group.others.value
    if group.adjusted_p_value >= settings.alpha or difference <= 0:
        return ()
    return (
        Finding(
            kind="outliers-by-group",
            severity="warning" if difference > settings.gap else "note",
            subject=f"{group.attribute} {group.value}",
            message=f"{100 * group.flagged.value:.1f} % of the {group.flagged.num_trials:,} faces "
            f"of {group.attribute} {group.value} are taken for outliers, and "
            f"{100 * group.others.value:.1f} % of all others.",
            measure="difference between the share of outliers in the group and in all others",
            value=difference,
            limit=settings.gap,
            p_value=group.adjusted_p_value,
            num_images=group.flagged.num_trials,
        ),
    )
