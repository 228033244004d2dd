"""Whole epochs: ours against the teaching lab's recipe, and with resampling against without."""

from __future__ import annotations

import numpy as np
import torch
from course import CourseLoop
from measuring import Amount, Comparison, Measure, compare, take_turns, timed
from numpy.typing import NDArray
from plain import PlainLoop
from training_speed import fit_once, halves, speed_settings

from debias.config import to_table
from debias.resampling.weights import SamplingWeights, given_weights
from debias.training.augment import AugmentSettings
from debias.training.randomness import torch_seeded
from debias.training.weighting import Rebuild

UNCHANGED = tuple(
    f"augmentation.{name}={value}".lower()
    for name, value in to_table(AugmentSettings.none()).items()
)
"""Settings under which no image is augmented."""
NUM_EPOCHS = 3  # of training with and without resampling; streamed weights count from the second


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
    """Return the speed of whole epochs with the default resampling against the same without.

    Without, no face is encoded and no weight is made.

    Args:
        amount: how much work; an epoch passes over the faces once.
        images: shape (image, height, width, channel); the first half stands for faces.
    """
    middle = len(images) // 2
    data = halves(images, middle)
    epochs = f"training.epochs={NUM_EPOCHS}"
    exact = speed_settings(amount, epochs)
    streamed = speed_settings(amount, epochs, "resampling.histograms=streamed")
    count = NUM_EPOCHS * (2 * middle)
    sides: dict[str, Measure] = {
        "fit, no resampling": timed(lambda: fit_once(exact, data, _uniform), count=count),
        "fit, exact": timed(lambda: fit_once(exact, data), count=count),
        "fit, streamed": timed(lambda: fit_once(streamed, data), count=count),
    }
    seconds = take_turns(sides, amount.rounds, warm=True)
    without, *ways = sides
    return [
        compare(
            seconds,
            task="resampling",
            ours=way,
            other=without,
            unit="images/s",
            aim=0.97 if way == "fit, streamed" else None,
        )
        for way in ways
    ]


def _uniform(rebuild: Rebuild) -> SamplingWeights:
    return given_weights(np.ones(len(rebuild.faces)))
