from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

from debias.metrics.contingency import LEAST_EXPECTED, Contingency, contingency

Codes = NDArray[np.intp]
PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=5, max_size=60)


def found(
    first: Codes, second: Codes, clusters: Codes | None = None, *, smallest: float = 0.01
) -> Contingency:
    return contingency(
        first=first,
        second=second,
        clusters=clusters,
        smallest=smallest,
        generator=np.random.default_rng(0),
    )


def rows_of(table: list[list[int]]) -> tuple[Codes, Codes]:
    counts = np.array(table)
    cells = np.repeat(np.arange(counts.size), counts.ravel())
    return cells // counts.shape[1], cells % counts.shape[1]


def test_known_answers() -> None:
    """Of 2 x 2 with n = 100 and phi = 0.6: phi2 less 1/99 over classes of 1 - 1/99."""
    result = found(*rows_of([[40, 10], [10, 40]]))
    assert result.counts.tolist() == [[40, 10], [10, 40]]
    assert result.cramers_v == pytest.approx(math.sqrt((0.36 - 1 / 99) / (1 - 1 / 99)))
    assert result.by_chance == pytest.approx(1 / 200)
    assert result.p_value == pytest.approx(stats.chi2.sf(36 * 99 / 100, 1))
    assert result.num_tables == 0
    assert result.residuals[0, 0] == pytest.approx(6)
    assert result.residuals[0, 1] == pytest.approx(-6)


