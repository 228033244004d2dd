"""Which detection found which face: boxes compared by their overlap, as COCO's evaluation does.

Boxes are x, y, width and height in pixels: the left edge, the top edge, and sizes above 0. A box
covers the area between its edges; no pixel is added.

References:
    [Lin2014] Lin et al. Microsoft COCO: Common Objects in Context. ECCV 2014; its evaluation code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from debias.errors import DataError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

NOT_FOUND = -np.inf
"""The score of a face that no detection found: below every threshold."""
_LARGEST_IOU = 1 - 1e-10  # boxes that are the same must match whatever was rounded


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceBoxes:
    """The faces that there are to be found.

    Attributes:
        boxes: shape (face, 4).
        images: the picture of each, as integers from 0, shape (face,).
        ignored: faces that count neither as found nor as missed, and whose detection counts
            neither as right nor as false, shape (face,).
        crowds: those of the ignored that are a region of many faces: any number of detections may
            lie in it, and overlap is the share of the detection that does, shape (face,).
    """

    boxes: FloatArray
    images: IntArray
    ignored: BoolArray
    crowds: BoolArray

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detections:
    """What a detector answered.

    Attributes:
        boxes: shape (detection, 4).
        images: the picture of each, as integers from 0, shape (detection,).
        scores: larger is more like a face, finite, shape (detection,).
    """

    boxes: FloatArray
    images: IntArray
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matching:
    """Which detection found which face, at every threshold at once.

    A detection is matched before those of lower scores, so leaving out what is below a threshold
    changes no match above it: a face is found at a threshold t where its score is at least t.

    Attributes:
        face_scores: the score of the detection that found each face, :data:`NOT_FOUND` for none,
            shape (face,).
        faces: the face that each detection found, -1 for none, shape (detection,).
        counted_faces: the faces that are to be found, shape (face,); the others are ignored.
        counted: the detections that are right or false, shape (detection,).
    """

    face_scores: FloatArray
    faces: IntArray
    counted_faces: BoolArray
    counted: BoolArray

    @property
    def false(self) -> BoolArray:
        """The detections that found nothing, shape (detection,)."""
        return self.counted & (self.faces < 0)


def make_faces(
    boxes: ArrayLike,
    images: ArrayLike,
    *,
    ignored: ArrayLike | None = None,
    crowds: ArrayLike | None = None,
) -> FaceBoxes:
    """Return faces, checked; see :class:`FaceBoxes`. Crowds are ignored whatever ``ignored`` says.

    Raises:
        DataError: a box has no area or is not finite.
        ValueError: shapes differ.
    """
    checked = _checked_boxes(boxes, "face")
    nobody = np.zeros(len(checked), dtype=np.bool_)
    regions = nobody if crowds is None else np.asarray(crowds).astype(np.bool_)
    left_out = nobody if ignored is None else np.asarray(ignored).astype(np.bool_)
    places = np.asarray(images, dtype=np.int64)
    _check_lengths(len(checked), images=places, ignored=left_out, crowds=regions)
    return FaceBoxes(boxes=checked, images=places, ignored=left_out | regions, crowds=regions)


def make_detections(boxes: ArrayLike, images: ArrayLike, scores: ArrayLike) -> Detections:
    """Return detections, checked; see :class:`Detections`.

    Raises:
        DataError: a box has no area, or a box or score is not finite.
        ValueError: shapes differ.
    """
    checked = _checked_boxes(boxes, "detection")
    values = np.asarray(scores, dtype=np.float64)
    places = np.asarray(images, dtype=np.int64)
    _check_lengths(len(checked), images=places, scores=values)
    if num_bad := int(np.count_nonzero(~np.isfinite(values))):
        raise DataError(f"{num_bad} of {values.size} scores are NaN or infinite")
    return Detections(boxes=checked, images=places, scores=values)


def box_areas(boxes: FloatArray) -> FloatArray:
    """Return the area of each box in pixels, shape (box,)."""
    areas: FloatArray = boxes[..., 2] * boxes[..., 3]
    return areas


def intersections(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Return the area that each box shares with each other one, shape (box, other)."""
    shared = np.ones((len(boxes), len(others)))
    for start, size in ((0, 2), (1, 3)):
        ends = np.minimum.outer(
            boxes[:, start] + boxes[:, size], others[:, start] + others[:, size]
        )
        shared *= np.maximum(ends - np.maximum.outer(boxes[:, start], others[:, start]), 0)
    return shared


