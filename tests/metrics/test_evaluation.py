from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from debias.metrics.counts import group_rows
from debias.metrics.evaluation import (
    Evaluation,
    GroupedRows,
    TalliedGroups,
    evaluate,
    evaluate_tallies,
)
from debias.metrics.pairs import holm
from debias.metrics.tally import tally_counts

NUM_NEGATIVES = 1000


def evaluate_faces(features: pd.DataFrame, answers: np.ndarray) -> Evaluation:
    """Judge faces beside 1,000 negatives of which 10 are answered "face"."""
    names = list(features.columns)
    faces = np.arange(len(features))
    return evaluate(
        y_true=np.r_[np.ones(len(faces), dtype=bool), np.zeros(NUM_NEGATIVES, dtype=bool)],
        y_pred=np.r_[answers, np.arange(NUM_NEGATIVES) < 10],
        groupings=[
            GroupedRows(
                grouping=group_rows(sensitive_features=features, columns=columns), rows=faces
            )
            for columns in ([names[0]], names)
        ],
        negatives="pool",
        generator=np.random.default_rng(0),
    )


@pytest.fixture
def features() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "tone": generator.choice(["dark", "light"], 800),
            "gender": generator.choice(["female", "male"], 800),
        }
    )


def test_a_perfect_model_has_no_gap(features: pd.DataFrame) -> None:
    found = evaluate_faces(features, np.ones(800, dtype=bool))
    assert found.recall.value == 1.0
    assert found.fpr.value == 0.01
    for result in found.groupings:
        assert result.gap is not None
        assert result.gap.value == 0.0
        assert result.accuracies.variance.value == 0.0
        assert set(result.adjusted_p_values) == {1.0}


def test_one_broken_group_is_found(features: pd.DataFrame) -> None:
    broken = (features["tone"] == "dark") & (features["gender"] == "female")
    answers = np.where(broken, np.arange(800) % 2 == 0, np.arange(800) % 10 > 0)
    result = evaluate_faces(features, answers).groupings[1]
    assert result.gap is not None
    assert result.null_gap is not None
    names = [result.groups[code] for code in result.ranked]
    assert names[result.gap.worst] == ("dark", "female")
    assert result.gap.low > result.null_gap.percentile_95
    assert result.null_gap.p_value < 0.001
    differing = [
        {names[pair.first], names[pair.second]}
        for pair, p in zip(result.pairs, result.adjusted_p_values, strict=True)
        if p < 0.05
    ]
    assert len(differing) == 3
    assert all(("dark", "female") in pair for pair in differing)


def test_pairs_of_all_groupings_are_one_family(features: pd.DataFrame) -> None:
    answers = np.random.default_rng(1).random(800) < 0.9
    found = evaluate_faces(features, answers)
    raw = [pair.p_value for result in found.groupings for pair in result.pairs]
    adjusted = [p for result in found.groupings for p in result.adjusted_p_values]
    assert len(raw) == 1 + 6
    assert adjusted == pytest.approx(list(holm(raw)))


def test_strata_take_nothing_from_what_all_rows_show(features: pd.DataFrame) -> None:
    answers = np.where(features["tone"] == "dark", np.arange(800) % 20 > 1, np.arange(800) % 20 > 0)

    def groupings(num_strata: int) -> list[GroupedRows]:
        found = []
        for number in range(-1, num_strata):
            rows = np.arange(800) if number < 0 else np.flatnonzero(np.arange(800) % 4 == number)
            grouping = group_rows(sensitive_features=features.iloc[rows], columns=["tone"])
            within = {} if number < 0 else {"part": str(number)}
            found.append(GroupedRows(grouping=grouping, rows=rows, within=within))
        return found

    alone, beside = (
        evaluate(
            y_true=np.ones(800),
            y_pred=answers,
            groupings=groupings(num_strata),
            negatives="pool",
            generator=np.random.default_rng(0),
        ).groupings
        for num_strata in (0, 4)
    )
    assert alone[0].verdict == beside[0].verdict
    assert alone[0].adjusted_p_values == beside[0].adjusted_p_values
    raw = [result.pairs[0].p_value for result in beside[1:]]
    assert [result.adjusted_p_values[0] for result in beside[1:]] == pytest.approx(list(holm(raw)))


