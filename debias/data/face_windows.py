"""Windows to train a detector on: around the faces of pictures, beside them, and elsewhere.

A detector looks through a square window that is moved over a picture. It must say yes where the
window shows a face well, also a little off in place and size, since windows come in steps; and no
where a window shows part of a face, or none.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.manifest import MANIFEST_COLUMNS, WINDOW_COLUMNS
from debias.errors import ConfigError, DataError
from debias.seeding import numpy_generator

BOX_COLUMNS = ("x", "y", "width", "height")
FloatArray = NDArray[np.float64]
_TRIES = 8  # draws for each window beside or elsewhere that is wanted; what is not met is left out


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceWindowSettings:
    """Which windows a picture gives.

    Sizes and places of windows are compared by intersection over union (IoU) with the window that
    shows a face well: the square about the middle of its box whose side is ``context`` times the
    geometric mean of the box's sides.

    Attributes:
        context: how much larger a window is than a face.
        shift: largest displacement of a window about a face, along each axis, in sides.
        zoom: largest change of its side, as a logarithm.
        around: windows about each face.
        beside: windows that show part of a face, for each face.
        elsewhere: other windows of each picture.
        least: a window about a face, pushed into its picture, must still have this IoU.
        most: windows beside faces and elsewhere have at most this IoU.
        smallest: sides of faces and of windows elsewhere are at least this, in pixels.

    Raises:
        ConfigError: a setting is out of its range.
    """

    context: float = 1.8
    shift: float = 0.06
    zoom: float = 0.12
    around: int = 2
    beside: int = 2
    elsewhere: int = 6
    least: float = 0.5
    most: float = 0.3
    smallest: int = 24

    def __post_init__(self) -> None:
        allowed = {
            "context": (1 <= self.context <= 4, "1 to 4"),
            "shift": (0 <= self.shift <= 0.25, "0 to 0.25"),
            "zoom": (0 <= self.zoom <= 0.5, "0 to 0.5"),
            "around": (self.around >= 1, "at least 1"),
            "beside": (self.beside >= 0, "at least 0"),
            "elsewhere": (self.elsewhere >= 0, "at least 0"),
            "most": (0 < self.most < self.least < 1, "above 0, and below windows.least, below 1"),
            "smallest": (self.smallest >= 8, "at least 8 pixels"),
        }
        for name, (fits, meaning) in allowed.items():
            if not fits:
                raise ConfigError(
                    f"{getattr(self, name)} is out of range",
                    where=f"windows.{name}",
                    hint=f"It must be {meaning}",
                )


def ideal_windows(boxes: FloatArray, context: float) -> FloatArray:
    """Return the windows that show faces well: x, y and side in pixels, shape (face, 3).

    Args:
        boxes: x, y, width and height in pixels, shape (face, 4).
        context: see :class:`FaceWindowSettings`.
    """
    side = context * np.sqrt(boxes[:, 2] * boxes[:, 3])
    return np.column_stack([boxes[:, :2] + (boxes[:, 2:] - side[:, None]) / 2, side])


def face_in_window(boxes: FloatArray, context: float) -> tuple[float, float, float, float]:
    """Return where faces lie in such windows on the mean: x, y, width, height in sides.

    Args:
        boxes: x, y, width and height in pixels, shape (face, 4), at least one.
        context: see :class:`FaceWindowSettings`.
    """
    windows = ideal_windows(boxes, context)
    width, height = np.exp(np.log(boxes[:, 2:] / windows[:, 2:]).mean(axis=0)).tolist()
    return ((1 - width) / 2, (1 - height) / 2, width, height)


def face_windows(
    pictures: pd.DataFrame, boxes: pd.DataFrame, settings: FaceWindowSettings, *, seed: int
) -> pd.DataFrame:
    """Return the rows of a manifest whose images are windows of pictures.

    What a picture gives depends on the seed, its id and its boxes alone. Windows lie within their
    picture: those that would stick out are pushed in.

    Args:
        pictures: ``image_id``, ``path``, ``split``, ``width`` and ``height`` in pixels.
        boxes: ``face_id``, ``image_id``, ``x``, ``y``, ``width`` and ``height`` in pixels, and
            where there is one ``ignore`` (truth value): faces that windows are neither to show
            nor to miss.
        settings: which windows.
        seed: another one gives other windows.

    Returns:
        The columns of a manifest, windows included. Windows about a face are called
        ``IMAGE#fK-N``, those beside ``IMAGE#bK-N``, the others ``IMAGE#eN``.

    Raises:
        DataError: a box belongs to no picture.
    """
    strange = ~boxes["image_id"].isin(pictures["image_id"])
    if strange.any():
        first = boxes.loc[strange].iloc[0]
        raise DataError(
            f"{int(strange.sum())} boxes belong to no picture; face {first['face_id']!r} is of "
            f"{first['image_id']!r}"
        )
    by_picture = boxes.groupby("image_id", sort=False).indices
    nobody = np.empty(0, dtype=np.intp)
    rows = [
        row
        for picture in pictures.to_dict("records")
        for row in _windows_of(
            picture, boxes.iloc[by_picture.get(picture["image_id"], nobody)], settings, seed
        )
    ]
    return pd.DataFrame(rows, columns=[*MANIFEST_COLUMNS, *WINDOW_COLUMNS])


def _windows_of(
    picture: Mapping[Hashable, Any], boxes: pd.DataFrame, settings: FaceWindowSettings, seed: int
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a picture."""
    image_id = picture["image_id"]
    size = np.array([picture["width"], picture["height"]], dtype=np.float64)
    generator = numpy_generator(seed, "face windows", image_id)
    places = boxes[list(BOX_COLUMNS)].to_numpy(dtype=np.float64)
    ideal = ideal_windows(places, settings.context)
    is_small = np.sqrt(places[:, 2] * places[:, 3]) < settings.smallest
    ignored = boxes["ignore"].to_numpy(dtype=bool) if "ignore" in boxes else np.zeros_like(is_small)
    found: list[tuple[str, int, FloatArray]] = []
    for face in np.flatnonzero(~ignored & ~is_small):
        target = ideal[face]
        around = _pushed_in(_near(target, settings, generator), size)
        kept = window_iou(around, target[None])[:, 0] >= settings.least
        found += [(f"f{face}-{k}", 1, around[k]) for k in np.flatnonzero(kept)]
        beside = _apart(_off(target, settings, generator), ideal, size, settings)
        found += [(f"b{face}-{k}", 0, row) for k, row in enumerate(beside[: settings.beside])]
    drawn = _anywhere(size, settings, generator)
    elsewhere = _apart(drawn, ideal, size, settings)[: settings.elsewhere]
    found += [(f"e{k}", 0, row) for k, row in enumerate(elsewhere)]
    for name, label, window in found:
        room = size - window[2]
        x, y = np.where(room > 0, window[:2] / np.maximum(room, 1e-9), 0.5).clip(0, 1)
        yield {
            "image_id": f"{image_id}#{name}",
            "path": picture["path"],
            "label": label,
            "split": picture["split"],
            "identity_id": pd.NA,
            "crop_side": window[2] / size.min(),
            "crop_x": x,
            "crop_y": y,
        }


