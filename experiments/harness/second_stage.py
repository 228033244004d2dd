"""Rivals that train, look at what came out, and train again: all of it or the last layer.

References:
    [Kirichenko2023], [Qiu2023]: see :mod:`last_layer`.
    [Liu2021] Liu, Haghgoo, Chen, Raghunathan, Koh, Sagawa, Liang, Finn. Just Train Twice:
    Improving Group Robustness without Training Group Information. ICML 2021.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from context import Context, Rows, train
from last_layer import (
    NON_FACES,
    Floats,
    Names,
    balanced_layer,
    best_strength,
    encoder_features,
    last_layer,
    loss_shares,
    pulled_layer,
    put_last_layer,
)
from torch import Tensor
from weighers import fixed, strata

from debias.data.store import ImageStore
from debias.inference.predict import predict_logits
from debias.models.db_vae import FaceModel
from debias.seeding import numpy_generator
from debias.training.images import SplitImages
from debias.training.loop import LossWeigher
from debias.training.validation import LabelledRows


def just_train_twice(
    context: Context, *, epochs: int, factor: float, non_faces: bool = True
) -> FaceModel:
    """Train, and train anew with what was answered wrongly drawn more often [Liu2021].

    The identification model is a plain classifier stopped after ``epochs``, at a constant
    learning rate, as a whole training would be after so many; its last epoch is taken. Its errors
    among the training images (threshold 0.5, no augmentation) make the error set. The final model
    is a plain classifier from the start with the error set ``factor`` times as often: the faces
    by their draws, the non-faces, which are drawn alike, by their losses, which is the same in
    the mean. No group label is read.

    Two things differ from the paper. Each label keeps its half of the batch, as in all methods
    here; in the paper errors also shift the balance of the labels. And the paper chooses epochs,
    factor and a strong weight decay by the groups of the validation set, which are not read here.

    Args:
        context: images and settings.
        epochs: of the identification model, at least 1.
        factor: at least 1.
        non_faces: whether errors among the non-faces count more too, as in the paper. After few
            epochs these are many, look like faces, and drown the rest; without them the method
            changes the draws of faces only, as resampling does.
    """
    stopped = (
        f"training.epochs={epochs}",
        "training.schedule=constant",
        "training.selection=last",
    )
    identification = train(context, "classifier", changes=stopped, name="identification")
    rows = context.images.rows("train")
    errors = error_set(identification, context.images.store, rows)
    return train(
        context,
        "classifier",
        weigher=fixed(relative_weights(rows.faces, errors.faces, factor=factor)),
        loss_weigher=error_losses(rows.non_faces, errors.non_faces, factor=factor)
        if non_faces
        else None,
    )


def error_set(model: FaceModel, store: ImageStore, rows: LabelledRows) -> LabelledRows:
    """Return the rows that a model answers wrongly at a threshold of 0.5."""
    return LabelledRows(
        faces=rows.faces[predict_logits(model, store, rows.faces) < 0],
        non_faces=rows.non_faces[predict_logits(model, store, rows.non_faces) >= 0],
    )


def relative_weights(rows: Rows, errors: Rows, *, factor: float) -> Floats:
    """Return weights with a mean of 1, shape (row,): errors weigh ``factor`` times the others."""
    weights = np.where(np.isin(rows, errors), factor, 1.0)
    return np.asarray(weights / weights.mean())


def error_losses(non_faces: Rows, errors: Rows, *, factor: float) -> LossWeigher:
    """Return how much the losses of a batch count: by :func:`relative_weights`; of faces, 1."""
    by_row = np.ones(1 + non_faces.max())
    by_row[non_faces] = relative_weights(non_faces, errors, factor=factor)

    def weigh(rows: Rows, losses: Tensor) -> Tensor:
        known = np.where(rows < len(by_row), rows, 0)
        weights = np.where(np.isin(rows, non_faces), by_row[known], 1.0)
        return torch.from_numpy(weights).to(losses)

    return weigh


def last_layer_without_labels(
    context: Context, *, gamma: float, holdout: float = 0.2, pull: float = 0.2
) -> FaceModel:
    """Train on a part, and fit the last layer on the rest by the model's doubt [Qiu2023].

    Automatic Feature Reweighting: a plain classifier is trained without the part held out; its
    last layer is then fitted on that part with weights by :func:`~last_layer.loss_shares` and
    pulled towards itself. No group label is read.

    Three things differ from the paper. It descends for a number of steps that, with gamma and
    pull, the groups of the validation set choose; here the same objective is solved, with the
    pull of the authors' command for Waterbirds, and no group is read. Features are made without
    augmentation. And the part is drawn from images, so that a person, or a picture that several
    windows are cut from, may be on both sides, which makes the model look surer than it is; the
    paper draws images too.

    Args:
        context: images and settings.
        gamma: how much doubt counts, at least 0; the paper's are about 1 to 20.
        holdout: share of the training images of each label, in (0, 1).
        pull: towards the trained last layer, above 0.
    """
    held_out = hold_out(context, holdout)
    model = train(without(context, held_out), "classifier")
    features, groups = _features(context, model, held_out, group_faces=False)
    y = groups != NON_FACES
    start = last_layer(model)
    shares = loss_shares(start.logits(features), y, gamma=gamma)
    return put_last_layer(model, pulled_layer(features, y, shares=shares, start=start, pull=pull))


def deep_feature_reweighting(
    context: Context, *, holdout: float = 0.0, num_subsets: int = 10
) -> FaceModel:
    """Train, and fit the last layer on group-balanced images: a ceiling [Kirichenko2023].

    It reads the groups of all training faces, and, to choose the penalty, of the validation
    faces. With no part held out it is the paper's DFR on training images: features and last
    layer come from the same ones. With one, it is the paper's better variant, whose last layer
    sees images that the features were not trained on; these come from the training split, and a
    person may be on both sides.

    Non-faces belong to no group. They are one that is as large as all groups of faces together,
    so that labels are balanced as everywhere here; the paper's groups split both labels.

    Args:
        context: images and settings.
        holdout: share of the training images of each label, in [0, 1); 0 for the first variant.
        num_subsets: group-balanced subsets whose layers are averaged.
    """
    if holdout:
        rows = hold_out(context, holdout)
        model = train(without(context, rows), "classifier")
    else:
        rows = context.images.rows("train")
        model = train(context, "classifier")
    generator = numpy_generator(context.seed, "balanced subsets")
    features, groups = _features(context, model, rows)
    judged_features, judged_groups = _features(context, model, context.images.rows("val"))
    strength = best_strength(
        features,
        groups,
        judged_features=judged_features,
        judged_groups=judged_groups,
        generator=generator,
    )
    layer = balanced_layer(
        features, groups, strength=strength, num_subsets=num_subsets, generator=generator
    )
    return put_last_layer(model, layer)


def hold_out(context: Context, share: float) -> LabelledRows:
    """Return a random share of the training rows of each label, at least one, by the seed."""
    rows = context.images.rows("train")
    generator = numpy_generator(context.seed, "held out")
    faces, non_faces = (
        np.sort(generator.permutation(part)[: max(1, round(share * len(part)))])
        for part in (rows.faces, rows.non_faces)
    )
    return LabelledRows(faces=faces, non_faces=non_faces)


def without(context: Context, rows: LabelledRows) -> Context:
    """Return a context that lacks some rows."""
    images = context.images
    ids = context.ids(np.concatenate([rows.faces, rows.non_faces]))
    kept = ~images.manifest.table["image_id"].isin(ids).to_numpy()
    fewer = SplitImages(manifest=images.manifest.subset(kept), store=images.store)
    return dataclasses.replace(context, images=fewer)


def _features(
    context: Context, model: FaceModel, rows: LabelledRows, *, group_faces: bool = True
) -> tuple[Floats, Names]:
    """Return the features of faces, then non-faces, and the group of each image."""
    order = np.concatenate([rows.faces, rows.non_faces])
    groups = np.full(len(order), NON_FACES, dtype=object)
    groups[: len(rows.faces)] = strata(context, rows.faces) if group_faces else "face"
    return encoder_features(model, context.images.store, order), groups
