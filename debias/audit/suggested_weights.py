"""How often each image of an uneven set should be drawn, and how often to list it instead.

The base is one of three. ``latents``: where a model is at hand, the tempered product of
:mod:`debias.resampling.weights`, which needs no attribute. ``groups``: the inverse of how many
images each group has, tempered alike. ``uniform``: where neither is. Then each picture counts once,
however many copies of it there are, and what cannot be used counts nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.errors import DataError
from debias.resampling.draws import draw_epoch
from debias.resampling.histogram import build_histograms, kl_per_latent
from debias.resampling.settings import ResamplingSettings
from debias.resampling.tempering import effective_sample_size, temper_weights
from debias.resampling.weights import sampling_weights

Base = Literal["latents", "groups", "uniform"]
UNKNOWN = "unknown"
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSettings:
    """How far the weights may go.

    Attributes:
        resampling: how the latents become weights; its target of the effective sample size and
            its cap hold for groups too.
        most_copies: the longest rebalanced list, as a multiple of the images kept, at least 1.
    """

    resampling: ResamplingSettings = field(default_factory=ResamplingSettings)
    most_copies: float = 3.0

    def __post_init__(self) -> None:
        assert self.most_copies >= 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UsableImages:
    """Which images are weighted, and what of them counts.

    Attributes:
        weighted: a mask of the images that are drawn by weight, such as the training faces,
            shape (image,).
        usable: a mask of the images that can be used: readable, and taken for no junk.
        pictures: the picture of each image as integers from 0: copies of one have the same.
        persons: the person of each image as integers from 0; None where none is known.
    """

    weighted: Mask
    usable: Mask
    pictures: NDArray[np.intp]
    persons: NDArray[np.intp] | None = None

    @property
    def kept(self) -> NDArray[np.intp]:
        """The positions of the images that are weighted and can be used."""
        return np.flatnonzero(self.weighted & self.usable)

    def shares_of_picture(self, rows: NDArray[np.intp]) -> Floats:
        """Return 1 / (how many of ``rows`` show the same picture), shape (row,)."""
        _, codes = np.unique(self.pictures[rows], return_inverse=True)
        return np.asarray(1.0 / np.bincount(codes)[codes], dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShare:
    """What the weights do to a group; shares are of the weighted images.

    Attributes:
        attribute: its name.
        value: of the attribute; ``unknown`` where it is missing.
        num_images: that are weighted, used or not.
        num_persons: in them; None where no person is known.
        before: its share of the images, in [0, 1].
        after: its share of the draws by weight.
        listed: its share of the rebalanced list.
    """

    attribute: str
    value: str
    num_images: int
    num_persons: int | None
    before: float
    after: float
    listed: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SuggestedWeights:
    """Suggested weights, and what they do.

    Attributes:
        base: what they were made of.
        weights: shape (image,): of those weighted and used, above 0 with mean 1; 0 of what cannot
            be used; 1 of usable images that are not drawn by weight.
        copies: how often each image comes in a rebalanced list, shape (image,); 0 for what cannot
            be used and for every copy of a picture but the first.
        num_kept: images weighted and used.
        num_pictures: different pictures among them.
        num_excluded: images weighted, but of no use.
        effective_sample_size: Kish's, in images.
        largest_over_mean: the largest weight, at least 1.
        temper: the exponent that the base was tempered with, in [0, 1]; for the rule ``margin`` in
            [0, 1000].
        num_listed: rows of the rebalanced list that are weighted.
        shares: by attribute and value.
    """

    base: Base
    weights: Floats
    copies: NDArray[np.int64]
    num_kept: int
    num_pictures: int
    num_excluded: int
    effective_sample_size: float
    largest_over_mean: float
    temper: float
    num_listed: int
    shares: tuple[GroupShare, ...]


def suggested_weights(
    images: UsableImages,
    *,
    attributes: pd.DataFrame,
    groups: tuple[str, ...] = (),
    mu: NDArray[np.floating] | None = None,
    log_var: NDArray[np.floating] | None = None,
    margins: NDArray[np.float64] | None = None,
    settings: WeightSettings,
    generator: np.random.Generator,
) -> SuggestedWeights:
    """Return how often each image should be drawn, and how often to list it.

    Without latents the groups of ``groups`` together would get equal shares, were it not for
    the tempering; images of which one of these is unknown keep their share. A rebalanced list is
    to be trained on with uniform draws: with weights on top it would be balanced twice.

    Args:
        images: which are weighted, and what of them counts.
        attributes: a row an image, in the order of the images; missing = unknown.
        groups: the attributes whose intersections are balanced where there are no latents.
        mu: a model's posterior means, shape (image, latent); rows of images that are not
            weighted or not usable are not read. None where there is no model.
        log_var: logs of its posterior variances; None where it has none.
        margins: its log odds of "face", shape (image,); for the rule ``margin``.
        settings: how far to go.
        generator: rounds the number of copies.

    Raises:
        DataError: no image is weighted and usable, or latents that are not finite.
    """
    kept = images.kept
    if not kept.size:
        raise DataError("no image is left to weigh", hint="Look at what was found to be no face")
    once = images.shares_of_picture(kept)
    base, temper, probabilities = _base(
        kept,
        once,
        attributes,
        groups,
        mu=mu,
        log_var=log_var,
        margins=margins,
        settings=settings,
    )
    probabilities = probabilities * once / (probabilities * once).sum()
    weights = images.usable.astype(np.float64)
    weights[kept] = probabilities * kept.size
    copies = _copies(images, kept, probabilities, settings=settings, generator=generator)
    return SuggestedWeights(
        base=base,
        weights=weights,
        copies=copies,
        num_kept=int(kept.size),
        num_pictures=round(float(once.sum())),
        num_excluded=int(images.weighted.sum() - kept.size),
        effective_sample_size=effective_sample_size(probabilities),
        largest_over_mean=float(weights[kept].max()),
        temper=temper,
        num_listed=int(copies[kept].sum()),
        shares=_shares(images, attributes, weights, copies),
    )


def _base(
    kept: NDArray[np.intp],
    once: Floats,
    attributes: pd.DataFrame,
    groups: tuple[str, ...],
    *,
    mu: NDArray[np.floating] | None,
    log_var: NDArray[np.floating] | None,
    margins: NDArray[np.float64] | None,
    settings: WeightSettings,
) -> tuple[Base, float, Floats]:
    """Return the base, its temper, and the probabilities of the images kept, copies included.

    A picture that comes often makes what it shows no more common.
    """
    resampling = settings.resampling
    if mu is not None:
        means = np.asarray(mu[kept], dtype=np.float64)
        kl = None if log_var is None else kl_per_latent(means, log_var[kept])
        weighed = sampling_weights(
            means,
            settings=resampling,
            kl_per_latent=kl,
            histograms=build_histograms(means, num_bins=resampling.num_bins, weights=once),
            margins=None if margins is None else margins[kept],
        )
        return "latents", weighed.health.temper, weighed.probabilities
    if groups:
        logs = _inverse_frequency(attributes.iloc[kept], groups, once)
        temper, probabilities = temper_weights(
            logs, target_ess=resampling.target_ess, cap=resampling.cap
        )
        return "groups", temper, probabilities
    return "uniform", 1.0, np.full(kept.size, 1.0 / kept.size)


def _inverse_frequency(people: pd.DataFrame, groups: tuple[str, ...], once: Floats) -> Floats:
    """Return -log(pictures of the image's group), shape (image,).

    Images of an unknown group have the mean weight of the others.
    """
    numbers = people.groupby(list(groups), dropna=True).ngroup()
    codes = numbers.fillna(-1).to_numpy(dtype=np.intp)
    known = codes >= 0
    if not known.any():
        return np.zeros(codes.size)
    sizes = np.bincount(codes[known], weights=once[known])
    weights = np.empty(codes.size)
    weights[known] = 1.0 / sizes[codes[known]]
    weights[~known] = np.average(weights[known], weights=once[known])
    return np.log(weights)


def _copies(
    images: UsableImages,
    kept: NDArray[np.intp],
    probabilities: Floats,
    *,
    settings: WeightSettings,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Return how often each image comes in a rebalanced list, shape (image,).

    The list is as long as it takes for the least likely picture to be expected once, but at most
    so many times the pictures. Numbers of copies are rounded so that their sum stays
    (systematic sampling); none is left out for being common.
    """
    copies = images.usable.astype(np.int64)
    _, first, codes = np.unique(images.pictures[kept], return_index=True, return_inverse=True)
    chances = np.bincount(codes, weights=probabilities).astype(np.float64)
    length = min(1.0 / float(chances.min()), settings.most_copies * chances.size)
    drawn = draw_epoch(chances, math.ceil(length * (1 - 1e-9)), generator=generator)
    copies[kept] = 0
    copies[kept[first]] = np.maximum(1, np.bincount(drawn, minlength=chances.size))
    return copies


def _shares(
    images: UsableImages, attributes: pd.DataFrame, weights: Floats, copies: NDArray[np.int64]
) -> tuple[GroupShare, ...]:
    weighted = images.weighted
    people = attributes[weighted]
    drawn, listed = weights[weighted], copies[weighted]
    persons = None if images.persons is None else images.persons[weighted]
    found = []
    for name in people.columns:
        values = people[name].astype(object).where(people[name].notna(), UNKNOWN).to_numpy()
        for value in sorted(set(values), key=lambda each: (each == UNKNOWN, str(each))):
            inside = values == value
            found.append(
                GroupShare(
                    attribute=str(name),
                    value=str(value),
                    num_images=int(inside.sum()),
                    num_persons=None if persons is None else np.unique(persons[inside]).size,
                    before=float(inside.mean()),
                    after=float(drawn[inside].sum() / drawn.sum()),
                    listed=float(listed[inside].sum() / listed.sum()),
                )
            )
    return tuple(found)
