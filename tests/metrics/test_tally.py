from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from sklearn.metrics import accuracy_score, precision_score, recall_score

from debias.metrics.design_effects import design_effect
from debias.metrics.intervals import wilson
from debias.metrics.tally import Tally, tally_counts, tally_rows

RATES = ("recall", "fpr", "precision", "accuracy", "selection_rate")


def rows_of(seed: int, *, num_rows: int = 400, num_groups: int = 3) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    y_true = generator.random(num_rows) < 0.4
    return {
        "y_true": y_true,
        "y_pred": generator.random(num_rows) < np.where(y_true, 0.8, 0.2),
        "codes": generator.integers(0, num_groups, num_rows),
        "num_groups": num_groups,
    }


def oracle(name: str, y_true: Any, y_pred: Any, **kwargs: Any) -> float:
    if name == "recall":
        return float(recall_score(y_true, y_pred, **kwargs))
    if name == "fpr":
        return 1.0 - float(recall_score(~y_true, ~y_pred, **kwargs))
    if name == "precision":
        return float(precision_score(y_true, y_pred, **kwargs))
    if name == "accuracy":
        return float(accuracy_score(y_true, y_pred, **kwargs))
    return float(np.average(y_pred, weights=kwargs.get("sample_weight")))


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("weighted", [False, True])
def test_rates_are_those_of_scikit_learn(name: str, weighted: bool) -> None:
    rows = rows_of(0)
    weights = np.random.default_rng(1).random(400) if weighted else None
    shares = getattr(tally_rows(**rows, sample_weight=weights), name)
    for group in range(3):
        inside = rows["codes"] == group
        options = {} if weights is None else {"sample_weight": weights[inside]}
        expected = oracle(name, rows["y_true"][inside], rows["y_pred"][inside], **options)
        assert shares.values[group] == pytest.approx(expected, abs=1e-12)


def test_counts_and_rows_say_the_same() -> None:
    rows = rows_of(2)
    counts = np.zeros((3, 2, 2), dtype=np.int64)
    np.add.at(counts, (rows["codes"], rows["y_true"].astype(int), rows["y_pred"].astype(int)), 1)
    from_counts = tally_counts(counts)
    # Every row its own person takes the other way through the code.
    for from_rows in (tally_rows(**rows), tally_rows(**rows, clusters=np.arange(400))):
        for name in RATES:
            one, other = getattr(from_rows, name), getattr(from_counts, name)
            for field in ("num_successes", "num_trials", "weights"):
                np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
            for field in ("values", "freedom", "num_clusters", "confidence"):
                expected = getattr(other.effects, field)
                np.testing.assert_array_equal(getattr(one.effects, field), expected)
        np.testing.assert_array_equal(from_rows.num_positives, from_counts.num_positives)
        np.testing.assert_array_equal(from_rows.num_negatives, from_counts.num_negatives)


def single_effect(values: Any, clusters: Any) -> float:
    """One group at a time, straight from the equation."""
    _, codes = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(codes).astype(float)
    if values.size == 0 or sizes.max() == 1:
        return 1.0
    if sizes.size == 1:
        return float("inf")
    count = values.size**2 / (sizes**2).sum()
    if values.std() == 0:
        return float(values.size / count)
    residuals = np.array([(values - values.mean())[codes == c].sum() for c in range(sizes.size)])
    effect = (residuals**2).sum() / (values.size * values.var()) * count / (count - 1)
    few = special.stdtrit(max(count - 1, 1), 0.025) / special.ndtri(0.025)
    return max(1.0, float(effect * few**2))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 20))
def test_design_effects_are_those_of_each_group_alone(
    seed: int, num_rows: int, num_clusters: int
) -> None:
    rows = rows_of(seed, num_rows=num_rows, num_groups=4)
    clusters = np.random.default_rng(seed + 1).integers(0, num_clusters, num_rows) * 10**9
    tally = tally_rows(**rows, clusters=clusters)
    masks = {
        "recall": (rows["y_pred"], rows["y_true"]),
        "fpr": (rows["y_pred"], ~rows["y_true"]),
        "precision": (rows["y_true"], rows["y_pred"]),
        "accuracy": (rows["y_true"] == rows["y_pred"], np.ones(num_rows, dtype=bool)),
        "selection_rate": (rows["y_pred"], np.ones(num_rows, dtype=bool)),
    }
    for name, (hits, denominator) in masks.items():
        for group in range(4):
            chosen = denominator & (rows["codes"] == group)
            found = getattr(tally, name).design_effects[group]
            expected = single_effect(hits[chosen].astype(float), clusters[chosen])
            assert found == pytest.approx(expected, rel=1e-9)
            alone = design_effect(values=hits[chosen], clusters=clusters[chosen])
            assert found == pytest.approx(alone, rel=1e-12)


def test_equal_weights_are_no_weights() -> None:
    rows = rows_of(3)
    plain = tally_rows(**rows)
    scaled = tally_rows(**rows, sample_weight=np.full(400, 2.5))
    for name in RATES:
        one, other = getattr(plain, name), getattr(scaled, name)
        np.testing.assert_allclose(other.num_successes, one.num_successes, rtol=1e-12)
        np.testing.assert_array_equal(other.num_trials, one.num_trials)
        np.testing.assert_array_equal(other.design_effects, one.design_effects)
        np.testing.assert_allclose(other.weights, 2.5 * one.weights)


