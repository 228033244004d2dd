"""How fast a report counts, and in how much memory, beside Fairlearn's MetricFrame.

    python experiments/report_speed/measure.py [--tiny] [--largest ROWS] [--output FILE.json]

Tables are drawn, written to a temporary folder part by part, and removed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from drawn_tables import VALUES, rows_in_memory, write_tables
from two_ways import by_counts, by_metric_frame

from debias.rundir import write_json

HERE = Path(__file__).parent
NUM_BOOT = 100  # replicates that MetricFrame is asked for in the comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much is measured.

    Attributes:
        rounds: turns of each side.
        num_plain: rows compared without replicates.
        num_boot: rows compared with replicates.
        boots: replicates that MetricFrame really draws; its time for 100 is scaled from these.
        num_streamed: rows of the main table.
        num_joined: rows of the table whose attributes are apart.
        sizes: rows of the tables whose memory is compared.
    """

    rounds: int
    num_plain: int
    num_boot: int
    boots: int
    num_streamed: int
    num_joined: int
    sizes: tuple[int, ...]


TINY = Amount(
    rounds=2,
    num_plain=2000,
    num_boot=2000,
    boots=1,
    num_streamed=20_000,
    num_joined=20_000,
    sizes=(20_000,),
)


def main() -> None:
    """Measure, print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="only see that everything runs")
    parser.add_argument("--largest", type=int, default=100_000_000, help="rows of the largest")
    parser.add_argument("--output", type=Path, help="a JSON file to write")
    chosen = parser.parse_args()
    full = Amount(
        rounds=3,
        num_plain=1_000_000,
        num_boot=100_000,
        boots=2,
        num_streamed=10_000_000,
        num_joined=10_000_000,
        sizes=(1_000_000, chosen.largest),
    )
    amount = TINY if chosen.tiny else full
    started = time.perf_counter()
    figures = measure(amount)
    figures["seconds"] = round(time.perf_counter() - started, 1)
    if chosen.output:
        write_json(chosen.output, figures)
    print(table_text(figures))


def measure(amount: Amount) -> dict[str, Any]:
    """Return every figure; says on standard error what is done."""
    streamed = {}
    _say(f"streaming {amount.num_streamed:,} rows")
    streamed["one table"] = [streaming(amount.num_streamed, attributes_apart=False)]
    _say(f"joining {amount.num_joined:,} rows")
    streamed["two tables"] = [streaming(amount.num_joined, attributes_apart=True)]
    for size in amount.sizes:
        _say(f"streaming {size:,} rows")
        streamed["one table"].append(streaming(size, attributes_apart=False))
    _say("MetricFrame")
    compared = [compare(amount, with_replicates=False), compare(amount, with_replicates=True)]
    return {
        "machine": {
            "num_cores": os.cpu_count(),
            "load_average": round(os.getloadavg()[0], 2),
            "platform": f"{platform.system()} {platform.machine()}",
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in ("numpy", "pandas", "pyarrow", "fairlearn")},
            },
        },
        "amount": asdict(amount),
        "streamed": streamed,
        "compared": compared,
        "targets": judged(streamed, compared),
    }


def streaming(num_rows: int, *, attributes_apart: bool) -> dict[str, Any]:
    """Return what a process of its own says of one evaluation from Parquet."""
    with tempfile.TemporaryDirectory() as folder:
        write_tables(Path(folder), num_rows, attributes_apart=attributes_apart)
        names = ["predictions", "attributes"] if attributes_apart else ["predictions"]
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
        command = [sys.executable, str(HERE / "streaming.py"), *names]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=folder, env=_environment()
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "file_mb": round(size / 2**20, 1)}


def compare(amount: Amount, *, with_replicates: bool) -> dict[str, Any]:
    """Return the seconds of MetricFrame and of counts in turn, for the intersection of all."""
    rows = rows_in_memory(amount.num_boot if with_replicates else amount.num_plain)
    columns = list(VALUES)
    sides: dict[str, Callable[[], pd.DataFrame]] = {
        "counts": lambda: by_counts(rows, columns),
        "MetricFrame": lambda: by_metric_frame(rows, columns),
    }
    if with_replicates:
        sides["counts, replicates"] = lambda: by_counts(rows, columns, num_replicates=NUM_BOOT)
        sides["MetricFrame, replicates"] = lambda: by_metric_frame(
            rows, columns, num_replicates=amount.boots
        )
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    tables: dict[str, pd.DataFrame] = {}
    for _ in range(amount.rounds):
        for name, side in sides.items():
            started = time.perf_counter()
            with warnings.catch_warnings():  # MetricFrame warns of groups without negatives
                warnings.simplefilter("ignore")
                tables[name] = side()
            seconds[name].append(time.perf_counter() - started)
    ours, theirs = tables["counts"], tables["MetricFrame"]
    theirs = theirs.reindex(ours.index)
    difference = max(float(np.max(np.abs(ours[name] - theirs[name]))) for name in ours)
    own, other = seconds["counts"], seconds["MetricFrame"]
    if with_replicates:
        # The time of a replicate is that of a call with replicates less that of one without.
        own = seconds["counts, replicates"]
        drawn = seconds["MetricFrame, replicates"]
        other = [
            plain + max(full - plain, 0.0) / amount.boots * NUM_BOOT
            for plain, full in zip(other, drawn, strict=True)
        ]
    return {
        "num_rows": len(rows),
        "num_groups": len(ours),
        "num_replicates": NUM_BOOT if with_replicates else 0,
        "seconds": seconds,
        "ours": own,
        "other": other,
        "other_is_scaled": with_replicates,
        "ratios": [b / a for a, b in zip(own, other, strict=True)],
        "ratio": median(b / a for a, b in zip(own, other, strict=True)),
        "largest_difference": difference,
    }


def judged(
    streamed: dict[str, list[dict[str, Any]]], compared: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return what was aimed at, what was found, and whether it will do."""
    main_table, joined, alone = (
        streamed["one table"][0],
        streamed["two tables"][0],
        streamed["one table"],
    )
    peaks = [each["peak_mb"] for each in sorted(alone, key=lambda each: each["num_rows"])]
    return [
        _at_most("seconds, one table", main_table["seconds"], 30.0),
        _at_most("peak MB, one table", main_table["peak_mb"], 2048.0),
        _at_most("seconds, two tables", joined["seconds"], 60.0),
        _at_most("peak MB, largest table less smallest", peaks[-1] - peaks[0], 256.0),
        _at_least("times MetricFrame", compared[0]["ratio"], 20.0),
        _at_least("times MetricFrame, n_boot=100", compared[1]["ratio"], 1000.0),
    ]


