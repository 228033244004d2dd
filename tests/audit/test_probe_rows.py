"""Of many images some are drawn, and rare values are left in or out as those drawn allow."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from debias.audit.probe_rows import ProbeRows, rows_to_probe

Codes = NDArray[np.intp]


def drawn(
    sizes: list[int], *, most: int, least: int = 20, kept: int = 200, seed: int = 0
) -> tuple[Codes, ProbeRows]:
    """Draw from so many images of each value, in no order."""
    codes = np.random.default_rng(9).permutation(np.repeat(np.arange(len(sizes)), sizes))
    generator = np.random.default_rng(seed)
    return codes, rows_to_probe(codes, least=least, most=most, kept=kept, generator=generator)


def test_without_a_draw_the_common_values_are_all_there() -> None:
    codes, found = drawn([30, 19, 50], most=99)
    assert found.rows.tolist() == np.flatnonzero(codes != 1).tolist()
    assert found.values.tolist() == [0, 2]
    assert found.values[found.y].tolist() == codes[found.rows].tolist()


@pytest.mark.parametrize(
    ("sizes", "most", "expected"),
    [
        ([10_000, 10_000], 300, [150, 150]),
        ([9_000, 3_000], 4_000, [3_000, 1_000]),
        ([10_000, 9_980, 20], 400, [190, 190, 20]),
        ([10_000, 150, 9_850], 2_000, [932, 150, 918]),
        ([100_000, 1_000], 1_000, [800, 200]),  # kept
        ([100_000, 1_000], 300, [150, 150]),  # no more than there is room for
        ([500, 500, 500], 400, [134, 133, 133]),
    ],
)
def test_a_draw_is_as_the_images_are_but_keeps_what_is_rare(
    sizes: list[int], most: int, expected: list[int]
) -> None:
    codes, found = drawn(sizes, most=most)
    assert sorted(np.bincount(found.y)) == sorted(expected)
    assert found.values.tolist() == list(range(len(sizes)))
    assert found.values[found.y].tolist() == codes[found.rows].tolist()
    assert (np.diff(found.rows) > 0).all()


def test_what_a_draw_leaves_too_few_of_is_left_out() -> None:
    # Room for 15 of each of four values: none is common among the drawn.
    codes, found = drawn([1_000, 1_000, 1_000, 1_000], most=60)
    assert (found.rows.size, found.y.size, found.values.size) == (0, 0, 0)
    codes, found = drawn([1_000, 25, 1_000], most=50, kept=5)
    assert found.values.tolist() == [0, 2]
    assert set(codes[found.rows]) == {0, 2}


def test_every_image_of_a_value_is_as_likely() -> None:
    times = np.zeros(400)
    for seed in range(400):
        codes, found = drawn([300, 100], most=100, kept=10, seed=seed)
        times[found.rows] += 1
    assert times.mean() == 100
    assert times.min() > 60  # binomial of mean 100 and deviation 8.7
    assert times.max() < 140
    assert times[codes == 1].mean() == pytest.approx(100)


def test_no_images_are_none() -> None:
    found = drawn([], most=10)[1]
    assert (found.rows.size, found.values.size) == (0, 0)
