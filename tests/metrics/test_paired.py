from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar

from debias.metrics.paired import mcnemar


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 5), (1, 0), (0, 20), (31, 12)])
def test_mcnemar_is_that_of_statsmodels(gained: int, lost: int) -> None:
    found = mcnemar(num_gained=gained, num_lost=lost)
    expected = sm_mcnemar([[7, gained], [lost, 3]], exact=True).pvalue if gained + lost else 1.0
    assert found == pytest.approx(expected)


def test_persons_count_once_in_mcnemar() -> None:
    """A person found ten times more by one model says as much as one face that is."""
    alone = mcnemar(num_gained=40, num_lost=20)
    assert mcnemar(num_gained=40, num_lost=20, sum_of_squares=60) == alone
    shared = mcnemar(num_gained=40, num_lost=20, sum_of_squares=600)
    assert shared == pytest.approx(2 * stats.norm.sf(20 / np.sqrt(600)))
    assert shared > 10 * alone