def test_rows_of_weight_zero_are_not_there() -> None:
    rows = rows_of(4)
    weights = np.where(rows["codes"] == 1, 0.0, np.random.default_rng(0).random(400))
    tally = tally_rows(**rows, sample_weight=weights)
    assert tally.num_positives[1] == tally.num_negatives[1] == 0
    assert np.isnan(tally.recall.values[1])
    assert np.isnan(np.array(tally.recall.wilson())[:, 1]).all()
    kept = {key: x[weights > 0] if key != "num_groups" else x for key, x in rows.items()}
    alone = tally_rows(**kept, sample_weight=weights[weights > 0])
    np.testing.assert_array_equal(tally.recall.num_successes, alone.recall.num_successes)
    np.testing.assert_array_equal(tally.recall.design_effects, alone.recall.design_effects)


def test_weights_cost_at_least_what_kish_says() -> None:
    weights = np.array([1.0, 1.0, 4.0, 4.0])
    kish = 4 * (weights**2).sum() / weights.sum() ** 2
    alike = tally_rows(y_true=np.ones(4), y_pred=np.ones(4), sample_weight=weights)
    assert alike.recall.design_effects[0] == pytest.approx(kish)
    mixed = tally_rows(y_true=np.ones(4), y_pred=[0, 1, 1, 1], sample_weight=weights)
    assert mixed.recall.design_effects[0] >= kish - 1e-12
    assert mixed.recall.values[0] == pytest.approx(0.9)
    assert mixed.recall.num_successes[0] == pytest.approx(3.6)


@pytest.mark.parametrize(("num_rows", "truth"), [(50, 0.9), (400, 0.5), (400, 0.98)])
def test_weighted_intervals_cover(num_rows: int, truth: float) -> None:
    generator = np.random.default_rng(num_rows)
    covered = naive = 0
    for _ in range(400):
        weights = generator.lognormal(0.0, 1.0, num_rows)
        hits = generator.random(num_rows) < truth
        recall = tally_rows(y_true=np.ones(num_rows), y_pred=hits, sample_weight=weights).recall
        low, high = recall.wilson()
        covered += int(low[0] <= truth <= high[0])
        low, high = wilson(num_successes=recall.num_successes, num_trials=recall.num_trials)
        naive += int(low[0] <= truth <= high[0])
    assert 0.92 <= covered / 400 <= 0.995
    assert naive / 400 < 0.9


def test_copies_with_weights_are_worth_no_more_than_one() -> None:
    """Persons and weights together: each row twice, and the weight of the pair shared."""
    generator = np.random.default_rng(0)
    weights = generator.random(300)
    # The heavier rows are missed more often, so that it is the variance that counts.
    hits = generator.random(300) > 0.5 * weights
    once = tally_rows(y_true=np.ones(300), y_pred=hits, sample_weight=weights)
    twice = tally_rows(
        y_true=np.ones(600),
        y_pred=np.repeat(hits, 2),
        sample_weight=np.repeat(weights, 2) / 2,
        clusters=np.repeat(np.arange(300), 2),
    )
    assert twice.recall.num_effective == pytest.approx(once.recall.num_effective)
    assert twice.recall.values == pytest.approx(once.recall.values)


def test_rows_outside_all_groups_are_left_out() -> None:
    tally = tally_rows(y_true=[1, 0, 1], y_pred=[1, 1, 0], codes=[0, -1, 1], num_groups=3)
    assert tally.num_groups == 3
    assert tally.num_positives.tolist() == [1, 1, 0]
    assert tally.num_negatives.tolist() == [0, 0, 0]
    assert tally.recall.values.tolist()[:2] == [1.0, 0.0]
    assert np.isnan(tally.recall.values[2])


def test_nothing_at_all_is_not_estimable() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tally = tally_rows(y_true=[], y_pred=[], clusters=[], sample_weight=[])
        assert isinstance(tally, Tally)
        assert np.isnan(tally.accuracy.values).all()
        assert tally.accuracy.design_effects.tolist() == [1.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_true": [0, 2]}, "y_true must be 0 or 1"),
        ({"y_pred": [0.5, 1]}, "y_pred must be 0 or 1"),
        ({"y_pred": [1]}, "2 rows and y_pred has 1"),
        ({"y_true": [[0, 1]]}, "y_true has 2 dimensions"),
        ({"codes": [0, 5]}, "from -1 to 1"),
        ({"codes": [0, -2]}, "from -1 to 1"),
        ({"codes": [0.0, 1.0]}, "from -1 to 1"),
        ({"codes": [0]}, "codes has the shape"),
        ({"clusters": [0]}, "clusters has the shape"),
        ({"sample_weight": [1.0, -1.0]}, "not negative"),
        ({"sample_weight": [1.0, np.nan]}, "finite"),
        ({"sample_weight": [1.0, np.inf]}, "finite"),
        ({"sample_weight": [1.0]}, "sample_weight has the shape"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], message: str) -> None:
    rows: dict[str, Any] = {"y_true": [0, 1], "y_pred": [0, 1], "codes": [0, 1], "num_groups": 2}
    with pytest.raises(ValueError, match=message):
        tally_rows(**{**rows, **change})


@pytest.mark.parametrize(
    "counts", [np.zeros((2, 2), int), np.zeros((1, 2, 2)), np.full((1, 2, 2), -1)]
)
def test_counts_that_are_none_are_refused(counts: Any) -> None:
    with pytest.raises(ValueError, match="counts"):
        tally_counts(counts)
