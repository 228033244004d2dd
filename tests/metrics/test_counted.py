"""What is said of counted rows is what is said of the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from debias.metrics.calibration import calibration, group_calibrations
from debias.metrics.calibration_bins import NO_PROBABILITIES, Calibration
from debias.metrics.counted_calibration import (
    ScoreSums,
    counted_calibration,
    counted_group_calibrations,
    sum_scores,
)
from debias.metrics.counted_sweep import counted_sweep
from debias.metrics.counts import Grouping, group_rows
from debias.metrics.score_counts import Rows, ScoreCounts, count_scores
from debias.metrics.score_order import lowest_above, quantile_edges, thresholds_above
from debias.metrics.sweep import sweep
from debias.metrics.sweep_groups import Sweep, sweep_ranks

CELLS: list[tuple[str | None, str | None]] = [
    ("dark", "f"),
    ("light", "m"),
    ("dark", None),
    (" dark ", "f"),
    ("light", "f"),
]
COLUMNS = ("tone", "gender")
SETS = [("tone",), ("gender",), ("tone", "gender")]


def drawn(num_rows: int = 3000, *, decimals: int = 2, seed: int = 0) -> Rows:
    generator = np.random.default_rng(seed)
    labels = generator.random(num_rows) < 0.4
    logit = generator.normal(np.where(labels, 1.0, -1.0), 1.0)
    scores = np.round(1.0 / (1.0 + np.exp(-2.0 * logit)), decimals)
    return scores, labels, generator.choice(len(CELLS), num_rows, p=[0.4, 0.3, 0.1, 0.15, 0.05])


def parts_of(rows: Rows) -> list[Rows]:
    scores, labels, cells = rows
    return [(scores[k::3], labels[k::3], cells[k::3]) for k in range(3)]


def counted(rows: Rows, edges: Any) -> tuple[ScoreCounts, ScoreSums]:
    counts = count_scores(parts_of(rows), columns=COLUMNS, cells=CELLS, edges=edges)
    return counts, sum_scores(parts_of(rows), cells=CELLS, edges=counts.edges)


def grouping_of(cells: NDArray[np.integer], names: tuple[str, ...]) -> Grouping:
    table = pd.DataFrame([CELLS[cell] for cell in cells], columns=list(COLUMNS))
    return group_rows(sensitive_features=table, columns=list(names))


def same(one: Calibration, other: Calibration) -> None:
    assert one.error.status == other.error.status
    assert one.error.num_trials == other.error.num_trials
    assert one.error.reason == other.error.reason
    if one.error.value is None:
        assert other.bins == ()
        return
    for mine, its in (
        (one.error.value, other.error.value),
        (one.error.low, other.error.low),
        (one.error.high, other.error.high),
        (one.expected_by_chance, other.expected_by_chance),
    ):
        assert its == pytest.approx(mine, rel=1e-9)
    assert [item.num_rows for item in one.bins] == [item.num_rows for item in other.bins]
    for mine_bin, its_bin in zip(one.bins, other.bins, strict=True):
        assert its_bin.mean_score == pytest.approx(mine_bin.mean_score)
        assert its_bin.share == mine_bin.share


@pytest.mark.parametrize("names", SETS)
def test_calibration_is_that_of_the_rows_where_a_bin_holds_one_score(
    names: tuple[str, ...],
) -> None:
    scores, labels, cells = rows = drawn()
    counts, sums = counted(rows, np.unique(scores))
    same(calibration(y_true=labels, y_score=scores), counted_calibration(counts, sums))
    grouping = grouping_of(cells, names)
    expected = group_calibrations(
        y_true=labels,
        y_score=scores,
        codes=grouping.codes,
        num_groups=len(grouping.groups),
        negatives="grouped",
        confidence=0.9,
    )
    of_cells = counts.grouping(names, faces_only=False)
    found = counted_group_calibrations(
        counts, sums, grouping=of_cells, negatives="grouped", confidence=0.9
    )
    assert of_cells.groups == grouping.groups
    for one, other in zip(expected, found, strict=True):
        same(one, other)


def test_what_is_said_of_a_bin_is_exact_though_the_bins_are_cut_elsewhere() -> None:
    scores, labels, _ = rows = drawn(decimals=15)
    edges = quantile_edges([scores], num_scores=scores.size, num_edges=40)
    found = counted_calibration(*counted(rows, edges))
    assert len(found.bins) == 15
    assert max(item.num_rows for item in found.bins) <= scores.size / 15 + scores.size / 20
    ascending = np.argsort(scores, kind="stable")
    start = 0
    for item in found.bins:
        inside = ascending[start : start + item.num_rows]
        start += item.num_rows
        assert item.mean_score == pytest.approx(scores[inside].mean())
        assert item.share.num_successes == int(labels[inside].sum())
    assert start == scores.size
    exact = calibration(y_true=labels, y_score=scores)
    assert found.error.value == pytest.approx(exact.error.value, abs=0.01)
    assert found.error.high == pytest.approx(exact.error.high, abs=0.01)


def test_what_has_no_calibration_says_why() -> None:
    scores, labels, cells = drawn()
    outside = counted((scores * 1.1, labels, cells), [0.5])
    assert counted_calibration(*outside).error.reason == NO_PROBABILITIES
    below = counted((scores - 0.01, labels, cells), [0.5])
    assert counted_calibration(*below).error.reason == NO_PROBABILITIES
    faces = counted((scores, np.ones_like(labels), cells), [0.5])
    assert counted_calibration(*faces).error.status == "not_applicable"
    nothing = counted((scores[:0], labels[:0], cells[:0]), [0.5])
    assert counted_calibration(*nothing).error.status == "not_estimable"
    counts, sums = counted((scores, labels, cells), [0.5])
    pooled = counted_group_calibrations(
        counts, sums, grouping=counts.grouping(("tone",)), negatives="pool"
    )
    assert {each.error.status for each in pooled} == {"not_applicable"}


def both_sweeps(rows: Rows, *, grouped: bool, **others: Any) -> tuple[Sweep | None, Sweep | None]:
    scores, labels, cells = rows
    given = [0.5]
    held = sweep(
        face_scores=scores[labels],
        negative_scores=scores[~labels],
        groupings=[_part(cells, labels, labels, names, grouped) for names in SETS],
        negative_groupings=[_part(cells, ~labels, labels, names, True) for names in SETS]
        if grouped
        else None,
        generator=np.random.default_rng(1),
        operating_points=given,
        num_thresholds=12,
        **others,
    )
    ranks = sweep_ranks(
        num_negatives=int((~labels).sum()), num_thresholds=12, min_false_positives=10
    )
    excluded = np.sort(scores[~labels])[::-1][ranks]
    thresholds = thresholds_above(excluded, above=lowest_above([scores], bounds=excluded))
    counts, _ = counted(rows, [*thresholds, *given, 0.1, 0.9])
    return held, counted_sweep(
        counts,
        thresholds=[*thresholds[np.isfinite(thresholds)], *given],
        columns=SETS,
        negatives="grouped" if grouped else "pool",
        generator=np.random.default_rng(1),
        **others,
    )


def _part(
    cells: NDArray[np.integer],
    chosen: NDArray[np.bool_],
    faces: NDArray[np.bool_],
    names: tuple[str, ...],
    grouped: bool,
) -> Grouping:
    """Return the grouping of all rows (or of faces) cut to those chosen."""
    everybody = np.ones_like(faces) if grouped else faces
    found = grouping_of(cells[everybody], names)
    return Grouping(
        columns=found.columns, groups=found.groups, codes=found.codes[chosen[everybody]]
    )


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("decimals", [2, 15])
def test_a_counted_sweep_is_that_of_the_rows(grouped: bool, decimals: int) -> None:
    scores, labels, cells = drawn(decimals=decimals)
    labels = labels & (cells != 4)  # negatives of a cell without faces count in its groups
    held, found = both_sweeps(
        (scores, labels, cells), grouped=grouped, min_group_size=100, confidence=0.9
    )
    assert held is not None
    assert found is not None
    assert found.thresholds.tolist() == held.thresholds.tolist()
    assert found.fpr.tolist() == held.fpr.tolist()
    assert found.recall.tolist() == held.recall.tolist()
    for one, other in zip(held.groupings, found.groupings, strict=True):
        assert (other.columns, len(other.groups)) == (one.columns, len(one.groups))
        for name in ("worst_recall", "gap", "null_median"):
            assert getattr(other, name).tolist() == getattr(one, name).tolist()
        for mine, its in zip(one.groups, other.groups, strict=True):
            assert (its.values, its.num_faces) == (mine.values, mine.num_faces)
            assert its.recall.tolist() == mine.recall.tolist()
            assert its.low.tolist() == mine.low.tolist()
            assert (its.fpr is None) == (mine.fpr is None) == (not grouped)
            if mine.fpr is not None and its.fpr is not None:
                assert its.fpr.tolist() == mine.fpr.tolist()
    assert [len(part.groups) for part in found.groupings] == [2, 2, 2]


def test_without_faces_or_negatives_there_is_no_sweep() -> None:
    scores, labels, cells = drawn()
    for kept in (labels, ~labels):
        rows = scores[kept], labels[kept], cells[kept]
        counts, _ = counted(rows, [0.5])
        found = counted_sweep(
            counts,
            thresholds=[0.5],
            columns=SETS,
            negatives="pool",
            generator=np.random.default_rng(0),
        )
        assert found is None


def test_a_threshold_inside_a_bin_is_refused() -> None:
    counts, _ = counted(drawn(), [0.5])
    for threshold in (0.4, 0.6):
        with pytest.raises(ValueError, match="no edge"):
            counted_sweep(
                counts,
                thresholds=[threshold],
                columns=SETS,
                negatives="pool",
                generator=np.random.default_rng(0),
            )


def test_where_no_score_is_higher_the_next_number_is_the_threshold() -> None:
    found = thresholds_above([1.0, 2.0, np.finfo(np.float64).max], above=[1.5, np.inf, np.inf])
    assert found.tolist() == [1.5, np.nextafter(2.0, np.inf), np.inf]


def test_half_of_the_negatives_must_exceed_the_strictest_threshold() -> None:
    few = sweep_ranks(num_negatives=19, num_thresholds=5, min_false_positives=10)
    assert few.size == 0
    ranks = sweep_ranks(num_negatives=2000, num_thresholds=5, min_false_positives=10)
    assert ranks.tolist() == [10, 32, 100, 316, 1000]
