"""The commands that know data sets: ``debias data list``, ``show`` and ``prepare``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from debias.cli_options import positive
from debias.errors import UsageError

_NAME_HELP = (
    "one of those that `debias data list` names; testbed:NAME:FRACTION is a part of a testbed"
)


def add_data(jobs: Any, add_job: Callable[..., Any]) -> None:
    """Add the command ``data`` and its actions to a parser.

    Args:
        jobs: the subparsers of the command line.
        add_job: makes a parser for a job or an action, from the subparsers that it joins, its
            name, what runs it, and a summary.
    """
    summary = "list data sets, describe one, or make one ready for use"
    parser = jobs.add_parser(
        "data", help=summary, description=summary[0].upper() + summary[1:] + ".", allow_abbrev=False
    )
    actions = parser.add_subparsers(
        dest="action", required=True, metavar="ACTION", parser_class=type(parser)
    )
    add_job(actions, "list", _list, "name the data sets that are known")
    show = add_job(actions, "show", _show, "say what is to be known of a data set")
    show.add_argument("name", metavar="NAME", help=_NAME_HELP)
    prepare = add_job(
        actions, "prepare", _prepare, "list the images of a data set as it was published, unpacked"
    )
    prepare.add_argument("name", metavar="NAME", help=_NAME_HELP)
    prepare.add_argument(
        "--root", type=Path, required=True, metavar="DIR", help="where the images are"
    )
    output = prepare.add_argument_group("output")
    output.add_argument(
        "--output", type=Path, metavar="DIR", help="where to write (beside the images)"
    )
    output.add_argument("--overwrite", action="store_true", help="replace an earlier preparation")
    drawn = prepare.add_argument_group("testbeds, whose images are drawn into --root")
    drawn.add_argument(
        "--size", type=positive, metavar="N", help="height and width in pixels, 16 to 512 (64)"
    )
    drawn.add_argument("--seed", type=int, metavar="N", help="another one draws other faces (0)")
    drawn.add_argument(
        "--workers", type=positive, metavar="N", help="threads that draw (one a core)"
    )


def _list(_: argparse.Namespace) -> int:
    from debias.jobs.data import describe_all

    print(describe_all(), end="")
    return 0


def _show(chosen: argparse.Namespace) -> int:
    from debias.jobs.data import describe

    print(describe(chosen.name), end="")
    return 0


def _prepare(chosen: argparse.Namespace) -> int:
    from debias.jobs.data import PrepareJob, run_prepare
    from debias.testbed.drawing import parse_drawing

    drawing = parse_drawing(chosen.name)
    given = {
        name: getattr(chosen, name)
        for name in ("size", "seed")
        if getattr(chosen, name) is not None
    }
    if given and drawing is None:
        raise UsageError("is of testbeds, which are drawn", where=f"--{next(iter(given))}")
    prepared = run_prepare(
        PrepareJob(
            name=chosen.name,
            root=chosen.root,
            output=chosen.output,
            drawing=None if drawing is None else replace(drawing, **given),
            overwrite=chosen.overwrite,
            num_workers=chosen.workers,
            show_progress=not chosen.quiet,
        )
    )
    print(prepared.manifest)
    return 0
