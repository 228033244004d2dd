"""What of known attributes a latent space carries: one latent by one, and all of them together.

Neither names a latent. Which latent carries an attribute, and how much of it, changes from one
training to the next; so per-latent figures stand beside what chance alone gives, the probe over
all latents stands first, and several trainings are told by their spread; see
:mod:`debias.audit.probe_spread`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from debias.audit.information import informations, latent_bins, mutual_information
from debias.audit.linear_probe import most_folds, probe_accuracy
from debias.audit.probe_rows import rows_to_probe
from debias.metrics.pairs import holm

SURE = 0.05
"""The adjusted p-value up to which a latent is said to carry an attribute."""

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
        kept_images: of each value that such a draw leaves, as far as there are so many.
        least_images: of each value that is looked at; rarer values are left out of the probe and
            counted.
        most_values: an attribute of more values is not probed.
    """

    num_bins: int = 10
    num_permutations: int = 999
    num_folds: int = 5
    num_repeats: int = 3
    most_images: int = 20_000
    kept_images: int = 200
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

    @property
    def is_sure(self) -> bool:
        """Whether the latent says more of the attribute than chance, at :data:`SURE`."""
        return self.adjusted_p_value <= SURE


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
        num_left_out: images of values too rare; those that were not drawn are none.
        balanced_accuracy: of the linear probe over all latents: the mean over the values of the
            share recognised, on persons it was not fitted to, averaged over the repeats; NaN
            where the attribute cannot be probed.
        lowest: of the repeats.
        highest: of the repeats.
        chance: 1 / number of values.
        highest_by_chance: of the repeats with a shuffled attribute.
        p_value: one-sided, of a balanced accuracy no better than ``chance``, for all attributes
            by Holm's method; NaN where the attribute cannot be probed.
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
    p_value: float
    latents: tuple[LatentInformation, ...]

    @property
    def is_told(self) -> bool:
        """Whether all latents together tell it better than chance, at :data:`SURE`.

        And better than any shuffled attribute, since that is shown beside it.
        """
        return self.p_value <= SURE and self.balanced_accuracy > self.highest_by_chance

    @property
    def most_telling(self) -> LatentInformation | None:
        """The latent that tells most of it; None where the attribute cannot be probed."""
        return self.latents[0] if self.latents else None

    def carried_by(self, latent: int) -> LatentInformation | None:
        """Return what a latent says of it, if that is more than chance; else None."""
        found = (each for each in self.latents if each.latent == latent and each.is_sure)
        return next(found, None)


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
    num_common = int((sizes >= settings.least_images).sum())
    chosen = rows_to_probe(
        codes,
        least=settings.least_images,
        most=settings.most_images,
        kept=settings.kept_images,
        generator=generator,
    )
    rows, y, values = known[chosen.rows], chosen.y, chosen.values
    counts = {
        "num_unknown": len(column) - known.size,
        "num_left_out": int(known.size - sizes[values].sum()),
        "num_images": int(rows.size),
        "num_persons": int(np.unique(persons[rows]).size),
    }
    reason = ""
    if num_common > settings.most_values:
        reason = f"it has more than {settings.most_values} values"
    elif values.size < 2:
        reason = f"fewer than two values have {settings.least_images} images"
    num_folds = 0 if reason else most_folds(y, persons[rows], settings.num_folds)
    if not reason and num_folds < 2:
        which = "drawn" if rows.size < sizes[values].sum() else "known"
        reason = f"a value is {which} of one person only"
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
            p_value=float("nan"),
            latents=(),
            **counts,
        )
    shuffled = _shuffled(y, persons[rows], settings.num_permutations, generator)
    told, untold = (
        [
            probe_accuracy(mu[rows], targets, persons[rows], num_folds, generator)
            for targets in versions
        ]
        for versions in ([y] * settings.num_repeats, shuffled[: settings.num_repeats])
    )
    right, errors = zip(*told, strict=True)
    chance = 1.0 / values.size
    return AttributeProbe(
        attribute=name,
        values=tuple(str(names[place]) for place in values),
        reason="",
        balanced_accuracy=float(np.mean(right)),
        lowest=min(right),
        highest=max(right),
        chance=chance,
        highest_by_chance=max(accuracy for accuracy, _ in untold),
        p_value=float(special.ndtr((chance - np.mean(right)) / np.mean(errors))),
        latents=_by_latent(mu[rows], y, shuffled, settings),
        **counts,
    )


def _shuffled(y: Codes, persons: Codes, count: int, generator: np.random.Generator) -> Codes:
    """Return attributes that have nothing to do with the images, shape (version, image)."""
    _, first, codes = np.unique(persons, return_index=True, return_inverse=True)
    by_person = y[first]
    if (by_person[codes] == y).mean() < 0.95:
        return np.stack([generator.permutation(y) for _ in range(count)])
    return np.stack([generator.permutation(by_person)[codes] for _ in range(count)])


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
    together = iter(holm(np.array([probe.p_value for probe in found if probe.values])))
    each = [latent.p_value for probe in found for latent in probe.latents]
    adjusted = iter(_over_attributes(found, np.array(each)))
    return tuple(
        replace(
            probe,
            p_value=float(next(together)) if probe.values else probe.p_value,
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
