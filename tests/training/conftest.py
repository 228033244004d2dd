"""A store small enough to train on in a test: bright discs are faces, stripes are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from debias.data.store import ImageStore
from debias.training.loop import TrainingData
from debias.training.settings import RunSettings, load_settings
from debias.training.validation import LabelledRows

SIZE = 32


@pytest.fixture
def data(tmp_path: Path) -> TrainingData:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 80, size=(160, SIZE, SIZE, 3)).astype(np.uint8)
    y, x = np.mgrid[:SIZE, :SIZE]
    images[:80, (x - 16) ** 2 + (y - 16) ** 2 < 90] += 120
    images[80:, x % 6 < 3] += 120
    store = ImageStore(
        directory=tmp_path,
        images=images,
        image_ids=pd.Index([f"image-{row}" for row in range(len(images))]),
        failures=pd.DataFrame(columns=["image_id", "path", "reason"]),
    )
    return TrainingData(
        store=store,
        train=LabelledRows(faces=np.arange(64), non_faces=np.arange(80, 144)),
        validation=LabelledRows(faces=np.arange(64, 80), non_faces=np.arange(144, 160)),
    )


@pytest.fixture
def settings_for() -> Callable[..., RunSettings]:
    """Settings of a run that takes a second; keywords as ``section__key``."""
    quick = [
        "model.image_size=32",
        "model.channels=[8, 16]",
        "model.blocks=[0]",
        "model.latent_size=4",
        "training.epochs=3",
        "training.batch_size=16",
        "training.min_epoch_steps=1",
        "training.precision=fp32",
    ]

    def make(**changes: object) -> RunSettings:
        texts = [f"{key.replace('__', '.')}={value}" for key, value in changes.items()]
        return load_settings(assignments=[*quick, *texts])

    return make
