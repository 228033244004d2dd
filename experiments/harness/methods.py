"""The methods: rivals without labels, rivals with a few, and ceilings that know the groups."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from context import Context
from group_dro import group_dro
from method import GROUP_LABELS, Method, by_settings, by_weights
from second_stage import deep_feature_reweighting, just_train_twice, last_layer_without_labels
from variants import variants
from weighers import (
    by_tone,
    few_labels,
    group_balanced,
    local_margin,
    low_margin,
    mixture,
    neighbours,
)

from debias.errors import DataError, nearest
from debias.training.weighting import Weigher

LIGHT = {
    "strong": ("augmentation.brightness=0.3", "augmentation.contrast=1", "augmentation.gamma=1.5"),
    "stronger": (
        "augmentation.brightness=0.45",
        "augmentation.contrast=1.4",
        "augmentation.gamma=2",
    ),
}
"""Stronger changes of light than the default's 0.15, 0.7 and 1."""
FEW = (50, 100, 500)
PAPER_ALPHAS = ("0.1", "0.05", "0.01", "0.001")
"""Of Table 1 of [Amini2019]."""


def _methods() -> Iterator[Method]:
    yield by_settings("plain", "the classifier alone", architecture="classifier")
    for strength, changes in LIGHT.items():
        yield by_settings(
            f"plain-{strength}",
            f"the classifier alone, {strength} changes of light",
            *changes,
            architecture="classifier",
        )
    yield by_settings("vae", "jointly with a VAE, no resampling", "resampling.rule=uniform")
    yield by_settings("max", "DB-VAE, the teaching lab's rule", "resampling.rule=max")
    for alpha in PAPER_ALPHAS:
        yield by_settings(
            f"paper-{alpha}",
            f"DB-VAE, the paper's product, untempered, alpha {alpha}",
            "resampling.rule=paper",
            f"resampling.alpha={alpha}",
        )
    for share in ("0.5", "0.3", "0.2"):
        ess = f"resampling.target_ess={share}"
        yield by_settings(
            f"product-{share}",
            f"DB-VAE, the product tempered to an effective sample of {share}",
            "resampling.rule=product",
            ess,
        )
        yield by_settings(
            f"margin-{share}",
            f"DB-VAE, the product of what the margin depends on, tempered to {share}",
            "resampling.rule=margin",
            "resampling.unexplained=false",
            ess,
        )
        yield by_settings(
            f"whole-margin-{share}",
            f"margin-{share} and, for what no latent explains, the margin itself",
            "resampling.rule=margin",
            ess,
        )
        for name, rule in (("product", "product"), ("whole-margin", "margin")):
            yield by_settings(
                f"{name}-{share}-streamed",
                f"{name}-{share}, by latents of the training batches, no face encoded for it",
                f"resampling.rule={rule}",
                ess,
                "resampling.histograms=streamed",
            )
        yield by_weights(
            f"neighbours-{share}",
            "DB-VAE, a nearest-neighbour density of the latents",
            lambda context: neighbours(),
            ess,
            architecture="db-vae",
        )
        yield by_weights(
            f"mixture-{share}",
            "DB-VAE, a Gaussian mixture of the latents",
            lambda context: mixture(),
            ess,
            architecture="db-vae",
        )
        yield by_weights(
            f"low-margin-{share}",
            "the classifier's own low margins, no latents",
            lambda context: low_margin(),
            ess,
        )
        yield by_weights(
            f"local-margin-{share}",
            "the mean margin of a face's neighbours in the classifier's features",
            lambda context: local_margin(),
            ess,
        )
        yield by_weights(
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
        yield by_weights(
            f"few-labels-{count}",
            f"DB-VAE, a direction from {count} labelled faces",
            partial(_few, count=count),
            architecture="db-vae",
            labels=f"the group of {count} training faces",
        )
    yield by_weights(
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


METHODS = {method.name: method for method in (*_methods(), *variants())}


def find_method(name: str) -> Method:
    """Return a method by its name.

    Raises:
        DataError: none is called so.
    """
    if name not in METHODS:
        raise DataError(f"no method is called {name!r}", hint=nearest(name, METHODS))
    return METHODS[name]
