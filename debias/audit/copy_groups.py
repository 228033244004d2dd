"""Groups of copies: each image with the one that is kept in its stead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from debias.audit.measured import MeasuredImages
from debias.audit.near_copies import CopyPairs, CopySettings, find_copy_pairs, stars

How = Literal["", "exact", "near", "mirrored"]
"""How an image is a copy of the one that is kept: not at all, the same pixels, nearly, mirrored."""

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CopyGroups:
    """Which images are copies of which, each of shape (image,).

    Attributes:
        representative: the image that is kept for each, itself where it is no copy. Every copy,
            or a twin of it with the same pixels, was compared with it directly.
        how: as what each is its copy; see :data:`How`.
        likeness: of each to the kept one, 0 to 1; 1 for the same pixels, NaN for no copy.
        num_bits: in which their hashes differ; 0 for the same pixels, -1 for no copy.
        has_twin: whether another image has the same pixels.
        plain: whether only its twins could be found, since it shows too little.
    """

    representative: Rows
    how: NDArray[np.str_]
    likeness: NDArray[np.float64]
    num_bits: NDArray[np.int64]
    has_twin: Mask
    plain: Mask

    @property
    def keep(self) -> Mask:
        """Whether an image is the one of its group to keep."""
        kept: Mask = self.representative == np.arange(len(self.representative))
        return kept

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The number of images in the group of each, from 1."""
        counts = np.bincount(self.representative, minlength=len(self.representative))
        return counts[self.representative].astype(np.int64)

    @property
    def in_near_group(self) -> Mask:
        """Whether an image's group holds more than twins."""
        is_near = np.isin(self.how, ["near", "mirrored"])
        counts = np.bincount(self.representative[is_near], minlength=len(is_near))
        inside: Mask = counts[self.representative] > 0
        return inside


def group_copies(
    measured: MeasuredImages, *, order: Rows, settings: CopySettings
) -> tuple[CopyGroups, int]:
    """Return the groups of copies, and how many images were compared: of twins only one is.

    Args:
        measured: the images; one that is unreadable is in no group.
        order: all images, those to keep first.
        settings: what counts as a copy.
    """
    readable = order[measured.readable[order]]
    digests = measured.table["digest"].iloc[readable].reset_index(drop=True)
    of_digest = digests.groupby(digests, sort=False).ngroup().to_numpy()
    _, firsts = np.unique(of_digest, return_index=True)
    compared = readable[firsts]
    pairs, plain = find_copy_pairs(
        measured.hashes, measured.thumbnails, rows=compared, settings=settings
    )
    leader = stars(len(compared), pairs)
    how, alike, differing = _to_leader(leader, pairs)

    num_images = len(measured)
    groups = CopyGroups(
        representative=np.arange(num_images),
        how=np.full(num_images, "", dtype="<U8"),
        likeness=np.full(num_images, np.nan),
        num_bits=np.full(num_images, -1, dtype=np.int64),
        has_twin=np.zeros(num_images, dtype=np.bool_),
        plain=np.zeros(num_images, dtype=np.bool_),
    )
    groups.representative[readable] = compared[leader[of_digest]]
    groups.has_twin[readable] = np.bincount(of_digest)[of_digest] > 1
    groups.plain[readable] = plain[of_digest]
    is_near = leader[of_digest] != of_digest
    for row_values, values in (
        (groups.how, how),
        (groups.likeness, alike),
        (groups.num_bits, differing),
    ):
        row_values[readable] = values[of_digest]
    is_twin = ~is_near & (groups.representative[readable] != readable)
    twins = readable[is_twin]
    groups.how[twins], groups.likeness[twins], groups.num_bits[twins] = "exact", 1.0, 0
    return groups, len(compared)


def order_to_keep(measured: MeasuredImages, split_ranks: Rows) -> Rows:
    """Return the images, those to keep first: by split, the larger, the sharper, the earlier.

    Args:
        measured: the images.
        split_ranks: of each image, the least first, shape (image,).
    """
    table = measured.table
    area = (table["width"] * table["height"]).fillna(0.0).to_numpy()
    sharpness = table["sharpness"].fillna(-1.0).to_numpy()
    return np.lexsort((np.arange(len(table)), -sharpness, -area, split_ranks))


def _to_leader(
    leader: Rows, pairs: CopyPairs
) -> tuple[NDArray[np.str_], NDArray[np.float64], NDArray[np.int64]]:
    """Return how each is a copy of its leader, how much alike, and the bits that differ."""
    how = np.full(len(leader), "", dtype="<U8")
    alike = np.full(len(leader), np.nan)
    differing = np.full(len(leader), -1, dtype=np.int64)
    is_its = leader[pairs.second] == pairs.first
    second = pairs.second[is_its]
    how[second] = np.where(pairs.mirrored[is_its], "mirrored", "near")
    alike[second] = pairs.likeness[is_its]
    differing[second] = pairs.num_bits[is_its]
    return how, alike, differing
