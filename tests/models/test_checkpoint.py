"""Models on disk: what is saved comes back, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from debias.errors import CheckpointError, ConfigError
from debias.models.checkpoint import MODEL_FILE, WEIGHTS_FILE, load_model, save_model
from debias.models.db_vae import FaceModel
from debias.models.networks import NetworkSettings

MISSING = object()


@pytest.fixture
def saved(tmp_path: Path) -> tuple[FaceModel, Path]:
    torch.manual_seed(0)
    settings = NetworkSettings(image_size=32, channels=(4, 8), blocks=(0,), hidden=8, latent_size=3)
    model = FaceModel(settings).to(memory_format=torch.channels_last)
    save_model(model, tmp_path, about={"epoch": 3})
    return model.eval(), tmp_path


def test_a_model_comes_back_bit_for_bit(saved: tuple[FaceModel, Path]) -> None:
    model, directory = saved
    loaded = load_model(directory)
    assert not loaded.training
    assert loaded.settings == model.settings
    assert loaded.architecture == model.architecture
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name


def test_damaged_weights(saved: tuple[FaceModel, Path]) -> None:
    weights = saved[1] / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=WEIGHTS_FILE):
        load_model(saved[1])


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no saved model"):
        load_model(tmp_path)


def test_weights_that_do_not_fit(saved: tuple[FaceModel, Path]) -> None:
    file = saved[1] / MODEL_FILE
    description = json.loads(file.read_text())
    description["network"]["hidden"] = 9
    file.write_text(json.dumps(description))
    with pytest.raises(CheckpointError, match="do not fit"):
        load_model(saved[1])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"format": 99}, "format 99"),
        ({"format": MISSING}, "format None"),
        ({"network": MISSING}, "network"),
        ({"network": "wide"}, "network"),
        ({"network": None}, "network"),
        ({"network": {"latnt_size": 3}}, "latent_size"),
        ({"network": {"latent_size": "3"}}, "latent_size"),
        ({"network": {"channels": 8}}, "channels"),
        ({"network": {"channels": [0]}}, "channels"),
        ({"architecture": MISSING}, "architecture"),
        ({"architecture": "db-vea"}, "db-vae"),
        ({"architecture": ["db-vae"]}, "architecture"),
    ],
)
def test_a_damaged_description(
    saved: tuple[FaceModel, Path], changes: dict[str, object], named: str
) -> None:
    file = saved[1] / MODEL_FILE
    description = {**json.loads(file.read_text()), **changes}
    kept = {key: value for key, value in description.items() if value is not MISSING}
    file.write_text(json.dumps(kept))
    with pytest.raises(CheckpointError, match=f"{MODEL_FILE}: .*{named}"):
        load_model(saved[1])


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null"])
def test_a_description_that_is_none(saved: tuple[FaceModel, Path], text: str) -> None:
    (saved[1] / MODEL_FILE).write_text(text)
    with pytest.raises(CheckpointError, match=MODEL_FILE):
        load_model(saved[1])


class _Flat(nn.Module):
    """An encoder of somebody's own."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * 8 * 8, num_features)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.linear(nn.functional.avg_pool2d(images, 4).flatten(1))
        return features


def test_an_encoder_of_ones_own_comes_back(tmp_path: Path) -> None:
    settings = NetworkSettings(image_size=32, channels=(4, 8), blocks=(0,), latent_size=3)
    model = FaceModel(settings, encoder=_Flat(5), num_features=5).eval()
    save_model(model, tmp_path, about={})
    loaded = load_model(tmp_path, encoder=_Flat(5), num_features=5)
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(loaded.classify(images), model.classify(images))
    assert torch.equal(loaded.encode(images)[0], model.encode(images)[0])
    assert loaded.settings == model.settings
    with pytest.raises(ConfigError, match=r"pass encoder= .* to .* load_model"):
        load_model(tmp_path)
    with pytest.raises(ConfigError, match="num_features"):
        load_model(tmp_path, encoder=_Flat(5))
    with pytest.raises(CheckpointError, match=r"do not fit.*encoder\.linear\.weight"):
        load_model(tmp_path, encoder=_Flat(6), num_features=6)
