"""Is the planted bias there? The plain classifier on the planted and the balanced testbed.

    python experiments/testbed_calibration/run.py [--seeds 5] [--parallel 2]
    python experiments/testbed_calibration/run.py --methods plain,product,max

Trains ``debias train --data testbed:NAME`` with each seed, and prints recall by skin tone x
gender at 1 % false positives of the test's non-faces, and the gap between the best and the worst
group. A finished run leaves one JSON file under ``results/`` and is not run again. The testbed was
set by the plain classifier's figures alone, and is frozen since; a DB-VAE had been trained on
earlier versions, and no setting was chosen by it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from debias.errors import DataError
from debias.rundir import RunDir, read_json, write_json
from debias.testbed.sets import VERSION, list_testbeds

HERE = Path(__file__).parent
TESTBEDS = ("planted", "balanced")
METHODS = {
    "plain": ["--architecture", "classifier"],
    "product": [
        *("--no-baseline", "--resampling", "product"),
        *("--set", "resampling.target_ess=0.5"),
    ],
    "max": ["--no-baseline", "--resampling", "max"],
}
TARGET_FPR = 0.01
GROUPS = ["skin_tone", "gender"]
BUDGET = {"version": "version of the testbed", "fraction": "--fraction", "set": "--set"}
"""What the runs of one table must have in common."""
WHOLE: dict[str, Any] = {"fraction": 1, "set": []}
"""What a result was made with that does not say."""
LIMITS = {
    ("planted", "plain"): "at least 8, interval above 3",
    ("balanced", "plain"): "at most 2",
}


def main() -> None:
    """Train what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default="plain", metavar="NAME,...")
    parser.add_argument("--testbeds", default=",".join(TESTBEDS), metavar="NAME,...")
    parser.add_argument("--fraction", type=float, default=1, help="of the testbeds' images")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--parallel", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    chosen = parser.parse_args()
    methods, testbeds = chosen.methods.split(","), chosen.testbeds.split(",")
    for method in methods:
        if method not in METHODS:
            parser.error(f"unknown method {method!r}; known: {', '.join(METHODS)}")
    for name in testbeds:
        if name not in list_testbeds():
            parser.error(f"unknown testbed {name!r}; known: {', '.join(list_testbeds())}")
    seeds = range(chosen.seeds)
    plan = [(name, method, seed) for seed in seeds for method in methods for name in testbeds]
    budget = {"version": VERSION, "fraction": chosen.fraction, "set": chosen.set}
    missing = [run for run in plan if not _is_done(_result_file(chosen.results, *run), budget)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(chosen.parallel) as pool:

        def train(run: tuple[str, str, int]) -> None:
            train_and_measure(*run, budget=budget, work=Path(folder), results=chosen.results)

        list(pool.map(train, missing))
    found = [read_json(_result_file(chosen.results, *run)) for run in plan]
    print("\n".join(tables(found)))


def _result_file(results: Path, name: str, method: str, seed: int) -> Path:
    return results / f"{name}-{method}-seed{seed}.json"


def _is_done(file: Path, budget: Mapping[str, Any]) -> bool:
    """Return whether a run has its result; one of another budget is refused, not mixed in."""
    if not file.exists():
        return False
    made = {**WHOLE, **read_json(file)}
    for key, what in BUDGET.items():
        if made[key] != budget[key]:
            raise DataError(
                f"made with another {what} ({made[key]}, not {budget[key]})",
                where=file,
                hint="Use another --results",
            )
    return True


def train_and_measure(
    name: str,
    method: str,
    seed: int,
    *,
    budget: Mapping[str, Any],
    work: Path,
    results: Path,
) -> None:
    """Train one model with the real command and keep the figures by group.

    Args:
        name: of the testbed.
        method: one of :data:`METHODS`.
        seed: of the training.
        budget: what stands in the result beside the figures; see :data:`BUDGET`.
        work: where to train.
        results: where to write.
    """
    share = "" if budget["fraction"] == 1 else f":{budget['fraction']}"
    run = RunDir(path=work / f"{name}-{method}-{seed}")
    command = [
        *(sys.executable, "-m", "debias", "train", "--data", f"testbed:{name}{share}"),
        *METHODS[method],
        *("--seed", str(seed), "--output", str(run.path), "--device", "cpu", "--quiet"),
        *(word for change in budget["set"] for word in ("--set", change)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DEBIAS_CACHE": str(work / "cache")}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    report = read_json(run.report)
    write_json(
        _result_file(results, name, method, seed),
        {"testbed": name, "method": method, "seed": seed, **budget, **measure(report)},
    )


def measure(report: dict[str, Any]) -> dict[str, Any]:
    """Return the figures at 1 % false positives of a fairness report."""
    point = next(
        point
        for point in report["operating_points"]
        if point["source"] == "test" and point["target_fpr"] == TARGET_FPR
    )
    grouping = next(g for g in point["groupings"] if g["columns"] == GROUPS)
    rates = {group["name"]: group["recall"] for group in grouping["groups"]}
    return {
        "recall": {name: rate["value"] for name, rate in rates.items()},
        "num_faces": {name: rate["num_trials"] for name, rate in rates.items()},
        "gap": {key: grouping["gap"][key] for key in ("value", "low", "high", "null_median")},
        "worst": grouping["gap"]["worst"],
    }


def tables(found: Sequence[dict[str, Any]]) -> list[str]:
    """Return recall and gap by testbed and method, in Markdown, with 95 % t-intervals."""
    rows, gaps = [], []
    for name, method in dict.fromkeys((run["testbed"], run["method"]) for run in found):
        runs = [run for run in found if (run["testbed"], run["method"]) == (name, method)]
        recall = pd.DataFrame([run["recall"] for run in runs]) * 100
        which = {"testbed": name, "method": method}
        rows.append({**which, **{str(g): f"{recall[g].mean():.1f}" for g in recall}})
        gap = 100 * np.array([run["gap"]["value"] for run in runs])
        by_chance = 100 * np.mean([run["gap"]["null_median"] for run in runs])
        worst = pd.Series([run["worst"] for run in runs]).value_counts()
        gaps.append(
            {
                **which,
                "gap, mean of seeds": f"{gap.mean():.1f}",
                "95 % interval": _interval(gap),
                "least and most": f"{gap.min():.1f} to {gap.max():.1f}",
                "by chance alone": f"{by_chance:.1f}",
                "worst group": ", ".join(f"{g} ({n})" for g, n in worst.items()),
                "asked for": LIMITS.get((name, method), ""),
            }
        )
    parts = {
        "Recall (%) at 1 % false positives, mean of the seeds": rows,
        "Gap between the best and the worst group, points": gaps,
        "Against the plain classifier of the same seed, points": _differences(found),
    }
    return [
        line
        for title, part in parts.items()
        if part
        for line in (f"**{title}**", "", *_markdown(part), "")
    ]


def _differences(found: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Return what each other method changes, paired by seed."""
    by_run = {(run["testbed"], run["method"], run["seed"]): run for run in found}
    rows = []
    for name, method in dict.fromkeys((run["testbed"], run["method"]) for run in found):
        pairs = [
            (run, by_run[(name, "plain", run["seed"])])
            for run in found
            if (run["testbed"], run["method"]) == (name, method)
            and (name, "plain", run["seed"]) in by_run
        ]
        if method == "plain" or not pairs:
            continue
        worst = [_lowest(ours) - _lowest(plain) for ours, plain in pairs]
        gap = [100 * (ours["gap"]["value"] - plain["gap"]["value"]) for ours, plain in pairs]
        mean = [_mean(ours) - _mean(plain) for ours, plain in pairs]
        rows.append(
            {
                "testbed": name,
                "difference": f"{method} - plain",
                "worst group": _with_interval(worst),
                "gap": _with_interval(gap),
                "mean of groups": _with_interval(mean),
            }
        )
    return rows


def _lowest(run: dict[str, Any]) -> float:
    return 100 * float(min(run["recall"].values()))


def _mean(run: dict[str, Any]) -> float:
    return 100 * float(np.mean(list(run["recall"].values())))


def _with_interval(values: Sequence[float]) -> str:
    return f"{np.mean(values):+.1f} ({_interval(np.asarray(values))})"


def _interval(values: np.ndarray) -> str:
    if len(values) < 2:
        return "one seed"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean() - half:.1f} to {values.mean() + half:.1f}"


def _markdown(rows: Sequence[dict[str, str]]) -> list[str]:
    header = list(rows[0])
    lines = [header, ["---"] * len(header), *([row[name] for name in header] for row in rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]


if __name__ == "__main__":
    main()
