"""Rare kinds in an audit: of the faces that count, by the shades and colours of thumbnails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from audit.made_images import made_images
from audit.made_measures import made_measures

from debias.audit.images import AuditedImages
from debias.audit.measured import MeasuredImages
from debias.jobs import audit_results
from debias.jobs.audit_results import rare_kinds_of

NUM_IMAGES, NUM_MARKED = 700, 24


@pytest.fixture(scope="module")
def marked() -> tuple[AuditedImages, MeasuredImages]:
    """Return noise, and a dark bar and a tint on the last pictures."""
    generator = np.random.default_rng(0)
    grey = generator.integers(80, 160, (NUM_IMAGES, 32, 32)).astype(np.uint8)
    chroma = generator.integers(118, 139, (NUM_IMAGES, 32, 32, 2)).astype(np.uint8)
    for number in range(NUM_IMAGES - NUM_MARKED, NUM_IMAGES):
        top = 12 + number % 3
        grey[number, top : top + 4, 6:26] //= 4
        chroma[number, top : top + 4, 6:26, 1] += 40
    measured = replace(made_measures(NUM_IMAGES, {}), thumbnails=grey, chroma=chroma)
    return made_images({"group": ["one"] * NUM_IMAGES}), measured


def test_marked_faces_are_a_kind(marked: tuple[AuditedImages, MeasuredImages]) -> None:
    images, measured = marked
    result = rare_kinds_of(images, measured, seed=0)
    assert result.num_faces == NUM_IMAGES
    (kind,) = result.kinds
    assert set(kind.rows) <= set(range(NUM_IMAGES - NUM_MARKED, NUM_IMAGES))
    assert len(kind.rows) >= NUM_MARKED // 2
    again = rare_kinds_of(images, measured, seed=0)
    assert np.array_equal(again.kinds[0].distances, kind.distances)


def test_what_does_not_count_is_not_looked_at(
    marked: tuple[AuditedImages, MeasuredImages],
) -> None:
    images, measured = marked
    counted = np.arange(NUM_IMAGES) < NUM_IMAGES - NUM_MARKED
    result = rare_kinds_of(replace(images, counted=counted), measured, seed=0)
    assert result.num_faces == counted.sum()
    assert result.kinds == ()


def test_of_many_faces_some_are_drawn(
    marked: tuple[AuditedImages, MeasuredImages], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_results, "MOST_FACES", 600)
    result = rare_kinds_of(*marked, seed=0)
    assert result.num_faces == 600
    (kind,) = result.kinds
    assert set(kind.rows) <= set(range(NUM_IMAGES - NUM_MARKED, NUM_IMAGES))


def test_too_few_faces_are_not_looked_at(marked: tuple[AuditedImages, MeasuredImages]) -> None:
    images, measured = marked
    counted = np.arange(NUM_IMAGES) < 499
    result = rare_kinds_of(replace(images, counted=counted), measured, seed=0)
    assert (result.num_faces, result.findings) == (0, ())
