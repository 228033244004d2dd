"""A testbed in a folder, with its attributes: drawn where a person says, or once into the cache."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from debias.data.attributes import Attributes
from debias.data.cache_folder import locked, new_folder
from debias.data.prepared_folder import (
    DATA_FILE,
    PreparedData,
    about,
    open_prepared,
    preparation,
    write_contents,
)
from debias.data.store import default_cache
from debias.errors import OutputError, UsageError
from debias.testbed.factors import neutral_factors
from debias.testbed.sets import PREFIX, VERSION, Testbed, load_testbed

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

    def described(self) -> dict[str, str]:
        """Return whom it shows and how many images it has, by labels.

        Raises:
            DataError: there is no testbed of that name.
        """
        testbed = self.testbed()
        faces, others = testbed.faces, testbed.non_faces
        images = (
            f"{testbed.num_images:,}: train {faces[0]:,} faces + {others[0]:,} non-faces; "
            f"val {faces[1]:,} + {others[1]:,}; "
            f"test {faces[2]:,} of each skin tone and gender + {others[2]:,}"
        )
        return {"this one": f"{PREFIX}{testbed.name}: {testbed.summary}", "images": images}


def parse_drawing(text: str) -> Drawing | None:
    """Return the drawing that a text names, or None where it names no testbed.

    Args:
        text: ``testbed:NAME``, or ``testbed:NAME:FRACTION`` for a part of it.

    Raises:
        UsageError: the fraction is none.
        DataError: there is no such testbed.
    """
    if not text.startswith(PREFIX):
        return None
    name, _, fraction = text.removeprefix(PREFIX).partition(":")
    try:
        part = float(fraction or 1)
    except ValueError:
        raise UsageError(
            f"cannot read the fraction {fraction!r}", where=text, hint=f"Write {PREFIX}NAME:0.5"
        ) from None
    drawing = Drawing(population=name, fraction=part)
    drawing.testbed()
    return drawing


def draw_into(
    drawing: Drawing,
    folder: Path,
    *,
    overwrite: bool = False,
    num_workers: int | None = None,
    show_progress: bool = True,
) -> dict[str, Any]:
    """Draw a testbed into a folder, and return what its ``data.json`` says.

    Args:
        drawing: what to draw.
        folder: where; it is made if need be.
        overwrite: an earlier preparation may be replaced.
        num_workers: threads; None uses all cores.
        show_progress: draw a progress bar.

    Raises:
        ConfigError: the size is out of its range, or there is no thread; nothing is replaced.
        OutputError: something stands in the way, or the folder cannot be written.
    """
    from debias.testbed.files import write_testbed  # needs numba, which nothing else here does
    from debias.testbed.renderer import render_files

    testbed = drawing.testbed()
    # Draws nothing, but refuses what would be refused once an earlier drawing is gone.
    render_files(neutral_factors(0), size=drawing.size, num_workers=num_workers)
    drawing = replace(drawing, population=testbed.name)  # however it was written
    facts = about(
        name=f"{PREFIX}{drawing.population}",
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


def drawn_once(
    drawing: Drawing,
    *,
    cache: Path | None = None,
    num_workers: int | None = None,
    show_progress: bool = True,
) -> PreparedData:
    """Return a testbed of the cache, into which it is drawn at its first use.

    Args:
        drawing: which.
        cache: where testbeds are kept; None for the default.
        num_workers: threads that draw; None uses all cores.
        show_progress: draw a progress bar.

    Raises:
        OutputError: the cache cannot be written.
    """
    place = (cache or default_cache()) / FOLDER_OF_DRAWN / _key(drawing)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with locked(place, on_wait=lambda: None):
            if not (place / DATA_FILE).is_file():
                shutil.rmtree(place, ignore_errors=True)
                with new_folder(place) as folder:
                    draw_into(drawing, folder, num_workers=num_workers, show_progress=show_progress)
    except OSError as problem:
        if isinstance(problem, OutputError):
            raise
        raise OutputError(
            f"cannot keep the testbed: {problem.strerror or problem}",
            where=place,
            hint="Free some space, or set DEBIAS_CACHE to a folder that can be written",
        ) from problem
    return open_prepared(place)


def _key(drawing: Drawing) -> str:
    content = json.dumps({**asdict(drawing), "version": VERSION}, sort_keys=True)
    digest = hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
    return f"{drawing.population}-{digest}"
