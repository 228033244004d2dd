from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    equalized_odds_difference,
    equalized_odds_ratio,
)
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from debias.errors import MissingExtraError
from debias.metrics.counts import group_rows
from debias.metrics.disparities import gap
from debias.metrics.group_rates import ranked_groups, rates_by_group
from debias.reporting.metricframe import to_metricframe

THRESHOLD = 1.1
POOL_ONLY_NAN = ["fpr", "precision", "accuracy", "selection_rate"]


def drawn(num_rows: int = 1200) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    y_true = generator.random(num_rows) < 0.5
    return {
        "y_true": y_true.astype(int),
        "y_score": generator.normal(2.0 * y_true),
        "sensitive_features": pd.DataFrame(
            {
                "tone": generator.choice(["dark", "light"], num_rows),
                "gender": generator.choice(np.array(["f", "m", None], dtype=object), num_rows),
            }
        ),
    }


def test_grouped_measures_are_those_of_scikit_learn() -> None:
    rows = drawn()
    features = rows["sensitive_features"].fillna("unknown")
    frame = to_metricframe(**rows, threshold=THRESHOLD, negatives="grouped")
    y_pred = (rows["y_score"] >= THRESHOLD).astype(int)
    oracle = MetricFrame(
        metrics={
            "recall": recall_score,
            "precision": precision_score,
            "accuracy": accuracy_score,
            "balanced_accuracy": balanced_accuracy_score,
            "fpr": lambda true, answers: 1.0 - recall_score(true, answers, pos_label=0),
            "selection_rate": lambda _, answers: answers.mean(),
        },
        y_true=rows["y_true"],
        y_pred=y_pred,
        sensitive_features=features,
    )
    names = list(oracle.by_group.columns)
    pd.testing.assert_frame_equal(frame.by_group[names], oracle.by_group, check_like=True)
    assert frame.overall[names].tolist() == pytest.approx(oracle.overall.tolist())
    assert frame.difference()[names].tolist() == pytest.approx(oracle.difference().tolist())
    assert frame.ratio()[names].tolist() == pytest.approx(oracle.ratio().tolist())
    for group in frame.by_group.index:
        inside = (features == list(group)).all(axis=1).to_numpy()
        auc = roc_auc_score(rows["y_true"][inside], rows["y_score"][inside])
        assert frame.by_group.loc[group, "auc"] == pytest.approx(auc)
        assert frame.by_group.loc[group, "count"] == inside.sum()


def test_disparities_are_those_of_fairlearn() -> None:
    rows = drawn()
    frame = to_metricframe(**rows, threshold=THRESHOLD, negatives="grouped")
    shared: dict[str, Any] = {
        "y_true": rows["y_true"],
        "y_pred": (rows["y_score"] >= THRESHOLD).astype(int),
        "sensitive_features": rows["sensitive_features"].fillna("unknown"),
    }
    difference, ratio = frame.difference(), frame.ratio()
    assert difference["selection_rate"] == pytest.approx(demographic_parity_difference(**shared))
    both = difference[["recall", "fpr"]].max()
    assert both == pytest.approx(equalized_odds_difference(**shared))
    assert ratio[["recall", "fpr"]].min() == pytest.approx(equalized_odds_ratio(**shared))


def test_with_a_pool_the_frame_is_of_positives_alone() -> None:
    rows = drawn()
    y_true, y_score, features = rows["y_true"] == 1, rows["y_score"], rows["sensitive_features"]
    frame = to_metricframe(**rows, threshold=THRESHOLD)
    grouping = group_rows(sensitive_features=features[y_true], columns=["tone", "gender"])
    recall = rates_by_group(hits=(y_score >= THRESHOLD)[y_true], grouping=grouping)
    assert len(frame.by_group) == len(grouping.groups)
    pool_fpr = float((y_score >= THRESHOLD)[~y_true].mean())
    for group, rate in zip(grouping.groups, recall, strict=True):
        row = frame.by_group.loc[group]
        assert row["recall"] == rate.value
        assert row["count"] == rate.num_trials
        assert row["balanced_accuracy"] == pytest.approx((rate.value + 1.0 - pool_fpr) / 2.0)
        words = features.fillna("unknown")
        inside = ~y_true | (words == list(group)).all(axis=1).to_numpy()
        assert row["auc"] == pytest.approx(roc_auc_score(y_true[inside], y_score[inside]))
    assert frame.by_group[POOL_ONLY_NAN].isna().all(axis=None)
    assert frame.overall[POOL_ONLY_NAN].isna().all()
    assert frame.overall["recall"] == (y_score >= THRESHOLD)[y_true].mean()
    assert frame.overall["auc"] == pytest.approx(roc_auc_score(y_true, y_score))
    assert math.isnan(frame.difference()["fpr"])


