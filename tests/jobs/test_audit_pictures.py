"""What is decoded shows nobody: of few different persons there is no picture."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from audit.made_images import made_images
from numpy.typing import NDArray

from debias.audit.coverage import Coverage, CoverageSettings, latent_coverage
from debias.data.shown import LEAST_PERSONS
from debias.jobs import audit_pictures
from debias.jobs.audit_encoding import EncodedImages, probed_run
from debias.jobs.audit_pictures import ModelPictures, model_pictures
from debias.resampling.settings import ResamplingSettings

NUM_FACES, NUM_RARE = 800, 40  # 5 %
ROWS = np.arange(NUM_FACES)
IMAGES = made_images({}, num_images=NUM_FACES)
MU = np.random.default_rng(0).normal(size=(NUM_FACES, 4)).astype(np.float32)
MU[:, 0] *= 2.0


def encoded(rule: str = "product") -> EncodedImages:
    """What a model without a classifier makes of the images."""
    settings = SimpleNamespace(
        architecture="vae",
        seed=0,
        weighting=ResamplingSettings(rule=cast("Any", rule), activity_threshold=2.0),
    )
    found = SimpleNamespace(log_var=np.full_like(MU, -3.0), logit=None)
    parts = {"settings": settings, "model": None, "store": None, "found": found}
    return EncodedImages(**cast("dict[str, Any]", parts), seen=ROWS, mu=MU)


def covered(different: NDArray[np.intp]) -> Coverage:
    return latent_coverage(
        MU,
        None,
        rows=ROWS,
        persons=None,
        different=different,
        settings=CoverageSettings(num_neighbours=5),
        generator=np.random.default_rng(0),
    )


@pytest.fixture
def _decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(model: None, rows: NDArray[np.float32]) -> NDArray[np.uint8]:
        return np.zeros((len(rows), 2, 2, 3), dtype=np.uint8)

    def traversed(model: None, mu: object, latents: tuple[int, ...]) -> NDArray[np.uint8]:
        return np.zeros((len(latents), 3, 2, 2, 3), dtype=np.uint8)

    monkeypatch.setattr(audit_pictures, "decode_latents", decoded)
    monkeypatch.setattr(audit_pictures, "traverse_latents", traversed)


def pictures(num_rare: int, num_different: int) -> ModelPictures:
    """The pictures where all rare faces are copies of so many."""
    rare = np.concatenate([region.rows for region in covered(ROWS).regions])
    assert rare.size == NUM_RARE
    different = ROWS.copy()
    different[rare] = rare[ROWS[:NUM_RARE] % num_rare]
    return model_pictures(
        IMAGES, encoded(), covered(different), num_different=num_different, shows_faces=False
    )


@pytest.mark.usefixtures("_decoded")
def test_a_region_of_copies_is_not_shown() -> None:
    assert pictures(1, NUM_FACES).regions == (None,)
    assert pictures(LEAST_PERSONS - 1, NUM_FACES).regions == (None,)
    assert all(picture is not None for picture in pictures(LEAST_PERSONS, NUM_FACES).regions)


@pytest.mark.usefixtures("_decoded")
def test_few_different_persons_are_not_traversed() -> None:
    assert pictures(NUM_RARE, LEAST_PERSONS - 1).traversed == ()
    assert pictures(NUM_RARE, LEAST_PERSONS).traversed == (0, 1, 2, 3)


def test_active_latents_are_counted_without_weights() -> None:
    # Of weights by margin there are none without a classifier.
    run = probed_run(IMAGES, Path("run"), encoded("margin"), seed=0)
    assert (run.num_latents, run.num_active) == (4, 1)
