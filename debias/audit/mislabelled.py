"""Images whose label the other images contradict.

A classifier that was fitted to an image may have learnt its wrong label by heart. So each image is
judged by a logistic regression on an encoder's features that was fitted to others: five folds,
no person and no picture in two of them. (The encoder itself may have been trained on all.)

What contradicts a label clearly depends on the encoder. One that was never taught the values may
tell them badly, so an image must be far beyond the others of its value. One that was taught to tell
them puts them far apart, and a label is contradicted where the other value is all but certain. By
such a one each image is judged by a second fit, to images that the first one does not contradict:
wrong labels draw the border between the values towards themselves.

References:
    [Northcutt2021] Northcutt, Jiang, Chuang. Confident Learning: Estimating Uncertainty in Dataset
    Labels. J. Artificial Intelligence Research 70.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from debias.audit.findings import Concerned, Finding, Severity
from debias.audit.leakage import counted
from debias.resampling.outliers import tail_scores

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class MislabelSettings:
    """When a label is taken for wrong.

    Attributes:
        num_folds: of the cross-fitting.
        threshold: score above which a label is called wrong. Of rightly labelled drawn images it
            calls some 0.05 % wrong by a classifier that was trained on right labels, 0.3 % by one
            trained on 3 % of wrong ones.
        least_probability: of the other value, for an image to be called wrong.
        sure_probability: the same of an encoder that was taught the values. Of 27,778 photographs
            it calls 0.05 % wrong, of rightly labelled drawn images some 0.1 %.
        least_accuracy: share of labels that the others must agree with, for such an encoder to
            count as one.
        limit: share of images called wrong above which it is a warning.
        alpha: of the test that the share is above the limit.
        least_images: of each value, for it to be judged.
        strength: of the regularisation, the ``C`` of scikit-learn's logistic regression.
        most_fitted: images that each fold is fitted to, at most; all are judged.
    """

    num_folds: int = 5
    threshold: float = 4.5
    least_probability: float = 0.5
    sure_probability: float = 0.9
    least_accuracy: float = 0.95
    limit: float = 0.003
    alpha: float = 0.005
    least_images: int = 50
    strength: float = 0.1
    most_fitted: int = 20_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mislabelled:
    """What the other images say of each label.

    Attributes:
        subject: the label or attribute.
        values: of it that were judged.
        reason: why it was not judged; empty where it was.
        num_judged: images judged.
        accuracy: share of them whose label is the likeliest by the others; NaN where not judged.
        scores: how strongly each image's label is contradicted, NaN where it was not judged,
            shape (image,): log odds against it by an encoder that was taught the values; else
            images of a value are put on one scale,
            see :func:`debias.resampling.outliers.tail_scores`.
        likeliest: the position in ``values`` of the likeliest one, -1 where not judged.
        wrong: a mask of the images taken for mislabelled.
        findings: none or one.
    """

    subject: str
    values: tuple[str, ...]
    reason: str
    num_judged: int
    accuracy: float
    scores: Floats
    likeliest: Codes
    wrong: NDArray[np.bool_]
    findings: tuple[Finding, ...]


def find_mislabelled(
    features: NDArray[np.floating],
    labels: NDArray[np.object_],
    *,
    subject: str,
    rows: Codes,
    clusters: Codes,
    is_note: bool,
    is_taught: bool = False,
    settings: MislabelSettings,
    generator: np.random.Generator,
) -> Mislabelled:
    """Return the images whose label the others contradict.

    Args:
        features: of an encoder, finite, shape (image, feature).
        labels: the value of each image as text; None where it is unknown.
        subject: what the label is, such as ``label`` or ``gender``.
        rows: the position of each image among the audited ones, ascending, shape (image,).
        clusters: the person or picture of each image as integers, shape (image,).
        is_note: never call it more than a note, as for attributes that pixels tell badly.
        is_taught: whether the encoder was trained to tell these values.
        settings: when a label is taken for wrong.
        generator: draws the folds.
    """
    known = np.array([value is not None for value in labels], dtype=np.bool_)
    names, codes, sizes = np.unique(
        labels[known].astype(np.str_), return_inverse=True, return_counts=True
    )
    common = np.flatnonzero(sizes >= settings.least_images)
    judged = np.flatnonzero(known)[np.isin(codes, common)]
    y = np.searchsorted(common, codes[np.isin(codes, common)])
    num_folds = _num_folds(y, clusters[judged], settings.num_folds) if common.size > 1 else 0
    if num_folds < 2:
        return _not_judged(subject, len(labels), settings)
    fit = partial(
        cross_fitted_log_probabilities,
        features[judged],
        y,
        clusters=clusters[judged],
        num_folds=num_folds,
        settings=settings,
        generator=generator,
    )
    logs = fit()
    accuracy = float((logs.argmax(axis=1) == y).mean())
    if is_taught and accuracy >= settings.least_accuracy:
        logs = fit(left_out=logs.argmax(axis=1) != y)
        scores = _against(logs, y)
        contradicted = scores > special.logit(settings.sure_probability)
    else:
        scores, contradicted = _beyond_others(logs, y, settings)
    wrong = np.zeros(len(labels), dtype=np.bool_)
    wrong[judged[contradicted]] = True
    every = np.full(len(labels), np.nan)
    every[judged] = scores
    likeliest = np.full(len(labels), -1, dtype=np.intp)
    likeliest[judged] = logs.argmax(axis=1)
    return Mislabelled(
        subject=subject,
        values=tuple(str(names[place]) for place in common),
        reason="",
        num_judged=int(y.size),
        accuracy=accuracy,
        scores=every,
        likeliest=likeliest,
        wrong=wrong,
        findings=_findings(subject, rows[wrong], every[wrong], int(y.size), is_note, settings),
    )


def _against(logs: Floats, y: Codes) -> Floats:
    """Return the log odds of the likeliest other value against each image's own."""
    rows = np.arange(y.size)
    others = logs.copy()
    others[rows, y] = -np.inf
    return np.asarray(others.max(axis=1) - logs[rows, y], dtype=np.float64)


