from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from debias.metrics.intervals import wilson
from debias.metrics.measures import (
    POOLED_BALANCED_ACCURACY,
    POOLED_REASONS,
    Measure,
    group_measures,
    overall_measures,
)
from debias.metrics.tally import tally_counts, tally_rows
from debias.reporting.measure_schema import MeasureJson, MeasuresJson

# Of each group: [[true negatives, false positives], [false negatives, true positives]].
COUNTS = np.array([[[90, 10], [5, 45]], [[40, 20], [0, 30]], [[0, 0], [0, 0]]])


def test_measures_fit_the_report() -> None:
    assert set(MeasureJson.__annotations__) == {field.name for field in dataclasses.fields(Measure)}
    found = dataclasses.asdict(group_measures(tally=tally_counts(COUNTS))[0])
    assert set(found) | {"auc", "ece"} == set(MeasuresJson.__annotations__)


def test_known_answers_where_negatives_have_groups() -> None:
    first, second, empty = group_measures(tally=tally_counts(COUNTS))
    assert (first.recall.value, first.recall.num_successes, first.recall.num_trials) == (
        0.9,
        45,
        50,
    )
    assert first.fpr.value == pytest.approx(0.1)
    assert first.precision.value == pytest.approx(45 / 55)
    assert first.accuracy.value == pytest.approx(135 / 150)
    assert first.selection_rate.value == pytest.approx(55 / 150)
    assert first.balanced_accuracy.value == pytest.approx(0.9)
    assert first.balanced_accuracy.num_successes is None
    assert first.balanced_accuracy.num_trials == 150
    assert first.balanced_accuracy.reason is None
    low, high = wilson(num_successes=45, num_trials=50)
    assert (first.recall.low, first.recall.high) == (float(low), float(high))
    fpr_low, fpr_high = wilson(num_successes=10, num_trials=100)
    assert first.balanced_accuracy.low == pytest.approx(
        0.9 - np.hypot(0.9 - low, fpr_high - 0.1) / 2
    )
    assert first.balanced_accuracy.high == pytest.approx(
        0.9 + np.hypot(high - 0.9, 0.1 - fpr_low) / 2
    )
    assert second.recall.value == 1.0
    assert second.recall.high == 1.0
    assert second.recall.low is not None
    assert second.recall.low < 0.9
    for field in dataclasses.fields(empty):
        measure = getattr(empty, field.name)
        assert measure.status == "not_estimable"
        assert measure.value is measure.low is measure.high is None
        assert measure.num_trials == 0
        assert measure.reason


def test_nobody_answered_1_leaves_no_precision() -> None:
    (found,) = group_measures(tally=tally_counts(np.array([[[5, 0], [5, 0]]])))
    assert found.precision.status == "not_estimable"
    assert found.precision.reason == "No row was answered 1."
    assert found.selection_rate.value == 0.0


def test_one_pool_of_negatives() -> None:
    generator = np.random.default_rng(0)
    y_true = generator.random(500) < 0.5
    y_pred = generator.random(500) < np.where(y_true, 0.9, 0.1)
    codes = np.where(y_true, generator.integers(0, 2, 500), -1)
    pool = tally_rows(y_true=y_true, y_pred=y_pred)
    tally = tally_rows(y_true=y_true, y_pred=y_pred, codes=codes, num_groups=3)
    found = group_measures(tally=tally, pool=pool)
    for name, reason in POOLED_REASONS.items():
        for measures in found:
            assert getattr(measures, name) == Measure(status="not_applicable", reason=reason)
    for group in (0, 1):
        inside = (codes == group) | ~y_true
        balanced = found[group].balanced_accuracy
        assert balanced.value == pytest.approx(
            balanced_accuracy_score(y_true[inside], y_pred[inside])
        )
        assert balanced.num_trials == inside.sum()
        assert balanced.reason == POOLED_BALANCED_ACCURACY
        assert found[group].recall.num_trials == (codes == group).sum()
    assert found[2].balanced_accuracy.status == "not_estimable"
    assert found[2].balanced_accuracy.reason == "There are no positives."
    overall = overall_measures(tally=pool)
    assert {getattr(overall, field.name).status for field in dataclasses.fields(overall)} == {
        "estimated"
    }
    assert overall.accuracy.value == pytest.approx(np.mean(y_true == y_pred))


def test_without_any_negative_there_is_no_balanced_accuracy() -> None:
    pool = tally_rows(y_true=[1, 1], y_pred=[1, 0])
    (found,) = group_measures(tally=pool, pool=pool)
    assert found.recall.value == 0.5
    assert found.balanced_accuracy.status == "not_estimable"
    assert found.balanced_accuracy.reason == "There are no negatives."
    assert found.balanced_accuracy.num_trials == 2


@pytest.mark.parametrize(("recall", "fpr"), [(0.7, 0.3), (0.99, 0.02), (0.95, 0.3)])
def test_balanced_accuracy_covers(recall: float, fpr: float) -> None:
    generator = np.random.default_rng(1)
    hits, false = generator.binomial(50, recall, 3000), generator.binomial(50, fpr, 3000)
    counts = np.stack([np.stack([50 - false, false], 1), np.stack([50 - hits, hits], 1)], 1)
    truth = (recall + 1 - fpr) / 2
    limits = [
        (found.balanced_accuracy.low, found.balanced_accuracy.high)
        for found in group_measures(tally=tally_counts(counts))
    ]
    low, high = np.array(limits, dtype=float).T
    assert 0.925 <= np.mean((low <= truth) & (truth <= high)) <= 0.98


def test_confidence_widens_and_design_effects_count() -> None:
    rows: dict[str, Any] = {"y_true": np.ones(100), "y_pred": np.arange(100) % 5 > 0}
    narrow = overall_measures(tally=tally_rows(**rows), confidence=0.9).recall
    plain = overall_measures(tally=tally_rows(**rows)).recall
    shared = overall_measures(tally=tally_rows(**rows, clusters=np.arange(100) % 20)).recall
    for inner, outer in ((narrow, plain), (plain, shared)):
        assert inner.low is not None
        assert outer.low is not None
        assert outer.low < inner.low


def test_several_groups_are_not_all_rows() -> None:
    tally = tally_counts(COUNTS)
    with pytest.raises(ValueError, match="3"):
        overall_measures(tally=tally)
    with pytest.raises(ValueError, match="3"):
        group_measures(tally=tally, pool=tally)
