"""Whole epochs: ours against the teaching lab's recipe, and with resampling against without."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import ParamSpec, TypeVar
from unittest.mock import patch

import numpy as np
import torch
from course import CourseLoop
from measuring import Amount, Comparison, Measure, compare, take_turns, timed
from numpy.typing import NDArray
from plain import PlainLoop
from training_speed import fit_once, halves, speed_settings

from debias.config import to_table
from debias.training.augment import AugmentSettings
from debias.training.batches import EpochLatents
from debias.training.loop import TrainingData
from debias.training.randomness import torch_seeded
from debias.training.settings import RunSettings
from debias.training.weighting import latent_weigher

UNCHANGED = tuple(
    f"augmentation.{name}={value}".lower()
    for name, value in to_table(AugmentSettings.none()).items()
)
"""Settings under which no image is augmented."""
P = ParamSpec("P")
T = TypeVar("T")


def epochs(amount: Amount, images: NDArray[np.uint8]) -> list[Comparison]:
    """Return the speed of whole epochs, resampling included, against the teaching lab's recipe.

    Neither side augments, since the lab does not. Ours also validates and writes its states.

    Args:
        amount: how much work; an epoch passes over the faces once.
        images: shape (image, height, width, channel); the first half stands for faces.
    """
    settings = speed_settings(amount, "resampling.rule=max", "resampling.warmup=0", *UNCHANGED)
    middle = len(images) // 2
    half = min(settings.training.batch_size // 2, middle)
    num_batches = middle // half
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255).contiguous()
    data = halves(images, middle)
    count = num_batches * half * 2
    with torch_seeded(settings.seed, "benchmark"):
        course = CourseLoop(settings, pixels[:middle], pixels[middle:], seed=settings.seed)
        plain = PlainLoop(settings, decode_all=True)
        y = torch.cat([torch.ones(half), torch.zeros(half)])

        def uniform() -> None:
            for batch in range(num_batches):
                rows = torch.arange(batch * half, (batch + 1) * half)
                plain.step(torch.cat([pixels[rows], pixels[middle + rows]]), y)

        sides: dict[str, Measure] = {
            "fit, one epoch": timed(lambda: fit_once(settings, data), count=count),
            "the lab's recipe": timed(lambda: course.epoch(num_batches), count=count),
            "the same, drawn uniformly": timed(uniform, count=count),
        }
        seconds = take_turns(sides, amount.rounds, warm=True)
    ours, recipe, undrawn = sides
    return [
        compare(seconds, task="whole epochs", ours=ours, other=recipe, unit="images/s", aim=2.0),
        compare(seconds, task="whole epochs", ours=ours, other=undrawn, unit="images/s"),
    ]


def resampling(amount: Amount, images: NDArray[np.uint8]) -> list[Comparison]:
    """Return the speed of trainings that resample, against the same less what resampling took.

    Both sides are of one run, whose encoding, weights and counting are timed apart: a few per
    cent are less than two runs differ by.

    Args:
        amount: how much work; an epoch passes over the faces once.
        images: shape (image, height, width, channel); the first half stands for faces.
    """
    middle = len(images) // 2
    data = halves(images, middle)
    epochs = f"training.epochs={amount.num_epochs}"
    ways = {
        "every epoch": (None, ()),
        "every third": (0.97, ("resampling.refresh=3",)),
        "streamed": (0.97, ("resampling.histograms=streamed",)),
    }
    comparisons = []
    for way, (aim, changes) in ways.items():
        settings = speed_settings(amount, epochs, *changes)
        turns = [_resampled(settings, data) for _ in range(amount.rounds)]
        count = amount.num_epochs * 2 * middle
        seconds = {
            way: [whole / count for whole, _ in turns],
            "without": [(whole - spent) / count for whole, spent in turns],
        }
        comparisons.append(
            compare(seconds, task="resampling", ours=way, other="without", unit="images/s", aim=aim)
        )
    return comparisons


def _resampled(settings: RunSettings, data: TrainingData) -> tuple[float, float]:
    """Return the seconds of a training, and those of them that resampling took."""
    watch = Stopwatch()
    with ExitStack() as patches:
        for method in ("add", "count", "end"):
            timed_method = watch.timing(getattr(EpochLatents, method))
            patches.enter_context(patch.object(EpochLatents, method, timed_method))
        started = time.perf_counter()
        fit_once(settings, data, watch.timing(latent_weigher))
        return time.perf_counter() - started, watch.seconds


class Stopwatch:
    """Adds up the seconds spent in some functions; one that calls another counts once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    def timing(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return the function, timed."""

        @wraps(function)
        def call(*args: P.args, **options: P.kwargs) -> T:
            started = time.perf_counter()
            self._depth += 1
            try:
                return function(*args, **options)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.perf_counter() - started

        return call
