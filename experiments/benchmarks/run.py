"""How fast the library is, beside plain ways of doing the same.

    python experiments/benchmarks/run.py [--quick] [--threads 1] [--output FILE.json]

Both sides of each line take turns, so that what else the machine does disturbs both; a line gives
the medians, and the median and range of how many times as fast ours was, round by round. Images
are generated. Nothing is read from or left on the disk but the JSON file.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from data_speed import drawing, drawn_images, gathering, starting, weighting
from detect_speed import detection
from epoch_speed import epochs, resampling
from file_speed import files
from limits import limits_text, machine_limits, shares
from measuring import Amount, Comparison, hold_to_cores, machine, table_text
from training_speed import encoding, training

from debias.data.pool import num_cores
from debias.rundir import write_json

FULL = Amount(
    rounds=5,
    steps=10,
    warmup=2,
    num_epochs=12,
    num_images=4096,
    num_files=2048,
    num_gathered=512,
    num_latents=(12_000, 1_000_000),
)
QUICK = Amount(
    rounds=3,
    steps=3,
    warmup=1,
    num_epochs=12,
    num_images=1024,
    num_files=512,
    num_gathered=512,
    num_latents=(12_000,),
)
TINY = Amount(
    rounds=2,
    steps=1,
    warmup=1,
    num_epochs=2,
    num_images=256,
    num_files=8,
    num_gathered=4,
    num_latents=(50,),
    image_size=32,
    model=(
        "model.channels=[4, 8]",
        "model.blocks=[0]",
        "model.latent_size=4",
        "training.batch_size=8",
    ),
)


def main() -> None:
    """Run the benchmarks, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--tiny", action="store_true", help="only see that everything runs")
    parser.add_argument("--threads", type=int, default=1, help="cores used by either side")
    parser.add_argument("--output", type=Path, help="a JSON file to write")
    chosen = parser.parse_args()
    if not 1 <= chosen.threads <= num_cores():
        parser.error(f"--threads {chosen.threads}: this process may use 1 to {num_cores()} cores")
    amount = TINY if chosen.tiny else QUICK if chosen.quick else FULL
    started = time.perf_counter()
    is_held = hold_to_cores(chosen.threads)
    about = machine(num_threads=chosen.threads, is_held=is_held)
    comparisons = run(amount)
    limits = machine_limits()
    found = shares(comparisons, limits, amount)
    seconds = round(time.perf_counter() - started, 1)
    if chosen.output:
        write_json(
            chosen.output,
            {
                "machine": about,
                "amount": {name: getattr(amount, name) for name in Amount.__slots__},
                "seconds": seconds,
                "comparisons": [each.as_table() for each in comparisons],
                "limits": limits,
                "shares": [each.as_table() for each in found],
            },
        )
    print(table_text(comparisons), limits_text(found), sep="\n\n")
    print(f"\n{about['processor']} ({', '.join(about['instructions'])})")
    print(f"{about['num_threads']} of {about['num_cores']} cores; {seconds} s")


def run(amount: Amount) -> list[Comparison]:
    """Return all comparisons; says on standard error what is being measured."""
    images = drawn_images(amount.num_images, amount.image_size, seed=0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sections: dict[str, Callable[[], list[Comparison]]] = {
            "training": lambda: training(amount, images),
            "whole epochs": lambda: epochs(amount, images),
            "resampling": lambda: resampling(amount, images),
            "encoding": lambda: encoding(amount, images),
            "pixels": lambda: gathering(amount, _made(folder / "pixels")),
            "files": lambda: files(amount, _made(folder / "files")),
            "detection": lambda: detection(amount),
            "drawing": lambda: drawing(amount, _made(folder / "drawing")),
            "weights": lambda: weighting(amount),
            "start-up": lambda: starting(amount),
        }
        comparisons = []
        for name, section in sections.items():
            started = time.perf_counter()
            comparisons += section()
            print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return comparisons


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
