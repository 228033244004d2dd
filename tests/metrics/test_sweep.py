from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from debias.metrics.counts import Grouping, group_rows
from debias.metrics.disparities import null_gap
from debias.metrics.group_rates import rates_by_group
from debias.metrics.intervals import rate, wilson
from debias.metrics.operating_point import operating_point
from debias.metrics.sweep import sweep
from debias.metrics.sweep_groups import HIGHEST_FPR, GroupSweep, Sweep

NUM_FACES, NUM_NEGATIVES = 600, 900


def by_tone(tone: NDArray[np.object_]) -> Grouping:
    return group_rows(sensitive_features=pd.DataFrame({"tone": tone}), columns=["tone"])


class Rows:
    """Faces and negatives; scores in tenths, so that many are tied."""

    def __init__(self, seed: int = 0, *, num_negatives: int = NUM_NEGATIVES) -> None:
        rng = np.random.default_rng(seed)
        self.faces = np.round(rng.normal(1.5, 1.0, size=NUM_FACES), 1)
        self.negatives = np.round(rng.normal(size=num_negatives), 1)
        names = np.array(["light", "dark", "rare", None], dtype=object)
        self.tone = names[rng.choice(4, size=NUM_FACES, p=[0.5, 0.3, 0.02, 0.18])]
        self.negative_tone = names[rng.choice(4, size=num_negatives, p=[0.3, 0.3, 0.2, 0.2])]

    def sweep(self, *, groupings: list[Grouping] | None = None, **others: Any) -> Sweep:
        found = sweep(
            face_scores=self.faces,
            negative_scores=self.negatives,
            groupings=[by_tone(self.tone)] if groupings is None else groupings,
            generator=np.random.default_rng(1),
            **others,
        )
        assert found is not None
        return found


def group_of(found: Sweep, value: str) -> GroupSweep:
    (group,) = (each for each in found.groupings[0].groups if each.values == (value,))
    return group


def test_rates_are_those_that_counting_gives_at_each_threshold() -> None:
    rows = Rows()
    found = rows.sweep()
    assert len(found.thresholds) > 10
    (grouping,) = found.groupings
    assert grouping.columns == ("tone",)
    assert [group.values for group in grouping.groups] == [("dark",), ("light",)]
    for place, threshold in enumerate(found.thresholds):
        assert found.fpr[place] == pytest.approx(np.mean(rows.negatives >= threshold), abs=1e-15)
        assert found.recall[place] == pytest.approx(np.mean(rows.faces >= threshold), abs=1e-15)
        recalls = []
        for group in grouping.groups:
            hits = rows.faces[rows.tone == group.values[0]] >= threshold
            low, high = wilson(num_successes=hits.sum(), num_trials=hits.size)
            assert group.num_faces == hits.size
            assert group.recall[place] == pytest.approx(hits.mean(), abs=1e-15)
            assert (group.low[place], group.high[place]) == pytest.approx((float(low), float(high)))
            assert group.fpr is None
            recalls.append(float(hits.mean()))
        assert grouping.worst_recall[place] == pytest.approx(min(recalls), abs=1e-15)
        assert grouping.gap[place] == pytest.approx(max(recalls) - min(recalls), abs=1e-15)


def test_thresholds_go_from_what_the_negatives_resolve_to_half_of_them() -> None:
    rows = Rows()
    rows.negatives = np.random.default_rng(3).permutation(5000) / 7.0
    found = rows.sweep(num_thresholds=25)
    assert (np.diff(found.thresholds) < 0).all()
    # Without ties, each lets through just as many negatives as it is meant to.
    counts = np.round(found.fpr * 5000)
    assert counts.tolist() == np.round(np.geomspace(10, 2500, 25)).tolist()
    assert found.fpr[-1] == HIGHEST_FPR
    stricter = rows.sweep(num_thresholds=25, min_false_positives=100)
    assert stricter.fpr[0] == pytest.approx(100 / 5000)


def test_thresholds_are_those_of_operating_points() -> None:
    rows = Rows()
    rows.negatives = np.random.default_rng(3).normal(size=1000)
    found = rows.sweep(num_thresholds=2)
    expected = [
        operating_point(
            y_score_negatives=rows.negatives, y_score_faces=rows.faces, target_fpr=target
        ).threshold
        for target in (0.01, 0.5)
    ]
    assert found.thresholds.tolist() == expected
    assert set(expected) <= {*rows.negatives, *rows.faces}
    assert not set(expected) <= set(rows.negatives)


