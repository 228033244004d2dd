"""Pictures of drawn faces, as files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
from PIL import Image

from debias.data.manifest import Manifest, manifest_from_table
from debias.data.pool import in_order
from debias.testbed.renderer import render, render_files
from debias.testbed.sets import draw_testbed, load_testbed

QUALITY = 90  # of the JPEG files of 178 x 218


def draw_upright(folder: Path, num_images: int, *, num_workers: int) -> Manifest:
    """Draw faces of 178 x 218 pixels, the size of CelebA's, into a new folder, and list them."""
    factors = _faces(num_images)

    def write(first: int) -> None:
        for k, square in enumerate(render(factors.iloc[first : first + 16], size=218), first):
            picture = Image.fromarray(square).crop((20, 0, 198, 218))
            picture.save(folder / f"{k:06d}.jpg", "JPEG", quality=QUALITY)

    folder.mkdir(parents=True)
    for _ in in_order(write, range(0, num_images, 16), num_workers):
        pass
    return _listed(folder, num_images)


def draw_square(folder: Path, num_images: int, *, num_workers: int) -> Manifest:
    """Draw faces of 64 x 64 pixels into a new folder, and list them."""
    folder.mkdir(parents=True)
    contents = render_files(_faces(num_images), size=64, num_workers=num_workers)
    for k, content in enumerate(contents):
        (folder / f"{k:06d}.jpg").write_bytes(content)
    return _listed(folder, num_images)


def _faces(num_images: int) -> pd.DataFrame:
    testbed = load_testbed("balanced")
    images = draw_testbed(replace(testbed, faces=(num_images, 1, 1), non_faces=(1, 1, 1)))
    return images[images["label"] == 1].head(num_images)


def _listed(folder: Path, num_images: int) -> Manifest:
    table = pd.DataFrame({"path": [f"{k:06d}.jpg" for k in range(num_images)]})
    table.to_parquet(folder / "images.parquet")
    return manifest_from_table(table, root=folder)
