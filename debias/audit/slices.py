"""Slices: regions of an embedding where a model's errors concentrate, found without attributes.

Whoever looks in enough places finds errors that concentrate by chance. So all places count in the
correction: the chance that any slice is reported where errors fall anywhere alike is at most
1 - confidence, and the images that a region was found on never test it if errors had a say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from debias.audit.regions import Mask, Region, cluster_regions, half_spaces, principal_components
from debias.metrics.counts import attribute_values
from debias.metrics.group_rates import pooled_rate
from debias.metrics.intervals import FloatArray, Rate, wilson
from debias.metrics.pairs import holm, pairs

NUM_IN_THE_MIDST = 10
MOST_OVERLAP = 0.5
"""Of two slices that share more than this of the smaller one, the less certain is left out."""

FAMILIES = {"clusters": 0.5, "first half": 0.25, "second half": 0.25}
"""The share of the false alarms allowed that each family of candidates has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceAttribute:
    """A value that is more common in a slice than elsewhere.

    Attributes:
        name: the attribute.
        value: its value.
        share: of the slice's images, in [0, 1].
        share_elsewhere: of all others, in [0, 1].
        adjusted_p_value: one-sided, by Holm over all values of all slices found.
    """

    name: str
    value: str
    share: float
    share_elsewhere: float
    adjusted_p_value: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slice:
    """A region with a raised error rate.

    Attributes:
        inside: which images lie in it, ascending positions.
        midst: those that lie deepest in it, the deepest first.
        error_rate: of its images that had no say in finding it; all or about half of them.
        error_rate_elsewhere: of the others that had none.
        low: lower limit of its error rate that holds for all candidates together.
        high: upper limit that does.
        adjusted_p_value: one-sided, for all candidates together.
        attributes: what its images have in common, the largest difference in share first.
    """

    inside: NDArray[np.intp]
    midst: NDArray[np.intp]
    error_rate: Rate
    error_rate_elsewhere: Rate
    low: float
    high: float
    adjusted_p_value: float
    attributes: tuple[SliceAttribute, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slices:
    """What was looked at, and what was found.

    Attributes:
        num_dimensions: of the embedding.
        num_images: that have one.
        num_candidates: regions that were tested.
        slices: those with a raised error rate, the worst first.
    """

    num_dimensions: int
    num_images: int
    num_candidates: int
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Candidate:
    """A region, the images that may test it, and the family of tests it belongs to."""

    region: Region
    tested: Mask
    family: str


def find_slices(
    *,
    embedding: ArrayLike,
    errors: ArrayLike,
    generator: np.random.Generator,
    clusters: ArrayLike | None = None,
    sensitive_features: pd.DataFrame | None = None,
    min_size: int = 30,
    confidence: float = 0.95,
) -> Slices:
    """Return the regions of an embedding where errors are more common than elsewhere.

    Candidates are clusters, tested on all images, and half-spaces, sought on either half of the
    persons and tested on the other (see :mod:`debias.audit.regions`). A candidate's p-value is
    that of Fisher's exact test, one-sided; where images share persons the larger of that and the
    score test's with design effects. Holm's correction holds within the clusters and within
    either half; clusters have a half, and either half a quarter, of the false alarms allowed.

    Of slices that overlap by more than half, and of those whose errors are the other's, the surer
    one is returned.

    A slice is what the embedding can tell apart: errors that have nothing in common in it are not
    found, and neither are a few.

    Args:
        embedding: finite, shape (image, dimension); of the faces.
        errors: whether each was answered wrongly, shape (image,); of faces, not found.
        generator: draws the halves, and where clusters begin.
        clusters: the person of each image as integers; None when images are independent.
        sensitive_features: attributes of each image, by which to describe slices. They do not
            take part in finding them.
        min_size: regions with fewer images (or persons) to test them are no candidates.
        confidence: 1 less the chance of any false finding, in (0, 1).

    Raises:
        ValueError: the shapes differ, or the embedding is not finite.
    """
    vectors, wrong = np.asarray(embedding), np.asarray(errors).astype(np.bool_)
    if vectors.ndim != 2 or wrong.shape != vectors.shape[:1]:
        raise ValueError(f"an embedding of shape {vectors.shape} for errors of {wrong.shape}")
    if not all(np.isfinite(rows).all() for rows in vectors):
        raise ValueError("the embedding is not finite")
    persons = np.arange(wrong.size) if clusters is None else np.asarray(clusters)
    persons = np.unique(persons, return_inverse=True)[1]
    candidates = _candidates(vectors, wrong, persons, min_size=min_size, generator=generator)
    alpha = (1.0 - confidence) / max(len(candidates), 1)
    p_values = _adjusted(
        [
            _raised(wrong, candidate.region.inside, candidate.tested, persons, alpha)
            for candidate in candidates
        ],
        [candidate.family for candidate in candidates],
    )
    found = [
        _described(candidates[k], wrong, persons, float(p_values[k]), confidence, alpha)
        for k in _distinct(candidates, p_values, wrong, persons, most=1.0 - confidence)
    ]
    if sensitive_features is not None:
        found = _with_attributes(found, sensitive_features, persons, confidence)
    slices = sorted((part for part, _ in found), key=lambda part: -part.error_rate.value)
    return Slices(
        num_dimensions=vectors.shape[1],
        num_images=wrong.size,
        num_candidates=len(candidates),
        slices=tuple(slices),
    )


def _candidates(
    vectors: NDArray[np.floating],
    wrong: Mask,
    persons: NDArray[np.intp],
    *,
    min_size: int,
    generator: np.random.Generator,
) -> list[_Candidate]:
    """Return all regions to test, each with the images that had no say in finding it."""
    if wrong.all() or not wrong.any():
        return []
    components, spread = principal_components(vectors, generator=generator)
    everybody = np.ones(wrong.size, dtype=np.bool_)
    candidates = [
        _Candidate(region=region, tested=everybody, family="clusters")
        for region in cluster_regions(components, spread, min_size=min_size, generator=generator)
    ]
    num_persons = int(persons.max()) + 1
    first = (generator.permutation(num_persons) < num_persons // 2)[persons]
    for family, searched in (("first half", first), ("second half", ~first)):
        candidates += [
            _Candidate(region=region, tested=~searched, family=family)
            for region in half_spaces(components, errors=wrong, searched=searched)
        ]
    return [
        each
        for each in candidates
        if _num_persons(persons[each.region.inside & each.tested]) >= min_size
    ]


def _num_persons(persons: NDArray[np.intp]) -> int:
    return int(np.count_nonzero(np.bincount(persons)))


def _raised(
    happened: Mask, inside: Mask, tested: Mask, persons: NDArray[np.intp], alpha: float
) -> float:
    """Return the one-sided p-value that something is more common inside than elsewhere."""
    within, total = happened & tested, int(np.count_nonzero(tested))
    size, num_within = int(np.count_nonzero(inside & tested)), int(np.count_nonzero(within))
    found = int(np.count_nonzero(within & inside))
    exact = float(stats.hypergeom.sf(found - 1, total, num_within, size))
    if exact > 0.5 or persons.max() + 1 == persons.size:  # or every image is of another person
        return exact
    rates = _both_rates(happened, inside, tested, persons, 1.0 - min(alpha, 0.05))
    (pair,) = pairs(rates=rates)
    return max(exact, pair.p_value if pair.difference > 0.0 else 1.0)


def _both_rates(
    happened: Mask, inside: Mask, tested: Mask, persons: NDArray[np.intp], confidence: float
) -> tuple[Rate, Rate]:
    """Return the rate inside and that elsewhere, of the images that may test it."""
    first, second = (
        pooled_rate(hits=happened[rows], clusters=persons[rows], confidence=confidence)
        for rows in (inside & tested, ~inside & tested)
    )
    return first, second


def _adjusted(p_values: Sequence[float], families: Sequence[str]) -> FloatArray:
    """Return p-values for all candidates together: Holm within, Bonferroni between families."""
    values, names = np.array(p_values, dtype=np.float64), np.array(families)
    adjusted = np.ones(values.size)
    for family, share in FAMILIES.items():
        adjusted[names == family] = np.minimum(holm(values[names == family]) / share, 1.0)
    return adjusted


def _distinct(
    candidates: Sequence[_Candidate],
    p_values: FloatArray,
    wrong: Mask,
    persons: NDArray[np.intp],
    *,
    most: float,
) -> list[int]:
    """Return the candidates with a p-value low enough, without those that repeat surer ones.

    What a candidate has beside the surer ones must be raised too, by Bonferroni's correction:
    else it is their echo, a region that errors are common in because it reaches into theirs.
    """
    kept: list[int] = []
    covered = np.zeros(wrong.size, dtype=np.bool_)
    alpha = most / max(len(candidates), 1)
    for k in np.argsort(p_values, kind="stable"):
        if p_values[k] > most:
            break
        inside, tested = candidates[k].region.inside, candidates[k].tested
        if any(_overlap(inside, candidates[j].region.inside) > MOST_OVERLAP for j in kept):
            continue
        rest = ~covered
        if kept and _raised(wrong, inside & rest, tested & rest, persons, alpha) > alpha:
            continue
        kept.append(int(k))
        covered |= inside
    return kept


def _overlap(first: Mask, second: Mask) -> float:
    smaller = min(np.count_nonzero(first), np.count_nonzero(second))
    return float(np.count_nonzero(first & second) / smaller)


def _described(
    candidate: _Candidate,
    wrong: Mask,
    persons: NDArray[np.intp],
    p_value: float,
    confidence: float,
    alpha: float,
) -> tuple[Slice, _Candidate]:
    """Return a candidate as a slice, not yet with attributes."""
    region, tested = candidate.region, candidate.tested
    rate, elsewhere = _both_rates(wrong, region.inside, tested, persons, confidence)
    low, high = wilson(
        num_successes=rate.num_successes,
        num_trials=rate.num_trials,
        confidence=1.0 - alpha,
        design_effect=rate.design_effect,
    )
    inside = np.flatnonzero(region.inside)
    deepest = np.argsort(-region.depth[inside], kind="stable")[:NUM_IN_THE_MIDST]
    found = Slice(
        inside=inside,
        midst=inside[deepest],
        error_rate=rate,
        error_rate_elsewhere=elsewhere,
        low=float(low),
        high=float(high),
        adjusted_p_value=p_value,
        attributes=(),
    )
    return found, candidate


def _with_attributes(
    found: Sequence[tuple[Slice, _Candidate]],
    sensitive_features: pd.DataFrame,
    persons: NDArray[np.intp],
    confidence: float,
) -> list[tuple[Slice, _Candidate]]:
    """Return the slices with the values that are more common in them than elsewhere."""
    columns = {str(name): attribute_values(column) for name, column in sensitive_features.items()}
    has_value = {
        (name, value): words == value
        for name, words in columns.items()
        for value in sorted(set(words))
    }
    num_tests = max(len(found) * len(has_value), 1)
    p_values = [
        _raised(has, each.region.inside, each.tested, persons, (1.0 - confidence) / num_tests)
        for _, each in found
        for has in has_value.values()
    ]
    adjusted = iter(holm(p_values).tolist())
    described = []
    for part, each in found:
        inside, outside = each.region.inside & each.tested, ~each.region.inside & each.tested
        common = [
            SliceAttribute(
                name=name,
                value=value,
                share=float(has[inside].mean()),
                share_elsewhere=float(has[outside].mean()),
                adjusted_p_value=p_value,
            )
            for ((name, value), has), p_value in zip(has_value.items(), adjusted, strict=False)
            if p_value <= 1.0 - confidence
        ]
        common.sort(key=lambda value: value.share_elsewhere - value.share)
        described.append((replace(part, attributes=tuple(common)), each))
    return described
