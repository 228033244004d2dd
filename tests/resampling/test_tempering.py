from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from debias.resampling.tempering import capped_softmax, effective_sample_size, temper_weights

Logs = NDArray[np.float64]

log_weights = st.lists(st.floats(-5000, 5000), min_size=1, max_size=60).map(np.array)
gentle_log_weights = st.lists(st.floats(-8, 8), min_size=1, max_size=60).map(np.array)
caps = st.one_of(st.floats(1, 40), st.just(math.inf))


def capped_by_loop(weights: Logs, cap: float) -> Logs:
    """Cap, share what was cut among the others in proportion, until none is above the cap."""
    shares: Logs = weights / weights.sum()
    limit = cap / shares.size
    held = np.zeros(shares.size, dtype=bool)
    while (shares > limit * (1 + 1e-12)).any():
        held |= shares > limit
        shares[held] = limit
        shares[~held] *= (1 - limit * held.sum()) / shares[~held].sum()
    return shares


@given(logs=log_weights, cap=caps)
def test_probabilities_are_positive_sum_to_one_and_respect_the_cap(logs: Logs, cap: float) -> None:
    probabilities = capped_softmax(logs, cap=cap)
    assert (probabilities > 0).all()
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-12)
    assert probabilities.max() * logs.size <= cap * (1 + 1e-9)


@given(logs=gentle_log_weights, cap=caps)
def test_capping_agrees_with_a_plain_loop(logs: Logs, cap: float) -> None:
    expected = capped_by_loop(np.exp(logs), cap)
    np.testing.assert_allclose(capped_softmax(logs, cap=cap), expected, rtol=1e-9)


@given(logs=log_weights, cap=caps)
def test_capping_keeps_order_and_never_lowers_the_effective_sample_size(
    logs: Logs, cap: float
) -> None:
    free, capped = capped_softmax(logs, cap=math.inf), capped_softmax(logs, cap=cap)
    order = np.argsort(logs)
    assert (np.diff(capped[order]) >= -1e-15).all()
    assert effective_sample_size(capped) >= effective_sample_size(free) * (1 - 1e-9)
    assert effective_sample_size(capped) >= logs.size / cap * (1 - 1e-9)


@pytest.mark.parametrize("spread", [0.1, 30.0, 3000.0])
def test_a_cap_that_divides_the_images_evenly(spread: float) -> None:
    # Here rounding decides whether one image more or less is held at the cap.
    for num_images in range(2, 51):
        logs = np.random.default_rng(num_images).normal(size=num_images) * spread
        for num_capped in range(1, num_images + 1):
            cap = num_images / num_capped
            probabilities = capped_softmax(logs, cap=cap)
            assert probabilities.sum() == pytest.approx(1.0, abs=1e-12)
            assert probabilities.max() * num_images <= cap * (1 + 1e-9)


def test_capping_by_hand() -> None:
    # 6/10 is above 2/4, so it is held there and the other half is shared 2 : 1 : 1.
    weights = np.log([6.0, 2.0, 1.0, 1.0])
    np.testing.assert_allclose(capped_softmax(weights, cap=2.0), [0.5, 0.25, 0.125, 0.125])


def test_capping_a_giant_leaves_the_rest_in_proportion_though_it_underflows() -> None:
    # Beside the largest, the others are exp(-4000): zero in float64, but not to each other.
    logs = np.array([4000.0, math.log(3.0), 0.0, 0.0])
    expected = [0.5, 0.3, 0.1, 0.1]
    np.testing.assert_allclose(capped_softmax(logs, cap=2.0), expected, rtol=1e-9)


@given(logs=log_weights, cap=caps)
def test_effective_sample_size_never_rises_with_the_exponent(logs: Logs, cap: float) -> None:
    sizes = [
        effective_sample_size(capped_softmax(exponent * logs, cap=cap))
        for exponent in np.linspace(0, 1, 25)
    ]
    assert sizes[0] == pytest.approx(logs.size)
    assert (np.diff(sizes) <= 1e-9 * logs.size).all()


@given(logs=log_weights, cap=caps, target=st.floats(0.02, 1))
def test_the_target_is_met_or_the_weights_are_left_alone(
    logs: Logs, cap: float, target: float
) -> None:
    exponent, probabilities = temper_weights(logs, target_ess=target, cap=cap)
    reached = effective_sample_size(probabilities) / logs.size
    assert 0 <= exponent <= 1
    assert probabilities.max() * logs.size <= cap * (1 + 1e-9)
    if exponent == 1:
        assert reached >= target * (1 - 1e-9)
    else:
        assert reached == pytest.approx(target, rel=1e-3)


def test_tempering_two_kinds_of_image_by_hand() -> None:
    # With a share f of rare images drawn with probability s in all, the effective sample size is
    # n / (s^2 / f + (1 - s)^2 / (1 - f)); at n / 2 that is s = f + sqrt(f (1 - f)).
    logs = np.where(np.arange(1000) < 30, 9.0, 0.0)
    exponent, probabilities = temper_weights(logs, target_ess=0.5)
    share = 0.03 + math.sqrt(0.03 * 0.97)
    assert probabilities[:30].sum() == pytest.approx(share, rel=1e-6)
    ratio = (share / 0.03) / ((1 - share) / 0.97)
    assert exponent == pytest.approx(math.log(ratio) / 9.0, rel=1e-6)


def test_a_target_of_one_is_uniform() -> None:
    exponent, probabilities = temper_weights(np.arange(50.0), target_ess=1.0)
    assert exponent == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(probabilities, 1 / 50, rtol=1e-4)


def test_a_constant_added_to_the_logs_changes_nothing() -> None:
    logs = np.random.default_rng(0).normal(size=200) * 5
    first = temper_weights(logs, target_ess=0.3, cap=5.0)
    second = temper_weights(logs + 1000, target_ess=0.3, cap=5.0)
    assert first[0] == pytest.approx(second[0], rel=1e-9)
    np.testing.assert_allclose(first[1], second[1], rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e300])
def test_effective_sample_size_at_any_scale(scale: float) -> None:
    assert effective_sample_size(np.full(8, scale)) == pytest.approx(8)
    assert effective_sample_size(np.array([scale, 0.0, 0.0])) == pytest.approx(1)
    assert effective_sample_size(np.array([2.0, 1.0, 1.0]) * scale) == pytest.approx(16 / 6)
