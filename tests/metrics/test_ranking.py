from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from sklearn.metrics import roc_auc_score

from debias.metrics.areas import delong
from debias.metrics.ranking import POOLED_AUC, group_aucs, overall_auc


def rows_of(seed: int, num_rows: int = 120, num_values: int = 12) -> tuple[Any, Any]:
    """Labels of either kind, and scores with many ties."""
    generator = np.random.default_rng(seed)
    labels = np.concatenate([[0, 1], generator.integers(0, 2, num_rows - 2)])
    return labels, np.rint(generator.normal(labels, 1.0) * num_values / 4)


def brute_force(labels: Any, scores: Any, clusters: Any) -> tuple[float, float]:
    """All pairs one by one, after DeLong (1988) and, by clusters, Obuchowski (1997)."""
    first, second = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    difference = scores[first][:, None] - scores[second][None, :]
    wins = (difference > 0) + 0.5 * (difference == 0)
    area = wins.mean()
    v10, v01 = wins.mean(axis=1), wins.mean(axis=0)
    names = np.unique(clusters)
    pos = np.array([(v10 - area)[clusters[first] == c].sum() for c in names])
    neg = np.array([(v01 - area)[clusters[second] == c].sum() for c in names])
    num_pos = np.unique(clusters[first]).size
    num_neg = np.unique(clusters[second]).size
    m, n = first.size, second.size
    variance = (
        num_pos / (num_pos - 1) * (pos**2).sum() / m**2
        + num_neg / (num_neg - 1) * (neg**2).sum() / n**2
        + 2 * names.size / (names.size - 1) * (pos * neg).sum() / (m * n)
    )
    return float(area), float(variance)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(8, 60), st.integers(1, 40))
def test_area_is_that_of_scikit_learn_and_variance_that_of_all_pairs(
    seed: int, num_rows: int, num_values: int
) -> None:
    labels, scores = rows_of(seed, num_rows, num_values)
    if min(np.bincount(labels)) < 2:
        return
    found = delong(y_true=labels, y_score=scores)
    area, variance = brute_force(labels, scores, np.arange(num_rows))
    assert found.value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert found.value == pytest.approx(area, abs=1e-12)
    assert found.variance == pytest.approx(variance, abs=1e-12)


def test_clusters_of_one_size_have_obuchowskis_variance() -> None:
    """Every person has two positives and one negative."""
    generator = np.random.default_rng(0)
    clusters = np.repeat(np.arange(40), 3)
    labels = np.tile([1, 1, 0], 40)
    scores = np.rint(generator.normal(labels + generator.normal(size=40)[clusters], 1.0) * 3)
    found = delong(y_true=labels, y_score=scores, clusters=clusters + 7)
    area, variance = brute_force(labels, scores, clusters)
    assert (found.value, found.variance) == pytest.approx((area, variance), abs=1e-12)
    assert found.variance != pytest.approx(delong(y_true=labels, y_score=scores).variance, rel=0.1)
    assert found.positives.num_clusters == pytest.approx(40)


def test_copies_of_rows_are_worth_the_rows() -> None:
    labels, scores = rows_of(3, 200)
    once = delong(y_true=labels, y_score=scores)
    twice = delong(
        y_true=np.repeat(labels, 2),
        y_score=np.repeat(scores, 2),
        clusters=np.repeat(np.arange(200), 2),
    )
    assert twice.value == pytest.approx(once.value)
    assert twice.variance == pytest.approx(once.variance)
    assert twice.positives.num_effective == pytest.approx(once.positives.num_effective, rel=0.02)


def test_weights_are_those_of_scikit_learn() -> None:
    labels, scores = rows_of(4, 300)
    weights = np.random.default_rng(0).random(300)
    weights[::7] = 0.0
    found = delong(y_true=labels, y_score=scores, sample_weight=weights)
    assert found.value == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights))
    same = delong(y_true=labels, y_score=scores, sample_weight=np.full(300, 3.0))
    plain = delong(y_true=labels, y_score=scores)
    assert (same.value, same.variance) == pytest.approx((plain.value, plain.variance))
    assert found.variance > plain.variance


def test_groups_against_the_pool_or_against_their_own_negatives() -> None:
    labels, scores = rows_of(5, 400)
    codes = np.random.default_rng(0).integers(0, 3, 400)
    pooled = group_aucs(
        y_true=labels,
        y_score=scores,
        codes=np.where(labels == 1, codes, -1),
        num_groups=4,
        negatives="pool",
    )
    grouped = group_aucs(
        y_true=labels, y_score=scores, codes=codes, num_groups=4, negatives="grouped"
    )
    for group in range(3):
        own = codes == group
        rows = own | (labels == 0)
        assert pooled[group].value == pytest.approx(roc_auc_score(labels[rows], scores[rows]))
        assert pooled[group].num_trials == rows.sum()
        assert pooled[group].reason == POOLED_AUC
        assert grouped[group].value == pytest.approx(roc_auc_score(labels[own], scores[own]))
        assert grouped[group].reason is None
    for found in (pooled[3], grouped[3]):
        assert found.status == "not_estimable"
        assert found.value is None
        assert found.reason == "There are no positives."


