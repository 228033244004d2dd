"""What each job costs in memory, and how fast a store gathers when it is not in memory.

    python experiments/scale/memory.py [--tiny] [--output FILE.json]

The real commands run on two sizes of a drawn set, one after the other, and are watched. The store
is then read with its pages dropped from memory before each turn, as they would be in one that is
far larger than memory, beside the same turns with all pages there.
"""

from __future__ import annotations

import argparse
import mmap
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.pool import num_cores
from debias.data.source_files import FAILURE_COLUMNS
from debias.data.store import ImageStore
from debias.data.tables import write_table
from debias.rundir import write_json
from debias.seeding import numpy_generator
from debias.testbed.files import write_testbed
from debias.testbed.sets import load_testbed

PAUSE = 0.02  # seconds between two looks at a command
SMALL_MODEL = (
    "training.epochs=1",
    "training.min_epoch_steps=2",
    "training.batch_size=16",
    "model.channels=[8,16]",
    "model.blocks=[0]",
    "model.latent_size=4",
    "target_fpr=0.2",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much is measured.

    Attributes:
        fractions: the two sizes of the testbed.
        settings: of training.
        store_images: images of 64 x 64 in the store that is gathered from.
        rounds: turns of each way of gathering.
        batches: batches of 128 a turn.
        prepares: whether ``data prepare`` is measured too; it draws a whole testbed.
    """

    fractions: tuple[float, float]
    settings: tuple[str, ...]
    store_images: int
    rounds: int
    batches: int
    prepares: bool


FULL = Amount(
    fractions=(0.1, 0.5),
    settings=("training.epochs=1", "target_fpr=0.05"),
    store_images=300_000,
    rounds=3,
    batches=100,
    prepares=True,
)
TINY = Amount(
    fractions=(0.03, 0.06),
    settings=SMALL_MODEL,
    store_images=2000,
    rounds=2,
    batches=2,
    prepares=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a command cost.

    Attributes:
        job: the command's name.
        num_images: of the set it ran on.
        seconds: by the clock.
        processor_seconds: of all its threads.
        peak_bytes: largest memory, pages of mapped files included.
        peak_own_bytes: largest memory without them, seen every 20 ms.
    """

    job: str
    num_images: int
    seconds: float
    processor_seconds: float
    peak_bytes: int
    peak_own_bytes: int


def main() -> None:
    """Measure, print the tables and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="only see that everything runs")
    parser.add_argument("--folder", type=Path, help="where to work; what is made is removed")
    parser.add_argument("--output", type=Path, help="a JSON file to write")
    chosen = parser.parse_args()
    amount = TINY if chosen.tiny else FULL
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        gathered = gathering(folder, amount)
        costs = [
            cost
            for fraction in amount.fractions
            for cost in jobs(folder / f"set-{fraction}", fraction, amount)
        ]
    if chosen.output:
        write_json(
            chosen.output,
            {
                "amount": asdict(amount),
                "num_cores": num_cores(),
                "load_average": os.getloadavg()[0],
                "jobs": [asdict(cost) for cost in costs],
                "gathering": gathered,
            },
        )
    print(jobs_text(costs), gathering_text(gathered), sep="\n\n")


def jobs(folder: Path, fraction: float, amount: Amount) -> list[Cost]:
    """Return the cost of each command on a drawn set.

    Args:
        folder: where to work; it is made.
        fraction: of the testbed's size.
        amount: how much is measured.
    """
    testbed = load_testbed("planted").scaled(fraction)
    people = write_testbed(testbed, folder)
    write_table(people.rename_axis("image_id").reset_index(), folder / "people.csv")
    table, run = str(folder / "images.csv"), str(folder / "run")
    cached = ("--cache", str(folder / "cache"))
    settings = [word for each in amount.settings for word in ("--set", each)]
    commands: dict[str, Sequence[str]] = {
        "train": ("train", table, *cached, *settings, "--output", run),
        "predict": ("predict", table, *cached, "--model", run, "--output", f"{run}-new"),
        "explore": ("explore", table, *cached, "--model", run, "--output", f"{run}-latents"),
        "audit": ("audit", table, *cached, "--output", f"{run}-audit"),
        "report": (
            *("report", run, "--attributes", str(folder / "people.csv")),
            *("--groups", "skin_tone,gender", "--output", f"{run}-report"),
        ),
    }
    costs = [watched(job, words, testbed.num_images) for job, words in commands.items()]
    if amount.prepares:
        words = ("data", "prepare", "testbed:planted", "--root", str(folder / "prepared"))
        costs.append(watched("data prepare", words, load_testbed("planted").num_images))
    return costs


def watched(job: str, words: Sequence[str], num_images: int) -> Cost:
    """Return the cost of a command; what it says is shown where it fails."""
    started, own = time.perf_counter(), 0
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "debias", *words], stdout=said, stderr=subprocess.STDOUT
        )
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            own = max(own, _own_bytes(process.pid))
            time.sleep(PAUSE)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"debias {' '.join(words)}\n{said.read().decode()}")
    return Cost(
        job=job,
        num_images=num_images,
        seconds=round(time.perf_counter() - started, 2),
        processor_seconds=round(usage.ru_utime + usage.ru_stime, 2),
        peak_bytes=usage.ru_maxrss * 1024,
        peak_own_bytes=own,
    )


def _own_bytes(pid: int) -> int:
    """Return the memory of a process, pages of mapped files left out; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def gathering(folder: Path, amount: Amount) -> dict[str, Any]:
    """Return how fast random batches come from a store, from memory and from the disk.

    Args:
        folder: where to write the store.
        amount: how much is measured.
    """
    shape = (amount.store_images, 64, 64, 3)
    path, generator = folder / "pixels.npy", numpy_generator(0, "store")
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    for start in range(0, len(pixels), 1000):
        part = pixels[start : start + 1000]
        part[:] = generator.integers(0, 256, size=part.shape, dtype=np.uint8)
    pixels.flush()
    del pixels
    ways: dict[str, Callable[[Path, list[NDArray[np.int64]]], float]] = {
        "store, in memory": _from_memory,
        "store, from disk": _from_disk,
        "store, from disk, rows in order": _in_order,
        "store, from disk, no reading ahead": _without_reading_ahead,
        "pread in threads, from disk": _pread,
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(amount.rounds):
        for name, way in ways.items():
            rows = [generator.integers(0, shape[0], size=128) for _ in range(amount.batches)]
            speeds[name].append(128 * len(rows) / way(path, rows))
    path.unlink()
    return {"image_bytes": int(np.prod(shape[1:])), "images_per_second": speeds}


def _opened(path: Path) -> ImageStore:
    images = np.load(path, mmap_mode="r")
    return ImageStore(
        directory=path.parent,
        images=images,
        image_ids=pd.RangeIndex(len(images)),  # type: ignore[arg-type] # ids would fill memory
        failures=pd.DataFrame(columns=FAILURE_COLUMNS),
    )


def _drop(path: Path) -> None:
    """Drop a file's pages from memory; none of them may be mapped or still to be written."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _gather(store: ImageStore, batches: list[NDArray[np.int64]]) -> float:
    out = np.empty((len(batches[0]), *store.images.shape[1:]), dtype=np.uint8)
    started = time.perf_counter()
    for rows in batches:
        store.gather(rows, out)
    return time.perf_counter() - started


def _from_memory(path: Path, batches: list[NDArray[np.int64]]) -> float:
    store = _opened(path)
    _gather(store, batches)  # its pages are there now
    return _gather(store, batches)


def _from_disk(path: Path, batches: list[NDArray[np.int64]]) -> float:
    _drop(path)
    return _gather(_opened(path), batches)


def _in_order(path: Path, batches: list[NDArray[np.int64]]) -> float:
    return _from_disk(path, [np.sort(rows) for rows in batches])


def _without_reading_ahead(path: Path, batches: list[NDArray[np.int64]]) -> float:
    _drop(path)
    store = _opened(path)
    mapped = store.images._mmap  # type: ignore[attr-defined]
    mapped.madvise(mmap.MADV_RANDOM)
    return _gather(store, batches)


def _pread(path: Path, batches: list[NDArray[np.int64]]) -> float:
    """Read each image by itself, eight at a time: no page faults, and a queue for the disk."""
    store = _opened(path)
    images: Any = store.images
    begins, size = images.offset, int(np.prod(images.shape[1:]))
    del store, images
    _drop(path)
    with path.open("rb") as file, ThreadPoolExecutor(8) as pool:
        number = file.fileno()
        started = time.perf_counter()
        for rows in batches:
            places = (begins + rows * size).tolist()
            np.stack(
                [
                    np.frombuffer(each, dtype=np.uint8)
                    for each in pool.map(lambda place: os.pread(number, size, place), places)
                ]
            )
        return time.perf_counter() - started


def jobs_text(costs: Sequence[Cost]) -> str:
    """Return the costs of the jobs as a Markdown table."""
    rows = ["| job | images | processor seconds | peak MB | of its own, MB |"]
    rows.append("| --- | --: | --: | --: | --: |")
    rows += [
        f"| {each.job} | {each.num_images:,} | {each.processor_seconds:.1f} "
        f"| {each.peak_bytes / 1e6:.0f} | {each.peak_own_bytes / 1e6:.0f} |"
        for each in costs
    ]
    return "\n".join(rows)


def gathering_text(gathered: dict[str, Any]) -> str:
    """Return the speeds of gathering as a Markdown table, each beside that from memory."""
    speeds = gathered["images_per_second"]
    whole = median(speeds["store, in memory"])
    rows = ["| way | images/s | MB/s | of that from memory |", "| --- | --: | --: | --: |"]
    for name, each in speeds.items():
        speed = median(each)
        rate = speed * gathered["image_bytes"] / 1e6
        rows.append(f"| {name} | {speed:,.0f} | {rate:,.0f} | {speed / whole:.3f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
