"""WIDER FACE: photographs with a box around every face, and labels that others published."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import ExifTags, Image

from debias.data.catalog import Definition
from debias.data.decode import quiet_pillow
from debias.data.layouts.places import below, find_top
from debias.data.layouts.prepared import (
    Failure,
    PreparedSet,
    finish,
    known_words,
    odd_lines,
    without,
)
from debias.data.layouts.texts import read_lines, read_rows
from debias.data.manifest import WINDOW_COLUMNS
from debias.data.pool import in_order, num_cores
from debias.data.tables import TEXT
from debias.errors import DataError

PARTS = (
    ("train", "WIDER_train/images", "wider_face_split/wider_face_train_bbx_gt.txt"),
    ("test", "WIDER_val/images", "wider_face_split/wider_face_val_bbx_gt.txt"),
)
LABELS = "demographics_val.csv"
FOLDERS_OF_LABELS = ("", "annotations", "widerface-demographics/annotations")
COLUMNS = {"gender": "perceived_gender", "fitzpatrick": "perceived_skin", "age": "perceived_age"}
TONES = {"I": "lighter", "II": "lighter", "III": "lighter"} | dict.fromkeys(
    ("IV", "V", "VI"), "darker"
)
NUM_NUMBERS, INVALID = 10, 7
MARGIN = 0.25
"""What a window shows beyond its box on each side, as a part of the box's longer side."""
LEAST_PIXELS = 20
"""Boxes whose longer side is less are left out: the people who labelled faces left them out too."""


class _Size(NamedTuple):
    width: int
    height: int
    reason: str  # why its boxes cannot be used; empty where they can


def read_wider(root: Path, definition: Definition) -> PreparedSet:
    """Return a square window around each face, and the published labels of those in val.

    What is published as val serves as the test: of the published test no box is known.

    Args:
        root: the folder that holds ``WIDER_train``, ``WIDER_val`` and ``wider_face_split``; the
            labels lie in it, or in one of :data:`FOLDERS_OF_LABELS`.
        definition: of the set.

    Raises:
        DataError: boxes are not there, or a file is not what it must be.
    """
    top = find_top(root, definition, [boxes for _, _, boxes in PARTS])
    failures: list[Failure] = []
    tables, notes = [], []
    all_ids: set[str] = set()
    for split, pictures, boxes in PARTS:
        if not (top / boxes).is_file():
            notes.append(f"No {boxes}: {pictures}/ is not used")
            continue
        table = _boxes(top / boxes)
        table["path"] = below(root, top / pictures) + table["file"]
        table["split"] = split
        all_ids.update(table["image_id"])
        tables.append(_windows(table, root, failures))
    table = pd.concat(tables, ignore_index=True).assign(label=1)
    words = None
    labels = next((p for f in FOLDERS_OF_LABELS if (p := top / f / LABELS).is_file()), None)
    if labels is None:
        notes.append(f"No {LABELS}: there are no attributes")
    else:
        words = known_words(_words(labels, all_ids, failures), definition, failures)
    return finish(
        table[["image_id", "path", "label", "split", *WINDOW_COLUMNS, "event"]],
        root=root,
        definition=definition,
        failures=failures,
        values=words,
        notes=notes,
    )


def _boxes(path: Path) -> pd.DataFrame:
    """Return a row a box: its picture, its number there from 0, and ten numbers."""
    rows = []
    lines = iter(read_lines(path))
    for file in lines:
        try:
            num_boxes = int(next(lines))
            # A picture without a face has a line of zeros nevertheless.
            boxes = [next(lines) for _ in range(max(1, num_boxes))][:num_boxes]
            numbers = [[float(cell) for cell in box.split()] for box in boxes]
        except (ValueError, StopIteration):
            raise DataError(
                f"is not a list of boxes: see {file!r}", where=path, hint="Is it complete?"
            ) from None
        if any(len(row) != NUM_NUMBERS for row in numbers):
            raise DataError(f"a box of {file!r} has not {NUM_NUMBERS} numbers", where=path)
        rows += [(file, face, *row[:4], row[INVALID]) for face, row in enumerate(numbers)]
    table = pd.DataFrame(rows, columns=["file", "face", "x", "y", "width", "height", "invalid"])
    if table.empty:
        raise DataError("holds no boxes", where=path)
    table["image_id"] = table["file"] + "#f" + table["face"].map("{:03d}".format)
    table["event"] = table["file"].str.partition("/")[0]
    return table


