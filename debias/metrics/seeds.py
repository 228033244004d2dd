"""How figures vary over several trained models that judge the same images.

Training again changes a figure, and so would other images; one interval has to hold for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from debias.metrics.bootstrap import PairedScores, bootstrap_recalls, weighted_recalls
from debias.metrics.counts import Grouping
from debias.metrics.design_effects import cluster_units, design_effects
from debias.metrics.group_rates import ranked_groups
from debias.metrics.intervals import FloatArray
from debias.metrics.operating_point import operating_point

MIN_SEEDS = 3
"""With fewer there is a mean, but no telling how far it can be relied on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeedScores:
    """The scores of several trained models on the same images.

    Attributes:
        seeds: what each model is called.
        faces: shape (seed, face).
        negatives: shape (seed, negative).
        face_clusters: the person of each face as integers from 0, shape (face,).
        negative_clusters: the picture of each non-face as integers from 0, shape (negative,).
    """

    seeds: tuple[str, ...]
    faces: FloatArray
    negatives: FloatArray
    face_clusters: NDArray[np.intp]
    negative_clusters: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedFigure:
    """A figure over several trained models.

    Attributes:
        name: ``recall``, ``worst_recall`` or ``gap``.
        columns: of the grouping; empty for recall of all faces.
        values: one a seed.
        mean: of them.
        standard_deviation: of them (n - 1); NaN with fewer than three, like both limits.
        low: lower limit, for other trainings and other images alike.
        high: upper limit.
    """

    name: str
    columns: tuple[str, ...]
    values: tuple[float, ...]
    mean: float
    standard_deviation: float
    low: float
    high: float


def stack_seeds(table: pd.DataFrame, *, seeds: Sequence[str]) -> SeedScores:
    """Return the scores of a table that has one row for each seed and image.

    Args:
        table: ``image_id``, ``seed``, ``y_true`` (bool), ``y_score`` and ``cluster``; every seed
            has the same images.
        seeds: the values of ``seed``. The faces come in the order of the first one's.

    Raises:
        ValueError: a seed lacks an image, has another or has one twice.
    """
    first = table[table["seed"] == seeds[0]].set_index("image_id")
    scores = []
    for seed in seeds:
        found = table.loc[table["seed"] == seed].set_index("image_id")["y_score"]
        if not found.index.is_unique or set(found.index) != set(first.index):
            raise ValueError(f"seed {seed!r} judges other images than seed {seeds[0]!r}")
        scores.append(found.reindex(first.index).to_numpy(dtype=np.float64))
    both, is_face = np.stack(scores), first["y_true"].to_numpy(dtype=np.bool_)
    return SeedScores(
        seeds=tuple(seeds),
        faces=both[:, is_face],
        negatives=both[:, ~is_face],
        face_clusters=pd.factorize(first.loc[is_face, "cluster"])[0],
        negative_clusters=pd.factorize(first.loc[~is_face, "cluster"])[0],
    )


def seed_figures(
    *,
    scores: SeedScores,
    groupings: Sequence[Grouping],
    target_fpr: float,
    generator: np.random.Generator,
    num_replicates: int = 400,
    min_group_size: int = 30,
    confidence: float = 0.95,
    min_false_positives: int = 10,
) -> tuple[SeedFigure, ...]:
    """Return recall, and worst recall and gap of each grouping, over all seeds.

    Each seed has its own threshold, for the target on its own scores of the non-faces.

    Seeds and images are crossed random effects: a figure of seed s is the mean of all trainings
    and all images, plus what s adds, plus what these images add to every seed, plus what they add
    to s alone. Over S seeds, the variance of the mean is s^2/S + C, where s^2 is the variance of
    the values (what seeds add, and what images add to one alone) and C the covariance of two
    seeds' values over other images (what images add to all). C is the mean over pairs of seeds in
    bootstrap samples of persons and of pictures, all thresholds set anew. The quantile is
    Student's, with Satterthwaite's degrees of freedom: S - 1 for the first part, none to spare in
    the second. The interval is Wilson's with this variance in the place of p (1 - p) / n, so that
    it keeps its width where no seed misses a face.

    What it is meant to hold is the expected figure for as many images: a worst group that is
    picked by looking is somewhat worse than the truly worst one, and a gap somewhat wider. In
    simulations of 3, 5 and 10 seeds (300 runs each; groups of 100 and 300 faces with recalls of
    0.9 to 0.99, seeds that move recall by nothing, by about as much as other images would, and by
    several times that) 95 % intervals covered 91 to 97 % for recall, 90 to 97 % for worst recall
    and 89 to 100 % for the gap; Student's interval of the seeds alone covered 54 to 95 %.

    Args:
        scores: of all seeds.
        groupings: of the faces.
        target_fpr: of every seed.
        generator: draws the bootstrap samples.
        num_replicates: bootstrap samples.
        min_group_size: smaller groups do not count for worst recall and gap.
        confidence: of the intervals, in (0, 1).
        min_false_positives: see :func:`debias.metrics.operating_point.operating_point`.

    Returns:
        Recall, then worst recall (with at least one ranked group) and gap (with two) of each
        grouping.

    Raises:
        TooFewNegativesError: as :func:`debias.metrics.operating_point.operating_point`.
    """
    thresholds = [
        operating_point(
            y_score_negatives=negatives,
            y_score_faces=faces,
            target_fpr=target_fpr,
            min_false_positives=min_false_positives,
        ).threshold
        for faces, negatives in zip(scores.faces, scores.negatives, strict=True)
    ]
    hits = scores.faces >= np.array(thresholds)[:, None]
    everybody = Grouping(columns=(), groups=((),), codes=np.zeros(hits.shape[1], dtype=np.intp))
    all_groupings = [everybody, *groupings]
    replicates = None
    if len(scores.seeds) >= MIN_SEEDS:
        replicates = bootstrap_recalls(
            scores=PairedScores(
                faces=scores.faces,
                negatives=scores.negatives,
                face_clusters=scores.face_clusters,
                negative_clusters=scores.negative_clusters,
            ),
            groupings=all_groupings,
            target_fpr=target_fpr,
            generator=generator,
            num_replicates=num_replicates,
        )
    return tuple(
        figure
        for k, grouping in enumerate(all_groupings)
        for figure in _figures(
            hits=hits,
            grouping=grouping,
            replicates=None if replicates is None else replicates[k],
            clusters=scores.face_clusters,
            min_group_size=min_group_size if grouping.columns else 1,
            confidence=confidence,
        )
    )


