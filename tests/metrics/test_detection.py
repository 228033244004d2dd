"""Curves and operating points of detectors, against cases known by hand and other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve

from debias.errors import UsageError
from debias.metrics.boxes import NOT_FOUND, Detections, Matching, make_detections
from debias.metrics.detection import (
    REFERENCE_FPPI,
    average_precision,
    detection_curve,
    log_average_miss_rate,
    threshold_at_fppi,
)


def _case(scores: list[float], right: list[bool], num_faces: int) -> tuple[Matching, Detections]:
    """Detections of which some are right, and so many faces."""
    detections = make_detections(
        np.tile([0, 0, 1, 1], (len(scores), 1)), np.zeros(len(scores)), scores
    )
    faces = np.where(right, np.cumsum(right) - 1, -1)
    found = np.full(num_faces, NOT_FOUND)
    found[: sum(right)] = detections.scores[np.asarray(right, dtype=bool)]
    return (
        Matching(
            face_scores=found,
            faces=faces,
            counted_faces=np.ones(num_faces, dtype=bool),
            counted=np.ones(len(scores), dtype=bool),
        ),
        detections,
    )


def test_average_precision_known_by_hand() -> None:
    # Right, false, right of three faces: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3.
    case = _case([0.9, 0.8, 0.7], [True, False, True], 3)
    assert average_precision(*case, method="all-points") == pytest.approx((1 + 2 / 3) / 3)
    # Of the 101 recalls, 0 to 0.33 see 1, 0.34 to 0.66 see 2/3, the others nothing.
    assert average_precision(*case) == pytest.approx((34 + 33 * 2 / 3) / 101)


@pytest.mark.parametrize("method", ["coco", "all-points"])
def test_average_precision_at_its_ends(method: str) -> None:
    assert average_precision(*_case([], [], 2), method=method) == 0  # type: ignore[arg-type]
    assert np.isnan(average_precision(*_case([0.5], [False], 0), method=method))  # type: ignore[arg-type]
    whole = _case([0.9, 0.8], [True, True], 2)
    assert average_precision(*whole, method=method) == pytest.approx(1)  # type: ignore[arg-type]


answers = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=40).filter(
    lambda rows: any(right for _, right in rows)
)


@given(rows=answers)
def test_the_curve_is_scikit_learns(rows: list[tuple[int, bool]]) -> None:
    scores, right = [float(score) for score, _ in rows], [is_right for _, is_right in rows]
    matching, detections = _case(scores, right, sum(right))
    curve = detection_curve(matching, detections, num_images=7)
    precision, recall, thresholds = precision_recall_curve(right, scores)
    np.testing.assert_allclose(curve.thresholds, thresholds[::-1])
    np.testing.assert_allclose(curve.precision, precision[:-1][::-1])
    np.testing.assert_allclose(curve.recall, recall[:-1][::-1])
    false = [sum(s >= t and not r for s, r in zip(scores, right, strict=True)) for t in thresholds]
    np.testing.assert_allclose(curve.fppi, np.array(false)[::-1] / 7)


def test_a_threshold_keeps_to_the_false_positives_asked_for() -> None:
    case = _case([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [True, False, True, False, True, False], 4)
    point = threshold_at_fppi(*case, num_images=10, target_fppi=0.1)
    # One false positive is allowed; the next scores 0.6, and a face 0.7.
    assert (point.threshold, point.num_false_positives, point.num_tied) == (0.7, 1, 1)
    assert point.realised_fppi == 0.1
    every = threshold_at_fppi(*case, num_images=10, target_fppi=5)
    assert (every.threshold, every.num_false_positives, every.num_tied) == (0.4, 3, 0)


def test_equal_false_positives_stay_out_together() -> None:
    case = _case([0.5, 0.5, 0.5, 0.4], [False, False, True, True], 2)
    point = threshold_at_fppi(*case, num_images=10, target_fppi=0.1)
    assert point.threshold == np.nextafter(0.5, 1)
    assert (point.num_false_positives, point.num_tied) == (0, 2)


def test_a_target_is_the_decimal_that_was_written() -> None:
    scores = np.linspace(1, 0.5, 10)
    case = _case(list(scores), [False] * 10, 1)
    point = threshold_at_fppi(*case, num_images=30, target_fppi=0.1)
    assert point.num_false_positives == 3


@pytest.mark.parametrize("target", [0, -1, float("nan"), float("inf")])
def test_targets_without_meaning_are_refused(target: float) -> None:
    with pytest.raises(UsageError, match="false positives per image"):
        threshold_at_fppi(*_case([0.5], [True], 1), num_images=10, target_fppi=target)


def test_a_target_that_allows_no_false_positive_is_refused() -> None:
    with pytest.raises(UsageError, match="allow none in 9 pictures") as told:
        threshold_at_fppi(*_case([0.5], [True], 1), num_images=9, target_fppi=0.1)
    assert told.value.hint == "Ask for 0.11 or more, or add pictures"


@given(rows=answers, images=st.integers(1, 30), target=st.sampled_from([0.1, 0.3, 1.0, 2.5]))
def test_no_lower_threshold_keeps_to_the_target(
    rows: list[tuple[int, bool]], images: int, target: float
) -> None:
    if target * images < 1:
        return
    scores, right = np.array([s for s, _ in rows], dtype=float), np.array([r for _, r in rows])
    case = _case(list(scores), list(right), int(right.sum()))
    point = threshold_at_fppi(*case, num_images=images, target_fppi=target)
    assert np.sum((scores >= point.threshold) & ~right) <= target * images
    lower = scores[scores < point.threshold]
    if len(lower):
        assert np.sum((scores >= lower.max()) & ~right) > target * images


def test_the_log_average_miss_rate_known_by_hand() -> None:
    # Half of the faces at no cost; from 0.1 false positives per image on, three quarters.
    case = _case([0.9, 0.8, 0.7, 0.6], [True, True, False, True], 4)
    curve = detection_curve(*case, num_images=10)
    below = sum(point < 0.1 for point in REFERENCE_FPPI[:4])
    assert below == 4
    expected = np.exp((4 * np.log(0.5) + 5 * np.log(0.25)) / 9)
    assert log_average_miss_rate(curve) == pytest.approx(expected)


def test_where_the_first_detection_costs_too_much_all_are_missed() -> None:
    curve = detection_curve(*_case([0.9, 0.8], [False, True], 1), num_images=1)
    # One false positive in one picture: only the last point, one per image, allows that.
    assert log_average_miss_rate(curve) == pytest.approx(1e-10 ** (1 / 9))
    nothing = detection_curve(*_case([], [], 0), num_images=1)
    assert np.isnan(log_average_miss_rate(nothing))
