"""Weights and draws of up to 10^8 images, beside plain NumPy and beside what the memory allows.

    python experiments/benchmarks/at_size.py [--sizes 10000 1000000] [--output FILE.json]

Latents are generated into a file and read from there through a memory map. Each task runs in a
process of its own, which says what it cost: seconds by the clock, processor seconds of all threads,
and its largest memory less what it held before, pages of the file left out. Where other work shares
the cores the processor seconds are what counts.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias.data.pool import num_cores
from debias.resampling.draws import draw_epoch
from debias.resampling.settings import ResamplingSettings
from debias.resampling.weights import sampling_weights
from debias.rundir import write_json
from debias.seeding import numpy_generator

NUM_LATENTS = 100
SIZES = (10_000, 100_000, 1_000_000)
LARGEST_PLAIN = 2_000_000  # images up to which the plain ways are timed
ROWS = 2**16  # generated at a time
PAUSE = 0.02  # seconds between two looks at the memory


def main() -> None:
    """Measure each size, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="images")
    parser.add_argument("--dtype", choices=("float16", "float32"), default="float16")
    parser.add_argument("--latents", type=int, default=NUM_LATENTS)
    parser.add_argument("--folder", type=Path, help="where the latents are written; then removed")
    parser.add_argument("--output", type=Path, help="a JSON file to write")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.task:
        print(json.dumps(measured(chosen.task, chosen.folder)))
        return
    from measuring import machine  # takes torch along, which a measured process does not need

    about = machine(num_threads=num_cores(), is_held=False)
    found = []
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        for size in chosen.sizes:
            print(f"{size:,} images", file=sys.stderr)
            write_latents(Path(folder) / "latents.npy", (size, chosen.latents), chosen.dtype)
            found += [run_task(task, Path(folder), size) for task in tasks(size)]
    if chosen.output:
        settings = {"dtype": chosen.dtype, "num_latents": chosen.latents}
        write_json(chosen.output, {"machine": about, **settings, "tasks": found})
    print(table_text(found))


def tasks(num_images: int) -> list[str]:
    """Return what is measured at a size."""
    plain = ["NumPy loop", "NumPy choice"] if num_images <= LARGEST_PLAIN else []
    return ["reading", "weights", "weights, max", "draws", *plain]


def write_latents(path: Path, shape: tuple[int, int], dtype: str) -> None:
    """Write normal latents of different spread, in pieces."""
    out = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    generator = numpy_generator(0, "latents", *shape)
    spread = np.geomspace(0.1, 10, shape[1], dtype=np.float32)
    for start in range(0, shape[0], ROWS):
        part = out[start : start + ROWS]
        part[:] = generator.standard_normal(part.shape, dtype=np.float32) * spread
    out.flush()


def run_task(task: str, folder: Path, size: int) -> dict[str, Any]:
    """Return what a task cost in a process of its own."""
    words = [sys.executable, __file__, "--task", task, "--folder", str(folder)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return {"num_images": size, **json.loads(done.stdout)}


def measured(task: str, folder: Path) -> dict[str, Any]:
    """Return the cost of a task, in this process."""
    latents = np.load(folder / "latents.npy", mmap_mode="r")
    work = _work(task, latents)
    before = _anonymous_bytes()
    peak = [before]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(PAUSE):
            peak[0] = max(peak[0], _anonymous_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    used, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    ended.set()
    watcher.join()
    processor = usage.ru_utime + usage.ru_stime - used.ru_utime - used.ru_stime
    return {
        "task": task,
        "seconds": round(seconds, 4),
        "processor_seconds": round(processor, 4),
        "peak_bytes": max(peak[0], _anonymous_bytes()) - before,
        "file_bytes": latents.nbytes,
        "gigabytes_per_second": round(latents.nbytes / seconds / 1e9, 3),
    }


def _work(task: str, latents: NDArray[Any]) -> Callable[[], object]:
    """Return a task with all that it needs made beforehand."""
    num_images, generator = len(latents), numpy_generator(0, "draws")
    if task == "reading":
        return lambda: _read(latents)
    if task == "weights":
        return lambda: sampling_weights(latents, settings=ResamplingSettings(rule="product"))
    if task == "weights, max":
        return lambda: sampling_weights(latents, settings=ResamplingSettings(rule="max"))
    if task == "NumPy loop":
        from data_speed import plain_weights

        return lambda: plain_weights(latents)
    shares = generator.gamma(2.0, size=num_images)
    shares /= shares.sum()
    if task == "draws":
        return lambda: draw_epoch(shares, num_images, generator=generator)
    return lambda: generator.choice(num_images, num_images, p=shares)


def _read(latents: NDArray[Any]) -> int:
    """Add up all bytes once, as 64-bit numbers: the least that one pass over the file costs."""
    flat = latents.reshape(-1).view(np.uint8)
    flat = flat[: flat.size // 8 * 8].view(np.uint64)
    return sum(int(flat[start : start + 2**20].sum()) for start in range(0, flat.size, 2**20))


def _anonymous_bytes() -> int:
    """Return the memory that this process holds, pages of mapped files left out."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("RssAnon")))


def table_text(found: list[dict[str, Any]]) -> str:
    """Return the costs as a Markdown table."""
    head = (
        "| images | task | seconds | processor seconds | peak MB |\n| --: | --- | --: | --: | --: |"
    )
    rows = [
        f"| {each['num_images']:,} | {each['task']} | {each['seconds']:.3g} "
        f"| {each['processor_seconds']:.3g} | {each['peak_bytes'] / 1e6:,.0f} |"
        for each in found
    ]
    return "\n".join([head, *rows])


if __name__ == "__main__":
    main()
