from __future__ import annotations

import dataclasses
from typing import Any

import fairlearn.metrics
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debias.metrics.disparities import gap, null_gap
from debias.metrics.intervals import newcombe, rate
from debias.metrics.measures import Negatives
from debias.metrics.mover import mover_ratio
from debias.metrics.parity import (
    ALL_ZERO,
    MISSES_ALONE,
    NO_GROUPED_NEGATIVES,
    PARITY_RATES,
    TOO_FEW_GROUPS,
    Disparity,
    gini,
    parity_measures,
)
from debias.metrics.tally import Tally, tally_counts, tally_rows
from debias.reporting.point_schema import DisparityJson

Key = tuple[str, str, str]


def judged(
    tally: Tally,
    ranked: Any = None,
    negatives: Negatives = "grouped",
    num_replicates: int = 400,
    confidence: float = 0.95,
) -> dict[Key, Disparity]:
    positions = np.arange(tally.num_groups) if ranked is None else np.asarray(ranked)
    found = parity_measures(
        tally=tally,
        ranked=positions,
        negatives=negatives,
        generator=np.random.default_rng(0),
        num_replicates=num_replicates,
        confidence=confidence,
    )
    keyed: dict[Key, Disparity] = {(item.name, item.kind, item.method): item for item in found}
    assert len(keyed) == len(found) == 14
    return keyed


def counts_of(*groups: tuple[int, int, int, int]) -> Tally:
    """Groups of (true positives, positives, false positives, negatives)."""
    return tally_counts(np.array([[[n - fp, fp], [m - tp, tp]] for tp, m, fp, n in groups]))


def test_entries_fit_the_report() -> None:
    fields = {field.name for field in dataclasses.fields(Disparity)}
    assert fields == set(DisparityJson.__annotations__)


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10**6), st.integers(2, 4), st.booleans())
def test_values_are_those_of_fairlearn(seed: int, num_groups: int, weighted: bool) -> None:
    generator = np.random.default_rng(seed)
    codes = np.concatenate([np.repeat(np.arange(num_groups), 8), generator.integers(0, 2, 100)])
    y_true = np.concatenate([np.tile([0, 0, 1, 1], 2 * num_groups), generator.integers(0, 2, 100)])
    # Every group has both answers to both labels, so that no ratio is 0 / 0.
    y_pred = np.concatenate([np.tile([0, 1], 4 * num_groups), generator.integers(0, 2, 100)])
    weights = generator.random(codes.size) + 0.1 if weighted else None
    found = judged(
        tally_rows(
            y_true=y_true,
            y_pred=y_pred,
            codes=codes,
            num_groups=num_groups,
            sample_weight=weights,
        ),
        num_replicates=20,
    )
    for name in PARITY_RATES:
        for kind in ("difference", "ratio"):
            for method in ("between_groups", "to_overall"):
                expected = getattr(fairlearn.metrics, f"{name}_{kind}")(
                    y_true,
                    y_pred,
                    sensitive_features=codes,
                    method=method,
                    sample_weight=weights,
                )
                entry = found[name, kind, method]
                assert entry.status == "estimated"
                assert entry.value == pytest.approx(expected, abs=1e-12)
                assert entry.low is not None
                assert entry.high is not None
                assert entry.value is not None
                assert 0.0 <= entry.low <= entry.value <= entry.high <= 1.0


