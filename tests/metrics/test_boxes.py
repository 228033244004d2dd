"""Matching against cases known by hand, and against COCO's own evaluation."""

from __future__ import annotations

import contextlib
import importlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debias.errors import DataError
from debias.metrics.boxes import (
    NOT_FOUND,
    Detections,
    FaceBoxes,
    box_iou,
    make_detections,
    make_faces,
    match_boxes,
)
from debias.metrics.detection import average_precision

# They have no types.
COCO: Any = importlib.import_module("pycocotools.coco").COCO
COCOeval: Any = importlib.import_module("pycocotools.cocoeval").COCOeval
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2)}


def test_overlap_of_boxes_known_by_hand() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [100, 0, 1, 1]])
    others = np.array([[0.0, 0, 10, 10], [5, 0, 10, 10], [0, 10, 10, 10], [2, 2, 5, 5]])
    expected = np.array([[1, 1 / 3, 0, 1 / 4], [0, 0, 0, 0]])
    np.testing.assert_allclose(box_iou(boxes, others), expected)


def test_the_best_detection_takes_the_face_and_the_next_is_false() -> None:
    faces = make_faces([[0, 0, 10, 10], [50, 50, 10, 10]], [0, 0])
    detections = make_detections([[1, 0, 10, 10], [0, 0, 10, 10]], [0, 0], [0.4, 0.9])
    matching = match_boxes(detections, faces)
    assert matching.faces.tolist() == [-1, 0]
    assert matching.face_scores.tolist() == [0.9, NOT_FOUND]
    assert matching.false.tolist() == [True, False]


def test_a_face_of_another_picture_is_not_found() -> None:
    matching = match_boxes(
        make_detections([[0, 0, 10, 10]], [1], [0.9]), make_faces([[0, 0, 10, 10]], [0])
    )
    assert matching.false.all()


def test_what_is_ignored_is_neither_right_nor_false() -> None:
    faces = make_faces([[0, 0, 10, 10], [20, 0, 10, 10]], [0, 0], ignored=[True, False])
    boxes = [[0, 0, 10, 10], [0, 0, 9, 10], [20, 0, 10, 10]]
    matching = match_boxes(make_detections(boxes, [0, 0, 0], [0.9, 0.8, 0.7]), faces)
    assert matching.counted.tolist() == [False, True, True]  # the second finds it taken
    assert matching.false.tolist() == [False, True, False]
    assert matching.counted_faces.tolist() == [False, True]


def test_any_number_of_detections_may_lie_in_a_crowd() -> None:
    faces = make_faces([[0, 0, 100, 100]], [0], crowds=[True])
    boxes = [[0, 0, 10, 10], [50, 50, 10, 10], [95, 95, 10, 10]]
    matching = match_boxes(make_detections(boxes, [0, 0, 0], [0.9, 0.8, 0.7]), faces)
    assert matching.counted.tolist() == [False, False, True]  # of the third a quarter lies there


def test_a_face_that_counts_is_taken_before_one_that_is_ignored() -> None:
    faces = make_faces([[0, 0, 10, 10], [0, 0, 10, 8]], [0, 0], ignored=[True, False])
    matching = match_boxes(make_detections([[0, 0, 10, 10]], [0], [0.5]), faces)
    assert matching.faces.tolist() == [1]


@pytest.mark.parametrize("box", [[0, 0, 0, 5], [0, 0, 5, -1], [np.nan, 0, 5, 5], [0, 0, np.inf, 5]])
def test_boxes_without_area_are_refused(box: list[float]) -> None:
    with pytest.raises(DataError, match=r"1 of 2 face boxes .*; number 1 is"):
        make_faces(np.array([[0, 0, 1, 1], box]), [0, 0])


def test_bad_arguments() -> None:
    with pytest.raises(DataError, match="1 of 1 scores are NaN"):
        make_detections([[0, 0, 1, 1]], [0], [np.nan])
    with pytest.raises(ValueError, match="images has shape"):
        make_faces([[0, 0, 1, 1]], [0, 1])
    with pytest.raises(ValueError, match="min_iou"):
        match_boxes(make_detections([], [], []), make_faces([], []), min_iou=0)


