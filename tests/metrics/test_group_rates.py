from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from debias.metrics.counts import Grouping, group_rows
from debias.metrics.group_rates import (
    effective_sizes,
    large_enough,
    pooled_rate,
    ranked_groups,
    rates_by_group,
)


def grouping_of(tones: np.ndarray) -> Grouping:
    return group_rows(sensitive_features=pd.DataFrame({"tone": tones}), columns=["tone"])


def test_small_unknown_and_empty_groups_are_not_ranked() -> None:
    tone = ["dark"] * 30 + ["light"] * 29 + [None] * 50
    gender = ["f"] * 59 + ["m"] * 50
    table = pd.DataFrame({"tone": tone, "gender": gender})
    grouping = group_rows(sensitive_features=table, columns=["tone"])
    assert ranked_groups(grouping=grouping, min_group_size=30).tolist() == [0]
    both = group_rows(sensitive_features=table, columns=["tone", "gender"])
    ranked = ranked_groups(grouping=both, min_group_size=0)
    assert [both.groups[code] for code in ranked] == [("dark", "f"), ("light", "f")]


def test_persons_widen_the_interval_of_their_group_alone() -> None:
    generator = np.random.default_rng(0)
    tone = np.repeat(["dark", "light"], 200)
    persons = np.r_[np.repeat(np.arange(20), 10), 20 + np.arange(200)]
    hits = generator.random(220)[persons] < 0.8
    grouping = group_rows(sensitive_features=pd.DataFrame({"tone": tone}), columns=["tone"])
    dark, light = rates_by_group(hits=hits, grouping=grouping, clusters=persons)
    assert dark.design_effect > 8.0
    assert light.design_effect == 1.0


def test_groups_are_as_large_as_they_have_persons() -> None:
    """One person with 300 faces, sixty with five, and a crowd of which one has most faces."""
    grouping = grouping_of(np.repeat(["one", "sixty", "uneven"], [300, 300, 330]))
    persons = np.r_[
        np.zeros(300), 1 + np.repeat(np.arange(60), 5), np.full(270, 99), 100 + np.arange(60)
    ].astype(int)
    sizes = effective_sizes(grouping=grouping, clusters=persons)
    assert sizes == pytest.approx([1.0, 60.0, 330**2 / (270**2 + 60)])
    assert effective_sizes(grouping=grouping).tolist() == [300.0, 300.0, 330.0]
    for least, expected in ((1, [0, 1, 2]), (2, [1]), (60, [1]), (61, [])):
        found = ranked_groups(grouping=grouping, min_group_size=least, clusters=persons)
        assert found.tolist() == expected
    alone = np.arange(930)
    everybody = ranked_groups(grouping=grouping, min_group_size=300, clusters=alone)
    assert everybody.tolist() == [0, 1, 2]


def test_no_rows_are_never_enough() -> None:
    assert large_enough([0.0, 0.5, 1.0, 2.0], min_group_size=0).tolist() == [
        False,
        False,
        True,
        True,
    ]
    assert large_enough([29.99, 30.0 - 1e-12], min_group_size=30).tolist() == [False, True]
    nobody = Grouping(columns=(), groups=((),), codes=np.zeros(0, dtype=np.intp))
    assert effective_sizes(grouping=nobody, clusters=np.zeros(0, dtype=int)).tolist() == [0.0]


def test_the_pooled_rate_is_that_of_one_group() -> None:
    hits, persons = np.tile([True, True, False, True], 20), np.repeat(np.arange(20), 4)
    (one,) = rates_by_group(hits=hits, grouping=grouping_of(np.full(80, "a")), clusters=persons)
    assert pooled_rate(hits=hits, clusters=persons) == one
    assert one.freedom == pytest.approx(19.0)
