"""What several trainings say of the same attributes, and which of it holds in all of them.

A latent has no name, and the next training puts what it carried somewhere else. That all latents
together tell an attribute, or that some latent does, can be true of every training. To say so of
all takes no further correction: each training has to show it by itself [Berger1982].

References:
    [Berger1982] Multiparameter Hypothesis Testing and Acceptance Sampling. Technometrics 24(4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from debias.audit.probes import AttributeProbe

NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedRun:
    """One trained model and what it says of each attribute.

    Attributes:
        name: of its run directory.
        architecture: of the model.
        seed: of its training.
        num_faces: faces that it looked at.
        num_latents: that it has.
        num_active: that say something of the faces.
        probes: an entry an attribute.
    """

    name: str
    architecture: str
    seed: int
    num_faces: int
    num_latents: int
    num_active: int
    probes: tuple[AttributeProbe, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSpread:
    """The same probe in several trainings.

    Attributes:
        attribute: its name.
        probes: what each training says, with its place among the trainings, from 0.
        num_runs: trainings in which it could be probed.
        mean: of the balanced accuracies of the probe over all latents; NaN without a run.
        lowest: of them.
        highest: of them.
        most_telling: the largest share of the attribute's entropy in one latent, lowest and
            highest over the trainings; NaN without a run.
        num_told: trainings in which all latents together tell it.
        num_carried: trainings in which a single latent does.
    """

    attribute: str
    probes: tuple[tuple[int, AttributeProbe], ...]
    num_runs: int
    mean: float
    lowest: float
    highest: float
    most_telling: tuple[float, float]
    num_told: int
    num_carried: int


def spread_over_runs(runs: Sequence[Sequence[AttributeProbe]]) -> tuple[ProbeSpread, ...]:
    """Return how far the probes of several trainings agree, an entry an attribute.

    Args:
        runs: for each training what :func:`debias.audit.probes.probe_latents` gave.
    """
    by_name: dict[str, list[tuple[int, AttributeProbe]]] = {}
    for place, run in enumerate(runs):
        for probe in run:
            by_name.setdefault(probe.attribute, []).append((place, probe))
    return tuple(_spread(name, probes) for name, probes in by_name.items())


def _spread(name: str, probes: list[tuple[int, AttributeProbe]]) -> ProbeSpread:
    probed = [probe for _, probe in probes if probe.values]
    best = [probe.most_telling for probe in probed]
    accuracy = [probe.balanced_accuracy for probe in probed] or [NAN]
    telling = [each.share for each in best if each is not None] or [NAN]
    return ProbeSpread(
        attribute=name,
        probes=tuple(probes),
        num_runs=len(probed),
        mean=float(np.mean(accuracy)),
        lowest=min(accuracy),
        highest=max(accuracy),
        most_telling=(min(telling), max(telling)),
        num_told=sum(probe.is_told for probe in probed),
        num_carried=sum(each is not None and each.is_sure for each in best),
    )
