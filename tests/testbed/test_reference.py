"""Pictures and factors are pinned: results measured on them hold only as long as they stay.

This prints the values below, from the root of the repository::

    python tests/testbed/test_reference.py
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from unittest import mock

import numpy as np
import pandas as pd
import PIL
import pytest
from PIL import features

from debias.testbed import renderer, sets
from debias.testbed.camera import take_picture
from debias.testbed.factors import NAMES, SEED
from debias.testbed.population import draw_faces, draw_non_faces
from debias.testbed.sets import TESTBEDS, draw_testbed, list_testbeds, load_testbed

REFERENCE: Mapping[str, str] = {
    "version": "1",
    "factors": "ecea101f1fdd487f143681df264517fd453ad69152cedf8b4d8d57e262e160ea",
    "sets": "00f822865e4181c0653bb0049f49778b3b5726084c59486e629afd580000a631",
    "drawn": "0921d8be3ba82ab2c8968ecaf5a1f77b34746ee07ec60f6787e0f1bc340e0eaf",
    "camera": "Pillow 13.0.0, libjpeg-turbo 3.2.0",
    "pictures": "5e2aae16718f8cec8bafdc72a69293ecdc7fa21f9f31c8f79b5492f66c94b023",
}
NUM, DIGITS, FRACTION = 32, 4, 0.002
ADVICE = (
    "If that is a mistake, find it. If it is meant: raise VERSION in debias/testbed/sets.py, "
    "run the calibration and every experiment on a testbed again, and write what "
    "`python tests/testbed/test_reference.py` prints into REFERENCE."
)


def reference_factors() -> pd.DataFrame:
    """Return the factors of 32 faces of each testbed, then 32 non-faces."""
    people = [load_testbed(name).population for name in list_testbeds()]
    faces = [draw_faces(population, range(NUM), seed=0) for population in people]
    return pd.concat([*faces, draw_non_faces(range(NUM), seed=0)], ignore_index=True)


def found_now() -> dict[str, str]:
    """Return what REFERENCE would be now."""
    factors = reference_factors()
    drawn: list[bytes] = []

    def keep(pixels: np.ndarray, **options: float) -> bytes:
        drawn.append(pixels.tobytes())
        return take_picture(pixels, **options)  # type: ignore[arg-type]

    with mock.patch.object(renderer, "take_picture", keep):
        pictures = renderer.render(factors, num_workers=1)
    return {
        "version": str(sets.VERSION),
        "factors": _digest(*_in_bytes(factors)),
        "sets": _digest(*_sets()),
        "drawn": _digest(*drawn),
        "camera": camera(),
        "pictures": _digest(pictures.tobytes()),
    }


def _in_bytes(factors: pd.DataFrame) -> tuple[bytes, bytes]:
    """Return factors as every machine rounds them, and noise seeds."""
    numbers = np.rint(factors[list(NAMES)].to_numpy(np.float64) * 10**DIGITS).astype("<i8")
    return numbers.tobytes(), factors[SEED].to_numpy().astype("<i8").tobytes()


def _sets() -> Iterator[bytes]:
    """Yield what decides the images of every testbed: how many, who, and from which seeds."""
    for testbed in TESTBEDS.values():
        yield repr((testbed.name, testbed.faces, testbed.non_faces)).encode()
        images = draw_testbed(testbed.scaled(FRACTION))
        words = images[["image_id", "label", "split", "kind", "gender"]]
        yield words.fillna("").to_csv(index=False, lineterminator="\n").encode()
        yield from _in_bytes(images)


def camera() -> str:
    """Return which libraries blur, compress and decompress."""
    return f"Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}"


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    return found_now()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("version", "VERSION is another"),
        ("factors", "the factors that a population draws have changed"),
        ("sets", "the images that make up a testbed have changed"),
        ("drawn", "the pixels of the same factors have changed"),
    ],
)
def test_the_testbed_is_as_it_was(name: str, what: str, found: dict[str, str]) -> None:
    assert found[name] == REFERENCE[name], f"{what}. {ADVICE}"


def test_the_camera_is_as_it_was(found: dict[str, str]) -> None:
    if found["camera"] != REFERENCE["camera"]:
        pytest.skip(f"made with {REFERENCE['camera']}, and here is {found['camera']}")
    assert found["pictures"] == REFERENCE["pictures"], (
        f"blur, noise or compression have changed. {ADVICE}"
    )


if __name__ == "__main__":
    for key, value in found_now().items():
        print(f'    "{key}": "{value}",')
