from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar

from debias.errors import TooFewNegativesError
from debias.metrics.bootstrap import PairedScores
from debias.metrics.comparison import Comparison, compare_at_fpr
from debias.metrics.counts import Grouping, group_rows
from debias.metrics.operating_point import recall_at_fpr
from debias.metrics.paired import Difference

TONES = np.repeat(["dark", "light"], [100, 300])


def grouping_of(tones: np.ndarray) -> Grouping:
    return group_rows(sensitive_features=pd.DataFrame({"tone": tones}), columns=["tone"])


def draw(
    generator: np.random.Generator,
    *,
    gain: float = 0.0,
    noise: float = 0.5,
    num_negatives: int = 1000,
) -> PairedScores:
    """Draw scores that two models largely share; the first is better on dark faces by ``gain``."""
    common = np.r_[generator.normal(2.5, 1, TONES.size), generator.normal(0, 1, num_negatives)]
    both = common + generator.normal(0, noise, (2, common.size))
    both[0, : TONES.size][TONES == "dark"] += gain
    return PairedScores(
        faces=both[:, : TONES.size],
        negatives=both[:, TONES.size :],
        face_clusters=np.arange(TONES.size),
        negative_clusters=np.arange(num_negatives),
    )


def compare(scores: PairedScores, *, num_replicates: int = 200, seed: int = 0) -> Comparison:
    return compare_at_fpr(
        scores=scores,
        groupings=[grouping_of(TONES)],
        target_fpr=0.05,
        generator=np.random.default_rng(seed),
        num_replicates=num_replicates,
    )


def limits(difference: Difference | None) -> tuple[float, float, float]:
    assert difference is not None
    return difference.value, difference.low, difference.high


def test_figures_are_those_of_either_model_alone() -> None:
    scores = draw(np.random.default_rng(0), gain=0.5)
    found = compare(scores).groupings[0]
    y_true = np.r_[np.ones(TONES.size), np.zeros(scores.negatives.shape[1])]
    tone = pd.Series(np.r_[TONES, np.full(scores.negatives.shape[1], None)])
    values = []
    for model in range(2):
        alone = recall_at_fpr(
            y_true=y_true,
            y_score=np.r_[scores.faces[model], scores.negatives[model]],
            target_fpr=0.05,
            sensitive_features=tone,
        )
        assert found.recall[model] == (alone.by_group["dark",], alone.by_group["light",])
        values.append([rate.value for rate in found.recall[model]])
    first, second = np.array(values)
    assert [d.value for d in found.differences] == pytest.approx(list(first - second))
    assert limits(found.worst_recall)[0] == pytest.approx(first.min() - second.min())
    assert limits(found.gap)[0] == pytest.approx(np.ptp(first) - np.ptp(second))


def test_swapping_the_models_turns_the_signs() -> None:
    scores = draw(np.random.default_rng(0), gain=0.5)
    turned = PairedScores(
        faces=scores.faces[::-1],
        negatives=scores.negatives[::-1],
        face_clusters=scores.face_clusters,
        negative_clusters=scores.negative_clusters,
    )
    one, other = (compare(x).groupings[0].differences[0] for x in (scores, turned))
    assert limits(one) == pytest.approx((-other.value, -other.high, -other.low), abs=1e-9)


def test_a_model_against_itself_differs_in_nothing_but_is_not_sure_of_it() -> None:
    scores = draw(np.random.default_rng(0), noise=0.0)
    found = compare(scores).groupings[0]
    for difference in (*found.differences, found.worst_recall, found.gap):
        value, low, high = limits(difference)
        assert value == 0.0
        assert low < 0.0 < high


def test_a_monotone_change_of_scores_is_no_difference() -> None:
    scores = draw(np.random.default_rng(0), noise=0.0)
    changed = PairedScores(
        faces=np.stack([scores.faces[0], np.tanh(scores.faces[0] / 4)]),
        negatives=np.stack([scores.negatives[0], np.tanh(scores.negatives[0] / 4)]),
        face_clusters=scores.face_clusters,
        negative_clusters=scores.negative_clusters,
    )
    assert [d.value for d in compare(changed).groupings[0].differences] == [0.0, 0.0]


def test_intervals_cover_the_true_difference() -> None:
    truth = compare_truth(gain=0.4)
    num_repeats = 80
    covered = np.zeros(2)
    for seed in range(num_repeats):
        scores = draw(np.random.default_rng(seed), gain=0.4)
        found = compare(scores, num_replicates=100, seed=seed).groupings[0]
        covered += [d.low <= t <= d.high for d, t in zip(found.differences, truth, strict=True)]
    assert (covered / num_repeats >= 0.88).all()


