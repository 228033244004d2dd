from __future__ import annotations

import numpy as np
import pytest
import torch

from debias.data.store import ImageStore
from debias.errors import ConfigError
from debias.inference.encode import encode
from debias.inference.latents import decode_latents, latent_rows, traverse_latents
from debias.inference.predict import predict_logits
from debias.models.db_vae import FaceModel
from debias.models.networks import NetworkSettings

SETTINGS = NetworkSettings(image_size=32, channels=(4, 8), blocks=(0,), latent_size=3)


def model_of(architecture: str) -> FaceModel:
    torch.manual_seed(0)
    return FaceModel(SETTINGS, architecture=architecture)  # type: ignore[arg-type]


def test_one_pass_gives_what_encoding_and_prediction_give(store: ImageStore) -> None:
    model = model_of("db-vae").train()
    rows = np.array([5, 0, 3])
    made = latent_rows(model, store, rows, batch_size=2)
    encoding = encode(model, store, rows)
    assert made.mu is not None
    assert made.log_var is not None
    np.testing.assert_allclose(made.mu, encoding.mu, rtol=1e-5, atol=1e-6)
    assert encoding.log_var is not None
    np.testing.assert_allclose(made.log_var, encoding.log_var, rtol=1e-5, atol=1e-6)
    assert made.logit is not None
    logits = predict_logits(model, store, rows)
    assert made.logit.tolist() == pytest.approx(logits.tolist(), rel=1e-5, abs=1e-6)
    assert made.features.shape == (3, 8)
    assert model.training


def test_the_error_is_that_of_the_picture_decoded_from_the_mean(store: ImageStore) -> None:
    model = model_of("vae")
    rows = np.arange(len(store))
    made = latent_rows(model, store, rows)
    assert made.mu is not None
    assert made.logit is None
    decoded = decode_latents(model, made.mu) / 255.0
    expected = np.abs(decoded - store.gather(rows) / 255.0).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(made.error, expected, atol=0.5 / 255)  # type: ignore[arg-type]


def test_detail_is_none_of_a_flat_picture_and_known_of_a_chequered_one(store: ImageStore) -> None:
    rows = np.arange(len(store))
    np.testing.assert_allclose(latent_rows(model_of("vae"), store, rows).detail, 0.0, atol=1e-6)
    images = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    images[:, ::2] = 255
    striped = ImageStore(
        directory=store.directory,
        images=images,
        image_ids=store.image_ids[:1],
        failures=store.failures,
    )
    found = latent_rows(model_of("classifier"), striped, np.array([0])).detail
    assert found[0] == pytest.approx(0.5)


def test_a_plain_classifier_has_features_and_logits_alone(store: ImageStore) -> None:
    made = latent_rows(model_of("classifier"), store, np.arange(4))
    assert (made.mu, made.log_var, made.error) == (None, None, None)
    assert made.logit is not None
    assert made.features.shape == (4, 8)


def test_a_traversal_moves_one_latent_and_passes_through_the_mean() -> None:
    model = model_of("vae")
    mu = np.random.default_rng(0).normal(size=(50, 3)) * [1.0, 5.0, 0.2] + 1.0
    frames = traverse_latents(model, mu, (2, 0), steps=(-3.0, 0.0, 3.0))
    assert frames.shape == (2, 3, 32, 32, 3)
    assert frames.dtype == np.uint8
    mean = mu.mean(axis=0)
    centre = decode_latents(model, mean[None])[0]
    assert np.array_equal(frames[0, 1], centre)
    assert np.array_equal(frames[1, 1], centre)
    moved = mean.copy()
    moved[2] += 3 * mu[:, 2].std()
    assert np.array_equal(frames[0, 2], decode_latents(model, moved[None])[0])


def test_decoding_in_batches_is_decoding_at_once() -> None:
    model = model_of("vae")
    latents = np.random.default_rng(0).normal(size=(5, 3))
    whole = decode_latents(model, latents).astype(int)
    assert np.abs(whole - decode_latents(model, latents, batch_size=2)).max() <= 1


def test_latents_that_cannot_be_decoded_are_refused() -> None:
    with pytest.raises(ConfigError, match="has no latent space"):
        decode_latents(model_of("classifier"), np.zeros((1, 3)))
    with pytest.raises(ConfigError, match=r"do not fit a model of 3"):
        decode_latents(model_of("vae"), np.zeros((1, 4)))
