"""Draw the contact sheet of the testbed: faces by skin tone, then what is no face.

python experiments/testbed_calibration/sheet.py docs/testbed.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from debias.testbed.non_faces import NON_FACE_KINDS
from debias.testbed.population import Population, draw_faces, draw_non_faces
from debias.testbed.renderer import render

NUM_COLUMNS, FACE_ROWS, NON_FACE_ROWS, GAP = 10, 4, 2, 10


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--size", type=int, default=96, help="of a picture, in pixels")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    faces = render(choose_faces(chosen.seed), size=chosen.size)
    others = render(choose_non_faces(chosen.seed), size=chosen.size)
    gap = np.full((GAP, NUM_COLUMNS * chosen.size, 3), 255, dtype=np.uint8)
    sheet = np.concatenate([in_rows(faces), gap, in_rows(others)])
    Image.fromarray(sheet).save(chosen.output, quality=88)


def choose_faces(seed: int) -> pd.DataFrame:
    """Return faces in columns of swatches 1 to 10: no choice but by number."""
    faces = draw_faces(Population(), range(NUM_COLUMNS * FACE_ROWS), seed=seed)
    tones = np.tile(np.arange(1, NUM_COLUMNS + 1), FACE_ROWS)
    return faces.assign(tone=tones.astype(np.float32))


def choose_non_faces(seed: int) -> pd.DataFrame:
    """Return the first pictures of every kind, as many of each as there is room for."""
    drawn = draw_non_faces(range(400), seed=seed)
    order = drawn.groupby("kind").cumcount()
    kinds = drawn["kind"].map({kind: place for place, kind in enumerate(NON_FACE_KINDS)})
    ranked = drawn.assign(order=order, place=kinds).sort_values(["order", "place"])
    return ranked.head(NUM_COLUMNS * NON_FACE_ROWS)


def in_rows(images: np.ndarray) -> np.ndarray:
    """Return pictures (image, height, width, channel) side by side, in rows."""
    size = images.shape[1]
    grid = images.reshape(-1, NUM_COLUMNS, size, size, 3).transpose(0, 2, 1, 3, 4)
    return grid.reshape(-1, NUM_COLUMNS * size, 3)


if __name__ == "__main__":
    main()
