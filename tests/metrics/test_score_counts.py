from __future__ import annotations

import weakref
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from debias.errors import DataError, TooFewNegativesError
from debias.metrics.counts import UNKNOWN, group_rows
from debias.metrics.intervals import wilson
from debias.metrics.operating_point import excluded_rank, operating_point
from debias.metrics.ranking import overall_auc
from debias.metrics.score_counts import (
    Rows,
    ScoreCounts,
    count_scores,
    edges_for,
    sum_by_group,
)
from debias.metrics.score_figures import binned_auc
from debias.metrics.score_order import largest_scores, lowest_above, quantile_edges
from debias.metrics.tally import tally_counts, tally_rows

CELLS: list[tuple[str | None, str | None]] = [
    ("dark", "f"),
    ("light", "m"),
    ("dark", None),
    (None, "m"),
    ("light", "f"),
]
COLUMNS = ("tone", "gender")
SETS = [columns for size in range(3) for columns in combinations(COLUMNS, size)]


def drawn(num_rows: int, *, seed: int = 0, decimals: int = 3) -> Rows:
    generator = np.random.default_rng(seed)
    labels = generator.random(num_rows) < 0.5
    scores = np.round(generator.normal(labels * 1.5, 1.0), decimals)
    return scores, labels, generator.integers(0, len(CELLS), num_rows)


def counted(rows: Rows, edges: Any, num_parts: int = 3) -> ScoreCounts:
    parts = zip(*(np.array_split(each, num_parts) for each in rows), strict=True)
    return count_scores(
        ((scores, labels, cells) for scores, labels, cells in parts),
        columns=COLUMNS,
        cells=CELLS,
        edges=edges,
    )


def table_of(cells: np.ndarray[Any, Any]) -> pd.DataFrame:
    return pd.DataFrame([CELLS[cell] for cell in cells], columns=list(COLUMNS))


@pytest.mark.parametrize("columns", SETS)
@pytest.mark.parametrize("faces_only", [True, False])
def test_groups_and_counts_are_those_of_the_rows(
    columns: tuple[str, ...], faces_only: bool
) -> None:
    rows = drawn(400)
    scores, labels, cells = rows
    inside = labels if faces_only else np.ones_like(labels)
    expected = group_rows(sensitive_features=table_of(cells[inside]), columns=columns)
    counts = counted(rows, [0.5])
    found = counts.marginal(columns, counts.at(0.5), faces_only=faces_only)
    assert found.groups == expected.groups
    for label in (1,) if faces_only else (0, 1):
        for decision in (0, 1):
            mask = (labels[inside] == label) & ((scores[inside] >= 0.5) == decision)
            want = np.bincount(expected.codes[mask], minlength=len(expected.groups))
            assert found.counts[:, label, decision].tolist() == want.tolist()


def test_values_that_only_negatives_have_make_no_group_of_faces() -> None:
    counts = count_scores(
        [(np.array([0.1, 0.9]), np.array([False, True]), np.array([0, 1]))],
        columns=["tone"],
        cells=[["dark"], ["light"]],
        edges=[0.5],
    )
    assert counts.grouping(["tone"]).groups == (("light",),)
    assert counts.grouping(["tone"]).codes.tolist() == [-1, 0]
    assert counts.grouping(["tone"], faces_only=False).groups == (("dark",), ("light",))
    assert counts.marginal(["tone"], counts.at(0.5)).counts.tolist() == [[[0, 0], [0, 1]]]


def test_missing_blank_and_unknown_are_one_cell() -> None:
    counts = count_scores(
        [(np.zeros(4), np.ones(4, dtype=bool), np.arange(4))],
        columns=["tone"],
        cells=[[None], [" "], ["unknown"], [" dark "]],
        edges=[],
    )
    assert counts.cells == ((UNKNOWN,), ("dark",))
    assert counts.counts[1, :, 0].tolist() == [3, 1]


