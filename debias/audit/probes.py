"""What of known attributes a latent space carries: one latent by one, and all of them together.

Neither names a latent. Which latent carries an attribute, and how much of it, changes from one
training to the next; so per-latent figures stand beside what chance alone gives, the probe over
all latents stands first, and several trainings are told by their spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.audit.information import informations, latent_bins, mutual_information
from debias.metrics.pairs import holm

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSettings:
    """How attributes are sought in latents.

    Attributes:
        num_bins: bins of equally many images that a latent is cut into.
        num_permutations: shuffled attributes that chance is measured by.
        num_folds: of the cross-validation.
        num_repeats: cross-validations over different folds.
        most_images: images looked at, drawn at random where there are more.
        least_images: of each value; rarer values are left out of the probe and counted.
        most_values: an attribute of more values is not probed.
    """

    num_bins: int = 10
    num_permutations: int = 999
    num_folds: int = 5
    num_repeats: int = 3
    most_images: int = 20_000
    least_images: int = 20
    most_values: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentInformation:
    """What one latent says of an attribute.

    Attributes:
        latent: counted from 0.
        information: mutual information of latent and attribute, nats; positive even by chance.
        share: of the attribute's entropy, in [0, 1].
        by_chance: the mean information of shuffled attributes, nats.
        p_value: of no relation, for all latents together: how often the largest information of
            any latent with a shuffled attribute is as large.
        adjusted_p_value: for all attributes too, by Holm's method.
    """

    latent: int
    information: float
    share: float
    by_chance: float
    p_value: float
    adjusted_p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeProbe:
    """What the latents say of an attribute.

    Attributes:
        attribute: its name.
        values: that are told apart; none where the attribute cannot be probed.
        reason: why it cannot be; empty where it can.
        num_images: looked at.
        num_persons: in them.
        num_unknown: images without a value.
        num_left_out: images of values too rare.
        balanced_accuracy: of the linear probe over all latents: the mean over the values of the
            share recognised, on persons it was not fitted to, averaged over the repeats; NaN
            where the attribute cannot be probed.
        lowest: of the repeats.
        highest: of the repeats.
        chance: 1 / number of values.
        highest_by_chance: of the repeats with a shuffled attribute.
        latents: what each latent says by itself, the most telling first.
    """

    attribute: str
    values: tuple[str, ...]
    reason: str
    num_images: int
    num_persons: int
    num_unknown: int
    num_left_out: int
    balanced_accuracy: float
    lowest: float
    highest: float
    chance: float
    highest_by_chance: float
    latents: tuple[LatentInformation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSpread:
    """The same probe in several trainings.

    Attributes:
        attribute: its name.
        num_runs: trainings in which it could be probed.
        mean: of the balanced accuracies of the probe over all latents; NaN without a run.
        lowest: of them.
        highest: of them.
        most_telling: the largest share of the attribute's entropy in one latent, lowest and
            highest over the trainings.
    """

    attribute: str
    num_runs: int
    mean: float
    lowest: float
    highest: float
    most_telling: tuple[float, float]


def probe_latents(
    mu: NDArray[np.floating],
    attributes: pd.DataFrame,
    *,
    persons: Codes,
    settings: ProbeSettings,
    generator: np.random.Generator,
) -> tuple[AttributeProbe, ...]:
    """Return what the latents say of each attribute, one latent by one and all together.

    Chance is measured by shuffled attributes: between persons where nearly every person has one
    value only, and between images otherwise.

    Args:
        mu: posterior means, finite, shape (image, latent).
        attributes: a row an image, in the order of ``mu``; missing = unknown.
        persons: the person of each image as integers, shape (image,).
        settings: how.
        generator: draws images, folds and shuffles.
    """
    means = np.asarray(mu, dtype=np.float64)
    found = [
        _probe(str(name), attributes[name], means, persons, settings, generator)
        for name in attributes.columns
    ]
    return _adjusted(found)


def spread_over_runs(runs: Sequence[Sequence[AttributeProbe]]) -> tuple[ProbeSpread, ...]:
    """Return how far the probes of several trainings agree, an entry an attribute.

    Args:
        runs: for each training what :func:`probe_latents` gave.
    """
    by_name: dict[str, list[AttributeProbe]] = {}
    for run in runs:
        for probe in run:
            by_name.setdefault(probe.attribute, []).extend([probe] if probe.values else [])
    return tuple(_spread(name, probes) for name, probes in by_name.items())


def _spread(name: str, probes: list[AttributeProbe]) -> ProbeSpread:
    accuracy = [probe.balanced_accuracy for probe in probes] or [float("nan")]
    telling = [probe.latents[0].share for probe in probes if probe.latents] or [float("nan")]
    return ProbeSpread(
        attribute=name,
        num_runs=len(probes),
        mean=float(np.mean(accuracy)),
        lowest=min(accuracy),
        highest=max(accuracy),
        most_telling=(min(telling), max(telling)),
    )


def _probe(
    name: str,
    column: pd.Series,
    mu: Floats,
    persons: Codes,
    settings: ProbeSettings,
    generator: np.random.Generator,
) -> AttributeProbe:
    known = np.flatnonzero(column.notna().to_numpy())
    names, codes, sizes = np.unique(
        column.iloc[known].astype(str).to_numpy(dtype=np.str_),
        return_inverse=True,
        return_counts=True,
    )
    common = np.flatnonzero(sizes >= settings.least_images)
    enough = np.isin(codes, common)
    rows = known[enough]
    if rows.size > settings.most_images:
        rows = np.sort(generator.choice(rows, settings.most_images, replace=False))
    counts = {
        "num_unknown": len(column) - known.size,
        "num_left_out": int((~enough).sum()),
        "num_images": int(rows.size),
        "num_persons": int(np.unique(persons[rows]).size),
    }
    reason = ""
    if common.size < 2:
        reason = f"fewer than two values have {settings.least_images} images"
    elif common.size > settings.most_values:
        reason = f"it has more than {settings.most_values} values"
    labels = np.full(len(column), -1, dtype=np.intp)
    labels[known] = codes
    y = np.searchsorted(common, labels[rows])
    num_folds = 0 if reason else _num_folds(y, persons[rows], settings.num_folds)
    if not reason and num_folds < 2:
        reason = "a value is known of one person only"
    if reason:
        return AttributeProbe(
            attribute=name,
            values=(),
            reason=reason,
            balanced_accuracy=float("nan"),
            lowest=float("nan"),
            highest=float("nan"),
            chance=float("nan"),
            highest_by_chance=float("nan"),
            latents=(),
            **counts,
        )
    shuffled = _shuffled(y, persons[rows], settings.num_permutations, generator)
    right, lucky = (
        [_accuracy(mu[rows], targets, persons[rows], num_folds, generator) for targets in versions]
        for versions in ([y] * settings.num_repeats, shuffled[: settings.num_repeats])
    )
    return AttributeProbe(
        attribute=name,
        values=tuple(str(names[place]) for place in common),
        reason="",
        balanced_accuracy=float(np.mean(right)),
        lowest=min(right),
        highest=max(right),
        chance=1.0 / common.size,
        highest_by_chance=max(lucky),
        latents=_by_latent(mu[rows], y, shuffled, settings),
        **counts,
    )


def _num_folds(y: Codes, persons: Codes, wanted: int) -> int:
    """Return how many folds there can be with every value in each."""
    pairs = np.unique(np.stack([y, persons]), axis=1)
    return min(wanted, int(np.bincount(pairs[0]).min()))


def _shuffled(y: Codes, persons: Codes, count: int, generator: np.random.Generator) -> Codes:
    """Return attributes that have nothing to do with the images, shape (version, image)."""
    _, first, codes = np.unique(persons, return_index=True, return_inverse=True)
    by_person = y[first]
    if (by_person[codes] == y).mean() < 0.95:
        return np.stack([generator.permutation(y) for _ in range(count)])
    return np.stack([generator.permutation(by_person)[codes] for _ in range(count)])


def _accuracy(
    mu: Floats, y: Codes, persons: Codes, num_folds: int, generator: np.random.Generator
) -> float:
    """Return the balanced accuracy of a linear discriminant on persons it was not fitted to."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import recall_score
    from sklearn.model_selection import StratifiedGroupKFold

    num_values = int(y.max()) + 1
    folds = StratifiedGroupKFold(
        num_folds, shuffle=True, random_state=int(generator.integers(2**31))
    )
    guessed = np.full(y.size, -1)
    for fitted, tried in folds.split(mu, y, groups=persons):
        seen = np.unique(y[fitted])
        model = LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage="auto", priors=np.full(seen.size, 1.0 / seen.size)
        )
        guessed[tried] = model.fit(mu[fitted], y[fitted]).predict(mu[tried])
    recalls = recall_score(y, guessed, labels=np.arange(num_values), average=None, zero_division=0)
    return float(np.mean(recalls))


