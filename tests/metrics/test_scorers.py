from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from fairlearn.metrics import MetricFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, recall_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score

from debias.errors import TooFewNegativesError, UsageError
from debias.metrics.operating_point import recall_at_fpr
from debias.metrics.scorers import feature_table, recall_gap_score, worst_group_recall_score


@pytest.fixture
def routing() -> Iterator[None]:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def drawn(num_rows: int = 900, *, seed: int = 0) -> tuple[Any, Any, pd.DataFrame]:
    generator = np.random.default_rng(seed)
    y_true = generator.random(num_rows) < 0.5
    tones = generator.choice(["dark", "light"], num_rows, p=[0.3, 0.7])
    genders = generator.choice(["f", "m"], num_rows)
    scores = generator.normal(y_true * (1.5 + 0.8 * (tones == "light")))
    return y_true.astype(int), scores, pd.DataFrame({"tone": tones, "gender": genders})


def test_decisions_give_what_fairlearn_gives() -> None:
    y_true, y_score, features = drawn()
    decisions = (y_score > 1).astype(int)
    frame = MetricFrame(
        metrics=recall_score, y_true=y_true, y_pred=decisions, sensitive_features=features
    )
    options: dict[str, Any] = {"sensitive_features": features, "min_group_size": 1}
    assert worst_group_recall_score(y_true, decisions, **options) == frame.group_min()
    assert recall_gap_score(y_true, decisions, **options) == frame.difference()


def test_a_threshold_takes_the_rows_at_it_in() -> None:
    y_true, y_score = [1, 1, 1, 1, 0], [0.5, 0.4, 0.5, 0.6, 0.9]
    options: dict[str, Any] = {"sensitive_features": list("aabbb"), "min_group_size": 1}
    assert worst_group_recall_score(y_true, y_score, **options, threshold=0.5) == 0.5
    assert recall_gap_score(y_true, y_score, **options, threshold=0.5) == 0.5


def test_a_target_gives_what_recall_at_fpr_gives() -> None:
    y_true, y_score, features = drawn()
    found = recall_at_fpr(
        y_true=y_true, y_score=y_score, target_fpr=0.05, sensitive_features=features
    )
    rates = [rate.value for rate in found.by_group.values()]
    options: dict[str, Any] = {"sensitive_features": features, "target_fpr": 0.05}
    assert worst_group_recall_score(y_true, y_score, **options) == min(rates)
    assert recall_gap_score(y_true, y_score, **options) == max(rates) - min(rates)


def test_attributes_of_negatives_are_not_looked_at() -> None:
    y_true, y_score, features = drawn()
    masked = features.where(pd.Series(y_true == 1), other=None)
    for score in (worst_group_recall_score, recall_gap_score):
        both = [
            score(y_true, y_score, sensitive_features=table, target_fpr=0.05)
            for table in (features, masked)
        ]
        assert both[0] == both[1]


def test_small_and_unknown_groups_do_not_count() -> None:
    y_true = np.ones(100, dtype=int)
    decisions = np.r_[np.ones(45), np.zeros(5), np.ones(40), np.zeros(2), np.zeros(8)]
    groups = ["a"] * 50 + ["b"] * 40 + ["few"] * 2 + [None] * 8
    options: dict[str, Any] = {"sensitive_features": groups}
    assert worst_group_recall_score(y_true, decisions, **options) == 0.9
    assert recall_gap_score(y_true, decisions, **options) == pytest.approx(0.1)
    assert worst_group_recall_score(y_true, decisions, **options, min_group_size=2) == 0.0


def test_what_cannot_be_estimated_is_nan() -> None:
    ones = np.ones(40, dtype=int)
    one_group: dict[str, Any] = {"sensitive_features": ["a"] * 40}
    assert worst_group_recall_score(ones, ones, **one_group) == 1.0
    assert math.isnan(recall_gap_score(ones, ones, **one_group))
    empty: list[tuple[Any, Any]] = [(ones, [None] * 40), (0 * ones, ["a"] * 40)]
    for labels, groups in empty:
        assert math.isnan(worst_group_recall_score(labels, ones, sensitive_features=groups))
    assert math.isnan(recall_gap_score([], [], sensitive_features=[]))


def test_a_constant_model_has_no_gap() -> None:
    y_true, _, features = drawn()
    for answer, recall in [(np.zeros(900), 0.0), (np.ones(900), 1.0)]:
        assert worst_group_recall_score(y_true, answer, sensitive_features=features) == recall
        assert recall_gap_score(y_true, answer, sensitive_features=features) == 0.0


