"""The comparison runs, compares like with like, and judges its aims."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from debias.metrics.score_counts import count_scores

FOLDER = Path(__file__).parents[2] / "experiments" / "report_speed"


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What the tiniest run prints and writes."""
    file = tmp_path_factory.mktemp("report_speed") / "speed.json"
    paths = os.pathsep.join(filter(None, [str(FOLDER.parents[1]), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(FOLDER / "measure.py"), "--tiny", "--output", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text())


@pytest.mark.slow
def test_both_sides_find_the_same(outcome: tuple[str, dict[str, Any]]) -> None:
    for each in outcome[1]["compared"]:
        assert each["num_groups"] == 48
        assert each["largest_difference"] < 1e-12
        assert len(each["ours"]) == len(each["other"]) == 2
        quotients = [b / a for a, b in zip(each["ours"], each["other"], strict=True)]
        assert each["ratios"] == pytest.approx(quotients)


@pytest.mark.slow
def test_the_streamed_runs_are_complete(outcome: tuple[str, dict[str, Any]]) -> None:
    streamed = outcome[1]["streamed"]
    for each in (*streamed["one table"], *streamed["two tables"]):
        assert each["num_rows"] == 20_000
        assert each["num_groupings"] == 15
        assert 0 < each["realised_fpr"][1] <= 0.001 < each["realised_fpr"][0] <= 0.01
        assert sum(each["stages"].values()) == pytest.approx(each["seconds"], abs=0.01)
        assert 50 < each["peak_mb"] < 2048
    # The same draw, its attributes in the same table or in another.
    assert streamed["two tables"][0]["num_faces_matched"] > 9_000
    assert streamed["one table"][0]["thresholds"] == streamed["two tables"][0]["thresholds"]
    np.testing.assert_allclose(
        streamed["one table"][0]["gaps"], streamed["two tables"][0]["gaps"], atol=0.02
    )


@pytest.mark.slow
def test_aims_are_judged_and_nothing_is_named(outcome: tuple[str, dict[str, Any]]) -> None:
    printed, kept = outcome
    assert len(kept["targets"]) == 6
    for each in kept["targets"]:
        is_floor = each["name"].startswith("times")
        below = each["found"] <= each["limit"]
        assert each["met"] == (each["found"] >= each["limit"] if is_floor else below)
        assert each["name"] in printed
    text = json.dumps(kept) + printed
    for name in (os.uname().nodename, str(Path.home()), str(FOLDER.parents[1])):
        assert name not in text


@pytest.fixture(scope="module")
def bootstrap_cells() -> Any:
    return runpy.run_path(str(FOLDER / "cell_bootstrap.py"))["bootstrap_cells"]


def _by_rows(
    hits: np.ndarray[Any, Any], codes: np.ndarray[Any, Any], num: int, size: int
) -> Iterator[np.ndarray[Any, Any]]:
    generator = np.random.default_rng(7)
    for _ in range(num):
        rows = generator.integers(0, hits.size, hits.size)
        found = np.bincount(codes[rows], weights=hits[rows], minlength=size)
        yield found / np.bincount(codes[rows], minlength=size)


def test_cells_and_rows_are_resampled_alike(bootstrap_cells: Any) -> None:
    generator = np.random.default_rng(3)
    cells = generator.choice(3, 300, p=[0.5, 0.4, 0.1])
    hits = generator.random(300) < np.array([0.9, 0.8, 0.6])[cells]
    rows = (hits.astype(float), np.ones(300, dtype=bool), cells)
    counts = count_scores([rows], columns=["tone"], cells=[["a"], ["b"], [None]], edges=[1.0])
    grouping = counts.grouping(["tone"])
    codes = grouping.codes[cells]
    known = np.arange(2)
    found = bootstrap_cells(
        table=counts.at(1.0),
        groupings=[grouping],
        ranked=[known],
        generator=np.random.default_rng(0),
        num_replicates=4000,
    )[0]
    plain = np.array(list(_by_rows(hits, codes, 4000, 3)))
    for column in range(3):
        assert stats.ks_2samp(found.recall[:, column], plain[:, column]).pvalue > 0.01
    assert stats.ks_2samp(found.worst, plain[:, known].min(axis=1)).pvalue > 0.01
    spread = plain[:, known].max(axis=1) - plain[:, known].min(axis=1)
    assert stats.ks_2samp(found.gap, spread).pvalue > 0.01
    np.testing.assert_array_equal(found.worst, found.recall[:, known].min(axis=1))


def test_groups_of_one_sample_come_from_the_same_draw(bootstrap_cells: Any) -> None:
    generator = np.random.default_rng(0)
    labels, cells = generator.random(500) < 0.5, generator.integers(0, 4, 500)
    counts = count_scores(
        [(generator.normal(labels * 1.5), labels, cells)],
        columns=["tone", "gender"],
        cells=[["dark", "f"], ["light", "m"], ["dark", None], ["light", "f"]],
        edges=[0.5],
    )
    everybody, tone, both = (counts.grouping(c) for c in ([], ["tone"], ["tone", "gender"]))
    table = counts.at(0.5)
    found = bootstrap_cells(
        table=table,
        groupings=[everybody, tone, both],
        ranked=[np.arange(1), np.arange(2), np.arange(0)],
        generator=np.random.default_rng(0),
        num_replicates=50,
    )
    low, high = found[1].recall.min(axis=1), found[1].recall.max(axis=1)
    assert np.all((low <= found[0].recall[:, 0]) & (found[0].recall[:, 0] <= high))
    assert np.isnan(found[0].gap).all()
    assert not np.isnan(found[0].worst).any()
    assert np.isnan(found[2].worst).all()


def test_certain_and_absent_faces_stay_so(bootstrap_cells: Any) -> None:
    table = np.zeros((2, 2, 2), dtype=np.int64)
    counts = count_scores([], columns=["tone"], cells=[["a"], ["b"]], edges=[])
    grouping = counts.grouping([])
    assert counts.grouping(["tone"]).groups == ()
    nobody = bootstrap_cells(
        table=table,
        groupings=[grouping],
        ranked=[np.arange(1)],
        generator=np.random.default_rng(0),
        num_replicates=3,
    )[0]
    assert np.isnan(nobody.recall).all()
    rows = (np.ones(30), np.ones(30, dtype=bool), np.arange(30) % 2)
    full = count_scores([rows], columns=["tone"], cells=[["a"], ["b"]], edges=[1.0])
    perfect = bootstrap_cells(
        table=full.at(1.0),
        groupings=[full.grouping(["tone"])],
        ranked=[np.arange(2)],
        generator=np.random.default_rng(0),
        num_replicates=20,
    )[0]
    assert (perfect.recall == 1.0).all()
    assert (perfect.gap == 0.0).all()