def test_a_threshold_belongs_to_its_bin_and_must_be_an_edge() -> None:
    counts = count_scores(
        [(np.array([0.4, 0.5, 0.6]), np.ones(3, dtype=bool), np.zeros(3, dtype=int))],
        columns=[],
        cells=[[]],
        edges=[0.5],
    )
    assert counts.at(0.5)[0, 1].tolist() == [1, 2]
    assert counts.at(-np.inf)[0, 1].tolist() == [0, 3]
    for threshold in (0.4, 0.50001, 7.0):
        with pytest.raises(ValueError, match="no edge"):
            counts.at(threshold)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 10))
@settings(max_examples=30, deadline=None)
def test_parts_add_up_to_the_whole(first: int, second: int, seed: int) -> None:
    rows = drawn(first + second, seed=seed, decimals=1)
    edges = [-1.0, 0.0, 0.1, 2.0]
    whole = counted(rows, edges, 1)
    parts = [counted(tuple(x[cut] for x in rows), edges, 1) for cut in  # type: ignore[arg-type]
             (slice(first), slice(first, None))]  # fmt: skip
    merged = parts[0].merge(parts[1])
    assert merged.cells == whole.cells
    np.testing.assert_array_equal(merged.counts, whole.counts)
    np.testing.assert_array_equal(merged.num_at_edge, whole.num_at_edge)
    assert whole.num_faces + whole.num_negatives == first + second


def test_merging_matches_cells_by_name_and_refuses_other_bins() -> None:
    def one(cells: list[list[str]], edges: list[float]) -> ScoreCounts:
        row = (np.array([0.7]), np.array([True]), np.array([0]))
        return count_scores([row], columns=["tone"], cells=cells, edges=edges)

    merged = one([["dark"], ["light"]], [0.5]).merge(one([["light"], ["tan"]], [0.5]))
    assert merged.cells == (("dark",), ("light",), ("tan",))
    assert merged.counts[1, :, 1].tolist() == [1, 1, 0]
    with pytest.raises(ValueError, match="same attributes and edges"):
        merged.merge(one([["dark"]], [0.6]))


@pytest.mark.parametrize(
    "changed",
    [
        {"edges": np.array([0.0, 1.0])},
        {"edges": np.array([-np.inf, np.nan])[:1], "num_at_edge": np.zeros(1, dtype=int)},
        {"edges": np.array([-np.inf, -np.inf])},
        {"cells": (("a",), ("a",))},
        {"num_at_edge": np.zeros(3, dtype=int)},
    ],
)
def test_parts_that_do_not_fit_are_refused(changed: dict[str, Any]) -> None:
    parts = {
        "columns": ("tone",),
        "cells": (("a",), ("b",)),
        "edges": np.array([-np.inf, 0.0]),
        "counts": np.zeros((2, 2, 2), dtype=int),
        "num_at_edge": np.zeros(2, dtype=int),
    }
    ScoreCounts(**parts)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"edges|cell|num_at_edge"):
        ScoreCounts(**{**parts, **changed})


@pytest.mark.parametrize("decimals", [0, 1, 2, 6])
@pytest.mark.parametrize("target_fpr", [0.01, 0.05, 0.3])
def test_the_operating_point_is_that_of_the_rows(decimals: int, target_fpr: float) -> None:
    rows = drawn(5_000, decimals=decimals)
    negatives = rows[0][~rows[1]]
    expected = operating_point(
        y_score_negatives=negatives, y_score_faces=rows[0][rows[1]], target_fpr=target_fpr
    )
    rank = excluded_rank(target_fpr=target_fpr, num_negatives=negatives.size)
    excluded = largest_scores(lambda: np.array_split(negatives, 4), ranks=[rank])
    above = lowest_above(np.array_split(rows[0], 4), bounds=excluded)
    counts = counted(rows, [*edges_for(excluded=excluded, above=above), -0.7, 0.2])
    found = counts.operating_point(target_fpr=target_fpr)
    assert found == expected
    hits = counts.at(found.threshold)[:, 1, 1].sum()
    assert hits == np.count_nonzero(rows[0][rows[1]] >= expected.threshold)


