"""Which method helps the worst-served group, at the same false-positive rate?

    python experiments/rivals/run.py                      # the screen: 2 seeds, 3 tasks, all
    python experiments/rivals/run.py --final              # the chosen methods, 5 seeds, all tasks
    python experiments/rivals/run.py --tables [--final]   # tables of what is there, no training
    python experiments/rivals/run.py --tables --final --write   # and put them into the READMEs

On drawn tasks each seed draws other people and pictures, of training and test alike; the screen's
seeds are none of the final's, so nothing was chosen on an image that the final is tested by. Real
tasks need ``--real DIR``; their images are the same for all seeds, and ``--final`` alone reads
their test. Each such reading is a line of ``readings.csv`` beside the results.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "harness"))

from closing import closed_table, overview_table  # noqa: E402
from figures import TARGETS  # noqa: E402
from methods import METHODS  # noqa: E402
from plan import (  # noqa: E402
    Budget,
    Wanted,
    add_budget,
    chosen_budget,
    names,
    numbers,
    present_results,
    run_missing,
    wanted_runs,
)
from tables import (  # noqa: E402
    area_table,
    difference_table,
    lead_table,
    markdown,
    put_tables,
    recall_table,
    threshold_table,
    weights_table,
)
from tasks import TASKS, RealTask, find_task  # noqa: E402

SCREEN_TASKS = ("dark-3", "dark-3-junk", "dark-glasses")
SCREEN_SEEDS = (100, 101)
FINAL_SEEDS = (1, 2, 3, 4, 5)
LEADER = "whole-margin-0.3"
FINAL_METHODS = (
    *("plain", "max", "product-0.5", "margin-0.3", "whole-margin-0.3"),
    *("low-margin-0.3", "local-margin-0.3", "jtt-2-20"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what has no result yet, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_budget(parser, results=HERE / "results")
    parser.add_argument("--final", action="store_true", help="the chosen methods, on final seeds")
    parser.add_argument("--tables", action="store_true", help="print what is there, train nothing")
    parser.add_argument("--write", action="store_true", help="put the tables into the READMEs")
    parser.add_argument("--tasks", type=names, metavar="NAME,...")
    parser.add_argument("--methods", type=names, metavar="NAME,...")
    parser.add_argument("--seeds", type=numbers, metavar="N,...")
    chosen = parser.parse_args(arguments)
    budget = chosen_budget(chosen)
    tasks = chosen.tasks or (DRAWN if chosen.final else SCREEN_TASKS)
    methods = chosen.methods or (FINAL_METHODS if chosen.final else tuple(METHODS))
    seeds = chosen.seeds or (FINAL_SEEDS if chosen.final else SCREEN_SEEDS)
    runs = _with_balanced(wanted_runs(tasks, methods, seeds), seeds)
    if not chosen.final and (kept := sorted({*seeds} & {*FINAL_SEEDS})):
        parser.error(f"the images of seed {kept[0]} are read by --final alone")
    if not chosen.final and (real := [run for run in runs if _is_real(run.task)]):
        parser.error(f"the test of {real[0].task} is read by --final alone")
    if chosen.tables:
        found = present_results(runs, budget)
    else:
        if chosen.final:
            log_readings([run for run in runs if not budget.file(run).exists()], budget)
        found = run_missing(runs, budget)
    overview = list(overviews(found))
    lines = [*overview, *all_tables(found)]
    if chosen.write:
        put_tables(HERE / "README.md", lines)
        put_tables(HERE.parent / "README.md", overview)
    print("\n".join(lines))


def log_readings(runs: Sequence[Wanted], budget: Budget) -> None:
    """Add a line to ``readings.csv`` for every run whose test is about to be read."""
    if not runs:
        return
    file = budget.results / "readings.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = [f"{today},{run.task},{run.method},{run.seed}" for run in runs]
    header = [] if file.exists() else ["date,task,method,seed"]
    with file.open("a") as log:
        log.write("\n".join([*header, *lines]) + "\n")


DRAWN = tuple(
    name for name, task in TASKS.items() if not isinstance(task, RealTask) and task.balanced
)


def _is_real(task: str) -> bool:
    return isinstance(find_task(task), RealTask)


def _with_balanced(runs: Sequence[Wanted], seeds: Sequence[int]) -> list[Wanted]:
    """Add, for each task, the plain classifier trained on its balanced set, the ceiling."""
    even = {balanced for run in runs if (balanced := find_task(run.task).balanced)}
    added = wanted_runs(sorted(even), ["plain"], seeds)
    return sorted({*runs, *added})


def overviews(runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the tables that hold all methods and tasks."""
    tasks = [name for name, task in TASKS.items() if task.balanced]
    for target in TARGETS:
        known = [run for run in runs if run["at_test_fpr"][f"{target:g}"]]
        yield from markdown(
            f"Share of the recoverable gap that is closed at {100 * target:g} % false positives",
            overview_table(known, tasks, target),
        )


def all_tables(runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of all tables, task by task."""
    for task in TASKS:
        if not any(run["task"] == task for run in runs):
            continue
        yield f"### {task}: {TASKS[task].summary}\n"
        for target in TARGETS:
            known = [run for run in runs if run["at_test_fpr"][f"{target:g}"]]
            at = f"at {100 * target:g} % false positives of the test's non-faces"
            yield from markdown(f"Recall (%) {at}", recall_table(known, task, target))
            yield from markdown(
                f"Against plain, points {at}", difference_table(known, task, target)
            )
            yield from markdown(
                f"{LEADER} against other rivals, points {at}",
                lead_table(known, task, target, leader=LEADER),
            )
            yield from markdown(
                f"Share of the recoverable gap that is closed {at}",
                closed_table(known, task, target),
            )
        yield from markdown(
            "Area under the ROC curve (%) against all non-faces", area_table(runs, task)
        )
        yield from markdown("What was drawn, and the cost", weights_table(runs, task))
        yield from markdown(
            "At the threshold from validation (1 % asked for)", threshold_table(runs, task, 0.01)
        )


if __name__ == "__main__":
    main()
