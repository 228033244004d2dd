"""What is where in a scene: background, heads, and what is in front of them.

Places are in pixels from the picture's left and top edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Picture = tuple[int, int]
"""Width and height in pixels."""

LEAST_HEIGHT, MOST_HEIGHT = 20.0, 0.8
"""Of heads: in pixels, and as a share of the picture's shorter side."""
OTHER_HEADS = (0.3, 0.35, 0.2, 0.15)
"""How often a scene has 0, 1, 2 or 3 heads that are no faces."""
NUM_PANELS, NUM_GROUPS = (5, 13), (2, 6)
"""Least and most boxes, and groups of objects, behind the heads."""
CUT_SHARE = 0.1
"""Of heads that the picture's edge may cut."""
CARELESS_SHARE = 0.05
"""Of heads that are put anywhere; others where nearer people hide little of them."""
HIDING_SHARE = 0.25
"""Of scenes with heads in which a bar or a hand is in front of one."""
HAND_SHARE = 0.5
"""Of these, those with a hand."""
_TRIES = 40
_LITTLE = 0.1
_STEPS = 16  # places are kept in sixteenths of a pixel: machines differ in the last digit of a log


class Piece(NamedTuple):
    """A layer of a scene.

    Attributes:
        kind: ``ground``, ``panel``, ``objects``, ``face``, ``other`` (a head that is no face),
            ``bar`` or ``hand``.
        number: which of its kind, from 0.
        x: of its middle.
        y: of its middle.
        size: height of a head; otherwise width and height of the frame.
        half_width: of a box in its frame, in half frames.
        half_height: of the same.
        roundness: of the box's corners, 0 to 1.
        turn: of a box or hand, in degrees clockwise.
    """

    kind: str
    number: int
    x: float
    y: float
    size: float
    half_width: float = 1.0
    half_height: float = 1.0
    roundness: float = 0.0
    turn: float = 0.0


class _Head(NamedTuple):
    x: float
    y: float
    height: float


def lay_out(random: np.random.Generator, picture: Picture, num_faces: int) -> list[Piece]:
    """Return the layers of a scene, from the farthest to the nearest.

    Args:
        random: decides everything.
        picture: its width and height.
        num_faces: how many faces it shows.
    """
    pieces = [Piece("ground", 0, picture[0] / 2, picture[1] / 2, max(picture), 2.0, 2.0)]
    pieces += _panels(random, picture)
    pieces += _groups(random, picture)
    num_others = int(np.searchsorted(np.cumsum(OTHER_HEADS)[:-1], random.random(), side="right"))
    heads = _heads(random, picture, num_faces + num_others)
    is_face = random.permutation(len(heads)) < num_faces
    hidden = int(random.random() * len(heads)) if random.random() < HIDING_SHARE else -1
    for number, head in enumerate(heads):
        kind = "face" if is_face[number] else "other"
        place = int(np.count_nonzero(is_face[:number] == is_face[number]))
        pieces.append(Piece(kind, place, head.x, head.y, head.height))
        if number == hidden:
            pieces.append(_in_front(random, head))
    return [_rounded(piece) for piece in pieces]


def _rounded(piece: Piece) -> Piece:
    numbers = (round(value * _STEPS) / _STEPS for value in piece[2:5])
    shape = (float(np.float32(value)) for value in piece[5:])
    return Piece(piece.kind, piece.number, *numbers, *shape)


def _between(random: np.random.Generator, low: float, high: float) -> float:
    """Return a length, those of all scales alike."""
    return float(low * (high / low) ** random.random())


def _panels(random: np.random.Generator, picture: Picture) -> list[Piece]:
    """Return boxes as small as the smallest heads to as large as the picture, larger ones first."""
    low, high = NUM_PANELS
    count = low + int(random.random() * (high - low + 1))
    sizes = sorted(_between(random, LEAST_HEIGHT, max(picture)) for _ in range(count))[::-1]
    panels = []
    for number, size in enumerate(sizes):
        narrow = 0.35 + 0.65 * random.random()
        halves = (1.0, narrow) if random.random() < 0.5 else (narrow, 1.0)
        is_upright = random.random() < 0.6
        turn = 90 * (random.random() - 0.5) if not is_upright else 0.0
        roundness = random.random() ** 2 if random.random() < 0.6 else 0.0
        x, y = random.random() * picture[0], random.random() * picture[1]
        panels.append(Piece("panel", number, x, y, size, *halves, roundness, turn))
    return panels


