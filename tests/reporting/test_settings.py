from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from debias.config import build, to_table
from debias.errors import ConfigError
from debias.reporting.settings import ReportSettings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": 0.0}, "margin: 0.0 is not between 0 and 1"),
        ({"margin": 2.0}, "margin"),
        ({"margin": float("nan")}, "margin"),
        ({"target_fpr": (0.01, 0.01)}, "target_fpr: a rate is named twice"),
        ({"target_fpr": (0.0,)}, "target_fpr: 0.0 is not between"),
        ({"negatives": "pooled"}, "negatives: 'pooled' is not a known value. Did you mean 'pool'"),
        ({"num_sweep": 1}, "num_sweep: 1 is not at least 2"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        dataclasses.replace(ReportSettings(), **change)
    assert message in str(caught.value)


def test_settings_survive_a_table() -> None:
    settings = ReportSettings(negatives="grouped", margin=0.05, num_sweep=2, seed=-1)
    assert build(ReportSettings, to_table(settings)) == settings
