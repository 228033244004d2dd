"""The worked example of the README and the guide to reports: what they say is so."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from running import Debias

from debias.data.prediction_columns import PREDICTION_COLUMNS
from debias.reporting.conditions import OVERALL_FIGURES, check_fail_if, parse_fail_if

README = Path(__file__).parents[1] / "README.md"


def example(name: str) -> str:
    """Return a block of code of the README by the comment above it."""
    found = re.search(
        rf"<!-- example: {name} -->\n```\w*\n(.*?)```",
        README.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert found is not None, name
    return found[1]


def test_the_example_is_what_comes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, debias: Debias
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(example("draw"), "README.md", "exec"), {})
    assert Path("vendor.csv").read_text().startswith(example("rows"))
    program, *words = shlex.split(example("report").replace("\\\n", ""))
    assert program == "debias"
    outcome = debias(*words)
    assert outcome.status == 3
    assert example("printed") in outcome.out
    assert "disparity found" in outcome.out
    first, second = json.loads(Path("report/report.json").read_text())["operating_points"]
    assert (first["target_fpr"], first["status"]) == (0.01, "estimated")
    assert "needs 10,000 non-faces" in second["reason"]
    assert "there are 3,991" in second["reason"]
    assert {item.name for item in Path("report").iterdir()} >= {
        "report.html",
        "README.md",
        "tables",
        "report.json",
    }


def test_the_guide_names_options_and_conditions_that_exist(debias: Debias) -> None:
    guide = (README.parent / "docs" / "reports.md").read_text(encoding="utf-8")
    named = set(re.findall(r"--[a-z][a-z-]*", guide))
    assert "--fail-if" in named
    assert named <= set(re.findall(r"--[a-z][a-z-]*", debias("report", "--help").out))
    _, _, block = guide.partition("## Conditions")
    written = re.search(r"```\n(.*?)```", block, re.DOTALL)
    assert written is not None
    conditions = parse_fail_if(written[1].split())
    assert len(conditions) == 8
    check_fail_if(
        conditions, columns=["skin_tone", "gender"], within=["pose"], target_fpr=[0.01, 0.001]
    )
    figures = set(re.findall(r"`([a-z_]+)`", block.partition("* `[")[0]))
    assert set(OVERALL_FIGURES) <= figures


def test_the_guide_shows_every_column_of_predictions() -> None:
    guide = (README.parent / "docs" / "reports.md").read_text(encoding="utf-8")
    table, _, _ = guide.partition("## Who has a group")
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(PREDICTION_COLUMNS)