def compare_truth(*, gain: float) -> tuple[float, float]:
    """Return the differences in recall that :func:`draw` has in the limit of many images."""
    generator = np.random.default_rng(99)
    spread = np.sqrt(1.25)
    threshold = np.quantile(generator.normal(0, spread, 2_000_000), 0.95)
    faces = generator.normal(2.5, spread, 2_000_000)
    return float(np.mean(faces + gain >= threshold) - np.mean(faces >= threshold)), 0.0


def test_thresholds_are_drawn_anew_with_the_non_faces() -> None:
    """With few pictures of many windows the threshold is uncertain, and so is the difference."""
    scores = draw(np.random.default_rng(0), noise=1.0)
    few = PairedScores(
        faces=scores.faces,
        negatives=scores.negatives + np.random.default_rng(1).normal(0, 2, (2, 10)).repeat(100, 1),
        face_clusters=scores.face_clusters,
        negative_clusters=np.repeat(np.arange(10), 100),
    )
    many = PairedScores(
        faces=few.faces,
        negatives=few.negatives,
        face_clusters=few.face_clusters,
        negative_clusters=np.arange(1000),
    )
    (_, low, high), (_, low_many, high_many) = (
        limits(compare(x).groupings[0].differences[1]) for x in (few, many)
    )
    assert high - low > 2 * (high_many - low_many)


def test_groups_too_small_to_rank_have_no_worst_and_no_gap() -> None:
    scores = draw(np.random.default_rng(0))
    for min_group_size, expected in [(101, (True, False)), (301, (False, False))]:
        found = compare_at_fpr(
            scores=scores,
            groupings=[grouping_of(TONES)],
            target_fpr=0.05,
            generator=np.random.default_rng(0),
            num_replicates=20,
            min_group_size=min_group_size,
        ).groupings[0]
        assert (found.worst_recall is not None, found.gap is not None) == expected


def test_too_few_negatives_are_refused() -> None:
    with pytest.raises(TooFewNegativesError, match="200 non-faces"):
        compare(draw(np.random.default_rng(0), num_negatives=199))


def test_discordant_faces_are_counted_and_tested_by_group() -> None:
    scores = draw(np.random.default_rng(3), gain=0.5)
    found = compare(scores).groupings[0]
    first, second = (
        scores.faces[model]
        > np.sort(scores.negatives[model])[-1 - int(0.05 * scores.negatives.shape[1])]
        for model in (0, 1)
    )
    for code, group in enumerate(found.grouping.groups):
        rows = group[0] == TONES
        gained, lost = int((first & ~second)[rows].sum()), int((second & ~first)[rows].sum())
        assert found.discordant[code] == (gained, lost)
        table = [[0, gained], [lost, 0]]
        assert found.p_values[code] == pytest.approx(sm_mcnemar(table, exact=True).pvalue)
        assert gained > 0


def test_like_gaps_are_not_shown_to_differ_for_a_difference_in_recall() -> None:
    """The lower the recalls the wider they scatter: a gap by chance is no gap."""
    generator = np.random.default_rng(0)
    tones = np.repeat(list("abcdefgh"), 100)
    shown = 0
    for _ in range(40):
        negatives = generator.normal(0, 1, (2, 1000))
        faces = generator.normal([[4.2], [1.9]], 1, (2, tones.size))
        scores = PairedScores(
            faces=faces,
            negatives=negatives,
            face_clusters=np.arange(tones.size),
            negative_clusters=np.arange(1000),
        )
        found = compare_at_fpr(
            scores=scores,
            groupings=[grouping_of(tones)],
            target_fpr=0.05,
            generator=generator,
            num_replicates=100,
        ).groupings[0]
        _, low, high = limits(found.gap)
        shown += low > 0 or high < 0
    assert shown <= 4


def test_groups_of_few_persons_have_no_worst_and_no_gap() -> None:
    scores = draw(np.random.default_rng(0))
    persons = np.r_[np.repeat(np.arange(20), 5), 20 + np.arange(300)]  # the dark faces are of 20
    shared = PairedScores(
        faces=scores.faces,
        negatives=scores.negatives,
        face_clusters=persons,
        negative_clusters=scores.negative_clusters,
    )
    found = compare(shared, num_replicates=20).groupings[0]
    assert found.ranked.tolist() == [1]
    assert found.gap is None
    assert compare(scores, num_replicates=20).groupings[0].ranked.tolist() == [0, 1]