def _groups(random: np.random.Generator, picture: Picture) -> list[Piece]:
    """Return frames in which objects lie together."""
    low, high = NUM_GROUPS
    groups = []
    for number in range(low + int(random.random() * (high - low + 1))):
        size = _between(random, 0.25 * min(picture), min(picture))
        x, y = random.random() * picture[0], random.random() * picture[1]
        groups.append(Piece("objects", number, x, y, size))
    return groups


def _heads(random: np.random.Generator, picture: Picture, count: int) -> list[_Head]:
    """Return heads from the farthest to the nearest: the smaller a head, the farther."""
    largest = MOST_HEIGHT * min(picture)
    heights = sorted(_between(random, LEAST_HEIGHT, largest) for _ in range(count))[::-1]
    nearest_first: list[_Head] = []
    for height in heights:
        is_cut = random.random() < CUT_SHARE
        tries = 1 if random.random() < CARELESS_SHARE else _TRIES
        best, least = None, np.inf
        for _ in range(tries):
            place = _at_edge if is_cut else _inside
            head = _Head(*place(random, picture, height), height)
            hidden = _hidden_share(head, nearest_first)
            if hidden < least:
                best, least = head, hidden
            if hidden <= _LITTLE:
                break
        assert best is not None
        nearest_first.append(best)
    return nearest_first[::-1]


def _inside(random: np.random.Generator, picture: Picture, height: float) -> tuple[float, float]:
    """Return a place for the middle of a head that the edge does not cut."""
    x, y = (
        margin + random.random() * (length - 2 * margin)
        for length, margin in zip(picture, (0.46 * height, 0.52 * height), strict=True)
    )
    return x, y


def _at_edge(random: np.random.Generator, picture: Picture, height: float) -> tuple[float, float]:
    """Return a place for the middle of a head at any of the four edges."""
    x, y = random.random() * picture[0], random.random() * picture[1]
    axis, is_far = int(random.random() * 2), random.random() < 0.5
    depth = (0.65 * random.random() - 0.25) * height
    beyond = picture[axis] - depth if is_far else depth
    return (beyond, y) if axis == 0 else (x, beyond)


def _hidden_share(head: _Head, nearer: Sequence[_Head]) -> float:
    """Return about how much of a head the nearest of people hide: heads as boxes, with bodies."""
    shares = [0.0]
    for other in nearer:
        for half_width, top, bottom in ((0.55, -0.6, 0.55), (0.85, 0.55, 6.0)):
            across = min(head.x + 0.4 * head.height, other.x + half_width * other.height)
            across -= max(head.x - 0.4 * head.height, other.x - half_width * other.height)
            down = min(head.y + 0.5 * head.height, other.y + bottom * other.height)
            down -= max(head.y - 0.5 * head.height, other.y + top * other.height)
            shares.append(max(across, 0.0) * max(down, 0.0) / (0.8 * head.height**2))
    return max(shares)


def _in_front(random: np.random.Generator, head: _Head) -> Piece:
    """Return a bar or a hand before a head."""
    is_hand = random.random() < HAND_SHARE
    if is_hand:
        x = head.x + (random.random() - 0.5) * 0.6 * head.height
        y = head.y + (0.1 + 0.4 * random.random()) * head.height
        size = (0.75 + 0.25 * random.random()) * head.height
        return Piece("hand", 0, x, y, size, turn=120 * (random.random() - 0.5))
    x = head.x + (random.random() - 0.5) * 0.6 * head.height
    y = head.y + (random.random() - 0.5) * 0.7 * head.height
    thickness = 0.1 + 0.2 * random.random()
    length = 2.0 + 4.0 * random.random()
    turn = 180 * random.random()
    return Piece("bar", 0, x, y, head.height, length, thickness, random.random(), turn)