def test_one_group_has_no_gap_and_no_faces_no_recall() -> None:
    one = pd.DataFrame({"tone": ["dark"] * 50, "gender": ["female"] * 50})
    found = evaluate_faces(one, np.ones(50, dtype=bool))
    assert [result.gap for result in found.groupings] == [None, None]
    assert found.groupings[0].accuracies.mean_of_groups.value == 1.0
    none = evaluate_faces(one.iloc[:0], np.zeros(0, dtype=bool))
    assert np.isnan(none.recall.value)
    assert none.groupings[1].groups == ()


def test_faces_have_persons_and_non_faces_have_pictures() -> None:
    found = evaluate(
        y_true=np.r_[np.ones(200, dtype=bool), np.zeros(800, dtype=bool)],
        y_pred=np.r_[np.repeat(np.arange(50) < 40, 4), np.repeat(np.arange(100) < 5, 8)],
        groupings=[],
        negatives="pool",
        generator=np.random.default_rng(0),
        clusters=np.r_[np.repeat(np.arange(50), 4), 50 + np.repeat(np.arange(100), 8)],
    )
    assert found.recall.design_effect == pytest.approx(4, rel=0.1)
    assert found.fpr.design_effect == pytest.approx(8, rel=0.1)


def test_a_verdict_follows_from_adjusted_p_values_and_margin(features: pd.DataFrame) -> None:
    broken = (features["tone"] == "dark") & (features["gender"] == "female")
    answers = np.where(broken, np.arange(800) % 2 == 0, np.arange(800) % 10 > 0)
    by_tone, by_both = (result.verdict for result in evaluate_faces(features, answers).groupings)
    assert by_tone is not None
    assert by_both is not None
    assert (by_tone.verdict, by_tone.num_pairs, by_tone.num_different) == ("disparity", 1, 1)
    assert (by_both.verdict, by_both.num_pairs, by_both.num_different) == ("disparity", 6, 3)
    even = evaluate_faces(features, np.arange(800) % 10 > 0).groupings[1].verdict
    assert even is not None
    assert even.verdict == "inconclusive"
    assert even.needed_per_group is not None
    assert even.needed_per_group > 200


def test_grouped_negatives_count_in_their_own_group() -> None:
    tones = pd.DataFrame({"tone": np.tile(["dark", "light"], 400)})
    y_true = np.repeat([True, False], 400)
    y_pred = np.where(y_true, True, (tones["tone"] == "dark") & (np.arange(800) % 4 == 0))
    (result,) = evaluate(
        y_true=y_true,
        y_pred=y_pred,
        groupings=[
            GroupedRows(
                grouping=group_rows(sensitive_features=tones, columns=["tone"]),
                rows=np.arange(800),
            )
        ],
        negatives="grouped",
        generator=np.random.default_rng(0),
    ).groupings
    assert result.num_negatives is not None
    assert result.num_negatives.tolist() == [200, 200]
    assert [rate.num_trials for rate in result.recall] == [200, 200]
    assert [each.fpr.value for each in result.measures] == [0.5, 0.0]
    assert [each.accuracy.value for each in result.measures] == [0.75, 1.0]
    parity = next(
        each
        for each in result.disparities
        if (each.name, each.kind, each.method) == ("equalized_odds", "difference", "between_groups")
    )
    assert parity.value == 0.5


