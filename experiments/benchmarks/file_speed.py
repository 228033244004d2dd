"""From image files to pixels and to scores: ours against plain loops over the files."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from data_speed import write_files
from measuring import Amount, Comparison, Measure, compare, take_turns, timed
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from training_speed import speed_settings

from debias.data.decode import DecodeSettings
from debias.data.manifest import manifest_from_folder
from debias.data.store import ImageStore, build_store
from debias.inference.scoring import score_images
from debias.models.db_vae import FaceModel
from debias.training.randomness import torch_seeded

BATCH = 128


class PictureFiles(Dataset[Tensor]):
    """Image files, opened one by one with Pillow, as floats in [0, 1]."""

    def __init__(self, paths: Sequence[Path], size: int) -> None:
        self.paths, self.size = paths, size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.pixels(index)).permute(2, 0, 1).float() / 255

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """Return an image, shape (height, width, channel)."""
        with Image.open(self.paths[index]) as image:
            small = image.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR)
        return np.array(small)


def files(amount: Amount, folder: Path) -> list[Comparison]:
    """Return the speed of decoding into a store, and of scoring, from JPEG files.

    Args:
        amount: how much work.
        folder: an empty folder; files and stores are written there.
    """
    size, pictures = amount.image_size, folder / "files"
    paths = write_files(pictures, amount.num_files)
    manifest, numbers = manifest_from_folder(pictures), itertools.count()
    dataset = PictureFiles(paths, size)

    def decoded(cache: Path) -> ImageStore:
        return build_store(
            manifest,
            DecodeSettings(image_size=size),
            cache=cache,
            num_workers=torch.get_num_threads(),
            progress=False,
        )

    def anew() -> ImageStore:
        return decoded(folder / f"cache-{next(numbers)}")

    def plain_store() -> None:
        pixels = np.stack([dataset.pixels(index) for index in range(len(dataset))])
        np.save(folder / "pixels.npy", pixels)

    with torch_seeded(0, "initialisation"):
        model = FaceModel(speed_settings(amount).model, architecture="classifier").eval()
    fast = model.to(memory_format=torch.channels_last)
    sides: dict[str, Measure] = {
        "build_store": timed(anew, count=len(paths)),
        "Pillow, np.save": timed(plain_store, count=len(paths)),
        "from files": timed(lambda: score_images(fast, anew(), manifest), count=len(paths)),
        "decoded before": timed(
            lambda: score_images(fast, decoded(folder / "cache"), manifest), count=len(paths)
        ),
        "a loader of files": timed(lambda: plain_scores(model, dataset), count=len(paths)),
    }
    seconds = take_turns(sides, amount.rounds, warm=True)
    pairs = [
        ("decoding", "build_store", "Pillow, np.save"),
        ("scoring", "from files", "a loader of files"),
        ("scoring", "decoded before", "a loader of files"),
    ]
    return [
        compare(seconds, task=task, ours=ours, other=other, unit="images/s")
        for task, ours, other in pairs
    ]


def plain_scores(model: FaceModel, dataset: PictureFiles) -> NDArray[np.float32]:
    """Return the scores of image files, as anybody would get them."""
    model.eval()
    with torch.no_grad():
        scores = [model.classify(images).sigmoid() for images in DataLoader(dataset, BATCH)]
    return torch.cat(scores).numpy()