def table_text(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown tables."""
    lines = [
        "| rows | tables | seconds | of processor | peak MB | Parquet MB |",
        "| --: | --: | --: | --: | --: | --: |",
    ]
    for tables, kind in ((1, "one table"), (2, "two tables")):
        for each in figures["streamed"][kind]:
            lines.append(
                f"| {each['num_rows']:,} | {tables} | {each['seconds']:.1f} "
                f"| {each['cpu_seconds']:.1f} | {each['peak_mb']:.0f} | {each['file_mb']:.0f} |"
            )
    lines += ["", "| rows | replicates | counts, s | MetricFrame, s | times as fast |"]
    lines.append("| --: | --: | --: | --: | --: |")
    for each in figures["compared"]:
        mark = " (scaled)" if each["other_is_scaled"] else ""
        lines.append(
            f"| {each['num_rows']:,} | {each['num_replicates']} | {median(each['ours']):.3f} "
            f"| {median(each['other']):,.1f}{mark} | {each['ratio']:,.0f} "
            f"({min(each['ratios']):,.0f} to {max(each['ratios']):,.0f}) |"
        )
    lines += ["", "| aim | limit | found | |", "| --- | --: | --: | --- |"]
    for each in figures["targets"]:
        word = "met" if each["met"] else "missed"
        lines.append(f"| {each['name']} | {each['limit']:,.0f} | {each['found']:,.1f} | {word} |")
    return "\n".join(lines)


def _at_most(name: str, found: float, limit: float) -> dict[str, Any]:
    return {"name": name, "found": found, "limit": limit, "met": found <= limit}


def _at_least(name: str, found: float, limit: float) -> dict[str, Any]:
    return {"name": name, "found": found, "limit": limit, "met": found >= limit}


def _environment() -> dict[str, str]:
    paths = [str(HERE.parents[1]), str(HERE), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _say(words: str) -> None:
    print(words, file=sys.stderr)


if __name__ == "__main__":
    main()