def test_an_operating_point_above_every_score_is_the_next_number() -> None:
    rows = np.full(200, 0.5), np.arange(200) < 100, np.zeros(200, dtype=int)
    excluded = np.array([0.5])
    above = lowest_above([rows[0]], bounds=excluded)
    assert above.tolist() == [np.inf]
    found = counted(rows, edges_for(excluded=excluded, above=above)).operating_point(target_fpr=0.2)
    assert found == operating_point(y_score_negatives=rows[0][100:], target_fpr=0.2)
    assert found.threshold == np.nextafter(0.5, 1)


def test_the_lowest_scores_above_bounds_are_those_of_the_whole() -> None:
    scores = drawn(500, decimals=1)[0]
    bounds = np.array([scores.max(), -99.0, scores.min(), 0.25])
    found = lowest_above(np.array_split(scores, 7), bounds=bounds)
    expected = [np.min(scores, initial=np.inf, where=scores > bound) for bound in bounds]
    assert found.tolist() == expected
    assert lowest_above([], bounds=bounds[:1]).tolist() == [np.inf]


def test_an_operating_point_that_cannot_be_had_is_refused() -> None:
    rows = drawn(5_000)
    with pytest.raises(ValueError, match="several scores"):
        counted(rows, [0.5]).operating_point(target_fpr=0.01)
    excluded = np.sort(rows[0][~rows[1]])[::-1][int(0.01 * np.count_nonzero(~rows[1]))]
    with pytest.raises(ValueError, match="is no edge"):
        counted(rows, [excluded, np.nextafter(excluded, 9)]).operating_point(target_fpr=0.01)
    with pytest.raises(TooFewNegativesError) as ours:
        counted(drawn(50), [0.5]).operating_point(target_fpr=0.01)
    with pytest.raises(TooFewNegativesError) as theirs:
        operating_point(y_score_negatives=np.zeros(int((~drawn(50)[1]).sum())), target_fpr=0.01)
    assert str(ours.value) == str(theirs.value)
    largest = np.finfo(np.float64).max
    with np.errstate(over="ignore"):
        edges = [largest]
    full = count_scores(
        [(np.full(100, largest), np.zeros(100, dtype=bool), np.zeros(100, dtype=int))],
        columns=[],
        cells=[[]],
        edges=edges,
    )
    with pytest.raises(DataError, match="the largest float64"):
        full.operating_point(target_fpr=0.5)


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, min_size=1, max_size=40), st.data())
@settings(max_examples=80, deadline=None)
def test_order_statistics_are_exact(scores: list[float], data: st.DataObject) -> None:
    values = np.array(scores)
    ranks = data.draw(st.lists(st.integers(0, len(scores) - 1), min_size=1, max_size=4))
    found = largest_scores(lambda: np.array_split(values, 3), ranks=ranks)
    assert found.tolist() == np.sort(values)[::-1][ranks].tolist()


@pytest.mark.parametrize("rank", [-1, 3])
def test_a_rank_beyond_the_scores_is_refused(rank: int) -> None:
    with pytest.raises(ValueError, match="no score of rank"):
        largest_scores(lambda: [np.arange(3.0)], ranks=[rank])


def test_few_scores_make_exact_bins_and_many_make_even_ones() -> None:
    scores = np.random.default_rng(0).normal(size=50_000)
    even = quantile_edges([scores], num_scores=scores.size, num_edges=100)
    assert even.size == 100
    sizes = np.bincount(np.searchsorted(even, scores, side="right"))[1:-1]
    assert sizes.max() < 2 * sizes.mean()
    coarse = np.round(scores, 1)
    rows = (coarse, scores > 0, np.zeros(scores.size, dtype=int))
    edges = quantile_edges([coarse], num_scores=scores.size, num_edges=500)
    counts = count_scores([rows], columns=[], cells=[[]], edges=edges)
    assert counts.is_exact.all()
    assert not count_scores([rows], columns=[], cells=[[]], edges=edges[::2]).is_exact.all()


