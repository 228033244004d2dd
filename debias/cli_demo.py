"""The command ``debias demo``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add_demo(jobs: Any, add_job: Callable[..., Any]) -> None:
    """Add the command ``demo`` to a parser; see :func:`debias.cli_data.add_data`."""
    summary = "plant a bias in drawn faces, and see whether debiasing shrinks it"
    parser = add_job(jobs, "demo", _demo, summary)
    parser.add_argument(
        "--fast", action="store_true", help="fewer images and shorter training: under a minute"
    )
    parser.add_argument(
        "--testbed",
        default="planted",
        metavar="NAME",
        help="what is drawn: planted (the default), or another that `debias data list` names",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the drawing and of the training (0)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output",
        type=Path,
        default=Path("runs/demo"),
        metavar="DIR",
        help="where to write (runs/demo)",
    )
    output.add_argument("--overwrite", action="store_true", help="replace an existing demo")
    output.add_argument("--resume", action="store_true", help="continue an interrupted demo")


def _demo(chosen: argparse.Namespace) -> int:
    from debias.jobs.demo import DemoJob, run_demo

    page = run_demo(
        DemoJob(
            output=chosen.output,
            testbed=chosen.testbed,
            seed=chosen.seed,
            fast=chosen.fast,
            device=chosen.device,
            overwrite=chosen.overwrite,
            resume=chosen.resume,
            show_progress=not chosen.quiet,
        )
    )
    print(page)
    return 0
