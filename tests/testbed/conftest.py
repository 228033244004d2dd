"""The renderer without its camera, and pictures that several modules look at."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image
from testbed.drawing import SIZE, Bytes, Sketch

from debias.testbed import renderer
from debias.testbed.population import Population, draw_faces, draw_non_faces


@pytest.fixture
def sharp(monkeypatch: pytest.MonkeyPatch) -> Sketch:
    """Render what is drawn before the camera takes it: no blur, noise or compression."""
    monkeypatch.setattr(renderer, "take_picture", _keep)
    return _render


@pytest.fixture
def sketch(sharp: Sketch, monkeypatch: pytest.MonkeyPatch) -> Sketch:
    """Render without camera and without the textures, which differ on the left and right."""
    monkeypatch.setattr(renderer, "texture_atlas", _even_texture)
    return sharp


def _keep(pixels: Bytes, **_: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=0)
    return file.getvalue()


def _render(factors: pd.DataFrame) -> Bytes:
    return renderer.render(factors, size=SIZE, num_workers=1)


def _even_texture(size: int) -> NDArray[np.float32]:
    return np.full((8 * size, 8 * size, 6), 0.5, dtype=np.float32)


@pytest.fixture(scope="session")
def mixed() -> pd.DataFrame:
    """Factors of 96 faces, then 96 non-faces."""
    faces = draw_faces(Population(), range(96), seed=3)
    return pd.concat([faces, draw_non_faces(range(96), seed=3)], ignore_index=True)


@pytest.fixture(scope="session")
def pictures(mixed: pd.DataFrame) -> Bytes:
    """The pictures of :func:`mixed`."""
    return renderer.render(mixed, num_workers=2)
