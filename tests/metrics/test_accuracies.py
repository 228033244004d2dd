from __future__ import annotations

import numpy as np
import pytest

from debias.metrics.accuracies import Accuracies, accuracies
from debias.metrics.disparities import null_gap
from debias.metrics.intervals import Rate, rate, wilson


def rates_of(*counts: tuple[int, int], design_effect: float = 1.0) -> list[Rate]:
    return [rate(num_successes=k, num_trials=n, design_effect=design_effect) for k, n in counts]


def summary(
    rates: list[Rate],
    *,
    weights: list[float] | None = None,
    confidence: float = 0.95,
    num_replicates: int = 4000,
    seed: int = 0,
) -> Accuracies:
    return accuracies(
        rates=rates,
        generator=np.random.default_rng(seed),
        weights=weights,
        confidence=confidence,
        num_replicates=num_replicates,
    )


def test_accuracies_known_answer() -> None:
    """Rates of 90, 80 and 70 %: the sample variance in squared points is 100."""
    found = summary(rates_of((90, 100), (8, 10), (70, 100)))
    assert found.mean_of_groups.value == pytest.approx(0.8)
    assert found.mean_of_images.value == pytest.approx(168 / 210)
    assert found.variance.value == pytest.approx(100.0)


def test_accuracies_of_too_few_groups_are_not_estimable() -> None:
    one = summary(rates_of((9, 10)))
    assert np.isnan([one.variance.value, one.variance.low, one.variance.high]).all()
    assert one.null_variance is None
    low, high = wilson(num_successes=9, num_trials=10)
    mean = one.mean_of_groups
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.9, float(low), float(high)))
    none = summary([])
    for estimate in (none.mean_of_groups, none.mean_of_images, none.variance):
        assert np.isnan([estimate.value, estimate.low, estimate.high]).all()


def test_means_may_be_weighted() -> None:
    rates = rates_of((50, 100), (90, 100))
    assert summary(rates).mean_of_images.value == pytest.approx(0.7)
    found = summary(rates, weights=[100, 1000]).mean_of_images
    assert found.value == pytest.approx(0.95 / 1.1)
    assert found.low < found.value < found.high
    alone = summary(rates, weights=[0, 1]).mean_of_images
    assert (alone.low, alone.high) == pytest.approx((rates[1].low, rates[1].high))


def test_intervals_follow_confidence_and_design_effect() -> None:
    counts = (80, 100), (93, 100), (97, 100)
    usual, sure, shared = (
        summary(rates_of(*counts)),
        summary(rates_of(*counts), confidence=0.99),
        summary(rates_of(*counts, design_effect=4.0)),
    )
    for name in ("mean_of_groups", "mean_of_images", "variance"):
        one, wide, wider = (getattr(each, name) for each in (usual, sure, shared))
        assert wide.low < one.low < one.value < one.high < wide.high
        assert wider.low < one.low < one.high < wider.high
        assert one.value == wide.value == wider.value


def test_perfect_groups_leave_room_for_some_variance() -> None:
    found = summary(rates_of((50, 50), (50, 50), (50, 50)))
    assert (found.mean_of_groups.value, found.mean_of_groups.high) == (1.0, 1.0)
    low, _ = wilson(num_successes=150, num_trials=150)
    assert found.mean_of_groups.low == pytest.approx(low)
    assert (found.variance.value, found.variance.low) == (0.0, 0.0)
    assert 1.0 < found.variance.high < 50.0
    assert found.null_variance is not None
    assert (found.null_variance.median, found.null_variance.p_value) == (0.0, 1.0)


def test_chance_alone_makes_a_variance() -> None:
    """Of two groups it is half of the squared gap, and so has the p-value of the gap."""
    rates = rates_of((180, 200), (165, 200))
    found = summary(rates).null_variance
    assert found is not None
    gap = null_gap(rates=rates, generator=np.random.default_rng(1))
    assert found.p_value == pytest.approx(gap.p_value, abs=0.02)
    assert found.percentile_95 == pytest.approx(100**2 * gap.percentile_95**2 / 2, rel=0.1)
    p = 345 / 400
    assert found.median == pytest.approx(100**2 * p * (1 - p) / 200 * 0.455, rel=0.25)


@pytest.mark.parametrize(
    ("truth", "size"), [((0.95,) * 6, 60), ((0.9, 0.95, 0.97, 0.99), 300), ((0.998,) * 4, 50)]
)
def test_intervals_cover_mean_and_variance(truth: tuple[float, ...], size: int) -> None:
    generator = np.random.default_rng(0)
    mean, variance = np.mean(truth), np.var(100 * np.array(truth), ddof=1)
    covered, num_repeats = np.zeros(2), 200
    for repeat in range(num_repeats):
        drawn = generator.binomial(size, truth)
        found = summary(rates_of(*((int(k), size) for k in drawn)), num_replicates=400, seed=repeat)
        covered += [
            found.mean_of_groups.low <= mean <= found.mean_of_groups.high,
            found.variance.low <= variance + 1e-9 and variance <= found.variance.high,
        ]
    assert (covered / num_repeats > 0.92).all()
