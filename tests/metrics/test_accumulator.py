from __future__ import annotations

import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from debias.errors import DataError, TooFewNegativesError, UsageError
from debias.metrics.accumulator import GroupAccumulator, default_edges
from debias.metrics.counts import group_rows
from debias.metrics.measures import group_measures, overall_measures
from debias.metrics.operating_point import operating_point
from debias.metrics.tally import tally_rows

CATEGORIES = {"tone": ["dark", "light"], "gender": ["f", "m"]}
COARSE = np.linspace(-2, 4, 25)


def drawn(num_rows: int = 1500, *, seed: int = 0) -> tuple[Any, Any, pd.DataFrame]:
    generator = np.random.default_rng(seed)
    y_true = generator.random(num_rows) < 0.5
    features = pd.DataFrame(
        {
            "tone": generator.choice(np.array(["dark", "light", None], dtype=object), num_rows),
            "gender": generator.choice(["f", "m"], num_rows),
        }
    )
    return y_true, generator.normal(2.0 * y_true), features


def filled(rows: tuple[Any, Any, Any], **kwargs: Any) -> GroupAccumulator:
    found = GroupAccumulator(CATEGORIES, **kwargs)
    found.update(*rows)
    return found


def same(one: GroupAccumulator, other: GroupAccumulator) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("negatives", ["pool", "grouped"])
@pytest.mark.parametrize("columns", [("tone",), ("gender", "tone"), ()])
def test_figures_are_those_of_the_rows(negatives: Any, columns: tuple[str, ...]) -> None:
    y_true, y_score, features = drawn()
    threshold = 1.23
    found = filled((y_true, y_score, features)).compute(
        threshold=threshold, columns=columns, negatives=negatives
    )
    y_pred = y_score >= threshold
    pool = tally_rows(y_true=y_true, y_pred=y_pred)
    inside = y_true if negatives == "pool" else np.ones_like(y_true)
    grouping = group_rows(sensitive_features=features[inside], columns=columns)
    tally = tally_rows(
        y_true=y_true[inside],
        y_pred=y_pred[inside],
        codes=grouping.codes,
        num_groups=len(grouping.groups),
    )
    expected = group_measures(tally=tally, pool=pool if negatives == "pool" else None)
    assert found.overall == overall_measures(tally=pool)
    assert found.by_group == dict(zip(grouping.groups, expected, strict=True))
    assert found.columns == columns


@settings(max_examples=25)
@given(
    cuts=st.lists(st.integers(0, 60), max_size=5),
    num_processes=st.integers(1, 4),
    seed=st.integers(0, 100),
)
def test_batches_and_processes_make_no_difference(
    cuts: list[int], num_processes: int, seed: int
) -> None:
    y_true, y_score, features = drawn(60, seed=seed)
    whole = filled((y_true, y_score, features), edges=COARSE)
    processes = [GroupAccumulator(CATEGORIES, edges=COARSE) for _ in range(num_processes)]
    bounds = [0, *sorted(cuts), 60]
    for number, (start, end) in enumerate(pairwise(bounds)):
        part = slice(start, end)
        processes[number % num_processes].update(y_true[part], y_score[part], features[part])
    states = [process.state_dict() for process in processes]
    reduced = GroupAccumulator(CATEGORIES, edges=COARSE)
    reduced.load_state_dict({name: sum(state[name] for state in states) for name in states[0]})
    added = processes[0]
    merged = GroupAccumulator(CATEGORIES, edges=COARSE)
    merged.merge(processes[0])
    for process in processes[1:]:
        added = added + process
        merged.merge(process)
    assert same(reduced, whole)
    assert same(added, whole)
    assert same(merged, whole)
    assert same(processes[0], processes[0]) is True
    assert processes[0].counts.counts.sum() <= 60


def test_a_sum_leaves_its_parts_alone() -> None:
    one, other = filled(drawn(50)), filled(drawn(70, seed=1))
    total = one + other
    assert [x.counts.counts.sum() for x in (one, other, total)] == [50, 70, 120]
    one.reset()
    assert one.counts.counts.sum() == 0
    assert total.counts.counts.sum() == 120


def test_a_state_is_a_copy() -> None:
    accumulator = filled(drawn(50), edges=[0.0], thresholds=drawn(50)[1])
    for array in accumulator.state_dict().values():
        array[...] = 0
    assert [array.sum() for array in accumulator.state_dict().values()] == [50, 50]


