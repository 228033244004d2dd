from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score, roc_curve

from debias.errors import DataError, TooFewNegativesError, UsageError
from debias.metrics.counts import UNKNOWN
from debias.metrics.operating_point import (
    negatives_needed,
    operating_point,
    recall_at_fpr,
    smallest_target_fpr,
)
from debias.reporting.cells import number

scores = st.lists(st.integers(-20, 20).map(lambda k: k / 4), min_size=20, max_size=200)


@pytest.mark.parametrize(
    ("target_fpr", "needed"),
    [(0.001, 10_000), (0.01, 1_000), (0.003, 3_334), (0.07, 143), (1e-05, 1_000_000), (0.29, 35)],
)
def test_the_number_of_negatives_needed_is_exact(target_fpr: float, needed: int) -> None:
    assert negatives_needed(target_fpr=target_fpr) == needed
    negatives = np.linspace(0, 1, needed)
    point = operating_point(y_score_negatives=negatives, target_fpr=target_fpr)
    assert point.num_false_positives >= 10
    with pytest.raises(TooFewNegativesError, match=f"needs {needed:,} non-faces"):
        operating_point(y_score_negatives=negatives[1:], target_fpr=target_fpr)


@pytest.mark.parametrize(
    ("num_negatives", "smallest"),
    [
        (0, None),
        (10, None),
        (11, 0.91),
        (100, 0.1),
        (3_900, 0.0026),
        (4_000, 0.0025),
        (10**6, 1e-5),
    ],
)
def test_the_smallest_target_is_one_that_works(num_negatives: int, smallest: float | None) -> None:
    assert smallest_target_fpr(num_negatives=num_negatives) == smallest
    negatives = np.zeros(num_negatives)
    advice = "so few allow no target" if smallest is None else f"--target-fpr {smallest:g}\\)"
    with pytest.raises(TooFewNegativesError, match=advice):
        operating_point(y_score_negatives=negatives, target_fpr=1e-6)
    if smallest is not None:
        operating_point(y_score_negatives=negatives, target_fpr=float(f"{smallest:g}"))
        with pytest.raises(TooFewNegativesError):
            operating_point(y_score_negatives=negatives, target_fpr=0.94 * smallest)


@given(st.integers(11, 10**7), st.integers(1, 100))
def test_every_smallest_target_is_allowed(num_negatives: int, least: int) -> None:
    found = smallest_target_fpr(num_negatives=num_negatives, min_false_positives=least)
    if found is None:
        assert num_negatives < least / 0.99
        return
    assert negatives_needed(target_fpr=found, min_false_positives=least) <= num_negatives
    assert found < 1.12 * least / num_negatives


def test_distinct_scores_use_up_the_whole_target() -> None:
    """0.29 * 100 is below 29 in floating point, and 29 are allowed all the same."""
    point = operating_point(y_score_negatives=np.arange(100.0), target_fpr=0.29)
    assert point.num_false_positives == 29
    assert point.num_tied == 1


@settings(deadline=None)
@given(
    scores,
    st.lists(st.integers(-50, 50).map(lambda k: k / 7), max_size=40),
    st.sampled_from([0.05, 0.1, 0.3, 0.9]),
    st.sampled_from(["f4", "f8"]),
)
def test_it_is_the_lowest_score_that_keeps_the_target(
    values: list[float], others: list[float], target_fpr: float, kind: str
) -> None:
    negatives, faces = np.array(values, dtype=kind), np.array(others, dtype=kind)
    point = operating_point(
        y_score_negatives=negatives,
        y_score_faces=faces,
        target_fpr=target_fpr,
        min_false_positives=1,
    )
    # Compared as a plain number, as any later reader of the threshold would, and as it is printed.
    for threshold in (point.threshold, float(number(point.threshold))):
        assert np.mean(negatives >= threshold) == point.realised_fpr <= target_fpr + 1e-12
    judged = np.r_[negatives, faces]
    keeping = [score for score in judged if np.mean(negatives >= score) <= target_fpr + 1e-12]
    if keeping:
        assert point.threshold == min(keeping)
    else:
        highest = negatives.max()
        assert highest == judged.max()
        assert point.threshold == np.nextafter(highest, highest.dtype.type(np.inf))


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30),
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), max_size=30),
    st.sampled_from(["f4", "f8"]),
)
def test_scores_of_any_size_and_kind_are_told_apart_alike_by_what_is_printed(
    negatives: list[float], faces: list[float], kind: str
) -> None:
    """Where nothing may pass there may be no threshold, but none that is wrong."""
    judged = np.array(negatives), np.array(faces, dtype=kind)
    try:
        point = operating_point(
            y_score_negatives=judged[0],
            y_score_faces=judged[1],
            target_fpr=0.3,
            min_false_positives=0,
        )
    except DataError:
        assert judged[0].max() == np.finfo("f8").max
        return
    excluded = np.sort(judged[0])[::-1][int(0.3 * judged[0].size)]
    for part in judged:
        expected = part.astype(np.float64) > excluded
        for threshold in (point.threshold, float(number(point.threshold))):
            assert np.array_equal(part.astype(np.float64) >= threshold, expected)


