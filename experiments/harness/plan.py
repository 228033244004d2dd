"""Runs that are wanted, made in parallel and resumed: a finished run leaves one JSON file."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks import find_task

from debias.errors import DataError
from debias.rundir import read_json

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Wanted:
    """A run: a task, a seed and a method."""

    seed: int
    task: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What all runs of a table have in common.

    Attributes:
        results: where the files go.
        work: for images and stores, some half a gigabyte a task and seed; kept, since drawing
            takes half a minute.
        real: the folder of the real faces; without it tasks on real faces are refused.
        fraction: of a testbed's images.
        changes: settings for all methods alike.
        parallel: processes of one thread each.
    """

    results: Path
    work: Path
    real: Path | None = None
    fraction: float = 1
    changes: tuple[str, ...] = ()
    parallel: int = 2

    def file(self, run: Wanted) -> Path:
        """Return where a run's figures are."""
        return self.results / run.task / f"{run.method}-seed{run.seed}.json"


def add_budget(parser: argparse.ArgumentParser, *, results: Path) -> None:
    """Add the options that every experiment takes."""
    parser.add_argument("--work", type=Path, default=Path("evidence-work"), help="for images")
    parser.add_argument("--results", type=Path, default=results)
    parser.add_argument("--real", type=Path, help="folder of the real faces")
    parser.add_argument("--parallel", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--fraction", type=float, default=1, help="of the testbeds' images")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")


def add_choice(
    parser: argparse.ArgumentParser, *, methods: Sequence[str], seeds: Sequence[int]
) -> None:
    """Add the options of an experiment on one task: which methods and seeds, and whether to train.

    Args:
        parser: to add to.
        methods: where none are named.
        seeds: where none are named.
    """
    parser.add_argument("--tables", action="store_true", help="print what is there, train nothing")
    parser.add_argument("--methods", type=names, default=tuple(methods), metavar="NAME,...")
    parser.add_argument("--seeds", type=numbers, default=tuple(seeds), metavar="N,...")


def chosen_results(chosen: argparse.Namespace, *, task: str) -> list[dict[str, Any]]:
    """Return the results of the runs that the command line names, made unless ``--tables``."""
    runs = wanted_runs([task], chosen.methods, chosen.seeds)
    budget = chosen_budget(chosen)
    return present_results(runs, budget) if chosen.tables else run_missing(runs, budget)


def present_results(runs: Iterable[Wanted], budget: Budget) -> list[dict[str, Any]]:
    """Return the results of the runs that have been made."""
    return [read_json(budget.file(run)) for run in runs if budget.file(run).exists()]


def chosen_budget(chosen: argparse.Namespace) -> Budget:
    """Return the budget that the command line names."""
    return Budget(
        results=chosen.results,
        work=chosen.work,
        real=chosen.real,
        fraction=chosen.fraction,
        changes=tuple(chosen.set),
        parallel=chosen.parallel,
    )


def wanted_runs(tasks: Iterable[str], methods: Iterable[str], seeds: Iterable[int]) -> list[Wanted]:
    """Return all runs, seed by seed and task by task, so that drawn images are shared."""
    chosen = list(methods)
    every = list(tasks)
    return [
        Wanted(seed=seed, task=task, method=method)
        for seed in seeds
        for task in every
        for method in chosen
    ]


def run_missing(runs: Sequence[Wanted], budget: Budget) -> list[dict[str, Any]]:
    """Make the runs that have no file, and return the figures of all, in order.

    A run that fails costs that run alone; the others are made, and then the failure is told.

    Raises:
        DataError: a file was made with another budget, or runs failed.
    """
    for run in runs:
        find_task(run.task)
    missing = [run for run in runs if not _is_done(run, budget)]
    with ThreadPoolExecutor(budget.parallel) as pool:
        failed = [run for run in pool.map(lambda run: _make(run, budget), missing) if run]
    if failed:
        raise DataError(
            f"{len(failed)} of {len(missing)} runs failed: {', '.join(map(str, failed))}",
            where=budget.results,
            hint="Their messages are above; the others have their files",
        )
    return [read_json(budget.file(run)) for run in runs]


def names(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas."""
    return tuple(text.split(","))


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a list with commas."""
    return tuple(int(number) for number in text.split(","))


def _is_done(run: Wanted, budget: Budget) -> bool:
    """Return whether a run has its file; one of another budget is refused, not mixed in."""
    file = budget.file(run)
    if not file.exists():
        return False
    made = read_json(file)
    if (made["fraction"], tuple(made["changes"])) != (budget.fraction, budget.changes):
        raise DataError(
            f"made with --fraction {made['fraction']} and --set {made['changes']}",
            where=file,
            hint="Use another --results",
        )
    return True


def _make(run: Wanted, budget: Budget) -> Wanted | None:
    """Make a run; returns it if it failed."""
    command = [
        *(sys.executable, str(HERE / "one_run.py"), run.task, run.method, str(run.seed)),
        *(str(budget.file(run)), "--work", str(budget.work), "--fraction", str(budget.fraction)),
        *(("--real", str(budget.real)) if budget.real else ()),
        *(word for change in budget.changes for word in ("--set", change)),
    ]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        # glibc would give large tensors back to the system and fault them in again each step.
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(2**34),
        "MALLOC_TOP_PAD_": str(2**28),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{run}: {done.stderr[-2000:]}", file=sys.stderr, flush=True)
        return run
    at = read_json(budget.file(run))["at_test_fpr"]["0.01"]
    told = f"worst {100 * at['worst']:.1f}, gap {100 * at['gap']:.1f}" if at else "no figures"
    print(f"{run.task} {run.method} seed {run.seed}: {told}", flush=True)
    return None
