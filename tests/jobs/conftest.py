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


@pytest.fixture(scope="session")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A testbed of 120 training faces and 252 others, drawn."""
    from debias.jobs.data import PrepareJob, run_prepare
    from debias.testbed.drawing import parse_drawing

    folder = tmp_path_factory.mktemp("bed")
    job = PrepareJob(
        name="testbed:balanced:0.02",
        root=folder,
        drawing=parse_drawing("testbed:balanced:0.02"),
        show_progress=False,
        say=lambda _: None,
    )
    run_prepare(job)
    return folder
