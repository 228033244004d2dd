"""Models on disk: what is saved comes back, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from debias.errors import CheckpointError, ConfigError
from debias.models.checkpoint import MODEL_FILE, WEIGHTS_FILE, load_model, save_model
from debias.models.db_vae import FaceModel
from debias.models.networks import NetworkSettings


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


@pytest.mark.parametrize(("key", "value"), [("format", 99), ("network", {"latnt_size": 3})])
def test_unknown_formats_and_keys(saved: tuple[FaceModel, Path], key: str, value: object) -> None:
    file = saved[1] / MODEL_FILE
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    with pytest.raises((CheckpointError, ConfigError), match=MODEL_FILE):
        load_model(saved[1])
