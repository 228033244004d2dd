"""The models: gradients go where they should, shapes hold, everything is said in the settings."""

from __future__ import annotations

import dataclasses
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from debias.errors import ConfigError
from debias.models.autoencoder import sample_latents
from debias.models.db_vae import FaceModel, training_loss
from debias.models.losses import LossSettings
from debias.models.networks import NetworkSettings, Norm

SMALL = NetworkSettings(image_size=32, channels=(8, 16), blocks=(0, 1), hidden=24, latent_size=6)


def _batch(num_images: int = 8, size: int = 32) -> Tensor:
    return torch.rand(num_images, 3, size, size, generator=torch.Generator().manual_seed(3))


def _model(settings: NetworkSettings = SMALL, **kwargs: object) -> FaceModel:
    torch.manual_seed(0)
    return FaceModel(settings, **kwargs)  # type: ignore[arg-type]


def _gradients(model: FaceModel, images: Tensor, y: Tensor) -> dict[str, Tensor]:
    model.zero_grad(set_to_none=True)
    rows = y.nonzero().flatten()
    output = model(images, rows, torch.Generator().manual_seed(1))
    training_loss(output, images, y, rows, settings=LossSettings(kl=0.1)).total.backward()
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in model.latent_head.named_parameters()  # type: ignore[union-attr]
    }


@pytest.mark.parametrize("norm", ["none", "batch", "group"])
def test_non_faces_give_the_latent_side_exactly_no_gradient(norm: Norm) -> None:
    # The encoder stays in eval mode so that images meet only in the decoder, where its batch
    # normalisation would let non-faces through if they were decoded.
    model = _model(dataclasses.replace(SMALL, norm=norm))
    model.encoder.eval()
    images = _batch()
    y = torch.tensor([1.0, 0, 1, 0, 0, 1, 0, 1])
    before = _gradients(model, images, y)
    changed = images.clone()
    changed[y == 0] = 1 - changed[y == 0]
    after = _gradients(model, changed, y)
    assert max(g.abs().max() for g in before.values()) > 0
    for name, gradient in before.items():
        assert torch.equal(gradient, after[name]), name


def test_a_batch_without_faces_gives_the_latent_side_no_gradient() -> None:
    model = _model()
    gradients = _gradients(model, _batch(), torch.zeros(8))
    assert all(torch.equal(g, torch.zeros_like(g)) for g in gradients.values())


def test_the_loss_is_the_stated_mean_over_the_batch() -> None:
    model = _model().eval()
    images, y = _batch(), torch.tensor([1.0, 1, 1, 0, 0, 0, 0, 0])
    rows = torch.arange(3)
    output = model(images, rows, torch.Generator().manual_seed(1))
    settings = LossSettings(classification=2.0, vae=0.1, reconstruction=3.0, kl=0.5)
    parts = training_loss(output, images, y, rows, settings=settings, kl_scale=0.25)
    cross_entropy = nn.functional.binary_cross_entropy_with_logits(output.logit, y)
    error = (output.reconstruction - images[:3]).abs().mean(dim=(1, 2, 3))
    kl = 0.5 * (output.mu**2 + output.log_var.exp() - 1 - output.log_var).sum(dim=1)
    expected = 2 * cross_entropy + 0.1 * (3 * error + 0.5 * 0.25 * kl).sum() / 8
    torch.testing.assert_close(parts.total, expected)
    torch.testing.assert_close(parts.kl, kl.mean())


@pytest.mark.parametrize("architecture", ["vae", "beta-vae", "autoencoder"])
def test_without_a_classifier_the_vaes_terms_are_the_whole_loss(architecture: str) -> None:
    model = _model(architecture=architecture).eval()
    images, rows = _batch(), torch.arange(8)
    output = model(images, rows, torch.Generator().manual_seed(1))
    one, small = (
        training_loss(output, images, torch.ones(8), rows, settings=LossSettings(vae=weight)).total
        for weight in (1.0, 0.01)
    )
    assert torch.equal(one, small)


