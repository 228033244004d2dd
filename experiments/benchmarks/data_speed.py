"""What surrounds the network: pixels from the store, drawn faces, weights, draws, start-up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from measuring import Amount, Comparison, compare, take_turns, timed
from numpy.typing import NDArray
from PIL import Image
from torchvision import io
from torchvision.transforms.v2 import functional

from debias.data.decode import DecodeSettings
from debias.data.manifest import manifest_from_folder
from debias.data.store import build_store
from debias.resampling.draws import draw_epoch
from debias.resampling.settings import ResamplingSettings
from debias.resampling.weights import sampling_weights
from debias.seeding import numpy_generator
from debias.testbed.population import Population, draw_faces
from debias.testbed.renderer import render, render_files

FILE_SIDE = 250  # pixels, as in a common set of faces
GRAIN = 3.0  # of 255; gives JPEG files about as large as photographs of that size
QUALITY = 90
NUM_LATENTS = 64
MANY = 100_000


def drawn_images(num_images: int, size: int, *, seed: int) -> NDArray[np.uint8]:
    """Return smooth coloured patterns with grain, shape (image, height, width, channel)."""
    generator = numpy_generator(seed, "benchmark", size)
    images = np.empty((num_images, size, size, 3), dtype=np.uint8)
    for image in images:
        cells = int(generator.integers(3, 16))
        coarse = generator.integers(0, 256, size=(cells, cells, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))
        image[:] = (smooth + generator.normal(0, GRAIN, smooth.shape)).clip(0, 255)
    return images


def write_files(folder: Path, count: int) -> list[Path]:
    """Write JPEG files of a common size into a new folder, and return their paths."""
    folder.mkdir()
    paths = [folder / f"{number:06d}.jpg" for number in range(count)]
    for path, image in zip(paths, drawn_images(count, FILE_SIDE, seed=0), strict=True):
        Image.fromarray(image).save(path, quality=QUALITY)
    return paths


def gathering(amount: Amount, folder: Path) -> list[Comparison]:
    """Return the speed of random batches from the store against decoding the same files.

    Args:
        amount: how much work.
        folder: an empty folder; files and store are written there.
    """
    size, generator = amount.image_size, numpy_generator(0, "batches")
    files = folder / "files"
    paths = write_files(files, amount.num_files)
    store = build_store(
        manifest_from_folder(files),
        DecodeSettings(image_size=size),
        cache=folder / "cache",
        progress=False,
    )
    count = min(amount.num_gathered, amount.num_files)

    def batch() -> NDArray[np.int64]:
        return generator.integers(0, amount.num_files, size=count)

    sides = {
        "store": timed(lambda: store.gather(batch()), count=count, repeat=20),
        "Pillow": timed(lambda: _with_pillow(paths, batch(), size), count=count),
    }
    if hasattr(io, "decode_jpeg"):  # newer releases of torchvision announce its end
        sides["torchvision"] = timed(lambda: _with_torchvision(paths, batch(), size), count=count)
    seconds = take_turns(sides, amount.rounds, warm=True)
    return [
        compare(seconds, task="pixels", ours="store", other=name, unit="images/s", aim=aim)
        for name, aim in (("Pillow", 50.0), ("torchvision", None))
        if name in sides
    ]


def _with_pillow(paths: Sequence[Path], rows: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    images = []
    for row in rows:
        with Image.open(paths[row]) as image:
            small = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        images.append(np.asarray(small))
    return np.stack(images)


def _with_torchvision(paths: Sequence[Path], rows: NDArray[np.int64], size: int) -> torch.Tensor:
    images = [io.decode_jpeg(io.read_file(str(paths[row]))) for row in rows]
    return torch.stack([functional.resize(image, [size, size], antialias=True) for image in images])


def drawing(amount: Amount, folder: Path) -> list[Comparison]:
    """Return the speed of drawing testbed faces against decoding photographs of a common size.

    Args:
        amount: how much work.
        folder: an empty folder; files are written there.
    """
    size, count = amount.image_size, amount.num_files
    paths = write_files(folder / "files", count)
    factors = draw_faces(Population(), range(count), seed=0)
    sides = {
        "render": timed(lambda: render(factors, size=size), count=count),
        "render, as JPEG": timed(lambda: list(render_files(factors, size=size)), count=count),
        "Pillow, decoding": timed(lambda: _with_pillow(paths, np.arange(count), size), count=count),
    }
    seconds = take_turns(sides, amount.rounds, warm=True)
    return [
        compare(seconds, task="drawing", ours=name, other="Pillow, decoding", unit="images/s")
        for name in ("render", "render, as JPEG")
    ]


def weighting(amount: Amount) -> list[Comparison]:
    """Return the time for sampling weights, and for drawing an epoch, against plain ways."""
    comparisons = []
    for num_images in amount.num_latents:
        generator = numpy_generator(0, "latents", num_images)
        latents = generator.standard_normal((num_images, NUM_LATENTS), dtype=np.float32)
        comparisons += _weights(latents, amount.rounds)
        comparisons += _draws(generator.dirichlet(np.full(num_images, 2.0)), amount.rounds)
    return comparisons


def _repeats(num_images: int) -> int:
    return 5 if num_images < MANY else 1


def _weights(latents: NDArray[np.float32], rounds: int) -> list[Comparison]:
    def ours(rule: str) -> Callable[[], object]:
        settings = ResamplingSettings(rule=rule)  # type: ignore[arg-type]
        return lambda: sampling_weights(latents, settings=settings)

    repeat = _repeats(len(latents))
    sides = {
        "sampling_weights, max": timed(ours("max"), repeat=repeat),
        "NumPy, max": timed(lambda: plain_weights(latents), repeat=repeat),
        "sampling_weights, product": timed(ours("product"), repeat=repeat),
    }
    seconds = take_turns(sides, rounds, warm=True)
    task = f"weights, {len(latents):,} x {latents.shape[1]}"
    return [
        compare(seconds, task=task, ours=name, other="NumPy, max", unit="ms")
        for name in ("sampling_weights, max", "sampling_weights, product")
    ]


def plain_weights(
    latents: NDArray[np.float32], *, num_bins: int = 10, smoothing: float = 0.001
) -> NDArray[np.float64]:
    """Return sampling probabilities as teaching code gets them: one dimension after the other.

    Each dimension's density is smoothed and inverted; an image takes its largest over all.
    """
    largest = np.zeros(len(latents))
    for values in latents.T:
        density, edges = np.histogram(values, bins=num_bins, density=True)
        edges[0], edges[-1] = -np.inf, np.inf
        bins = np.digitize(values, edges)
        smooth = density + smoothing
        smooth /= smooth.sum()
        p = 1.0 / smooth[bins - 1]
        p /= p.sum()
        largest = np.maximum(largest, p)
    probabilities: NDArray[np.float64] = largest / largest.sum()
    return probabilities


def _draws(probabilities: NDArray[np.float64], rounds: int) -> list[Comparison]:
    num_images = len(probabilities)
    ours, numpy, plain = (numpy_generator(0, name) for name in ("ours", "numpy", "torch"))
    as_tensor = torch.from_numpy(probabilities)
    seeded = torch.Generator().manual_seed(int(plain.integers(2**31)))
    repeat = _repeats(num_images)
    sides = {
        "draw_epoch": timed(
            lambda: draw_epoch(probabilities, num_images, generator=ours), repeat=repeat
        ),
        "draw_epoch, multinomial": timed(
            lambda: draw_epoch(probabilities, num_images, generator=ours, method="multinomial"),
            repeat=repeat,
        ),
        "NumPy choice": timed(
            lambda: numpy.choice(num_images, num_images, p=probabilities), repeat=repeat
        ),
        "torch.multinomial": timed(
            lambda: torch.multinomial(as_tensor, num_images, replacement=True, generator=seeded),
            repeat=repeat,
        ),
    }
    seconds = take_turns(sides, rounds, warm=True)
    pairs = [
        ("draw_epoch", "NumPy choice"),
        ("draw_epoch", "torch.multinomial"),
        ("draw_epoch, multinomial", "NumPy choice"),
    ]
    task = f"draws, {num_images:,}"
    return [
        compare(seconds, task=task, ours=ours_, other=other, unit="ms") for ours_, other in pairs
    ]


def starting(amount: Amount) -> list[Comparison]:
    """Return the time until a command answers, against that of importing torch."""

    def run(*words: str) -> Callable[[], object]:
        command = [sys.executable, *words]
        return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    sides = {
        "debias --help": timed(run("-m", "debias", "--help")),
        "import torch": timed(run("-c", "import torch")),
    }
    seconds = take_turns(sides, amount.rounds)
    return [
        compare(seconds, task="start-up", ours="debias --help", other="import torch", unit="ms")
    ]