def _beyond_others(
    logs: Floats, y: Codes, settings: MislabelSettings
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return each image's score among those of its value, and which lie far beyond them."""
    margin = _against(logs, y)
    scores = np.empty(y.size)
    for value in range(logs.shape[1]):
        scores[y == value] = tail_scores(margin[y == value])
    others = margin + logs[np.arange(y.size), y]
    return scores, (scores > settings.threshold) & (others > np.log(settings.least_probability))


def cross_fitted_log_probabilities(
    features: NDArray[np.floating],
    y: Codes,
    *,
    clusters: Codes,
    num_folds: int,
    settings: MislabelSettings,
    generator: np.random.Generator,
    left_out: NDArray[np.bool_] | None = None,
) -> Floats:
    """Return each image's log probability of each value, by a model fitted to other images.

    Values count as equally frequent, so that a rare one is not doubted for being rare.

    Args:
        features: finite, shape (image, feature).
        y: values from 0, each in as many clusters as there are folds, shape (image,).
        clusters: the person or picture of each image, shape (image,).
        num_folds: at least 2.
        settings: of the fit.
        generator: draws the folds.
        left_out: a mask of images that are judged and not fitted to, shape (image,); a fold in
            which a value would have none left is fitted to all.

    Returns:
        Shape (image, value), nats, each at most 0.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    scale = np.maximum(features.std(axis=0, dtype=np.float64), 1e-6)
    placed = (features - features.mean(axis=0, dtype=np.float64)) / scale
    folds = StratifiedGroupKFold(
        num_folds, shuffle=True, random_state=int(generator.integers(2**31))
    )
    result = np.full((y.size, int(y.max()) + 1), np.log(np.finfo(np.float64).tiny))
    for fitted, tried in folds.split(placed, y, groups=clusters):
        if left_out is not None:
            kept = fitted[~left_out[fitted]]
            if np.array_equal(np.unique(y[kept]), np.unique(y[fitted])):
                fitted = kept
        if fitted.size > settings.most_fitted:
            fitted = generator.choice(fitted, settings.most_fitted, replace=False)
        model = LogisticRegression(C=settings.strength, class_weight="balanced", max_iter=1000)
        model.fit(placed[fitted], y[fitted])
        logit = model.decision_function(placed[tried])
        if logit.ndim == 1:
            logit = np.stack([np.zeros(len(logit)), logit], axis=1)
        result[np.ix_(tried, model.classes_)] = special.log_softmax(logit, axis=1)
    return result


def _num_folds(y: Codes, clusters: Codes, wanted: int) -> int:
    """Return how many folds there can be with every value in each."""
    pairs = np.unique(np.stack([y, clusters]), axis=1)
    return min(wanted, int(np.bincount(pairs[0]).min()))


def _not_judged(subject: str, num_images: int, settings: MislabelSettings) -> Mislabelled:
    return Mislabelled(
        subject=subject,
        values=(),
        reason=f"fewer than two values have {settings.least_images} images, or of two persons",
        num_judged=0,
        accuracy=float("nan"),
        scores=np.full(num_images, np.nan),
        likeliest=np.full(num_images, -1, dtype=np.intp),
        wrong=np.zeros(num_images, dtype=np.bool_),
        findings=(),
    )


def _findings(
    subject: str,
    rows: Codes,
    scores: Floats,
    num_judged: int,
    is_note: bool,
    settings: MislabelSettings,
) -> tuple[Finding, ...]:
    if not rows.size:
        return ()
    share = rows.size / num_judged
    p_value = float(stats.binom.sf(rows.size - 1, num_judged, settings.limit))
    many = p_value < settings.alpha and not is_note
    severity: Severity = "warning" if many else "note"
    return (
        Finding(
            kind="mislabelled",
            severity=severity,
            subject=subject,
            message=f"The other images contradict the {subject} of {counted(rows.size, 'image')} "
            f"of {num_judged:,} ({100 * share:.2g} %).",
            measure="share of images whose label is contradicted",
            value=share,
            limit=settings.limit,
            p_value=p_value,
            num_images=int(rows.size),
            images=Concerned.of(rows, values=scores),
        ),
    )
