from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from debias.errors import DataError
from debias.testbed.population import Population
from debias.testbed.rarity import planted_shares, true_rarity

JOINT = Population(skin_tones={"light": 0.7, "dark": 0.3}, female={"light": 0.5, "dark": 0.1})
PEOPLE = pd.DataFrame(
    {"skin_tone": ["light", "dark", "dark", "medium"], "gender": ["male", "female", "male", "male"]}
)


def test_shares_are_products() -> None:
    shares = planted_shares(JOINT)
    assert shares.index.names == ["skin_tone", "gender"]
    assert shares.sum() == pytest.approx(1)
    assert shares["dark", "female"] == pytest.approx(0.03)
    assert shares["light", "male"] == pytest.approx(0.35)
    np.testing.assert_allclose(planted_shares(Population()), 1 / 6)


@pytest.mark.parametrize(
    ("columns", "shares"),
    [
        (["skin_tone", "gender"], [0.35, 0.03, 0.27, 0]),
        (["gender", "skin_tone"], [0.35, 0.03, 0.27, 0]),
        (["skin_tone"], [0.7, 0.3, 0.3, 0]),
        (["gender"], [0.62, 0.38, 0.62, 0.62]),
    ],
)
def test_rarity_is_minus_the_log_of_the_share(columns: list[str], shares: list[float]) -> None:
    found = true_rarity(PEOPLE, population=JOINT, columns=columns)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(found, -np.log(shares))


def test_what_has_no_known_share_is_refused() -> None:
    with pytest.raises(DataError, match=r"'genders'.*'gender'"):
        true_rarity(PEOPLE, population=JOINT, columns=["genders"])
    picky = Population(accept=lambda drawn: np.ones(len(drawn)))
    with pytest.raises(DataError, match="rejects some faces"):
        planted_shares(picky)
