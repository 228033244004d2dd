from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from debias.errors import DataError
from debias.testbed.factors import FACTORS, NAMES, SEED, Factor, check_factors, neutral_factors


def test_factors_have_names_ranges_and_meanings() -> None:
    assert len(set(NAMES)) == len(NAMES) == len(FACTORS)
    for factor in FACTORS:
        assert factor.low <= factor.neutral <= factor.high
        assert factor.low < factor.high
        assert factor.meaning


def test_the_neutral_picture_is_in_range() -> None:
    table = neutral_factors(3)
    check_factors(table)
    assert table.columns.tolist() == [*NAMES, SEED]
    assert table[SEED].tolist() == [0, 1, 2]
    for factor in FACTORS:
        assert table[factor.name].dtype == np.float32
        assert np.allclose(table[factor.name], factor.neutral)


def test_changes_are_for_all_images_or_each() -> None:
    table = neutral_factors(2, tone=[3, 8], hat=1, noise_seed=2**62 + 1)
    assert table["tone"].tolist() == [3, 8]
    assert table["hat"].tolist() == [1, 1]
    assert table[SEED].tolist() == [2**62 + 1] * 2
    assert table["tone"].dtype == np.float32


def test_a_misspelt_factor_names_the_nearest() -> None:
    with pytest.raises(DataError, match=r"'tones'.*'tone'"):
        neutral_factors(1, tones=3)


@pytest.mark.parametrize("name", ["tone", SEED])
def test_a_missing_factor_is_named(name: str) -> None:
    with pytest.raises(DataError, match=f"lack '{name}'"):
        check_factors(neutral_factors(2).drop(columns=name))


@pytest.mark.parametrize("factor", FACTORS, ids=NAMES)
def test_a_factor_out_of_range_is_named_with_its_range(factor: Factor) -> None:
    name, low, high = factor.name, factor.low, factor.high
    check_factors(neutral_factors(2, **{name: [low, high]}))
    for value in (low - 0.01, high + 0.01, np.nan):
        with pytest.raises(DataError) as caught:
            check_factors(neutral_factors(3, **{name: [low, value, high]}))
        message = str(caught.value)
        assert message.startswith(f"{name} is {np.float32(value):g} in image 1")
        assert f"{low:g} to {high:g}" in message


@pytest.mark.parametrize("value", [-1, 1.5, 2.0, 2**63, "7", True, None])
def test_a_noise_seed_that_is_none_is_named(value: Any) -> None:
    message = rf"noise_seed is {value} in image 0\..*0 to 2\^63 - 1"
    with pytest.raises(DataError, match=message):
        neutral_factors(2, noise_seed=value)
    with pytest.raises(DataError, match=message):
        check_factors(neutral_factors(1).assign(noise_seed=[value]))


def test_any_type_of_whole_number_is_a_noise_seed() -> None:
    for kind in (np.int8, np.uint16, np.int64, np.uint64):
        check_factors(neutral_factors(2).astype({SEED: kind}))
    assert neutral_factors(1, noise_seed=2**63 - 1)[SEED].tolist() == [2**63 - 1]


def test_ranges_bear_rounding() -> None:
    # Single precision rounds 0.92 up by 2e-8.
    table = neutral_factors(1)
    check_factors({name: table[name].to_numpy() for name in (*NAMES, SEED)})
    check_factors(neutral_factors(1, face_width=0.92))
    check_factors(neutral_factors(1).astype({"tone": np.float64}).assign(tone=10.000_005))
