"""Training and encoding: ours against a plain loop."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from measuring import Amount, Comparison, Measure, compare, take_turns, timed
from numpy.typing import NDArray
from plain import LabelledImages, PlainLoop, batches, to_unit, transforms
from torch.utils.data import DataLoader

from debias.data.store import ImageStore
from debias.inference.encode import Autocast, encode
from debias.models.db_vae import FaceModel
from debias.rundir import RunDir
from debias.training.augment import augment
from debias.training.device import make_fabric
from debias.training.loop import TrainingData, fit
from debias.training.randomness import torch_generator, torch_seeded
from debias.training.settings import RunSettings, load_settings
from debias.training.validation import LabelledRows
from debias.training.weighting import Weigher

NUM_VALIDATION = 16  # of each label, as few as may be: validation is not timed
ENCODE_BATCH = 512
OURS = "fit"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StampedStore(ImageStore):
    """A store that notes when each batch is asked for, which is when a step starts."""

    stamps: list[float] = field(default_factory=list)

    def gather(
        self, rows: NDArray[np.integer], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """Return copies of images, and note the time."""
        self.stamps.append(time.perf_counter())
        return ImageStore.gather(self, rows, out)


def in_memory(images: NDArray[np.uint8]) -> StampedStore:
    """Return images as a store, without files."""
    return StampedStore(
        directory=Path(),
        images=images,
        image_ids=pd.Index([str(row) for row in range(len(images))]),
        failures=pd.DataFrame(),
    )


def training(amount: Amount, images: NDArray[np.uint8]) -> list[Comparison]:
    """Return training speed, augmentation included, against plain loops.

    Args:
        amount: how much work.
        images: shape (image, height, width, channel); the first half stands for faces.
    """
    settings = speed_settings(amount)
    labels = np.arange(len(images)) < len(images) // 2
    per_image = LabelledImages(images, labels, transforms(settings.augmentation))
    untouched = LabelledImages(images, labels, _same)
    with torch_seeded(settings.seed, "benchmark"):
        decodes_all = PlainLoop(settings, decode_all=True)
        faces_only = PlainLoop(settings, decode_all=False)
        turn = _turns(amount, settings)
        sides: dict[str, Measure] = {OURS: _fit(amount, images, "auto")}
        for num_workers in loader_workers():
            suffix = f", {num_workers} workers" if num_workers else ""
            sides["plain" + suffix] = turn(decodes_all, per_image, num_workers)
            sides["plain, faces only" + suffix] = turn(faces_only, per_image, num_workers)
        sides |= {
            "plain, our augmentation": turn(decodes_all, untouched, 0),
            "plain, our augmentation, faces only": turn(faces_only, untouched, 0),
            "fit, fp32": _fit(amount, images, "fp32"),
        }
        seconds = take_turns(sides, amount.rounds)
    aims = {
        _fastest(seconds, name): aim for name, aim in (("plain", 2.0), ("plain, faces only", 1.4))
    }
    return [
        compare(
            seconds,
            task="training",
            ours=OURS,
            other=name,
            unit="images/s",
            aim=aims.get(name),
        )
        for name in sides
        if name != OURS
    ]


def fit_once(settings: RunSettings, data: TrainingData, weigher: Weigher | None = None) -> None:
    """Train for the settings' epochs, into a folder that goes again."""
    with tempfile.TemporaryDirectory() as folder:
        with torch_seeded(settings.seed, "initialisation"):
            model = FaceModel(settings.model, architecture=settings.architecture)
        fit(
            model,
            data,
            settings=settings,
            fabric=make_fabric("cpu", settings.training.precision),
            run=RunDir(path=Path(folder)),
            show_progress=False,
            weigher=weigher,
        )


def halves(images: NDArray[np.uint8], num_faces: int) -> TrainingData:
    """Return images to train on, as many faces an epoch as asked; they may be the same images.

    Args:
        images: shape (image, height, width, channel); the first half stands for faces.
        num_faces: rows of faces that train.
    """
    middle = len(images) // 2
    return TrainingData(
        store=in_memory(images),
        train=LabelledRows(
            faces=np.arange(num_faces) % middle, non_faces=np.arange(middle, len(images))
        ),
        validation=LabelledRows(
            faces=np.arange(NUM_VALIDATION), non_faces=middle + np.arange(NUM_VALIDATION)
        ),
    )


