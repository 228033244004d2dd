from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from debias.metrics.counts import group_rows
from debias.metrics.disparities import holm
from debias.metrics.evaluation import Evaluation, evaluate


def evaluate_faces(features: pd.DataFrame, answers: np.ndarray) -> Evaluation:
    names = list(features.columns)
    return evaluate(
        face_answers=answers,
        negative_answers=np.arange(1000) < 10,
        groupings=[
            group_rows(sensitive_features=features, columns=columns)
            for columns in ([names[0]], names)
        ],
        generator=np.random.default_rng(0),
    )


@pytest.fixture
def features() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "tone": generator.choice(["dark", "light"], 800),
            "gender": generator.choice(["female", "male"], 800),
        }
    )


def test_a_perfect_model_has_no_gap(features: pd.DataFrame) -> None:
    found = evaluate_faces(features, np.ones(800, dtype=bool))
    assert found.recall.value == 1.0
    assert found.fpr.value == 0.01
    for result in found.groupings:
        assert result.gap is not None
        assert result.gap.value == 0.0
        assert result.accuracies.variance == 0.0
        assert set(result.adjusted_p_values) == {1.0}


def test_one_broken_group_is_found(features: pd.DataFrame) -> None:
    broken = (features["tone"] == "dark") & (features["gender"] == "female")
    answers = np.where(broken, np.arange(800) % 2 == 0, np.arange(800) % 10 > 0)
    result = evaluate_faces(features, answers).groupings[1]
    assert result.gap is not None
    assert result.null_gap is not None
    names = [result.grouping.groups[code] for code in result.ranked]
    assert names[result.gap.worst] == ("dark", "female")
    assert result.gap.low > result.null_gap.percentile_95
    assert result.null_gap.p_value < 0.001
    differing = [
        {names[pair.first], names[pair.second]}
        for pair, p in zip(result.pairs, result.adjusted_p_values, strict=True)
        if p < 0.05
    ]
    assert len(differing) == 3
    assert all(("dark", "female") in pair for pair in differing)


def test_pairs_of_all_groupings_are_one_family(features: pd.DataFrame) -> None:
    answers = np.random.default_rng(1).random(800) < 0.9
    found = evaluate_faces(features, answers)
    raw = [pair.p_value for result in found.groupings for pair in result.pairs]
    adjusted = [p for result in found.groupings for p in result.adjusted_p_values]
    assert len(raw) == 1 + 6
    assert adjusted == pytest.approx(list(holm(raw)))


def test_one_group_has_no_gap_and_no_faces_no_recall() -> None:
    one = pd.DataFrame({"tone": ["dark"] * 50, "gender": ["female"] * 50})
    found = evaluate_faces(one, np.ones(50, dtype=bool))
    assert [result.gap for result in found.groupings] == [None, None]
    assert found.groupings[0].accuracies.mean_of_groups == 1.0
    none = evaluate_faces(one.iloc[:0], np.zeros(0, dtype=bool))
    assert np.isnan(none.recall.value)
    assert none.groupings[1].grouping.groups == ()


def test_faces_have_persons_and_non_faces_have_pictures() -> None:
    found = evaluate(
        face_answers=np.repeat(np.arange(50) < 40, 4),
        negative_answers=np.repeat(np.arange(100) < 5, 8),
        groupings=[],
        generator=np.random.default_rng(0),
        face_clusters=np.repeat(np.arange(50), 4),
        negative_clusters=np.repeat(np.arange(100), 8),
    )
    assert found.recall.design_effect == pytest.approx(4, rel=0.1)
    assert found.fpr.design_effect == pytest.approx(8, rel=0.1)


def test_the_same_seed_gives_the_same_figures(features: pd.DataFrame) -> None:
    answers = np.random.default_rng(1).random(800) < 0.9
    first, second = (evaluate_faces(features, answers) for _ in range(2))
    assert first.groupings[0].null_gap == second.groupings[0].null_gap
