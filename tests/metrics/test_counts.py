from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from debias.metrics.counts import UNKNOWN, attribute_values, count_outcomes, group_rows

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


@settings(deadline=None)
@given(st.lists(st.tuples(words, words, st.booleans(), st.booleans()), max_size=40))
def test_groups_partition_the_pool_and_agree_with_sklearn(
    rows: list[tuple[str | None, str | None, bool, bool]],
) -> None:
    table = pd.DataFrame(rows, columns=["tone", "gender", "y_true", "y_pred"])
    y_true, y_pred = table["y_true"].astype(bool), table["y_pred"].astype(bool)
    grouping = group_rows(sensitive_features=table, columns=["tone", "gender"])
    found = count_outcomes(y_true=y_true, y_pred=y_pred, grouping=grouping)
    matrix = confusion_matrix(y_true, y_pred, labels=[False, True]) if rows else np.zeros((2, 2))
    assert grouping.num_rows.sum() == len(rows)
    assert found.num_true_negatives.sum() == matrix[0, 0]
    assert found.num_false_positives.sum() == matrix[0, 1]
    assert found.num_false_negatives.sum() == matrix[1, 0]
    assert found.num_true_positives.sum() == matrix[1, 1]
    pool = count_outcomes(y_true=y_true, y_pred=y_pred)
    assert pool.num_positives.tolist() == [found.num_positives.sum()]


@settings(deadline=None)
@given(
    st.lists(st.tuples(words, st.booleans()), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_matter(rows: list[tuple[str | None, bool]], random) -> None:  # type: ignore[no-untyped-def]
    def count(order: list[tuple[str | None, bool]]) -> dict[tuple[str, ...], int]:
        table = pd.DataFrame(order, columns=["tone", "hit"])
        grouping = group_rows(sensitive_features=table, columns=["tone"])
        found = count_outcomes(y_true=np.ones(len(order)), y_pred=table["hit"], grouping=grouping)
        return dict(zip(grouping.groups, found.num_true_positives.tolist(), strict=True))

    shuffled = list(rows)
    random.shuffle(shuffled)
    assert count(rows) == count(shuffled)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        count_outcomes(y_true=[1, 0], y_pred=[1])
