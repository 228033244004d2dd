"""Tiny copies of published layouts, of drawn pictures, and what the real command makes of them."""

from __future__ import annotations

import functools
import io
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from running import Debias

from debias.data.combine import ListedSet, read_sets
from debias.data.decode import DecodeSettings
from debias.data.prepared_folder import open_prepared
from debias.data.store import build_store
from debias.testbed.population import (
    GENDERS,
    SKIN_TONES,
    Population,
    draw_faces,
    draw_non_faces,
)
from debias.testbed.renderer import render_files
from debias.testbed.sets import true_attributes

SIDE = 40
SMALL = "testbed:planted:0.01"


@functools.cache
def people() -> pd.DataFrame:
    """Return twelve drawn faces, two of each skin tone and gender.

    Columns are the factors, what is true of each (:func:`true_attributes`), and ``file``, a JPEG of
    :data:`SIDE` x :data:`SIDE` pixels.
    """
    cells = [
        draw_faces(Population(skin_tones={tone: 1.0}, female=gender == "female"), range(2), seed=k)
        for k, (tone, gender) in enumerate(product(SKIN_TONES, GENDERS))
    ]
    faces = pd.concat(cells, ignore_index=True).assign(label=1)
    faces["image_id"] = [f"{k:04d}" for k in range(len(faces))]
    truth = true_attributes(faces).reset_index(drop=True)
    factors = faces.drop(columns=truth.columns, errors="ignore")
    return pd.concat([factors, truth], axis="columns").assign(
        file=list(render_files(faces, size=SIDE))
    )


@functools.cache
def scenes() -> list[bytes]:
    """Return six drawn pictures that show no face, as JPEG."""
    return list(render_files(draw_non_faces(range(6), seed=0), size=SIDE))


def pixels_of(file: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))


def write(path: Path, file: bytes) -> Path:
    """Write a JPEG, anew where the path asks for another format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() in {".jpg", ".jpeg"}:
        path.write_bytes(file)
    else:
        Image.fromarray(pixels_of(file)).save(path)
    return path


def flat_picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int]) -> Path:
    """Write a picture of one colour, for tests that read it; size is width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, quality=95)
    return path


def picture(path: Path) -> Path:
    """Write one of the drawn faces, by the file's name."""
    faces = people()["file"]
    return write(path, faces[zlib.crc32(path.name.encode()) % len(faces)])


def pictures(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        picture(folder / name)


def two_faces(folder: Path) -> Path:
    """Write two faces, named as in UTKFace."""
    pictures(folder, ["26_0_1_20170116184024662.jpg", "27_1_0_20170116184024663.jpg"])
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def other_pictures(folder: Path, names: Iterable[str]) -> None:
    """Write drawn pictures without a face."""
    for name in names:
        write(folder / name, scenes()[zlib.crc32(name.encode()) % len(scenes())])


def text(path: Path, content: str) -> Path:
    """Write a text file with exactly these line endings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    return path


@dataclass(frozen=True, kw_only=True)
class Made:
    """What ``debias data prepare`` wrote."""

    folder: Path
    out: str
    images: pd.DataFrame
    attributes: pd.DataFrame
    provenance: dict[str, str]
    failures: pd.DataFrame
    facts: dict[str, Any]

    def failed(self, *, kept: bool = False) -> dict[str, str]:
        """Return the reason by image id."""
        rows = self.failures[self.failures["kept"] == str(kept)]
        return dict(zip(rows["image_id"], rows["reason"], strict=True))

    def pixels(self, cache: Path, size: int = 16) -> dict[str, NDArray[np.uint8]]:
        """Return each image as the store decodes it, by id: what a training would see."""
        found = open_prepared(self.folder)
        manifest = read_sets([ListedSet(manifest=found.manifest, root=found.root)])
        store = build_store(
            manifest, DecodeSettings(image_size=size), cache=cache, progress=False, strict=True
        )
        return dict(zip(store.image_ids, np.asarray(store.images), strict=True))


def prepared(debias: Debias, name: str, root: Path, *words: object) -> Made:
    """Run ``debias data prepare NAME --root ROOT`` and read what it wrote."""
    outcome = debias("data", "prepare", name, "--root", root, "--quiet", *words)
    assert outcome.status == 0, outcome.err
    manifest = Path(outcome.out.splitlines()[-1])
    folder = manifest.parent
    has_attributes = (folder / "attributes.csv").exists()
    attributes = folder / "attributes.csv"
    beside = folder / "attributes.provenance.json"
    return Made(
        folder=folder,
        out=outcome.out,
        images=_read(manifest).set_index("image_id"),
        attributes=_read(attributes).set_index("image_id") if has_attributes else pd.DataFrame(),
        provenance=json.loads(beside.read_text()) if has_attributes else {},
        failures=_read(folder / "failures.csv"),
        facts=json.loads((folder / "data.json").read_text()),
    )


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)
