"""What ``debias report`` hands to the job, prints, writes and leaves with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from reporting.sample_reports import full_report
from running import Debias

import debias.jobs.report as job
import debias.reporting.text as text
from debias.cli_report import CONDITION_HOLDS, FLAGS
from debias.config import to_table
from debias.reporting.settings import ReportSettings

GROUPS = ("--attributes", "people.csv", "--groups", "skin_tone=race,gender")


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace the job by one that keeps its arguments and returns a sample."""
    arguments: dict[str, Any] = {}

    def run_report(**given: Any) -> Any:
        arguments.update(given)
        return full_report()

    def write_report(report: Any, output: Path) -> None:
        (output / "report.json").write_text(json.dumps(report))

    monkeypatch.setattr(job, "run_report", run_report)
    monkeypatch.setattr(job, "write_report", write_report)
    monkeypatch.setattr(text, "render_text", lambda report: "THE TEXT\n")
    return arguments


def test_without_options_the_job_gets_its_defaults(given: dict[str, Any], debias: Debias) -> None:
    outcome = debias("report", "p.csv")
    assert (outcome.status, outcome.out, outcome.err) == (0, "THE TEXT\n", "")
    assert given == {
        "predictions": Path("p.csv"),
        "compare": None,
        "attributes": None,
        "groups": [],
        "label_provenance": {},
        "where": (),
        "columns": {},
        "compare_columns": {},
        "within": [],
        "embedding": None,
        "include_ids": False,
        "threshold": None,
        "conditions": (),
        "settings": ReportSettings(),
    }


def test_every_option_reaches_the_job(given: dict[str, Any], debias: Debias) -> None:
    outcome = debias(
        *("report", "p.csv", *GROUPS, "--within", "pose,light", "--compare", "q.csv"),
        *("--label-provenance", "gender=proxy", "--where", "pool=a", "--negatives", "grouped"),
        *("--column", "y_score=confidence", "--column", "y_true=is face"),
        *("--compare-column", "y_score=theirs"),
        *(
            "--embedding",
            "e.npz",
            "--include-ids",
            "--threshold",
            "0.7",
            "--target-fpr",
            "0.05,0.002",
        ),
        *("--margin", "0.03", "--min-group-size", "20", "--confidence", "0.9"),
        *("--replicates", "70", "--seed", "4", "--fail-if", "fpr>0.5"),
    )
    assert outcome.status == 0, outcome.err
    assert given["groups"] == ["skin_tone=race", "gender"]
    assert (given["attributes"], given["compare"]) == (Path("people.csv"), Path("q.csv"))
    assert given["within"] == ["pose", "light"]
    assert given["label_provenance"] == {"gender": "proxy"}
    assert given["columns"] == {"y_score": "confidence", "y_true": "is face"}
    assert given["compare_columns"] == {"y_score": "theirs"}
    assert [str(condition) for condition in given["where"]] == ["pool=a"]
    assert (given["embedding"], given["include_ids"]) == (Path("e.npz"), True)
    assert given["threshold"] == 0.7
    assert [condition.text for condition in given["conditions"]] == ["fpr>0.5"]
    assert given["settings"] == ReportSettings(
        target_fpr=(0.05, 0.002),
        margin=0.03,
        negatives="grouped",
        min_group_size=20,
        confidence=0.9,
        num_replicates=70,
        seed=4,
    )


def test_the_first_name_of_the_provenance_stays(given: dict[str, Any], debias: Debias) -> None:
    assert debias("report", "p.csv", *GROUPS, "--provenance", "gender=proxy").status == 0
    assert given["label_provenance"] == {"gender": "proxy"}


def test_a_condition_that_holds_leaves_with_3_when_all_is_written(
    given: dict[str, Any], debias: Debias, tmp_path: Path
) -> None:
    output = tmp_path / "report"
    outcome = debias(
        *("report", "p.csv", *GROUPS, "--output", output, "--fail-if", "worst_recall<0.9"),
        *("--fail-if", "fpr>0.5", "--fail-if", "gap[gender]@0.001>0.001", "--fail-if", "auc>0.1"),
    )
    assert outcome.status == CONDITION_HOLDS == 3
    assert outcome.out == f"THE TEXT\n{output / 'report.html'}\n"
    assert (output / "report.json").is_file()
    first, second, third = outcome.err.splitlines()
    assert first.startswith("debias report: --fail-if worst_recall<0.9 holds: 0.8818, dark x fem")
    assert second.startswith("debias report: --fail-if gap[gender]@0.001>0.001 holds: ")
    assert third.startswith("debias report: --fail-if auc>0.1 holds: ")


def test_a_condition_that_cannot_be_evaluated_leaves_with_3(
    given: dict[str, Any], debias: Debias
) -> None:
    words = ("report", "p.csv", *GROUPS, "--target-fpr", "0.01,0.0001")
    outcome = debias(*words, "--fail-if", "recall@0.0001<0.1")
    assert outcome.status == 3
    assert "--fail-if recall@0.0001<0.1 could not be evaluated: refused: " in outcome.err


