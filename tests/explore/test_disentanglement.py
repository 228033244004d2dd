"""Each score on latents whose answer is known, and against another way to compute it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mutual_info_score

from debias.explore.disentanglement import (
    attribute_predictability,
    completeness,
    dci,
    disentanglement,
    gap_of_two_best,
    mutual_information,
    mutual_information_gap,
    separated_predictability,
)
from debias.explore.factors import FACTORS, KnownFactor, known_factors
from debias.testbed.factors import NAMES

NUM = 2000
Values = NDArray[np.float64]


def drawn(kind: str = "even") -> tuple[Values, tuple[KnownFactor, ...]]:
    """Three independent factors as numbers, and as what scores take."""
    rng = np.random.default_rng(0)
    truth = rng.random((NUM, 3)) if kind == "even" else rng.integers(5, size=(NUM, 3)).astype(float)
    return truth, known_factors(pd.DataFrame(truth, columns=["a", "b", "c"]), ("a", "b", "c"))


def rotated(truth: Values) -> Values:
    """Three latents, each of which mixes all three factors alike."""
    matrix = np.linalg.qr(np.array([[1.0, 1, 1], [1, -1, 0.1], [1, 0.2, -1]]).T)[0]
    mixed: Values = (truth - truth.mean(axis=0)) @ matrix.T
    return mixed


def test_factors_are_classes_and_those_that_hardly_vary_are_left_out() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "even": rng.random(500),
            "hat": np.arange(500) % 4 == 0,
            "rare": np.arange(500) < 19,
            "rare enough": np.arange(500) < 20,
            "constant": np.ones(500),
            "mostly none": np.where(np.arange(500) < 300, 0.0, rng.random(500)),
        }
    )
    found = {f.name: f for f in known_factors(table, (*table.columns, "not there"))}
    assert list(found) == ["even", "hat", "rare enough", "mostly none"]
    assert [f.is_discrete for f in found.values()] == [False, True, True, False]
    np.testing.assert_array_equal(np.bincount(found["even"].classes), np.full(10, 50))
    np.testing.assert_array_equal(found["hat"].classes, table["hat"])
    zero = found["mostly none"].values == 0  # tied values are of one class
    assert len(set(found["mostly none"].classes[zero])) == 1
    rows = np.array([3, 1])
    np.testing.assert_array_equal(found["even"].take(rows).values, table["even"].to_numpy()[rows])
    np.testing.assert_array_equal(found["even"].take(rows).classes, found["even"].classes[rows])


def test_the_factors_judged_by_are_those_of_the_testbed() -> None:
    assert set(FACTORS) <= set(NAMES)
    assert len(set(FACTORS)) == len(FACTORS)


def test_mutual_information_is_that_of_scikit_learn() -> None:
    truth, factors = drawn()
    latents = truth + 0.1 * np.random.default_rng(1).normal(size=truth.shape)
    found = mutual_information(latents, factors)
    for latent in range(3):
        edges = np.linspace(latents[:, latent].min(), latents[:, latent].max(), 21)
        bins = np.digitize(latents[:, latent], edges[1:-1])
        for column, factor in enumerate(factors):
            entropy = mutual_info_score(factor.classes, factor.classes)
            expected = mutual_info_score(bins, factor.classes) / entropy
            assert found[latent, column] == pytest.approx(expected, abs=1e-12)


def test_mig_of_known_representations() -> None:
    truth, factors = drawn("classes")
    assert mutual_information_gap(truth, factors) == pytest.approx(1.0, abs=0.01)
    noise = np.random.default_rng(1).normal(size=truth.shape)
    assert mutual_information_gap(np.c_[noise, truth], factors) == pytest.approx(1.0, abs=0.05)
    assert mutual_information_gap(np.c_[truth, truth], factors) == pytest.approx(0.0, abs=1e-9)
    assert mutual_information_gap(noise, factors) < 0.02
    assert mutual_information_gap(np.zeros_like(truth), factors) == 0.0
    assert mutual_information_gap(truth[:, :1], factors[:1]) == pytest.approx(1.0)
    # One factor has a latent of its own, one has two, one has none: (1 + 0 + 0) / 3.
    latents = np.c_[truth[:, 0], truth[:, 1], truth[:, 1]]
    assert mutual_information_gap(latents, factors) == pytest.approx(1 / 3, abs=0.01)


def test_a_rotation_costs_mig_sap_and_disentanglement_but_no_information() -> None:
    truth, factors = drawn()
    turned = rotated(truth)
    assert mutual_information_gap(turned, factors) < 0.3 < mutual_information_gap(truth, factors)
    assert separated_predictability(turned, factors) < 0.35
    plain, mixed = dci(truth, factors, seed=0), dci(turned, factors, seed=0)
    assert plain.disentanglement > 0.9
    assert plain.completeness > 0.9
    assert plain.informativeness > 0.9
    assert mixed.disentanglement < 0.5
    assert mixed.completeness < 0.5
    assert mixed.informativeness > 0.6


def test_noise_tells_nothing() -> None:
    truth, factors = drawn()
    noise = np.random.default_rng(1).normal(size=truth.shape)
    assert separated_predictability(noise, factors) < 0.01
    three = dci(noise, factors, seed=0)
    assert three.informativeness < 0.02
    assert three.disentanglement < 0.1
    classes = drawn("classes")[1]
    assert abs(dci(noise, classes, seed=0).informativeness) < 0.05


def test_sap_of_a_number_is_the_r_squared_of_a_line() -> None:
    truth, factors = drawn()
    latents = np.c_[truth @ np.array([1.0, 2.0, 0.0]), truth[:, 1] ** 2]
    found = attribute_predictability(latents, factors)
    for latent in range(2):
        for column, factor in enumerate(factors):
            line = LinearRegression().fit(latents[:, [latent]], factor.values)
            expected = line.score(latents[:, [latent]], factor.values)
            assert found[latent, column] == pytest.approx(expected, abs=1e-9)
    expected_gaps = np.abs(found[0] - found[1]).mean()
    assert separated_predictability(latents, factors) == pytest.approx(expected_gaps)


def test_sap_of_classes_weighs_them_alike() -> None:
    rng = np.random.default_rng(0)
    hat = (rng.random(NUM) < 0.1).astype(float)
    factors = known_factors(pd.DataFrame({"hat": hat}), ("hat",))
    half = np.where(hat == 1, 1.0, rng.choice([-1.0, 1.0], NUM))  # finds all, and is half wrong
    latents = np.c_[hat + 0.01 * rng.normal(size=NUM), rng.normal(size=NUM), np.zeros(NUM), half]
    sure, none, constant, unsure = attribute_predictability(latents, factors)[:, 0]
    assert sure == 1.0
    assert unsure == pytest.approx(0.75, abs=0.02)  # 0.55 if every face counted alike
    assert none == pytest.approx(0.5, abs=0.06)
    assert constant == 0.0
    assert separated_predictability(latents, factors) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(
    ("importance", "one_factor", "one_latent"),
    [
        (np.eye(3), 1.0, 1.0),
        (np.ones((3, 3)), 0.0, 0.0),
        (np.zeros((3, 3)), 0.0, 0.0),
        # One latent matters to both factors, the other to none.
        ([[1.0, 1.0], [0.0, 0.0]], 0.0, 1.0),
        # Two latents matter to one factor.
        ([[1.0, 0.0], [1.0, 0.0]], 1.0, 0.0),
        # Weighed by importance: (3 * 1 + 1 * 0) / 4; factors alike: entropy of (5/6, 1/6), and 0.
        ([[2.5, 0.0], [0.5, 0.5]], None, None),
    ],
)
def test_scores_of_known_importance(
    importance: object, one_factor: float | None, one_latent: float | None
) -> None:
    table = np.asarray(importance, dtype=float)
    if one_factor is None or one_latent is None:
        one_factor = 2.5 / 3.5
        shares = np.array([5 / 6, 1 / 6])
        one_latent = (1 + (shares * np.log2(shares)).sum() + 1) / 2
    assert disentanglement(table) == pytest.approx(one_factor)
    assert completeness(table) == pytest.approx(one_latent)


def test_the_gap_is_between_the_best_and_the_second() -> None:
    scores = np.array([[0.2, 0.0], [0.9, 0.5], [0.5, 0.5]])
    np.testing.assert_allclose(gap_of_two_best(scores), [0.4, 0.0])
    np.testing.assert_allclose(gap_of_two_best(scores[:1]), [0.2, 0.0])
