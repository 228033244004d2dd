from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from debias.errors import DataError
from debias.metrics.counts import MAX_GROUPS, UNKNOWN, attribute_values, group_rows

words = st.sampled_from(["dark", "light", None, "", " ", "unknown"])


def test_missing_values_of_every_kind_are_unknown() -> None:
    values = pd.Series(["dark", None, np.nan, pd.NA, "", "  ", " light "], dtype=object)
    assert attribute_values(values).tolist() == ["dark"] + [UNKNOWN] * 5 + ["light"]


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([5, 10]),
        pd.Series([5.0, 10.0]),
        pd.Series([5, 10], dtype="Int8"),
        pd.Series(["5", "10"]),
        pd.Series(pd.Categorical(["5", "10"])),
    ],
)
def test_a_value_is_the_same_word_whatever_its_type(values: pd.Series) -> None:
    assert attribute_values(values).tolist() == ["5", "10"]


def test_groups_come_in_natural_order_with_the_unknown_last() -> None:
    table = pd.DataFrame({"monk": ["10", "2", None, "1"], "gender": ["f", "m", "f", "f"]})
    by_monk = group_rows(sensitive_features=table, columns=["monk"])
    assert by_monk.groups == (("1",), ("2",), ("10",), (UNKNOWN,))
    assert by_monk.num_rows.tolist() == [1, 1, 1, 1]
    assert by_monk.known.tolist() == [True, True, True, False]


def test_intersections_without_rows_are_listed_but_unknown_ones_are_not() -> None:
    table = pd.DataFrame({"tone": ["dark", "light", None], "gender": ["f", "m", "m"]})
    both = group_rows(sensitive_features=table, columns=["tone", "gender"])
    assert dict(zip(both.groups, both.num_rows.tolist(), strict=True)) == {
        ("dark", "f"): 1,
        ("dark", "m"): 0,
        ("light", "f"): 0,
        ("light", "m"): 1,
        (UNKNOWN, "m"): 1,
    }


def test_no_columns_make_one_group_of_all() -> None:
    everybody = group_rows(sensitive_features=pd.DataFrame(index=range(3)), columns=[])
    assert everybody.groups == ((),)
    assert everybody.num_rows.tolist() == [3]


@given(st.lists(st.tuples(words, words), max_size=40), st.randoms(use_true_random=False))
def test_groups_partition_the_rows_whatever_their_order(
    rows: list[tuple[str | None, str | None]], random: Random
) -> None:
    def count(order: list[tuple[str | None, str | None]]) -> dict[tuple[str, ...], int]:
        table = pd.DataFrame(order, columns=["tone", "gender"])
        grouping = group_rows(sensitive_features=table, columns=["tone", "gender"])
        return dict(zip(grouping.groups, grouping.num_rows.tolist(), strict=True))

    def word(cell: str | None) -> str:
        return (cell or "").strip() or UNKNOWN

    expected = Counter((word(tone), word(gender)) for tone, gender in rows)
    found = count(rows)
    assert {group: num for group, num in found.items() if num} == expected
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert count(shuffled) == found


def test_too_many_groups_are_refused_by_the_attribute_that_makes_them() -> None:
    ages = pd.Series([*range(201), None], dtype=object)
    table = pd.DataFrame({"gender": ["f", "m"] * 101, "age": ages})
    # 2 x 201 combinations of known values, and one gender whose age is unknown.
    message = "gender x age makes 403 groups, more than 200: 'age' alone has 201 values"
    with pytest.raises(DataError, match=message):
        group_rows(sensitive_features=table, columns=["gender", "age"])
    enough = group_rows(sensitive_features=table[1:-1], columns=["age"])
    assert len(enough.groups) == MAX_GROUPS


def test_combinations_are_counted_before_they_are_listed() -> None:
    """Six columns of a hundred values each would be a million million groups."""
    table = pd.DataFrame({f"c{k}": range(100) for k in range(6)})
    with pytest.raises(DataError, match=r"1,000,000,000,000 groups.*Cut numbers into classes"):
        group_rows(sensitive_features=table, columns=list(table.columns))
