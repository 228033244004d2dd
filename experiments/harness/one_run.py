"""Train one method on one task with one seed, in a process of its own; writes one JSON file.

    python experiments/harness/one_run.py TASK METHOD SEED RESULT --work DIR [--real DIR]
        [--set SECTION.KEY=VALUE ...] [--fraction F]

Everything that the figures depend on is in the file: task, method, settings, seed and versions.
Nothing in it is about a single image.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from context import Context
from figures import measure
from methods import find_method
from tasks import find_task, prepare

from debias.config import to_table
from debias.inference.scoring import score_images
from debias.rundir import provenance, write_json
from debias.training.device import make_fabric
from debias.training.images import split_images
from debias.training.settings import load_settings


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("method")
    parser.add_argument("seed", type=int)
    parser.add_argument("result", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="for images and stores")
    parser.add_argument("--real", type=Path, help="folder of the real faces")
    parser.add_argument("--fraction", type=float, default=1, help="of a testbed's images")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    write_json(
        chosen.result,
        run_one(
            chosen.task,
            chosen.method,
            chosen.seed,
            work=chosen.work,
            real=chosen.real,
            fraction=chosen.fraction,
            changes=tuple(chosen.set),
        ),
    )


def run_one(
    task_name: str,
    method_name: str,
    seed: int,
    *,
    work: Path,
    real: Path | None = None,
    fraction: float = 1,
    changes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Train and return what the result file holds.

    Args:
        task_name: one of the tasks.
        method_name: one of the methods.
        seed: of the training and, on drawn tasks, of the people drawn.
        work: where images are drawn and decoded images are kept.
        real: the folder of the real faces.
        fraction: of a testbed's images.
        changes: settings for all methods alike, such as a smaller budget.
    """
    task, method = find_task(task_name), find_method(method_name)
    work.mkdir(parents=True, exist_ok=True)
    data = prepare(task, seed=seed, folder=work, real=real, fraction=fraction)
    assignments = (*task.settings, *changes)
    settings = load_settings(assignments=assignments)
    images = split_images(
        data.source, settings, cache=work / "cache", num_workers=1, show_progress=False
    )
    with tempfile.TemporaryDirectory(dir=work) as folder:
        context = Context(
            images=images,
            people=data.people,
            groups=task.groups,
            rare=tuple(task.rare.items()),
            seed=seed,
            assignments=assignments,
            fabric=make_fabric("cpu", settings.training.precision),
            folder=Path(folder),
            trace=[],
        )
        started = time.perf_counter()
        model = method.train(context)
        seconds = time.perf_counter() - started
    held_out = images.manifest.table["split"].isin(["val", "test"]).to_numpy()
    predictions = score_images(model, images.store, images.manifest.subset(held_out))
    return {
        "task": task_name,
        "method": method_name,
        "seed": seed,
        "fraction": fraction,
        "changes": list(changes),
        "seconds": round(seconds, 1),
        **measure(predictions, data.people, task),
        "weights": context.trace,
        **provenance(
            job="experiment",
            settings=to_table(settings),
            data={"num_images": images.counts(), "digest": images.digest()},
        ),
    }


if __name__ == "__main__":
    main()