@st.composite
def pictures(draw: st.DrawFn) -> tuple[Detections, FaceBoxes]:
    """Faces on a coarse grid and detections near them, so that overlaps and ties are many."""
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    num_faces, num_detections = draw(st.integers(0, 12)), draw(st.integers(0, 25))
    corners = generator.integers(0, 8, size=(num_faces, 2)) * 12
    sizes = generator.integers(2, 12, size=(num_faces, 2)) * 10
    faces = np.column_stack([corners, sizes]).astype(float)
    if num_faces:
        near = faces[generator.integers(0, num_faces, size=num_detections)]
        boxes = near + generator.integers(-2, 3, size=near.shape) * 4.0
        boxes[:, 2:] = np.maximum(boxes[:, 2:], 4)
    else:
        boxes = np.tile([0.0, 0, 20, 20], (num_detections, 1))
    return (
        make_detections(
            boxes,
            # Picture by picture: in that order COCO's tools take equal scores.
            np.sort(generator.integers(0, 3, size=num_detections)),
            generator.integers(1, 12, size=num_detections) / 12,
        ),
        make_faces(
            faces,
            generator.integers(0, 3, size=num_faces),
            ignored=generator.random(num_faces) < 0.2,
            crowds=generator.random(num_faces) < 0.1,
        ),
    )


def _by_coco(detections: Detections, faces: FaceBoxes) -> Any:
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": image} for image in range(3)],
        "categories": [{"id": 1}],
        "annotations": [
            {
                "id": number + 1,
                "image_id": int(faces.images[number]),
                "category_id": 1,
                "bbox": faces.boxes[number].tolist(),
                "area": float(faces.boxes[number, 2] * faces.boxes[number, 3]),
                "iscrowd": int(faces.crowds[number]),
                # COCO's own flag is overwritten by iscrowd; see below.
                "ignored_here": bool(faces.ignored[number]),
            }
            for number in range(len(faces))
        ],
    }
    answers: list[dict[str, Any]] = [
        {
            "image_id": int(detections.images[number]),
            "category_id": 1,
            "bbox": detections.boxes[number].tolist(),
            "score": float(detections.scores[number]),
        }
        for number in range(len(detections))
    ]

    class Evaluation(COCOeval):  # type: ignore[misc]
        def _prepare(self) -> None:
            super()._prepare()
            for found in self._gts.values():
                for face in found:
                    face["ignore"] = face["ignored_here"]

    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = Evaluation(truth, truth.loadRes(answers), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


@settings(max_examples=150, deadline=None)
@given(case=pictures())
def test_average_precision_is_cocos(case: tuple[Detections, FaceBoxes]) -> None:
    detections, faces = case
    if not len(detections):
        return  # COCO's tools cannot load none
    theirs = _by_coco(detections, faces)
    for number, iou in enumerate(theirs.params.iouThrs):
        for place, name in enumerate(theirs.params.areaRngLbl):
            if name not in AREAS:
                continue
            matching = match_boxes(detections, faces, min_iou=float(iou), areas=AREAS[name])
            ours = average_precision(matching, detections)
            precisions = theirs.eval["precision"][number, :, 0, place, -1]
            expected = np.nan if (precisions < 0).all() else precisions.mean()
            assert ours == pytest.approx(expected, nan_ok=True, abs=1e-9)


@given(case=pictures(), cut=st.integers(0, 12))
def test_what_lies_below_a_threshold_changes_no_match_above(
    case: tuple[Detections, FaceBoxes], cut: int
) -> None:
    detections, faces = case
    kept = detections.scores >= cut / 12
    fewer = make_detections(
        detections.boxes[kept], detections.images[kept], detections.scores[kept]
    )
    whole, part = match_boxes(detections, faces), match_boxes(fewer, faces)
    np.testing.assert_array_equal(whole.faces[kept], part.faces)
    np.testing.assert_array_equal(whole.counted[kept], part.counted)
    visible = np.where(whole.face_scores >= cut / 12, whole.face_scores, NOT_FOUND)
    np.testing.assert_array_equal(visible, part.face_scores)
