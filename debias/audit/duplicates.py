"""Pictures that an image set holds more than once: how many, which one to keep, and findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.audit.copy_groups import CopyGroups, group_copies, order_to_keep
from debias.audit.embedding_copies import EmbeddingPairs, find_embedding_pairs
from debias.audit.findings import Concerned, Finding, Severity
from debias.audit.images import AuditedImages
from debias.audit.leakage import counted, shared_by_splits, split_ranks, written
from debias.audit.measured import MeasuredImages
from debias.audit.near_copies import CopySettings
from debias.errors import ConfigError

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateSettings:
    """What counts as a copy, and from how many on.

    Args:
        copies: see :class:`~debias.audit.near_copies.CopySettings`.
        min_share: images that near copies alone concern, as a share of those compared: fewer are
            a note, since among millions of pairs a few look-alikes pass for copies. Exact copies
            need no such allowance.
        min_cosine: of two embeddings; see :mod:`debias.audit.embedding_copies`.

    Raises:
        ConfigError: a setting is out of its range.
    """

    copies: CopySettings = field(default_factory=CopySettings)
    min_share: float = 0.001
    min_cosine: float = 0.99

    def __post_init__(self) -> None:
        for name in ("min_share", "min_cosine"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", hint="It may be 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyCounts:
    """How often something was found.

    Attributes:
        groups: of copies.
        images: in them, the kept ones included.
        people: known in them; None where nobody is known at all.
    """

    groups: int
    images: int
    people: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Duplicates:
    """The copies in an image set.

    Attributes:
        groups: each image with the one that is kept in its stead.
        keep: whether it is the one of its group to keep, shape (image,).
        copies: the number of images in its group, from 1, shape (image,).
        num_compared: images that were compared with each other; of the same pixels only one is.
        num_plain: of them so plain that only the same pixels are found again.
        num_unreadable: images that could not be compared.
        exact: images with the same pixels as another.
        near: groups that hold more than the same pixels.
        across_splits: groups that are in more than one split.
        groups_by_splits: how many of these each pair of splits shares.
        conflicts: by what contradicts itself within groups: ``label``, ``identity_id``, or an
            attribute; zeros included.
        embedding_pairs: pairs that are close in an embedding; None where none was given.
        findings: what passes its limit.
    """

    groups: CopyGroups
    keep: Mask
    copies: NDArray[np.int64]
    num_compared: int
    num_plain: int
    num_unreadable: int
    exact: CopyCounts
    near: CopyCounts
    across_splits: CopyCounts
    groups_by_splits: Mapping[str, int]
    conflicts: Mapping[str, CopyCounts]
    embedding_pairs: EmbeddingPairs | None
    findings: tuple[Finding, ...]


def find_duplicates(
    measured: MeasuredImages,
    images: AuditedImages,
    *,
    settings: DuplicateSettings | None = None,
    embedding: NDArray[np.floating] | None = None,
) -> Duplicates:
    """Return which images are copies of others.

    A group is a star: an image to keep, and those that were found to be copies of it. The one to
    keep is the first by: test before val before train, the larger, the sharper, the earlier.

    Args:
        measured: what the decoding pass measured.
        images: the same images, with what is known of them.
        settings: what counts; None for the defaults.
        embedding: of all images, shape (image, dimension), to look for near copies in as well,
            among the images kept. These pairs are a note and join no group, since two pictures of
            one person may be as close.
    """
    assert len(measured) == len(images)
    settings = settings or DuplicateSettings()
    table = images.manifest.table
    order = order_to_keep(measured, split_ranks(table["split"]))
    groups, num_compared = group_copies(measured, order=order, settings=settings.copies)
    reader = _Reader(groups, images, settings.min_share, int(measured.readable.sum()))
    findings = [*reader.within_splits(), *reader.across_splits(), *reader.conflicts()]
    pairs = None
    if embedding is not None:
        kept = np.flatnonzero(groups.keep & measured.readable)
        pairs = find_embedding_pairs(embedding, rows=kept, min_cosine=settings.min_cosine)
        found = pairs.finding()
        findings += [] if found is None else [found]
    return Duplicates(
        groups=groups,
        keep=groups.keep,
        copies=groups.sizes,
        num_compared=num_compared,
        num_plain=int((groups.plain & groups.keep).sum()),
        num_unreadable=int((~measured.readable).sum()),
        exact=reader.counts(groups.has_twin),
        near=reader.counts(groups.in_near_group),
        across_splits=reader.counts(reader.torn),
        groups_by_splits=reader.by_splits,
        conflicts={name: reader.counts(mask) for name, mask in reader.contradicting.items()},
        embedding_pairs=pairs,
        findings=tuple(findings),
    )


class _Reader:
    """Reads findings off groups of copies."""

    def __init__(
        self, groups: CopyGroups, images: AuditedImages, min_share: float, num_readable: int
    ) -> None:
        self._groups, self._images, self._min_share = groups, images, min_share
        self._num_readable = num_readable
        self._group = pd.Series(groups.representative)
        self._sizes = groups.sizes
        table = images.manifest.table
        self.torn = self._num_values(table["split"]) > 1
        self.by_splits = shared_by_splits(table["split"][self.torn], self._group[self.torn])
        known = {"label": table["label"], "identity_id": table["identity_id"]}
        known |= {str(name): column for name, column in images.attributes.items()}
        self.contradicting = {name: self._num_values(column) > 1 for name, column in known.items()}

    def counts(self, concerned: Mask) -> CopyCounts:
        """Return how many groups, images and people some images are."""
        people = self._images.manifest.table["identity_id"][concerned].nunique()
        return CopyCounts(
            groups=int(self._group[concerned].nunique()),
            images=int(concerned.sum()),
            people=int(people) if self._images.knows_persons else None,
        )

    def within_splits(self) -> Iterator[Finding]:
        """Yield what is in one split more than once, or in a set without splits."""
        where = " of their split" if self._images.manifest.table["split"].notna().any() else ""
        for kind, concerned, said in (
            ("exact-duplicate", self._groups.has_twin, f"have the same pixels as another{where}"),
            (
                "near-duplicate",
                self._groups.in_near_group,
                f"show the same picture as another{where}, slightly changed",
            ),
        ):
            inside = concerned & ~self.torn
            if inside.any():
                yield self._finding(
                    kind=kind,
                    severity=self._severity("warning", inside),
                    subject="copies",
                    said=said,
                    concerned=inside,
                )

    def across_splits(self) -> Iterator[Finding]:
        """Yield what is in more than one split."""
        if self.torn.any():
            yield self._finding(
                kind="duplicate-across-splits",
                severity=self._severity("serious", self.torn),
                subject="copies across splits",
                said=f"are copies across splits ({written(self.by_splits)})",
                concerned=self.torn,
            )

    def conflicts(self) -> Iterator[Finding]:
        """Yield what copies contradict each other in.

        An attribute that a program estimated from pixels may well differ between copies: a note.
        """
        for name, concerned in self.contradicting.items():
            if concerned.any():
                estimated = self._images.provenance.get(name) == "estimated"
                yield self._finding(
                    kind="conflicting-labels",
                    severity="note" if estimated else self._severity("serious", concerned),
                    subject=name,
                    said=f"are copies that differ in {name}",
                    concerned=concerned,
                )

    def _finding(
        self, *, kind: str, severity: Severity, subject: str, said: str, concerned: Mask
    ) -> Finding:
        counts = self.counts(concerned)
        people = f", {counted(counts.people, 'person', 'people')}" if counts.people else ""
        rows = np.flatnonzero(concerned)
        return Finding(
            kind=kind,
            severity=severity,
            subject=subject,
            message=f"{counted(counts.images, 'image')} {said} "
            f"({counted(counts.groups, 'group')}{people}).",
            measure="share of the images that can be read",
            value=counts.images / self._num_readable,
            limit=0.0 if self._is_certain(concerned) else self._min_share,
            num_images=counts.images,
            images=Concerned.of(
                rows, values=self._groups.likeness[rows], others=self._others(rows)
            ),
        )

    def _severity(self, severity: Severity, concerned: Mask) -> Severity:
        enough = concerned.sum() >= self._min_share * self._num_readable
        return severity if enough or self._is_certain(concerned) else "note"

    def _is_certain(self, concerned: Mask) -> bool:
        """Whether any of the images concerned has the same pixels as another."""
        return bool((concerned & self._groups.has_twin).any())

    def _others(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return for a copy the image kept, and for that its first copy."""
        groups = self._groups
        copies = np.flatnonzero(~groups.keep)
        first_copy = np.full(len(groups.keep), -1, dtype=np.intp)
        first_copy[groups.representative[copies[::-1]]] = copies[::-1]
        return np.where(groups.keep[rows], first_copy[rows], groups.representative[rows])

    def _num_values(self, column: pd.Series[Any]) -> NDArray[np.int64]:
        """Return how many known values the group of each image has; 1 where it is alone."""
        found = column.reset_index(drop=True).groupby(self._group).transform("nunique")
        return np.where(self._sizes > 1, found.to_numpy(dtype=np.int64), 1)
