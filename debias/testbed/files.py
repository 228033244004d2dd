"""Draw a testbed into a folder of image files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from debias.data.tables import write_table
from debias.errors import OutputError
from debias.testbed.renderer import render_files
from debias.testbed.sets import SPLITS, Testbed, draw_testbed, true_attributes


def write_testbed(
    testbed: Testbed,
    folder: Path,
    *,
    size: int = 64,
    seed: int = 0,
    num_workers: int | None = None,
    show_progress: bool = False,
) -> pd.DataFrame:
    """Draw a testbed into a folder: ``images/``, ``images.csv`` and ``factors.parquet``.

    ``images.csv`` is a manifest, with a column ``kind``; it is written last. ``factors.parquet``
    holds every factor of every image.

    Args:
        testbed: which.
        folder: where to write; it is made.
        size: height and width in pixels.
        seed: another seed gives other people and pictures.
        num_workers: threads; None uses all cores.
        show_progress: draw a progress bar.

    Returns:
        What is true of the people shown; see :func:`true_attributes`.

    Raises:
        OutputError: a file cannot be written.
        ConfigError: the size is out of its range, or there is no thread to work.
    """
    images = draw_testbed(testbed, seed=seed)
    paths = [
        f"images/{split}/{name}.jpg"
        for split, name in zip(images["split"], images["image_id"], strict=True)
    ]
    files = render_files(images, size=size, num_workers=num_workers)
    bar = tqdm(files, "Drawing", total=len(images), unit=" images", disable=not show_progress)
    try:
        for split in SPLITS:
            (folder / "images" / split).mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, bar, strict=True):
            (folder / path).write_bytes(content)
    except OSError as problem:
        raise OutputError(
            f"cannot be written: {problem.strerror}",
            where=folder,
            hint="Check the space left and the permissions",
        ) from problem
    write_table(images, folder / "factors.parquet")
    manifest = images.assign(path=paths)[["image_id", "path", "label", "split", "kind"]]
    write_table(manifest, folder / "images.csv")
    return true_attributes(images)
