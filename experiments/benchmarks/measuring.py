"""How the benchmarks measure: turn by turn, so that a noisy machine disturbs both sides alike."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch

from debias.training.device import computes_bf16

PACKAGES = ("debias-faces", "lightning-fabric", "numpy", "pillow", "torch", "torchvision")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "asimd", "bf16", "sve")

Measure = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much work is timed.

    Attributes:
        rounds: turns that each side takes.
        steps: training steps a turn.
        warmup: training steps before those, not timed.
        num_epochs: epochs of a whole training.
        num_images: images in the array that is trained on and encoded.
        num_files: JPEG files that are decoded.
        num_gathered: images in a gathered batch.
        num_latents: latent vectors that are weighted, in each of several cases.
        image_size: height and width in pixels.
        model: settings of the network that differ from the default.
    """

    rounds: int
    steps: int
    warmup: int
    num_epochs: int
    num_images: int
    num_files: int
    num_gathered: int
    num_latents: tuple[int, ...]
    image_size: int = 64
    model: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One line of the table: a task done in two ways.

    Attributes:
        task: what is done.
        ours: the library's way.
        other: the way it is compared with.
        unit: ``images/s``, the more the better, or ``ms``, the fewer the better.
        figures_ours: one figure a round, in that unit.
        figures_other: the same of the other way.
        ratios: how many times as fast ours was in each round.
        aim: what the ratio should be; None where nothing is promised.
    """

    task: str
    ours: str
    other: str
    unit: Literal["images/s", "ms"]
    figures_ours: tuple[float, ...]
    figures_other: tuple[float, ...]
    ratios: tuple[float, ...]
    aim: float | None = None

    @property
    def ratio(self) -> float:
        """Return the median over the rounds."""
        return median(self.ratios)

    def as_table(self) -> dict[str, Any]:
        """Return everything as plain JSON values, medians and range included."""
        return {
            **asdict(self),
            "median_ours": median(self.figures_ours),
            "median_other": median(self.figures_other),
            "ratio": self.ratio,
            "ratio_range": [min(self.ratios), max(self.ratios)],
            "met": None if self.aim is None else self.ratio >= self.aim,
        }


def take_turns(
    sides: Mapping[str, Measure], rounds: int, *, warm: bool = False
) -> dict[str, list[float]]:
    """Return the seconds that each side measured, one figure a round: A B C A B C ...

    Args:
        sides: each does its work once and returns the seconds it took, for one image or one call.
        rounds: turns of each.
        warm: whether each takes one turn more at the start, which does not count.
    """
    for measure in sides.values() if warm else ():
        measure()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, measure in sides.items():
            seconds[name].append(measure())
    return seconds


def timed(work: Callable[[], object], *, count: int = 1, repeat: int = 1) -> Measure:
    """Return a measure of ``work``: seconds for each of the ``count`` things that a call does.

    Args:
        work: what is timed.
        count: images, or other things, in one call.
        repeat: calls a turn, for work of microseconds.
    """

    def measure() -> float:
        started = time.perf_counter()
        for _ in range(repeat):
            work()
        return (time.perf_counter() - started) / (count * repeat)

    return measure


def compare(
    seconds: Mapping[str, Sequence[float]],
    *,
    task: str,
    ours: str,
    other: str,
    unit: Literal["images/s", "ms"],
    aim: float | None = None,
) -> Comparison:
    """Return the comparison of two sides of the same turns, paired by round."""
    pairs = list(zip(seconds[ours], seconds[other], strict=True))
    convert: Callable[[float], float] = (
        (lambda value: 1 / value) if unit == "images/s" else (lambda value: 1e3 * value)
    )
    return Comparison(
        task=task,
        ours=ours,
        other=other,
        unit=unit,
        figures_ours=tuple(convert(value) for value, _ in pairs),
        figures_other=tuple(convert(value) for _, value in pairs),
        ratios=tuple(theirs / own for own, theirs in pairs),
        aim=aim,
    )


def hold_to_cores(num_cores: int) -> bool:
    """Keep this process and all it starts on so many cores; returns whether that is possible here.

    A loader's workers then share the cores with the loop they feed, as they would have to where
    every core has a training of its own.
    """
    torch.set_num_threads(num_cores)
    if not hasattr(os, "sched_setaffinity"):
        return False
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-num_cores:])
    return True


def machine(*, num_threads: int, is_held: bool) -> dict[str, Any]:
    """Return what a reader must know of the machine; neither its name nor its paths."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    info = _processor()
    return {
        "processor": info.get("model name", platform.processor() or platform.machine()),
        "instructions": [name for name in INSTRUCTIONS if name in info.get("flags", "").split()],
        "computes_bf16": computes_bf16("cpu"),
        "num_cores": os.cpu_count(),
        "num_threads": num_threads,
        "held_to_cores": is_held,
        "load_average": _load(),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": versions,
    }


def _load() -> float | None:
    """Return how many processes ran or waited over the last minute, others' included."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _processor() -> dict[str, str]:
    """Return the first processor's entries of Linux's own list; elsewhere none."""
    try:
        text = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    entries = {name.strip(): value.strip() for name, _, value in pairs}
    entries.setdefault("flags", entries.get("Features", ""))  # its name on ARM
    return entries


def table_text(comparisons: Sequence[Comparison]) -> str:
    """Return the comparisons as a Markdown table."""
    head = ("task", "ours", "other", "ours", "other", "unit", "times as fast (range)", "aim")
    rows: list[tuple[str, ...]] = [head, ("---", "---", "---", "--:", "--:", "---", "--:", "--:")]
    for each in comparisons:
        low, high = min(each.ratios), max(each.ratios)
        aim = "" if each.aim is None else f"{each.aim:g} {'met' if _met(each) else 'missed'}"
        figures = (figure(median(values)) for values in (each.figures_ours, each.figures_other))
        ratio = f"{figure(each.ratio)} ({figure(low)} to {figure(high)})"
        rows.append((each.task, each.ours, each.other, *figures, each.unit, ratio, aim))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    )


def _met(each: Comparison) -> bool:
    return each.aim is not None and each.ratio >= each.aim


def figure(value: float) -> str:
    """Return three significant digits, or all of a larger number's whole ones."""
    digits = 2 - math.floor(math.log10(value)) if value > 0 else 0
    return f"{round(value, digits):,.{max(0, digits)}f}"
