from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from debias.metrics.bootstrap import PairedScores, bootstrap_recalls, cluster_weights
from debias.metrics.counts import group_rows


@pytest.mark.parametrize("num_per_person", [1, 10])
def test_faces_are_drawn_by_person(num_per_person: int) -> None:
    """Non-faces that are one picture fix the thresholds; what is left is the draw of persons."""
    generator = np.random.default_rng(0)
    num_persons, share = 100, 0.8
    person_found = np.arange(num_persons) < share * num_persons
    faces = np.where(person_found, 2.0, -1.0).repeat(num_per_person)
    scores = PairedScores(
        faces=np.stack([faces, -faces]),
        negatives=np.tile(np.linspace(-0.5, 0.5, 1000), (2, 1)),
        face_clusters=np.arange(num_persons).repeat(num_per_person),
        negative_clusters=np.zeros(1000, dtype=int),
    )
    (drawn,) = bootstrap_recalls(
        scores=scores,
        groupings=[
            group_rows(sensitive_features=pd.DataFrame(index=range(faces.size)), columns=[])
        ],
        target_fpr=0.05,
        generator=generator,
        num_replicates=2000,
    )
    assert drawn.shape == (2000, 2, 1)
    assert drawn[:, 0].mean() == pytest.approx(share, abs=0.005)
    assert drawn[:, 0].std() == pytest.approx(np.sqrt(share * (1 - share) / num_persons), rel=0.06)
    assert drawn.sum(axis=1) == pytest.approx(np.ones((2000, 1)))  # the same faces for both


def test_cluster_weights_draw_whole_clusters() -> None:
    clusters = np.array([0, 0, 1, 2, 2, 2])
    generator = np.random.default_rng(0)
    drawn = np.array([cluster_weights(clusters=clusters, generator=generator) for _ in range(4000)])
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn[:, 3] == drawn[:, 5]).all()
    assert (drawn[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(6), abs=0.06)
    assert cluster_weights(clusters=np.zeros(0, dtype=int), generator=generator).size == 0