def loader_workers() -> tuple[int, ...]:
    """Return the numbers of loader workers to try; one core has nothing to give to a worker."""
    num_threads = torch.get_num_threads()
    return (0,) if num_threads == 1 else (0, num_threads)


def _fastest(seconds: dict[str, list[float]], name: str) -> str:
    """Return the fastest form of a plain loop: without workers, or with some."""
    forms = [name, *(f"{name}, {number} workers" for number in loader_workers() if number)]
    return min(forms, key=lambda each: float(np.median(seconds[each])))


def _same(image: torch.Tensor) -> torch.Tensor:
    return image


def speed_settings(amount: Amount, *changes: str, precision: str = "auto") -> RunSettings:
    """Return the default settings at the size that is measured, one epoch of them."""
    return load_settings(
        assignments=[
            f"model.image_size={amount.image_size}",
            f"training.precision={precision}",
            "training.epochs=1",
            "training.min_epoch_steps=1",
            "resampling.warmup=1",  # else the first batches gathered would be those encoded
            *amount.model,
            *changes,
        ]
    )


def _turns(
    amount: Amount, settings: RunSettings
) -> Callable[[PlainLoop, LabelledImages, int], Measure]:
    """Return what makes a turn of a plain loop: fresh workers, warm-up, then the timed steps.

    Images that come as 8-bit numbers are augmented by the library, a batch at a time.
    """
    generator = torch_generator(settings.seed, "plain")

    def make(loop: PlainLoop, dataset: LabelledImages, num_workers: int) -> Measure:
        def run() -> float:
            source = batches(
                dataset, batch_size=settings.training.batch_size, num_workers=num_workers
            )
            started = 0.0
            for step in range(amount.warmup + amount.steps):
                if step == amount.warmup:
                    started = time.perf_counter()
                images, y = next(source)
                if images.dtype == torch.uint8:
                    images = augment(images, settings.augmentation, generator=generator)
                loop.step(images, y)
            seconds = time.perf_counter() - started
            source.close()
            return seconds / (amount.steps * settings.training.batch_size)

        return run

    return make


def _fit(amount: Amount, images: NDArray[np.uint8], precision: str) -> Measure:
    """Return a turn of :func:`debias.training.loop.fit` itself: the seconds of its steps."""
    settings = speed_settings(amount, precision=precision)
    num_steps, half = amount.warmup + amount.steps, settings.training.batch_size // 2
    data = halves(images, num_steps * half)
    assert isinstance(data.store, StampedStore)
    stamps = data.store.stamps

    def run() -> float:
        stamps.clear()
        fit_once(settings, data)
        # After the last step comes validation, and with it the stamp that ends the step.
        seconds = stamps[num_steps] - stamps[amount.warmup]
        return seconds / (amount.steps * settings.training.batch_size)

    return run


def encoding(amount: Amount, images: NDArray[np.uint8]) -> list[Comparison]:
    """Return the speed of encoding against a plain loop in single precision."""
    settings = speed_settings(amount)
    with torch_seeded(settings.seed, "initialisation"):
        model = FaceModel(settings.model)
        plain_model = FaceModel(settings.model)
    fast = model.to(memory_format=torch.channels_last)
    store = in_memory(images)
    fabric = make_fabric("cpu", "auto")
    rows = np.arange(len(images))
    dataset = LabelledImages(images, np.zeros(len(images)), to_unit)
    sides: dict[str, Measure] = {
        "encode": _encode(fast, store, rows, fabric.autocast),
        "plain": timed(lambda: _plain_encode(plain_model, dataset), count=len(images)),
        "encode, fp32": _encode(fast, store, rows, nullcontext),
    }
    seconds = take_turns(sides, amount.rounds, warm=True)
    return [
        compare(seconds, task="encoding", ours="encode", other=name, unit="images/s")
        for name in ("plain", "encode, fp32")
    ]


def _encode(model: FaceModel, store: ImageStore, rows: NDArray[Any], autocast: Autocast) -> Measure:
    return timed(
        lambda: encode(model, store, rows, autocast=autocast, batch_size=ENCODE_BATCH),
        count=len(rows),
    )


def _plain_encode(model: FaceModel, dataset: LabelledImages) -> NDArray[Any]:
    """Return the posterior means of a data set, as anybody would get them."""
    model.eval()
    means = []
    with torch.no_grad():
        for images, _ in DataLoader(dataset, batch_size=ENCODE_BATCH):
            mu = model.encode(images).mu
            means.append(mu)
    return torch.cat(means).numpy()
