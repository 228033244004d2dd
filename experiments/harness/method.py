"""What a method is, and the ways to make one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from context import Context, train

from debias.models.db_vae import Architecture, FaceModel
from debias.training.weighting import Weigher

NONE = "none"
GROUP_LABELS = "the group of every training face"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to train.

    Attributes:
        name: what it is called.
        summary: one line.
        train: from a context to the model.
        labels: of people, that training reads.
        is_ceiling: whether it knows the groups, and so is no rival.
    """

    name: str
    summary: str
    train: Callable[[Context], FaceModel]
    labels: str = NONE
    is_ceiling: bool = False


def by_settings(
    name: str, summary: str, *changes: str, architecture: Architecture = "db-vae"
) -> Method:
    """Return a method that is the library's own, with some settings."""
    return Method(
        name=name,
        summary=summary,
        train=partial(_train_with, architecture=architecture, changes=changes),
    )


def by_weights(
    name: str,
    summary: str,
    weigher: Callable[[Context], Weigher],
    *changes: str,
    architecture: Architecture = "classifier",
    labels: str = NONE,
    is_ceiling: bool = False,
) -> Method:
    """Return a method that draws faces by weights of its own."""
    return Method(
        name=name,
        summary=summary,
        train=partial(_train_with, architecture=architecture, changes=changes, weigher=weigher),
        labels=labels,
        is_ceiling=is_ceiling,
    )


def _train_with(
    context: Context,
    *,
    architecture: Architecture,
    changes: tuple[str, ...],
    weigher: Callable[[Context], Weigher] | None = None,
) -> FaceModel:
    chosen = None if weigher is None else weigher(context)
    return train(context, architecture, changes=changes, weigher=chosen)
