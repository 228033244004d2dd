from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from debias.errors import TooFewNegativesError
from debias.metrics.bootstrap import PairedScores, bootstrap_recalls
from debias.metrics.counts import Grouping, group_rows
from debias.metrics.intervals import wilson
from debias.metrics.operating_point import recall_at_fpr
from debias.metrics.seeds import (
    SeedFigure,
    SeedScores,
    seed_figures,
    stack_seeds,
    two_level_interval,
)

TONES = np.repeat(["dark", "light", "rare"], [150, 300, 5])


def grouping_of(tones: np.ndarray) -> Grouping:
    return group_rows(sensitive_features=pd.DataFrame({"tone": tones}), columns=["tone"])


def draw(
    generator: np.random.Generator,
    *,
    num_seeds: int = 4,
    between: float = 0.3,
    shared: float = 0.7,
    level: float = 3.5,
    tones: np.ndarray = TONES,
    num_negatives: int = 1000,
) -> SeedScores:
    """Draw scores of which a part is the image's own, the same for all seeds."""

    def noise(size: int) -> np.ndarray:
        image, seed = generator.normal(size=size), generator.normal(size=(num_seeds, size))
        return math.sqrt(shared) * image + math.sqrt(1.0 - shared) * seed

    moved = generator.normal(0.0, between, (num_seeds, 1))
    return SeedScores(
        seeds=tuple(f"s{k}" for k in range(num_seeds)),
        faces=level - 0.6 * (tones == "dark") + moved + noise(tones.size),
        negatives=noise(num_negatives),
        face_clusters=np.arange(tones.size),
        negative_clusters=np.arange(num_negatives),
    )


def figures(
    scores: SeedScores, *, seed: int = 0, num_replicates: int = 100, min_group_size: int = 30
) -> dict[str, SeedFigure]:
    found = seed_figures(
        scores=scores,
        groupings=[grouping_of(TONES)],
        target_fpr=0.02,
        generator=np.random.default_rng(seed),
        num_replicates=num_replicates,
        min_group_size=min_group_size,
    )
    assert [figure.columns for figure in found] == [(), ("tone",), ("tone",)]
    return {figure.name: figure for figure in found}


def test_each_seed_has_its_own_threshold() -> None:
    scores = draw(np.random.default_rng(0))
    found = figures(scores)
    for k in range(4):
        alone = recall_at_fpr(
            y_true=np.r_[np.ones(TONES.size), np.zeros(1000)],
            y_score=np.r_[scores.faces[k], scores.negatives[k]],
            target_fpr=0.02,
            sensitive_features=pd.Series([*TONES, *[None] * 1000]),
        )
        dark, light = (alone.by_group[tone,].value for tone in ("dark", "light"))
        assert found["recall"].values[k] == pytest.approx(alone.overall.value)
        assert found["worst_recall"].values[k] == pytest.approx(min(dark, light))
        assert found["gap"].values[k] == pytest.approx(abs(dark - light))


def test_mean_and_spread_are_those_of_the_values() -> None:
    for figure in figures(draw(np.random.default_rng(0))).values():
        assert figure.mean == pytest.approx(np.mean(figure.values))
        assert figure.standard_deviation == pytest.approx(np.std(figure.values, ddof=1))
        assert figure.low < figure.mean < figure.high


def test_a_shift_of_a_models_scores_changes_nothing() -> None:
    scores = draw(np.random.default_rng(0))
    moved = dataclasses.replace(
        scores,
        faces=scores.faces + np.array([[0.0], [5.0], [-9.0], [100.0]]),
        negatives=scores.negatives + np.array([[0.0], [5.0], [-9.0], [100.0]]),
    )
    first, second = figures(scores), figures(moved)
    for name, figure in first.items():
        assert figure.values == second[name].values
        assert figure.low == pytest.approx(second[name].low, abs=1e-6)


def test_two_seeds_have_a_mean_and_no_interval() -> None:
    for figure in figures(draw(np.random.default_rng(0), num_seeds=2)).values():
        assert figure.mean == pytest.approx(np.mean(figure.values))
        assert math.isnan(figure.standard_deviation)
        assert math.isnan(figure.low)
        assert math.isnan(figure.high)


