"""A run that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import QUICK, Debias


@pytest.fixture
def trained(drawn: Path, debias: Debias, tmp_path: Path) -> Path:
    """A run directory without a baseline."""
    run = tmp_path / "run"
    outcome = debias("train", drawn / "images.csv", "--output", run, "--no-baseline", *QUICK)
    assert outcome.status == 0, outcome.err
    return run