def test_a_sample_keeps_no_part_alive() -> None:
    alive: list[weakref.ref[Any]] = []

    def parts() -> Iterator[np.ndarray[Any, Any]]:
        for number in range(8):
            scores = np.random.default_rng(number).normal(size=10_000)
            alive.append(weakref.ref(scores))
            yield scores
            assert sum(each() is not None for each in alive) <= 2

    quantile_edges(parts(), num_scores=80_000, num_edges=10)
    assert len(alive) == 8


@pytest.mark.parametrize("num_edges", [5, 40, 5000])
def test_the_area_lies_between_its_bounds_and_is_exact_with_exact_bins(num_edges: int) -> None:
    scores, labels, cells = rows = drawn(3_000, decimals=2)
    edges = quantile_edges([scores], num_scores=scores.size, num_edges=num_edges)
    counts = counted(rows, edges)
    grouping = counts.grouping(["tone", "gender"])
    positives = sum_by_group(counts.counts[1], grouping=grouping)
    found = binned_auc(
        positives=positives, negatives=counts.counts[0].sum(axis=0), is_exact=counts.is_exact
    )
    for code, group in enumerate(grouping.groups):
        inside = labels & np.array([tuple(v or UNKNOWN for v in CELLS[c]) == group for c in cells])
        chosen = inside | ~labels
        if not inside.any():
            assert np.isnan(found.value[code])
            continue
        exact = roc_auc_score(labels[chosen], scores[chosen])
        assert found.low[code] - 1e-12 <= exact <= found.high[code] + 1e-12
        if num_edges == 5000:
            assert found.value[code] == found.low[code] == found.high[code]
            assert found.value[code] == pytest.approx(exact, abs=1e-12)


def test_with_exact_bins_the_area_and_its_variance_are_those_of_the_rows() -> None:
    generator = np.random.default_rng(0)
    positives = np.round(generator.normal(1, 1, 60), 1)
    negatives = np.round(generator.normal(0, 1, 40), 1)
    above = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    edges = np.unique(np.concatenate([positives, negatives]))
    p, n = (
        np.bincount(np.searchsorted(edges, x), minlength=edges.size) for x in (positives, negatives)
    )
    (found,) = binned_auc(positives=p, negatives=n).areas()
    assert found is not None
    assert found.positives.variance == pytest.approx(above.mean(axis=1).var(ddof=1) / 60)
    assert found.negatives.variance == pytest.approx(above.mean(axis=0).var(ddof=1) / 40)
    expected = overall_auc(
        y_true=np.repeat([1, 0], [60, 40]), y_score=np.concatenate([positives, negatives])
    )
    num_effective = found.num_effective(confidence=0.95)
    low, high = wilson(num_successes=found.value, num_trials=1.0, design_effect=1 / num_effective)
    assert (found.value, low, high) == pytest.approx((expected.value, expected.low, expected.high))


def test_an_area_without_positives_is_none_and_one_positive_says_nothing() -> None:
    found = binned_auc(positives=[[0, 0], [0, 1]], negatives=[5, 5])
    nobody, one = found.areas()
    assert nobody is None
    assert one is not None
    assert one.positives.variance == np.inf
    assert one.num_effective(confidence=0.95) == 0.0


@pytest.mark.parametrize("columns", SETS)
def test_tallies_of_counts_and_of_rows_are_the_same(columns: tuple[str, ...]) -> None:
    scores, labels, cells = rows = drawn(600)
    grouping = group_rows(sensitive_features=table_of(cells), columns=columns)
    expected = tally_rows(
        y_true=labels, y_pred=scores >= 0.5, codes=grouping.codes, num_groups=len(grouping.groups)
    )
    counts = counted(rows, [0.5])
    found = tally_counts(counts.marginal(columns, counts.at(0.5), faces_only=False).counts)
    for name in ("recall", "fpr", "precision", "accuracy", "selection_rate"):
        for part in ("num_successes", "num_trials", "weights", "design_effects"):
            np.testing.assert_array_equal(
                getattr(getattr(found, name), part), getattr(getattr(expected, name), part)
            )
