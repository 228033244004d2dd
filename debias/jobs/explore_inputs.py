"""What an exploration reads: a model with a latent space, and faces to place in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from debias.data.manifest import Manifest
from debias.data.shown import LEAST_PERSONS, drawn_factors
from debias.data.source import ImageSource
from debias.data.store import ImageStore, build_store, default_cache
from debias.data.tables import read_table
from debias.errors import DataError
from debias.rundir import RunDir
from debias.seeding import numpy_generator
from debias.training.settings import RunSettings

MOST_DESCRIBED = 4000
MOST_JUDGED = 2000
LEAST_OTHERS = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExploredFaces:
    """Faces to place in a latent space.

    Attributes:
        store: their pixels, and where some could not be decoded.
        described: rows of the store for histograms: faces that the model was trained on, if any
            are there; at most 4,000, drawn at random.
        judged: rows of the store to judge the model on: faces that it was not trained on, if 20
            are there; at most 2,000, drawn at random.
        are_trained_on: whether ``described`` are faces that the model was trained on, by their ids.
        are_others: whether ``judged`` are all others, by their ids.
        num_faces: how many faces were given.
        num_persons: different persons among them; None where none is known.
        factors: of the ``judged``, a row each; None where the faces are no drawn ones.
    """

    store: ImageStore
    described: NDArray[np.int64]
    judged: NDArray[np.int64]
    are_trained_on: bool
    are_others: bool
    num_faces: int
    num_persons: int | None
    factors: pd.DataFrame | None


def explored_faces(
    source: ImageSource,
    settings: RunSettings,
    run: RunDir,
    *,
    include_images: bool,
    seed: int = 0,
    cache: Path | None = None,
    num_workers: int | None = None,
    show_progress: bool = True,
) -> ExploredFaces:
    """Return the faces among the images that a person named.

    Args:
        source: the images; all of them where none is labelled.
        settings: of the run.
        run: its directory.
        include_images: photographs may be shown, so that few persons are no reason to stop.
        seed: of the draw, where there are more faces than needed.
        cache: where decoded images are kept.
        num_workers: threads that decode; None uses all cores.
        show_progress: draw a progress bar.

    Raises:
        DataError: bad images, no faces, or so few persons that their mean shows one of them.
    """
    manifest = source.load(fractions=settings.data.fractions, seed=settings.data.seed)
    if manifest.table["label"].notna().any():
        manifest = manifest.subset(manifest.faces)
    if not len(manifest):
        raise DataError("there are no faces among the images", where=source.images)
    factors = drawn_factors(source, manifest)
    num_persons = _count_persons(manifest)
    if factors is None and not include_images:
        _require_persons(len(manifest) if num_persons is None else num_persons, source)
    known = pd.Index(read_table(run.sampling_weights)["image_id"].astype(str))
    trained_on = manifest.table["image_id"].isin(known).to_numpy()
    described, judged = _choose(trained_on, seed=seed)
    store = build_store(
        manifest.subset(described | judged),
        settings.decoding,
        cache=cache or default_cache(),
        num_workers=num_workers,
        progress=show_progress,
    )
    ids = manifest.table["image_id"]
    decoded = ids.isin(store.image_ids).to_numpy()
    rows = [store.rows(ids[chosen & decoded]) for chosen in (described, judged)]
    if not all(map(len, rows)):
        raise DataError("too few faces could be decoded", where=manifest.root)
    return ExploredFaces(
        store=store,
        described=rows[0],
        judged=rows[1],
        are_trained_on=bool(trained_on[described].all()),
        are_others=not trained_on[judged].any(),
        num_faces=len(manifest),
        num_persons=num_persons,
        factors=None if factors is None else factors[(judged & decoded)].reset_index(drop=True),
    )


def _choose(
    trained_on: NDArray[np.bool_], *, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return masks of the faces to describe the latent space by, and of those to judge it on."""
    generator = numpy_generator(seed, "explored faces")

    def some(mask: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
        rows = np.flatnonzero(mask)
        chosen = np.zeros(len(mask), dtype=np.bool_)
        chosen[rows if len(rows) <= most else generator.choice(rows, most, replace=False)] = True
        return chosen

    whole = np.ones_like(trained_on)
    described = some(trained_on if trained_on.any() else whole, MOST_DESCRIBED)
    others = ~trained_on
    judged = some(others if others.sum() >= LEAST_OTHERS else described, MOST_JUDGED)
    return described, judged


def _count_persons(manifest: Manifest) -> int | None:
    """Return how many persons there are, each unknown one counting; None where none is known."""
    persons = manifest.table["identity_id"]
    if persons.isna().all():
        return None
    return int(persons.nunique() + persons.isna().sum())


def _require_persons(number: int, source: ImageSource) -> None:
    if number < LEAST_PERSONS:
        raise DataError(
            f"shows {number} {'person' if number == 1 else 'persons'}, and the mean of fewer than "
            f"{LEAST_PERSONS} would show much of one of them",
            where=source.images or "images",
            hint="Give faces of more persons, or say --include-images if the page may show people",
        )
