"""Everything that an audit found, before it is written down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from debias.audit.associations import Associations
from debias.audit.coverage import Coverage
from debias.audit.duplicates import Duplicates
from debias.audit.findings import KINDS, Concerned, Finding
from debias.audit.images import AuditedImages
from debias.audit.leakage import Leakage
from debias.audit.measured import MeasuredImages
from debias.audit.mislabelled import Mislabelled
from debias.audit.outliers import Outliers
from debias.audit.probe_spread import ProbedRun, ProbeSpread, spread_over_runs
from debias.audit.probes import AttributeProbe
from debias.audit.quality import QualityByGroup
from debias.audit.rare_kinds import RareKinds
from debias.audit.representation import Representation
from debias.audit.skin_tone import SkinTones
from debias.audit.suggested_weights import SuggestedWeights
from debias.resampling.settings import ResamplingSettings

NO_FACES = "there is no face that can be read"
TOO_FEW_FACES = "there are too few faces that can be read"
NEEDS_MODEL = "it takes a trained model: add --model RUN, or --train-model"
NEEDS_ATTRIBUTES = "nothing is known of the people shown: add --attributes FILE"
NEEDS_GROUPS = "nobody says which groups matter: add --groups NAME,... or --reference FILE"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelFindings:
    """What a trained model says of the faces.

    Attributes:
        architecture: of the model.
        num_faces: faces that it looked at.
        mu: posterior means, shape (image, latent), NaN where an image was not looked at.
        log_var: logs of the posterior variances, likewise; None for an autoencoder.
        logit: log odds of "face", likewise, shape (image,); None for a model of faces alone.
        resampling: how its training draws faces, and so how they are weighed here.
        coverage: who is rare.
        runs: the models that were asked, this one first, and what the latents of each say of each
            attribute.
        outliers: who looks like no face of this set.
        mislabelled: whose label or attribute the others contradict.
        severe: a mask of the images that are hardly a face of this set, shape (image,).
        traversed: the latents that are drawn.
        steps: where each is moved to, in standard deviations from its mean.
        traversals: pictures of shape (latent, step, height, width, channel); they show nobody.
        regions: pictures decoded from the centres of rare regions, each of shape (height, width,
            channel); None where it might show somebody.
        are_drawn: whether a program drew the faces, so that they show nobody.
        faces: pictures of the rarest and then the most common faces by weight, shape (face, 2,
            height, width, channel): each as the model sees it, and as decoded from its latents.
            None where they may not be shown.
    """

    architecture: str
    num_faces: int
    mu: NDArray[np.float32]
    log_var: NDArray[np.float32] | None
    logit: NDArray[np.float64] | None
    resampling: ResamplingSettings
    coverage: Coverage
    runs: tuple[ProbedRun, ...]
    outliers: Outliers
    mislabelled: tuple[Mislabelled, ...]
    severe: NDArray[np.bool_]
    traversed: tuple[int, ...]
    steps: tuple[float, ...]
    traversals: NDArray[np.uint8]
    regions: tuple[NDArray[np.uint8] | None, ...]
    are_drawn: bool
    faces: NDArray[np.uint8] | None

    @property
    def probes(self) -> tuple[AttributeProbe, ...]:
        """What the latents say of each attribute."""
        return self.runs[0].probes

    @property
    def spread(self) -> tuple[ProbeSpread, ...]:
        """What the models together say of each attribute; nothing where there is one model."""
        if len(self.runs) < 2:
            return ()
        return spread_over_runs([run.probes for run in self.runs])

    @property
    def findings(self) -> Iterator[Finding]:
        """What passes its limit."""
        yield from self.coverage.findings
        yield from self.outliers.findings
        for each in self.mislabelled:
            yield from each.findings


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AuditResults:
    """What was measured; None where there was nothing to measure it by.

    Attributes:
        images: the set.
        measured: the measures of each image.
        representation: whom the set, or each of its splits, shows.
        associations: what goes with what.
        quality: of the groups' pictures.
        duplicates: copies.
        leakage: people and pictures in two splits.
        skin_tones: estimated from pixels.
        rare_kinds: faces that share something that few have.
        model: what a trained model says; None without one.
        weights: suggested; None where no face can be used.
    """

    images: AuditedImages
    measured: MeasuredImages
    representation: tuple[Representation, ...]
    associations: Associations
    quality: QualityByGroup
    duplicates: Duplicates
    leakage: Leakage
    skin_tones: SkinTones
    rare_kinds: RareKinds
    model: ModelFindings | None
    weights: SuggestedWeights | None

    @property
    def findings(self) -> Iterator[Finding]:
        """Everything that passes its limit."""
        yield from unreadable(self.measured)
        parts = (
            *self.representation,
            self.associations,
            self.quality,
            self.duplicates,
            self.leakage,
            self.skin_tones,
            self.rare_kinds,
            self.model,
        )
        for part in parts:
            if part is not None:
                yield from part.findings

    @property
    def not_checked(self) -> dict[str, str]:
        """The kinds of finding that were not looked for, and why."""
        if not (self.images.faces & self.measured.readable).any():
            others = ("unreadable", "exact-duplicate", "near-duplicate", "conflicting-labels")
            return dict.fromkeys((kind for kind in KINDS if kind not in others), NO_FACES)
        reasons: dict[str, str] = {}
        kinds: tuple[str, ...]
        if self.model is None:
            kinds = ("mislabelled", "latent-gap", "junk", "outliers-by-group")
            reasons |= dict.fromkeys(kinds, NEEDS_MODEL)
        if set(self.images.provenance.values()) <= {"estimated"}:
            kinds = ("under-represented", "missing-attribute", "value-spelling")
            reasons |= dict.fromkeys(kinds, NEEDS_ATTRIBUTES)
        elif not any(each.reference for part in self.representation for each in part.groupings):
            reasons["under-represented"] = NEEDS_GROUPS
        if not self.skin_tones.agreements:
            reasons["skin-tone-disagreement"] = "no attribute is taken for a label of skin tone"
        if not self.rare_kinds.num_faces:
            reasons["rare-kind"] = TOO_FEW_FACES
        if self.images.manifest.table["split"].nunique() < 2:
            kinds = ("duplicate-across-splits", "identity-across-splits")
            reasons |= dict.fromkeys(kinds, "the images are not divided into splits")
        elif not self.images.knows_persons:
            reasons["identity-across-splits"] = "nobody says which images show the same person"
        return reasons


def unreadable(measured: MeasuredImages) -> tuple[Finding, ...]:
    """Return a finding for each reason for which files cannot be read."""
    reasons = measured.table["reason"]
    found = []
    for reason in sorted(reasons.dropna().unique()):
        rows = np.flatnonzero((reasons == reason).fillna(False).to_numpy(dtype=bool))
        found.append(
            Finding(
                kind="unreadable",
                severity="warning",
                subject=str(reason),
                message=f"{len(rows):,} of {len(measured):,} images cannot be read: {reason}.",
                measure="images that cannot be read",
                value=float(len(rows)),
                limit=0.0,
                num_images=len(rows),
                images=Concerned.of(rows),
            )
        )
    return tuple(found)