def test_a_target_is_kept_to_and_hardly_missed() -> None:
    rows = drawn(40_000)
    negatives = rows[1][~rows[0]]
    exact = operating_point(y_score_negatives=negatives, target_fpr=0.01)
    excluded = negatives[negatives < exact.threshold].max()
    found = filled(rows).compute(target_fpr=0.01)
    assert excluded < found.threshold <= excluded + 0.01
    assert found.overall.fpr.value is not None
    assert 0.0095 < found.overall.fpr.value <= exact.realised_fpr <= 0.01


def test_a_target_is_exact_where_scores_are_edges() -> None:
    y_true, y_score, features = drawn(5000)
    y_score = np.round(y_score, 1)
    exact = operating_point(y_score_negatives=y_score[~y_true], target_fpr=0.05)
    found = filled((y_true, y_score, features)).compute(target_fpr=0.05)
    assert found.overall.fpr.value == exact.realised_fpr


def test_as_many_negatives_as_a_target_allows_are_let_through() -> None:
    accumulator = GroupAccumulator({"g": ["a"]}, edges=np.arange(100))
    accumulator.update(np.zeros(100, dtype=int), np.arange(100.0), [None] * 100)
    found = accumulator.compute(target_fpr=0.2)
    assert found.threshold == 80.0
    assert found.overall.fpr.value == 0.2


def test_probabilities_have_bins_as_fine_as_logits() -> None:
    y_true, logits, features = drawn(20_000)
    one = filled((y_true, logits, features)).compute(target_fpr=0.01)
    probabilities = special.expit(logits)
    other = filled((y_true, probabilities, features)).compute(target_fpr=0.01)
    assert special.logit(other.threshold) == pytest.approx(one.threshold, abs=0.011)
    single = special.expit(40.0 * (y_true - 0.5)).astype(np.float32)
    assert single.max() == 1.0
    found = filled((y_true, single, features)).compute(threshold=1.0)
    assert found.overall.recall.value == 1.0
    assert found.overall.fpr.value == 0.0


def test_default_edges_are_what_they_say() -> None:
    edges = default_edges()
    assert np.all(np.diff(edges) > 0)
    assert set(np.arange(-2000, 2001) / 100) <= set(edges)
    assert {0.0, 0.5, 0.9, 0.95, 0.99, 1.0} <= set(edges)
    inner = np.clip(edges, special.expit(-16), special.expit(16))
    assert np.diff(special.logit(inner)).max() <= 0.0100001


def test_further_thresholds_divide_exactly() -> None:
    y_true, y_score, features = drawn()
    threshold = float(y_score[7])
    with pytest.raises(UsageError, match="is no edge"):
        filled((y_true, y_score, features)).compute(threshold=threshold)
    found = filled((y_true, y_score, features), thresholds=[threshold])
    expected = float((y_score >= threshold)[y_true].mean())
    assert found.compute(threshold=threshold).overall.recall.value == expected


def test_tensors_lists_and_arrays_count_alike() -> None:
    y_true, y_score, features = drawn(64)
    y_score = y_score.astype(np.float32)
    expected = filled((y_true, y_score, features))
    for labels, scores, groups in [
        (torch.tensor(y_true), torch.tensor(y_score), features.to_numpy()),
        (y_true.tolist(), y_score.tolist(), features.to_numpy().tolist()),
        (y_true.astype(int), y_score, {name: features[name].tolist() for name in features}),
        (y_true, y_score, features[["gender", "tone"]].set_index(np.arange(64)[::-1])),
    ]:
        assert same(filled((labels, scores, groups)), expected)


def test_codes_in_a_tensor_are_values() -> None:
    accumulator = GroupAccumulator({"group": [0, 1]})
    accumulator.update(torch.ones(3), torch.tensor([0.1, 0.7, 0.9]), torch.tensor([0, 1, 1]))
    found = accumulator.compute(threshold=0.5)
    assert {group: m.recall.value for group, m in found.by_group.items()} == {
        ("0",): 0.0,
        ("1",): 1.0,
    }


def test_unknown_values_are_a_stratum() -> None:
    accumulator = filled(([1, 1], [3.0, -3.0], [["dark", None], [None, None]]))
    found = accumulator.compute(threshold=0.0)
    assert ("dark", "unknown") in found.by_group
    assert found.by_group["unknown", "unknown"].recall.value == 0.0


def test_what_has_no_rows_is_not_estimable() -> None:
    found = GroupAccumulator(CATEGORIES).compute(threshold=0.0)
    assert found.overall.recall.status == "not_estimable"
    assert all(measures.recall.value is None for measures in found.by_group.values())
    pooled = filled(([1], [1.0], [["dark", "f"]])).compute(threshold=0.0)
    assert pooled.by_group["dark", "f"].fpr.status == "not_applicable"


