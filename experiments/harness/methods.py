"""The methods: rivals without labels, rivals with a few, and ceilings that know the groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from context import Context, train
from group_dro import group_dro
from second_stage import deep_feature_reweighting, just_train_twice, last_layer_without_labels
from weighers import by_tone, few_labels, group_balanced, low_margin, mixture, neighbours

from debias.errors import DataError, nearest
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


def _set(name: str, summary: str, *changes: str, architecture: Architecture = "db-vae") -> Method:
    """Return a method that is the library's own, with some settings."""
    return Method(
        name=name,
        summary=summary,
        train=partial(_train_with, architecture=architecture, changes=changes),
    )


def _drawn(
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


STRONGER = (
    "augmentation.brightness=0.5",
    "augmentation.contrast=0.5",
    "augmentation.gamma=0.8",
)
FEW = (50, 100, 500)


def _methods() -> Iterator[Method]:
    yield _set("plain", "the classifier alone", architecture="classifier")
    yield _set(
        "plain-strong", "and stronger changes of light", *STRONGER, architecture="classifier"
    )
    yield _set("vae", "jointly with a VAE, no resampling", "resampling.rule=uniform")
    yield _set("max", "DB-VAE, the teaching lab's rule", "resampling.rule=max")
    yield _set("paper", "DB-VAE, the paper's product, untempered", "resampling.rule=paper")
    for share in ("0.5", "0.3", "0.2"):
        ess = f"resampling.target_ess={share}"
        yield _set(
            f"product-{share}",
            f"DB-VAE, the product tempered to an effective sample of {share}",
            "resampling.rule=product",
            ess,
        )
        yield _set(
            f"margin-{share}",
            f"DB-VAE, the product of what the margin depends on, tempered to {share}",
            "resampling.rule=margin",
            ess,
        )
        for rule in ("product", "margin"):
            yield _set(
                f"{rule}-{share}-streamed",
                f"{rule}-{share}, by latents of the training batches, no face encoded for it",
                f"resampling.rule={rule}",
                ess,
                "resampling.histograms=streamed",
            )
        yield _drawn(
            f"neighbours-{share}",
            "DB-VAE, a nearest-neighbour density of the latents",
            lambda context: neighbours(),
            ess,
            architecture="db-vae",
        )
        yield _drawn(
            f"mixture-{share}",
            "DB-VAE, a Gaussian mixture of the latents",
            lambda context: mixture(),
            ess,
            architecture="db-vae",
        )
        yield _drawn(
            f"low-margin-{share}",
            "the classifier's own low margins, no latents",
            lambda context: low_margin(),
            ess,
        )
        yield _drawn(
            f"ita-{share}", "skin tone estimated from pixels", lambda context: by_tone(), ess
        )
    for epochs, factor in ((2, 5.0), (2, 20.0), (4, 20.0)):
        yield Method(
            name=f"jtt-{epochs}-{factor:g}",
            summary=f"just train twice: faces missed after {epochs} epochs, {factor:g} times",
            train=partial(just_train_twice, epochs=epochs, factor=factor, non_faces=False),
        )
    yield Method(
        name="jtt-both",
        summary="just train twice: faces and non-faces taken wrongly after 2 epochs, 20 times",
        train=partial(just_train_twice, epochs=2, factor=20.0),
    )
    for gamma in (1.0, 4.0, 16.0):
        yield Method(
            name=f"last-layer-{gamma:g}",
            summary=f"last layer retrained by the loss (AFR), gamma {gamma:g}",
            train=partial(last_layer_without_labels, gamma=gamma),
        )
    for count in FEW:
        yield _drawn(
            f"few-labels-{count}",
            f"DB-VAE, a direction from {count} labelled faces",
            partial(_few, count=count),
            architecture="db-vae",
            labels=f"the group of {count} training faces",
        )
    yield _drawn(
        "group-balanced",
        "every group drawn alike",
        group_balanced,
        labels=GROUP_LABELS,
        is_ceiling=True,
    )
    yield Method(
        name="group-dro",
        summary="the worst group's loss (GroupDRO)",
        train=group_dro,
        labels=GROUP_LABELS,
        is_ceiling=True,
    )
    yield Method(
        name="dfr",
        summary="last layer retrained on balanced groups (DFR)",
        train=deep_feature_reweighting,
        labels="the group of every training and validation face",
        is_ceiling=True,
    )


def _few(context: Context, *, count: int) -> Weigher:
    return few_labels(context, num_labelled=count, seed=context.seed)


METHODS = {method.name: method for method in _methods()}


def find_method(name: str) -> Method:
    """Return a method by its name.

    Raises:
        DataError: none is called so.
    """
    if name not in METHODS:
        raise DataError(f"no method is called {name!r}", hint=nearest(name, METHODS))
    return METHODS[name]
