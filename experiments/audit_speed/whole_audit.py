"""How long the whole of `debias audit` takes over many files, and in how much memory.

A process of its own audits each list of files. The functions that its stages are made of are
wrapped in a clock before the command is called as anybody calls it.
"""

from __future__ import annotations

import functools
import importlib
import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from debias.data.tables import write_table
from debias.testbed.files import write_testbed
from debias.testbed.sets import load_testbed

NUM_WORKERS = 2
IMAGES_A_PERSON = 10
PARTS = (0.1, 0.25, 1.0)
"""Of the files: so is seen what grows with them."""
EVERY = 0.02  # seconds between two looks at the memory
STAGES = {
    "reading the lists": ("audit.read_audit_input",),
    "measuring the pictures": ("audit.measure_images",),
    "copies": ("audit_results.find_duplicates",),
    "people in two splits": ("audit_results.find_leakage",),
    "shares of groups": ("audit.by_split", "audit_results.by_split"),
    "associations": ("audit_results.associations",),
    "quality by group": ("audit_results.quality_by_group",),
    "skin tones": ("audit.with_estimate", "audit_results.estimate_report"),
    "suggested weights": ("audit_results.suggested_weights",),
    "writing": ("audit.audit_json", "audit.write_audit"),
}
"""By what readers call them: the functions of debias.jobs that make them."""


@dataclass(slots=True)
class Clock:
    """Adds up what each stage takes.

    Attributes:
        seconds: by stage, of the clock.
        processor: by stage, of all threads.
        peak: by stage, the most memory of the process's own, bytes: without files that are mapped
            into it, which the system takes back when others need the room.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage, and look at the memory while it runs."""
        ended, peak = threading.Event(), [own_bytes()]

        def look() -> None:
            while not ended.wait(EVERY):
                peak.append(max(peak.pop(), own_bytes()))

        watcher = threading.Thread(target=look)
        watcher.start()
        started, busy = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
            self.processor[name] = self.processor.get(name, 0.0) + time.process_time() - busy
            ended.set()
            watcher.join()
            self.peak[name] = max(self.peak.get(name, 0), *peak, own_bytes())


def whole_audits(num_files: int, place: Path) -> dict[str, Any]:
    """Return the figures of audits of a tenth, a quarter and all of so many files.

    Args:
        num_files: files, at least 100.
        place: where they are drawn, or are from a call before.
    """
    if not (place / "images.csv").exists():
        _say(f"drawing {num_files:,} pictures")
        draw(place, num_files)
    audits = []
    for part in PARTS:
        listed = place / f"{part:g}.csv"
        _say(f"auditing {list_part(place, part, listed):,} files")
        command = [sys.executable, __file__, str(listed)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        audits.append(json.loads(done.stdout.splitlines()[-1]))
    few, *_, many = audits
    growth = (many["peak_bytes"] - few["peak_bytes"]) / (many["files"] - few["files"])
    return {"num_workers": NUM_WORKERS, "audits": audits, "bytes_a_file": round(growth)}


def draw(place: Path, num_files: int) -> None:
    """Draw faces and non-faces of a testbed of 64 x 64 pixels, and say who is who."""
    testbed = load_testbed("planted")
    drawn = testbed.scaled(num_files / testbed.num_images)
    people = write_testbed(drawn, place, num_workers=NUM_WORKERS)
    write_table(people.reset_index(), place / "people.csv")


def list_part(place: Path, part: float, listed: Path) -> int:
    """List a random part of the files, and return how many they are.

    Ten faces of a split share a person, so that the statistics do all that they do on real sets.
    """
    images = pd.read_csv(place / "images.csv", dtype=str)
    number = images.groupby(["split", "label"]).cumcount() // IMAGES_A_PERSON
    person = images["split"] + "-" + number.astype(str)
    images["identity_id"] = person.where(images["label"] == "1")
    blocks = np.arange(len(images)) // IMAGES_A_PERSON
    order = np.random.default_rng(0).permutation(blocks[-1] + 1)
    chosen = np.isin(blocks, order[: round(part * len(order))])
    images[chosen].to_csv(listed, index=False)
    return int(chosen.sum())


def audit_alone(listed: Path) -> dict[str, Any]:
    """Return what one audit takes, in this process."""
    from debias.cli import main

    clock = Clock()
    for name, places in STAGES.items():
        for place in places:
            wrap(place, name, clock)
    output = listed.with_suffix("")
    people = ["--attributes", str(listed.parent / "people.csv"), "--groups", "skin_tone,gender"]
    options = ["--output", str(output), "--overwrite", "--quiet", "--workers", str(NUM_WORKERS)]
    started, busy = time.perf_counter(), time.process_time()
    status = main(["audit", str(listed), *people, *options, "--write-manifest"])
    if status:
        raise RuntimeError(f"debias audit ended with {status}")
    whole = {"seconds": time.perf_counter() - started, "processor": time.process_time() - busy}
    audit = json.loads((output / "audit.json").read_text())
    return {
        "files": audit["images"]["num_images"],
        "faces": audit["images"]["num_faces"],
        "findings": len(audit["findings"]),
        "seconds": round(whole["seconds"], 1),
        "processor_seconds": round(whole["processor"], 1),
        "peak_bytes": max(clock.peak.values()),
        "stages": {
            name: {
                "seconds": round(clock.seconds[name], 1),
                "processor_seconds": round(clock.processor[name], 1),
                "peak_bytes": clock.peak[name],
            }
            for name in STAGES
        },
    }


def wrap(place: str, name: str, clock: Clock) -> None:
    """Put a clock around a function of :mod:`debias.jobs`, such as ``audit.by_split``."""
    module_name, _, function_name = place.partition(".")
    module = importlib.import_module(f"debias.jobs.{module_name}")
    function: Callable[..., Any] = getattr(module, function_name)

    @functools.wraps(function)
    def timed(*words: Any, **named: Any) -> Any:
        with clock.stage(name):
            return function(*words, **named)

    setattr(module, function_name, timed)


def own_bytes() -> int:
    """Return the memory that this process holds, without mapped files where the system tells."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text().splitlines() if row.startswith("RssAnon:"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def whole_text(figures: dict[str, Any]) -> str:
    """Return the table of the README, in Markdown."""
    audits: Sequence[dict[str, Any]] = figures["audits"]
    sizes = " | ".join(f"{each['files']:,} files" for each in audits)
    lines = [
        f"| processor s (clock), peak MB | {sizes} |",
        f"| --- |{' --: |' * len(audits)}",
    ]
    rows = [(name, [each["stages"][name] for each in audits]) for name in STAGES]
    for name, found in [*rows, ("**in all**", audits)]:
        cells = " | ".join(
            f"{each['processor_seconds']:,.1f} ({each['seconds']:,.1f}), "
            f"{each['peak_bytes'] / 2**20:,.0f}"
            for each in found
        )
        lines.append(f"| {name} | {cells} |")
    return "\n".join([*lines, "", f"Memory grows by {figures['bytes_a_file']:,} bytes a file."])


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(json.dumps(audit_alone(Path(sys.argv[1]))))
