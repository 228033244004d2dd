"""Find the faces in pictures with a trained model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw
from tqdm import tqdm

from debias.config import to_table
from debias.data.decode import DecodeSettings, ImageError, decode_picture, quiet_pillow, read_bytes
from debias.data.folders import pictures_below
from debias.data.pool import in_order, num_cores
from debias.data.source_files import FAILURE_COLUMNS
from debias.data.tables import write_table
from debias.errors import DataError, OutputError
from debias.inference.detect import DetectionSettings, FoundFaces, find_faces
from debias.inference.scoring import read_operating_point
from debias.models.checkpoint import load_model
from debias.models.db_vae import FaceModel
from debias.rundir import RunDir, check_output, create_run, provenance, write_json
from debias.training.device import make_fabric
from debias.training.trained import open_classifier

DETECTION_COLUMNS = ("image_id", "x", "y", "width", "height", "score")
PICTURE_COLUMNS = ("image_id", "width", "height", "num_faces")
LINE = (255, 64, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectJob:
    """Which pictures to search, by which model, and where to write.

    Attributes:
        paths: pictures, and folders whose pictures are all searched.
        model: the run directory that training wrote.
        output: the directory for ``detections.parquet`` and what belongs to it.
        settings: how pictures are searched; its threshold is not looked at.
        threshold: the score that a face must have, in (0, 1); None for that of the run's operating
            point.
        draw: also write the pictures with the boxes drawn.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        overwrite: replace an existing output.
        num_workers: threads that read pictures; None uses all cores.
        show_progress: draw a progress bar.
        say: takes a line for the person watching.
    """

    paths: Sequence[Path]
    model: Path
    output: Path
    settings: DetectionSettings = field(default_factory=DetectionSettings)
    threshold: float | None = None
    draw: bool = False
    device: str = "auto"
    overwrite: bool = False
    num_workers: int | None = None
    show_progress: bool = True
    say: Callable[[str], None] = print


def run_detect(job: DetectJob) -> RunDir:
    """Write the faces found in the pictures and return the directory they are in.

    Raises:
        DebiasError: no such run, a model that does not classify, no picture, or none that can be
            read.
    """
    check_output(job.output, overwrite=job.overwrite, inputs=(job.model, *job.paths))
    trained, run_settings = open_classifier(job.model)
    pictures = list_pictures(job.paths)
    point = read_operating_point(trained.operating_point)
    probability = point.threshold if job.threshold is None else job.threshold
    settings = replace(job.settings, threshold=_log_odds(probability))
    fabric = make_fabric(job.device, "fp32")
    model = load_model(trained.model).to(fabric.device)
    found, failures = _search(job, model, pictures, settings)
    if not found:
        raise DataError(
            f"none of {len(pictures):,} pictures can be read; {failures[0][1]}: {failures[0][2]}",
            where=job.paths[0],
        )
    run = create_run(job.output, overwrite=job.overwrite)
    write_json(
        run.run_file,
        provenance(
            job="detect",
            settings={"model": to_table(run_settings), "detection": asdict(settings)},
            data={"num_pictures": len(found), "num_failed": len(failures)},
            device=str(fabric.device),
        ),
    )
    detections = detections_table(found)
    write_table(detections, run.detections)
    write_table(pictures_table(found), run.pictures)
    write_json(run.detections_coco, coco_annotations(found))
    write_table(pd.DataFrame(failures, columns=FAILURE_COLUMNS), run.failures)
    if job.draw:
        _draw_all(found, pictures, run)
    failed = f"; {len(failures):,} could not be read" if failures else ""
    job.say(f"{len(detections):,} faces found in {len(found):,} pictures{failed}")
    return run


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchedPicture:
    """A picture and the faces found in it.

    Attributes:
        image_id: its name.
        width: in pixels, upright.
        height: in pixels, upright.
        faces: by falling score.
    """

    image_id: str
    width: int
    height: int
    faces: FoundFaces


def list_pictures(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the pictures by their names: of files their own, of folders the path within.

    Raises:
        DataError: a path is not there, a folder holds no picture, or a name comes twice.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise DataError("there is no such file or folder", where=path, hint="Check the path")
        inner = [path.name] if path.is_file() else pictures_below(path)
        root = path.parent if path.is_file() else path
        for name in inner:
            if name in found:
                raise DataError(
                    f"two pictures are called {name!r}",
                    where=root / name,
                    hint="Name a folder that holds both, or search them one after the other",
                )
            found[name] = root / name
    return found


def _search(
    job: DetectJob,
    model: FaceModel,
    pictures: dict[str, Path],
    settings: DetectionSettings,
) -> tuple[list[SearchedPicture], list[tuple[str, str, str]]]:
    """Return the searched pictures, and those that cannot be read, with reasons."""
    found, failures = [], []
    load = partial(_load, settings=DecodeSettings())
    with (
        quiet_pillow(),
        tqdm(
            desc="Searching",
            total=len(pictures),
            unit=" pictures",
            disable=not job.show_progress,
            dynamic_ncols=True,
        ) as bar,
    ):
        loaded = in_order(load, pictures.values(), job.num_workers or num_cores())
        for image_id, picture in zip(pictures, loaded, strict=True):
            if isinstance(picture, ImageError):
                failures.append((image_id, image_id, picture.what))
            else:
                faces = find_faces(model, picture, settings)
                width, height = picture.size
                found.append(
                    SearchedPicture(image_id=image_id, width=width, height=height, faces=faces)
                )
            bar.update()
    return found, failures


def _load(path: Path, settings: DecodeSettings) -> Image.Image | ImageError:
    try:
        return decode_picture(read_bytes(path, settings), settings)
    except ImageError as problem:
        return problem


def _draw_all(found: Sequence[SearchedPicture], pictures: dict[str, Path], run: RunDir) -> None:
    """Write the pictures with their boxes, as JPEG files of their names."""
    with quiet_pillow():
        for each in found:
            picture = _load(pictures[each.image_id], DecodeSettings())
            if isinstance(picture, ImageError):
                raise DataError("has changed since it was searched", where=pictures[each.image_id])
            is_jpeg = each.image_id.lower().endswith((".jpg", ".jpeg"))
            _draw(picture, each.faces, run.drawn / f"{each.image_id}{'' if is_jpeg else '.jpg'}")


def _draw(picture: Image.Image, faces: FoundFaces, path: Path) -> None:
    """Write a picture with its boxes and scores."""
    pen = ImageDraw.Draw(picture)
    line = max(1, min(picture.size) // 200)
    for (x, y, width, height), score in zip(faces.boxes, faces.scores, strict=True):
        pen.rectangle((x, y, x + width - 1, y + height - 1), outline=LINE, width=line)
        pen.text((x + line + 1, y + line), f"{score:.2f}", fill=LINE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, quality=90)
    except OSError as problem:
        raise OutputError(
            f"cannot be written: {problem.strerror or problem}",
            where=path,
            hint="Check the space left and the permissions",
        ) from problem


def detections_table(found: Sequence[SearchedPicture]) -> pd.DataFrame:
    """Return one row a face: ``image_id``, the box in pixels, and the ``score``."""
    rows = [
        (picture.image_id, *box, score)
        for picture in found
        for box, score in zip(
            picture.faces.boxes.tolist(), picture.faces.scores.tolist(), strict=True
        )
    ]
    return pd.DataFrame(rows, columns=list(DETECTION_COLUMNS)).astype(
        {"image_id": "str", **dict.fromkeys(DETECTION_COLUMNS[1:], np.float64)}
    )


def pictures_table(found: Sequence[SearchedPicture]) -> pd.DataFrame:
    """Return one row a picture that was searched, those without faces included."""
    rows = [(each.image_id, each.width, each.height, len(each.faces.boxes)) for each in found]
    return pd.DataFrame(rows, columns=list(PICTURE_COLUMNS))


def coco_annotations(found: Sequence[SearchedPicture]) -> dict[str, Any]:
    """Return the faces as a data set in COCO's format, with a ``score`` each."""
    return {
        "info": {"description": "faces found by debias detect"},
        "images": [
            {"id": number, "file_name": each.image_id, "width": each.width, "height": each.height}
            for number, each in enumerate(found, start=1)
        ],
        "categories": [{"id": 1, "name": "face"}],
        "annotations": list(_annotations(found)),
    }


def _annotations(found: Sequence[SearchedPicture]) -> Iterator[dict[str, Any]]:
    faces = (
        (number, box, score)
        for number, picture in enumerate(found, start=1)
        for box, score in zip(
            picture.faces.boxes.tolist(), picture.faces.scores.tolist(), strict=True
        )
    )
    for number, (image, box, score) in enumerate(faces, start=1):
        yield {
            "id": number,
            "image_id": image,
            "category_id": 1,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
            "score": score,
        }


def _log_odds(probability: float) -> float:
    with np.errstate(divide="ignore"):
        return float(np.log(probability) - np.log1p(-probability))
