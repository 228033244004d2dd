"""Scores: of the right image, whatever the batch, and without overflow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from debias.data.store import ImageStore
from debias.errors import ConfigError
from debias.inference.predict import predict_logits, probability
from debias.models.db_vae import FaceModel

ORDER = np.array([3, 0, 7, 7, 1, 5])


@pytest.mark.parametrize("batch_size", [1, 2, 4, 6, 100])
def test_logits_are_of_the_rows_asked_for_in_their_order(
    batch_size: int, brightness_model: FaceModel, store: ImageStore
) -> None:
    logits = predict_logits(brightness_model, store, ORDER, batch_size=batch_size)
    assert logits.dtype == np.float64
    known = 10 * (store.images[ORDER, 0, 0, 0] / 255) - 5
    np.testing.assert_allclose(logits, known, atol=1e-5)
    assert brightness_model.training


def test_no_images_no_logits(brightness_model: FaceModel, store: ImageStore) -> None:
    assert predict_logits(brightness_model, store, np.empty(0, dtype=np.int64)).shape == (0,)


def test_a_model_that_does_not_classify(brightness_model: FaceModel, store: ImageStore) -> None:
    vae = FaceModel(
        brightness_model.settings,
        architecture="vae",
        encoder=brightness_model.encoder,
        num_features=1,
    )
    with pytest.raises(ConfigError, match="does not classify"):
        predict_logits(vae, store, ORDER)


def test_probabilities_of_known_logits() -> None:
    logits = np.array([0.0, np.log(3), -np.log(3), np.inf, -np.inf])
    np.testing.assert_allclose(probability(logits), [0.5, 0.75, 0.25, 1.0, 0.0], rtol=1e-15)


@given(st.lists(st.floats(-1e308, 1e308), max_size=20))
def test_probabilities_neither_overflow_nor_lose_what_is_small(values: list[float]) -> None:
    # Warnings are errors, an overflow is a warning.
    logits = np.array(values, dtype=np.float64)
    found = probability(logits)
    np.testing.assert_allclose(found, expit(logits), rtol=1e-14, atol=0)


def test_small_scores_keep_apart() -> None:
    """A threshold for a low false-positive rate lies among scores near 0 or near 1."""
    scores = probability(np.array([-700.0, -699.0, -40.0, 30.0, 31.0]))
    assert (np.diff(scores) > 0).all()
    assert scores[0] > 0
    assert scores[-1] < 1
