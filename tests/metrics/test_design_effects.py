from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from debias.metrics.design_effects import (
    cluster_numbers,
    cluster_units,
    design_effect,
    design_effects,
    independent,
)
from debias.metrics.intervals import rate, wilson


def test_independent_rows_have_no_design_effect() -> None:
    values = [0, 1, 1, 0]
    assert design_effect(values=values, clusters=None) == 1.0
    assert design_effect(values=values, clusters=[3, 1, 2, 7]) == 1.0
    assert design_effect(values=[], clusters=[]) == 1.0


def test_copies_of_rows_are_worth_the_rows() -> None:
    """Each of 400 rows twice: the design effect is 2 but for what few clusters cost."""
    values = np.repeat(np.random.default_rng(0).integers(0, 2, 400), 2)
    clusters = np.repeat(np.arange(400), 2)
    assert design_effect(values=values, clusters=clusters) == pytest.approx(2.0, rel=0.02)


def test_design_effect_known_answer() -> None:
    """Three pairs: 2/(6/4) = 4/3 for clusters, 3/2 for there being three, and t for normal."""
    found = design_effect(values=[1, 1, 0, 0, 1, 0], clusters=[0, 0, 1, 1, 2, 2])
    few = stats.t.ppf(0.975, 2) / stats.norm.ppf(0.975)
    assert found == pytest.approx(4 / 3 * 3 / 2 * few**2)


def test_where_all_rows_agree_each_cluster_counts_as_one() -> None:
    assert design_effect(values=np.ones(6), clusters=[0, 0, 1, 1, 2, 2]) == pytest.approx(2.0)
    assert design_effect(values=np.ones(6), clusters=np.zeros(6, dtype=int)) == np.inf


@pytest.mark.parametrize(("num_clusters", "correlation"), [(20, 0.3), (100, 0.0), (100, 0.5)])
def test_intervals_of_clustered_rows_cover(num_clusters: int, correlation: float) -> None:
    generator = np.random.default_rng(num_clusters)
    truth, num_repeats = 0.85, 600
    covered = naive = 0
    for _ in range(num_repeats):
        sizes = 1 + generator.geometric(0.25, num_clusters)
        chance = np.full(num_clusters, truth)
        if correlation:
            strength = 1 / correlation - 1
            chance = generator.beta(truth * strength, (1 - truth) * strength, num_clusters)
        clusters = np.repeat(np.arange(num_clusters), sizes)
        values = generator.random(clusters.size) < chance[clusters]
        effect = design_effect(values=values, clusters=clusters)
        low, high = wilson(num_successes=values.sum(), num_trials=values.size, design_effect=effect)
        covered += int(low <= truth <= high)
        low, high = wilson(num_successes=values.sum(), num_trials=values.size)
        naive += int(low <= truth <= high)
    assert covered / num_repeats >= 0.91
    if correlation:
        assert naive / num_repeats < 0.85


@pytest.mark.parametrize("level", [0.9, 0.99, 0.999])
def test_another_confidence_takes_another_student_quantile(level: float) -> None:
    generator = np.random.default_rng(0)
    clusters = np.repeat(np.arange(12), 5)
    hits = generator.random(60) < np.repeat(generator.beta(2, 1, 12), 5)
    codes = np.zeros(60, dtype=np.intp)
    units = cluster_units(codes=codes, clusters=clusters)
    usual = design_effects(values=hits, codes=codes, num_groups=1, units=units)
    other = design_effects(values=hits, codes=codes, num_groups=1, units=units, confidence=level)
    assert usual.freedom == pytest.approx([11.0])
    assert usual.num_clusters == pytest.approx([12.0])
    assert usual.at(level) == pytest.approx(other.values)
    assert usual.at(0.95) == pytest.approx(usual.values)
    found = rate(
        num_successes=int(hits.sum()),
        num_trials=60,
        design_effect=float(usual.values[0]),
        freedom=float(usual.freedom[0]),
    )
    assert found.design_effect_at(level) == pytest.approx(other.values[0])
    half = float(np.log(other.values[0] / usual.values[0])) / 2.0
    few = [
        stats.t.ppf(1 - (1 - p) / 2, 11) / stats.norm.ppf(1 - (1 - p) / 2) for p in (level, 0.95)
    ]
    assert half == pytest.approx(np.log(few[0] / few[1]))


def test_what_is_known_does_not_depend_on_the_confidence() -> None:
    alone = independent([3, 0, 7])
    assert alone.at(0.999).tolist() == [1.0, 1.0, 1.0]
    assert alone.num_clusters.tolist() == [3.0, 0.0, 7.0]
    codes = np.repeat([0, 1, 3], [4, 4, 4])
    units = np.array([0, 0, 1, 1, 2, 2, 2, 2, 3, 4, 5, 6])
    found = design_effects(values=np.ones(12), codes=codes, num_groups=4, units=units)
    assert found.at(0.999).tolist() == [2.0, np.inf, 1.0, 1.0]
    assert found.freedom.tolist() == [np.inf] * 4
    assert found.num_clusters.tolist() == [2.0, 1.0, 0.0, 4.0]
    assert rate(num_successes=3, num_trials=9, design_effect=2.0).design_effect_at(0.999) == 2.0


def test_clusters_count_for_their_share_of_rows() -> None:
    codes = np.repeat([0, 2], [530 + 30, 10])
    units = np.r_[np.zeros(530), np.arange(1, 31), np.repeat(np.arange(31, 36), 2)].astype(int)
    found = cluster_numbers(codes=codes, num_groups=3, units=units)
    assert found == pytest.approx([560**2 / (530**2 + 30), 0.0, 5.0])
