"""What an audit finds: a measure, the limit it passes, how serious that is, and which images.

Measure first, judge later: every finding names what was measured, its value and the limit that was
stated beforehand, so that whoever disagrees with a limit can judge the value by another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Severity = Literal["serious", "warning", "note"]
"""``serious``: results on these images cannot be trusted until it is mended, as with copies across
splits. ``warning``: it will likely harm somebody's results. ``note``: worth a look."""
SEVERITIES: tuple[Severity, ...] = ("serious", "warning", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of finding.

    Attributes:
        title: what it is called, in a few words.
        meaning: what it tells, in a sentence.
        advice: what to do about it, in a sentence.
    """

    title: str
    meaning: str
    advice: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "unreadable": Kind(
            title="Unreadable files",
            meaning="A file that cannot be decoded is in no measure and would be left out of "
            "training.",
            advice="Mend or remove them.",
        ),
        "under-represented": Kind(
            title="Groups with too few images",
            meaning="A group has fewer images than the reference asks for.",
            advice="Collect more, or draw them more often; few images repeated stay few people.",
        ),
        "missing-attribute": Kind(
            title="Unknown attributes",
            meaning="Nobody can tell whether these images are served alike.",
            advice="Label them, or say in every report how many are unknown.",
        ),
        "value-spelling": Kind(
            title="Values that differ in spelling alone",
            meaning="What is one group in life would count as two.",
            advice="Write them alike.",
        ),
        "association": Kind(
            title="Attributes that go with something else",
            meaning="What goes with an attribute can stand in for it: a model may learn the one "
            "from the other.",
            advice="Balance the two within each other, or measure each within the other.",
        ),
        "quality-by-group": Kind(
            title="Image quality that goes with a group",
            meaning="A gap in a model's results may be one of the pictures' quality.",
            advice="Use sources of one quality, degrade alike, or compare within equal quality.",
        ),
        "exact-duplicate": Kind(
            title="Identical pictures",
            meaning="The same pixels come more than once.",
            advice="Keep one of each.",
        ),
        "near-duplicate": Kind(
            title="Nearly identical pictures",
            meaning="The same picture comes again, resized, recompressed or slightly changed.",
            advice="Keep one of each.",
        ),
        "duplicate-across-splits": Kind(
            title="The same picture in two splits",
            meaning="What a model has seen in training tells nothing about new pictures.",
            advice="Keep it in one split only: results on the others are too good.",
        ),
        "identity-across-splits": Kind(
            title="The same person in two splits",
            meaning="A model may recognise the person in place of the task.",
            advice="Put all images of a person in one split.",
        ),
        "conflicting-labels": Kind(
            title="Copies that are labelled differently",
            meaning="Pictures that are the same cannot have different labels, or show different "
            "people.",
            advice="Look at both and correct one.",
        ),
        "mislabelled": Kind(
            title="Labels that look wrong",
            meaning="What the other images teach contradicts this image's label.",
            advice="Look at each of them: some are only unusual.",
        ),
        "skin-tone-disagreement": Kind(
            title="Skin tone by pixels against labels",
            meaning="The estimate from pixels and the labels order the images differently.",
            advice="Trust people's labels over the estimate; look at the light first.",
        ),
        "latent-gap": Kind(
            title="Rare regions of the latent space",
            meaning="Few images are like these in what a model makes of faces, with or without a "
            "name for it.",
            advice="Look at what they share; collect more of it, or draw them more often.",
        ),
        "rare-kind": Kind(
            title="Rare kinds of faces",
            meaning="A few faces share something that sets them apart from all others, with or "
            "without a name for it.",
            advice="Look at what they share; collect more of it, or say that results are not "
            "about it.",
        ),
        "junk": Kind(
            title="Images that look like no face of this set",
            meaning="A wrong crop or something else among the faces.",
            advice="Look at each of them before removing any: rare faces may be among them.",
        ),
        "outliers-by-group": Kind(
            title="Groups that a filter of outliers would throw out",
            meaning="One group's images are called outliers more often than the others'.",
            advice="Do not remove outliers unseen.",
        ),
    }
)
"""By the name that files use."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Concerned:
    """The images that a finding is about.

    Attributes:
        rows: their positions among the audited images, shape (image,), ascending.
        values: the measure of each, shape (image,); NaN where it is one of the finding as a whole.
        others: for each the position of the image it is compared with, or -1; shape (image,).
    """

    rows: NDArray[np.intp]
    values: NDArray[np.float64]
    others: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        rows: NDArray[np.intp],
        *,
        values: NDArray[np.float64] | None = None,
        others: NDArray[np.intp] | None = None,
    ) -> Concerned:
        """Return images, without values or others where these are None."""
        positions = np.asarray(rows, dtype=np.intp)
        return cls(
            rows=positions,
            values=np.full(len(positions), np.nan) if values is None else np.asarray(values),
            others=np.full(len(positions), -1, dtype=np.intp)
            if others is None
            else np.asarray(others, dtype=np.intp),
        )


def nobody() -> Concerned:
    """Return no image: what a finding about the set as a whole concerns."""
    return Concerned.of(np.empty(0, dtype=np.intp))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finding:
    """Something measured that passes its limit.

    Attributes:
        kind: one of :data:`KINDS`.
        severity: one of :data:`SEVERITIES`.
        subject: what it is about, in words that name no image, such as ``skin_tone dark``.
        message: what was found, in one sentence with its numbers, naming no image.
        measure: what was measured, with its unit.
        value: of the measure; None where it has none as a whole.
        limit: that the value passes; None where there is none.
        p_value: after correction for all tests of its kind; None where nothing was tested.
        num_images: how many images it concerns.
        images: which; none for a finding about the set as a whole.
    """

    kind: str
    severity: Severity
    subject: str
    message: str
    measure: str
    value: float | None
    limit: float | None
    p_value: float | None = None
    num_images: int
    images: Concerned = field(default_factory=nobody)

    def __post_init__(self) -> None:
        assert self.kind in KINDS, self.kind