def test_ties_never_let_through_more_than_meant() -> None:
    found = Rows().sweep()
    assert found.fpr[0] <= 10 / NUM_NEGATIVES
    assert found.fpr[-1] <= HIGHEST_FPR


def test_single_precision_scores_are_told_apart() -> None:
    rows = Rows()
    rows.negatives = rows.negatives.astype(np.float32)
    rows.faces = rows.faces.astype(np.float32)
    found = rows.sweep()
    expected = [np.mean(rows.negatives >= np.float32(at)) for at in found.thresholds]
    np.testing.assert_allclose(found.fpr, expected, atol=1e-15)
    assert found.fpr[-1] <= HIGHEST_FPR


def test_operating_points_are_passed_through_exactly() -> None:
    rows = Rows()
    at = 1.4  # a score that rows have: they are answered 1
    found = rows.sweep(operating_points=[at, 99.0, at])
    assert np.count_nonzero(found.thresholds == at) == 1
    place = int(np.flatnonzero(found.thresholds == at)[0])
    assert found.recall[place] == pytest.approx(np.mean(rows.faces >= at))
    assert found.fpr[place] == pytest.approx(np.mean(rows.negatives >= at))
    assert found.thresholds[0] == 99.0
    assert found.recall[0] == found.fpr[0] == 0.0


def test_grouped_negatives_have_their_own_rates() -> None:
    rows = Rows()
    found = rows.sweep(negative_groupings=[by_tone(rows.negative_tone)])
    for group in found.groupings[0].groups:
        own = rows.negatives[rows.negative_tone == group.values[0]]
        assert group.fpr is not None
        np.testing.assert_allclose(
            group.fpr, [np.mean(own >= at) for at in found.thresholds], atol=1e-15
        )


def test_a_group_without_negatives_has_no_rate_of_them() -> None:
    rows = Rows()
    negative_tone = np.array(["light"] * NUM_NEGATIVES, dtype=object)
    found = rows.sweep(negative_groupings=[by_tone(negative_tone)])
    assert group_of(found, "dark").fpr is None
    assert group_of(found, "light").fpr is not None


def test_persons_with_one_face_each_change_nothing() -> None:
    rows = Rows()
    plain = rows.sweep()
    alone = rows.sweep(face_clusters=np.random.default_rng(5).permutation(NUM_FACES))
    for name in ("thresholds", "fpr", "recall"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(alone, name))
    np.testing.assert_array_equal(plain.groupings[0].null_median, alone.groupings[0].null_median)
    for group, other in zip(plain.groupings[0].groups, alone.groupings[0].groups, strict=True):
        for name in ("recall", "low", "high"):
            np.testing.assert_array_equal(getattr(group, name), getattr(other, name))


def test_persons_widen_the_limits_and_leave_the_rates() -> None:
    rows = Rows()
    # Three faces a person, with the same score: worth one.
    persons = np.arange(NUM_FACES) // 3
    rows.faces, rows.tone = rows.faces[3 * persons], rows.tone[3 * persons]
    plain, shared = rows.sweep(), rows.sweep(face_clusters=persons)
    grouping = by_tone(rows.tone)
    for place, threshold in enumerate(shared.thresholds):
        rates = rates_by_group(hits=rows.faces >= threshold, grouping=grouping, clusters=persons)
        by_values = dict(zip(grouping.groups, rates, strict=True))
        for group in shared.groupings[0].groups:
            expected = by_values[group.values]
            assert group.recall[place] == pytest.approx(expected.value)
            limits = group.low[place], group.high[place]
            assert limits == pytest.approx((expected.low, expected.high))
    for group, alone in zip(shared.groupings[0].groups, plain.groupings[0].groups, strict=True):
        assert group.recall.tolist() == alone.recall.tolist()
        assert np.mean(group.high - group.low > 1.4 * (alone.high - alone.low)) > 0.9
    assert shared.groupings[0].null_median.mean() > 1.4 * plain.groupings[0].null_median.mean()


def test_groups_of_few_persons_are_left_out() -> None:
    rows = Rows()
    assert len(rows.sweep().groupings[0].groups) > 1
    one_each = np.arange(NUM_FACES)
    few = np.where(rows.tone == "dark", one_each % 29, 29 + one_each)
    values = [group.values for group in rows.sweep(face_clusters=few).groupings[0].groups]
    assert values == [("light",)]


