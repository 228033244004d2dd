"""The command ``debias detect``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from debias.cli_options import add_output, finite, positive, share


def add_detect(jobs: Any, add_job: Callable[..., Any]) -> None:
    """Add the command ``detect`` to a parser; see :func:`debias.cli_data.add_data`."""
    parser = add_job(jobs, "detect", _detect, "find the faces in pictures with a trained model")
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a picture, or a folder of pictures"
    )
    parser.add_argument("--model", type=Path, required=True, metavar="RUN", help="a run directory")
    search = parser.add_argument_group("search")
    search.add_argument(
        "--smallest",
        type=positive,
        metavar="PIXELS",
        help="side of the smallest windows in the picture (32)",
    )
    search.add_argument(
        "--step", type=finite, metavar="X", help="the next larger windows over these (1.25)"
    )
    search.add_argument(
        "--overlap",
        type=finite,
        metavar="X",
        help="intersection over union above which the better of two boxes stays (0.3)",
    )
    search.add_argument(
        "--threshold",
        type=share,
        metavar="X",
        help="the score that a face must have (that of the run's operating point)",
    )
    parser.add_argument(
        "--draw", action="store_true", help="also write the pictures with the boxes drawn"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--workers", type=positive, metavar="N", help="threads that read pictures")
    add_output(parser)


def _detect(chosen: argparse.Namespace) -> int:
    from debias.inference.detect import DetectionSettings
    from debias.jobs.detect import DetectJob, run_detect
    from debias.training.device import check_device

    check_device(chosen.device)
    names = ("smallest", "step", "overlap")
    given = {name: getattr(chosen, name) for name in names if getattr(chosen, name) is not None}
    run = run_detect(
        DetectJob(
            paths=chosen.paths,
            model=chosen.model,
            output=chosen.output,
            settings=DetectionSettings(**given),
            threshold=chosen.threshold,
            draw=chosen.draw,
            device=chosen.device,
            overwrite=chosen.overwrite,
            num_workers=chosen.workers,
            show_progress=not chosen.quiet,
        )
    )
    print(run.detections)
    return 0
