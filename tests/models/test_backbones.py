"""Encoders from torchvision: those that take the image size, whole, and nothing random besides."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torchvision import models

from debias.errors import ConfigError
from debias.models.backbones import TorchvisionEncoder
from debias.models.db_vae import FaceModel
from debias.models.networks import NetworkSettings

SETTINGS = NetworkSettings(
    image_size=32, encoder="torchvision:squeezenet1_1", channels=(4, 8), blocks=(0,), hidden=16
)


def test_a_backbone_by_name() -> None:
    assert FaceModel(SETTINGS).eval().classify(torch.rand(8, 3, 32, 32)).shape == (8,)


def test_unknown_names() -> None:
    with pytest.raises(ConfigError, match="resnet18"):
        FaceModel(dataclasses.replace(SETTINGS, encoder="torchvision:resnet81"))
    with pytest.raises(ConfigError, match="unknown encoder"):
        FaceModel(dataclasses.replace(SETTINGS, encoder="resnet18"))


@pytest.mark.parametrize(
    ("name", "image_size"),
    [("alexnet", 32), ("inception_v3", 64), ("maxvit_t", 64), ("vit_b_16", 40)],
)
def test_a_backbone_that_does_not_take_the_image_size(name: str, image_size: int) -> None:
    settings = dataclasses.replace(SETTINGS, encoder=f"torchvision:{name}", image_size=image_size)
    with pytest.raises(ConfigError, match=f"{name} does not take images of {image_size} pixels"):
        FaceModel(settings)


def test_a_vision_transformer_is_made_for_the_image_size() -> None:
    encoder = TorchvisionEncoder("vit_b_32", 8, image_size=64).eval()
    assert encoder(torch.rand(2, 3, 64, 64)).shape == (2, 8)


def test_trying_a_backbone_changes_neither_it_nor_the_random_state() -> None:
    torch.manual_seed(0)
    encoder = TorchvisionEncoder("mobilenet_v3_small", 8, image_size=32)
    state = torch.get_rng_state()
    torch.manual_seed(0)
    bare = models.get_model("mobilenet_v3_small", weights=None, num_classes=8)
    assert torch.equal(state, torch.get_rng_state())
    assert encoder.body.training
    expected = bare.state_dict()
    assert any("running_mean" in name for name in expected)
    for name, tensor in encoder.body.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize(("name", "image_size"), [("googlenet", 32), ("inception_v3", 80)])
def test_every_parameter_is_trained(name: str, image_size: int) -> None:
    """Else several processes wait for gradients that never come."""
    encoder = TorchvisionEncoder(name, 8, image_size=image_size)
    encoder(torch.rand(2, 3, image_size, image_size)).sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []
