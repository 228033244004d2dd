from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import stats

from debias.metrics.ranking import overall_auc
from debias.metrics.superiority import Superiority, rank_rows, shift_p_values
from debias.metrics.superiority import superiorities as of_ranked


def superiorities(
    *, values: ArrayLike, codes: ArrayLike, num_groups: int, clusters: ArrayLike | None = None
) -> tuple[Superiority, ...]:
    ranked = rank_rows(values=values, clusters=clusters)
    return of_ranked(ranked, codes=codes, num_groups=num_groups)


ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=4, max_size=40)


@settings(max_examples=40)
@given(rows=ROWS)
def test_it_is_mann_and_whitney_s(rows: list[tuple[int, int]]) -> None:
    values, codes = np.array(rows).T
    for code, found in enumerate(superiorities(values=values, codes=codes, num_groups=3)):
        inside, others = values[codes == code], values[codes != code]
        assert (found.num_rows, found.num_others) == (inside.size, others.size)
        if not inside.size or not others.size:
            assert math.isnan(found.value)
            assert found.p_value == 1.0
            continue
        oracle = stats.mannwhitneyu(inside, others, use_continuity=False, method="asymptotic")
        assert found.value == pytest.approx(oracle.statistic / (inside.size * others.size))
        assert found.low <= found.value <= found.high
        if not np.isnan(oracle.pvalue):
            assert found.p_value >= oracle.pvalue - 1e-9


def test_of_many_different_values_the_p_value_is_theirs_too() -> None:
    generator = np.random.default_rng(0)
    values, codes = generator.normal(size=4000), generator.integers(2, size=4000)
    values += 0.08 * codes
    found = superiorities(values=values, codes=codes, num_groups=2)
    oracle = stats.mannwhitneyu(
        values[codes == 0], values[codes == 1], use_continuity=False, method="asymptotic"
    )
    assert found[0].p_value == pytest.approx(oracle.pvalue, rel=0.2)
    assert found[1].value == pytest.approx(1 - found[0].value)
    assert found[1].p_value == pytest.approx(found[0].p_value)


def test_the_interval_is_that_of_an_area_under_the_curve() -> None:
    generator = np.random.default_rng(1)
    values, codes = generator.normal(size=200), generator.integers(3, size=200)
    clusters = generator.integers(40, size=200)
    found = superiorities(values=values, codes=codes, num_groups=3, clusters=clusters)[1]
    area = overall_auc(y_true=codes == 1, y_score=values, clusters=clusters)
    assert (found.value, found.low, found.high) == (area.value, area.low, area.high)


def test_p_values_alone_are_the_same() -> None:
    generator = np.random.default_rng(4)
    values, codes = generator.integers(2, size=80), generator.integers(3, size=80)
    for clusters in (None, generator.integers(20, size=80)):
        found = superiorities(values=values, codes=codes, num_groups=4, clusters=clusters)
        alone = shift_p_values(
            rank_rows(values=values, clusters=clusters), codes=codes, num_groups=4
        )
        assert alone == tuple(each.p_value for each in found)
    assert shift_p_values(rank_rows(values=[1, 2]), codes=[0, 0], num_groups=1) == (1.0,)


def test_a_flaw_of_a_few_pictures_is_no_certainty() -> None:
    """2 of 20 against 0 of 2000: chance of 1 in 10,000, which a normal distribution calls 0."""
    values = np.zeros(2020)
    values[:2] = 1
    codes = np.repeat([0, 1], [20, 2000])
    found = superiorities(values=values, codes=codes, num_groups=2)[0]
    naive = stats.mannwhitneyu(values[:20], values[20:], method="asymptotic").pvalue
    assert naive < 1e-30
    assert found.p_value > 1e-2


def test_equal_values_tell_nothing() -> None:
    found = superiorities(values=np.ones(10), codes=np.arange(10) % 2, num_groups=2)[0]
    assert (found.value, found.p_value) == (0.5, 1.0)


def test_repeated_rows_of_a_person_are_no_evidence() -> None:
    generator = np.random.default_rng(2)
    values, codes = generator.normal(size=50), np.arange(50) % 2
    values += 0.3 * codes
    alone = superiorities(values=values, codes=codes, num_groups=2)[1]
    many = superiorities(
        values=np.repeat(values, 40),
        codes=np.repeat(codes, 40),
        num_groups=2,
        clusters=np.repeat(np.arange(50), 40),
    )[1]
    fooled = superiorities(values=np.repeat(values, 40), codes=np.repeat(codes, 40), num_groups=2)
    assert many.p_value == pytest.approx(alone.p_value, rel=0.3)
    assert fooled[1].p_value < 0.01 * many.p_value
    assert many.high - many.low == pytest.approx(alone.high - alone.low, rel=0.15)


def test_chance_alone_is_seldom_found() -> None:
    generator = np.random.default_rng(3)
    p_values = []
    for _ in range(300):
        persons = np.repeat(np.arange(60), np.minimum(generator.zipf(2.2, 60), 50))
        values = generator.normal(size=60)[persons] + generator.normal(size=persons.size)
        codes = (generator.random(60) < 0.2)[persons].astype(int)
        found = superiorities(values=values, codes=codes, num_groups=2, clusters=persons)
        p_values.append(found[0].p_value)
    assert np.mean(np.array(p_values) <= 0.05) < 0.07
    assert np.mean(np.array(p_values) <= 0.005) <= 0.01


@pytest.mark.parametrize(
    ("values", "codes", "message"),
    [
        ([1.0, np.nan], [0, 1], "finite"),
        ([1.0, 2.0], [0, 2], "codes"),
        ([1.0, 2.0], [0, -1], "those of a group"),
        ([1.0, 2.0], [0, 1, 1], "codes"),
    ],
)
def test_what_does_not_fit_is_refused(values: list[float], codes: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        superiorities(values=values, codes=codes, num_groups=2)


def test_a_handful_of_persons_is_held_against_student_s_distribution() -> None:
    """6 persons give a ratio of at most sqrt(6), which a normal distribution calls 1.4 %."""
    persons = np.repeat(np.arange(6), 10)
    values = np.where(persons < 3, 0.0, 1.0)
    found = superiorities(
        values=values, codes=(persons < 3).astype(int), num_groups=2, clusters=persons
    )[0]
    assert found.p_value == pytest.approx(2 * stats.t.sf(np.sqrt(6), 5))
