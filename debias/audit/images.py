"""What an audit looks at: the images, what is known of the people shown, and who is the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AuditedImages:
    """An image set with what is known of it.

    Attributes:
        manifest: the images; a person or a picture may be in two splits.
        attributes: a row an image of the manifest, in its order, with a RangeIndex, and a column
            of text for each attribute; missing = unknown.
        provenance: where each attribute's labels come from; see
            :data:`debias.data.attributes.PROVENANCES`.
        groups: the attributes whose intersections are looked at too.
        counted: a mask of the images that count where people are counted, such as those that can
            be read and are no copies; None counts all. Shape (image,).
    """

    manifest: Manifest
    attributes: pd.DataFrame
    provenance: Mapping[str, str]
    groups: tuple[str, ...]
    counted: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        assert len(self.attributes) == len(self.manifest)

    def __len__(self) -> int:
        return len(self.manifest)

    @property
    def faces(self) -> NDArray[np.bool_]:
        """A mask of the faces that count: labelled so, or all where no image has a label."""
        counted = np.ones(len(self), dtype=np.bool_) if self.counted is None else self.counted
        if self.manifest.table["label"].isna().all():
            return counted
        return self.manifest.faces & counted

    @property
    def knows_persons(self) -> bool:
        """Whether the person is known of any image."""
        return bool(self.manifest.table["identity_id"].notna().any())

    @property
    def persons(self) -> NDArray[np.intp]:
        """The person of each image as integers from 0; an unknown one is somebody else each."""
        return _codes(self.manifest.table["identity_id"])

    @property
    def pictures(self) -> NDArray[np.intp]:
        """The file of each image as integers from 0: windows of a picture share it."""
        return _codes(self.manifest.table["path"])

    @property
    def clusters(self) -> NDArray[np.intp] | None:
        """What images share: persons where any is known, else pictures; None for nothing."""
        if self.knows_persons:
            return self.persons
        pictures = self.pictures
        return pictures if num_different(pictures) < len(pictures) else None


def num_different(codes: NDArray[np.intp]) -> int:
    """Return how many different persons or pictures some images show.

    Args:
        codes: what :class:`AuditedImages` says of them, shape (image,).
    """
    return int(np.count_nonzero(np.bincount(codes)))


def _codes(names: pd.Series[str]) -> NDArray[np.intp]:
    codes, known = pd.factorize(names)
    unknown = codes < 0
    codes[unknown] = len(known) + np.arange(np.count_nonzero(unknown))
    return codes.astype(np.intp)