def test_seeds_that_all_find_all_are_not_sure_of_it() -> None:
    found = figures(draw(np.random.default_rng(0), level=30.0))
    assert found["recall"].values == (1.0,) * 4
    low, _ = wilson(num_successes=TONES.size, num_trials=TONES.size)
    assert found["recall"].low == pytest.approx(float(low))
    assert found["recall"].high == 1.0
    assert found["worst_recall"].low < found["recall"].low
    assert found["gap"].low == 0.0
    assert 0.005 < found["gap"].high < 0.05


def test_seeds_that_answer_alike_leave_wilsons_interval() -> None:
    # Equal models are one model: all variance is that of the images.
    scores = draw(
        np.random.default_rng(0), num_seeds=3, between=0.0, shared=1.0, num_negatives=20_000
    )
    found = figures(scores, num_replicates=300)["recall"]
    assert found.standard_deviation == 0.0
    low, high = wilson(num_successes=round(found.mean * TONES.size), num_trials=TONES.size)
    # The threshold varies with the non-faces, so it is a little wider than at a fixed one.
    assert 0.95 < (found.high - found.low) / (high - low) < 1.25


def test_without_replicates_it_is_students_interval_and_a_little() -> None:
    values = np.array([0.80, 0.84, 0.88])
    low, high = two_level_interval(
        values=values, replicates=np.tile(values, (50, 1)), num_rows=np.array([1e9])
    )
    half = 4.302653 * 0.04 / math.sqrt(3)
    assert (low, high) == pytest.approx((0.84 - half, 0.84 + half), abs=1e-6)


def test_with_equal_seeds_it_is_wilsons_interval() -> None:
    generator = np.random.default_rng(0)
    drawn = generator.binomial(400, 0.9, size=200_000)[:, None] / 400
    found = two_level_interval(
        values=np.full(3, 0.9), replicates=np.repeat(drawn, 3, axis=1), num_rows=np.array([400.0])
    )
    low, high = wilson(num_successes=360, num_trials=400)
    assert found == pytest.approx((float(low), float(high)), abs=2e-4)


def test_what_images_do_to_one_seed_alone_counts_once() -> None:
    # Values that vary over images independently in each seed are in the spread already.
    generator = np.random.default_rng(0)
    values = np.array([0.80, 0.84, 0.88])
    drawn = values + generator.normal(0, 0.04, (20_000, 3))
    alone = two_level_interval(
        values=values, replicates=np.tile(values, (9, 1)), num_rows=np.array([1e9])
    )
    found = two_level_interval(values=values, replicates=drawn, num_rows=np.array([1e9]))
    assert found == pytest.approx(alone, abs=2e-3)


def test_replicates_without_a_group_are_left_out() -> None:
    values = np.array([0.8, 0.84, 0.88])
    drawn = values + np.random.default_rng(0).normal(0, 0.02, (500, 1))
    with_gaps = np.concatenate([drawn, [[math.nan, 0.8, 0.9]] * 50])
    size = np.array([200.0])
    assert two_level_interval(values=values, replicates=drawn, num_rows=size) == two_level_interval(
        values=values, replicates=with_gaps, num_rows=size
    )


def test_persons_widen_the_interval() -> None:
    generator = np.random.default_rng(0)
    scores = draw(generator, between=0.05, shared=1.0)
    persons = np.arange(TONES.size) // 10
    same = np.repeat(generator.normal(size=persons.max() + 1), 10)[: TONES.size]
    scores = dataclasses.replace(scores, faces=scores.faces * 0.3 + same + 2.3)
    alone, shared = (
        figures(dataclasses.replace(scores, face_clusters=codes), min_group_size=10)["recall"]
        for codes in (np.arange(TONES.size), persons)
    )
    assert shared.high - shared.low > 1.5 * (alone.high - alone.low)


def test_replicates_are_those_of_a_comparison() -> None:
    # With two of the seeds the same samples are drawn as for the comparison of two models.
    scores = draw(np.random.default_rng(0), num_seeds=3)
    scores = dataclasses.replace(
        scores, faces=np.round(scores.faces, 1), negatives=np.round(scores.negatives, 1)
    )
    pair = PairedScores(
        faces=scores.faces[:2],
        negatives=scores.negatives[:2],
        face_clusters=scores.face_clusters,
        negative_clusters=scores.negative_clusters,
    )
    (drawn,) = bootstrap_recalls(
        scores=pair,
        groupings=[grouping_of(np.full(TONES.size, "all"))],
        target_fpr=0.02,
        generator=np.random.default_rng(3),
        num_replicates=30,
    )
    both = dataclasses.replace(
        scores,
        seeds=("a", "b", "c"),
        faces=scores.faces[[0, 1, 1]],
        negatives=scores.negatives[[0, 1, 1]],
    )
    found = figures(both, seed=3, num_replicates=30)["recall"]
    low, high = two_level_interval(
        values=np.array(found.values),
        replicates=drawn[:, [0, 1, 1], 0],
        num_rows=np.array([float(TONES.size)]),
    )
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