def _by_latent(
    mu: Floats, y: Codes, shuffled: Codes, settings: ProbeSettings
) -> tuple[LatentInformation, ...]:
    bins = latent_bins(mu, settings.num_bins)
    information = mutual_information(bins, y)
    null = informations(bins, shuffled)
    largest = null.max(axis=1)
    shares = np.bincount(y) / y.size
    shares = shares[shares > 0]
    entropy = float(-(shares * np.log(shares)).sum())
    as_large = (largest[:, np.newaxis] >= information).sum(axis=0)
    p_values = (1 + as_large) / (1 + len(shuffled))
    return tuple(
        LatentInformation(
            latent=int(latent),
            information=float(information[latent]),
            share=min(1.0, float(information[latent]) / entropy),
            by_chance=float(null[:, latent].mean()),
            p_value=float(p_values[latent]),
            adjusted_p_value=float(p_values[latent]),
        )
        for latent in np.argsort(-information, kind="stable")
    )


def _adjusted(found: list[AttributeProbe]) -> tuple[AttributeProbe, ...]:
    """Return the probes with p-values for all attributes together."""
    each = [latent.p_value for probe in found for latent in probe.latents]
    adjusted = iter(_over_attributes(found, np.array(each)))
    return tuple(
        replace(
            probe,
            latents=tuple(
                replace(latent, adjusted_p_value=float(next(adjusted))) for latent in probe.latents
            ),
        )
        for probe in found
    )


def _over_attributes(found: list[AttributeProbe], each: Floats) -> Floats:
    """Return p-values by Holm's method over the attributes.

    An attribute's latents are one family already, so their factor is the attribute's: that of
    its smallest p-value.
    """
    probed = [probe for probe in found if probe.latents]
    smallest = np.array([min(latent.p_value for latent in probe.latents) for probe in probed])
    order = np.argsort(np.argsort(smallest, kind="stable"), kind="stable")
    least = holm(smallest)
    adjusted = [
        np.minimum(
            1.0,
            np.maximum(
                least[place],
                [latent.p_value * (len(probed) - order[place]) for latent in probe.latents],
            ),
        )
        for place, probe in enumerate(probed)
    ]
    return np.concatenate(adjusted) if adjusted else each
