"""A search for pairs of pictures that are one and the same, slightly changed.

Hashes suggest pairs and thumbnails decide. Pictures are first compared as they are, in both views
of their hashes; then the first of each group of copies also mirrored, and with what slight cuts
would leave of it: the copies of one picture are so looked for once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from debias.audit.copies import likeness, structure
from debias.audit.hamming import HammingIndex, num_bits
from debias.audit.hashing import (
    MARGINS,
    WHOLE,
    WORDS_A_VIEW,
    Window,
    perceptual_hashes,
    resampling,
)
from debias.errors import ConfigError

CUT = 0.05
"""The greatest cut that is looked for: of width and of height, off both edges together."""
MOST_HITS = 5
"""A picture is compared with about so many others at once that its hash suggests: the first."""
_CHUNK = 4096

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySettings:
    """What counts as a copy.

    Args:
        radius: bits of 128 in which the hashes of one view may differ, 0 to 20; more finds more
            and takes longer, see :class:`~debias.audit.hamming.HammingIndex`.
        min_likeness: see :func:`~debias.audit.copies.likeness`, 0.8 to 1.
        min_structure: grey levels; a picture that shows less is compared by its digest alone,
            see :func:`~debias.audit.copies.structure`.
        mirrored: count mirrored copies too.

    Raises:
        ConfigError: a setting is out of its range.
    """

    radius: int = 13
    min_likeness: float = 0.974
    min_structure: float = 3.0
    mirrored: bool = True

    def __post_init__(self) -> None:
        for name, low, high in (
            ("radius", 0, 20),
            ("min_likeness", 0.8, 1),
            ("min_structure", 0.5, 128),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} is {value}", hint=f"It may be {low} to {high}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CopyPairs:
    """Pairs of copies, each of shape (pair,).

    Attributes:
        first: positions; the one that comes first in the order of the search.
        second: positions.
        likeness: see :func:`~debias.audit.copies.likeness`.
        num_bits: in which the hashes differ, as they were compared.
        mirrored: whether one is the other's mirror image.
    """

    first: Rows
    second: Rows
    likeness: NDArray[np.float64]
    num_bits: NDArray[np.int64]
    mirrored: Mask

    def __len__(self) -> int:
        return len(self.first)


class _Change(NamedTuple):
    """What is done to the one picture before it is compared with the other."""

    view: int
    window: Window
    mirrored: bool


UNCHANGED = _Change(0, WHOLE, False)


def find_copy_pairs(
    hashes: NDArray[np.uint64],
    thumbnails: NDArray[np.uint8],
    *,
    rows: Rows,
    settings: CopySettings,
) -> tuple[CopyPairs, Mask]:
    """Return the pairs of copies among some pictures, and which of these could not be compared.

    Args:
        hashes: of all pictures, shape (image, word).
        thumbnails: of all pictures, uint8 of shape (image, height, width).
        rows: the pictures to compare, those first that copies are to be paired with.
        settings: what counts as a copy.

    Returns:
        The pairs, as positions in ``rows``, each pair once; of many copies of one picture not all
        pairs, but those with the first few. And a mask of ``rows``: too plain to be compared.
    """
    search = _Search(hashes, thumbnails, rows, settings)
    everyone = np.arange(len(rows))
    found = search.among(everyone, UNCHANGED)
    for change in _changes(settings.mirrored):
        representative = stars(len(rows), found)
        leaders = np.flatnonzero(representative == everyone)
        pairs = search.among(leaders, change)
        found = joined([found, pairs, search.inherited(pairs, representative, change)])
    return found, search.plain[0]


def stars(num_rows: int, pairs: CopyPairs) -> Rows:
    """Return the representative of each row: itself, or a row that it is paired with.

    In the order of the rows, each that has no representative yet becomes that of all its later
    pairs that have none. So every row was compared with its representative itself, and no chain
    of small changes joins pictures that differ.

    Args:
        num_rows: how many rows there are.
        pairs: of rows, the first before the second.

    Returns:
        Shape (row,).
    """
    representative = np.arange(num_rows)
    order = np.lexsort((pairs.second, pairs.first))
    for first, second in zip(
        pairs.first[order].tolist(), pairs.second[order].tolist(), strict=True
    ):
        if representative[first] == first and representative[second] == second:
            representative[second] = first
    return representative


def joined(parts: list[CopyPairs]) -> CopyPairs:
    """Return the pairs of all parts, each once: as it was found most alike."""
    first = np.concatenate([part.first for part in parts])
    second = np.concatenate([part.second for part in parts])
    alike = np.concatenate([part.likeness for part in parts])
    num_bits = np.concatenate([part.num_bits for part in parts])
    mirrored = np.concatenate([part.mirrored for part in parts])
    order = np.lexsort((mirrored, -alike, second, first))
    first, second = first[order], second[order]
    is_new = np.ones(len(order), dtype=np.bool_)
    is_new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    kept = order[is_new]
    return CopyPairs(
        first=first[is_new],
        second=second[is_new],
        likeness=alike[kept],
        num_bits=num_bits[kept],
        mirrored=mirrored[kept],
    )


def _changes(mirrored: bool) -> Iterator[_Change]:
    """Yield no change (the first search may have missed some of many), cuts, and all mirrored."""
    for view in range(len(MARGINS)):
        yield _Change(view, WHOLE, False)
    for window in _cuts():
        yield _Change(0, window, False)
    if mirrored:
        for view in range(len(MARGINS)):
            yield _Change(view, WHOLE, True)
        for window in _cuts():
            yield _Change(0, window, True)


def _cuts() -> tuple[Window, ...]:
    """Return cuts that lie between others: a hash bears about a percent and a half at each edge."""
    even, less = CUT / 2, 0.15 * CUT
    corners = [
        Window(left, CUT - left, top, CUT - top)
        for left in (less, CUT - less)
        for top in (less, CUT - less)
    ]
    one_edge = [
        Window(*(0.9 * CUT if k == edge else 0.06 * CUT for k in range(4))) for edge in range(4)
    ]
    return (Window(even, even, even, even), *corners, *one_edge)


class _Search:
    """Compares some pictures, named by their places in ``rows``."""

    def __init__(
        self,
        hashes: NDArray[np.uint64],
        thumbnails: NDArray[np.uint8],
        rows: Rows,
        settings: CopySettings,
    ) -> None:
        self._hashes, self._thumbnails = hashes, thumbnails
        self._rows, self._settings = rows, settings
        self._indices: dict[int, tuple[Rows, HammingIndex]] = {}
        self.plain = [self._structure(margin) < settings.min_structure for margin in MARGINS]

    def among(self, places: Rows, change: _Change) -> CopyPairs:
        """Return pairs of which one is the other after a change.

        Args:
            places: whom to compare, in order.
            change: which; its view decides what is compared. The inner view bears no cuts.
        """
        places = places[~self.plain[change.view][places]]
        own = self._hashes[self._rows[places], _words(change.view)]
        unchanged = change.window == WHOLE and not change.mirrored
        asked = own if unchanged else self._changed_hashes(places, change)
        index = self._index(places, own, change.view)
        first, second, _ = index.near(asked, most=MOST_HITS + 1)  # itself may be among them
        wanted = second < first if unchanged else second != first
        return self._compared(places[first[wanted]], places[second[wanted]], change)

    def _index(self, places: Rows, own: NDArray[np.uint64], view: int) -> HammingIndex:
        """Return an index of these pictures; the last one where they are the same."""
        known = self._indices.get(view)
        if known is None or not np.array_equal(known[0], places):
            known = places, HammingIndex(own, radius=self._settings.radius)
            self._indices[view] = known
        return known[1]

    def inherited(self, pairs: CopyPairs, representative: Rows, change: _Change) -> CopyPairs:
        """Return, for pairs of leaders, the pairs of the first with the followers of the second."""
        order = np.argsort(representative, kind="stable")
        starts = np.searchsorted(representative[order], pairs.second)
        counts = np.searchsorted(representative[order], pairs.second, side="right") - starts
        leader = np.repeat(pairs.first, counts)
        within = np.arange(len(leader)) - np.repeat(np.cumsum(counts) - counts, counts)
        follower = order[np.repeat(starts, counts) + within]
        others = follower != np.repeat(pairs.second, counts)
        leader, follower = leader[others], follower[others]
        both_ways = np.concatenate([leader, follower]), np.concatenate([follower, leader])
        return self._compared(*both_ways, change)

    def _compared(self, changed: Rows, other: Rows, change: _Change) -> CopyPairs:
        """Return the pairs that are alike enough, of pictures to be changed and of others."""
        alike = np.empty(len(changed))
        differing = np.empty(len(changed), dtype=np.int64)
        across = resampling(self._thumbnails.shape[2], change.window.left, change.window.right)
        down = resampling(self._thumbnails.shape[1], change.window.top, change.window.bottom)
        for start in range(0, len(changed), _CHUNK):
            part = slice(start, start + _CHUNK)
            pictures = self._pictures(changed[part], change).astype(np.float32)
            others = self._thumbnails[self._rows[other[part]]].astype(np.float32)
            margin = MARGINS[change.view]
            alike[part] = likeness(np.asarray(down @ pictures @ across.T), others, margin=margin)
            stored = self._hashes[self._rows[other[part]], _words(change.view)]
            differing[part] = num_bits(self._changed_hashes(changed[part], change) ^ stored).sum(1)
        passing = alike >= self._settings.min_likeness
        changed, other = changed[passing], other[passing]
        return CopyPairs(
            first=np.minimum(changed, other),
            second=np.maximum(changed, other),
            likeness=alike[passing],
            num_bits=differing[passing],
            mirrored=np.full(len(changed), change.mirrored),
        )

    def _changed_hashes(self, places: Rows, change: _Change) -> NDArray[np.uint64]:
        hashes = np.empty((len(places), WORDS_A_VIEW), dtype=np.uint64)
        for start in range(0, len(places), _CHUNK):
            part = slice(start, start + _CHUNK)
            pictures = self._pictures(places[part], change)
            hashes[part] = perceptual_hashes(pictures, window=change.window)[:, _words(change.view)]
        return hashes

    def _pictures(self, places: Rows, change: _Change) -> NDArray[np.uint8]:
        pictures = self._thumbnails[self._rows[places]]
        return pictures[:, :, ::-1] if change.mirrored else pictures

    def _structure(self, margin: float) -> NDArray[np.float64]:
        found = np.empty(len(self._rows))
        for start in range(0, len(self._rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            found[part] = structure(self._thumbnails[self._rows[part]], margin=margin)
        return found


def _words(view: int) -> slice:
    return slice(view * WORDS_A_VIEW, (view + 1) * WORDS_A_VIEW)
