"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from debias.errors import UsageError

if TYPE_CHECKING:
    from debias.data.prepared_folder import PreparedData

DATA_HELP = (
    "a folder that `debias data prepare` wrote, or testbed:NAME, which is drawn at its first use "
    "(testbed:NAME:0.5 is half of it)"
)


def positive(text: str) -> int:
    """Return a whole number of at least 1, for an option."""
    number = int(text) if text.strip().isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def share(text: str) -> float:
    """Return a number above 0 and below 1, for an option."""
    number = _number(text)
    if not 0.0 < number < 1.0:
        percent = _number(text.strip().removesuffix("%"))
        meant = f" (for {percent:g} % write {percent / 100:g})" if 1.0 <= percent < 100.0 else ""
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and below 1{meant}")
    return number


def shares(text: str) -> tuple[float, ...]:
    """Return numbers above 0 and below 1 with commas between, none of them twice, for an option."""
    numbers = tuple(share(word) for word in text.split(","))
    if len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError(f"{text!r} names a number twice")
    return numbers


def finite(text: str) -> float:
    """Return a finite number, for an option."""
    number = _number(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return number


def _number(text: str) -> float:
    """Return a number, NaN for any other text."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def add_output(
    parser: argparse.ArgumentParser, *, required: bool = True, resume: bool = False
) -> argparse._ArgumentGroup:
    """Add ``--output``, ``--overwrite`` and, if told to, ``--resume``; return where they stand."""
    output = parser.add_argument_group("output")
    output.add_argument(
        "--output", type=Path, required=required, metavar="DIR", help="where to write"
    )
    output.add_argument("--overwrite", action="store_true", help="replace an existing output")
    if resume:
        output.add_argument("--resume", action="store_true", help="continue an interrupted run")
    return output


def add_include_images(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add ``--include-images``."""
    parser.add_argument(
        "--include-images",
        action="store_true",
        help="show photographs too, and what the model makes of them (drawn faces always are)",
    )


def add_groups(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the options that say who belongs to which group, and return where they stand."""
    groups = parser.add_argument_group("subgroups")
    groups.add_argument(
        "--attributes", type=Path, metavar="FILE", help="sensitive attributes by image_id"
    )
    groups.add_argument(
        "--provenance",
        "--label-provenance",
        metavar="NAME=WORD,...",
        help="where labels come from: self-reported, annotated, proxy, estimated, constructed or "
        "unknown",
    )
    groups.add_argument(
        "--groups",
        metavar="NAME,...",
        help="the attributes to report by; NAME=COLUMN reads NAME from another column (with --data "
        "by default skin_tone and gender, where known)",
    )
    return groups


def names(text: str | None) -> list[str]:
    """Return the names in a list with commas between; none of them is empty."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def label_provenance(chosen: argparse.Namespace) -> dict[str, str]:
    """Return what ``--provenance`` says of each attribute."""
    from debias.data.attributes import parse_provenance

    return parse_provenance(chosen.provenance) if chosen.provenance else {}


def prepared_data(chosen: argparse.Namespace, *, check: Callable[[], object]) -> list[PreparedData]:
    """Return the data sets that ``--data`` names.

    Args:
        chosen: the options.
        check: refuses what is wrong with the other options, before a testbed is drawn, perhaps.

    Raises:
        UsageError: images are named in another way too.
        OutputError: the output cannot be written to.
        DataError: there is no such data set, or it is not what it must be.
    """
    if not chosen.data:
        return []
    others = [getattr(chosen, name, None) for name in ("images", "faces", "non_faces")]
    if any(other is not None for other in others):
        raise UsageError(
            "name the images in one way",
            where="--data",
            hint="It brings its own: leave out MANIFEST, --faces and --non-faces",
        )
    from debias.jobs.data import find_data
    from debias.rundir import check_output

    if chosen.output is not None:  # what is wrong with it shall not come out after the drawing
        resume = getattr(chosen, "resume", None)
        folders = [folder for folder in map(Path, chosen.data) if folder.is_dir()]
        check_output(
            chosen.output,
            overwrite=chosen.overwrite,
            resume=bool(resume),
            can_resume=resume is not None,
            inputs=folders,
        )
    check()
    cache, workers = getattr(chosen, "cache", None), getattr(chosen, "workers", None)
    return [
        find_data(name, cache=cache, num_workers=workers, show_progress=not chosen.quiet)
        for name in chosen.data
    ]


def take_groups(chosen: argparse.Namespace, prepared: list[PreparedData]) -> None:
    """Let ``--data`` say what ``--attributes`` and ``--groups`` do not.

    Raises:
        UsageError: groups are named, but not exactly one of the data sets has attributes.
    """
    if not prepared or chosen.attributes is not None:
        return
    known = [one for one in prepared if one.attributes is not None]
    if chosen.groups and len(known) != 1:
        whose = " and ".join(one.name for one in known) or "no set of --data"
        raise UsageError(
            f"{whose} {'have' if known else 'has'} attributes",
            where="--groups",
            hint="Name their file with --attributes",
        )
    groups = chosen.groups or (",".join(known[0].groups) if len(known) == 1 else "")
    if groups:
        chosen.attributes, chosen.groups = known[0].attributes, groups