def window_iou(windows: FloatArray, others: FloatArray) -> FloatArray:
    """Return intersection over union of square windows, shape (window, other).

    Args:
        windows: x, y and side, shape (window, 3).
        others: the same, shape (other, 3).
    """
    shared = np.ones((len(windows), len(others)))
    for axis in (0, 1):
        starts = np.maximum.outer(windows[:, axis], others[:, axis])
        ends = np.minimum.outer(windows[:, axis] + windows[:, 2], others[:, axis] + others[:, 2])
        shared *= np.maximum(ends - starts, 0)
    return shared / (windows[:, 2, None] ** 2 + others[:, 2] ** 2 - shared)


def _near(
    target: FloatArray, settings: FaceWindowSettings, generator: np.random.Generator
) -> FloatArray:
    """Return windows about a face, a little off."""
    draws = generator.uniform(-1, 1, size=(settings.around, 3))
    return _moved(target, draws[:, :2] * settings.shift, np.exp(draws[:, 2] * settings.zoom))


def _off(
    target: FloatArray, settings: FaceWindowSettings, generator: np.random.Generator
) -> FloatArray:
    """Return windows that show part of a face: half a side off, or half or twice the size."""
    count = settings.beside * _TRIES
    shifts = generator.uniform(-0.7, 0.7, size=(count, 2))
    return _moved(target, shifts, np.exp(generator.uniform(-1, 1, size=count)))


def _moved(target: FloatArray, shifts: FloatArray, zooms: FloatArray) -> FloatArray:
    """Return a window moved by shares of its side, and zoomed about its middle."""
    side = target[2] * zooms
    middle = target[:2] + target[2] / 2 + shifts * target[2]
    return np.column_stack([middle - side[:, None] / 2, side])


def _anywhere(
    size: FloatArray, settings: FaceWindowSettings, generator: np.random.Generator
) -> FloatArray:
    """Return windows anywhere in a picture, of sides as of all scales alike."""
    count, largest = settings.elsewhere * _TRIES, size.min()
    if largest < settings.smallest:
        return np.empty((0, 3))
    draws = generator.random((count, 3))
    side = np.exp(np.log(settings.smallest) + draws[:, 2] * np.log(largest / settings.smallest))
    return np.column_stack([draws[:, :2] * (size - side[:, None]), side])


def _apart(
    windows: FloatArray, ideal: FloatArray, size: FloatArray, settings: FaceWindowSettings
) -> FloatArray:
    """Return the windows, pushed into the picture, that show no face well, not an ignored one."""
    inside = _pushed_in(windows, size)
    inside = inside[inside[:, 2] >= settings.smallest]
    return inside[(window_iou(inside, ideal) <= settings.most).all(axis=1)]


def _pushed_in(windows: FloatArray, size: FloatArray) -> FloatArray:
    """Return windows that lie within a picture, made smaller where they are larger than it."""
    side = np.minimum(windows[:, 2], size.min())
    middle = windows[:, :2] + windows[:, 2:] / 2
    corner = (middle - side[:, None] / 2).clip(0, size - side[:, None])
    return np.column_stack([corner, side])
