"""Rare kinds of faces that nobody named: a few that share something which sets them apart.

Projection pursuit [Friedman1987]: in a space of covariance 1, directions are sought along which a
few faces lie far from all others, from many starts, each of them the neighbours of some face. A
step takes the mean of those that lie far out. It is cross-fitted: no face counts in the direction
by which it is itself placed, so that a direction which only fits single faces does not last.
Traits that vary by degrees (light, age, turned heads) have long tails too; a kind is told from a
tail by what it holds: of those beyond three standard deviations most lie one and a half farther
still.

References:
    [Friedman1987] Friedman. Exploratory Projection Pursuit. Journal of the American Statistical
    Association 82(397), 1987.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from debias.audit.findings import Concerned, Finding, Severity
from debias.metrics.design_effects import design_effect
from debias.metrics.intervals import Rate, rate

MOST_FACES = 20_000
"""So many, drawn at random, are looked at."""

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Mask = NDArray[np.bool_]
_SMALLEST = 1e-9
_CUT = 5.0
"""Standard deviations."""
_SAME = 0.3
"""Share of the smaller of two kinds in the larger from which on they are one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RareKindSettings:
    """How rare kinds are sought, and when they are told.

    Attributes:
        num_components: of the features, white.
        num_starts: faces whose neighbours give a first direction.
        num_neighbours: of each.
        tail: beyond it a face counts in the direction, in standard deviations of the bulk.
        num_steps: until a direction is taken as found.
        num_folds: of the cross-fitting.
        beyond: where a kind may begin, in standard deviations of the bulk.
        farther: by how much more its faces should lie beyond that.
        held: the share of the faces beyond, that lie so much farther, from which on they are a
            kind: the lower end of a one-sided interval of 95 % must reach it. Traits that vary by
            degrees reached 0.70 in drawn faces.
        largest: the largest share of all faces that is told.
        rare: the share below which it is a warning.
        fewest: faces of a kind.
        least_faces: with fewer faces nothing is looked for.
    """

    num_components: int = 128
    num_starts: int = 400
    num_neighbours: int = 10
    tail: float = 2.0
    num_steps: int = 12
    num_folds: int = 10
    beyond: float = 3.0
    farther: float = 1.5
    held: float = 0.72
    largest: float = 0.1
    rare: float = 0.04
    fewest: int = 10
    least_faces: int = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RareKind:
    """Faces that share something.

    Attributes:
        rows: their positions among the audited images, ascending, shape (face,).
        distances: how far from the bulk each lies, in its standard deviations, shape (face,).
        share: of the faces looked at.
        held: the share of those beyond the first limit that lie beyond the second.
        num_persons: of these faces; None where no person is known.
    """

    rows: Codes
    distances: Floats
    share: Rate
    held: Rate
    num_persons: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RareKinds:
    """What was found.

    Attributes:
        num_faces: looked at; 0 where there were too few.
        kinds: the surest first.
        findings: one for each, of kind ``rare-kind``.
    """

    num_faces: int
    kinds: tuple[RareKind, ...]
    findings: tuple[Finding, ...]


def find_rare_kinds(
    features: NDArray[np.floating],
    *,
    rows: Codes,
    clusters: Codes | None,
    persons_known: bool,
    settings: RareKindSettings,
    generator: np.random.Generator,
) -> RareKinds:
    """Return kinds of faces that few are of.

    Args:
        features: of each face, finite, shape (face, feature); see
            :func:`debias.audit.patch_features.patch_features`.
        rows: the position of each face among the audited images, ascending, shape (face,).
        clusters: the person or picture of each face as integers; None where each is its own.
        persons_known: whether clusters are persons.
        settings: how to seek, and when to tell.
        generator: draws folds and starts.
    """
    if len(features) < settings.least_faces:
        return RareKinds(num_faces=0, kinds=(), findings=())
    white = _white(features, settings.num_components)
    folds = _folds(len(white), clusters, settings.num_folds, generator)
    far = _pursued(white, folds, settings, generator)
    kinds = []
    for distances in _distinct(far, settings, clusters):
        inside = distances > _beginning(distances, settings)
        members = np.flatnonzero(inside)
        share = rate(
            num_successes=len(members),
            num_trials=len(white),
            design_effect=design_effect(values=inside, clusters=clusters),
        )
        own = None if clusters is None else clusters[members]
        kinds.append(
            RareKind(
                rows=rows[members],
                distances=distances[members],
                share=share,
                held=_held(distances, settings, clusters),
                num_persons=int(np.unique(own).size) if own is not None and persons_known else None,
            )
        )
    return RareKinds(
        num_faces=len(white),
        kinds=tuple(kinds),
        findings=tuple(
            _finding(number, kind, settings) for number, kind in enumerate(kinds, start=1)
        ),
    )


