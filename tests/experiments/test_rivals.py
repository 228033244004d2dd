"""The comparison of methods from end to end, at a size of seconds."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from running import SMALL
from scipy import stats

ROOT = Path(__file__).parents[2]
RUN = ROOT / "experiments" / "rivals" / "run.py"


@pytest.fixture(scope="module")
def harness() -> Iterator[Any]:
    """The harness's modules, importable by their names as its scripts import them."""
    folder = str(ROOT / "experiments" / "harness")
    sys.path.insert(0, folder)
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(folder)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Results of three methods on a drawn task, and what was printed."""
    folder = tmp_path_factory.mktemp("rivals")
    printed = _run(folder, "--methods", "plain,margin-0.3,group-balanced")
    return folder, printed


def _run(folder: Path, *options: str, check: bool = True) -> str:
    command = [
        *(sys.executable, str(RUN), "--tasks", "dark-3", "--seeds", "100"),
        *("--work", str(folder / "work"), "--results", str(folder / "results")),
        *SMALL,
        *options,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout if check else done.stderr


def test_it_trains_measures_and_tabulates(compared: tuple[Path, str]) -> None:
    folder, printed = compared
    files = sorted(path.name for path in (folder / "results" / "dark-3").iterdir())
    assert files == [f"{name}-seed100.json" for name in ("group-balanced", "margin-0.3", "plain")]
    assert (folder / "results" / "balanced" / "plain-seed100.json").exists()
    assert "### dark-3: 3 % dark" in printed
    made = json.loads((folder / "results" / "dark-3" / "margin-0.3-seed100.json").read_text())
    assert made["num_faces"] == dict.fromkeys(made["num_faces"], 80)
    assert made["num_negatives"] == 400
    assert made["versions"]["debias-faces"]
    assert made["settings"]["training"]["epochs"] == 2
    assert [weights["epoch"] for weights in made["weights"]] == [0, 1]
    # Too few non-faces for 1 %: not estimable, and not 0.
    assert made["at_test_fpr"] == {"0.01": None, "0.001": None}


def test_what_is_done_is_not_done_again(compared: tuple[Path, str]) -> None:
    folder, _ = compared
    file = folder / "results" / "dark-3" / "plain-seed100.json"
    before = file.stat().st_mtime_ns
    _run(folder, "--methods", "plain")
    assert file.stat().st_mtime_ns == before


def test_a_result_of_another_budget_is_refused(compared: tuple[Path, str]) -> None:
    told = _run(compared[0], "--methods", "plain", "--set", "training.epochs=3", check=False)
    assert "made with --fraction 0.04" in told
    assert "Use another --results" in told


def test_the_test_of_real_faces_is_read_by_final_alone(tmp_path: Path) -> None:
    told = _run(tmp_path, "--tasks", "natural", check=False)
    assert "the test of natural is read by --final alone" in told


def test_the_finals_images_are_read_by_final_alone(tmp_path: Path) -> None:
    told = _run(tmp_path, "--seeds", "100,2", check=False)
    assert "the images of seed 2 are read by --final alone" in told


def test_each_reading_of_a_final_test_is_logged(tmp_path: Path) -> None:
    options = ("--final", "--methods", "plain", "--set", "training.epochs=1")
    _run(tmp_path, *options)
    _run(tmp_path, *options)  # nothing is trained, and so nothing is read anew
    log = pd.read_csv(tmp_path / "results" / "readings.csv")
    assert log[["task", "method", "seed"]].to_numpy().tolist() == [
        ["balanced", "plain", 100],
        ["dark-3", "plain", 100],
    ]


def test_the_pages_show_the_results_that_are_there() -> None:
    page = (ROOT / "experiments" / "rivals" / "README.md").read_text()
    overview = (ROOT / "experiments" / "README.md").read_text()
    command = next(line for line in page.splitlines() if line.endswith("--tables --write"))
    words = command.removesuffix("--write").split()
    done = subprocess.run(
        [sys.executable, *words[1:]], capture_output=True, text=True, check=True, cwd=ROOT
    )
    lines = done.stdout.strip().splitlines()
    assert len(lines) > 20
    assert done.stdout.strip() in page
    first = next(place for place, line in enumerate(lines) if line.startswith("### "))
    assert "\n".join(lines[:first]) in overview


def _made(task: str, method: str, seed: int, recall: dict[str, float]) -> dict[str, Any]:
    values = np.array(list(recall.values()))
    at = {
        "recall": recall,
        "worst": values.min(),
        "gap": np.ptp(values),
        "overall": values.mean(),
        "mean_accuracy": values.mean(),
        "accuracy_variance": (100 * values).var(ddof=1),
    }
    return {
        "task": task,
        "method": method,
        "seed": seed,
        "at_test_fpr": {"0.01": at, "0.001": None},
        "weights": [],
        "seconds": 60.0,
    }


@pytest.fixture
def known() -> list[dict[str, Any]]:
    """Gaps of 10, 12 and 14 points, of which 8, 9 and 12 can be had and 6, 5 and 9 are."""
    runs = []
    for seed, plain, even, ours in ((1, 10, 2, 4), (2, 12, 3, 7), (3, 14, 2, 5)):
        for task, method, gap in (
            ("dark-3", "plain", plain),
            ("balanced", "plain", even),
            ("dark-3", "margin-0.3", ours),
        ):
            runs.append(_made(task, method, seed, {"a": 1 - gap / 100, "b": 1.0}))
    return runs


def test_the_share_closed_is_a_ratio_of_means_with_fiellers_interval(
    harness: Any, known: list[dict[str, Any]]
) -> None:
    row = harness("closing").closed_table(known, "dark-3", 0.01).iloc[0]
    assert (row["recoverable"], row["closed"]) == ("9.7", "6.7")
    assert row["share closed"] == f"{100 * 20 / 29:.0f} %"
    closed, possible = np.array([6.0, 5, 9]), np.array([8.0, 9, 12])
    low, high = harness("closing").fieller(closed, possible)
    # Its ends are the ratios r for which the mean of closed - r possible is at the edge of
    # what a t-test with two degrees of freedom rejects.
    for end in (low, high):
        statistic = stats.ttest_1samp(closed - end * possible, 0).statistic
        assert abs(statistic) == pytest.approx(stats.t.ppf(0.975, 2), rel=1e-9)
    assert low < 20 / 29 < high


def test_of_a_gap_that_is_hardly_there_no_share_is_told(harness: Any) -> None:
    runs = []
    for seed in (1, 2):
        for task, method, gap in (("dark-3", "plain", 2), ("balanced", "plain", 1.5)):
            runs.append(_made(task, method, seed, {"a": 1 - gap / 100, "b": 1.0}))
        runs.append(_made("dark-3", "margin-0.3", seed, {"a": 1.0, "b": 1.0}))
    row = harness("closing").closed_table(runs, "dark-3", 0.01).iloc[0]
    assert (row["recoverable"], row["closed"]) == ("0.5", "2.0")
    assert (row["share closed"], row["95 % interval"]) == ("?", "? to ?")
    overview = harness("closing").overview_table(runs, ["dark-3"], 0.01)
    assert overview.set_index("method").loc["margin-0.3", "dark-3"] == "no gap"


def test_an_interval_is_open_where_nothing_is_shown_to_be_recoverable(harness: Any) -> None:
    ends = harness("closing").fieller(np.array([1.0, 0.5, 1.2]), np.array([2.0, -3, 1]))
    assert ends == (-np.inf, np.inf)


def test_differences_are_paired_by_seed(harness: Any, known: list[dict[str, Any]]) -> None:
    known.append(_made("dark-3", "margin-0.3", 9, {"a": 0.1, "b": 0.2}))  # no plain to pair it
    row = harness("tables").difference_table(known, "dark-3", 0.01).iloc[0]
    gained = np.array([6.0, 5, 9])
    low, high = stats.t.interval(0.95, 2, loc=gained.mean(), scale=stats.sem(gained))
    assert row["seeds"] == "3"
    assert row["worst"] == f"{gained.mean():+.1f} [{low:+.1f}, {high:+.1f}]"
    assert row["gap"].startswith("-6.7")
    assert row["least change of a group"] == "+0.0 [+0.0, +0.0]"  # of the group always found
    ahead = harness("tables").lead_table(known, "dark-3", 0.01, leader="margin-0.3")
    assert ahead.empty  # plain is no rival


def test_a_leader_is_ahead_by_the_mean_of_paired_differences(
    harness: Any, known: list[dict[str, Any]]
) -> None:
    for seed, gap in ((1, 6), (2, 7), (3, 8)):
        known.append(_made("dark-3", "max", seed, {"a": 1 - gap / 100, "b": 1.0}))
        known.append(_made("dark-3", "group-balanced", seed, {"a": 0.99, "b": 1.0}))
    table = harness("tables").lead_table(known, "dark-3", 0.01, leader="margin-0.3")
    assert table["difference"].tolist() == ["margin-0.3 - max"]  # nor is a ceiling
    low, high = stats.t.interval(0.95, 2, loc=5 / 3, scale=stats.sem([2, 0, 3]))
    assert table["worst"].tolist() == [f"+1.7 [{low:+.1f}, {high:+.1f}]"]
