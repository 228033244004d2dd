"""The loss terms: known values, stated reductions, shapes that cannot broadcast."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal
from torch.distributions import kl_divergence as torch_kl

from debias.errors import ConfigError
from debias.models.losses import (
    LossSettings,
    Reduction,
    classification_loss,
    kl_divergence,
    kl_per_latent,
    reconstruction_loss,
)


def test_kl_is_zero_at_the_prior() -> None:
    zeros = torch.zeros(5, 7)
    assert torch.equal(kl_divergence(zeros, zeros), torch.zeros(5))


@given(st.integers(0, 10_000))
def test_kl_agrees_with_torch_distributions(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    mu = 3 * torch.randn(4, 6, generator=generator)
    log_var = 2 * torch.randn(4, 6, generator=generator)
    posterior = Normal(mu, (0.5 * log_var).exp())
    prior = Normal(torch.zeros_like(mu), torch.ones_like(mu))
    torch.testing.assert_close(kl_per_latent(mu, log_var), torch_kl(posterior, prior))


def test_kl_sums_over_latents_and_keeps_images_apart() -> None:
    mu = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
    # With unit variance KL is mu^2 / 2 for each latent.
    torch.testing.assert_close(kl_divergence(mu, torch.zeros(2, 2)), torch.tensor([2.5, 4.5]))


def test_free_bits_charge_a_quiet_latent_its_allowance_and_stop_its_gradient() -> None:
    mu = torch.tensor([[0.1, 2.0], [-0.1, 2.0]], requires_grad=True)
    loss = kl_divergence(mu, torch.zeros(2, 2), free_bits=0.5).mean()
    loss.backward()
    assert loss.item() == pytest.approx(0.5 + 2.0)
    assert mu.grad is not None
    assert mu.grad[:, 0].abs().max() == 0
    assert mu.grad[:, 1].abs().min() > 0


@pytest.mark.parametrize(("pixel_loss", "each"), [("l1", 0.5), ("l2", 0.25)])
def test_reconstruction_reductions(pixel_loss: str, each: float) -> None:
    images = torch.zeros(2, 3, 4, 5)
    off = images + 0.5
    mean = reconstruction_loss(off, images, pixel_loss=pixel_loss, reduction="mean")  # type: ignore[arg-type]
    total = reconstruction_loss(off, images, pixel_loss=pixel_loss, reduction="sum")  # type: ignore[arg-type]
    torch.testing.assert_close(mean, torch.full((2,), each))
    torch.testing.assert_close(total, torch.full((2,), each * 3 * 4 * 5))


@pytest.mark.usefixtures("unchecked")
def test_a_column_of_logits_is_refused_instead_of_broadcast() -> None:
    with pytest.raises(AssertionError):
        classification_loss(torch.zeros(4, 1), torch.zeros(4))


def test_classification_loss_known_values() -> None:
    logit = torch.tensor([0.0, 20.0, -20.0])
    y = torch.tensor([1.0, 1.0, 1.0])
    loss = classification_loss(logit, y)
    torch.testing.assert_close(loss, torch.tensor([math.log(2), 0.0, 20.0]), atol=1e-6, rtol=1e-6)
    smoothed = classification_loss(logit[:1], y[:1], label_smoothing=0.2)
    assert smoothed.item() == pytest.approx(math.log(2))


@pytest.mark.parametrize(("epochs_done", "scale"), [(0, 0.0), (1.5, 0.5), (3, 1.0), (30, 1.0)])
def test_kl_warmup_is_linear_then_one(epochs_done: float, scale: float) -> None:
    assert LossSettings(kl_warmup=3).kl_scale(epochs_done) == pytest.approx(scale)
    assert LossSettings().kl_scale(epochs_done) == 1


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_an_evidence_bound_weighs_kl_as_one_beside_a_sum(reduction: Reduction) -> None:
    settings = LossSettings(reconstruction=2.0, kl=9.0, pixel_reduction=reduction)
    bound = settings.as_elbo(4)
    images, off = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.5)
    error = reconstruction_loss(off, images, pixel_loss="l2", reduction=reduction).item()
    total = reconstruction_loss(off, images, pixel_loss="l2", reduction="sum").item()
    assert bound.reconstruction * error / bound.kl == pytest.approx(total)


@pytest.mark.parametrize("bad", [{"kl": -1.0}, {"label_smoothing": 1.0}, {"kl": float("nan")}])
def test_settings_out_of_range(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        LossSettings(**bad)  # type: ignore[arg-type]
