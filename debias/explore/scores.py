"""The disentanglement scores of a latent space, beside what chance alone gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.explore.disentanglement import (
    dci,
    mutual_information,
    mutual_information_gap,
    separated_predictability,
)
from debias.explore.factors import KnownFactor
from debias.explore.posterior import total_correlation

NUM_SPLITS = 5
NUM_PERMUTATIONS = 19
LEAST_IMAGES = 200
Scores = dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A score, how it varies, and what chance gives.

    Attributes:
        name: ``mig``, ``sap``, ``disentanglement``, ``completeness``, ``informativeness`` or
            ``total_correlation``.
        value: of all images; None where it cannot be estimated.
        low: the least among halves of the images, split at random five times.
        high: the greatest.
        chance_mean: the mean among permutations that give each image another one's factors (of
            the total correlation: each latent another image's value).
        chance_high: the greatest among 19 of these, which a score without meaning exceeds once in
            20 times.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    chance_mean: float | None
    chance_high: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatentScores:
    """What is known of how latents stand for factors.

    Attributes:
        num_images: images that the scores are of.
        latents: the latents judged.
        factors: the factors' names.
        information: shares of each factor's entropy that each latent tells, in [0, 1], of shape
            (latent, factor).
        chance_information: the largest share that any latent tells of any factor by chance, the
            greatest of 19 permutations.
        scores: one after the other.
    """

    num_images: int
    latents: tuple[int, ...]
    factors: tuple[str, ...]
    information: NDArray[np.float64]
    chance_information: float
    scores: tuple[Score, ...]

    def told(self, latent: int, *, most: int = 3) -> list[tuple[str, float]]:
        """Return the factors of which a latent tells more than chance, most first.

        Args:
            latent: one of :attr:`latents`, by its number in the model; of another one, none.
            most: how many at most.
        """
        if latent not in self.latents:
            return []
        shares = self.information[self.latents.index(latent)]
        order = np.argsort(-shares, kind="stable")[:most]
        above = [k for k in order if shares[k] > self.chance_information]
        return [(self.factors[k], float(shares[k])) for k in above]


def latent_scores(
    mu: NDArray[np.floating],
    factors: Sequence[KnownFactor],
    *,
    latents: Sequence[int],
    generator: np.random.Generator,
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> LatentScores | None:
    """Return how well single latents stand for single factors.

    Args:
        mu: posterior means, shape (image, latent).
        factors: of the same images.
        latents: which to judge; those that are not active only add noise.
        generator: of halves, permutations and trees.
        track: passes numbers on, and may show how far they are.

    Returns:
        None where there are too few images (below 200), latents (2) or factors (2) to tell.
    """
    if len(mu) < LEAST_IMAGES or len(latents) < 2 or len(factors) < 2:
        return None
    values = np.asarray(mu, dtype=np.float64)[:, list(latents)]
    num_images = len(values)
    seed = int(generator.integers(2**31))
    halves: list[Scores] = []
    chance: list[Scores] = []
    most_informed = []
    for turn in track(range(NUM_SPLITS + NUM_PERMUTATIONS)):
        order = generator.permutation(num_images)
        if turn < NUM_SPLITS:
            for rows in np.array_split(order, 2):
                halves.append(_all_scores(values[rows], [f.take(rows) for f in factors], seed))
            continue
        shuffled = [factor.take(order) for factor in factors]
        most_informed.append(float(mutual_information(values, shuffled).max()))
        found = _all_scores(values, shuffled, seed)
        found["total_correlation"] = _total_correlation(generator.permuted(values, axis=0))
        chance.append(found)
    whole = _all_scores(values, factors, seed)
    return LatentScores(
        num_images=num_images,
        latents=tuple(latents),
        factors=tuple(factor.name for factor in factors),
        information=mutual_information(values, factors),
        chance_information=max(most_informed),
        scores=tuple(
            _score(name, value, [half[name] for half in halves], [one[name] for one in chance])
            for name, value in whole.items()
        ),
    )


def _all_scores(values: NDArray[np.float64], factors: Sequence[KnownFactor], seed: int) -> Scores:
    three = dci(values, factors, seed=seed)
    return {
        "mig": mutual_information_gap(values, factors),
        "sap": separated_predictability(values, factors),
        "disentanglement": three.disentanglement,
        "completeness": three.completeness,
        "informativeness": three.informativeness,
        "total_correlation": _total_correlation(values),
    }


def _total_correlation(values: NDArray[np.float64]) -> float | None:
    return total_correlation(np.atleast_2d(np.cov(values, rowvar=False)))


def _score(
    name: str, value: float | None, halves: list[float | None], chance: list[float | None]
) -> Score:
    of_halves = [one for one in halves if one is not None]
    of_chance = [one for one in chance if one is not None]
    return Score(
        name=name,
        value=value,
        low=min(of_halves, default=None),
        high=max(of_halves, default=None),
        chance_mean=float(np.mean(of_chance)) if of_chance else None,
        chance_high=max(of_chance, default=None),
    )
