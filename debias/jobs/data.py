"""Make an image set ready for use: read one from the layout it is published in, or draw one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from debias.data.cards import render_card, render_list, render_summary
from debias.data.catalog import ROLES, list_definitions, load_definition
from debias.data.layouts.readers import check_readable, read_published
from debias.data.prepared_folder import (
    PreparedData,
    check_target,
    open_prepared,
    write_prepared,
)
from debias.errors import DataError, OutputError, UsageError, nearest
from debias.testbed.drawing import Drawing, draw_into, drawn_once, parse_drawing
from debias.testbed.sets import PREFIX, list_testbeds, load_testbed

TESTBED = "testbed"
ROLE = max(map(len, ROLES))


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareJob:
    """Which set to make ready, and where.

    Attributes:
        name: one of :func:`debias.data.catalog.list_definitions`, or ``testbed:NAME``, or
            ``testbed:NAME:FRACTION`` for a part of it.
        root: the folder of the published set; of a testbed, where to draw.
        output: where to write; None writes beside the pictures.
        drawing: which testbed, instead of its name; ``name`` is ``testbed`` then.
        overwrite: replace an earlier preparation.
        num_workers: threads that draw a testbed; None uses all cores.
        show_progress: draw progress bars.
        say: takes what was found, in lines.

    Raises:
        UsageError: there is no thread to draw.
    """

    name: str
    root: Path
    output: Path | None = None
    drawing: Drawing | None = None
    overwrite: bool = False
    num_workers: int | None = None
    show_progress: bool = True
    say: Callable[[str], None] = print

    def __post_init__(self) -> None:
        if self.num_workers is not None and self.num_workers < 1:
            raise UsageError(
                f"the number of workers is {self.num_workers}", hint="At least one must draw"
            )


def describe_all() -> str:
    """Return a line for each data set, then one for each testbed."""
    made = (load_definition(name) for name in list_definitions())
    drawn = {f"{PREFIX}{name}": load_testbed(name).summary for name in list_testbeds()}
    return render_list({one.name: f"{one.role:<{ROLE}}  {one.title}" for one in made} | drawn)


def describe(name: str) -> str:
    """Return all that is known of a data set.

    Args:
        name: of a set, or of a testbed, as :class:`PrepareJob` takes it.

    Raises:
        UsageError: the fraction of a testbed is none.
        DataError: none of that name is defined.
    """
    drawing = parse_drawing(name)
    if drawing is not None:
        return render_card(load_definition(TESTBED), drawn=drawing.described())
    return render_card(load_definition(name))


def run_prepare(job: PrepareJob) -> PreparedData:
    """Write manifest, attributes and what could not be used, and return where they are.

    Raises:
        UsageError: no testbed is named, or what is said of testbeds is said of another set.
        DataError: no such set, or the folder is not of the layout in which it is published.
        OutputError: something stands in the way, or the folder cannot be written.
    """
    drawing = job.drawing or parse_drawing(job.name)
    facts = _read(job) if drawing is None else _draw(job, drawing)
    job.say(render_summary(facts).rstrip("\n"))
    return open_prepared(_target(job))


def _target(job: PrepareJob) -> Path:
    return job.output or (job.root.parent if job.root.is_file() else job.root)


def _draw(job: PrepareJob, drawing: Drawing) -> dict[str, Any]:
    if job.name.partition(":")[0] != TESTBED:
        raise UsageError("is not drawn", where=job.name, hint="Leave out what to draw")
    if job.output is not None:
        raise UsageError(
            "a testbed is drawn into --root", where="--output", hint="Name its folder with --root"
        )
    if job.root.is_file():
        raise OutputError("is a file", where=job.root, hint="Name a folder to draw into")
    return draw_into(
        drawing,
        job.root,
        overwrite=job.overwrite,
        num_workers=job.num_workers,
        show_progress=job.show_progress,
    )


def _read(job: PrepareJob) -> dict[str, Any]:
    definition = load_definition(job.name)
    if job.name == TESTBED:
        known = ", ".join(f"{PREFIX}{name}" for name in list_testbeds())
        raise UsageError("which one is not said", where=TESTBED, hint=f"Name one of {known}")
    if job.num_workers is not None:
        raise UsageError("is of testbeds, which are drawn", where="--workers")
    check_readable(job.root, definition)
    check_target(_target(job), overwrite=job.overwrite, draws=False)
    return write_prepared(
        read_published(job.root, definition),
        _target(job),
        name=job.name,
        overwrite=job.overwrite,
        show_progress=job.show_progress,
    )


def find_data(
    text: str,
    *,
    cache: Path | None = None,
    num_workers: int | None = None,
    show_progress: bool = True,
) -> PreparedData:
    """Return a prepared folder, or a testbed, which is drawn into the cache at its first use.

    Args:
        text: a folder, or ``testbed:NAME``, or ``testbed:NAME:FRACTION`` for a part of it.
        cache: where testbeds are kept; None for the default.
        num_workers: threads that draw; None uses all cores.
        show_progress: draw a progress bar.

    Raises:
        UsageError: the fraction is none.
        DataError: there is no such testbed or folder, or the folder is not prepared.
        OutputError: the cache cannot be written.
    """
    drawing = parse_drawing(text)
    if drawing is not None:
        return drawn_once(
            drawing, cache=cache, num_workers=num_workers, show_progress=show_progress
        )
    folder = Path(text)
    if folder.exists():
        return open_prepared(folder)
    hint = f"Name a prepared folder, or testbed:NAME. {nearest(text, list_testbeds())}"
    if text in list_definitions() and text != TESTBED:
        hint = f"Prepare it first: debias data prepare {text} --root DIR"
    raise DataError("there is no such folder", where=text, hint=hint)