def test_what_makes_no_sense_is_refused() -> None:
    y_true, y_score, features = drawn()
    options: dict[str, Any] = {"sensitive_features": features}
    with pytest.raises(UsageError, match="one of the two"):
        recall_gap_score(y_true, y_score, **options, target_fpr=0.1, threshold=0.5)
    with pytest.raises(TooFewNegativesError):
        worst_group_recall_score(y_true, y_score, **options, target_fpr=0.001)
    with pytest.raises(ValueError, match="y_score must be 0 or 1"):
        worst_group_recall_score(y_true, y_score, **options)
    with pytest.raises(ValueError, match="10 rows of sensitive features"):
        worst_group_recall_score(y_true, y_score > 0, sensitive_features=["a"] * 10)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from("abc")), min_size=1))
def test_figures_are_those_of_a_plain_count(rows: list[tuple[bool, bool, str]]) -> None:
    y_true, y_pred, groups = (list(column) for column in zip(*rows, strict=True))
    rates = []
    for name in "abc":
        answers = [answer for face, answer, group in rows if face and group == name]
        if answers:
            rates.append(sum(answers) / len(answers))
    options: dict[str, Any] = {"sensitive_features": groups, "min_group_size": 1}
    worst = worst_group_recall_score(y_true, y_pred, **options)
    gap = recall_gap_score(y_true, y_pred, **options)
    assert worst == pytest.approx(min(rates, default=math.nan), nan_ok=True)
    expected = max(rates) - min(rates) if len(rates) > 1 else math.nan
    assert gap == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    "features",
    [
        pd.Series(["a", None, "b"]),
        np.array(["a", None, "b"], dtype=object),
        ["a", None, "b"],
        {"x": ["a", None, "b"]},
        [["a"], [None], ["b"]],
        pd.DataFrame({"x": ["a", None, "b"]}, index=[7, 3, 5]),
    ],
)
def test_features_come_in_many_forms(features: Any) -> None:
    table = feature_table(features)
    assert table.shape == (3, 1)
    assert table.iloc[:, 0].isna().tolist() == [False, True, False]
    assert table.iloc[[0, 2], 0].tolist() == ["a", "b"]
    assert all(isinstance(name, str) for name in table.columns)


def test_missing_numbers_stay_missing_beside_words() -> None:
    table = feature_table({"x": ["a", float("nan")], "y": [1, 2]})
    assert table["x"].isna().tolist() == [False, True]
    assert list(table.columns) == ["x", "y"]


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("kind", ["target", "decisions"])
def test_cross_validation_routes_sensitive_features(kind: str) -> None:
    y_true, y_score, features = drawn(1200)
    x = np.c_[y_score, np.random.default_rng(1).normal(size=y_score.size)]
    model, folds = LogisticRegression(), StratifiedKFold(3)
    options: dict[str, Any] = {"min_group_size": 10}
    if kind == "target":
        options |= {"target_fpr": 0.1}
    method = ("decision_function", "predict_proba") if kind == "target" else "predict"
    scorer = make_scorer(worst_group_recall_score, response_method=method, **options)
    found = cross_val_score(
        model,
        x,
        y_true,
        scoring=scorer.set_score_request(sensitive_features=True),
        cv=folds,
        params={"sensitive_features": features},
        error_score="raise",
    )
    expected = []
    for train, test in folds.split(x, y_true):
        fitted = model.fit(x[train], y_true[train])
        answer = fitted.decision_function(x[test]) if kind == "target" else fitted.predict(x[test])
        expected.append(
            worst_group_recall_score(
                y_true[test], answer, sensitive_features=features.iloc[test], **options
            )
        )
    assert found.tolist() == expected
    assert len(set(expected)) > 1


@pytest.mark.usefixtures("routing")
def test_a_grid_search_picks_the_smaller_gap() -> None:
    y_true, _, features = drawn(1200)
    # The first column serves one group alone, so weight on it widens the gap.
    signal = np.random.default_rng(2).normal(y_true * 2.0)
    unequal = np.where(features["tone"] == "light", 4.0 * y_true, 0.0)
    x = np.c_[signal, unequal]
    scorer = make_scorer(
        recall_gap_score,
        greater_is_better=False,
        response_method=("decision_function", "predict_proba"),
        target_fpr=0.1,
        min_group_size=10,
    ).set_score_request(sensitive_features=True)
    search = GridSearchCV(Chosen(), {"column": [0, 1]}, scoring=scorer, cv=3, error_score="raise")
    search.fit(x, y_true, sensitive_features=features)
    assert search.best_params_ == {"column": 0}
    assert search.cv_results_["mean_test_score"][1] < search.cv_results_["mean_test_score"][0] < 0


class Chosen(LogisticRegression):  # type: ignore[misc]
    """A regression on one column."""

    def __init__(self, column: int = 0) -> None:
        super().__init__()
        self.column = column

    def fit(self, x: Any, y: Any) -> Any:
        return super().fit(x[:, [self.column]], y)

    def decision_function(self, x: Any) -> Any:
        return super().decision_function(x[:, [self.column]])
