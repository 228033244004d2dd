"""Latents: of the right image, whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from debias.data.store import ImageStore
from debias.errors import ConfigError
from debias.inference.encode import batches, encode, evaluating
from debias.models.db_vae import FaceModel

ORDER = np.array([3, 0, 7, 7, 1, 5])


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_latents_are_of_the_rows_asked_for_in_their_order(
    batch_size: int, brightness_model: FaceModel, store: ImageStore
) -> None:
    encoding = encode(brightness_model, store, ORDER, batch_size=batch_size)
    known = 10 * (store.images[ORDER, 0, 0, :1] / 255) - 5
    np.testing.assert_allclose(encoding.mu, known, atol=1e-5)
    assert encoding.log_var is not None
    assert encoding.log_var.shape == (6, 1)
    assert encoding.mu.dtype == encoding.log_var.dtype == np.float32


def test_an_autoencoder_has_no_variance(brightness_model: FaceModel, store: ImageStore) -> None:
    model = FaceModel(
        brightness_model.settings,
        architecture="autoencoder",
        encoder=brightness_model.encoder,
        num_features=1,
    )
    assert encode(model, store, ORDER).log_var is None


def test_a_model_without_latents(brightness_model: FaceModel, store: ImageStore) -> None:
    plain = FaceModel(
        brightness_model.settings,
        architecture="classifier",
        encoder=brightness_model.encoder,
        num_features=1,
    )
    with pytest.raises(ConfigError, match="no latent space"):
        encode(plain, store, ORDER)


def test_batches_are_scaled_and_have_channels_first(store: ImageStore) -> None:
    first, second = batches(store, ORDER, batch_size=4, device=torch.device("cpu"))
    assert (first.shape, second.shape) == ((4, 3, 32, 32), (2, 3, 32, 32))
    assert first[:, 2, 5, 9].tolist() == pytest.approx([0.8, 0, 225 / 255, 225 / 255])


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_put_back_after_an_error(training: bool, brightness_model: FaceModel) -> None:
    brightness_model.train(training)

    def fail() -> None:
        with evaluating(brightness_model) as device:
            assert not brightness_model.training
            assert not torch.is_grad_enabled()
            assert device == torch.device("cpu")
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        fail()
    assert brightness_model.training == training
    assert torch.is_grad_enabled()