@pytest.mark.parametrize("architecture", ["db-vae", "classifier", "vae", "beta-vae", "autoencoder"])
def test_what_each_architecture_has(architecture: str) -> None:
    model = _model(architecture=architecture)
    images, rows = _batch(), torch.arange(4)
    output = model(images, rows, torch.Generator().manual_seed(1))
    assert (output.logit is not None) == (architecture in ("db-vae", "classifier"))
    assert (output.mu is not None) == (architecture != "classifier")
    assert (output.log_var is not None) == (architecture not in ("classifier", "autoencoder"))
    if output.logit is not None:
        assert output.logit.shape == (8,)
    if output.mu is not None:
        assert output.mu.shape == (4, 6)
        assert output.reconstruction.shape == (4, 3, 32, 32)
    y = torch.tensor([1.0] * 4 + [0.0] * 4)
    total = training_loss(output, images, y, rows, settings=LossSettings()).total
    assert total.shape == ()
    total.backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None]
    assert missing == []


def test_asking_a_model_for_what_it_lacks() -> None:
    with pytest.raises(ConfigError, match="no latent space"):
        _model(architecture="classifier").encode(_batch())
    with pytest.raises(ConfigError, match="does not classify"):
        _model(architecture="vae").classify(_batch())


@pytest.mark.parametrize("image_size", [32, 64, 96, 128])
@pytest.mark.parametrize("kernel_sizes", [(3,), (5, 5, 3, 3)])
@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
def test_the_decoder_mirrors_the_encoder(
    image_size: int, kernel_sizes: tuple[int, ...], upsampling: Literal["nearest", "transposed"]
) -> None:
    settings = NetworkSettings(
        image_size=image_size,
        channels=(4, 6, 8, 8),
        kernel_sizes=kernel_sizes,
        blocks=(1,),
        upsampling=upsampling,
    )
    model = _model(settings)
    mu = model.encode(_batch(2, image_size)).mu
    assert model.decode(mu).shape == (2, 3, image_size, image_size)


def test_any_module_as_encoder() -> None:
    encoder = nn.Sequential(nn.AvgPool2d(8), nn.Flatten())
    model = _model(encoder=encoder, num_features=3 * 4 * 4)
    assert model.classify(_batch()).shape == (8,)
    assert model.settings == dataclasses.replace(SMALL, encoder="custom")
    with pytest.raises(ConfigError, match="encoder="):
        _model(model.settings)
    with pytest.raises(ConfigError, match="num_features"):
        _model(encoder=encoder)


def test_sampling_takes_log_var_as_the_log_of_the_variance() -> None:
    mu = torch.full((20_000, 1), 2.0)
    log_var = torch.full((20_000, 1), 2 * torch.log(torch.tensor(3.0)).item())
    draws = sample_latents(mu, log_var, generator=torch.Generator().manual_seed(0))
    assert draws.mean().item() == pytest.approx(2, abs=0.08)
    assert draws.std().item() == pytest.approx(3, abs=0.08)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ({"image_size": 16}, "image_size"),
        ({"image_size": 72}, "halved"),
        ({"channels": ()}, "channels"),
        ({"kernel_sizes": (4,)}, "kernel_sizes"),
        ({"kernel_sizes": (3, 3)}, "kernel_sizes"),
        ({"kernel_sizes": (-3,)}, "kernel_sizes"),
        ({"kernel_sizes": (3, 3, 0, 3)}, "kernel_sizes"),
        ({"channels": (8, 0, 8, 8)}, "channels"),
        ({"dropout": 1.0}, "dropout"),
        ({"latent_size": 0}, "model"),
        ({"decoder_channels": (8,)}, "decoder_channels"),
        ({"decoder_channels": (8, 0, 8, 8)}, "decoder_channels"),
        ({"decoder_channels": (8, 8, -8, 8)}, "decoder_channels"),
        ({"blocks": (1, 1)}, "blocks"),
    ],
)
def test_network_settings_out_of_range(bad: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        NetworkSettings(**bad)  # type: ignore[arg-type]
