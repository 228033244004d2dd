"""How fast an audit measures pictures beside decoding alone, and in how much memory.

    python experiments/audit_speed/time_audits.py [--tiny] [--largest IMAGES] [--output FILE.json]
    python experiments/audit_speed/time_audits.py --files 200000 [--pictures DIR] [--output FILE]

The second form times the whole command in place of the one pass over the pictures. Pictures are
drawn, written to a temporary folder, and removed; those in ``--pictures`` stay, and are used again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pictures import draw_square, draw_upright
from PIL import Image
from whole_audit import whole_audits, whole_text

from debias.audit.pixel_measures import WORKING_SIDE
from debias.audit.pixel_pass import FILES_A_TASK, PassSettings, measure_images
from debias.data.manifest import Manifest, manifest_from_table
from debias.data.pool import in_order
from debias.rundir import write_json

HERE = Path(__file__).parent
NUM_WORKERS = 2
LEAST_RATIO = {"178 x 218": 0.5, "64 x 64": 0.25}
MOST_GROWTH_BYTES = 1024  # of memory, for each image more


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much is measured.

    Attributes:
        rounds: turns of each side.
        num_timed: pictures of each turn.
        sizes: pictures of the passes whose memory is compared.
    """

    rounds: int
    num_timed: int
    sizes: tuple[int, int]


TINY = Amount(rounds=2, num_timed=64, sizes=(64, 128))
FULL = Amount(rounds=8, num_timed=2000, sizes=(20_000, 200_000))


def main() -> None:
    """Measure, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="only see that everything runs")
    parser.add_argument("--largest", type=int, help="pictures of the longest pass")
    parser.add_argument("--files", type=int, help="time whole audits of up to so many files")
    parser.add_argument("--pictures", type=Path, help="with --files: where to draw, and keep them")
    parser.add_argument("--output", type=Path, help="a JSON file to write")
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.alone:
        print(json.dumps(one_pass(chosen.alone)))
        return
    if chosen.files:
        with tempfile.TemporaryDirectory() as place:
            audits = whole_audits(chosen.files, chosen.pictures or Path(place))
        audits = {"machine": machine(), **audits}
        if chosen.output:
            write_json(chosen.output, audits)
        print(whole_text(audits))
        return
    amount = TINY if chosen.tiny else FULL
    if chosen.largest:
        amount = replace(amount, sizes=(amount.sizes[0], chosen.largest))
    figures = measure(amount)
    if chosen.output:
        write_json(chosen.output, figures)
    print(table_text(figures))


def measure(amount: Amount) -> dict[str, Any]:
    """Return every figure; says on standard error what is done."""
    with tempfile.TemporaryDirectory() as place:
        speed = {}
        for name, draw in {"178 x 218": draw_upright, "64 x 64": draw_square}.items():
            _say(f"drawing {amount.num_timed:,} pictures of {name}")
            manifest = draw(Path(place) / name, amount.num_timed, num_workers=NUM_WORKERS)
            _say("taking turns")
            speed[name] = compare(manifest, amount.rounds)
        memory = [passes(Path(place), size) for size in amount.sizes]
    few, many = memory
    growth = (many["peak_bytes"] - few["peak_bytes"]) / (many["images"] - few["images"])
    return {
        "machine": machine(),
        "num_workers": NUM_WORKERS,
        "pictures": amount.num_timed,
        "speed": speed,
        "memory": memory,
        "bytes_an_image": round(growth),
        "targets": [
            *(
                {"aim": f"ratio of speeds, {name}", "at_least": least, "found": found["ratio"]}
                for (name, found), least in zip(speed.items(), LEAST_RATIO.values(), strict=True)
            ),
            {"aim": "bytes an image", "at_most": MOST_GROWTH_BYTES, "found": round(growth)},
        ],
    }


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "num_cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "pandas", "pillow", "pyarrow")},
        },
    }


def compare(manifest: Manifest, rounds: int) -> dict[str, Any]:
    """Return seconds of the pass and of decoding alone, which take turns in both orders."""
    sides: dict[str, Callable[[], object]] = {
        "pass": lambda: measured_in_full(manifest),
        "decoding": lambda: decoded_alone(manifest),
    }
    for side in sides.values():
        side()  # once without a clock: files in memory, libraries loaded
    clock: dict[str, list[float]] = {name: [] for name in sides}
    processor: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        for name in sorted(sides, reverse=bool(turn % 2)):
            started, busy = time.perf_counter(), time.process_time()
            sides[name]()
            clock[name].append(time.perf_counter() - started)
            processor[name].append(time.process_time() - busy)
    ratios = _ratios(clock)
    return {
        "ratio": round(median(ratios), 3),
        "ratio_low": round(min(ratios), 3),
        "ratio_high": round(max(ratios), 3),
        "ratio_of_processor": round(median(_ratios(processor)), 3),
        "images_a_second": {
            name: round(len(manifest) / median(each)) for name, each in clock.items()
        },
        "processor_microseconds_an_image": {
            name: round(1e6 * median(each) / len(manifest)) for name, each in processor.items()
        },
        "seconds": {name: [round(each, 3) for each in turns] for name, turns in clock.items()},
    }


def _ratios(seconds: dict[str, list[float]]) -> list[float]:
    """Return the speed of the pass by that of decoding alone, of each round."""
    return [b / a for a, b in zip(seconds["pass"], seconds["decoding"], strict=True)]


def measured_in_full(manifest: Manifest) -> None:
    """Run the pass, as an audit does, into a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        measure_images(
            manifest, settings=PassSettings(), directory=Path(folder), num_workers=NUM_WORKERS
        )