def test_the_same_generator_gives_the_same_interval() -> None:
    scores = draw(np.random.default_rng(0))
    assert figures(scores) == figures(scores)
    assert figures(scores)["gap"].low != figures(scores, seed=1)["gap"].low


def test_too_few_negatives_are_refused() -> None:
    with pytest.raises(TooFewNegativesError):
        figures(draw(np.random.default_rng(0), num_negatives=400))


def test_groupings_without_ranked_groups_have_no_figures() -> None:
    scores = draw(np.random.default_rng(0))
    found = seed_figures(
        scores=scores,
        groupings=[grouping_of(np.full(TONES.size, None)), grouping_of(np.full(TONES.size, "a"))],
        target_fpr=0.02,
        generator=np.random.default_rng(0),
        num_replicates=10,
    )
    assert [figure.name for figure in found] == ["recall", "worst_recall"]
    assert found[1].values == found[0].values


@pytest.mark.parametrize("between", [0.0, 0.3])
def test_intervals_cover_what_other_seeds_and_images_give(between: float) -> None:
    tones = np.repeat(["dark", "light"], [150, 300])

    def mean_figures(generator: np.random.Generator, num_seeds: int) -> tuple[SeedFigure, ...]:
        return seed_figures(
            scores=draw(generator, num_seeds=num_seeds, between=between, tones=tones),
            groupings=[grouping_of(tones)],
            target_fpr=0.02,
            generator=generator,
            num_replicates=40,
        )

    generator = np.random.default_rng(0)
    truth = np.mean([[f.mean for f in mean_figures(generator, 2)] for _ in range(300)], axis=0)
    covered = np.mean(
        [
            [f.low <= true <= f.high for f, true in zip(found, truth, strict=True)]
            for found in (mean_figures(generator, 4) for _ in range(80))
        ],
        axis=0,
    )
    assert (covered >= 0.88).all(), covered


def rows(ids: list[str], seed: str, *, start: float) -> pd.DataFrame:
    table = pd.DataFrame({"image_id": ids, "seed": seed})
    table["y_score"] = start + table["image_id"].str.slice(1).astype(float)
    table["y_true"] = table["image_id"].str.startswith("f")
    return table.assign(cluster="p" + table["image_id"].str.slice(1, 2))


def test_rows_are_stacked_by_id_in_the_order_of_the_first_seed() -> None:
    table = pd.concat(
        [
            rows(["f3", "n7", "f1", "n2"], "b", start=0.0),
            rows(["n2", "f1", "f3", "n7"], "a", start=10.0),
        ]
    )
    found = stack_seeds(table, seeds=["a", "b"])
    assert found.seeds == ("a", "b")
    assert found.faces.tolist() == [[11.0, 13.0], [1.0, 3.0]]
    assert found.negatives.tolist() == [[12.0, 17.0], [2.0, 7.0]]
    assert found.face_clusters.tolist() == found.negative_clusters.tolist() == [0, 1]


@pytest.mark.parametrize("other", [["f1"], ["f1", "f2", "f3"], ["f1", "f3"], ["f1", "f2", "f2"]])
def test_seeds_judge_the_same_images(other: list[str]) -> None:
    table = pd.concat([rows(["f1", "f2"], "a", start=0.0), rows(other, "b", start=0.0)])
    with pytest.raises(ValueError, match="'b' judges other images than seed 'a'"):
        stack_seeds(table, seeds=["a", "b"])


def test_groups_of_few_persons_do_not_count() -> None:
    scores = draw(np.random.default_rng(0))
    few = dataclasses.replace(
        scores, face_clusters=np.r_[np.arange(150) % 29, 29 + np.arange(TONES.size - 150)]
    )
    for given, names in (
        (scores, ["recall", "worst_recall", "gap"]),
        (few, ["recall", "worst_recall"]),
    ):
        found = seed_figures(
            scores=given,
            groupings=[grouping_of(TONES)],
            target_fpr=0.02,
            generator=np.random.default_rng(0),
            num_replicates=20,
        )
        assert [figure.name for figure in found] == names
