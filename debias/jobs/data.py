"""Make an image set ready for use: read one from the layout it is published in, or draw one."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from debias.data.attributes import Attributes
from debias.data.cache_folder import locked, new_folder
from debias.data.cards import render_card, render_list, render_summary
from debias.data.catalog import ROLES, list_definitions, load_definition
from debias.data.layouts.readers import read_published
from debias.data.prepared_folder import (
    DATA_FILE,
    PreparedData,
    about,
    check_target,
    open_prepared,
    preparation,
    write_contents,
    write_prepared,
)
from debias.data.store import default_cache
from debias.errors import DataError, OutputError, UsageError, nearest
from debias.testbed.sets import VERSION, Testbed, list_testbeds, load_testbed

TESTBED = "testbed"
ROLE = max(map(len, ROLES))
FOLDER_OF_DRAWN = "testbeds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Which drawn set, and how much of it.

    Args:
        population: one of :func:`debias.testbed.sets.list_testbeds`.
        fraction: the part of its images to draw, in (0, 1].
        size: height and width of the images in pixels.
        seed: another seed draws other people.
    """

    population: str
    fraction: float = 1.0
    size: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise UsageError(
                f"the fraction of a testbed is {self.fraction}",
                hint="It must be above 0 and at most 1",
            )

    def testbed(self) -> Testbed:
        """Return the populations and how many images of each.

        Raises:
            DataError: there is no testbed of that name.
        """
        whole = load_testbed(self.population)
        return whole if self.fraction == 1 else whole.scaled(self.fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareJob:
    """Which set to make ready, and where.

    Attributes:
        name: one of :func:`debias.data.catalog.list_definitions`.
        root: the folder of the published set; for ``testbed``, where to draw.
        output: where to write; None writes beside the pictures.
        drawing: of ``testbed``, what to draw; None for other sets.
        overwrite: replace an earlier preparation.
        num_workers: processes that draw; None uses all cores.
        show_progress: draw progress bars.
        say: takes what was found, in lines.
    """

    name: str
    root: Path
    output: Path | None = None
    drawing: Drawing | None = None
    overwrite: bool = False
    num_workers: int | None = None
    show_progress: bool = True
    say: Callable[[str], None] = print


def describe_all() -> str:
    """Return a line for each data set, then one for each testbed."""
    made = (load_definition(name) for name in list_definitions())
    drawn = {f"{TESTBED}:{name}": load_testbed(name).summary for name in list_testbeds()}
    return render_list({one.name: f"{one.role:<{ROLE}}  {one.title}" for one in made} | drawn)


def describe(name: str) -> str:
    """Return all that is known of a data set.

    Raises:
        DataError: none of that name is defined.
    """
    return render_card(load_definition(name))


def run_prepare(job: PrepareJob) -> PreparedData:
    """Write manifest, attributes and what could not be used, and return where they are.

    Raises:
        UsageError: what to draw is named for a set that is not drawn, or not for one that is.
        DataError: no such set, or the folder is not of the layout in which it is published.
        OutputError: something stands in the way, or the folder cannot be written.
    """
    definition = load_definition(job.name)
    if job.name == TESTBED and job.drawing is None:
        known = ", ".join(list_testbeds())
        raise UsageError(
            "no population is named", where=TESTBED, hint=f"Add --population, one of {known}"
        )
    if job.name != TESTBED and job.drawing is not None:
        raise UsageError("--population is of testbed alone", where=job.name)
    folder = job.output or (job.root.parent if job.root.is_file() else job.root)
    if job.drawing is not None:
        testbed = job.drawing.testbed()
        facts = _draw(
            testbed,
            job.drawing,
            folder,
            overwrite=job.overwrite,
            num_workers=job.num_workers,
            show_progress=job.show_progress,
        )
    else:
        check_target(folder, overwrite=job.overwrite, draws=False)
        found = read_published(job.root, definition)
        facts = write_prepared(
            found,
            folder,
            name=job.name,
            overwrite=job.overwrite,
            show_progress=job.show_progress,
        )
    job.say(render_summary(facts).rstrip("\n"))
    return open_prepared(folder)


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
        num_workers: processes that draw; None uses all cores.
        show_progress: draw a progress bar.

    Raises:
        UsageError: the fraction is none.
        DataError: there is no such testbed or folder, or the folder is not prepared.
        OutputError: the cache cannot be written.
    """
    kind, colon, rest = text.partition(":")
    if not colon or kind != TESTBED:
        return _open(text)
    name, _, fraction = rest.partition(":")
    try:
        drawing = Drawing(population=name, fraction=float(fraction or 1))
    except ValueError as problem:
        if isinstance(problem, UsageError):
            raise
        raise UsageError(
            f"cannot read the fraction {fraction!r}", where=text, hint="Write testbed:NAME:0.1"
        ) from None
    place = (cache or default_cache()) / FOLDER_OF_DRAWN / _key(drawing)
    testbed = drawing.testbed()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with locked(place, on_wait=lambda: None):
            if not (place / DATA_FILE).is_file():
                shutil.rmtree(place, ignore_errors=True)
                with new_folder(place) as folder:
                    _draw(
                        testbed,
                        drawing,
                        folder,
                        num_workers=num_workers,
                        show_progress=show_progress,
                    )
    except OSError as problem:
        if isinstance(problem, OutputError):
            raise
        raise OutputError(
            f"cannot keep the testbed: {problem.strerror or problem}",
            where=place,
            hint="Free some space, or set DEBIAS_CACHE to a folder that can be written",
        ) from problem
    return open_prepared(place)


def _open(text: str) -> PreparedData:
    folder = Path(text)
    if folder.exists():
        return open_prepared(folder)
    hint = f"Name a prepared folder, or testbed:NAME. {nearest(text, list_testbeds())}"
    if text in list_definitions() and text != TESTBED:
        hint = f"Prepare it first: debias data prepare {text} --root DIR"
    raise DataError("there is no such folder", where=text, hint=hint)


def _key(drawing: Drawing) -> str:
    content = json.dumps({**asdict(drawing), "version": VERSION}, sort_keys=True)
    digest = hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
    return f"{drawing.population}-{digest}"


def _draw(
    testbed: Testbed,
    drawing: Drawing,
    folder: Path,
    *,
    overwrite: bool = False,
    num_workers: int | None = None,
    show_progress: bool = True,
) -> dict[str, Any]:
    """Draw a testbed into a folder, and return what its ``data.json`` says."""
    from debias.testbed.files import write_testbed  # needs numba, which nothing else here does

    facts = about(
        name=f"{TESTBED}:{drawing.population}",
        root=folder,
        folder=folder,
        version=VERSION,
        **asdict(drawing),
    )
    with preparation(folder, facts, overwrite=overwrite, draws=True):
        truth = write_testbed(
            testbed,
            folder,
            size=drawing.size,
            seed=drawing.seed,
            num_workers=num_workers,
            show_progress=show_progress,
        )
        provenance = {str(name): "constructed" for name in truth.columns}
        write_contents(folder, facts, attributes=Attributes(table=truth, provenance=provenance))
    return facts