def test_counts_say_what_rows_do(features: pd.DataFrame) -> None:
    answers = np.random.default_rng(1).random(800) < 0.9
    of_rows = evaluate_faces(features, answers)
    groupings = []
    for columns in (["tone"], ["tone", "gender"]):
        grouping = group_rows(sensitive_features=features, columns=columns)
        counts = np.zeros((len(grouping.groups), 2, 2), dtype=np.int64)
        for code in range(len(grouping.groups)):
            counts[code, 1] = np.bincount(answers[grouping.codes == code], minlength=2)
        groupings.append(
            TalliedGroups(
                columns=tuple(columns), groups=grouping.groups, tally=tally_counts(counts)
            )
        )
    overall = np.array([[[NUM_NEGATIVES - 10, 10], [(~answers).sum(), answers.sum()]]])
    of_counts = evaluate_tallies(
        overall=tally_counts(overall),
        groupings=groupings,
        negatives="pool",
        generator=np.random.default_rng(0),
    )
    assert of_counts.recall == of_rows.recall
    assert of_counts.measures == of_rows.measures
    for one, other in zip(of_counts.groupings, of_rows.groupings, strict=True):
        assert (one.recall, one.measures, one.pairs) == (other.recall, other.measures, other.pairs)
        assert (one.gap, one.null_gap, one.verdict) == (other.gap, other.null_gap, other.verdict)
        assert one.disparities == other.disparities


def test_the_same_seed_gives_the_same_figures(features: pd.DataFrame) -> None:
    answers = np.random.default_rng(1).random(800) < 0.9
    first, second = (evaluate_faces(features, answers) for _ in range(2))
    assert first.groupings[0].null_gap == second.groupings[0].null_gap


def test_one_person_with_many_faces_is_no_group_to_rank() -> None:
    """300 faces of one person, 300 of sixty, 300 of as many: the first says nothing of a group."""
    tones = pd.DataFrame({"tone": np.repeat(["one", "sixty", "each"], 300)})
    persons = np.r_[np.zeros(300), 1 + np.repeat(np.arange(60), 5), 100 + np.arange(300)]
    answers = np.random.default_rng(0).random(900) < 0.9

    def judged(num_models: int, min_group_size: int = 30) -> Evaluation:
        faces = np.arange(900 * num_models)
        features = pd.concat([tones] * num_models, ignore_index=True)
        return evaluate(
            y_true=np.r_[np.ones(faces.size), np.zeros(50)],
            y_pred=np.r_[np.tile(answers, num_models), np.zeros(50)],
            groupings=[
                GroupedRows(
                    grouping=group_rows(sensitive_features=features, columns=["tone"]), rows=faces
                )
            ],
            negatives="pool",
            generator=np.random.default_rng(0),
            clusters=np.r_[np.tile(persons, num_models), 1000 + np.arange(50)].astype(int),
            min_group_size=min_group_size,
        )

    for num_models in (1, 3):  # an answer more is no face more
        found = judged(num_models).groupings[0]
        assert found.groups == (("each",), ("one",), ("sixty",))
        assert found.effective_sizes == pytest.approx([300.0, 1.0, 60.0])
        assert found.ranked.tolist() == [0, 2]
        assert judged(num_models, 61).groupings[0].ranked.tolist() == [0]
    assert judged(1, 1).groupings[0].ranked.tolist() == [0, 1, 2]


def test_uneven_weights_count_for_less() -> None:
    features = pd.DataFrame({"tone": np.repeat(["even", "uneven"], 40)})
    found = evaluate(
        y_true=np.ones(80),
        y_pred=np.arange(80) % 4 > 0,
        groupings=[
            GroupedRows(
                grouping=group_rows(sensitive_features=features, columns=["tone"]),
                rows=np.arange(80),
            )
        ],
        negatives="pool",
        generator=np.random.default_rng(0),
        sample_weight=np.r_[np.full(40, 3.0), np.where(np.arange(40) < 4, 30.0, 1.0)],
    ).groupings[0]
    assert found.effective_sizes == pytest.approx([40.0, (120 + 36) ** 2 / (3600 + 36)])
    assert found.ranked.tolist() == [0]