def _white(features: NDArray[np.floating], num_components: int) -> Floats:
    """Return the leading principal components, each of variance 1 and cut, shape (face, component).

    What is cut off would let a few stray faces, each of them far off in its own way, pass for a
    kind: by chance some of them point the same way.
    """
    centred = np.asarray(features, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    values, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    # A direction takes many faces to be known: as many components as there are tens of faces.
    number = min(num_components, len(features) // 10, len(values))
    values, axes = values[::-1][:number], axes[:, ::-1][:, :number]
    enough = values > _SMALLEST * max(float(values[0]), _SMALLEST)
    return np.asarray(np.clip(centred @ axes[:, enough] / np.sqrt(values[enough]), -_CUT, _CUT))


def _folds(
    num_faces: int, clusters: Codes | None, num_folds: int, generator: np.random.Generator
) -> Codes:
    """Return the fold of each face: all faces of a person are in one."""
    codes = np.arange(num_faces)
    if clusters is not None:
        codes = np.unique(clusters, return_inverse=True)[1]
    folds = generator.permutation(int(codes.max()) + 1) % num_folds
    return np.asarray(folds[codes], dtype=np.intp)


def _pursued(
    white: Floats, folds: Codes, settings: RareKindSettings, generator: np.random.Generator
) -> Floats:
    """Return how far out each face lies along each direction found, shape (face, direction)."""
    lengths = np.maximum(np.linalg.norm(white, axis=1, keepdims=True), _SMALLEST)
    unit = white / lengths
    starts = generator.permutation(len(white))[: settings.num_starts]
    alike = unit[starts] @ unit.T
    nearest = np.argpartition(-alike, settings.num_neighbours, axis=1)[:, : settings.num_neighbours]
    far = _standardised(white @ _normed(unit[nearest].mean(axis=1)).T)
    for _ in range(settings.num_steps):
        weight = np.clip(far - settings.tail, 0.0, settings.tail + 1.0)
        sums = np.stack(
            [weight[folds == fold].T @ white[folds == fold] for fold in range(settings.num_folds)]
        )
        whole = sums.sum(axis=0)
        for fold in range(settings.num_folds):
            far[folds == fold] = white[folds == fold] @ _normed(whole - sums[fold]).T
        far = _standardised(far)
    return far


def _normed(directions: Floats) -> Floats:
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    return np.asarray(directions / np.maximum(lengths, _SMALLEST))


def _standardised(along: Floats) -> Floats:
    """Return distances from the median in units of the bulk's upper half."""
    middle, above = np.quantile(along, [0.5, stats.norm.cdf(1.0)], axis=0)
    return np.asarray((along - middle) / np.maximum(above - middle, _SMALLEST))


def _distinct(far: Floats, settings: RareKindSettings, clusters: Codes | None) -> list[Floats]:
    """Return the directions that hold a kind, the surest first, one of those that name the same."""
    beyond = far > settings.beyond
    sizes = beyond.sum(axis=0)
    few = (sizes >= settings.fewest) & (sizes <= settings.largest * len(far))
    candidates = [
        (_surely(far[:, column], settings, clusters), int(column)) for column in np.flatnonzero(few)
    ]
    found: list[int] = []
    for surely, column in sorted(candidates, key=lambda each: (-each[0], each[1])):
        if surely < settings.held:
            break
        both = (np.count_nonzero(beyond[:, column] & beyond[:, other]) for other in found)
        smaller = (min(sizes[column], sizes[other]) for other in found)
        if all(a < _SAME * b for a, b in zip(both, smaller, strict=True)):
            found.append(column)
    return [far[:, column] for column in found]


def _held(distances: Floats, settings: RareKindSettings, clusters: Codes | None) -> Rate:
    beyond = distances > settings.beyond
    farther = distances[beyond] > settings.beyond + settings.farther
    return rate(
        num_successes=int(farther.sum()),
        num_trials=int(beyond.sum()),
        confidence=0.9,
        design_effect=design_effect(
            values=farther, clusters=None if clusters is None else clusters[beyond]
        ),
    )


def _surely(distances: Floats, settings: RareKindSettings, clusters: Codes | None) -> float:
    return _held(distances, settings, clusters).low


def _beginning(distances: Floats, settings: RareKindSettings) -> float:
    """Return where the kind begins: in the emptiest place between it and the bulk."""
    places = np.arange(settings.beyond - 0.5, settings.beyond + settings.farther + 0.01, 0.25)
    near = [np.count_nonzero(np.abs(distances - place) <= 0.5) for place in places]
    return float(places[int(np.argmin(near))])


def _finding(number: int, kind: RareKind, settings: RareKindSettings) -> Finding:
    share = kind.share
    severity: Severity = "warning" if share.value < settings.rare else "note"
    persons = "" if kind.num_persons is None else f" of {kind.num_persons:,} people"
    return Finding(
        kind="rare-kind",
        severity=severity,
        subject=f"kind {number}",
        message=f"{len(kind.rows):,} faces{persons} ({100 * share.value:.1f} % of "
        f"{share.num_trials:,}; {100 * share.low:.1f} to {100 * share.high:.1f} %) share something "
        f"that sets them apart from all others.",
        measure="share of all faces",
        value=share.value,
        limit=settings.rare if severity == "warning" else settings.largest,
        num_images=len(kind.rows),
        images=Concerned.of(kind.rows, values=kind.distances),
    )