def test_the_same_classes_go_together_wholly() -> None:
    codes = np.arange(300) % 3
    for clusters in (None, np.arange(300) // 3 * 3 + codes, np.arange(300)):
        result = found(codes, codes, clusters)
        assert result.cramers_v == pytest.approx(1.0)
        assert result.high == 1.0
    assert result.information == pytest.approx(math.log(3))


@settings(max_examples=30)
@given(pairs=PAIRS)
def test_information_and_v_are_those_of_other_libraries(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs).T
    result = found(first, second)
    assert result.information == pytest.approx(mutual_info_score(first, second), abs=1e-12)
    table = contingency_matrix(first, second)
    if min(table.shape) < 2:
        assert math.isnan(result.cramers_v)
        assert result.p_value == 1.0
        return
    phi2 = stats.contingency.association(table, method="cramer") ** 2 * (min(table.shape) - 1)
    n, (k, m) = len(first), table.shape
    corrected = max(0.0, phi2 - (k - 1) * (m - 1) / (n - 1))
    left = min(k - (k - 1) ** 2 / (n - 1), m - (m - 1) ** 2 / (n - 1)) - 1
    if left > 1e-9:
        assert result.cramers_v == pytest.approx(min(1.0, math.sqrt(corrected / left)), abs=1e-6)
    assert 0 < result.p_value <= 1


def test_the_information_of_chance_is_close_to_the_exact_one() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.integers(3, size=500), generator.integers(10, size=500)
    table = contingency_matrix(first, second, sparse=True, dtype=np.int64)
    exact = expected_mutual_information(table, 500)
    assert found(first, second).by_chance == pytest.approx(exact, rel=0.05)


def test_few_rows_have_the_p_value_of_all_shuffled_tables() -> None:
    """Fisher's exact test, of which a 2 x 2 table's X2 orders the tables alike when balanced."""
    first, second = rows_of([[9, 3], [3, 9]])
    exact = stats.fisher_exact([[9, 3], [3, 9]]).pvalue
    result = found(first, second, smallest=1e-4)
    assert result.num_tables > 0
    assert result.p_value == pytest.approx(exact, rel=0.5)
    rare = found(*rows_of([[12, 0], [0, 12]]), smallest=1e-3)
    assert rare.num_tables == 1000
    assert rare.p_value == pytest.approx(1 / 1001)


def test_large_tables_need_no_random_ones_and_agree_with_them() -> None:
    table = [[40, 30, 20], [20, 30, 40]]
    assert np.array(table).sum() / 6 > LEAST_EXPECTED
    first, second = rows_of(table)
    result = found(first, second)
    generator = np.random.default_rng(1)
    statistics = [
        stats.chi2_contingency(contingency_matrix(first, generator.permutation(second))).statistic
        for _ in range(500)
    ]
    observed = stats.chi2_contingency(table).statistic
    assert result.p_value == pytest.approx(np.mean(statistics >= observed), abs=0.02)


def test_repeated_rows_of_a_person_are_no_evidence() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.integers(2, size=60), generator.integers(2, size=60)
    alone = found(first, second)
    persons = np.repeat(np.arange(60), 50)
    many = found(np.repeat(first, 50), np.repeat(second, 50), persons)
    fooled = found(np.repeat(first, 50), np.repeat(second, 50))
    assert many.design_effect == pytest.approx(50, rel=0.05)
    assert many.p_value == pytest.approx(alone.p_value, abs=0.08)
    assert fooled.p_value < 0.1 * many.p_value
    assert many.by_chance == pytest.approx(alone.by_chance, rel=0.05)


@pytest.mark.parametrize("values_within", ["shared", "mixed"])
def test_with_persons_chance_alone_is_seldom_found(values_within: str) -> None:
    generator = np.random.default_rng(5)
    p_values = []
    for _ in range(300):
        persons = np.repeat(np.arange(80), np.minimum(generator.zipf(2.2, 80), 60))
        first = generator.integers(3, size=80)[persons]
        second = generator.integers(4, size=80)[persons]
        if values_within == "mixed":
            anew = generator.integers(4, size=persons.size)
            second = np.where(generator.random(persons.size) < 0.5, second, anew)
        p_values.append(found(first, second, persons).p_value)
    assert np.mean(np.array(p_values) <= 0.05) < 0.07
    assert np.mean(np.array(p_values) <= 0.005) <= 0.01


@pytest.mark.parametrize("num_rows", [60, 2000])
def test_intervals_hold_the_truth_about_as_often_as_they_say(num_rows: int) -> None:
    generator = np.random.default_rng(7)
    held = 0
    for _ in range(300):
        first = generator.integers(2, size=num_rows)
        second = np.where(
            generator.random(num_rows) < 0.3, first, generator.integers(2, size=num_rows)
        )
        result = found(first, second)
        held += result.low <= 0.3 <= result.high
    assert held / 300 >= 0.92


def test_classes_without_rows_change_nothing() -> None:
    first, second = rows_of([[30, 12], [11, 40]])
    plain, wide = found(first, second), found(2 * first, 3 * second)
    assert wide.counts.shape == (3, 4)
    assert wide.cramers_v == plain.cramers_v
    assert wide.p_value == plain.p_value
    assert wide.residuals[1].tolist() == [0, 0, 0, 0]
    shared = np.arange(first.size) // 2
    assert found(2 * first, 3 * second, shared).p_value == found(first, second, shared).p_value


def test_nothing_to_compare() -> None:
    for codes in (np.zeros(5, dtype=np.intp), np.zeros(0, dtype=np.intp)):
        result = found(codes, codes)
        assert math.isnan(result.cramers_v)
        assert (result.information, result.p_value) == (0.0, 1.0)
    one_person = found(*rows_of([[20, 20], [20, 20]]), np.zeros(80, dtype=np.intp))
    assert one_person.p_value == 1.0


@pytest.mark.parametrize(
    ("second", "clusters", "message"),
    [
        ([0, 1], None, "have 3 and 2 rows"),
        ([0, -1, 1], None, "whole numbers from 0"),
        ([0, 1, 1], [0, 1], "2 clusters for 3 rows"),
    ],
)
def test_what_does_not_fit_is_refused(
    second: list[int], clusters: list[int] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        contingency(
            first=[0, 1, 0],
            second=second,
            clusters=clusters,
            generator=np.random.default_rng(0),
        )
