"""The pictures look like faces to others, and their surroundings do not give the answer away."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from testbed.drawing import Bytes, Floats

from debias.testbed.population import Population, draw_faces, draw_non_faces
from debias.testbed.renderer import render
from debias.testbed.sets import load_testbed

CASCADE = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
FRONTAL = {"yaw": (-15.0, 15.0), "pitch": (-10.0, 10.0), "roll": (-10.0, 10.0)}


def share_found(pictures: Bytes) -> float:
    """Return the share of pictures in which the Viola-Jones detector of OpenCV finds a face.

    Pictures are enlarged three times, their histograms equalised and their edges repeated; a face
    must be about half as high as its picture.
    """
    detector = cv2.CascadeClassifier(str(CASCADE))
    found = 0
    for pixels in pictures:
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        large = cv2.resize(grey, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
        framed = cv2.copyMakeBorder(
            cv2.equalizeHist(large), 48, 48, 48, 48, borderType=cv2.BORDER_REPLICATE
        )
        found += len(detector.detectMultiScale(framed, 1.1, 3, minSize=(90, 90))) > 0
    return found / len(pictures)


@pytest.fixture(scope="module")
def frontal() -> pd.DataFrame:
    return draw_faces(Population(ranges=FRONTAL), range(240), seed=3)


# Measured: 70 % of these, light ones 98 %, medium ones 73 %, dark ones 46 %. A detector that
# was trained on photographs of others finds dark faces less well here too.
def test_a_detector_of_photographed_faces_finds_drawn_ones(frontal: pd.DataFrame) -> None:
    assert share_found(render(frontal)) >= 0.6


# Measured: 2 %. It goes by the features, not by the outline of a head.
def test_it_does_not_find_the_same_heads_without_features(frontal: pd.DataFrame) -> None:
    bare = frontal.iloc[:120].assign(**dict.fromkeys(("eyes", "brows", "nose", "mouth"), 0.0))
    assert share_found(render(bare.assign(glasses=np.float32(0)))) <= 0.15


# Measured: 1 %.
def test_it_finds_next_to_nothing_where_there_is_no_head() -> None:
    others = draw_non_faces(range(600), seed=3)
    assert share_found(render(others[others["kind"].isin(["texture", "objects"])])) <= 0.06


def thumbnails(pictures: Bytes) -> Floats:
    """Return means of 8 x 8 tiles, (image, feature)."""
    num, size = pictures.shape[:2]
    side = size // 8
    tiles: Floats = pictures.reshape(num, 8, side, 8, side, 3).mean(axis=(2, 4))
    return tiles.reshape(num, -1) / 255


@pytest.fixture(scope="module")
def others() -> Floats:
    return thumbnails(render(draw_non_faces(range(2500), seed=1), size=32))


# Measured: balanced 0.82, planted 0.73, whose test shows people of another kind than its training.
# Among planted training images themselves it is 0.92: light skin is then a hint at a face.
@pytest.mark.parametrize("name", ["balanced", "planted"])
def test_colours_and_places_alone_do_not_tell(name: str, others: Floats) -> None:
    """A linear model sees 8 x 8 pixels of 1,500 images of each kind, and is asked of 1,000."""
    testbed = load_testbed(name)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    trained = thumbnails(render(draw_faces(testbed.population, range(1500), seed=1), size=32))
    model.fit(np.concatenate([trained, others[:1500]]), np.repeat([1, 0], 1500))
    faces = draw_faces(testbed.test_population, range(1000), seed=2)
    asked = thumbnails(render(faces, size=32))
    score = model.decision_function(np.concatenate([asked, others[1500:]]))
    area = roc_auc_score(np.repeat([1, 0], 1000), score)
    assert 0.5 < area < 0.9