def test_equal_opportunity_between_groups_is_the_gap() -> None:
    tally = counts_of((90, 100, 3, 60), (40, 50, 6, 80), (295, 300, 2, 90))
    rates = [rate(num_successes=k, num_trials=n) for k, n in ((90, 100), (40, 50), (295, 300))]
    entry = judged(tally, num_replicates=4000)["equal_opportunity", "difference", "between_groups"]
    expected = gap(rates=rates)
    assert (entry.value, entry.low, entry.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    null = null_gap(rates=rates, generator=np.random.default_rng(1))
    assert entry.null_median == pytest.approx(null.median, rel=0.05)


def test_two_groups_have_the_intervals_of_one_pair() -> None:
    found = judged(counts_of((90, 100, 3, 60), (40, 60, 9, 80)), negatives="pool")
    low, high = mover_ratio(num_successes=(40, 90), num_trials=(60, 100))
    entry = found["equal_opportunity", "ratio", "between_groups"]
    assert (entry.low, entry.high) == pytest.approx((float(low), float(high)))
    # Against all rows there are two comparisons: p - p_all = (1 - w) (p - p_rest).
    low, high = newcombe(num_successes=(90, 40), num_trials=(100, 60), confidence=0.975)
    entry = found["equal_opportunity", "difference", "to_overall"]
    assert (entry.low, entry.high) == pytest.approx((100 / 160 * low, 100 / 160 * high))


def test_to_overall_sets_each_group_against_all_others() -> None:
    """Of three groups, the first is furthest from all rows, above them."""
    tally = counts_of((99, 100, 0, 0), (40, 60, 0, 0), (150, 200, 0, 0))
    entry = judged(tally, negatives="pool")["equal_opportunity", "difference", "to_overall"]
    level = 1.0 - 0.05 / 3.0
    low, _ = newcombe(num_successes=(99, 190), num_trials=(100, 260), confidence=level)
    # The second group, of fewer rows, may be further away than the first is.
    _, high = newcombe(num_successes=(249, 40), num_trials=(300, 60), confidence=level)
    assert entry.value == pytest.approx(0.99 - 289 / 360)
    assert entry.low == pytest.approx(float(low) * 260 / 360)
    assert entry.high == pytest.approx(float(high) * 300 / 360)


def test_equalized_odds_takes_the_worse_rate_at_half_the_error() -> None:
    tally = counts_of((90, 100, 3, 60), (80, 100, 30, 80))
    found = judged(tally)
    entry = found["equalized_odds", "difference", "between_groups"]
    first, second = (
        newcombe(num_successes=k, num_trials=n, confidence=0.975)
        for k, n in (((90, 80), (100, 100)), ((30, 3), (80, 60)))
    )
    assert entry.value == pytest.approx(30 / 80 - 3 / 60)
    assert entry.low == pytest.approx(max(first[0], second[0]))
    assert entry.high == pytest.approx(max(first[1], second[1]))


@pytest.mark.parametrize("kind", ["difference", "ratio"])
def test_overall_includes_what_is_not_ranked(kind: str) -> None:
    tally = counts_of((90, 100, 3, 60), (80, 100, 9, 60), (1, 40, 30, 60))
    entry = judged(tally, ranked=[0, 1])["equal_opportunity", kind, "to_overall"]
    everybody = 171 / 240
    expected = 0.9 - everybody if kind == "difference" else everybody / 0.9
    assert entry.value == pytest.approx(expected)
    between = judged(tally, ranked=[0, 1])["equal_opportunity", kind, "between_groups"]
    assert between.value == pytest.approx(0.1 if kind == "difference" else 8 / 9)


@pytest.mark.parametrize(
    ("sizes", "recall", "fpr"),
    [
        ((200, 200), (0.95, 0.95), (0.05, 0.05)),
        ((400, 150, 100), (0.97, 0.9, 0.8), (0.02, 0.1, 0.1)),
    ],
)
def test_intervals_cover(sizes: Any, recall: Any, fpr: Any) -> None:
    generator = np.random.default_rng(0)
    size = np.array(sizes)
    exact = 10**7 * size
    truth = judged(
        counts_of(
            *((int(r * m), m, int(f * m), m) for r, f, m in zip(recall, fpr, exact, strict=True))
        )
    )
    covered = dict.fromkeys(truth, 0)
    num_repeats = 120
    for _ in range(num_repeats):
        tp, fp = generator.binomial(size, recall), generator.binomial(size, fpr)
        for key, entry in judged(
            counts_of(*zip(tp, size, fp, size, strict=True)), num_replicates=200
        ).items():
            aim = truth[key].value
            assert aim is not None
            assert entry.low is not None
            assert entry.high is not None
            covered[key] += int(entry.low - 1e-6 <= aim <= entry.high + 1e-6)
    assert min(covered.values()) >= 0.9 * num_repeats


def test_clusters_widen() -> None:
    generator = np.random.default_rng(0)
    hits, codes = generator.random(300) < 0.85, generator.integers(0, 2, 300)
    rows: dict[str, Any] = {
        "y_true": np.ones(1200),
        "y_pred": np.repeat(hits, 4),
        "codes": np.repeat(codes, 4),
        "num_groups": 2,
    }
    key = ("equal_opportunity", "difference", "to_overall")
    plain = judged(tally_rows(**rows), negatives="pool")
    shared = judged(tally_rows(**rows, clusters=np.repeat(np.arange(300), 4)), negatives="pool")
    once = judged(
        tally_rows(y_true=np.ones(300), y_pred=hits, codes=codes, num_groups=2), negatives="pool"
    )
    assert shared[key].high == pytest.approx(once[key].high, rel=0.05)
    narrow, wide = plain[key].high, shared[key].high
    assert narrow is not None
    assert wide is not None
    assert narrow < wide
    assert shared[key].null_median == pytest.approx(once[key].null_median, rel=0.15)
    garbe = ("garbe", "index", "between_groups")
    assert shared[garbe].high == pytest.approx(once[garbe].high, rel=0.1)


def test_gini_known_answers() -> None:
    assert gini(np.array([0.2, 0.2, 0.2])) == pytest.approx(0.0)
    assert gini(np.array([0.0, 0.0, 0.3])) == pytest.approx(1.0)
    assert np.isnan(gini(np.zeros(3)))
    x = np.random.default_rng(0).random((5, 4))
    by_hand = np.abs(x[:, :, None] - x[:, None, :]).sum((1, 2)) / (2 * 16 * x.mean(1)) * 4 / 3
    np.testing.assert_allclose(gini(x), by_hand)


def test_garbe_and_fdr_known_answers() -> None:
    tally = counts_of((95, 100, 4, 100), (85, 100, 2, 100))
    found = judged(tally)
    misses, false = np.array([0.05, 0.15]), np.array([0.04, 0.02])
    assert found["garbe", "index", "between_groups"].value == pytest.approx(
        (gini(misses) + gini(false)) / 2
    )
    assert found["fdr", "index", "between_groups"].value == pytest.approx(1 - (0.1 + 0.02) / 2)
    alone = judged(tally, negatives="pool")
    assert alone["garbe", "index", "between_groups"].value == pytest.approx(gini(misses))
    entry = alone["fdr", "index", "between_groups"]
    low, high = newcombe(num_successes=(95, 85), num_trials=(100, 100))
    assert (entry.value, entry.low, entry.high) == pytest.approx((0.9, 1 - high, 1 - low))
    assert entry.reason == MISSES_ALONE
    assert found["fdr", "index", "between_groups"].reason is None


def test_chance_alone_is_unequal_and_less_so_in_large_groups() -> None:
    """A hundred times the rows: a tenth of the inequality by chance."""
    few, many = (
        judged(
            counts_of((9 * size, 10 * size, size, 10 * size), (10 * size, 10 * size, 0, 10 * size)),
            num_replicates=4000,
        )
        for size in (10, 1000)
    )
    for key, entry in few.items():
        small, large = entry.null_median, many[key].null_median
        assert small is not None
        assert large is not None
        if entry.kind == "ratio" or entry.name == "fdr":
            small, large = 1.0 - small, 1.0 - large
        # Ratios of small rates and Gini coefficients are bounded, and not in proportion.
        bounded = entry.name == "equalized_odds" and entry.kind == "ratio"
        assert 0.0 < large < small * (0.3 if bounded or entry.name == "garbe" else 0.13)


def test_results_follow_from_the_generator() -> None:
    tally = counts_of((90, 100, 3, 60), (40, 60, 9, 80))
    assert judged(tally) == judged(tally)


def test_a_pool_of_negatives_leaves_recall_alone() -> None:
    found = judged(counts_of((90, 100, 0, 0), (40, 60, 0, 0)), negatives="pool")
    for (name, _, _), entry in found.items():
        if name in ("demographic_parity", "equalized_odds"):
            assert (entry.status, entry.reason) == ("not_applicable", NO_GROUPED_NEGATIVES)
            assert entry.value is entry.low is entry.high is entry.null_median is None
        else:
            assert entry.status == "estimated"


@pytest.mark.parametrize("ranked", [[], [1]])
def test_fewer_than_two_groups_are_not_compared(ranked: list[int]) -> None:
    positions = np.array(ranked, dtype=np.intp)
    for entry in judged(counts_of((90, 100, 0, 9), (40, 60, 2, 9)), ranked=positions).values():
        assert (entry.status, entry.reason) == ("not_estimable", TOO_FEW_GROUPS)
        assert entry.value is None


def test_a_ranked_group_without_a_denominator() -> None:
    found = judged(counts_of((90, 100, 3, 60), (40, 60, 0, 0)))
    odds = found["equalized_odds", "difference", "between_groups"]
    assert (odds.status, odds.reason) == ("not_estimable", "A ranked group has no negatives.")
    assert found["garbe", "index", "between_groups"].status == "not_estimable"
    assert found["equal_opportunity", "ratio", "to_overall"].status == "estimated"
    assert found["demographic_parity", "ratio", "to_overall"].status == "estimated"


def test_nought_over_nought_is_no_ratio() -> None:
    found = judged(counts_of((0, 100, 0, 60), (0, 60, 0, 80)))
    for (name, kind, _), entry in found.items():
        if kind == "ratio" or name == "garbe":
            assert (entry.status, entry.reason) == ("not_estimable", ALL_ZERO)
        elif name != "fdr":
            assert (entry.value, entry.low, entry.status) == (0.0, 0.0, "estimated")
            assert entry.high is not None
            assert entry.high > 0.01


def test_one_group_answered_never_1() -> None:
    found = judged(counts_of((0, 100, 0, 60), (30, 60, 8, 80)))
    entry = found["equal_opportunity", "ratio", "between_groups"]
    assert (entry.value, entry.low) == (0.0, 0.0)
    assert entry.high is not None
    assert 0.0 < entry.high < 0.2


def test_one_person_alone_in_a_group() -> None:
    tally = tally_rows(
        y_true=np.ones(60),
        y_pred=np.arange(60) % 7 > 0,
        codes=np.repeat([0, 1, 2], 20),
        num_groups=3,
        clusters=np.concatenate([np.arange(40), np.full(20, 99)]),
    )
    found = judged(tally, negatives="pool")
    entry = found["equal_opportunity", "difference", "between_groups"]
    assert entry.high is not None
    assert entry.high > 0.5
    assert (
        judged(tally, ranked=[0, 1], negatives="pool")[
            "equal_opportunity", "difference", "to_overall"
        ].status
        == "estimated"
    )


@pytest.mark.parametrize("confidence", [0.9, 0.99])
@pytest.mark.parametrize("method", ["between_groups", "to_overall"])
def test_limits_take_student_for_their_own_confidence(method: str, confidence: float) -> None:
    """As if the design effects had been made for the level that Bonferroni leaves to each of 3."""
    generator = np.random.default_rng(0)
    rows: dict[str, Any] = {
        "y_true": np.ones(180, dtype=bool),
        "y_pred": generator.random(180) < np.repeat(generator.beta(4, 1, 36), 5),
        "codes": np.repeat(np.arange(3), 60),
        "num_groups": 3,
        "clusters": np.repeat(np.arange(36), 5),
    }
    at_level, usual = (
        tally_rows(**rows, confidence=level) for level in (1.0 - (1.0 - confidence) / 3.0, 0.95)
    )
    assert (at_level.recall.design_effects != usual.recall.design_effects).all()
    limits = []
    for tally in (at_level, usual):
        found = parity_measures(
            tally=tally,
            ranked=np.arange(3),
            negatives="pool",
            generator=np.random.default_rng(0),
            num_replicates=50,
            confidence=confidence,
        )
        limits.append(
            [
                (item.low, item.high)
                for item in found
                if item.name == "equal_opportunity" and item.method == method
            ]
        )
    first, second = np.array(limits)
    np.testing.assert_allclose(first, second)
    if method == "between_groups":
        effects = at_level.recall.design_effects
        hits = at_level.recall.num_successes
        expected = [
            newcombe(
                num_successes=(hits[i], hits[j]),
                num_trials=(60, 60),
                confidence=1.0 - (1.0 - confidence) / 3.0,
                design_effect=(effects[i], effects[j]),
            )
            for i, j in ((0, 1), (0, 2), (1, 2))
        ]
        assert first[0, 1] == pytest.approx(max(max(high, -low) for low, high in expected))
