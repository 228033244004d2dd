"""How well a detector finds faces: average precision, recall at false positives per image.

A detector of faces in pictures has no false-positive rate, since there is no number of things that
are no face. What an operating point costs is told by the false positives per image (FPPI).

References:
    [Dollar2012] Dollár, Wojek, Schiele, Perona. Pedestrian Detection: An Evaluation of the State
    of the Art. IEEE TPAMI 34(4), 2012.
    [Everingham2010] Everingham et al. The Pascal Visual Object Classes Challenge. IJCV 88, 2010.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from debias.errors import UsageError
from debias.metrics.boxes import Detections, FloatArray, Matching

REFERENCE_FPPI = tuple(10.0 ** (-2 + k / 4) for k in range(9))
"""The nine points of the log-average miss rate, of [Dollar2012]."""
_COCO_RECALLS = np.linspace(0, 1, 101)
_LEAST_MISS_RATE = 1e-10  # of none missed, so that there is a logarithm


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DetectionCurve:
    """What is found and what it costs, at every threshold that makes a difference.

    Attributes:
        thresholds: falling scores, each once, shape (threshold,); at least that score is a face.
        num_found: faces found at each.
        num_false: false positives at each.
        num_faces: faces to be found.
        num_images: pictures, with faces or without.
    """

    thresholds: FloatArray
    num_found: NDArray[np.int64]
    num_false: NDArray[np.int64]
    num_faces: int
    num_images: int

    @property
    def recall(self) -> FloatArray:
        """Share of the faces found at each threshold; NaN where there are none to find."""
        return self.num_found / (self.num_faces or np.nan)

    @property
    def precision(self) -> FloatArray:
        """Share of right ones among the detections at each threshold."""
        shares: FloatArray = self.num_found / (self.num_found + self.num_false)
        return shares

    @property
    def fppi(self) -> FloatArray:
        """False positives per image at each threshold."""
        return self.num_false / (self.num_images or np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionPoint:
    """A threshold and what it costs on the pictures that it was chosen on.

    Attributes:
        threshold: a detection with ``score >= threshold`` is kept.
        target_fppi: the false positives per image that were asked for.
        realised_fppi: those it gives on these pictures; at most the target.
        num_false_positives: false positives at the threshold.
        num_images: pictures in all.
        num_tied: false positives that share the highest score that has to stay below the
            threshold; 0 where none has to.
    """

    threshold: float
    target_fppi: float
    realised_fppi: float
    num_false_positives: int
    num_images: int
    num_tied: int


def detection_curve(
    matching: Matching, detections: Detections, *, num_images: int
) -> DetectionCurve:
    """Return what is found and what it costs at every threshold.

    Args:
        matching: which detections are right.
        detections: the same ones.
        num_images: pictures, those without faces or detections included.
    """
    scores = detections.scores[matching.counted]
    is_false = matching.false[matching.counted]
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # the last of equal scores
    return DetectionCurve(
        thresholds=scores[order][ends],
        num_found=np.cumsum(~is_false[order], dtype=np.int64)[ends],
        num_false=np.cumsum(is_false[order], dtype=np.int64)[ends],
        num_faces=int(np.count_nonzero(matching.counted_faces)),
        num_images=num_images,
    )


def average_precision(
    matching: Matching,
    detections: Detections,
    *,
    method: Literal["coco", "all-points"] = "coco",
) -> float:
    """Return the mean precision over recall, in [0, 1]; NaN where there is no face to find.

    Precision at a recall is the highest at that recall or beyond. Detections of equal scores come
    in their order.

    Args:
        matching: which detections are right.
        detections: the same ones.
        method: ``coco`` takes the mean at recalls of 0, 0.01, ..., 1; ``all-points`` the area under
            the whole curve, as [Everingham2010] since 2010.
    """
    num_faces = int(np.count_nonzero(matching.counted_faces))
    if not num_faces:
        return float("nan")
    scores = detections.scores[matching.counted]
    is_right = ~matching.false[matching.counted][np.argsort(-scores, kind="stable")]
    found = np.cumsum(is_right)
    recall = found / num_faces
    precision = np.maximum.accumulate((found / np.arange(1, len(found) + 1))[::-1])[::-1]
    if method == "all-points":
        return float(np.sum(np.diff(recall, prepend=0.0) * precision))
    places = np.searchsorted(recall, _COCO_RECALLS, side="left")
    return float(np.append(precision, 0.0)[places].mean())


def threshold_at_fppi(
    matching: Matching, detections: Detections, *, num_images: int, target_fppi: float
) -> DetectionPoint:
    """Return the threshold that finds most at no more false positives per image than asked.

    It is the smallest score, of a right or a false detection, above the highest false one that
    would break the target.

    Args:
        matching: which detections are right.
        detections: the same ones.
        num_images: pictures, those without faces or detections included; at least 1.
        target_fppi: above 0.

    Raises:
        UsageError: the target is not above 0, or there are so few pictures that it allows not one
            false positive.
    """
    if not 0 < target_fppi < np.inf:
        raise UsageError(
            f"{target_fppi!r} is no number of false positives per image",
            hint="Give a number above 0: 0.1 is one in ten pictures",
        )
    # As the decimal that was written, so that 0.1 of 30 pictures are 3.
    num_allowed = int(Fraction(repr(float(target_fppi))) * num_images)
    if num_allowed < 1:
        raise UsageError(
            f"{target_fppi:g} false positives per image allow none in {num_images:,} pictures",
            hint=f"Ask for {1 / max(num_images, 1):.2g} or more, or add pictures",
        )
    scores = detections.scores[matching.counted]
    is_false = matching.false[matching.counted]
    false = np.sort(scores[is_false])[::-1]
    excluded = false[num_allowed] if len(false) > num_allowed else -np.inf
    higher = scores[scores > excluded]
    threshold = higher.min() if len(higher) else np.nextafter(excluded, np.inf)
    num_false = int(np.count_nonzero(false >= threshold))
    return DetectionPoint(
        threshold=float(threshold),
        target_fppi=float(target_fppi),
        realised_fppi=num_false / num_images,
        num_false_positives=num_false,
        num_images=num_images,
        num_tied=int(np.count_nonzero(false == excluded)),
    )


def log_average_miss_rate(curve: DetectionCurve) -> float:
    """Return the geometric mean of the miss rates at :data:`REFERENCE_FPPI`, of [Dollar2012].

    At each the miss rate is that of the lowest threshold which costs no more; 1 where the first
    detection costs more. NaN where there is no face to find.
    """
    if not curve.num_faces:
        return float("nan")
    places = np.searchsorted(curve.fppi, REFERENCE_FPPI, side="right")
    recall = np.append(0.0, curve.recall)[places]
    return float(np.exp(np.mean(np.log(np.maximum(1 - recall, _LEAST_MISS_RATE)))))