def test_an_accumulator_goes_to_another_process() -> None:
    accumulator = filled(drawn(50))
    assert same(pickle.loads(pickle.dumps(accumulator)), accumulator)


def test_the_memory_stays_what_it_was() -> None:
    accumulator = filled(drawn(10))
    before = accumulator.counts.counts.nbytes
    for seed in range(5):
        accumulator.update(*drawn(200, seed=seed))
    assert accumulator.counts.counts.nbytes == before


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_must_be_finite(bad: float) -> None:
    with pytest.raises(DataError, match="1 of 2 scores"):
        GroupAccumulator({"g": ["a"]}).update([1, 0], [0.5, bad], ["a", "a"])


def test_a_value_that_was_not_named_is_refused() -> None:
    accumulator = GroupAccumulator(CATEGORIES)
    with pytest.raises(DataError, match="Did you mean 'light'"):
        accumulator.update([1], [0.5], [["ligth", "f"]])
    assert accumulator.counts.counts.sum() == 0


def test_what_does_not_fit_is_refused() -> None:
    accumulator = filled(drawn(50))
    with pytest.raises(ValueError, match="same attributes and values"):
        accumulator.merge(GroupAccumulator({"tone": ["dark", "light"]}))
    with pytest.raises(ValueError, match="same attributes and edges"):
        accumulator.merge(GroupAccumulator(CATEGORIES, edges=COARSE))
    with pytest.raises(ValueError, match="same attributes and edges"):
        accumulator + GroupAccumulator(CATEGORIES, edges=COARSE)
    state = accumulator.state_dict()
    lists: list[dict[str, Any]] = [
        {"counts": state["counts"]},
        {**state, "counts": state["counts"][:, :2]},
        {**state, "counts": state["counts"] / 2},
    ]
    for broken in lists:
        with pytest.raises(ValueError, match="must be whole numbers of the shape"):
            accumulator.load_state_dict(broken)
    for features in (["dark"] * 2, {"tone": ["dark"], "gender": ["f"]}, [["dark", "f"]] * 3):
        with pytest.raises(ValueError, match="sensitive_features has the shape"):
            accumulator.update([1, 0], [0.5, 0.5], features)
    with pytest.raises(ValueError, match="y_score has the shape"):
        accumulator.update([1, 0], [0.5], [["dark", "f"]] * 2)
    assert accumulator.counts.counts.sum() == 50


@pytest.mark.parametrize(
    ("categories", "kwargs", "message"),
    [
        ({"g": ["a", "a"]}, {}, "must be different"),
        ({"g": []}, {}, "at least one"),
        ({"g": list(range(300))}, {}, "more than 200"),
        ({"g": ["a"]}, {"edges": [0.0, np.nan]}, "NaN"),
    ],
)
def test_accumulators_that_make_no_sense_are_refused(
    categories: Any, kwargs: Any, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        GroupAccumulator(categories, **kwargs)


def test_thresholds_that_make_no_sense_are_refused() -> None:
    accumulator = filled(drawn(200))
    both: dict[str, Any] = {"target_fpr": 0.1, "threshold": 0.0}
    for options in ({}, both):
        with pytest.raises(UsageError, match="target_fpr or a threshold"):
            accumulator.compute(**options)
    with pytest.raises(UsageError, match="no attribute 'age'"):
        accumulator.compute(threshold=0.0, columns=["age"])
    with pytest.raises(TooFewNegativesError):
        accumulator.compute(target_fpr=0.001)
    coarse = GroupAccumulator({"g": ["a"]}, edges=[0.0])
    coarse.update(np.zeros(100, dtype=int), np.ones(100), [None] * 100)
    with pytest.raises(DataError, match="the highest edge"):
        coarse.compute(target_fpr=0.2)


def test_a_group_of_negatives_alone_counts_where_negatives_are_grouped() -> None:
    accumulator = filled(([1, 0], [1.0, 1.0], [["dark", "f"], ["light", "m"]]))
    grouped = accumulator.compute(threshold=0.0, columns=["tone"], negatives="grouped")
    assert grouped.by_group["light",].fpr.value == 1.0
    assert grouped.by_group["light",].recall.status == "not_estimable"
    assert list(accumulator.compute(threshold=0.0, columns=["tone"]).by_group) == [("dark",)]
