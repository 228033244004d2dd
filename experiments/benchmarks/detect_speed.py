"""Searching pictures for faces: whole passes against cutting out and scoring every window."""

from __future__ import annotations

from unittest.mock import patch

import torch
from data_speed import drawn_images
from measuring import Amount, Comparison, compare, take_turns, timed
from PIL import Image
from training_speed import speed_settings

from debias.inference import detect
from debias.inference.detect import find_faces
from debias.models.db_vae import FaceModel
from debias.training.randomness import torch_seeded

SIDE = 320  # pixels
NUM_PICTURES = 2


def detection(amount: Amount) -> list[Comparison]:
    """Return the speed of searching pictures by whole passes against window by window.

    Both score the same windows, of the same sizes and at the same stride.

    Args:
        amount: how much work.
    """
    side = 5 * amount.image_size if amount.image_size < 64 else SIDE
    images = drawn_images(NUM_PICTURES, side, seed=0)
    pictures = [Image.fromarray(image) for image in images]
    with torch_seeded(0, "initialisation"):
        model = FaceModel(speed_settings(amount).model, architecture="classifier").eval()

    def search() -> None:
        for picture in pictures:
            find_faces(model, picture)

    def window_by_window() -> None:
        with patch.object(detect, "is_dense", lambda model: False):
            search()

    sides = {
        "whole passes": timed(search, count=len(pictures)),
        "window by window": timed(window_by_window, count=len(pictures)),
    }
    with torch.inference_mode():
        seconds = take_turns(sides, amount.rounds, warm=True)
    ours, other = sides
    return [
        compare(
            seconds,
            task=f"detection, {side} x {side}",
            ours=ours,
            other=other,
            unit="images/s",
            aim=5.0,
        )
    ]
