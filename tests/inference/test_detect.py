"""Bright squares on a dark picture stand for faces: found where they are, whatever their size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from debias.errors import ConfigError
from debias.inference.detect import DetectionSettings, find_faces, window_sides
from debias.metrics.boxes import box_iou
from debias.models.db_vae import FaceModel
from debias.models.networks import NetworkSettings

SIZE = 32
MIDDLE = (0.25, 0.25, 0.5, 0.5)
"""Where a square lies in the window that likes it best."""


class _Square(nn.Module):
    """How much of a window's middle is bright, and how much of the rest dark, as one feature."""

    def forward(self, images: Tensor) -> Tensor:
        template = -torch.ones(SIZE, SIZE)
        template[8:24, 8:24] = 3
        grey = images.mean(dim=1) - 0.5
        return (grey * template).mean(dim=(1, 2)).unsqueeze(1)


@pytest.fixture
def model() -> FaceModel:
    settings = NetworkSettings(image_size=SIZE, channels=(4, 4), blocks=(0,))
    model = FaceModel(settings, architecture="classifier", encoder=_Square(), num_features=1)
    assert isinstance(model.classifier, nn.Sequential)
    linear = model.classifier[-1]
    assert isinstance(linear, nn.Linear)
    nn.init.constant_(linear.weight, 40.0)
    nn.init.constant_(linear.bias, -20.0)  # the square alone gives 40 x 0.75 - 20 = 10
    return model.train()


def _picture(*squares: tuple[int, int, int], size: tuple[int, int] = (200, 140)) -> Image.Image:
    pixels = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    for x, y, side in squares:
        pixels[y : y + side, x : x + side] = 255
    return Image.fromarray(pixels)


def _settings(**changes: Any) -> DetectionSettings:
    return DetectionSettings(**{"finest": 2, "step": 1.1, "face": MIDDLE, **changes})


@pytest.mark.parametrize("side", [20, 33, 60])
def test_a_square_is_found_where_it_is(side: int, model: FaceModel) -> None:
    found = find_faces(model, _picture((70, 40, side)), _settings())
    assert len(found.boxes) == 1
    assert box_iou(found.boxes, np.array([[70.0, 40, side, side]])) > 0.8
    assert 0.9 < found.scores[0] < 1
    assert model.training


def test_several_squares_come_by_their_scores(model: FaceModel) -> None:
    squares = [(10, 10, 24), (120, 70, 50)]
    picture = np.asarray(_picture(*squares)).copy()
    picture[10:34, 10:34] = 235  # less bright
    found = find_faces(model, Image.fromarray(picture), _settings())
    assert len(found.boxes) == 2
    assert found.scores[0] > found.scores[1]
    truth = np.array([[120.0, 70, 50, 50], [10, 10, 24, 24]])
    assert (np.diag(box_iou(found.boxes, truth)) > 0.75).all()


def test_windows_that_stick_out_find_what_is_near_the_edge(model: FaceModel) -> None:
    picture, truth = _picture((168, 98, 40), size=(210, 140)), np.array([[168.0, 98, 40, 40]])
    found = find_faces(model, picture, _settings())
    assert len(found.boxes) == 1
    assert box_iou(found.boxes, truth) > 0.8
    assert len(find_faces(model, picture, _settings(border=0)).boxes) == 0


def test_boxes_are_cut_off_at_the_edges(model: FaceModel) -> None:
    picture = _picture((70, 40, 40))
    whole = find_faces(model, picture, _settings(face=(-3.0, -3.0, 7.0, 7.0)))
    np.testing.assert_array_equal(whole.boxes, [[0, 0, 200, 140]])


def test_a_picture_may_be_as_small_as_a_window(model: FaceModel) -> None:
    assert len(find_faces(model, _picture((8, 8, 16), size=(32, 32)), _settings()).boxes) == 1
    assert len(find_faces(model, _picture((4, 4, 8), size=(31, 31)), _settings()).boxes) == 0
    one_level = _settings(smallest=33, step=4, border=0)
    assert len(find_faces(model, _picture((8, 8, 17), size=(33, 34)), one_level).boxes) == 1


def test_an_empty_picture_has_no_faces(model: FaceModel) -> None:
    found = find_faces(model, _picture(), _settings())
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0,)


def test_overlap_decides_what_counts_as_one(model: FaceModel) -> None:
    picture = _picture((70, 40, 40))
    alone = find_faces(model, picture, _settings(overlap=0.0))
    many = find_faces(model, picture, _settings(overlap=0.9, threshold=-5.0))
    assert len(alone.boxes) == 1 < len(many.boxes)
    assert (np.diff(many.scores) <= 0).all()
    few = find_faces(model, picture, _settings(overlap=0.9, threshold=-5.0, largest_number=3))
    np.testing.assert_array_equal(few.boxes, many.boxes[:3])


def test_windows_grow_to_what_fits_with_the_border() -> None:
    settings = DetectionSettings(smallest=32, step=2, border=0.25)
    assert list(window_sides((100, 90), settings)) == [32, 64, 128]
    assert list(window_sides((31, 500), settings)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"smallest": 7},
        {"step": 1.0},
        {"border": 0.6},
        {"overlap": 1.1},
        {"largest_number": 0},
        {"face": (0, 0, 0, 1)},
    ],
)
def test_settings_out_of_range_are_named(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="out of range") as told:
        DetectionSettings(**change)
    assert told.value.where == f"detection.{next(iter(change))}"