def test_perfect_scores_are_cut_at_a_score_and_equal_ones_are_answered_no() -> None:
    negatives = np.zeros(1000)
    found = recall_at_fpr(
        y_true=np.repeat([0, 1], 1000), y_score=np.r_[negatives, np.ones(1000)], target_fpr=0.01
    )
    assert (found.operating_point.threshold, found.overall.value) == (1.0, 1.0)
    equal = recall_at_fpr(
        y_true=np.repeat([0, 1], 1000), y_score=np.full(2000, 0.5), target_fpr=0.01
    )
    assert equal.operating_point.threshold == np.nextafter(0.5, 1)
    assert (equal.operating_point.realised_fpr, equal.overall.value) == (0.0, 0.0)


@settings(deadline=None)
@given(scores, st.sampled_from([0.05, 0.1, 0.3]))
def test_it_gives_the_recall_of_the_roc_curve(values: list[float], target_fpr: float) -> None:
    negatives = np.array(values)
    faces = np.linspace(-3, 6, 37)
    y_true = np.r_[np.zeros(negatives.size), np.ones(faces.size)]
    y_score = np.r_[negatives, faces]
    fpr, tpr, _ = roc_curve(y_true, y_score, drop_intermediate=False)
    found = recall_at_fpr(
        y_true=y_true, y_score=y_score, target_fpr=target_fpr, min_false_positives=1
    )
    assert found.overall.value == pytest.approx(tpr[fpr <= target_fpr + 1e-12].max())


def test_a_monotone_change_of_scores_changes_nothing() -> None:
    generator = np.random.default_rng(0)
    y_true = np.r_[np.zeros(2000), np.ones(500)]
    logits = generator.normal(2 * y_true, 1)
    by_logit = recall_at_fpr(y_true=y_true, y_score=logits, target_fpr=0.01)
    by_share = recall_at_fpr(y_true=y_true, y_score=1 / (1 + np.exp(-logits)), target_fpr=0.01)
    assert by_logit.overall == by_share.overall


def test_saturated_scores_let_nothing_through() -> None:
    negatives = np.r_[np.ones(500, dtype=np.float32), np.zeros(1500, dtype=np.float32)]
    point = operating_point(y_score_negatives=negatives, target_fpr=0.01)
    assert point.threshold > 1.0
    assert (point.realised_fpr, point.num_tied) == (0.0, 500)


def test_recall_by_group_is_that_of_fairlearn() -> None:
    generator = np.random.default_rng(1)
    y_true = np.r_[np.zeros(2000), np.ones(600)]
    y_score = generator.normal(2 * y_true, 1)
    tone = pd.Series(generator.choice(["dark", "light"], y_true.size), name="tone")
    gender = pd.Series(generator.choice(["female", "male"], y_true.size), name="gender")
    features = pd.concat([tone, gender], axis=1)
    found = recall_at_fpr(
        y_true=y_true, y_score=y_score, target_fpr=0.05, sensitive_features=features
    )
    frame = MetricFrame(
        metrics=recall_score,
        y_true=y_true,
        y_pred=y_score >= found.operating_point.threshold,
        sensitive_features=features,
    )
    assert {group: rate.value for group, rate in found.by_group.items()} == pytest.approx(
        frame.by_group.to_dict()
    )
    assert found.overall.value == pytest.approx(frame.overall)


def test_attributes_of_non_faces_are_not_looked_at() -> None:
    y_true = np.r_[np.zeros(1000), np.ones(2)]
    tone = pd.Series(["nobody"] * 1000 + ["dark", None])
    found = recall_at_fpr(y_true=y_true, y_score=y_true, target_fpr=0.01, sensitive_features=tone)
    assert set(found.by_group) == {("dark",), (UNKNOWN,)}


def test_without_faces_recall_is_not_estimable() -> None:
    found = recall_at_fpr(y_true=np.zeros(1000), y_score=np.arange(1000), target_fpr=0.01)
    assert np.isnan(found.overall.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(DataError, match="1 of 1000 scores"):
        operating_point(y_score_negatives=np.r_[np.zeros(999), bad], target_fpr=0.01)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_ties_at_the_largest_number_leave_no_threshold(kind: str) -> None:
    largest = np.finfo(kind).max
    negatives = np.zeros(1000, dtype=kind)
    negatives[:11] = largest
    with pytest.raises(DataError, match="11 of 1,000 non-faces score"):
        operating_point(y_score_negatives=negatives, target_fpr=0.01)
    negatives[:1] = 0  # the ten that are left may pass
    point = operating_point(y_score_negatives=negatives, target_fpr=0.01)
    assert 0 < point.threshold <= largest
    assert point.num_false_positives == 10


@pytest.mark.parametrize("target_fpr", [0.0, 1.0, -0.1, 5.0, np.nan])
def test_a_rate_outside_0_and_1_is_refused(target_fpr: float) -> None:
    with pytest.raises(UsageError, match="not a false-positive rate"):
        operating_point(y_score_negatives=np.zeros(10), target_fpr=target_fpr)


def test_no_negatives_are_too_few_even_when_none_need_be_expected() -> None:
    with pytest.raises(TooFewNegativesError):
        operating_point(y_score_negatives=[], target_fpr=0.5, min_false_positives=0)