def test_attributes_of_pooled_negatives_are_not_looked_at() -> None:
    rows = drawn()
    frame = to_metricframe(**rows, threshold=THRESHOLD)
    rows["sensitive_features"] = rows["sensitive_features"].where(
        pd.Series(rows["y_true"] == 1), other=None
    )
    pd.testing.assert_frame_equal(
        to_metricframe(**rows, threshold=THRESHOLD).by_group, frame.by_group
    )


@pytest.mark.parametrize("negatives", ["pool", "grouped"])
def test_the_gap_is_that_of_a_report_with_the_groups_it_ranks(negatives: Any) -> None:
    rows = drawn()
    y_true, features = rows["y_true"] == 1, rows["sensitive_features"]
    grouping = group_rows(sensitive_features=features[y_true], columns=["tone", "gender"])
    size = int(np.sort(grouping.num_rows[grouping.known])[1])
    recall = rates_by_group(hits=(rows["y_score"] >= THRESHOLD)[y_true], grouping=grouping)
    ranked = ranked_groups(grouping=grouping, min_group_size=size)
    assert ranked.size == 3
    expected = gap(rates=[recall[position] for position in ranked])
    frame = to_metricframe(**rows, threshold=THRESHOLD, negatives=negatives, min_group_size=size)
    kept = frame.by_group["recall"].dropna().index
    assert set(kept) == {grouping.groups[position] for position in ranked}
    assert frame.difference()["recall"] == expected.value
    assert frame.group_min()["recall"] == recall[ranked[expected.worst]].value
    everything = to_metricframe(**rows, threshold=THRESHOLD, negatives=negatives)
    assert everything.difference()["recall"] != expected.value


def test_decisions_have_no_auc() -> None:
    rows = drawn()
    rows["y_score"] = (rows["y_score"] >= THRESHOLD).astype(int)
    frame = to_metricframe(**rows, negatives="grouped")
    assert "auc" not in frame.by_group
    full = to_metricframe(**{**drawn(), "threshold": THRESHOLD, "negatives": "grouped"})
    pd.testing.assert_frame_equal(frame.by_group, full.by_group.drop(columns="auc"))


def test_control_features_are_fairlearns() -> None:
    rows = drawn()
    tone = rows["sensitive_features"]["tone"].to_numpy()
    rows["sensitive_features"] = rows["sensitive_features"]["gender"].to_numpy()
    frame = to_metricframe(**rows, threshold=THRESHOLD, control_features=tone)
    assert frame.control_levels == ["control_feature_0"]
    assert frame.sensitive_levels == ["sensitive_feature_0"]
    assert set(frame.difference().index) == {"dark", "light"}
    alone = {**rows, **{key: rows[key][tone == "dark"] for key in rows}}
    dark = to_metricframe(**alone, threshold=THRESHOLD)
    assert frame.difference().loc["dark", "recall"] == dark.difference()["recall"]


def test_what_is_not_estimable_is_nan() -> None:
    frame = to_metricframe(
        y_true=[1, 1, 0], y_score=[1, 0, 0], sensitive_features=list("aab"), negatives="grouped"
    )
    assert frame.by_group.loc["a", "recall"] == 0.5
    assert math.isnan(frame.by_group.loc["b", "recall"])
    assert math.isnan(frame.by_group.loc["b", "precision"])
    assert math.isnan(frame.by_group.loc["a", "fpr"])
    assert frame.by_group.loc["b", "fpr"] == 0.0
    positives = to_metricframe(y_true=[1, 1], y_score=[1, 0], sensitive_features=["a", None])
    assert positives.by_group["recall"].to_dict() == {"a": 1.0, "unknown": 0.0}
    assert positives.by_group["balanced_accuracy"].isna().all()


def test_what_makes_no_sense_is_refused() -> None:
    rows = drawn(60)
    with pytest.raises(ValueError, match="y_score must be 0 or 1"):
        to_metricframe(**rows)
    with pytest.raises(ValueError, match="10 rows of sensitive features"):
        to_metricframe(**{**rows, "sensitive_features": ["a"] * 10}, threshold=0.0)
    with pytest.raises(ValueError, match="no row is left"):
        to_metricframe(**rows, threshold=0.0, min_group_size=1000)
    with pytest.raises(ValueError, match="no row is left"):
        to_metricframe(y_true=[0], y_score=[0], sensitive_features=["a"])


def test_without_fairlearn_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fairlearn.metrics", None)
    with pytest.raises(MissingExtraError, match=r"debias-faces\[fairlearn\]"):
        to_metricframe(**drawn(60), threshold=0.0)
