"""Windows about faces show them, the others do not, and none leaves its picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from debias.data.decode import Crop, DecodeSettings, to_pixels
from debias.data.face_windows import (
    FaceWindowSettings,
    face_in_window,
    face_windows,
    ideal_windows,
    window_iou,
)
from debias.errors import ConfigError, DataError

EXACT = FaceWindowSettings(shift=0, zoom=0, around=1, beside=0, elsewhere=0)


def _pictures(*sizes: tuple[int, int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": [f"p{number}" for number in range(len(sizes))],
            "path": [f"p{number}.jpg" for number in range(len(sizes))],
            "split": "train",
            "width": [width for width, _ in sizes],
            "height": [height for _, height in sizes],
        }
    )


def _boxes(*rows: tuple[str, float, float, float, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["image_id", "x", "y", "width", "height"])
    return table.assign(face_id=[f"f{number}" for number in range(len(rows))])


def _squares(rows: pd.DataFrame, width: int, height: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return x, y and side in pixels."""
    side = rows["crop_side"].to_numpy() * min(width, height)
    x = rows["crop_x"].to_numpy() * (width - side)
    y = rows["crop_y"].to_numpy() * (height - side)
    return np.column_stack([x, y, side])


def test_overlap_of_windows_known_by_hand() -> None:
    windows = np.array([[0.0, 0, 10]])
    others = np.array([[0.0, 0, 10], [5, 0, 10], [10, 0, 10], [2, 3, 5]])
    np.testing.assert_allclose(window_iou(windows, others), [[1, 1 / 3, 0, 1 / 4]])


def test_the_ideal_window_is_about_the_middle() -> None:
    boxes = np.array([[40.0, 20, 16, 36]])  # the mean side is 24
    np.testing.assert_allclose(ideal_windows(boxes, 2.0), [[24, 14, 48]])
    np.testing.assert_allclose(face_in_window(boxes, 2.0), [1 / 3, 1 / 8, 1 / 3, 3 / 4])


def test_a_window_shows_its_face() -> None:
    pixels = np.zeros((120, 200, 3), dtype=np.uint8)
    pixels[40:76, 90:114] = 255
    rows = face_windows(_pictures((200, 120)), _boxes(("p0", 90, 40, 24, 36)), EXACT, seed=0)
    assert rows["image_id"].tolist() == ["p0#f0-0"]
    crop = Crop(*rows.iloc[0][["crop_side", "crop_x", "crop_y"]].astype(float))
    window = to_pixels(Image.fromarray(pixels), DecodeSettings(image_size=64), crop)
    lit = np.argwhere(window[..., 0] > 127)
    x, y, width, height = 64 * np.array(face_in_window(np.array([[90.0, 40, 24, 36]]), 1.8))
    np.testing.assert_allclose(lit.min(axis=0), [y, x], atol=1.5)
    np.testing.assert_allclose(lit.max(axis=0), [y + height, x + width], atol=1.5)


def test_labels_say_what_windows_show() -> None:
    settings = FaceWindowSettings(around=5, beside=4, elsewhere=8)
    sizes = [(320, 240)] * 30
    generator = np.random.default_rng(0)
    boxes = _boxes(
        *(
            (f"p{number}", *generator.uniform(0, 150, 2), *generator.uniform(30, 80, 2))
            for number in range(30)
            for _ in range(2)
        )
    )
    rows = face_windows(_pictures(*sizes), boxes, settings, seed=0)
    for number in range(30):
        here = rows[rows["path"] == f"p{number}.jpg"]
        mine = boxes.loc[boxes["image_id"] == f"p{number}", ["x", "y", "width", "height"]]
        squares = _squares(here, 320, 240)
        overlaps = window_iou(squares, ideal_windows(mine.to_numpy(), settings.context))
        is_face = (here["label"] == 1).to_numpy()
        assert (overlaps[is_face].max(axis=1) >= settings.least).all()
        assert (overlaps[~is_face].max(axis=1) <= settings.most).all()
        assert (squares[:, :2] >= -1e-9).all()
        assert (squares[:, :2] + squares[:, 2:] <= np.array([320, 240]) + 1e-9).all()
    assert rows["image_id"].is_unique
    kinds = rows["image_id"].str.extract(r"#([fbe])")[0].value_counts()
    assert kinds["f"] > 0.8 * 60 * 5
    assert kinds["b"] > 0.8 * 60 * 4
    assert kinds["e"] > 0.8 * 30 * 8


def test_what_is_beside_a_face_mostly_shows_part_of_it() -> None:
    settings = FaceWindowSettings(beside=50, elsewhere=0)
    boxes = _boxes(("p0", 150, 110, 40, 50))
    rows = face_windows(_pictures((400, 300)), boxes, settings, seed=0)
    beside = rows[rows["label"] == 0]
    ideal = ideal_windows(boxes[["x", "y", "width", "height"]].to_numpy(float), settings.context)
    assert (window_iou(_squares(beside, 400, 300), ideal) > 0.02).mean() > 0.9


def test_ignored_and_tiny_faces_are_neither_shown_nor_missed() -> None:
    boxes = _boxes(("p0", 100, 80, 40, 50), ("p0", 20, 20, 8, 10)).assign(ignore=[True, False])
    settings = FaceWindowSettings(elsewhere=200)
    rows = face_windows(_pictures((320, 240)), boxes, settings, seed=0)
    assert (rows["label"] == 0).all()
    ideal = ideal_windows(boxes[["x", "y", "width", "height"]].to_numpy(float), settings.context)
    assert window_iou(_squares(rows, 320, 240), ideal).max() <= settings.most


def test_a_face_that_no_window_can_show_well_is_left_out() -> None:
    boxes = _boxes(("p0", 0, 0, 100, 120))  # its window would begin far outside
    assert len(face_windows(_pictures((320, 125)), boxes, EXACT, seed=0)) == 0


def test_what_a_picture_gives_depends_on_itself_alone() -> None:
    boxes = _boxes(("p0", 50, 50, 40, 50), ("p1", 60, 40, 50, 60))
    pictures = _pictures((320, 240), (300, 200))
    settings = FaceWindowSettings()
    both = face_windows(pictures, boxes, settings, seed=3)
    alone = face_windows(pictures.iloc[1:], boxes.iloc[1:], settings, seed=3)
    pd.testing.assert_frame_equal(
        both[both["path"] == "p1.jpg"].reset_index(drop=True), alone.reset_index(drop=True)
    )
    other = face_windows(pictures, boxes, settings, seed=4)
    assert not both["crop_x"].equals(other["crop_x"])


def test_pictures_without_faces_and_tiny_pictures() -> None:
    nobody = _boxes()
    rows = face_windows(_pictures((320, 240), (20, 20)), nobody, FaceWindowSettings(), seed=0)
    assert set(rows["path"]) == {"p0.jpg"}
    assert len(rows) == 6
    assert (rows["label"] == 0).all()


def test_a_box_of_no_picture_is_named() -> None:
    with pytest.raises(DataError, match=r"1 boxes belong to no picture; face 'f0' is of 'p7'"):
        face_windows(_pictures((9, 9)), _boxes(("p7", 0, 0, 5, 5)), EXACT, seed=0)


@pytest.mark.parametrize(
    "change",
    [
        {"context": 0.9},
        {"shift": 0.3},
        {"zoom": 1.0},
        {"around": 0},
        {"beside": -1},
        {"elsewhere": -1},
        {"most": 0.6},
        {"smallest": 4},
    ],
)
def test_settings_out_of_range_are_named(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="out of range") as told:
        FaceWindowSettings(**change)
    assert told.value.where == f"windows.{next(iter(change))}"