def decoded_alone(manifest: Manifest) -> None:
    """Decode and reduce every picture with Pillow, as many threads and files a task."""
    paths = [manifest.root / path for path in manifest.table["path"]]
    tasks = [paths[k : k + FILES_A_TASK] for k in range(0, len(paths), FILES_A_TASK)]
    for _ in in_order(_decode, tasks, NUM_WORKERS):
        pass


def _decode(paths: Sequence[Path]) -> list[NDArray[np.uint8]]:
    size = (WORKING_SIDE, WORKING_SIDE)
    pixels = []
    for path in paths:
        with Image.open(path) as picture:
            small = picture.convert("RGB").resize(size, Image.Resampling.BILINEAR)
            pixels.append(np.asarray(small))
    return pixels


def passes(place: Path, num_images: int) -> dict[str, Any]:
    """Return what a process of its own says of one pass over pictures of 64 x 64."""
    _say(f"drawing {num_images:,} pictures")
    folder = place / f"{num_images}"
    draw_square(folder, num_images, num_workers=NUM_WORKERS)
    _say("measuring them")
    command = [sys.executable, __file__, "--alone", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def one_pass(folder: Path) -> dict[str, Any]:
    """Return seconds and peak memory of this process after one pass over a folder."""
    manifest = manifest_from_table(pd.read_parquet(folder / "images.parquet"), root=folder)
    before = peak_bytes()
    started = time.perf_counter()
    measured = measure_images(
        manifest,
        settings=PassSettings(),
        directory=folder / "measured",
        num_workers=NUM_WORKERS,
        show_progress=True,
    )
    seconds = time.perf_counter() - started
    files = (folder / "measured").iterdir()
    return {
        "images": len(measured),
        "unreadable": int((~measured.readable).sum()),
        "seconds": round(seconds, 1),
        "images_a_second": round(len(measured) / seconds),
        "peak_bytes_before": before,
        "peak_bytes": peak_bytes(),
        "disk_bytes": sum(file.stat().st_size for file in files),
    }


def peak_bytes() -> int:
    """Return the most memory that this process has held.

    Linux hands the peak that getrusage tells on from the process that started this one; that of
    /proc is this process's own.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def table_text(figures: dict[str, Any]) -> str:
    """Return the tables of the README, in Markdown."""
    lines = [
        "| JPEG files | pass, images/s | decoding alone | ratio | of processor time |",
        "| --- | --: | --: | --: | --: |",
    ]
    for name, found in figures["speed"].items():
        rate = found["images_a_second"]
        spread = f"{found['ratio']:.2f} ({found['ratio_low']:.2f} to {found['ratio_high']:.2f})"
        lines.append(
            f"| {name} | {rate['pass']:,} | {rate['decoding']:,} | {spread} "
            f"| {found['ratio_of_processor']:.2f} |"
        )
    lines += ["", "| images | seconds | peak MB | disk MB |", "| --: | --: | --: | --: |"]
    for found in figures["memory"]:
        lines.append(
            f"| {found['images']:,} | {found['seconds']:.1f} | {found['peak_bytes'] / 2**20:.0f} "
            f"| {found['disk_bytes'] / 2**20:.0f} |"
        )
    lines += ["", "| aim | limit | found | |", "| --- | --: | --: | --- |"]
    for each in figures["targets"]:
        least = "at_least" in each
        limit = each["at_least"] if least else each["at_most"]
        met = each["found"] >= limit if least else each["found"] <= limit
        sign = "at least" if least else "at most"
        lines.append(
            f"| {each['aim']} | {sign} {limit:,} | {each['found']:,} "
            f"| {'met' if met else 'missed'} |"
        )
    return "\n".join(lines)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
