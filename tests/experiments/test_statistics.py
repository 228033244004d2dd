"""The proof by simulation runs, and judges as the report does."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from debias.metrics.intervals import rate
from debias.metrics.pairs import holm, pairs, rows_for_tests
from debias.metrics.verdicts import verdict

FOLDER = Path(__file__).parents[2] / "experiments" / "statistics"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(FOLDER / "run.py"))


def test_every_table_is_printed_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    paths = os.pathsep.join(filter(None, [str(FOLDER.parents[1]), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(FOLDER / "run.py"), "--tiny", "--output", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    kept = json.loads(file.read_text())
    assert len(kept["tables"]) == 11
    for name, rows in kept["tables"].items():
        assert f"**{name}**" in done.stdout
        for row in rows:
            shares = [value for key, value in row.items() if key.endswith("%")]
            assert shares
            assert all(0.0 <= share < 2.0 for share in shares)
    (first, *_) = kept["tables"]["Percentile bootstrap"]
    assert (first["rows"], first["rate"]) == (100, 0.998)
    assert first["bootstrap %"] == pytest.approx(1.0 - 0.998**100, abs=1e-3)
    assert first["Wilson %"] > 0.94


def test_the_kept_results_keep_the_promises() -> None:
    tables = json.loads((FOLDER / "results.json").read_text())["tables"]
    for row in tables["Wilson interval"]:
        assert 0.94 <= row["mean %"] <= 0.97
    independent = tables["Verdicts, independent rows"]
    assert {row["rows"] for row in independent} == {50, 100, 200, 500, 2000}
    for row in independent:
        errors = [value for key, value in row.items() if key.endswith("%")]
        assert len(errors) == 6
        assert max(errors) <= 0.05 + 3.0 * np.sqrt(0.05 * 0.95 / 20_000)
    for row in tables["Verdicts, five rows a person"]:
        assert row.pop("4 alike, persons ignored %") > 0.1
        errors = [value for key, value in row.items() if key.endswith("%")]
        assert max(errors) <= 0.05 + 3.0 * np.sqrt(0.05 * 0.95 / 2000)
    for row in tables["Power of the needed faces"]:
        assert min(row["margin found %"], row["alike shown %"]) >= 0.78
    tables = json.loads((FOLDER / "results.json").read_text())["tables"]
    text = (FOLDER / "README.md").read_text()
    table_text = runpy.run_path(str(FOLDER / "run.py"))["table_text"]
    for rows in tables.values():
        assert table_text(rows) in text


def test_shortcuts_agree_with_the_verdict(script: dict[str, Any]) -> None:
    generator = np.random.default_rng(0)
    effects = generator.choice([1.0, 1.5], size=(60, 4))
    hits = generator.binomial(700, [0.95, 0.97, 0.975, 0.98], size=(60, 4))
    hits[::2] = generator.binomial(700, 0.985, size=(30, 4))
    m = rows_for_tests(num_trials=700, design_effect=effects)
    differs = script["some_pair_differs"](hits / 700, m)
    within = script["all_within_margin"](hits / 700, m)
    words = set()
    for row in range(60):
        rates = [
            rate(num_successes=int(k), num_trials=700, design_effect=float(effect))
            for k, effect in zip(hits[row], effects[row], strict=True)
        ]
        found = pairs(rates=rates, margin=script["MARGIN"])
        adjusted = holm([pair.p_value for pair in found]).tolist()
        word = verdict(pairs=found, adjusted_p_values=adjusted, rates=rates).verdict
        assert differs[row] == (word in ("disparity", "below_margin"))
        assert within[row] == (word in ("none_beyond_margin", "below_margin"))
        words.add(word)
    assert {"disparity", "none_beyond_margin", "inconclusive"} <= words