def _windows(table: pd.DataFrame, root: Path, failures: list[Failure]) -> pd.DataFrame:
    """Return the boxes that can be used, each with a square window around it."""
    sides = table[["width", "height"]].to_numpy(dtype=np.float64)
    shorter, longer = sides.min(axis=1), sides.max(axis=1)
    reasons = np.select(
        [table["invalid"].to_numpy() != 0, shorter <= 0, longer < LEAST_PIXELS],
        ["is marked invalid", "its box has no area", f"is smaller than {LEAST_PIXELS} pixels"],
        default="",
    )
    for reason in sorted(set(reasons) - {""}):
        table = without(table, reasons == reason, reason, failures)
        reasons = reasons[reasons != reason]
    sizes = dict(_sizes(root, table["path"].drop_duplicates()))
    for reason in sorted({size.reason for size in sizes.values()} - {""}):
        bad = np.array([sizes[path].reason == reason for path in table["path"]], dtype=bool)
        table = without(table, bad, reason, failures)
    size = np.array([sizes[path][:2] for path in table["path"]], dtype=np.float64).reshape(-1, 2)
    box = table[["x", "y", "width", "height"]].to_numpy(dtype=np.float64)
    outside = ((box[:, :2] >= size) | (box[:, :2] + box[:, 2:] <= 0)).any(axis=1)
    table = without(table, outside, "its box is outside the picture", failures)
    crops = square_windows(box[~outside], size[~outside], margin=MARGIN)
    return table.assign(**dict(zip(WINDOW_COLUMNS, crops.T, strict=True)))


def square_windows(
    boxes: NDArray[np.float64], sizes: NDArray[np.float64], *, margin: float
) -> NDArray[np.float64]:
    """Return a square window around each box, moved into its picture where it would leave it.

    Its side is ``1 + 2 margin`` times the longer side of the box, but never more than the short
    side of the picture.

    Args:
        boxes: left, top, width and height in pixels, of shape (box, 4).
        sizes: width and height of the pictures in pixels, of shape (box, 2).
        margin: a part of the longer side of a box.

    Returns:
        For each box what :class:`~debias.data.decode.Crop` holds, of shape (box, 3).
    """
    short = sizes.min(axis=1)
    side = np.minimum((1 + 2 * margin) * boxes[:, 2:].max(axis=1), short)
    room = sizes - side[:, None]
    corner = np.clip(boxes[:, :2] + boxes[:, 2:] / 2 - side[:, None] / 2, 0, room)
    place = np.divide(corner, room, out=np.full_like(room, 0.5), where=room > 0)
    return np.column_stack([side / short, place])


def _sizes(root: Path, paths: pd.Series[str]) -> Iterator[tuple[str, _Size]]:
    """Yield width and height of each picture, from its header, or why there is none."""
    with quiet_pillow():
        found = in_order(lambda path: _size(root / path), paths, num_cores())
        yield from zip(paths, found, strict=True)


def _size(path: Path) -> _Size:
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1)
            reason = "is turned by its EXIF data, boxes are not" if turned else ""
            return _Size(*image.size, reason)
    except FileNotFoundError:
        return _Size(0, 0, "there is no such file")
    except Exception:  # a broken file drives a decoder to raise anything
        return _Size(0, 0, "cannot be read as a picture")


def _words(path: Path, all_ids: set[str], failures: list[Failure]) -> pd.DataFrame:
    """Return the published labels of the faces, by the id of their windows."""
    rows = read_rows(path)
    failures += odd_lines(rows, path, kept=True)
    file = rows.column("file", where=path).str.removeprefix("images/")
    ids = pd.Index(file + "#f" + rows.column("face", where=path).str.zfill(3), name="image_id")
    reason = f"is labelled in {path.name}, but has no box"
    failures += [
        Failure(image_id=name, path=path.name, reason=reason) for name in ids if name not in all_ids
    ]
    said = {new: rows.column(old, where=path).to_numpy() for new, old in COLUMNS.items()}
    words = pd.DataFrame(said, index=ids, dtype=TEXT)
    words["skin_tone"] = words["fitzpatrick"].map(TONES).astype(TEXT)
    return words