def box_iou(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Return intersection over union of each box with each other one, shape (box, other)."""
    shared = intersections(boxes, others)
    return shared / (box_areas(boxes)[:, None] + box_areas(others) - shared)


def match_boxes(
    detections: Detections,
    faces: FaceBoxes,
    *,
    min_iou: float = 0.5,
    areas: tuple[float, float] = (0.0, np.inf),
) -> Matching:
    """Return which detection found which face, picture by picture, as COCO's evaluation does.

    Detections take their turn by falling score, equal ones in their order. Each takes the face,
    not taken yet, that it overlaps most, the later of equals; if none is left that counts, an
    ignored one. Overlap is intersection over union, of a crowd the share of the detection.

    Args:
        detections: of all pictures, in any order.
        faces: of all pictures, in any order.
        min_iou: the least overlap, in (0, 1].
        areas: smallest and largest area of the faces that count, in pixels, both included; others
            are ignored, as are detections that found nothing and whose area lies outside.

    Raises:
        ValueError: ``min_iou`` is not in (0, 1].
    """
    if not 0 < min_iou <= 1:
        raise ValueError(f"min_iou is {min_iou}, not in (0, 1]")
    ignored = faces.ignored | ~_between(box_areas(faces.boxes), areas)
    found = np.full(len(faces), NOT_FOUND)
    taken_by = np.full(len(detections), -1, dtype=np.int64)
    ranks = np.argsort(-detections.scores, kind="stable")
    for ours, theirs in _by_picture(detections.images, ranks, faces.images):
        overlaps = _overlaps(detections.boxes[ours], faces.boxes[theirs], faces.crowds[theirs])
        is_free = np.ones(len(theirs), dtype=np.bool_)
        for turn, detection in enumerate(ours):
            chosen = _chosen(overlaps[turn], is_free, ignored[theirs], min_iou)
            if chosen < 0:
                continue
            face = theirs[chosen]
            taken_by[detection] = face
            is_free[chosen] = faces.crowds[face]
            found[face] = max(found[face], detections.scores[detection])
    is_right = (taken_by >= 0) & ~ignored[taken_by] if len(faces) else taken_by >= 0
    is_false = (taken_by < 0) & _between(box_areas(detections.boxes), areas)
    return Matching(
        face_scores=found, faces=taken_by, counted_faces=~ignored, counted=is_right | is_false
    )


def _chosen(overlaps: FloatArray, is_free: BoolArray, ignored: BoolArray, min_iou: float) -> int:
    """Return which face of a picture a detection takes, -1 for none."""
    enough = is_free & (overlaps >= min(min_iou, _LARGEST_IOU))
    for candidates in (enough & ~ignored, enough & ignored):
        if candidates.any():
            best = np.where(candidates, overlaps, -1.0)
            return int(len(best) - 1 - np.argmax(best[::-1]))
    return -1


def _overlaps(boxes: FloatArray, faces: FloatArray, crowds: BoolArray) -> FloatArray:
    shared = intersections(boxes, faces)
    areas = box_areas(boxes)[:, None]
    return shared / np.where(crowds, areas, areas + box_areas(faces) - shared)


def _by_picture(
    images: IntArray, ranks: IntArray, face_images: IntArray
) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield, for pictures that have both, their detections by rank and their faces in order."""
    ours = ranks[np.argsort(images[ranks], kind="stable")]
    theirs = np.argsort(face_images, kind="stable")
    both = np.intersect1d(images, face_images)
    low, high = (np.searchsorted(images[ours], both, side) for side in ("left", "right"))
    first, last = (np.searchsorted(face_images[theirs], both, side) for side in ("left", "right"))
    for detections, faces in zip(
        map(slice, low.tolist(), high.tolist()),
        map(slice, first.tolist(), last.tolist()),
        strict=True,
    ):
        yield ours[detections], theirs[faces]


def _between(areas: FloatArray, limits: tuple[float, float]) -> BoolArray:
    return (areas >= limits[0]) & (areas <= limits[1])


def _checked_boxes(boxes: ArrayLike, what: str) -> FloatArray:
    checked = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    bad = ~np.isfinite(checked).all(axis=1) | (checked[:, 2:] <= 0).any(axis=1)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"{np.count_nonzero(bad):,} of {len(checked):,} {what} boxes have no area or are not "
            f"finite; number {first} is {checked[first].tolist()}",
            hint="A box is x, y, width and height in pixels, width and height above 0",
        )
    return checked


def _check_lengths(count: int, **arrays: NDArray[np.generic]) -> None:
    for name, array in arrays.items():
        if array.shape != (count,):
            raise ValueError(f"{name} has shape {array.shape} beside {count} boxes")
