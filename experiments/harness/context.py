"""What a method is given to train with, and the common way of training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from lightning_fabric import Fabric
from numpy.typing import NDArray
from tasks import group_names

from debias.models.checkpoint import load_model
from debias.models.db_vae import Architecture, FaceModel
from debias.resampling.weights import SamplingWeights
from debias.rundir import RunDir, create_run
from debias.training.images import SplitImages
from debias.training.loop import LossWeigher, TrainingData, fit
from debias.training.randomness import torch_seeded
from debias.training.settings import RunSettings, load_settings
from debias.training.weighting import Rebuild, Weigher, latent_weigher

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Context:
    """What a method is given.

    Attributes:
        images: decoded and split.
        people: attributes by ``image_id``, for methods that say that they use labels.
        groups: the attributes whose combinations are the groups.
        rare: attribute values that are rare in training, to see what share the weights give them.
        seed: of initialisation, augmentation and sampling.
        assignments: settings that all methods share, as ``section.key=value``.
        fabric: device and precision.
        folder: to work in.
        trace: a row for every time that weights were made; filled by :func:`train`.
    """

    images: SplitImages
    people: pd.DataFrame
    groups: tuple[str, ...]
    rare: tuple[tuple[str, str], ...]
    seed: int
    assignments: tuple[str, ...]
    fabric: Fabric
    folder: Path
    trace: list[dict[str, float]]

    def settings(self, architecture: Architecture, changes: Iterable[str] = ()) -> RunSettings:
        """Return the settings of a training, with a method's own changes."""
        return load_settings(
            assignments=[*self.assignments, *changes],
            flags={"architecture": architecture, "seed": self.seed},
        )

    def ids(self, rows: Rows) -> pd.Index:
        """Return the ids of rows of the store."""
        return pd.Index(self.images.store.image_ids)[rows]

    def names(self, rows: Rows) -> NDArray[np.object_]:
        """Return the group of each row of the store; those of no group are None."""
        return group_names(self.people, self.ids(rows), self.groups)

    def is_rare(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which rows have all the values that are rare in training; none where none are."""
        known = self.people.reindex(self.ids(rows))
        each = [(known[name] == value).to_numpy() for name, value in self.rare]
        return np.logical_and.reduce(each) if each else np.zeros(len(rows), dtype=bool)


def train(
    context: Context,
    architecture: Architecture,
    *,
    changes: Iterable[str] = (),
    weigher: Weigher | None = None,
    loss_weigher: LossWeigher | None = None,
    name: str = "run",
) -> FaceModel:
    """Train a model from the start and return the one that is kept.

    Args:
        context: images and settings.
        architecture: of the model.
        changes: settings of the method, ``section.key=value``.
        weigher: see :func:`~debias.training.loop.fit`.
        loss_weigher: see :func:`~debias.training.loop.fit`.
        name: of the folder under the context's, for methods that train more than once.
    """
    settings = context.settings(architecture, changes)
    run = RunDir(path=context.folder / name)
    create_run(run.path)
    with torch_seeded(settings.seed, "initialisation"):
        model = FaceModel(settings.model, architecture=architecture)
    draws_by_weight = weigher is not None or model.latent_head is not None
    data = TrainingData(
        store=context.images.store,
        train=context.images.rows("train"),
        validation=context.images.rows("val"),
    )
    fit(
        model,
        data,
        settings=settings,
        fabric=context.fabric,
        run=run,
        show_progress=False,
        weigher=_traced(context, weigher or latent_weigher) if draws_by_weight else None,
        loss_weigher=loss_weigher,
    )
    return load_model(run.model).to(context.fabric.device)


def _traced(context: Context, weigher: Weigher) -> Weigher:
    """Return a weigher that notes what share of the draws go to the rare, and to no known face."""

    def traced(rebuild: Rebuild) -> SamplingWeights:
        weights = weigher(rebuild)
        rare = context.is_rare(rebuild.faces)
        unknown = ~context.ids(rebuild.faces).isin(context.people.index)
        context.trace.append(
            {
                "epoch": rebuild.epoch,
                "rare_share": float(weights.probabilities[rare].sum()),
                "rare_share_of_faces": float(rare.mean()),
                "unknown_share": float(weights.probabilities[unknown].sum()),
                "unknown_share_of_faces": float(unknown.mean()),
                "effective_share": weights.health.effective_sample_size / len(rare),
                "largest_over_mean": weights.health.largest_over_mean,
            }
        )
        return weights

    return traced
