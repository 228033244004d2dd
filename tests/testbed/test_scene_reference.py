"""Scenes are pinned: results measured on them hold only as long as they stay.

This prints the values below, from the root of the repository::

    python tests/testbed/test_scene_reference.py
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from debias.testbed import renderer, scenes
from debias.testbed.factors import NAMES, SEED
from debias.testbed.scene_layers import PLACES
from debias.testbed.scene_renderer import render_scenes
from debias.testbed.scenes import SCENE_SETS, Scenes, draw_scenes

REFERENCE: Mapping[str, str] = {
    "version": "1",
    "sets": "28ea3d48cbf923813c41dfac466218f74911fe1e905c86d850e3b8cd6aacc9ff",
    "layers": "27cdc79810280049fe00cca3bb3ee7d02fda064eb131c944b0e3c6c32cece189",
    "drawn": "c00a0743281bf63796fc1cf5ddeb3d572ee11eafa30f6321535d4cde2b69ec3a",
    "boxes": "7168c14afb739315cdba82f3aa045a961e99a74e9b4a7f3cc29c4ff67329a05e",
}
PICTURES, DIGITS = (6, 2, 6), 3
ADVICE = (
    "If that is a mistake, find it. If it is meant: raise SCENE_VERSION in "
    "debias/testbed/scenes.py, run every experiment on scenes again, and write what "
    "`python tests/testbed/test_scene_reference.py` prints into REFERENCE."
)


def found_now() -> dict[str, str]:
    """Return what REFERENCE would be now."""
    known = SCENE_SETS.values()
    drawn = [draw_scenes(replace(one, pictures=PICTURES)) for one in known]
    pixels: list[bytes] = []

    def keep(seen: np.ndarray, **_: float) -> bytes:
        pixels.append(seen.tobytes())
        return b""

    with mock.patch.object(renderer, "take_picture", keep):
        rendered = [scene for one in drawn for scene in render_scenes(one, num_workers=1)]
    boxes = [scene.boxes.astype("<i8").tobytes() for scene in rendered]
    visible = [np.rint(scene.visible * 10**DIGITS).astype("<i8").tobytes() for scene in rendered]
    return {
        "version": str(scenes.SCENE_VERSION),
        "sets": _digest(*(repr((one.name, one.pictures, one.sides)).encode() for one in known)),
        "layers": _digest(*(part for one in drawn for part in _in_bytes(one))),
        "drawn": _digest(*pixels),
        "boxes": _digest(*boxes, *visible),
    }


def _in_bytes(some: Scenes) -> tuple[bytes, ...]:
    """Return pictures and layers as every machine rounds them."""
    words = some.layers[["image_id", "kind", "face_id", "gender"]].fillna("")
    numbers = some.layers[[*PLACES, *NAMES]].to_numpy(np.float64)
    return (
        some.pictures.to_csv(index=False, lineterminator="\n").encode(),
        words.to_csv(index=False, lineterminator="\n").encode(),
        np.rint(numbers * 10**DIGITS).astype("<i8").tobytes(),
        some.layers[SEED].to_numpy().astype("<i8").tobytes(),
    )


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    return found_now()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("version", "SCENE_VERSION is another"),
        ("sets", "the sizes of the sets have changed"),
        ("layers", "what is drawn, or where, has changed"),
        ("drawn", "the pixels of the same layers have changed"),
        ("boxes", "the boxes, or what is seen of the faces, have changed"),
    ],
)
def test_scenes_are_as_they_were(name: str, what: str, found: dict[str, str]) -> None:
    assert found[name] == REFERENCE[name], f"{what}. {ADVICE}"


if __name__ == "__main__":
    for key, value in found_now().items():
        print(f'    "{key}": "{value}",')
