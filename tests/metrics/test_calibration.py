from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special, stats
from sklearn.calibration import calibration_curve

from debias.metrics.calibration import calibration, group_calibrations
from debias.metrics.calibration_bins import NO_PROBABILITIES, POOLED_CALIBRATION, Calibration
from debias.metrics.intervals import wilson


def drawn(seed: int, num_rows: int, overconfidence: float = 1.0) -> tuple[Any, Any]:
    """Labels and scores; the log odds of the scores are too large by a factor."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(0.0, 1.5, num_rows)
    return generator.random(num_rows) < special.expit(logit), special.expit(logit * overconfidence)


def limits(found: Calibration) -> tuple[float, float, float]:
    error = found.error
    assert error.low is not None
    assert error.value is not None
    assert error.high is not None
    return error.low, error.value, error.high


def test_bins_are_those_of_scikit_learn() -> None:
    labels, scores = drawn(0, 1500)
    found = calibration(y_true=labels, y_score=scores)
    share, claim = calibration_curve(labels, scores, n_bins=15, strategy="quantile")
    assert [item.share.value for item in found.bins] == pytest.approx(share.tolist())
    assert [item.mean_score for item in found.bins] == pytest.approx(claim.tolist())
    assert [item.num_rows for item in found.bins] == [100] * 15
    assert limits(found)[1] == pytest.approx(np.mean(np.abs(share - claim)))
    first = found.bins[0].share
    low, high = wilson(num_successes=first.num_successes, num_trials=100)
    assert (first.low, first.high) == pytest.approx((float(low), float(high)))


def test_ties_are_never_split() -> None:
    scores = np.repeat([0.0, 0.5, 1.0], [80, 15, 5])
    labels = np.concatenate([np.zeros(80), np.arange(15) < 9, np.ones(5)])
    found = calibration(y_true=labels, y_score=scores)
    assert [item.num_rows for item in found.bins] == [80, 15, 5]
    assert [item.mean_score for item in found.bins] == [0.0, 0.5, 1.0]
    assert limits(found)[1] == pytest.approx(0.15 * 0.1)


def test_perfect_and_worst_scores() -> None:
    labels = np.arange(200) % 2
    low, value, high = limits(calibration(y_true=labels, y_score=labels))
    assert (low, value, high) == (0.0, 0.0, 0.0)
    low, value, _ = limits(calibration(y_true=labels, y_score=1 - labels))
    assert value == 1.0
    assert low > 0.9
    low, value, _ = limits(calibration(y_true=labels, y_score=np.full(200, 0.5)))
    assert (low, value) == (0.0, 0.0)


@pytest.mark.parametrize(("num_rows", "factor"), [(300, 1.0), (3000, 1.0), (300, 2.0), (3000, 2.0)])
def test_interval_covers_the_error_of_the_bins(num_rows: int, factor: float) -> None:
    covered = above = 0
    for seed in range(100):
        labels, scores = drawn(seed, num_rows, factor)
        found = calibration(y_true=labels, y_score=scores)
        chance = special.expit(special.logit(scores) / factor)
        ends = np.cumsum([item.num_rows for item in found.bins])[:-1]
        order = np.argsort(scores)
        truth = sum(abs(x.sum()) for x in np.split((chance - scores)[order], ends)) / num_rows
        low, _, high = limits(found)
        covered += int(low <= truth + 1e-12 <= high)
        above += int(low > 0.0)
    assert covered >= 93
    if factor == 1.0:
        assert above <= 3
    elif num_rows == 3000:
        assert above == 100


@pytest.mark.parametrize("num_rows", [200, 3000])
def test_chance_gives_a_perfect_model_what_is_said(num_rows: int) -> None:
    found = [calibration(y_true=y, y_score=s) for y, s in (drawn(i, num_rows) for i in range(200))]
    mean = np.mean([limits(item)[1] for item in found])
    assert np.mean([item.expected_by_chance for item in found]) == pytest.approx(mean, rel=0.03)
    assert f"{100 * found[0].expected_by_chance:.1f} %" in str(found[0].error.reason)


def test_expected_error_of_one_bin_is_exact() -> None:
    scores = np.full(7, 0.3)
    found = calibration(y_true=[0, 1, 0, 0, 0, 0, 1], y_score=scores)
    k = np.arange(8)
    assert found.expected_by_chance == pytest.approx(
        float(stats.binom.pmf(k, 7, 0.3) @ np.abs(k / 7 - 0.3))
    )


def test_persons_widen_the_interval() -> None:
    labels, scores = drawn(1, 300)
    clusters = np.repeat(np.arange(300), 8)
    many = np.repeat(labels, 8), np.repeat(scores, 8)
    plain = calibration(y_true=many[0], y_score=many[1])
    shared = calibration(y_true=many[0], y_score=many[1], clusters=clusters)
    once = calibration(y_true=labels, y_score=scores)
    assert limits(plain)[0] > limits(shared)[0] == 0.0
    assert limits(shared)[1] == pytest.approx(limits(once)[1])
    assert shared.expected_by_chance == pytest.approx(once.expected_by_chance, rel=0.25)
    assert shared.bins[3].share.design_effect > 4.0


def test_weights_stand_for_rows() -> None:
    labels = np.array([0, 1, 1, 0, 1])
    scores = np.array([0.2, 0.2, 0.7, 0.7, 0.7])
    weights = np.array([3.0, 1.0, 2.0, 0.0, 4.0])
    found = calibration(y_true=labels, y_score=scores, sample_weight=weights)
    assert [item.num_rows for item in found.bins] == [2, 2]
    assert [item.share.value for item in found.bins] == [0.25, 1.0]
    assert limits(found)[1] == pytest.approx(0.4 * 0.05 + 0.6 * 0.3)
    plain = calibration(y_true=labels, y_score=scores)
    same = calibration(y_true=labels, y_score=scores, sample_weight=np.full(5, 2.0))
    assert limits(same) == pytest.approx(limits(plain))


def test_groups_have_bins_of_their_own() -> None:
    labels, scores = drawn(2, 600)
    codes = np.random.default_rng(0).integers(-1, 2, 600)
    found = group_calibrations(
        y_true=labels, y_score=scores, codes=codes, num_groups=3, negatives="grouped"
    )
    for group in (0, 1):
        inside = codes == group
        alone = calibration(y_true=labels[inside], y_score=scores[inside])
        assert found[group].error == alone.error
        assert found[group].bins == alone.bins
    assert found[2].error.status == "not_estimable"
    assert found[2].error.num_trials == 0


def test_where_it_means_nothing_it_is_not_applicable() -> None:
    labels, scores = drawn(3, 100)
    for outside in (scores - 0.5, scores * 3.0):
        found = calibration(y_true=labels, y_score=outside)
        assert (found.error.status, found.error.reason) == ("not_applicable", NO_PROBABILITIES)
        assert found.bins == ()
        assert np.isnan(found.expected_by_chance)
    for label in (0, 1):
        found = calibration(y_true=np.full(100, label), y_score=scores)
        assert found.error.status == "not_applicable"
        assert found.error.value is None
    pooled = group_calibrations(
        y_true=labels, y_score=scores, codes=None, num_groups=2, negatives="pool"
    )
    assert [item.error.reason for item in pooled] == [POOLED_CALIBRATION] * 2
    assert calibration(y_true=[], y_score=[]).error.status == "not_estimable"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_bins": 0}, "bins"),
        ({"y_score": [np.inf, 0.5]}, "finite"),
        ({"y_score": [0.5]}, "y_score"),
        ({"sample_weight": [-1, 1]}, "sample_weight"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], message: str) -> None:
    rows: dict[str, Any] = {"y_true": [0, 1], "y_score": [0.1, 0.9]}
    with pytest.raises(ValueError, match=message):
        calibration(**{**rows, **change})
