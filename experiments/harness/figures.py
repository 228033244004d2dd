"""What a trained method is worth: recall by group at a false-positive rate of the test's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from tasks import Task, group_names

from debias.errors import TooFewNegativesError
from debias.metrics.counts import UNKNOWN, attribute_values
from debias.metrics.operating_point import operating_point, recall_at_fpr

TARGETS = (0.01, 0.001)


def measure(predictions: pd.DataFrame, people: pd.DataFrame, task: Task) -> dict[str, Any]:
    """Return the aggregates of a run.

    Args:
        predictions: of validation and test, as :func:`~debias.inference.scoring.score_images`
            gives them.
        people: attributes by ``image_id``.
        task: says which attributes make the groups.
    """
    test, validation = (predictions[predictions["split"] == split] for split in ("test", "val"))
    names = attribute_values(
        pd.Series(group_names(people, pd.Index(test["image_id"]), task.groups))
    )
    faces = (test["y_true"] == 1).to_numpy(dtype=bool)
    return {
        "num_faces": {
            str(group): int(count)
            for group, count in pd.Series(names[faces]).value_counts().sort_index().items()
        },
        "num_negatives": int((~faces).sum()),
        "at_test_fpr": {f"{target:g}": _at_test(test, names, target, task) for target in TARGETS},
        "at_validation_threshold": {
            f"{target:g}": _at_validation(test, validation, names, target, task)
            for target in TARGETS
        },
        "at_half": _at_threshold(test, names, 0.5, task),
        "auc": _areas(test, names, faces),
    }


def _at_test(
    test: pd.DataFrame, names: np.ndarray, target: float, task: Task
) -> dict[str, Any] | None:
    """Return recall by group where the test's own non-faces give ``target``; None: too few."""
    try:
        found = recall_at_fpr(
            y_true=test["y_true"].to_numpy(),
            y_score=test["y_score"].to_numpy(),
            target_fpr=target,
            sensitive_features=pd.Series(names, name="group"),
        )
    except TooFewNegativesError:
        return None
    recall = {group[0]: rate.value for group, rate in found.by_group.items()}
    return {"overall": found.overall.value, **_spread(recall, task)}


def _at_validation(
    test: pd.DataFrame, validation: pd.DataFrame, names: np.ndarray, target: float, task: Task
) -> dict[str, Any] | None:
    """Return recall by group, and the rate realised, at a threshold from validation."""
    negatives, positives = (
        validation.loc[validation["y_true"] == label, "y_score"].to_numpy() for label in (0, 1)
    )
    try:
        point = operating_point(
            y_score_negatives=negatives, y_score_faces=positives, target_fpr=target
        )
    except TooFewNegativesError:
        return None
    return _at_threshold(test, names, point.threshold, task)


def _at_threshold(
    test: pd.DataFrame, names: np.ndarray, threshold: float, task: Task
) -> dict[str, Any]:
    """Return recall by group, and the rate realised, at a threshold."""
    hits = test["y_score"].to_numpy() >= threshold
    faces = (test["y_true"] == 1).to_numpy(dtype=bool)
    recall = pd.Series(hits[faces]).groupby(names[faces]).mean()
    return {
        "realised_fpr": float(hits[~faces].mean()),
        "overall": float(hits[faces].mean()),
        **_spread({str(group): float(value) for group, value in recall.items()}, task),
    }


def _spread(recall: dict[str, float], task: Task) -> dict[str, Any]:
    known = tuple(group for group in recall if group != UNKNOWN)
    judged = np.array([recall[group] for group in task.judged or known])
    return {
        "recall": recall,
        "worst": float(judged.min()),
        "gap": float(np.ptp(judged)),
        "mean_accuracy": float(judged.mean()),
        "accuracy_variance": float((100 * judged).var(ddof=1)),
    }


def _areas(test: pd.DataFrame, names: np.ndarray, faces: np.ndarray) -> dict[str, float]:
    """Return each group's area under the ROC curve against all non-faces."""
    scores = test["y_score"].to_numpy()
    return {
        str(group): float(roc_auc_score(faces[rows], scores[rows]))
        for group in pd.unique(names[faces])
        for rows in [~faces | (names == group)]
    }