def _figures(
    *,
    hits: NDArray[np.bool_],
    grouping: Grouping,
    replicates: FloatArray | None,
    clusters: NDArray[np.intp],
    min_group_size: int,
    confidence: float,
) -> list[SeedFigure]:
    """Return the figures of one grouping that has groups enough for them."""
    ranked = ranked_groups(grouping=grouping, min_group_size=min_group_size, clusters=clusters)
    if ranked.size == 0:
        return []
    weights = np.ones(hits.shape[1])
    recalls = weighted_recalls(hits=hits, grouping=grouping, weights=weights)[:, ranked]
    drawn = None if replicates is None else replicates[:, :, ranked]
    sizes = _independent_rows(hits.mean(axis=0), grouping, clusters, confidence)[ranked]
    worst, best = int(recalls.mean(axis=0).argmin()), int(recalls.mean(axis=0).argmax())

    def figure(name: str, of: Callable[[FloatArray], FloatArray], groups: list[int]) -> SeedFigure:
        values, spread, limits = of(recalls), math.nan, (math.nan, math.nan)
        if drawn is not None:
            spread = float(values.std(ddof=1))
            limits = two_level_interval(
                values=values,
                replicates=of(drawn),
                num_rows=sizes[groups],
                confidence=confidence,
            )
        return SeedFigure(
            name=name,
            columns=grouping.columns,
            values=tuple(values.tolist()),
            mean=float(values.mean()),
            standard_deviation=spread,
            low=limits[0],
            high=limits[1],
        )

    name = "worst_recall" if grouping.columns else "recall"
    figures = [figure(name, lambda recall: recall.min(axis=-1), [worst])]
    if ranked.size > 1:
        figures.append(figure("gap", lambda recall: np.ptp(recall, axis=-1), [worst, best]))
    return figures


def two_level_interval(
    *, values: FloatArray, replicates: FloatArray, num_rows: FloatArray, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the interval of a mean over seeds that holds for other seeds and other images.

    See :func:`seed_figures`. A rate has one number of rows, and Wilson's centre; a difference of
    two rates has two, and the mean of the values for its centre.

    Args:
        values: one a seed, at least two, in [0, 1].
        replicates: the values for other samples of images, the same ones for all seeds, shape
            (replicate, seed); replicates with NaN are left out.
        num_rows: independent rows behind a value, or behind the worst and the best rate.
        confidence: of the interval, in (0, 1).

    References:
        [Owen2007] The pigeonhole bootstrap. Annals of Applied Statistics 1.
        [Satterthwaite1946] An approximate distribution of estimates of variance components.
        Biometrics Bulletin 2.
    """
    num_seeds, mean = values.size, float(values.mean())
    of_seeds = float(values.var(ddof=1)) / num_seeds
    drawn = replicates[np.isfinite(replicates).all(axis=1)]
    of_images = 0.0
    if len(drawn) > 1:
        covariance = np.cov(drawn, rowvar=False)
        pairs = covariance.sum() - np.trace(covariance)
        of_images = max(float(pairs) / (num_seeds * (num_seeds - 1)), 0.0)
    variance = of_seeds + of_images
    tail = (1.0 - confidence) / 2.0
    z = -float(special.ndtri(tail))
    quantile = z
    if of_seeds > 0.0:
        freedom = (num_seeds - 1) * (variance / of_seeds) ** 2
        quantile = -float(special.stdtrit(freedom, tail))
    least = z**4 * float(np.sum(1.0 / (4.0 * num_rows**2)))
    half, centre = math.sqrt(quantile**2 * variance + least), mean
    if num_rows.size == 1:
        shrink = 1.0 + z**2 / float(num_rows[0])
        centre, half = (mean + (shrink - 1.0) / 2.0) / shrink, half / shrink
    return max(0.0, min(mean, centre - half)), min(1.0, max(mean, centre + half))


def _independent_rows(
    found: FloatArray, grouping: Grouping, clusters: NDArray[np.intp], confidence: float
) -> FloatArray:
    """Return how many independent faces each group is worth, at least 1, shape (group,)."""
    effect = design_effects(
        values=found,
        codes=grouping.codes,
        num_groups=len(grouping.groups),
        units=cluster_units(codes=grouping.codes, clusters=clusters),
        confidence=confidence,
    )
    return np.maximum(grouping.num_rows / effect.values, 1.0)