def test_the_gap_by_chance_is_that_of_groups_with_the_pooled_recall() -> None:
    rows = Rows()
    rows.faces[rows.tone == "dark"] -= 1.0
    found = rows.sweep(num_thresholds=3, num_replicates=10_000)
    (grouping,) = found.groupings
    for place, chance in enumerate(grouping.null_median):
        rates = [
            rate(num_successes=round(group.recall[place] * size), num_trials=size)
            for group in grouping.groups
            for size in [group.num_faces]
        ]
        expected = null_gap(rates=rates, generator=np.random.default_rng(9)).median
        assert chance == pytest.approx(expected, rel=0.05)


def test_gaps_of_equal_groups_are_above_that_by_chance_half_of_the_time() -> None:
    gaps, chance = [], []
    for seed in range(100):
        (grouping,) = Rows(seed).sweep(num_thresholds=3, num_replicates=300).groupings
        gaps.append(grouping.gap)
        chance.append(grouping.null_median)
    share = np.mean(np.array(gaps) > np.array(chance), axis=0)
    assert (np.abs(share - 0.5) < 0.15).all()  # three standard errors


def test_small_and_unknown_groups_are_left_out() -> None:
    rows = Rows()
    rare, dark = (int(np.count_nonzero(rows.tone == name)) for name in ("rare", "dark"))
    names = [
        [group.values[0] for group in rows.sweep(min_group_size=least).groupings[0].groups]
        for least in (0, rare, rare + 1, dark + 1, NUM_FACES)
    ]
    everybody = ["dark", "light", "rare"]
    assert names == [everybody, everybody, everybody[:2], ["light"], []]


def test_one_group_has_no_gap_and_none_has_no_worst() -> None:
    rows = Rows()
    one = rows.sweep(min_group_size=int(np.count_nonzero(rows.tone == "dark")) + 1).groupings[0]
    np.testing.assert_array_equal(one.worst_recall, one.groups[0].recall)
    none = rows.sweep(min_group_size=NUM_FACES).groupings[0]
    assert one.gap.size == one.null_median.size == 0
    assert none.worst_recall.size == none.gap.size == none.null_median.size == 0


def test_there_is_no_sweep_without_faces_or_with_too_few_negatives() -> None:
    def of(num_faces: int, num_negatives: int) -> Sweep | None:
        return sweep(
            face_scores=np.arange(num_faces) / 10.0,
            negative_scores=np.arange(num_negatives) / 10.0,
            groupings=(),
            generator=np.random.default_rng(0),
        )

    assert of(0, 100) is None
    assert of(5, 0) is None
    assert of(5, 19) is None  # half of 19 negatives are fewer than 10
    found = of(5, 20)
    assert found is not None
    assert found.fpr.tolist() == [0.5]


def test_perfect_scores_have_full_recall_and_no_gap() -> None:
    rows = Rows()
    rows.faces = np.full(NUM_FACES, 10.0)
    found = rows.sweep()
    assert (found.recall == 1.0).all()
    (grouping,) = found.groupings
    assert (grouping.worst_recall == 1.0).all()
    assert not grouping.gap.any()
    assert not grouping.null_median.any()
    assert all((group.high == 1.0).all() and (group.low < 1.0).all() for group in grouping.groups)


def test_constant_scores_leave_one_threshold_that_nothing_passes() -> None:
    rows = Rows()
    rows.faces[:], rows.negatives[:] = 0.5, 0.5
    found = rows.sweep()
    assert len(found.thresholds) == 1
    assert found.recall.tolist() == found.fpr.tolist() == [0.0]
    assert found.thresholds.tolist() == [np.nextafter(0.5, 1)]


def test_the_same_generator_draws_the_same() -> None:
    first, second = Rows().sweep(), Rows().sweep()
    np.testing.assert_array_equal(first.groupings[0].null_median, second.groupings[0].null_median)


def test_points_lie_on_the_roc_curve_of_scikit_learn() -> None:
    rows = Rows()
    found = rows.sweep()
    fpr, recall, _ = roc_curve(
        np.r_[np.ones(NUM_FACES), np.zeros(NUM_NEGATIVES)],
        np.r_[rows.faces, rows.negatives],
        drop_intermediate=False,
    )
    known = {(round(x, 9), round(y, 9)) for x, y in zip(fpr, recall, strict=True)}
    ours = {(round(x, 9), round(y, 9)) for x, y in zip(found.fpr, found.recall, strict=True)}
    assert ours <= known
