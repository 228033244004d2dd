"""Trained models that an audit asks: which they are, and what they make of the images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from debias.audit.images import AuditedImages
from debias.audit.probe_spread import ProbedRun
from debias.audit.probes import ProbeSettings, probe_latents
from debias.data.store import ImageStore, build_store, default_cache
from debias.errors import DataError
from debias.inference.latents import LatentRows, latent_rows
from debias.models.checkpoint import load_model
from debias.models.db_vae import FaceModel
from debias.resampling.activity import active_latents
from debias.resampling.histogram import build_histograms, kl_per_latent
from debias.rundir import open_run
from debias.seeding import numpy_generator
from debias.training.device import make_fabric
from debias.training.settings import RunSettings
from debias.training.trained import open_latent_model


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelToAsk:
    """Which models look at the images, and how.

    Attributes:
        run: the directory that `debias train` wrote.
        others: such directories of further models, asked for what their latents tell of
            attributes alone.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        cache: where decoded images are kept; None for the default.
        num_workers: threads that decode; None uses all cores.
        show_progress: draw progress bars.
        seed: of folds, permutations and reference sets.
        are_drawn: a program drew the faces, so that they show nobody.
        include_images: show single faces, and means of few, even if they are photographs.
    """

    run: Path
    others: tuple[Path, ...] = ()
    device: str = "auto"
    cache: Path | None = None
    num_workers: int | None = None
    show_progress: bool = True
    seed: int = 0
    are_drawn: bool = False
    include_images: bool = False

    @property
    def shows_faces(self) -> bool:
        """Whether single faces may be shown."""
        return self.are_drawn or self.include_images


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncodedImages:
    """What a model makes of images.

    Attributes:
        settings: of the model's training.
        model: on its device.
        store: the images' pixels, as the model takes them.
        seen: positions among the audited images of those that could be decoded, shape (seen,).
        found: of the images seen, in their order.
        mu: their posterior means, shape (seen, latent).
    """

    settings: RunSettings
    model: FaceModel
    store: ImageStore
    seen: NDArray[np.intp]
    found: LatentRows
    mu: NDArray[np.float32]


def encode_images(
    images: AuditedImages, run: Path, *, asked: ModelToAsk, chosen: NDArray[np.bool_]
) -> EncodedImages:
    """Return what a model makes of images.

    Args:
        images: the set.
        run: the directory that training wrote.
        asked: how to ask it.
        chosen: a mask of the images, shape (image,).

    Raises:
        DataError: there is no such model, or no face can be decoded.
    """
    _, settings = open_latent_model(run)
    store = build_store(
        images.manifest,
        settings.decoding,
        cache=asked.cache or default_cache(),
        num_workers=asked.num_workers,
        progress=asked.show_progress,
    )
    image_ids = images.manifest.table["image_id"]
    seen = np.flatnonzero(image_ids.isin(store.image_ids).to_numpy() & chosen)
    if not images.faces[seen].any():
        raise DataError("no face can be decoded", where=images.manifest.root)
    fabric = make_fabric(asked.device, "fp32")
    model = load_model(open_run(run, job="train")[0].model).to(fabric.device)
    found = latent_rows(model, store, store.rows(image_ids.iloc[seen]))
    assert found.mu is not None
    return EncodedImages(
        settings=settings, model=model, store=store, seen=seen, found=found, mu=found.mu
    )


def probed_run(images: AuditedImages, run: Path, encoded: EncodedImages, *, seed: int) -> ProbedRun:
    """Return what a model's latents tell of each attribute of the faces.

    Folds, permutations and the faces drawn are the same for every model.

    Args:
        images: the set.
        run: the directory that training wrote.
        encoded: what the model makes of at least the faces.
        seed: of folds and permutations.
    """
    is_face = images.faces[encoded.seen]
    faces, mu, log_var = encoded.seen[is_face], encoded.mu[is_face], encoded.found.log_var
    kl = None if log_var is None else kl_per_latent(mu, log_var[is_face])
    weighting = encoded.settings.weighting
    active = active_latents(
        build_histograms(mu, num_bins=weighting.num_bins).counts,
        kl,
        threshold=weighting.activity_threshold,
    )
    return ProbedRun(
        name=run.resolve().name,  # folders above may tell whose machine it is
        architecture=encoded.settings.architecture,
        seed=encoded.settings.seed,
        num_faces=len(faces),
        num_latents=mu.shape[1],
        num_active=active.size,
        probes=probe_latents(
            mu,
            images.attributes.iloc[faces].reset_index(drop=True),
            persons=images.persons[faces],
            settings=ProbeSettings(),
            generator=numpy_generator(seed, "probes"),
        ),
    )