def test_conditions_that_do_not_hold_leave_with_0(given: dict[str, Any], debias: Debias) -> None:
    outcome = debias("report", "p.csv", *GROUPS, "--fail-if", "worst_recall<0.1")
    assert (outcome.status, outcome.err) == (0, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fail-if", "worst_recal<0.9"], "Did you mean 'worst_recall'?"),
        (["--fail-if", "gap>x"], "'x' is no number"),
        (["--fail-if", "gap[race]>0.1"], "'race' is not grouped by. Known: gender, skin_tone"),
        (["--fail-if", "gap@0.02>0.1"], "no target is 0.02"),
        (["--column", "y_scor=c"], "Did you mean 'y_score'?"),
        (["--column", "y_score"], "--column: cannot read the column"),
        (["--compare-column", "y_score"], "--compare-column: cannot read the column"),
        (["--compare-column", "y_score=b"], "--compare-column: nothing is compared. Add --compare"),
        (["--negatives", "groupd"], "--negatives: 'groupd' is not a known value. Did you mean 'gr"),
        (["--margin", "2"], "--margin: '2' is not a number above 0 and below 1 (for 2 % write 0.0"),
        (["--margin", "small"], "--margin: 'small' is not a number above 0 and below 1"),
        (["--margin", "0"], "--margin: '0' is not a number above 0 and below 1 (see"),
        (["--target-fpr", "0.01,x"], "--target-fpr: 'x' is not a number above 0 and below 1"),
        (
            ["--target-fpr", "0.01,1%"],
            "--target-fpr: '1%' is not a number above 0 and below 1 (f",
        ),
        (["--target-fpr", "0.01,0.01"], "--target-fpr: '0.01,0.01' names a number twice"),
        (
            ["--confidence", "95"],
            "--confidence: '95' is not a number above 0 and below 1 (for 95",
        ),
        (["--confidence", "nan"], "--confidence: 'nan' is not a number above 0"),
        (["--replicates", "0"], "--replicates: '0' is not a whole number of at least 1"),
        (["--min-group-size", "-1"], "--min-group-size: '-1' is not a whole number of at least 1"),
        (["--threshold", "inf"], "--threshold: 'inf' is not a finite number"),
        (["--threshold", "x"], "--threshold: 'x' is not a finite number"),
        (["--include-ids"], "--include-ids: no slice is searched for. Add --embedding"),
        (["--within", "pose,skin_tone"], "--within: 'skin_tone' is one of --groups, too"),
        (["--withn", "pose"], "unknown option --withn. Did you mean '--within'?"),
        (["--where", "pool"], "cannot read the condition"),
    ],
)
def test_wrong_usage_is_found_before_any_work(
    words: list[str], message: str, given: dict[str, Any], debias: Debias, tmp_path: Path
) -> None:
    outcome = debias("report", "p.csv", *GROUPS, *words, "--output", tmp_path / "report")
    assert outcome.status == 2
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert given == {}
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("words", [["--within", "pose"], ["--fail-if", "gap>0.1"]])
def test_without_groups_there_is_nothing_to_compare(
    words: list[str], given: dict[str, Any], debias: Debias
) -> None:
    outcome = debias("report", "p.csv", *words)
    assert outcome.status == 2
    assert "nothing is grouped" in outcome.err
    assert given == {}


def test_attributes_without_groups_are_wrong_usage(given: dict[str, Any], debias: Debias) -> None:
    outcome = debias("report", "p.csv", "--attributes", "people.csv")
    assert outcome.status == 2
    assert "--groups: a file of attributes is given, but none of them to group by" in outcome.err
    assert given == {}


def test_an_existing_output_is_refused_before_any_work(
    given: dict[str, Any], debias: Debias, tmp_path: Path
) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "mine.txt").touch()
    outcome = debias("report", "p.csv", "--output", tmp_path / "report")
    assert outcome.status == 1
    assert "already exists. Choose another --output, or add --overwrite\n" in outcome.err
    (tmp_path / "file").touch()
    assert "is a file" in debias("report", "p.csv", "--output", tmp_path / "file" / "report").err
    assert given == {}


@pytest.mark.parametrize("option", ["--attributes", "--compare", "--embedding"])
def test_nothing_that_is_read_is_overwritten(
    option: str, given: dict[str, Any], debias: Debias, tmp_path: Path
) -> None:
    output = tmp_path / "report"
    output.mkdir()
    (output / "run.json").write_text("{}")
    pd.DataFrame({"image_id": ["a"]}).to_csv(output / "in.csv")
    words = ["report", "p.csv", "--groups", "a", option, output / "in.csv"]
    outcome = debias(*words, "--output", output, "--overwrite")
    assert outcome.status == 1
    assert "would overwrite what is read" in outcome.err
    assert given == {}


def test_the_help_states_the_defaults_and_the_statuses(debias: Debias) -> None:
    settings = to_table(ReportSettings())
    for flag, (name, _, _, summary) in FLAGS.items():
        value = settings[name]
        stated = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        assert f"({stated})" in summary, flag
    said = debias("report", "--help").out
    assert "3 a condition of --fail-if holds" in " ".join(said.split())
