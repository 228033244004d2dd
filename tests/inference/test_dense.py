"""All windows of a picture at once: the same windows, the same scores, whatever the tiles."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from debias.errors import ConfigError
from debias.inference.dense import (
    Geometry,
    cropped_logits,
    geometry,
    is_dense,
    surroundings,
    window_logits,
)
from debias.models.db_vae import FaceModel
from debias.models.networks import Encoder, NetworkSettings, to_float

SHAPES: dict[str, dict[str, Any]] = {
    "default": {},
    "flat": {"pool": "flatten", "kernel_sizes": (5, 3, 3), "norm": "group"},
    "flat, hidden": {"pool": "flatten", "hidden": 12},
    "mean, hidden": {"hidden": 12, "norm": "none"},
}


def _model(shape: str = "default") -> FaceModel:
    torch.manual_seed(0)
    settings = NetworkSettings(
        **{"image_size": 32, "channels": (4, 6, 8), "blocks": (0, 1, 1), **SHAPES[shape]}
    )
    model = FaceModel(settings, architecture="classifier")
    for module in model.modules():  # statistics and scales as after a training
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return model.eval()


def _picture(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (3, height, width), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("shape", list(SHAPES))
@torch.no_grad()
def test_a_picture_of_one_window_gets_its_score(shape: str) -> None:
    model, picture = _model(shape), _picture(32, 32)
    logits = window_logits(model, picture, geometry(model.settings))
    torch.testing.assert_close(logits, model.classify(to_float(picture[None])).reshape(1, 1))


@pytest.mark.parametrize("shape", list(SHAPES))
@torch.no_grad()
def test_each_window_gets_the_score_of_its_own_features(shape: str) -> None:
    model, picture = _model(shape), _picture(57, 71)
    places = geometry(model.settings, finest=1)
    assert places == Geometry(window=32, stride=4)
    logits = window_logits(model, picture, places)
    assert logits.shape == ((57 - 32) // 4 + 1, (71 - 32) // 4 + 1)
    assert isinstance(model.encoder, Encoder)
    for row, column in ((0, 0), (1, 4), (4, 3), (6, 9)):
        # What the trunk makes of the picture from the window's shift on, cut out afterwards.
        y, x = 4 * (row % 2), 4 * (column % 2)
        maps = model.encoder.trunk(to_float(picture[None, :, y:, x:]) * 2 - 1)
        top, left = row // 2, column // 2
        features = model.encoder.head(maps[:, :, top : top + 4, left : left + 4])
        assert model.classifier is not None
        torch.testing.assert_close(logits[row, column], model.classifier(features)[0, 0])


@pytest.mark.parametrize("tile", [8, 24, 40])
@torch.no_grad()
def test_tiles_give_the_scores_of_one_pass(tile: int) -> None:
    model, picture = _model(), _picture(131, 98)
    places = geometry(model.settings)
    whole = window_logits(model, picture, places, tile=10_000)
    torch.testing.assert_close(window_logits(model, picture, places, tile=tile), whole)


@torch.no_grad()
def test_surroundings_reach_as_far_as_a_pixel_counts() -> None:
    model, picture = _model(), _picture(160, 160)
    places, reach = Geometry(window=32, stride=8), surroundings(model.settings)
    logits = window_logits(model, picture, places)
    seen = {}
    for distance in (reach, reach - 7):  # the window of row and column 8 begins at pixel 64
        changed = picture.clone()
        changed[:, :, : 64 - distance] = 255 - changed[:, :, : 64 - distance]
        changed[:, 64 + 32 + distance :] = 255 - changed[:, 64 + 32 + distance :]
        seen[distance] = window_logits(model, changed, places)[8, 8] != logits[8, 8]
    assert seen == {reach: False, reach - 7: True}


@torch.no_grad()
def test_cropping_scores_every_window_by_itself() -> None:
    model, picture = _model(), _picture(41, 53)
    places = Geometry(window=32, stride=4)
    logits = cropped_logits(model, picture, places)
    assert logits.shape == (3, 6)
    for row, column in ((0, 0), (2, 5), (1, 3)):
        cut = picture[None, :, 4 * row : 4 * row + 32, 4 * column : 4 * column + 32]
        torch.testing.assert_close(logits[row, column], model.classify(to_float(cut))[0])


def test_the_stride_follows_the_network() -> None:
    settings = NetworkSettings()
    strides = [geometry(settings, finest=finest).stride for finest in range(5)]
    assert strides == [16, 8, 4, 2, 1]
    with pytest.raises(ConfigError, match="4 times at most, not 5"):
        geometry(settings, finest=5)
    assert Geometry(window=64, stride=16).count(63) == 0


def test_an_encoder_of_ones_own_is_not_dense() -> None:
    own = nn.Sequential(nn.AvgPool2d(16), nn.Flatten())
    model = FaceModel(NetworkSettings(), architecture="classifier", encoder=own, num_features=48)
    assert not is_dense(model)
    assert is_dense(_model())