def test_without_negatives_there_is_no_area() -> None:
    found = overall_auc(y_true=[1, 1], y_score=[0.1, 0.2])
    assert (found.status, found.reason) == ("not_estimable", "There are no negatives.")
    assert overall_auc(y_true=[], y_score=[]).status == "not_estimable"
    with pytest.raises(ValueError, match="positives and negatives"):
        delong(y_true=[1, 1], y_score=[0.1, 0.2])


def test_a_perfect_ranking_is_not_certain() -> None:
    labels = np.repeat([0, 1], [500, 40])
    found = overall_auc(y_true=labels, y_score=labels)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low is not None
    assert 0.85 < found.low < 0.95
    worst = overall_auc(y_true=labels, y_score=-labels)
    assert (worst.value, worst.low) == (0.0, 0.0)
    assert worst.high == pytest.approx(1.0 - found.low)


def test_constant_scores_rank_nothing() -> None:
    found = overall_auc(y_true=np.arange(100) % 2, y_score=np.zeros(100))
    assert found.value == 0.5
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.45
    assert found.high > 0.55


def test_one_positive_or_one_person_says_nothing_of_others() -> None:
    one = overall_auc(y_true=[1, 0, 0, 0], y_score=[0.5, 0.1, 0.6, 0.2])
    assert (one.value, one.low, one.high) == pytest.approx((2 / 3, 0.0, 1.0))
    person = overall_auc(y_true=[1, 1, 1, 0, 0], y_score=[3, 4, 1, 2, 0], clusters=[0, 0, 0, 1, 2])
    assert (person.low, person.high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("area", "num_positives", "num_negatives"),
    [(0.8, 50, 50), (0.95, 30, 30), (0.98, 50, 1000), (0.998, 50, 1000)],
)
@pytest.mark.parametrize("family", ["normal", "exponential"])
def test_intervals_cover(area: float, num_positives: int, num_negatives: int, family: str) -> None:
    generator = np.random.default_rng(num_positives)
    labels = np.repeat([1, 0], [num_positives, num_negatives])
    covered, num_repeats = 0, 200
    for _ in range(num_repeats):
        if family == "normal":
            scores = generator.normal(labels * np.sqrt(2.0) * special.ndtri(area), 1.0)
        else:
            scores = generator.exponential(np.where(labels == 1, area / (1.0 - area), 1.0))
        found = overall_auc(y_true=labels, y_score=scores)
        assert found.low is not None
        assert found.high is not None
        covered += int(found.low <= area <= found.high)
    assert covered / num_repeats >= 0.91


def test_intervals_of_clustered_rows_cover() -> None:
    generator = np.random.default_rng(0)
    covered = naive = 0
    for _ in range(150):
        clusters = np.repeat(np.arange(60), generator.integers(1, 15, 60))
        person = generator.normal(size=60)[clusters] * np.sqrt(0.8)
        faces = 1.2 + person + generator.normal(size=clusters.size) * np.sqrt(0.2)
        labels = np.repeat([1, 0], [clusters.size, 400])
        scores = np.concatenate([faces, generator.normal(size=400)])
        shared = np.concatenate([clusters, 60 + np.arange(400)])
        truth = special.ndtr(1.2 / np.sqrt(2.0))
        for count, who in ((0, shared), (1, None)):
            found = overall_auc(y_true=labels, y_score=scores, clusters=who)
            assert found.low is not None
            assert found.high is not None
            inside = int(found.low <= truth <= found.high)
            covered, naive = covered + inside * (count == 0), naive + inside * (count == 1)
    assert covered / 150 >= 0.91
    assert naive / 150 < 0.75


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_score": [0.1, np.nan]}, "finite"),
        ({"y_score": [0.1]}, "y_score has the shape"),
        ({"y_true": [0, 3]}, "y_true"),
        ({"sample_weight": [-1, 1]}, "sample_weight"),
        ({"clusters": [1]}, "clusters"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], message: str) -> None:
    rows: dict[str, Any] = {"y_true": [0, 1], "y_score": [0.1, 0.9]}
    with pytest.raises(ValueError, match=message):
        overall_auc(**{**rows, **change})
