"""Draw a set of scenes into a folder: pictures, boxes, attributes and factors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from debias.data.prepared_folder import ATTRIBUTES, FACTORS, PICTURES, PROVENANCE
from debias.data.tables import write_table
from debias.errors import OutputError
from debias.rundir import write_json
from debias.testbed.scene_renderer import render_scenes
from debias.testbed.scenes import SCENE_VERSION, Scenes, SceneSet, draw_scenes
from debias.testbed.sets import SPLITS

MANIFEST, BOXES, ANNOTATIONS = "pictures.csv", "boxes.csv", "annotations.json"
BOX = ("x", "y", "width", "height")
PICTURE_COLUMNS = ("image_id", "path", "split", "width", "height")
LEAST_VISIBLE = 0.3
"""Faces of which a smaller share is seen count neither as found nor as missed."""
DIGITS = 4
"""Of a share that is seen."""


def write_scenes(
    scene_set: SceneSet,
    folder: Path,
    *,
    fraction: float = 1.0,
    seed: int = 0,
    num_workers: int | None = None,
    show_progress: bool = False,
) -> pd.DataFrame:
    """Draw a set of scenes into a folder.

    ``images/SPLIT/*.jpg`` are the pictures; ``pictures.csv`` lists them, and is written last.
    ``boxes.csv`` has a row a face: see :func:`box_table`. ``attributes.csv`` says what is true of
    the faces, by ``face_id``, and ``attributes.provenance.json`` that the program knows.
    ``factors.parquet`` holds every layer of every scene: see
    :class:`~debias.testbed.scenes.Scenes`. ``annotations.json`` repeats the boxes in the form of
    COCO: see :func:`coco`.

    Args:
        scene_set: which.
        folder: where to write; it is made.
        fraction: the part of the pictures to draw, above 0.
        seed: another seed gives other people and pictures.
        num_workers: threads; None uses all cores.
        show_progress: draw a progress bar.

    Returns:
        What is true of the faces; see :meth:`~debias.testbed.scenes.Scenes.attributes`.

    Raises:
        OutputError: a file cannot be written.
        ConfigError: there is no thread to work.
        DataError: the fraction is not above 0.
    """
    scenes = draw_scenes(scene_set.scaled(fraction), seed=seed)
    paths = PICTURES + "/" + scenes.pictures["split"] + "/" + scenes.pictures["image_id"] + ".jpg"
    pictures = scenes.pictures.assign(path=paths)[list(PICTURE_COLUMNS)]
    rendered = render_scenes(scenes, num_workers=num_workers)
    bar = tqdm(rendered, "Drawing", total=len(pictures), unit=" scenes", disable=not show_progress)
    boxes, visible = [], []
    try:
        for split in SPLITS:
            (folder / PICTURES / split).mkdir(parents=True, exist_ok=True)
        for path, scene in zip(paths, bar, strict=True):
            (folder / path).write_bytes(scene.file)
            boxes.append(scene.boxes)
            visible.append(scene.visible)
    except OSError as problem:
        raise OutputError(
            f"cannot be written: {problem.strerror}",
            where=folder,
            hint="Check the space left and the permissions",
        ) from problem
    table = box_table(scenes, np.concatenate(boxes), np.concatenate(visible))
    truth = scenes.attributes()
    info = {"description": scene_set.summary, "version": f"{SCENE_VERSION}", "seed": seed}
    write_table(scenes.layers, folder / FACTORS)
    write_json(folder / PROVENANCE, dict.fromkeys(truth.columns, "constructed"))
    write_table(truth.reset_index(), folder / ATTRIBUTES)
    write_json(folder / ANNOTATIONS, {"info": info, **coco(pictures, table)})
    write_table(table, folder / BOXES)
    write_table(pictures, folder / MANIFEST)
    return truth


def box_table(
    scenes: Scenes, boxes: NDArray[np.int64], visible: NDArray[np.float64]
) -> pd.DataFrame:
    """Return where the faces of scenes are.

    Args:
        scenes: what was drawn.
        boxes: of :class:`~debias.testbed.scene_renderer.RenderedScene`, those of all pictures.
        visible: of the same.

    Returns:
        A row a face: ``face_id``, ``image_id``, ``x``, ``y``, ``width`` and ``height`` in pixels,
        ``visible``, the share that is seen, to four digits, and ``ignore``: 1 where that is below
        :data:`LEAST_VISIBLE`, otherwise 0.
    """
    table = scenes.faces()[["face_id", "image_id"]]
    table[list(BOX)] = boxes
    seen = np.round(visible, DIGITS)
    return table.assign(visible=seen, ignore=(seen < LEAST_VISIBLE).astype(np.int64))


def coco(pictures: pd.DataFrame, boxes: pd.DataFrame) -> dict[str, Any]:
    """Return pictures and boxes in the form of COCO, with one category, ``face``.

    What is to be ignored is ``ignore``, and ``iscrowd`` too: that is what COCO's own evaluation
    and most loaders go by. Detections that lie in such a box then count neither as right nor as
    false, however many they are.

    Args:
        pictures: ``image_id``, ``path``, ``split``, ``width`` and ``height``.
        boxes: see :func:`box_table`.

    References:
        T.-Y. Lin et al. Microsoft COCO: Common Objects in Context. ECCV 2014.
    """
    numbers = {name: number for number, name in enumerate(pictures["image_id"], start=1)}
    images = [
        {
            "id": numbers[row["image_id"]],
            "file_name": row["path"],
            "width": row["width"],
            "height": row["height"],
            "split": row["split"],
        }
        for row in pictures.to_dict("records")
    ]
    annotations = [
        {
            "id": number,
            "image_id": numbers[row["image_id"]],
            "category_id": 1,
            "bbox": [row[name] for name in BOX],
            "area": row["width"] * row["height"],
            "iscrowd": row["ignore"],
            "ignore": row["ignore"],
            "face_id": row["face_id"],
            "visible": row["visible"],
        }
        for number, row in enumerate(boxes.to_dict("records"), start=1)
    ]
    categories = [{"id": 1, "name": "face", "supercategory": "person"}]
    return {"images": images, "annotations": annotations, "categories": categories}
